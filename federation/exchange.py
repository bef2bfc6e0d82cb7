"""How entries travel: what to do with an item, and whether a page continues.

Pure decisions. Storing, and answering with a receipt, is the caller's part, in
one transaction. Source: SPEC.md FED-050 to FED-057.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation.documents.entry import ReceivedEntry
from federation.documents.page import PageFault
from federation.documents.withdrawal import Withdrawal, WithdrawalMode
from federation.errors import ConflictError
from federation.view import (
    BUCKETS,
    HeldState,
    HeldVersion,
    ViewDigest,
    bucket_of,
    digest_of,
    element_hash,
)

if TYPE_CHECKING:
    from federation.documents.page import Page, PageItem
    from federation.version import Version


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
