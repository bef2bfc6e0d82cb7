"""What both sides say that is held: verifying pages, and `GET /holdings`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from federation.documents.holdings import (
    HoldingsPage,
    HoldingsScope,
    parse_holdings,
    parse_holdings_page,
)
from federation.documents.page import Verifying
from federation.errors import PeerError
from federation.exchange import HeldState
from federation.inbox import is_activity_media_type
from federation.strict_json import loads_object
from federation.timestamps import format_timestamp
from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
    failed,
)
from node.conform.partner_requests import (
    INBOX,
    receipt_of,
    send_page,
    written_page,
)
from node.conform.pull_checks import verify_answer
from node.conform.signing import Signing
from node.conform.visit import refused_as, shown
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.json_types import JsonObject
    from node.conform.guest import Guest
    from node.conform.http_exchange import Answer, Letter
    from node.conform.visit import Visit

T = TypeVar("T")

_OK: Final = 200
_HOLDINGS: Final = "/holdings"


def _told(guest: Guest) -> JsonObject:
    """Return what a verifying page of ours says."""
    told = Verifying(len(guest.held_there), guest.digest_there(), guest.now())
    return {
        "held": told.held,
        "digest": told.digest,
        "published": format_timestamp(told.published),
    }


async def _verifying_page(visit: Visit) -> Finding:
    guest = visit.partner()
    page = {**written_page(guest, []), **_told(guest)}
    answer = await send_page(visit, guest, page)
    sent = f"POST {INBOX}: an empty page that tells what is held"
    expected = f"200, a receipt: {len(guest.held_there)} held, equal digest"
    if answer.status != _OK:
        return failed(sent, expected=expected, found=shown(answer))
    first = guest.position + 1
    try:
        receipt = receipt_of(visit, guest, answer, first=first, last=guest.position)
    except PeerError as error:
        return failed(sent, expected=expected, found=str(error))
    equal = "equal" if receipt.digest == guest.digest_there() else "another"
    return compared(
        sent,
        expected=expected,
        found=f"200, a receipt: {receipt.held} held, {equal} digest",
    )


async def _half_verifying_page(visit: Visit) -> Finding:
    guest = visit.partner()
    told = _told(guest)
    page = {**written_page(guest, []), "held": told["held"]}
    answer = await send_page(visit, guest, page)
    sent = f"POST {INBOX}: a page that tells how much is held, and no digest"
    return refused_as(sent, answer, status=422, codes=("schema-invalid",))


def _ask(visit: Visit, guest: Guest, query: str) -> Letter:
    return visit.get(f"{_HOLDINGS}{query}", signing=Signing(signer=guest.signer))


async def _read(
    visit: Visit, query: str, parse: Callable[[JsonObject], T]
) -> tuple[Answer, T]:
    """Ask what the other node holds.

    Raises:
        PeerError: The answer is none, or not signed for this request.
    """
    guest = visit.partner()
    written: list[Letter] = []

    def write() -> Letter:
        written.append(_ask(visit, guest, query))
        return written[-1]

    answer = await visit.ask(write)
    media_type = answer.field("Content-Type")
    if answer.status != _OK or not is_activity_media_type(media_type):
        raise PeerError(shown(answer))
    verify_answer(visit, written[-1], answer)
    return answer, parse(loads_object(answer.body))


async def _numbers(visit: Visit) -> Finding:
    guest = visit.partner()
    sent = f"GET {_HOLDINGS}"
    expected = f"position {guest.position}, {len(guest.held_there)} held, equal digest"
    try:
        _, told = await _read(
            visit,
            "",
            lambda document: parse_holdings(
                document, peer=visit.host().as_peer(), address=guest.address
            ),
        )
    except PeerError as error:
        return failed(sent, expected=expected, found=str(error))
    equal = "equal" if told.view.hex() == guest.digest_there() else "another"
    return compared(
        sent,
        expected=expected,
        found=f"position {told.position}, {told.view.count} held, {equal} digest",
    )


async def _list(visit: Visit) -> Finding:
    guest = visit.partner()
    scope: HoldingsScope | None = HoldingsScope()
    present: dict[str, str | None] = {}
    sent = f"GET {_HOLDINGS}?after="
    expected = f"the {len(guest.held_there)} entries that are held, by version and hash"
    while scope is not None:
        asked = replace(scope)

        def parse(document: JsonObject, asked: HoldingsScope = asked) -> HoldingsPage:
            return parse_holdings_page(
                document,
                scope=asked,
                peer=visit.host().as_peer(),
                address=guest.address,
            )

        try:
            _, page = await _read(visit, f"?after={scope.after or ''}", parse)
        except PeerError as error:
            return failed(sent, expected=expected, found=str(error))
        present |= {
            each.entry_id: f"{each.held.version.shown} {each.held.content_hash}"
            for each in page.entries
            if each.held.state is HeldState.PRESENT
        }
        scope = page.more
    wanted = {
        entry_id: f"{version.shown} {content_hash}"
        for entry_id, (version, content_hash) in guest.held_there.items()
    }
    found = expected if present == wanted else f"{len(present)} entries, others"
    return compared(sent, expected=expected, found=found)


async def _unsigned(visit: Visit) -> Finding:
    visit.partner()
    letter = visit.get(_HOLDINGS)
    answer = await visit.ask(lambda: letter)
    return refused_as(letter, answer, status=401, codes=("signature-missing",))


async def _no_such_bucket(visit: Visit) -> Finding:
    guest = visit.partner()
    answer = await visit.ask(lambda: _ask(visit, guest, "?bucket=256"))
    letter = _ask(visit, guest, "?bucket=256")
    return refused_as(letter, answer, status=400, codes=("malformed",))


async def _pulled_page_tells(visit: Visit) -> Finding:
    page = visit.partner().pulled
    if page is None:
        raise SkipError(Sentence("No page could be pulled."))
    if page.last < page.head:
        raise SkipError(Sentence("The page that was pulled is not the last one."))
    told = "nothing" if page.verifying is None else f"{page.verifying.held} held"
    kept = sum(not hasattr(item.content, "mode") for item in page.items)
    return compared(
        "GET /outbox?after=0",
        expected=f"a page that tells {kept} held",
        found=(f"a page that tells {told}"),
    )


def _step(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
    *,
    door: Door = Door.HOLDINGS,
) -> Check:
    return Check(name, door, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _step(
        "page-verifying",
        "FED-150, PRT-055",
        Sentence("An empty page that tells what is held is answered with a receipt."),
        _verifying_page,
        door=Door.PAGES,
    ),
    _step(
        "page-verifying-half",
        "PRT-055",
        Sentence("A page that tells only a part of what is held is refused."),
        _half_verifying_page,
        door=Door.PAGES,
    ),
    _step(
        "pull-verifying",
        "FED-151",
        Sentence("A pulled page up to the newest position tells what is held."),
        _pulled_page_tells,
        door=Door.PULL,
    ),
    _step(
        "holdings-numbers",
        "FED-155, PRT-054",
        Sentence("A partner reads what is held of it, in numbers, signed."),
        _numbers,
    ),
    _step(
        "holdings-list",
        "FED-155, PRT-054",
        Sentence("A partner reads which of its entries are held."),
        _list,
    ),
    _step(
        "holdings-unsigned",
        "PRT-054",
        Sentence("What is held is told to nobody without a signature."),
        _unsigned,
    ),
    _step(
        "holdings-no-such-bucket",
        "PRT-054",
        Sentence("A question for a bucket that does not exist is refused."),
        _no_such_bucket,
    ),
)
