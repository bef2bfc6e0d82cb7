"""Token buckets: laws of the pure function, and the memory that holds many."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import RateLimitError
from federation.limits import (
    ADDRESS_REFUSAL_RATE,
    GUEST_RATE,
    NAMED_KEY_RATE,
    NAMED_LOOKUP_RATE,
    PARTNER_RATE,
    Rate,
)
from federation.rates import Bucket, DoorRates, Exhausted, Meter, Taken, take, too_many
from tests.unit.federation.nodes import NOW

RATE = Rate(per_second=2.0, burst=10.0)


def test_burst_then_the_long_run() -> None:
    bucket: Bucket | None = None
    for _ in range(10):
        outcome = take(bucket, RATE, now=NOW)
        assert isinstance(outcome, Taken)
        bucket = outcome.left
    refused = take(bucket, RATE, now=NOW)
    assert isinstance(refused, Exhausted)
    assert refused.wait == timedelta(seconds=0.5)
    assert isinstance(take(bucket, RATE, now=NOW + refused.wait), Taken)


def test_a_clock_that_was_set_back_fills_nothing() -> None:
    empty = Bucket(0.0, NOW)
    outcome = take(empty, RATE, now=NOW - timedelta(hours=1))
    assert isinstance(outcome, Exhausted)


def test_what_costs_more_than_a_burst_waits_for_a_full_bucket() -> None:
    assert isinstance(take(None, RATE, now=NOW, cost=50), Taken)
    outcome = take(Bucket(9.0, NOW), RATE, now=NOW, cost=50)
    assert isinstance(outcome, Exhausted)
    assert outcome.wait == timedelta(seconds=0.5)


@given(
    st.lists(st.tuples(st.floats(0, 30), st.floats(0.1, 12)), min_size=1, max_size=60)
)
def test_never_more_than_burst_and_time_allow(steps: list[tuple[float, float]]) -> None:
    """Whatever comes when: the sum of what passed is bounded."""
    bucket: Bucket | None = None
    moment, passed = NOW, 0.0
    for pause, cost in steps:
        moment += timedelta(seconds=pause)
        outcome = take(bucket, RATE, now=moment, cost=cost)
        bucket = outcome.left
        assert 0 <= bucket.tokens <= RATE.burst
        if isinstance(outcome, Taken):
            passed += min(cost, RATE.burst)
        else:
            assert isinstance(
                take(bucket, RATE, now=moment + outcome.wait * 1.001, cost=cost), Taken
            )
    elapsed = (moment - NOW).total_seconds()
    assert passed <= RATE.burst + elapsed * RATE.per_second + 1e-3


def test_memory_is_bounded_and_the_oldest_goes_first() -> None:
    meter = Meter(Rate(per_second=0.001, burst=1.0), keys_max=100)
    assert meter.charge("first", now=NOW) is None
    for number in range(99):
        meter.charge(f"a{number}", now=NOW)
    assert meter.charge("first", now=NOW) is not None
    for number in range(1_000):
        meter.charge(f"b{number}", now=NOW)
        meter.charge("kept", now=NOW)
        assert len(meter) <= 100
    assert meter.charge("kept", now=NOW) is not None


def test_looking_costs_nothing() -> None:
    meter = Meter(Rate(per_second=1.0, burst=1.0), keys_max=10)
    for _ in range(5):
        meter.require_some("a", now=NOW)
        assert meter.has_some("a", now=NOW)
    assert len(meter) == 0
    meter.require("a", now=NOW)
    with pytest.raises(RateLimitError):
        meter.require_some("a", now=NOW)


def test_refusal_names_whole_seconds_and_never_none() -> None:
    assert too_many(timedelta(0)).members == {"retry_after": 1}
    assert too_many(timedelta(seconds=2.1)).members == {"retry_after": 3}


def test_doors_count_guests_partners_and_refusals_apart() -> None:
    rates = DoorRates()
    for _ in range(int(GUEST_RATE.burst)):
        rates.admit_guest("a", now=NOW)
    with pytest.raises(RateLimitError):
        rates.admit_guest("a", now=NOW)
    rates.admit_address("a", now=NOW)
    for _ in range(int(PARTNER_RATE.burst)):
        rates.admit_partner("p", now=NOW)
    with pytest.raises(RateLimitError):
        rates.admit_partner("p", now=NOW)
    rates.admit_partner("q", now=NOW)
    for _ in range(int(ADDRESS_REFUSAL_RATE.burst)):
        assert not rates.is_silenced("a", now=NOW)
        rates.note_refusal("a", now=NOW)
    assert rates.is_silenced("a", now=NOW)
    assert not rates.is_silenced("a", now=NOW + timedelta(seconds=1))


def test_factor_raises_every_bound() -> None:
    rates = DoorRates(factor=1000)
    for _ in range(2_000):
        rates.admit_address("a", now=NOW)
        rates.admit_partner("p", now=NOW)
        rates.admit_guest("a", now=NOW)
        rates.note_failure("a", now=NOW)
        rates.note_refusal("a", now=NOW)


def test_a_clock_that_was_set_back_fills_and_empties_nothing() -> None:
    rate = Rate(per_second=1.0, burst=10.0)
    taken = take(None, rate, now=NOW, cost=4)
    assert isinstance(taken, Taken)
    back = take(taken.left, rate, now=NOW - timedelta(hours=1), cost=0)
    assert isinstance(back, Taken)
    assert back.left.tokens == 6.0


def test_an_address_without_tokens_names_few_keys_and_each_seldom() -> None:
    rates = DoorRates()
    for _ in range(int(NAMED_KEY_RATE.burst)):
        rates.admit_named("a", "key", now=NOW)
    with pytest.raises(RateLimitError):
        rates.admit_named("a", "key", now=NOW)
    rates.admit_named("a", "other key", now=NOW)
    rates.admit_named("b", "key", now=NOW)
    for _ in range(int(NAMED_LOOKUP_RATE.burst)):
        rates.admit_lookup("a", now=NOW)
    with pytest.raises(RateLimitError):
        rates.admit_lookup("a", now=NOW)
