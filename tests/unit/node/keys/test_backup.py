"""The backup file: useless without its code, and the code without the file."""

import base64
import datetime
import functools
import hashlib
import json
from typing import Any

import pytest

from federation.canonical import canonical_bytes
from federation.handshake import ALPHABET
from federation.keys import SigningKey
from node.errors import InvalidInputError
from node.keys.backup import (
    FILE_BYTES_MAX,
    Backup,
    open_backup,
    read_backup,
    read_code,
    seal,
)
from node.keys.model import KeyState, NodeKey

NOW = datetime.datetime(2026, 11, 21, 10, 0, tzinfo=datetime.UTC)


class Counted:
    """Different bytes at each call."""

    def __init__(self) -> None:
        self._calls = 0

    def bytes(self, count: int, /) -> bytes:
        self._calls += 1
        return hashlib.shake_256(str(self._calls).encode()).digest(count)


def some_keys() -> tuple[list[NodeKey], dict[int, SigningKey]]:
    secrets = {
        1: SigningKey.from_bytes(bytes(range(32))),
        2: SigningKey.from_bytes(bytes(range(1, 33))),
    }
    keys = [
        NodeKey(
            number=number,
            multibase=secret.public_key.multibase,
            state=KeyState.ACTIVE,
            created_at=NOW,
        )
        for number, secret in secrets.items()
    ]
    return keys, secrets


@functools.cache
def made() -> Backup:
    keys, secrets = some_keys()
    return seal(
        keys,
        secrets,
        node_id="some-node",
        base_url="https://spalier.optence.example",
        at=NOW,
        random=Counted(),
    )


def changed(backup: Backup, **members: Any) -> bytes:
    """The file with other members, and a checksum that fits them."""
    document = {**json.loads(backup.content), **members}
    document.pop("checksum", None)
    document["checksum"] = hashlib.sha256(canonical_bytes(document)).hexdigest()
    return json.dumps(document).encode()


def test_what_was_sealed_comes_back() -> None:
    backup = made()
    sealed = read_backup(backup.content)
    assert (sealed.node_id, sealed.base_url) == (
        "some-node",
        "https://spalier.optence.example",
    )
    assert sealed.created == NOW
    opened = open_backup(sealed, backup.code)
    _, secrets = some_keys()
    assert {number: key.to_bytes() for number, key in opened.items()} == {
        number: key.to_bytes() for number, key in secrets.items()
    }


def test_file_shows_no_secret_and_the_code_is_not_in_it() -> None:
    backup = made()
    _, secrets = some_keys()
    raw = read_code(backup.code)
    for secret in secrets.values():
        for form in (
            secret.to_bytes(),
            base64.b64encode(secret.to_bytes()),
            secret.to_bytes().hex().encode(),
        ):
            assert form not in backup.content
    for form in (raw, base64.b64encode(raw), raw.hex().encode(), backup.code.encode()):
        assert form not in backup.content
    assert "code" not in repr(backup)


def test_code_has_160_bits_in_groups_with_check_letters() -> None:
    code = made().code
    assert [len(group) for group in code.split("-")] == [5] * 8
    assert len(read_code(code)) * 8 == 160
    assert read_code(code.lower().replace("-", " ")) == read_code(code)


def test_code_of_the_specification() -> None:
    code = "000GC-40R4Y-0M301-E209M-185G2-R38EE-1W810-24GKG"
    assert read_code(code) == bytes(range(20))
    swapped = code[24:29] + code[5:24] + code[:5] + code[29:]
    with pytest.raises(InvalidInputError, match="Group 1 "):
        read_code(swapped)


def test_each_backup_has_a_code_of_its_own() -> None:
    keys, secrets = some_keys()
    random = Counted()
    first, second = (
        seal(keys, secrets, node_id="n", base_url="u", at=NOW, random=random)
        for _ in range(2)
    )
    assert first.code != second.code
    with pytest.raises(InvalidInputError) as caught:
        open_backup(read_backup(first.content), second.code)
    assert caught.value.code == "code-wrong"


@pytest.mark.parametrize("position", range(0, 40, 3))
def test_mistyped_letter_is_found_in_its_group(position: int) -> None:
    code = made().code.replace("-", "")
    other = ALPHABET[(ALPHABET.index(code[position]) + 1) % 32]
    typed = code[:position] + other + code[position + 1 :]
    with pytest.raises(InvalidInputError) as caught:
        read_code(typed)
    assert caught.value.code == "code-mistyped"
    assert f"Group {position // 5 + 1} " in caught.value.message


