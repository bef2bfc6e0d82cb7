"""Ed25519 keys and their Multikey form, checked on import.

The cryptography library accepts public keys of small order, for which one
signature fits every message. Such keys, and second spellings of good keys, are
refused here, before anybody can pin one.

Source: RFC 8032, W3C Controlled Identifiers 1.0 "Multikey", SPEC.md FED-030.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Self

import base58
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from federation import base58btc
from federation.errors import LocalError, SchemaInvalidError, SignatureInvalidError

if TYPE_CHECKING:
    from federation.ids import NodeAddress
    from federation.ports import RandomSource

_ED25519_PREFIX: Final = b"\xed\x01"
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_MULTIBASE_CHARACTERS: Final = 48
_FINGERPRINT_BYTES: Final = 8

_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_IDENTITY: Final = (0, 1)
_DOUBLINGS_TO_CLEAR_COFACTOR: Final = 3


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 public key that passed the import checks.

    Args:
        raw: The 32 bytes of RFC 8032 §5.1.5.
    """

    raw: bytes
    _verifier: Ed25519PublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse keys that are no points, of small order or spelled twice.

        Raises:
            SchemaInvalidError: With code `key-unusable`.
        """
        if len(self.raw) != _KEY_BYTES:
            raise _unusable("it does not have 32 bytes")
        _check_point(self.raw)
        verifier = Ed25519PublicKey.from_public_bytes(self.raw)
        object.__setattr__(self, "_verifier", verifier)

    @classmethod
    def from_multibase(cls, text: str) -> Self:
        """Read `publicKeyMultibase`: base58btc of prefix ed01 and 32 bytes.

        Raises:
            SchemaInvalidError: With code `key-unusable`: another form or
                algorithm, or a key that fails the import checks.
        """
        if len(text) != _MULTIBASE_CHARACTERS or not text.startswith("z"):
            raise _unusable("it is not an Ed25519 Multikey in base58btc")
        try:
            raw = base58btc.decode(text[1:])
        except ValueError as error:
            raise _unusable("it is not base58btc") from error
        if raw[:2] != _ED25519_PREFIX:
            raise _unusable("it is not an Ed25519 public key")
        return cls(raw[2:])

    @property
    def multibase(self) -> str:
        """The Multikey form, starting with `z6Mk`."""
        return "z" + base58.b58encode(_ED25519_PREFIX + self.raw).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits in groups of four, for people to compare.

        The first 64 bits of SHA-256 over the raw key.
        """
        digits = hashlib.sha256(self.raw).hexdigest()[: 2 * _FINGERPRINT_BYTES].upper()
        return " ".join(digits[start : start + 4] for start in range(0, 16, 4))

    def verify(self, signature: bytes, message: bytes) -> None:
        """Check a signature.

        Raises:
            SignatureInvalidError: The signature is not by this key over this
                message. Nothing is returned, so the result cannot be ignored.
        """
        if len(signature) != _SIGNATURE_BYTES:
            raise SignatureInvalidError("The signature does not have 64 bytes.")
        try:
            self._verifier.verify(signature, message)
        except InvalidSignature as error:
            raise SignatureInvalidError("The signature does not verify.") from error


class SigningKey:
    """An Ed25519 key pair. Its secret never appears in `repr` or in logs."""

    __slots__ = ("_private", "_public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self._public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def generate(cls, random: RandomSource) -> Self:
        """Make a new key pair from 32 random bytes."""
        return cls.from_bytes(random.bytes(_KEY_BYTES))

    @classmethod
    def from_bytes(cls, seed: bytes) -> Self:
        """Read the 32 secret bytes (RFC 8032 §5.1.5).

        Raises:
            LocalError: Another number of bytes.
        """
        if len(seed) != _KEY_BYTES:
            raise LocalError(f"a secret key has 32 bytes, this one {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def to_bytes(self) -> bytes:
        """Return the 32 secret bytes, for the node's key file."""
        return self._private.private_bytes_raw()

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the signature."""
        return self._private.sign(message)


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs: a node, its key, and the number that the key id carries."""

    address: NodeAddress
    key: SigningKey = field(repr=False)
    key_number: int

    @property
    def key_id(self) -> str:
        """The key's id in the actor document."""
        return self.address.key(self.key_number)

    def called(self, uri: str) -> Signer:
        """Return who signs by the name that one of the node's identifiers has."""
        return replace(self, address=self.address.called(uri))


def _unusable(reason: str) -> SchemaInvalidError:
    return SchemaInvalidError(
        f"The public key cannot be used: {reason}.", code="key-unusable"
    )


def _check_point(raw: bytes) -> None:
    """Decode the point (RFC 8032 §5.1.3) and refuse those of small order."""
    encoded = int.from_bytes(raw, "little")
    sign, y = encoded >> 255, encoded & ((1 << 255) - 1)
    if y >= _P:
        raise _unusable("it is not in normal form")
    # x^2 = (y^2 - 1) / (d y^2 + 1)
    x_squared = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(x_squared, (_P + 3) // 8, _P)
    if (x * x - x_squared) % _P != 0:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - x_squared) % _P != 0:
        raise _unusable("it is not a point of the curve")
    if x == 0 and sign:
        raise _unusable("it is not in normal form")
    # Eight times a point of small order is the neutral element. The sign of x
    # does not change the order.
    point = (x, y)
    for _ in range(_DOUBLINGS_TO_CLEAR_COFACTOR):
        point = _doubled(point)
    if point == _IDENTITY:
        raise _unusable("it has small order")


def _doubled(point: tuple[int, int]) -> tuple[int, int]:
    """Add a point to itself (RFC 8032 §5.1.4, affine)."""
    x, y = point
    product = _D * x * x * y * y % _P
    new_x = 2 * x * y * pow(1 + product, -1, _P) % _P
    new_y = (y * y + x * x) * pow(1 - product, -1, _P) % _P
    return new_x, new_y
