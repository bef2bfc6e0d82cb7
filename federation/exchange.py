"""How entries travel: what to do with an item, and the digest of a view.

Pure decisions. Storing, and answering with a receipt, is the caller's part, in
one transaction. Source: SPEC.md FED-050 to FED-057.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Self

from federation.canonical import canonical_bytes
from federation.documents.entry import ReceivedEntry
from federation.documents.page import PageFault
from federation.documents.withdrawal import Withdrawal, WithdrawalMode
from federation.errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from federation.documents.page import Page, PageItem
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


@dataclass(frozen=True, slots=True)
class Store:
    """Replace what we hold by this entry."""

    entry: ReceivedEntry


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove the entry and keep id, version and mode as a tombstone."""

    withdrawal: Withdrawal


@dataclass(frozen=True, slots=True)
class Ignore:
    """Change nothing; the answer is as if it had been applied."""

    reason: str


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Keep id, version and reason, no body; tell the partner in the receipt."""

    entry_id: str
    version: Version
    reason: str


ItemDecision = Store | Remove | Ignore | Quarantine


def decide_item(item: PageItem, held: HeldVersion | None) -> ItemDecision:
    """Say what an item of a page changes.

    Any order and any repetition of the same items ends in the same state: the
    highest version wins, a withdrawal beats the version that it names and all
    before it, a deletion beats everything for ever.

    Args:
        item: The checked item.
        held: What we applied for this entry before, None for nothing.

    Source: SPEC.md FED-052, FED-053.
    """
    if held is not None and held.state is HeldState.DELETED:
        return Ignore("deleted")
    content = item.content
    if isinstance(content, Withdrawal):
        return _decide_withdrawal(content, held)
    if held is not None and content.version < held.version:
        return Ignore("older-version")
    if held is not None and content.version == held.version:
        return _decide_same_version(content, held)
    if isinstance(content, PageFault):
        return Quarantine(content.entry_id, content.version, content.reason)
    return Store(content)


def _decide_withdrawal(
    withdrawal: Withdrawal, held: HeldVersion | None
) -> Remove | Ignore:
    if withdrawal.mode is WithdrawalMode.DELETION or held is None:
        return Remove(withdrawal)
    if withdrawal.version < held.version:
        return Ignore("older-version")
    if held.state is HeldState.WITHDRAWN and withdrawal.version == held.version:
        return Ignore("same-version")
    return Remove(withdrawal)


def _decide_same_version(
    content: ReceivedEntry | PageFault, held: HeldVersion
) -> Store | Ignore | Quarantine:
    if held.state is HeldState.WITHDRAWN:
        return Ignore("withdrawn")
    if isinstance(content, PageFault):
        return Ignore("same-version")
    if held.state is HeldState.QUARANTINED:
        # Our own rules may be newer than when it was refused.
        return Store(content)
    if content.signed.content_hash == held.content_hash:
        return Ignore("same-version")
    # One version with two contents: the first one stays.
    return Quarantine(content.entry.id, content.version, "equivocation")


@dataclass(frozen=True, slots=True)
class HeldPosition:
    """How far we have applied a partner's pages."""

    epoch: str
    position: int


@dataclass(frozen=True, slots=True)
class InOrder:
    """The page continues, or repeats, what we have."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Pages in between are missing; answer 409 `position-gap` with this.

    Args:
        epoch: Epoch that the position belongs to.
        position: The last position that we applied in it, 0 for none.
    """

    epoch: str
    position: int


def decide_continuity(page: Page, held: HeldPosition | None) -> InOrder | Gap:
    """Say whether a page may be applied now.

    A page may start anywhere up to the position after ours: what it repeats is
    ignored item by item. A new epoch starts at position 1.

    Source: SPEC.md FED-054.
    """
    known = held.position if held is not None and held.epoch == page.epoch else 0
    if page.first > known + 1:
        return Gap(page.epoch, known)
    return InOrder()


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


def position_gap(gap: Gap) -> ConflictError:
    """Return the 409 that tells the origin where to continue."""
    return ConflictError(
        "Pages in between are missing.",
        code="position-gap",
        members={"epoch": gap.epoch, "position": gap.position},
    )


__all__ = [
    "BUCKETS",
    "Gap",
    "HeldPosition",
    "HeldState",
    "HeldVersion",
    "Ignore",
    "InOrder",
    "ItemDecision",
    "Quarantine",
    "Remove",
    "Store",
    "ViewDigest",
    "bucket_of",
    "decide_continuity",
    "decide_item",
    "digest_of",
    "element_hash",
    "position_gap",
]
