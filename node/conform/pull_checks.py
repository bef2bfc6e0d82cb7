"""What a partner may read: pages, and the entries that it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.canonical import canonical_bytes
from federation.documents import Page, ReceivedEntry, parse_page
from federation.errors import PeerError
from federation.ids import random_id
from federation.inbox import is_activity_media_type
from federation.limits import PAGE_BYTES_MAX, PAGE_NODES_MAX
from federation.signatures.http import HttpMessage, claim_answer, verify_claim
from federation.strict_json import loads_object
from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
    failed,
    passed,
)
from node.conform.signing import Signing
from node.conform.visit import refused_as, shown
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.guest import Guest
    from node.conform.http_exchange import Answer, Letter
    from node.conform.visit import Visit

_OK: Final = 200
_EXPECTED: Final = "200, signed for this request, a page from position 1"


def _pull(visit: Visit, guest: Guest, query: str) -> Letter:
    return visit.get(f"/outbox{query}", signing=Signing(signer=guest.signer))


async def _signed_page(visit: Visit) -> Finding:
    guest = visit.partner()
    written: list[Letter] = []

    def write() -> Letter:
        written.append(_pull(visit, guest, "?after=0"))
        return written[-1]

    answer = await visit.ask(write)
    sent = "GET /outbox?after=0"
    if answer.status != _OK or not is_activity_media_type(answer.field("Content-Type")):
        return failed(sent, expected=_EXPECTED, found=shown(answer))
    try:
        verify_answer(visit, written[-1], answer)
        document = loads_object(
            answer.body, bytes_max=PAGE_BYTES_MAX, nodes_max=PAGE_NODES_MAX
        )
        page = parse_page(document, peer=visit.host().as_peer())
    except PeerError as error:
        return failed(sent, expected=_EXPECTED, found=str(error))
    guest.pulled = page
    found = f"a page from position {page.first}"
    return Finding(page.first == 1, sent, _EXPECTED, found)


def verify_answer(visit: Visit, letter: Letter, answer: Answer) -> None:
    """Verify an answer's signature (FED-039).

    Raises:
        PeerError: It is not signed by the other node, or for another request.
    """
    target = f"{visit.address.base_url}{letter.target}"
    request = HttpMessage(letter.method, target, letter.fields)
    message = HttpMessage(
        "", target, answer.fields, status=answer.status, request=request
    )
    claim = claim_answer(message, body=answer.body, received_at=visit.their_now())
    key = visit.host().as_peer().request_key(claim.key_id)
    if key is None:
        raise SkipError(Sentence("The answer's key is not one of the actor."))
    verify_claim(claim, message=message, key=key)


def _pulled(guest: Guest) -> Page:
    if guest.pulled is None:
        raise SkipError(Sentence("No page could be pulled."))
    return guest.pulled


async def _nothing_new(visit: Visit) -> Finding:
    guest = visit.partner()
    page = _pulled(guest)
    letter = _pull(visit, guest, f"?after={page.head}")
    answer = await visit.ask(lambda: _pull(visit, guest, f"?after={page.head}"))
    if answer.status != _OK:
        return failed(letter.told, expected="200, no items", found=shown(answer))
    try:
        document = loads_object(answer.body, nodes_max=PAGE_NODES_MAX)
        again = parse_page(document, peer=visit.host().as_peer())
    except PeerError as error:
        return failed(letter.told, expected="200, no items", found=str(error))
    if again.last > page.head:
        raise SkipError(Sentence("The other node has just published something."))
    return compared(
        letter.told,
        expected=f"200, from {page.head + 1}, 0 items",
        found=f"200, from {again.first}, {len(again.items)} items",
    )


def _refusal(
    name: str, clause: str, title: Sentence, query: str, *, status: int, code: str
) -> Check:
    async def run(visit: Visit) -> Finding:
        guest = visit.partner()
        answer = await visit.ask(lambda: _pull(visit, guest, query))
        letter = _pull(visit, guest, query)
        return refused_as(letter, answer, status=status, codes=(code,))

    return Check(name, Door.PULL, clause, Severity.MUST, title, run)


async def _replayed(visit: Visit) -> Finding:
    guest = visit.partner()
    letter = _pull(visit, guest, "?after=0")
    await visit.ask(lambda: letter)
    answer = await visit.ask(lambda: letter)
    return refused_as(
        "GET /outbox?after=0: the same request twice",
        answer,
        status=401,
        codes=("replayed",),
    )


def _told_entry(guest: Guest, *, public: bool | None = None) -> ReceivedEntry:
    """Return an entry that the other node has told us.

    Raises:
        SkipError: It has told none of this sort.
    """
    for item in _pulled(guest).items:
        entry = item.content
        if isinstance(entry, ReceivedEntry) and public in {None, entry.entry.public}:
            return entry
    raise SkipError(Sentence("The other node has told us no such entry."))


async def _same_document(visit: Visit) -> Finding:
    guest = visit.partner()
    told = _told_entry(guest)
    path = told.entry.id.removeprefix(visit.address.base_url)
    signing = Signing(signer=guest.signer)
    answer = await visit.ask(lambda: visit.get(path, signing=signing))
    expected = "200, the same document"
    if answer.status != _OK:
        return failed(f"GET {path}", expected=expected, found=shown(answer))
    try:
        document = loads_object(answer.body)
    except PeerError as error:
        return failed(f"GET {path}", expected=expected, found=str(error))
    if canonical_bytes(document) != told.signed.raw:
        return failed(f"GET {path}", expected=expected, found="another document")
    return passed(f"GET {path}", expected=expected)


async def _hidden_is_absent(visit: Visit) -> Finding:
    guest = visit.partner()
    told = _told_entry(guest, public=False)
    hidden = told.entry.id.removeprefix(visit.address.base_url)
    absent = f"/entries/{random_id(visit.random)}"
    answers = [
        await visit.ask(lambda path=path: visit.get(path))  # type: ignore[misc]
        for path in (hidden, absent)
    ]
    told_of = [(answer.status, _fields(answer), answer.body) for answer in answers]
    found = "equal" if told_of[0] == told_of[1] else "different"
    return compared(
        f"GET {hidden} and {absent}, unsigned",
        expected="404 not-found, equal bytes",
        found=f"{shown(answers[0])}, {found} bytes",
    )


def _fields(answer: Answer) -> list[tuple[str, str]]:
    left_out = {"date", "x-request-id"}
    return sorted(
        (name.lower(), value)
        for name, value in answer.fields
        if name.lower() not in left_out
    )


def _step(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
    *,
    door: Door = Door.PULL,
) -> Check:
    return Check(name, door, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _step(
        "pull-signed",
        "PRT-004, FED-039",
        Sentence("A partner pulls a page, signed for its request."),
        _signed_page,
    ),
    _step(
        "pull-nothing-new",
        "PRT-004, PRT-020",
        Sentence("Behind the newest position there is an empty page."),
        _nothing_new,
    ),
    _step(
        "pull-replayed",
        "FED-036",
        Sentence("The same pull is answered once."),
        _replayed,
    ),
    _refusal(
        "pull-no-position",
        "PRT-004",
        Sentence("A pull without a position is refused."),
        "",
        status=400,
        code="malformed",
    ),
    _refusal(
        "pull-odd-position",
        "PRT-004",
        Sentence("A position in another spelling is refused."),
        "?after=01",
        status=400,
        code="malformed",
    ),
    _refusal(
        "pull-more-parameters",
        "PRT-004",
        Sentence("A pull with further parameters is refused."),
        "?after=0&limit=5",
        status=400,
        code="malformed",
    ),
    _step(
        "entry-as-told",
        "PRT-007, FED-040",
        Sentence("An entry is the same document in a page and at its address."),
        _same_document,
        door=Door.ENTRIES,
    ),
    _step(
        "entry-hidden",
        "PRT-007, VIS-003",
        Sentence("An entry that only partners see does not exist for others."),
        _hidden_is_absent,
        door=Door.ENTRIES,
    ),
)
