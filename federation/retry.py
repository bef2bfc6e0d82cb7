"""When to try a partner again. State is kept for a partner, not for a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.limits import (
    CHECK_AFTER,
    CHECK_SPREAD,
    RETRY_DELAY_FIRST,
    RETRY_DELAY_MAX,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from federation.ports import RandomSource

_JITTER_PARTS = 10
_DOUBLINGS_MAX = 20
RETRY_WAIT_MAX = RETRY_DELAY_MAX + RETRY_DELAY_MAX / _JITTER_PARTS
CHECK_WAIT_MAX = CHECK_AFTER + CHECK_SPREAD
"""The longest time until the next attempt."""


def next_attempt(
    attempts: int,
    failed_at: datetime,
    *,
    jitter: RandomSource,
    retry_after: timedelta | None = None,
) -> datetime:
    """Tell when to try a partner again; there is no giving up.

    The delay doubles from `RETRY_DELAY_FIRST` up to `RETRY_DELAY_MAX` and gets up
    to 10 % of jitter, so that a partner that comes back is not hit by every node
    at once. What the partner itself asks for counts if it is longer, but never
    for more than `RETRY_DELAY_MAX`.

    Args:
        attempts: Attempts that failed in a row, 1 or more.
        failed_at: End of the last attempt, aware UTC.
        jitter: Source of the jitter; the simulator passes its own.
        retry_after: The answer's `Retry-After`, if it had one.

    Returns:
        Time of the next attempt, aware UTC.

    Raises:
        ValueError: `attempts` is below 1.

    Source: SPEC.md FED-058.
    """
    if attempts < 1:
        raise ValueError(f"attempts must be 1 or more, not {attempts}")
    delay = RETRY_DELAY_FIRST * (1 << min(attempts - 1, _DOUBLINGS_MAX))
    if retry_after is not None:
        delay = max(delay, retry_after)
    delay = min(delay, RETRY_DELAY_MAX)
    return failed_at + delay + delay / _JITTER_PARTS * _share(jitter)


def is_due(at: datetime | None, now: datetime) -> bool:
    """Whether the time of an attempt has come; at once if none is set.

    A time farther away than any delay is a mistake of the clock, which was set back
    since: a partner must not wait for a year because ours was a year ahead once.
    """
    if at is None:
        return True
    return not now < at <= now + RETRY_WAIT_MAX


def next_check(checked_at: datetime, *, jitter: RandomSource) -> datetime:
    """Tell when both sides are compared again: 20 to 28 hours later, by chance.

    Args:
        checked_at: The last comparison, aware UTC.
        jitter: Source of the chance.

    Source: SPEC.md FED-151.
    """
    return checked_at + CHECK_AFTER + CHECK_SPREAD * _share(jitter)


def is_check_due(at: datetime | None, now: datetime) -> bool:
    """Whether the time of a comparison has come; at once if none is set.

    A time farther away than any comparison is a mistake of the clock, as in `is_due`:
    nothing would confirm the partner's copies until then, and they would lapse.
    """
    return at is None or not now < at <= now + CHECK_WAIT_MAX


def _share(jitter: RandomSource) -> float:
    """Draw a number from 0 to 1."""
    return int.from_bytes(jitter.bytes(2), "big") / 0xFFFF
