"""What a receiver holds of an origin, and the digest of a whole view.

Both sides compute the same number from the same entries; buckets that differ say
where to look. Source: SPEC.md FED-055.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Self

from federation.canonical import canonical_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from federation.version import Version

BUCKETS: Final = 256
_SUM_MODULUS: Final = 2**256
_COUNT_BYTES: Final = 8
_SUM_BYTES: Final = 32
_BUCKET_BYTES: Final = _COUNT_BYTES + _SUM_BYTES
_COUNTS: Final = struct.Struct(">" + f"Q{_SUM_BYTES}x" * BUCKETS)


class HeldState(Enum):
    """What we hold of a partner's entry."""

    PRESENT = "present"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class HeldVersion:
    """The version of a partner's entry that we applied last.

    Args:
        version: Its version.
        state: What became of it.
        content_hash: Hash of the signed entry; None for what holds no content.
    """

    version: Version
    state: HeldState
    content_hash: str | None = None


def element_hash(entry_id: str, version: Version, content_hash: str) -> int:
    """Return one element of a view's digest, a number below 2^256.

    SHA-256 over the canonical bytes of [id, incarnation, counter, hash].
    """
    element = canonical_bytes(
        [entry_id, version.incarnation, version.counter, content_hash]
    )
    return int.from_bytes(hashlib.sha256(element).digest(), "big")


def bucket_of(entry_id: str) -> int:
    """Return the bucket of an entry, 0 to 255: first byte of SHA-256(id)."""
    return hashlib.sha256(entry_id.encode("utf-8")).digest()[0]


class ViewDigest:
    """Count and sum of a view's elements in 256 buckets.

    Adding and removing are the inverse of each other and need no order, so the
    digest is kept up to date entry by entry. Two views with equal digests are
    equal unless somebody finds a collision; buckets that differ say where to
    look.

    Source: SPEC.md FED-055.
    """

    __slots__ = ("_buckets",)

    def __init__(self) -> None:
        # In their written form: a page touches few buckets, and the others need
        # not be taken apart and put together again.
        self._buckets = bytearray(BUCKETS * _BUCKET_BYTES)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote.

        Raises:
            ValueError: Another length.
        """
        if len(data) != BUCKETS * _BUCKET_BYTES:
            raise ValueError(f"a view digest has {BUCKETS * _BUCKET_BYTES} bytes")
        digest = cls()
        digest._buckets[:] = data
        return digest

    def add(self, entry_id: str, version: Version, content_hash: str) -> None:
        """Count an entry in."""
        bucket = bucket_of(entry_id)
        count, total = self._read(bucket)
        element = element_hash(entry_id, version, content_hash)
        self._write(bucket, count + 1, total=(total + element) % _SUM_MODULUS)

    def remove(self, entry_id: str, version: Version, content_hash: str) -> None:
        """Take an entry out that was counted in with the same values.

        Raises:
            ValueError: Its bucket is empty.
        """
        bucket = bucket_of(entry_id)
        count, total = self._read(bucket)
        if count == 0:
            raise ValueError(f"no entry is counted in bucket {bucket}")
        element = element_hash(entry_id, version, content_hash)
        self._write(bucket, count - 1, total=(total - element) % _SUM_MODULUS)

    def discard(self, entry_id: str, version: Version, content_hash: str) -> bool:
        """Take an entry out if it can have been counted in.

        For sums that are kept for long: one that has lost an entry must not hold up
        whoever changes it. Both sides find out by the digest that it is wrong.

        Returns:
            False if its bucket is empty.
        """
        if self._read(bucket_of(entry_id))[0] == 0:
            return False
        self.remove(entry_id, version, content_hash)
        return True

    @property
    def count(self) -> int:
        """Entries counted."""
        return sum(_COUNTS.unpack(self._buckets))

    def to_bytes(self) -> bytes:
        """Return the buckets in order: count in 8 bytes, sum in 32, big-endian."""
        return bytes(self._buckets)

    def hex(self) -> str:
        """Return the view's digest: SHA-256 over `to_bytes`, 64 hex digits."""
        return hashlib.sha256(self._buckets).hexdigest()

    def buckets_that_differ(self, other: ViewDigest) -> tuple[int, ...]:
        """Return the buckets in which two views differ."""
        return tuple(
            index for index in range(BUCKETS) if self._read(index) != other._read(index)
        )

    def _read(self, bucket: int) -> tuple[int, int]:
        start = bucket * _BUCKET_BYTES
        middle, end = start + _COUNT_BYTES, start + _BUCKET_BYTES
        return (
            int.from_bytes(self._buckets[start:middle], "big"),
            int.from_bytes(self._buckets[middle:end], "big"),
        )

    def _write(self, bucket: int, count: int, *, total: int) -> None:
        start = bucket * _BUCKET_BYTES
        self._buckets[start : start + _BUCKET_BYTES] = count.to_bytes(
            _COUNT_BYTES, "big"
        ) + total.to_bytes(_SUM_BYTES, "big")


def digest_of(elements: Iterable[tuple[str, Version, str]]) -> str:
    """Return the digest of a whole view.

    Args:
        elements: Id, version and content hash of each entry, in any order.
    """
    digest = ViewDigest()
    for entry_id, version, content_hash in elements:
        digest.add(entry_id, version, content_hash)
    return digest.hex()
