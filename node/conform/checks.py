"""What a check is, what it found, and the words for both."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.visit import Visit
    from node.sentence import Sentence


_SHOWN_MAX: Final = 400  # characters of a finding


class Severity(Enum):
    """What a failed check says about the other node."""

    MUST = "must"
    """It does not speak the protocol."""
    SHOULD = "should"
    """It speaks it, and something about it is poor."""


class Result(Enum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


class Door(Enum):
    """Where a check knocks."""

    DISCOVERY = "discovery"
    INBOX = "inbox"
    OUTBOX = "outbox"
    PARTNER_REQUESTS = "partner-requests"
    ENTRIES = "entries"
    HANDSHAKE = "handshake"
    PAGES = "pages"
    SIGNATURES = "signatures"
    OWNERSHIP = "ownership"
    MESSAGES = "messages"
    PULL = "pull"
    HOLDINGS = "holdings"
    KEYS = "keys"
    BEHAVIOUR = "behaviour"
    END = "end"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check sent, expected and found, in the words of the protocol.

    Args:
        ok: Whether it found what it expected.
        sent: Method, path and what is special about the request.
        expected: Status, code, value.
        found: The same of the answer.
    """

    ok: bool
    sent: str
    expected: str
    found: str

    def told(self) -> Finding:
        """Return the same with nothing in it that a terminal would obey."""
        return Finding(
            self.ok, plain(self.sent), plain(self.expected), plain(self.found)
        )


class SkipError(Exception):
    """The check cannot be made here.

    Args:
        reason: Why, for people.
    """

    def __init__(self, reason: Sentence) -> None:
        self.reason = reason
        super().__init__(str(reason))


@dataclass(frozen=True, slots=True)
class Check:
    """One question to the other node.

    Args:
        id: Stable name for scripts, kebab case.
        door: Where it knocks.
        clause: Numbers of SPEC.md, or a standard, divided by commas.
        severity: What a failure means.
        title: What should be so, one sentence.
        run: Asks. Raises `SkipError` if it cannot.
        takes_long: Waits for a time limit of the other node; runs beside the others.
    """

    id: str
    door: Door
    clause: str
    severity: Severity
    title: Sentence
    run: Callable[[Visit], Awaitable[Finding]]
    takes_long: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check that was made, or skipped with its reason."""

    check: Check
    result: Result
    finding: Finding | None = None
    reason: Sentence | None = None


def plain(text: str) -> str:
    """Return what another node has said so that a terminal shows it as text."""
    shown = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}…"
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)


def compared(sent: str, *, expected: object, found: object) -> Finding:
    """Return the finding of a check that compares two values."""
    return Finding(expected == found, sent, str(expected), str(found))


def passed(sent: str, *, expected: str) -> Finding:
    """Return the finding of a check that found what it expected."""
    return Finding(ok=True, sent=sent, expected=expected, found=expected)


def failed(sent: str, *, expected: str, found: str) -> Finding:
    """Return the finding of a check that found something else."""
    return Finding(ok=False, sent=sent, expected=expected, found=found)
