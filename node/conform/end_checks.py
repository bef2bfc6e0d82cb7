"""The end of a partnership, and what the other node has sent us meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.errors import PeerError
from federation.exchange import digest_of
from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
    failed,
)
from node.conform.farewell import leave, withdraw_everything
from node.conform.partner_requests import (
    INBOX,
    receipt_of,
    send_page,
    written_page,
)
from node.conform.signing import Signing
from node.conform.visit import refused_as, shown
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.guest import Guest
    from node.conform.visit import Visit

_ACCEPTED: Final = 202
_OK: Final = 200


async def _sent_nothing_wrong(visit: Visit) -> Finding:
    guest = visit.partner()
    arrived = guest.arrivals
    return compared(
        f"{arrived.count} requests to our inbox, {len(arrived.pages)} pages",
        expected=[],
        found=arrived.faults[:5],
    )


async def _everything_taken_back(visit: Visit) -> Finding:
    guest = visit.partner()
    count, first = len(guest.told), guest.position + 1
    answer = await withdraw_everything(visit, guest)
    sent = f"POST {INBOX}: {count} withdrawals"
    expected = f"held 0, digest {digest_of(())[:12]}…"
    if answer is None:
        raise SkipError(Sentence("Nothing was told."))
    if answer.status != _OK:
        return failed(sent, expected=expected, found=shown(answer))
    try:
        receipt = receipt_of(visit, guest, answer, first=first, last=guest.position)
    except PeerError as error:
        return failed(sent, expected=expected, found=str(error))
    found = f"held {receipt.held}, digest {receipt.digest[:12]}…"
    return compared(sent, expected=expected, found=found)


async def _leave_is_taken(visit: Visit) -> Finding:
    answer = await leave(visit, visit.partner())
    return refused_as(f"POST {INBOX}: Leave", answer, status=_ACCEPTED, codes=())


def _gone(visit: Visit) -> Guest:
    guest = visit.guest
    if guest is None or not guest.left:
        raise SkipError(Sentence("The partnership was not ended."))
    return guest


async def _leave_again(visit: Visit) -> Finding:
    answer = await leave(visit, _gone(visit))
    return refused_as(
        f"POST {INBOX}: another Leave", answer, status=_ACCEPTED, codes=()
    )


async def _no_page_afterwards(visit: Visit) -> Finding:
    guest = _gone(visit)
    answer = await send_page(visit, guest, written_page(guest, []))
    return refused_as(
        f"POST {INBOX}: a page after Leave",
        answer,
        status=403,
        codes=("partnership-ended",),
    )


async def _no_pull_afterwards(visit: Visit) -> Finding:
    guest = _gone(visit)
    signing = Signing(signer=guest.signer)
    answer = await visit.ask(lambda: visit.get("/outbox?after=0", signing=signing))
    return refused_as(
        "GET /outbox?after=0: after Leave",
        answer,
        status=403,
        codes=("partnership-ended",),
    )


def _check(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.END, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _check(
        "partner-sends-right",
        "PRT-013, PRT-020, PRT-030",
        Sentence("Everything that the other node sent us was in order."),
        _sent_nothing_wrong,
    ),
    _check(
        "end-withdrawn",
        "FED-053, FED-055",
        Sentence("After all withdrawals nothing is held."),
        _everything_taken_back,
    ),
    _check(
        "leave-taken",
        "FED-075, PRT-033",
        Sentence("A Leave ends the partnership."),
        _leave_is_taken,
    ),
    _check(
        "leave-again",
        "FED-071",
        Sentence("A repeated Leave changes nothing."),
        _leave_again,
    ),
    _check(
        "ended-page",
        "FED-073",
        Sentence("After the end no page is taken."),
        _no_page_afterwards,
    ),
    _check(
        "ended-pull",
        "FED-073",
        Sentence("After the end no page is given."),
        _no_pull_afterwards,
    ),
)
