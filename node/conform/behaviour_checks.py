"""What shows only over the whole visit: faults, limits, clocks, cookies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
)
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.visit import Visit

_EVERYTHING: Final = "the whole visit"
_CLOCK_SECONDS: Final = 30


async def _never_at_fault(visit: Visit) -> Finding:
    return compared(_EVERYTHING, expected=[], found=visit.noticed.faults[:5])


async def _always_answers(visit: Visit) -> Finding:
    return compared(_EVERYTHING, expected=[], found=visit.noticed.mute[:5])


async def _limits_name_a_time(visit: Visit) -> Finding:
    limits = visit.noticed.limits
    if not limits:
        raise SkipError(Sentence("No rate limit was met."))
    named = sum(limits)
    return compared(
        _EVERYTHING,
        expected=f"{len(limits)} x 429 Retry-After",
        found=f"{named} x 429 Retry-After",
    )


async def _sets_no_cookie(visit: Visit) -> Finding:
    return compared(_EVERYTHING, expected=[], found=visit.noticed.cookies[:5])


async def _clock_is_right(visit: Visit) -> Finding:
    if visit.offset is None:
        raise SkipError(Sentence("The other node sends no Date."))
    seconds = round(visit.offset.total_seconds())
    ok = abs(seconds) <= _CLOCK_SECONDS
    return Finding(ok, "Date", f"within {_CLOCK_SECONDS} s of ours", f"{seconds} s")


def _check(
    name: str,
    clause: str,
    severity: Severity,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.BEHAVIOUR, clause, severity, title, run)


CHECKS: Final = (
    _check(
        "no-server-fault",
        "FED-060",
        Severity.MUST,
        Sentence("Nothing that was sent caused a fault of the other node (5xx)."),
        _never_at_fault,
    ),
    _check(
        "always-an-answer",
        "FED-060",
        Severity.SHOULD,
        Sentence("Every request got an answer."),
        _always_answers,
    ),
    _check(
        "retry-after",
        "PRT-010",
        Severity.MUST,
        Sentence("Whoever is told to slow down is told for how long."),
        _limits_name_a_time,
    ),
    _check(
        "no-cookies",
        "PRT-043",
        Severity.SHOULD,
        Sentence("The doors set no cookies."),
        _sets_no_cookie,
    ),
    _check(
        "clock",
        "FED-098",
        Severity.SHOULD,
        Sentence("The other node's clock agrees with ours."),
        _clock_is_right,
    ),
)
