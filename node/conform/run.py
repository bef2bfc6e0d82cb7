"""Makes a visit: all checks in order, and a farewell whatever happens."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from federation.errors import FederationError, IdentifierError
from federation.handshake import InvitationCodeError, parse_code
from federation.ids import (
    LOOPBACK_HOST,
    BaseUrl,
    NodeAddress,
    host_of,
    parse_base_url,
)
from federation.keys import Signer, SigningKey
from federation.negotiation import PROTOCOL_VERSION
from node.conform.checks import (
    Check,
    Outcome,
    Result,
    Severity,
    SkipError,
    failed,
)
from node.conform.farewell import say_farewell
from node.conform.guest import Guest
from node.conform.http_exchange import Exchange
from node.conform.table import CHECKS
from node.conform.visit import Visit
from node.errors import InvalidInputError, NodeError
from node.sentence import Sentence, sentence_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from federation.ports import Clock, RandomSource

_STRANGER: Final = BaseUrl("https://stranger.invalid.example")
FAREWELL_WITHIN: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for.

    Args:
        target: Address of the other node.
        code: Invitation code or link; None to stay a stranger.
        guest_url: How the other node reaches our temporary node; None for the
            address where it listens.
        listen: Where our temporary node listens.
        allow_loopback_http: Whether http://127.0.0.1:PORT is permitted.
        confirm_within: How long the other office gets.
        message_about: Entry that may get a test message.
    """

    target: str
    code: str | None = None
    guest_url: str | None = None
    listen: tuple[str, int] | None = None
    allow_loopback_http: bool = False
    confirm_within: timedelta = timedelta(minutes=10)
    message_about: str | None = None


@dataclass(slots=True)
class Report:
    """What a visit found.

    Args:
        target: The other node.
        outcomes: One for each check, in the order of the table.
        remains: What stays at the other side.
    """

    target: str
    outcomes: list[Outcome] = field(default_factory=list)
    remains: list[Sentence] = field(default_factory=list)

    def failures(self, severity: Severity) -> list[Outcome]:
        """Return the failed checks of one severity."""
        return [
            outcome
            for outcome in self.outcomes
            if outcome.result is Result.FAILED and outcome.check.severity is severity
        ]

    def document(self, *, version: str) -> dict[str, Any]:
        """Return the report for scripts."""
        return {
            "target": self.target,
            "version": version,
            "protocol": PROTOCOL_VERSION,
            "checks": [_told(outcome) for outcome in self.outcomes],
            "failed": len(self.failures(Severity.MUST)),
            "poor": len(self.failures(Severity.SHOULD)),
            "skipped": sum(each.result is Result.SKIPPED for each in self.outcomes),
            "remains": [str(each) for each in self.remains],
        }


def _told(outcome: Outcome) -> dict[str, Any]:
    check, finding = outcome.check, outcome.finding
    told: dict[str, Any] = {
        "id": check.id,
        "door": check.door.value,
        "clause": check.clause,
        "severity": check.severity.value,
        "result": outcome.result.value,
        "title": str(check.title),
        "sent": "" if finding is None else finding.sent,
        "expected": "" if finding is None else finding.expected,
        "found": "" if finding is None else finding.found,
    }
    if outcome.reason is not None:
        told["reason"] = str(outcome.reason)
    return told


async def visit_node(
    order: Order,
    *,
    clock: Clock,
    random: RandomSource,
    progress: Callable[[Outcome], None],
    tell: Callable[[Sentence], None],
) -> Report:
    """Make all checks on one node.

    Args:
        order: What was asked for.
        clock: Ours.
        random: Ours.
        progress: Called with each outcome, in the order of the table.
        tell: Called with what people should know meanwhile.

    Raises:
        InvalidInputError: An address or the code is wrong.
        UnavailableError: The node cannot be reached at all, or our port is taken.
    """
    target = _address(order.target, path="url", order=order)
    visit = Visit(
        address=NodeAddress(target),
        exchange=Exchange(
            target, clock=clock, allow_loopback=order.allow_loopback_http
        ),
        clock=clock,
        random=random,
        stranger=Signer(NodeAddress(_STRANGER), SigningKey.generate(random), 1),
        tell=tell,
        confirm_within=order.confirm_within,
        message_about=order.message_about,
    )
    listen = None
    if order.code is not None:
        visit.secret = _secret(order, target=target)
        visit.guest, listen = _guest(order, target, clock=clock, random=random)
    await visit.fetch("/actor")
    async with AsyncExitStack() as stack:
        if visit.guest is not None and listen is not None:
            await stack.enter_async_context(visit.guest.serving(*listen))
        return await _checked(visit, CHECKS, progress=progress)


