"""How long a copy is shown (SPEC.md FED-153, FED-154)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from federation.lease import LeaseState, lapses_at, lease_begin, lease_state
from federation.limits import SIGNATURE_AGE_MAX, SIGNATURE_AHEAD_MAX
from tests.unit.federation.nodes import NOW

DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
SHOWN, TOLD, GONE = LeaseState.CONFIRMED, LeaseState.UNCONFIRMED, LeaseState.LAPSED


@pytest.mark.parametrize(
    ("public", "personal", "age", "state"),
    [
        (False, False, timedelta(), SHOWN),
        (False, False, 14 * DAY - MOMENT, SHOWN),
        (False, False, 14 * DAY, TOLD),
        (False, False, 30 * DAY - MOMENT, TOLD),
        (False, False, 30 * DAY, GONE),
        (False, True, 14 * DAY - MOMENT, SHOWN),
        (False, True, 14 * DAY, GONE),
        (True, False, 14 * DAY, TOLD),
        (True, False, 3_000 * DAY, TOLD),
        (True, True, 3_000 * DAY, TOLD),
        (False, True, -3_000 * DAY, SHOWN),
    ],
)
def test_state_by_age(
    public: bool, personal: bool, age: timedelta, state: LeaseState
) -> None:
    found = lease_state(NOW, now=NOW + age, public=public, personal=personal)
    assert found is state


def test_it_begins_with_the_later_of_the_two() -> None:
    assert lease_begin(NOW, None) == NOW
    assert lease_begin(NOW, NOW - DAY) == NOW
    assert lease_begin(NOW, NOW + DAY) == NOW + DAY


@pytest.mark.parametrize("personal", [True, False])
def test_an_owner_is_told_a_day_on_which_no_honest_copy_is_shown(
    personal: bool,
) -> None:
    until = lapses_at(NOW, personal=personal)
    # The page may have travelled as long as its signature counts, to a clock that
    # is as wrong as that permits.
    came = NOW + SIGNATURE_AGE_MAX + SIGNATURE_AHEAD_MAX
    for begin in (NOW, came):
        found = lease_state(begin, now=until, public=False, personal=personal)
        assert found is GONE
