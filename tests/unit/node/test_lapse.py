"""By when a copy lapses: never earlier than it may, and bounded by what is known."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from federation.lease import lapses_at
from federation.version import Version
from node.ledger.lapse import Lapse, lapse_of
from node.storage.ledger import DELETE, UPSERT, WITHDRAW, Disclosure
from tests.contract.test_partners import a_partner

TOLD = datetime(2026, 3, 1, tzinfo=UTC)
TAKEN = TOLD + timedelta(days=20)
PARTNER = a_partner(TOLD)
ROW = Disclosure(
    partner_id="sued",
    entry_id="e",
    seq=7,
    op=WITHDRAW,
    version=Version(1, 2),
    form="hidden",
    reason="VIS-011",
    recorded_at=TAKEN,
    told_at=TOLD,
    acknowledged_at=None,
    refused_reason=None,
    told_public=False,
    held=None,
    held_hash=None,
    receipt_id=None,
)


@pytest.mark.parametrize("op", [WITHDRAW, DELETE])
def test_partner_that_was_reached_last_when_it_was_told(op: str) -> None:
    lapse = lapse_of(replace(ROW, op=op), PARTNER, personal=False)
    assert lapse == Lapse(lapses_at(TOLD, personal=False))


def test_a_later_page_may_have_renewed_it() -> None:
    renewed = TOLD + timedelta(days=5)
    partner = replace(PARTNER, renewed_at=renewed)
    assert lapse_of(ROW, partner, personal=False) == Lapse(
        lapses_at(renewed, personal=False)
    )


def test_nothing_after_the_withdrawal_renews_it() -> None:
    partner = replace(PARTNER, renewed_at=TAKEN + timedelta(days=9))
    assert lapse_of(ROW, partner, personal=False) == Lapse(
        lapses_at(TAKEN, personal=False)
    )


def test_a_persons_profile_lapses_earlier_and_a_public_copy_never() -> None:
    personal = lapse_of(ROW, PARTNER, personal=True)
    other = lapse_of(ROW, PARTNER, personal=False)
    assert personal is not None
    assert other is not None
    assert personal.at is not None
    assert other.at is not None
    assert personal.at < other.at
    public = replace(ROW, told_public=True)
    assert lapse_of(public, PARTNER, personal=True) == Lapse(None)


@pytest.mark.parametrize(
    "row",
    [
        replace(ROW, op=UPSERT),
        replace(ROW, acknowledged_at=TAKEN),
        replace(ROW, told_at=None),
    ],
)
def test_nothing_lapses_where_nothing_has_to_be_removed(row: Disclosure) -> None:
    assert lapse_of(row, PARTNER, personal=False) is None