async def _checked(
    visit: Visit, checks: Sequence[Check], *, progress: Callable[[Outcome], None]
) -> Report:
    report = Report(visit.address.base_url)
    # Whoever waits for a time limit of the other node waits beside the others.
    waiting = {
        check.id: asyncio.create_task(_outcome(check, visit), name=check.id)
        for check in checks
        if check.takes_long
    }
    try:
        for check in checks:
            task = waiting.get(check.id)
            outcome = await (_outcome(check, visit) if task is None else task)
            report.outcomes.append(outcome)
            progress(outcome)
    finally:
        for task in waiting.values():
            task.cancel()
        await asyncio.gather(*waiting.values(), return_exceptions=True)
        # Interrupted or not: nothing of ours stays that can be taken back.
        async with asyncio.timeout(FAREWELL_WITHIN.total_seconds()):
            report.remains = await say_farewell(visit)
        if len(report.outcomes) < len(checks):
            for sentence in report.remains:
                visit.tell(sentence)
    return report


async def _outcome(check: Check, visit: Visit) -> Outcome:
    try:
        finding = await check.run(visit)
    except SkipError as skipped:
        return Outcome(check, Result.SKIPPED, reason=skipped.reason)
    except (FederationError, NodeError) as error:
        finding = failed(check.door.value, expected="an answer", found=str(error))
    result = Result.OK if finding.ok else Result.FAILED
    return Outcome(check, result, finding.told())


def _address(text: str, *, path: str, order: Order) -> BaseUrl:
    try:
        return parse_base_url(
            text.removesuffix("/"), allow_loopback_http=order.allow_loopback_http
        )
    except IdentifierError as error:
        hint = ""
        if text.startswith(f"http://{LOOPBACK_HOST}:"):
            hint = "Give --allow-loopback-http to check a node on this machine."
        raise InvalidInputError(
            sentence_of(error), code="address-wrong", path=path, hint=hint
        ) from error


def _secret(order: Order, *, target: BaseUrl) -> bytes:
    try:
        code = parse_code(
            order.code or "", allow_loopback_http=order.allow_loopback_http
        )
    except InvitationCodeError as error:
        raise InvalidInputError(
            sentence_of(error), code="invitation-mistyped", path="code"
        ) from error
    if code.base_url != target:
        raise InvalidInputError(
            Sentence(
                "The invitation is of {host}, not of {target}.",
                host=code.base_url,
                target=target,
            ),
            code="invitation-of-another",
            path="code",
        )
    return code.secret


def _guest(
    order: Order, target: BaseUrl, *, clock: Clock, random: RandomSource
) -> tuple[Guest, tuple[str, int]]:
    """Return our temporary node and where it listens."""
    on_loopback = host_of(target) == LOOPBACK_HOST
    listen = order.listen
    if listen is None:
        if not on_loopback:
            raise InvalidInputError(
                "Say where the temporary node listens, and how it is reached: "
                "--listen HOST:PORT --guest-url https://…",
                code="listen-missing",
                path="listen",
            )
        listen = (LOOPBACK_HOST, _free_port())
    url = order.guest_url or f"http://{LOOPBACK_HOST}:{listen[1]}"
    address = _address(url, path="guest-url", order=order)
    return Guest(address, clock=clock, random=random), listen


def _free_port() -> int:

    with socket.socket() as probe:
        probe.bind((LOOPBACK_HOST, 0))
        return int(probe.getsockname()[1])
