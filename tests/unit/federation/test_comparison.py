"""The table of SPEC.md FED-156, cell by cell."""

from __future__ import annotations

import pytest

from federation.comparison import (
    Adopt,
    Difference,
    InOrder,
    LedgerEntry,
    LedgerState,
    NoteHeld,
    NoteKeptOut,
    SendAgain,
    Unaccounted,
    WithdrawAgain,
    compare_entry,
    raised_incarnation,
)
from federation.exchange import HeldState, HeldVersion
from federation.limits import INCARNATION_LEAP_MAX, JSON_INTEGER_MAX
from federation.version import Version

OLDER, OURS, NEWER = Version(1, 4), Version(1, 5), Version(1, 6)
HASH, OTHER = "a" * 64, "b" * 64
IN_ORDER, AGAIN, NOTE, OUT = "in order", "again", "note", "kept out"
WITHDRAW, NAMING, ADOPT, UNACCOUNTED = "withdraw", "naming h", "adopt", "unaccounted"

# What is held, by columns; what follows, by rows.
HELD: dict[str, HeldVersion | None] = {
    "absent": None,
    "present older": HeldVersion(OLDER, HeldState.PRESENT, OTHER),
    "present same": HeldVersion(OURS, HeldState.PRESENT, HASH),
    "present same, other hash": HeldVersion(OURS, HeldState.PRESENT, OTHER),
    "present newer": HeldVersion(NEWER, HeldState.PRESENT, OTHER),
    "kept out older": HeldVersion(OLDER, HeldState.QUARANTINED),
    "kept out same": HeldVersion(OURS, HeldState.QUARANTINED),
    "kept out newer": HeldVersion(NEWER, HeldState.QUARANTINED),
    "withdrawn older": HeldVersion(OLDER, HeldState.WITHDRAWN),
    "withdrawn same": HeldVersion(OURS, HeldState.WITHDRAWN),
    "withdrawn newer": HeldVersion(NEWER, HeldState.WITHDRAWN),
    "deleted older": HeldVersion(OLDER, HeldState.DELETED),
    "deleted same": HeldVersion(OURS, HeldState.DELETED),
}
GONE = [ADOPT, ADOPT]
TABLE: dict[LedgerState | None, list[str]] = {
    LedgerState.TOLD: [
        AGAIN, AGAIN, NOTE, UNACCOUNTED, UNACCOUNTED,
        AGAIN, OUT, UNACCOUNTED,
        AGAIN, *GONE, *GONE,
    ],
    LedgerState.WAITING: [
        IN_ORDER, IN_ORDER, IN_ORDER, IN_ORDER, UNACCOUNTED,
        IN_ORDER, IN_ORDER, UNACCOUNTED,
        IN_ORDER, *GONE, *GONE,
    ],
    LedgerState.TAKEN_BACK: [
        IN_ORDER, WITHDRAW, WITHDRAW, WITHDRAW, NAMING,
        IN_ORDER, IN_ORDER, IN_ORDER,
        *[IN_ORDER] * 5,
    ],
    LedgerState.BEING_TAKEN_BACK: [
        IN_ORDER, IN_ORDER, IN_ORDER, IN_ORDER, NAMING,
        IN_ORDER, IN_ORDER, IN_ORDER,
        *[IN_ORDER] * 5,
    ],
    None: [IN_ORDER, *[UNACCOUNTED] * 4, *[IN_ORDER] * 8],
}  # fmt: skip
CELLS = [
    (state, held, expected)
    for state, row in TABLE.items()
    for held, expected in zip(HELD, row, strict=True)
]


def named(difference: Difference, held: HeldVersion | None) -> str:
    match difference:
        case InOrder():
            return IN_ORDER
        case SendAgain(version=version):
            assert version == OURS
            return AGAIN
        case NoteHeld(held=noted):
            assert noted == held
            return NOTE
        case NoteKeptOut():
            return OUT
        case WithdrawAgain(version=version):
            return {OURS: WITHDRAW, NEWER: NAMING}[version]
        case Adopt(held=claimed):
            assert claimed == held
            return ADOPT
        case Unaccounted(held=claimed):
            assert claimed == held
            return UNACCOUNTED


@pytest.mark.parametrize("restored", [True, False])
@pytest.mark.parametrize(("state", "held", "expected"), CELLS)
def test_cell(
    state: LedgerState | None, held: str, expected: str, restored: bool
) -> None:
    told = state in {LedgerState.TOLD, LedgerState.WAITING}
    ours = None if state is None else LedgerEntry(state, OURS, HASH if told else None)
    found = compare_entry(ours, HELD[held], restored=restored)
    if expected == ADOPT and not restored:
        # Only a restore makes us believe that we have forgotten something.
        expected = UNACCOUNTED
    assert named(found, HELD[held]) == expected


def test_the_table_of_the_specification_has_these_rows() -> None:
    assert set(TABLE) == {*LedgerState, None}
    assert {held.state for held in HELD.values() if held} == set(HeldState)


def test_what_a_partner_claims_deletes_nothing() -> None:
    for state in (*LedgerState, None):
        for held in HELD.values():
            for restored in (True, False):
                ours = None if state is None else LedgerEntry(state, OURS, HASH)
                found = compare_entry(ours, held, restored=restored)
                if isinstance(found, WithdrawAgain):
                    assert state in {
                        LedgerState.TAKEN_BACK,
                        LedgerState.BEING_TAKEN_BACK,
                    }


@pytest.mark.parametrize(
    ("ours", "claimed", "raised"),
    [
        (2, [], 2),
        (2, [1, 1], 2),
        (2, [1, 2], 3),
        (2, [5, 3], 6),
        # A partner that lies does not use up what there is to count with.
        (2, [2 + INCARNATION_LEAP_MAX], 3 + INCARNATION_LEAP_MAX),
        (2, [3 + INCARNATION_LEAP_MAX], 2),
        (2, [JSON_INTEGER_MAX, 4], 5),
        (JSON_INTEGER_MAX - 1, [JSON_INTEGER_MAX], JSON_INTEGER_MAX - 1),
        (JSON_INTEGER_MAX - 1, [JSON_INTEGER_MAX - 1], JSON_INTEGER_MAX),
    ],
)
def test_the_incarnation_rises_above_what_is_known(
    ours: int, claimed: list[int], raised: int
) -> None:
    assert raised_incarnation(ours, claimed) == raised
