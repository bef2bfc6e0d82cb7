from __future__ import annotations

from typing import Any

import base58
import pytest

from federation.errors import LocalError, SchemaInvalidError, SignatureInvalidError
from federation.keys import PublicKey, SigningKey
from tests.unit.federation.nodes import Bytes

_P = 2**255 - 19
# The encodings of all eight points of small order (RFC 7748 §7, RFC 8032).
_SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def test_published_pairs(vectors: Any) -> None:
    data = vectors("multikey-encodings")
    for pair in data["ed25519_pairs"]:
        secret = base58.b58decode(pair["privateKeyMultibase"][1:])
        key = SigningKey.from_bytes(secret[2:])
        assert key.public_key.multibase == pair["publicKeyMultibase"]
        assert PublicKey.from_multibase(pair["publicKeyMultibase"]) == key.public_key
        key.public_key.verify(key.sign(b"text"), b"text")


def test_published_multikeys(vectors: Any) -> None:
    for case in vectors("multikey-encodings")["actor_multikeys"]:
        text = case["multikey"]["publicKeyMultibase"]
        if case["kind"] == "ed25519-pub":
            assert (
                PublicKey.from_multibase(text).raw.hex() == (case["raw_public_key_hex"])
            )
        else:
            with pytest.raises(SchemaInvalidError, match="Ed25519"):
                PublicKey.from_multibase(text)


def test_published_invalid_multikeys(vectors: Any) -> None:
    for case in vectors("multikey-encodings")["invalid"]:
        with pytest.raises(SchemaInvalidError) as caught:
            PublicKey.from_multibase(case["value"])
        assert caught.value.code == "key-unusable"


@pytest.mark.parametrize("encoded", _SMALL_ORDER)
def test_keys_of_small_order_are_refused(encoded: str) -> None:
    with pytest.raises(SchemaInvalidError, match="small order"):
        PublicKey(bytes.fromhex(encoded))


@pytest.mark.parametrize(
    "raw",
    [
        (_P).to_bytes(32, "little"),
        (_P + 1).to_bytes(32, "little"),
        (2**255 - 1).to_bytes(32, "little"),
        (1 | 1 << 255).to_bytes(32, "little"),
        ((_P - 1) | 1 << 255).to_bytes(32, "little"),
    ],
)
def test_second_spellings_of_points_are_refused(raw: bytes) -> None:
    with pytest.raises(SchemaInvalidError, match="normal form"):
        PublicKey(raw)


def test_half_of_all_numbers_are_no_points() -> None:
    refused = 0
    for y in range(2, 102):
        try:
            PublicKey(y.to_bytes(32, "little"))
        except SchemaInvalidError:
            refused += 1
    assert 30 < refused < 70


def test_decoding_agrees_with_the_library_on_real_keys() -> None:
    random = Bytes("keys")
    for _ in range(50):
        SigningKey.generate(random)


def test_white_space_around_a_multikey_is_refused() -> None:
    good = SigningKey.generate(Bytes("a")).public_key.multibase
    for text in (good + " ", good[:-1] + " ", "z" + good, good.swapcase()):
        with pytest.raises(SchemaInvalidError):
            PublicKey.from_multibase(text)


def test_verification_raises_and_returns_nothing() -> None:
    key = SigningKey.generate(Bytes("a"))
    signature = key.sign(b"text")
    for bad in (b"", signature[:-1], signature + b"\0", bytes(64)):
        with pytest.raises(SignatureInvalidError):
            key.public_key.verify(bad, b"text")
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(signature, b"other")


def test_a_signature_with_a_larger_scalar_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    key = SigningKey.generate(Bytes("a"))
    signature = key.sign(b"text")
    scalar = int.from_bytes(signature[32:], "little") + order
    with pytest.raises(SignatureInvalidError):
        key.public_key.verify(signature[:32] + scalar.to_bytes(32, "little"), b"text")


def test_fingerprint_has_four_groups() -> None:
    fingerprint = SigningKey.generate(Bytes("a")).public_key.fingerprint
    groups = fingerprint.split(" ")
    assert [len(group) for group in groups] == [4, 4, 4, 4]
    assert int("".join(groups), 16) >= 0
    assert fingerprint == fingerprint.upper()


def test_secrets_do_not_show() -> None:
    key = SigningKey.generate(Bytes("a"))
    assert key.to_bytes().hex() not in repr(key)
    assert SigningKey.from_bytes(key.to_bytes()).public_key == key.public_key
    with pytest.raises(LocalError):
        SigningKey.from_bytes(b"short")