def test_too_few_letters() -> None:
    with pytest.raises(InvalidInputError, match="this one has 35") as caught:
        read_code(made().code[:-6])
    assert caught.value.code == "code-length"


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"-----BEGIN PRIVATE KEY-----", b'{"format": "other"}'],
)
def test_another_file(content: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_backup(content)
    assert caught.value.code == "not-a-backup"


def test_endless_file() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_backup(made().content + b" " * FILE_BYTES_MAX)
    assert caught.value.code == "not-a-backup"


def test_newer_version_says_so() -> None:
    with pytest.raises(InvalidInputError, match="version 2") as caught:
        read_backup(changed(made(), version=2))
    assert caught.value.code == "backup-version"


def test_every_damaged_byte_is_noticed_without_the_code() -> None:
    content = made().content
    for position in range(0, len(content), 7):
        flipped = bytes([content[position] ^ 1])
        damaged = content[:position] + flipped + content[position + 1 :]
        try:
            same = json.loads(damaged) == json.loads(content)
        except ValueError:
            same = False
        if same:  # white space
            continue
        with pytest.raises(InvalidInputError) as caught:
            read_backup(damaged)
        assert caught.value.code in {
            "backup-damaged",
            "not-a-backup",
            "backup-version",
        }, position


def test_half_a_file_is_damaged() -> None:
    content = made().content
    with pytest.raises(InvalidInputError) as caught:
        read_backup(content[: len(content) // 2])
    assert caught.value.code == "backup-damaged"


@pytest.mark.parametrize(
    "members",
    [
        {"base_url": "https://evil.example"},
        {"node_id": "another"},
        {"created": "2030-01-01T00:00:00Z"},
        {"ciphertext": base64.b64encode(bytes(80)).decode()},
    ],
)
def test_changes_with_a_new_checksum_do_not_open(members: dict[str, Any]) -> None:
    backup = made()
    sealed = read_backup(changed(backup, **members))
    with pytest.raises(InvalidInputError) as caught:
        open_backup(sealed, backup.code)
    assert caught.value.code == "code-wrong"


@pytest.mark.parametrize(
    "kdf",
    [
        {"memory_kib": 2**31},
        {"iterations": 10**9},
        {"lanes": 1000},
        {"name": "none"},
        {"memory_kib": "65536"},
        {"memory_kib": -5},
        {"memory_kib": 7},
        {"iterations": -1},
        {"iterations": True},
        {"iterations": 10, "memory_kib": 128 * 1024, "lanes": 8},
        {"salt": 5},
        {"salt": "ä"},
        {"salt": "AAAA"},
    ],
)
def test_file_cannot_ask_for_more_than_is_bearable(kdf: dict[str, Any]) -> None:
    backup = made()
    parameters = {**json.loads(backup.content)["kdf"], **kdf}
    with pytest.raises(InvalidInputError) as caught:
        read_backup(changed(backup, kdf=parameters))
    assert caught.value.code == "backup-damaged"


@pytest.mark.parametrize(
    "members",
    [
        {"cipher": {"name": "AES-256-GCM", "nonce": "AAAA"}},
        {"cipher": {"name": "AES-256-GCM", "nonce": ""}},
        {"cipher": []},
        {"kdf": []},
        {"ciphertext": ""},
        {"ciphertext": "ä"},
        {"created": 5},
    ],
)
def test_file_that_was_made_up_is_damage(members: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read_backup(changed(made(), **members))
    assert caught.value.code == "backup-damaged"


def test_numbers_without_a_canonical_form_are_damage() -> None:
    """No checksum can be right for them; the file is refused all the same."""
    content = made().content.replace(b'"number": 1', b'"number": 1' + b"0" * 30)
    with pytest.raises(InvalidInputError) as caught:
        read_backup(content)
    assert caught.value.code == "backup-damaged"


@pytest.mark.parametrize(
    "kdf", [{"memory_kib": 0}, {"iterations": 0}, {"lanes": 0}, {"salt": ""}]
)
def test_parameters_that_do_not_exist_are_damage(kdf: dict[str, Any]) -> None:
    backup = made()
    parameters = {**json.loads(backup.content)["kdf"], **kdf}
    with pytest.raises(InvalidInputError) as caught:
        open_backup(read_backup(changed(backup, kdf=parameters)), backup.code)
    assert caught.value.code == "backup-damaged"
