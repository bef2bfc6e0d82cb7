import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from federation.keys import SigningKey
from node.errors import ConfigInvalidError, ConflictError, UnavailableError
from node.node_key import (
    create_key,
    load_key,
    remove_key,
    store_key,
    stored_numbers,
)


class Counting:
    def bytes(self, count: int) -> bytes:
        return bytes(range(count))


def test_key_comes_back_and_is_private(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        key = create_key(tmp_path, Counting())
    finally:
        os.umask(previous)
    path = tmp_path / "node.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(tmp_path).to_bytes() == key.to_bytes() == bytes(range(32))
    assert path.read_text().startswith("-----BEGIN PRIVATE KEY-----\n")


def test_key_is_never_replaced(tmp_path: Path) -> None:
    create_key(tmp_path, Counting())
    before = (tmp_path / "node.key").read_bytes()
    with pytest.raises(ConflictError):
        create_key(tmp_path, Counting())
    assert (tmp_path / "node.key").read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_key_that_others_can_reach_is_refused(tmp_path: Path, mode: int) -> None:
    create_key(tmp_path, Counting())
    path = tmp_path / "node.key"
    path.chmod(mode)
    with pytest.raises(ConfigInvalidError) as caught:
        load_key(tmp_path)
    [fault] = caught.value.faults
    assert f"chmod 600 {path}" in fault.message
    assert f"{mode:04o}" in fault.message


def test_missing_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalidError) as caught:
        load_key(tmp_path)
    assert "backup" in caught.value.faults[0].message


def test_link_is_not_followed(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    create_key(real, Counting())
    (tmp_path / "node.key").symlink_to(real / "node.key")
    with pytest.raises(ConfigInvalidError):
        load_key(tmp_path)
    with pytest.raises(ConflictError):
        create_key(tmp_path, Counting())


def test_folder_and_pipe_are_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "node.key", 0o600)
    with pytest.raises(ConfigInvalidError, match="cannot be used"):
        load_key(tmp_path)
    (tmp_path / "node.key").unlink()
    (tmp_path / "node.key").mkdir()
    with pytest.raises(ConfigInvalidError, match="cannot be used"):
        load_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff" * 200])
def test_damaged_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigInvalidError) as caught:
        load_key(tmp_path)
    message = caught.value.faults[0].message
    assert "no Ed25519 key" in message
    assert "secret" not in message


def test_key_of_another_algorithm(tmp_path: Path) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(
        generate_private_key(SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )
    )
    path.chmod(0o600)
    with pytest.raises(ConfigInvalidError):
        load_key(tmp_path)


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        create_key(tmp_path / "missing", Counting())
    assert caught.value.path == str(tmp_path / "missing" / "node.key")


def test_later_keys_have_files_of_their_own(tmp_path: Path) -> None:
    for number in (1, 2, 12):
        create_key(tmp_path, Counting(), number=number)
    (tmp_path / "node-1.key").touch()
    (tmp_path / "node-02.key").touch()
    (tmp_path / "node-x.key").touch()
    assert stored_numbers(tmp_path) == [1, 2, 12]
    assert (tmp_path / "node-12.key").exists()
    with pytest.raises(ConflictError):
        create_key(tmp_path, Counting(), number=12)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o400])
def test_key_that_has_ended_is_removed_whatever_its_mode(
    tmp_path: Path, mode: int
) -> None:
    key = create_key(tmp_path, Counting(), number=2)
    (tmp_path / "node-2.key").chmod(mode)
    assert remove_key(tmp_path, key.public_key, number=2)
    assert stored_numbers(tmp_path) == []
    assert not remove_key(tmp_path, key.public_key, number=2)


def test_only_the_named_key_is_removed(tmp_path: Path) -> None:
    other = SigningKey.from_bytes(bytes(32))
    store_key(tmp_path, other, number=2)
    mine = create_key(tmp_path, Counting()).public_key
    assert not remove_key(tmp_path, mine, number=2)
    assert load_key(tmp_path, number=2).public_key == other.public_key
    (tmp_path / "node-3.key").symlink_to(tmp_path / "node.key")
    assert not remove_key(tmp_path, mine, number=3)
    assert load_key(tmp_path).public_key == mine
