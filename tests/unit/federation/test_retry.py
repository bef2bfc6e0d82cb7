from __future__ import annotations

from datetime import timedelta

import pytest

from federation.limits import RETRY_DELAY_FIRST, RETRY_DELAY_MAX
from federation.retry import (
    CHECK_WAIT_MAX,
    is_check_due,
    is_due,
    next_attempt,
    next_check,
)
from tests.unit.federation.nodes import NOW, Bytes


def delay(attempts: int, retry_after: timedelta | None = None) -> timedelta:
    moment = next_attempt(
        attempts, NOW, jitter=Bytes(f"{attempts}"), retry_after=retry_after
    )
    return moment - NOW


def test_the_delay_doubles_up_to_an_hour_and_never_ends() -> None:
    for attempts in range(1, 60):
        plain = min(RETRY_DELAY_FIRST * 2 ** min(attempts - 1, 30), RETRY_DELAY_MAX)
        assert plain <= delay(attempts) <= plain * 1.1
    assert delay(10_000) >= RETRY_DELAY_MAX


def test_the_partners_wish_counts_up_to_an_hour() -> None:
    assert delay(1, timedelta(minutes=5)) >= timedelta(minutes=5)
    assert delay(1, timedelta(days=30)) <= RETRY_DELAY_MAX * 1.1
    assert delay(5, timedelta(0)) >= RETRY_DELAY_FIRST * 16


def test_jitter_spreads() -> None:
    moments = {next_attempt(9, NOW, jitter=Bytes(str(seed))) for seed in range(20)}
    assert len(moments) > 15


def test_due_is_what_has_come_and_what_no_delay_explains() -> None:
    assert is_due(None, NOW)
    assert is_due(NOW, NOW)
    assert not is_due(NOW + timedelta(microseconds=1), NOW)
    longest = next_attempt(99, NOW, jitter=Bytes("x"))
    assert not is_due(longest, NOW)
    # The clock was a year ahead when this was noted.
    assert is_due(NOW + RETRY_DELAY_MAX * 1.2, NOW)
    assert is_due(NOW + timedelta(days=365), NOW)


def test_a_comparison_is_due_when_it_has_come_and_when_no_chance_explains_it() -> None:
    assert is_check_due(None, NOW)
    assert is_check_due(NOW, NOW)
    assert not is_check_due(NOW + timedelta(microseconds=1), NOW)
    latest = next_check(NOW, jitter=Bytes("x"))
    assert not is_check_due(latest, NOW)
    assert not is_check_due(NOW + CHECK_WAIT_MAX, NOW)
    assert is_check_due(NOW + CHECK_WAIT_MAX + timedelta(seconds=1), NOW)
    assert is_check_due(NOW + timedelta(days=365), NOW)


def test_no_attempt_is_no_question() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        next_attempt(0, NOW, jitter=Bytes("x"))
