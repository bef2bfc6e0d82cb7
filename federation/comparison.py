"""What follows if a partner holds something else than our ledger says.

One pure decision for each entry. Nothing is deleted first, and nothing of ours is
ever deleted because a partner says so: what it says is a claim.

Source: SPEC.md FED-156, FED-157.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, assert_never

from federation.limits import INCARNATION_LEAP_MAX, JSON_INTEGER_MAX
from federation.view import HeldState, HeldVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from federation.version import Version


class LedgerState(Enum):
    """Where an entry stands in our ledger of one partner."""

    TOLD = "told"
    """The partner confirmed that it was told this version."""
    WAITING = "waiting"
    """It is to be told; no receipt has confirmed it."""
    TAKEN_BACK = "taken_back"
    """It was withdrawn or deleted, and the partner confirmed that."""
    BEING_TAKEN_BACK = "being_taken_back"
    """The withdrawal or deletion waits."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """Our row of (partner, entry).

    Args:
        state: Where it stands.
        version: The version that it names.
        content_hash: Hash of the signed entry in that version; None for what was
            taken back.
    """

    state: LedgerState
    version: Version
    content_hash: str | None = None


@dataclass(frozen=True, slots=True)
class InOrder:
    """Nothing is to be done, or it is on its way already."""


@dataclass(frozen=True, slots=True)
class SendAgain:
    """Tell our version again, in a new position."""

    version: Version


@dataclass(frozen=True, slots=True)
class NoteHeld:
    """Note that the partner holds our version."""

    held: HeldVersion


@dataclass(frozen=True, slots=True)
class NoteKeptOut:
    """Note that the partner keeps our version out."""


@dataclass(frozen=True, slots=True)
class WithdrawAgain:
    """Take it back again, in a new position.

    Args:
        version: What the withdrawal has to name, so that it counts.
    """

    version: Version


@dataclass(frozen=True, slots=True)
class Adopt:
    """Withdraw it here too: we did so before the restore, and have forgotten it.

    Our office sees it and may publish it again.
    """

    held: HeldVersion


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """Change nothing; our office decides."""

    held: HeldVersion


Difference: TypeAlias = (
    InOrder | SendAgain | NoteHeld | NoteKeptOut | WithdrawAgain | Adopt | Unaccounted
)


def compare_entry(
    ours: LedgerEntry | None, held: HeldVersion | None, *, restored: bool
) -> Difference:
    """Say what follows from what a partner holds of one entry.

    Args:
        ours: Our row; None if there is none.
        held: What the partner says it holds; None if it has never heard of it.
        restored: True in the first comparison after a restore from backup.
    """
    if ours is None:
        if held is not None and held.state is HeldState.PRESENT:
            return Unaccounted(held)
        return InOrder()
    match ours.state:
        case LedgerState.TOLD:
            return _told(ours, held, restored=restored)
        case LedgerState.WAITING:
            return _waiting(ours, held, restored=restored)
        case LedgerState.TAKEN_BACK:
            return _taken_back(ours, held)
        case LedgerState.BEING_TAKEN_BACK:
            found = _taken_back(ours, held)
            if isinstance(found, WithdrawAgain) and found.version == ours.version:
                return InOrder()
            return found
        case _:
            assert_never(ours.state)


def _told(ours: LedgerEntry, held: HeldVersion | None, *, restored: bool) -> Difference:
    if held is None:
        return SendAgain(ours.version)
    if _is_gone(held, ours.version):
        return Adopt(held) if restored else Unaccounted(held)
    if held.version < ours.version:
        return SendAgain(ours.version)
    if held.version == ours.version and held.state is HeldState.QUARANTINED:
        return NoteKeptOut()
    if held.version == ours.version and held.content_hash == ours.content_hash:
        return NoteHeld(held)
    return Unaccounted(held)


def _waiting(
    ours: LedgerEntry, held: HeldVersion | None, *, restored: bool
) -> Difference:
    if held is None:
        return InOrder()
    if _is_gone(held, ours.version):
        return Adopt(held) if restored else Unaccounted(held)
    return Unaccounted(held) if held.version > ours.version else InOrder()


def _taken_back(ours: LedgerEntry, held: HeldVersion | None) -> Difference:
    if held is None or held.state is not HeldState.PRESENT:
        return InOrder()
    return WithdrawAgain(max(ours.version, held.version))


def _is_gone(held: HeldVersion, version: Version) -> bool:
    """Tell whether the partner would not take this version any more."""
    if held.state is HeldState.DELETED:
        return True
    return held.state is HeldState.WITHDRAWN and held.version >= version


def raised_incarnation(ours: int, claimed: Iterable[int]) -> int:
    """Return the incarnation that is above all that partners know.

    Args:
        ours: Our present one.
        claimed: Incarnations that a partner names. One that is further above ours
            than `INCARNATION_LEAP_MAX` is not believed: it would leave no room for
            later ones.

    Source: SPEC.md FED-157.
    """
    ceiling = min(ours + INCARNATION_LEAP_MAX, JSON_INTEGER_MAX - 1)
    believed = [each for each in claimed if ours <= each <= ceiling]
    return max(believed) + 1 if believed else ours


__all__ = [
    "Adopt",
    "Difference",
    "InOrder",
    "LedgerEntry",
    "LedgerState",
    "NoteHeld",
    "NoteKeptOut",
    "SendAgain",
    "Unaccounted",
    "WithdrawAgain",
    "compare_entry",
    "raised_incarnation",
]
