"""Pages and receipts: what is held afterwards, and what spoils a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.limits import PAGE_ITEMS_MAX
from node.conform.checks import Check, Door, Finding, Severity, SkipError, compared
from node.conform.partner_requests import (
    delivered,
    page_refused,
    send_page,
    written_page,
)
from node.conform.visit import code_of, problem_of
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.documents.signed import SignedDocument
    from federation.json_types import JsonObject
    from node.conform.guest import Guest
    from node.conform.visit import Visit

_ACTIVITYSTREAMS: Final = "https://www.w3.org/ns/activitystreams"
_BODY_CHARACTERS: Final = 6_000
_TOO_LONG_LANGUAGES: Final = ("de", "en", "fr", "it", "es", "pl")


async def _first_entry(visit: Visit) -> Finding:
    entry = visit.partner().entry()
    return await delivered(visit, [entry], sent="one entry", holds=[entry])


async def _empty_page(visit: Visit) -> Finding:
    return await delivered(visit, [], sent="an empty page")


async def _same_page_again(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    await delivered(visit, [entry], sent="an entry", holds=[entry])
    guest.position -= 1
    return await delivered(visit, [entry], sent="the same page again", holds=[entry])


async def _overlapping_page(visit: Visit) -> Finding:
    guest = visit.partner()
    first, second = guest.entry(), guest.entry()
    await delivered(visit, [first], sent="an entry", holds=[first])
    guest.position -= 1
    return await delivered(
        visit,
        [first, second],
        sent="a page that begins with the last entry",
        holds=[first, second],
    )


async def _gap(visit: Visit) -> Finding:
    guest = visit.partner()
    first = guest.position + 5
    page = written_page(guest, [guest.entry().document], first=first)
    answer = await send_page(visit, guest, page)
    problem = problem_of(answer)
    return compared(
        f"POST /inbox: a page from position {first}",
        expected=f"409 position-gap epoch {guest.epoch} position {guest.position}",
        found=f"{answer.status} {code_of(answer)} epoch {problem.get('epoch')} "
        f"position {problem.get('position')}",
    )


async def _gap_in_unknown_epoch(visit: Visit) -> Finding:
    guest = visit.partner()
    page = written_page(guest, [guest.entry().document], first=7)
    epoch = "f" * 32
    answer = await send_page(visit, guest, {**page, "epoch": epoch})
    problem = problem_of(answer)
    return compared(
        "POST /inbox: a page of an unknown epoch from position 7",
        expected=f"409 position-gap epoch {epoch} position 0",
        found=f"{answer.status} {code_of(answer)} epoch {problem.get('epoch')} "
        f"position {problem.get('position')}",
    )


async def _newer_version(visit: Visit) -> Finding:
    guest = visit.partner()
    first = guest.entry()
    entry_id = _id(first)
    newer = guest.entry(entry_id, counter=2, summary="Second version.")
    await delivered(visit, [first], sent="an entry", holds=[first])
    return await delivered(visit, [newer], sent="its next version", holds=[newer])


async def _older_version(visit: Visit) -> Finding:
    guest = visit.partner()
    newer = guest.entry(counter=2)
    older = guest.entry(_id(newer), counter=1, summary="First version.")
    return await delivered(
        visit, [newer, older], sent="version 2, then version 1", holds=[newer]
    )


async def _equivocation(visit: Visit) -> Finding:
    guest = visit.partner()
    first = guest.entry()
    other = guest.entry(_id(first), summary="The same version, another content.")
    await delivered(visit, [first], sent="an entry", holds=[first])
    return await delivered(
        visit,
        [other],
        sent="the same version with another content",
        holds=[first],
        refused=[(_id(first), "equivocation")],
    )


async def _withdrawal(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    await delivered(visit, [entry], sent="an entry", holds=[entry])
    return await delivered(
        visit,
        [guest.withdrawal(_id(entry))],
        sent="its withdrawal",
        loses=[_id(entry)],
    )


async def _withdrawn_stays_away(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    return await delivered(
        visit,
        [entry, guest.withdrawal(_id(entry)), entry],
        sent="an entry, its withdrawal, the same version again",
    )


async def _withdrawal_first(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    return await delivered(
        visit,
        [guest.withdrawal(_id(entry)), entry],
        sent="a withdrawal, then the version that it takes away",
    )


async def _withdrawn_comes_back(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    newer = guest.entry(_id(entry), counter=2)
    return await delivered(
        visit,
        [entry, guest.withdrawal(_id(entry)), newer],
        sent="an entry, its withdrawal, a later version",
        holds=[newer],
    )


async def _late_withdrawal(visit: Visit) -> Finding:
    guest = visit.partner()
    newer = guest.entry(counter=3)
    return await delivered(
        visit,
        [newer, guest.withdrawal(_id(newer), counter=2)],
        sent="version 3, then the withdrawal of version 2",
        holds=[newer],
    )


async def _deletion(visit: Visit) -> Finding:
    guest = visit.partner()
    entry = guest.entry()
    newer = guest.entry(_id(entry), counter=9)
    return await delivered(
        visit,
        [entry, guest.withdrawal(_id(entry), deletes=True), newer],
        sent="an entry, its deletion, a later version",
    )


async def _faulty_among_good(visit: Visit) -> Finding:
    guest = visit.partner()
    first, last = guest.entry(), guest.entry()
    faulty = _without_details(guest)
    finding = await delivered(
        visit,
        [first, faulty, last],
        sent="a faulty entry between two good ones",
        holds=[first, last],
        refused=[(_id(faulty), "/")],
    )
    guest.faulty = _id(faulty)
    return finding


async def _faulty_is_mended(visit: Visit) -> Finding:
    guest = visit.partner()
    if not guest.faulty:
        raise SkipError(Sentence("No faulty entry was sent before."))
    mended = guest.entry(guest.faulty, counter=2)
    return await delivered(
        visit, [mended], sent="a later version of it that is right", holds=[mended]
    )


async def _too_large_entry(visit: Visit) -> Finding:
    guest = visit.partner()
    body: Any = dict.fromkeys(_TOO_LONG_LANGUAGES, "x" * _BODY_CHARACTERS)
    large = guest.changed(guest.entry().document, contentMap=body)
    good = guest.entry()
    return await delivered(
        visit,
        [large, good],
        sent="an entry of more than 32 KiB and a good one",
        holds=[good],
        refused=[(_id(large), "too-large")],
    )


async def _disagreeing_entry(visit: Visit) -> Finding:
    guest = visit.partner()
    odd = guest.changed(guest.entry().document, purpose="request")
    return await delivered(
        visit,
        [odd],
        sent="an offer whose purpose says request",
        refused=[(_id(odd), "/purpose")],
    )


async def _foreign_name_inside(visit: Visit) -> Finding:
    guest = visit.partner()
    odd = guest.changed(
        guest.entry().document, to=["https://elsewhere.example/actor/partners"]
    )
    good = guest.entry()
    return await delivered(
        visit,
        [odd, good],
        sent="an entry for the partners of somebody else, and a good one",
        holds=[good],
        refused=[(_id(odd), "/to")],
    )


async def _unknown_kind(visit: Visit) -> Finding:
    guest = visit.partner()
    document = guest.entry().document
    novel = guest.changed(
        document,
        kind="novelty_of_tomorrow",
        type="Document",
        details={"newer": True},
        purpose=None,
        publishes=None,
        unitBased=None,
    )
    return await delivered(
        visit, [novel], sent="an entry of an unknown kind", holds=[novel]
    )


def _id(document: SignedDocument) -> str:
    return str(document.document["id"])


def _without_details(guest: Guest) -> SignedDocument:
    return guest.changed(guest.entry().document, details={})


def _spoilt(
    name: str,
    clause: str,
    title: Sentence,
    write: Callable[[Visit, Guest], JsonObject],
    *,
    sent: str,
    status: int,
    codes: tuple[str, ...],
) -> Check:
    """Return the check that a page is refused as a whole."""

    async def run(visit: Visit) -> Finding:
        page = write(visit, visit.partner())
        return await page_refused(visit, page, sent=sent, status=status, codes=codes)

    return Check(name, Door.PAGES, clause, Severity.MUST, title, run)


def _between_good_ones(guest: Guest, bad: JsonObject) -> JsonObject:
    return written_page(guest, [guest.entry().document, bad, guest.entry().document])


def _altered(_visit: Visit, guest: Guest) -> JsonObject:
    document = {**guest.entry().document}
    document["updated"] = "2030-01-01T00:00:00Z"
    return _between_good_ones(guest, document)


def _by_other_key(_visit: Visit, guest: Guest) -> JsonObject:
    signer = guest.second_key()
    return _between_good_ones(guest, guest.entry(signer=signer).document)


def _proof_missing(_visit: Visit, guest: Guest) -> JsonObject:
    document = {**guest.entry().document}
    del document["proof"]
    return _between_good_ones(guest, document)


def _of_somebody_else(_visit: Visit, guest: Guest) -> JsonObject:
    entry = guest.changed(
        guest.entry().document, attributedTo="https://elsewhere.example/actor"
    )
    return _between_good_ones(guest, entry.document)


def _named_elsewhere(_visit: Visit, guest: Guest) -> JsonObject:
    entry = guest.changed(
        guest.entry().document, id=f"https://elsewhere.example/entries/{'a' * 26}"
    )
    return _between_good_ones(guest, entry.document)


def _other_context(_visit: Visit, guest: Guest) -> JsonObject:
    context: dict[str, Any] = {"@context": [_ACTIVITYSTREAMS]}
    entry = guest.changed(guest.entry().document, **context)
    return _between_good_ones(guest, entry.document)


def _page_with(**changes: Any) -> Callable[[Visit, Guest], JsonObject]:
    def write(_visit: Visit, guest: Guest) -> JsonObject:
        return {**written_page(guest, [guest.entry().document]), **changes}

    return write


def _too_many_items(_visit: Visit, guest: Guest) -> JsonObject:
    page = written_page(guest, [guest.entry().document])
    items = page["orderedItems"]
    if not isinstance(items, list):
        msg = "a page has items"
        raise TypeError(msg)
    count = PAGE_ITEMS_MAX + 1
    last = guest.position + count
    return {**page, "through": last, "head": last, "orderedItems": items * count}


def _more_items_than_positions(_visit: Visit, guest: Guest) -> JsonObject:
    items = [guest.entry().document, guest.entry().document]
    return {**written_page(guest, items), "through": guest.position + 1}


def _other_id(_visit: Visit, guest: Guest) -> JsonObject:
    page = written_page(guest, [guest.entry().document])
    return {**page, "id": guest.address.page(guest.position + 3)}


def _step(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.PAGES, clause, Severity.MUST, title, run)


_APPLIED: Final = (
    _step(
        "page-receipt",
        "PRT-026, FED-055",
        Sentence("A page is answered with a receipt that tells what is held."),
        _first_entry,
    ),
    _step(
        "page-empty",
        "PRT-020",
        Sentence("An empty page is answered with a receipt."),
        _empty_page,
    ),
    _step(
        "page-again",
        "FED-050, FED-052, PRT-011",
        Sentence("The same page may come again."),
        _same_page_again,
    ),
    _step(
        "page-overlap",
        "FED-054",
        Sentence("A page may begin before the position that was reached."),
        _overlapping_page,
    ),
    _step(
        "page-gap",
        "FED-054",
        Sentence("A page behind a gap is refused and told where to continue."),
        _gap,
    ),
    _step(
        "page-new-epoch",
        "FED-054",
        Sentence("An unknown epoch begins at position 1."),
        _gap_in_unknown_epoch,
    ),
    _step(
        "entry-newer",
        "FED-052",
        Sentence("A higher version replaces a lower one."),
        _newer_version,
    ),
    _step(
        "entry-older",
        "FED-052",
        Sentence("A lower version changes nothing."),
        _older_version,
    ),
    _step(
        "entry-equivocation",
        "FED-052",
        Sentence("Of one version with two contents the first stays."),
        _equivocation,
    ),
    _step(
        "withdrawal",
        "FED-053",
        Sentence("A withdrawal removes the entry."),
        _withdrawal,
    ),
    _step(
        "withdrawal-replayed",
        "FED-053",
        Sentence("A version that was withdrawn does not come back."),
        _withdrawn_stays_away,
    ),
    _step(
        "withdrawal-first",
        "FED-050, FED-053",
        Sentence("A withdrawal counts also if it arrives first."),
        _withdrawal_first,
    ),
    _step(
        "withdrawal-outdated",
        "FED-053",
        Sentence("A withdrawal leaves later versions alone."),
        _late_withdrawal,
    ),
    _step(
        "withdrawal-then-later",
        "FED-053",
        Sentence("After a withdrawal a later version may come."),
        _withdrawn_comes_back,
    ),
    _step(
        "deletion",
        "FED-053",
        Sentence("A deletion takes every version away for ever."),
        _deletion,
    ),
    _step(
        "entry-faulty",
        "PRT-023, PRT-026",
        Sentence("A faulty entry is kept out, named, and holds up no other."),
        _faulty_among_good,
    ),
    _step(
        "entry-mended",
        "FED-052, PRT-023",
        Sentence("A later version that is right replaces the faulty one."),
        _faulty_is_mended,
    ),
    _step(
        "entry-too-large",
        "FED-091, PRT-023",
        Sentence("An entry of more than 32 KiB is kept out, named as such."),
        _too_large_entry,
    ),
    _step(
        "entry-contradiction",
        "FED-044",
        Sentence("An entry that contradicts itself is kept out."),
        _disagreeing_entry,
    ),
    _step(
        "entry-foreign-inside",
        "FED-143",
        Sentence("An entry that names somebody else's address inside is kept out."),
        _foreign_name_inside,
    ),
    _step(
        "entry-unknown-kind",
        "FED-045",
        Sentence("An entry of an unknown kind is kept."),
        _unknown_kind,
    ),
)

_REFUSED: Final = (
    _spoilt(
        "page-altered-entry",
        "PRT-022, FED-031",
        Sentence("An entry that was altered makes the whole page refused."),
        _altered,
        sent="an entry altered after it was signed",
        status=401,
        codes=("proof-invalid",),
    ),
    _spoilt(
        "page-forged-entry",
        "PRT-022, FED-034",
        Sentence("An entry by an unknown key makes the whole page refused."),
        _by_other_key,
        sent="an entry signed by a key that is not pinned",
        status=401,
        codes=("unknown-key", "proof-invalid"),
    ),
    _spoilt(
        "page-unproven-entry",
        "PRT-022",
        Sentence("An entry without proof makes the whole page refused."),
        _proof_missing,
        sent="an entry without proof",
        status=422,
        codes=("schema-invalid",),
    ),
    _spoilt(
        "page-foreign-owner",
        "PRT-022, FED-141",
        Sentence("An entry of another owner makes the whole page refused."),
        _of_somebody_else,
        sent="attributedTo somebody else",
        status=403,
        codes=("origin-mismatch",),
    ),
    _spoilt(
        "page-foreign-entry",
        "PRT-022, FED-141",
        Sentence("An entry with an id of another node makes the whole page refused."),
        _named_elsewhere,
        sent="an id of another node",
        status=403,
        codes=("origin-mismatch",),
    ),
    _spoilt(
        "page-foreign-context",
        "PRT-022, FED-021",
        Sentence("An entry with another context makes the whole page refused."),
        _other_context,
        sent="an entry with another @context",
        status=400,
        codes=("context-not-allowed",),
    ),
    _spoilt(
        "page-context",
        "FED-021",
        Sentence("A page with another context is refused."),
        _page_with(**{"@context": [_ACTIVITYSTREAMS]}),
        sent="another @context",
        status=400,
        codes=("context-not-allowed",),
    ),
    _spoilt(
        "page-unknown-field",
        "FED-024",
        Sentence("A page with an unknown field is refused."),
        _page_with(totalItems=1),
        sent="an unknown field",
        status=422,
        codes=("schema-invalid",),
    ),
    _spoilt(
        "page-foreign-actor",
        "FED-140",
        Sentence("A page of another actor is refused."),
        _page_with(actor="https://elsewhere.example/actor"),
        sent="another actor",
        status=403,
        codes=("origin-mismatch",),
    ),
    _spoilt(
        "page-foreign-outbox",
        "FED-140",
        Sentence("A page of another outbox is refused."),
        _page_with(partOf="https://elsewhere.example/outbox"),
        sent="partOf another outbox",
        status=403,
        codes=("origin-mismatch",),
    ),
    _spoilt(
        "page-id",
        "PRT-020",
        Sentence("A page whose id does not fit its first position is refused."),
        _other_id,
        sent="an id of another position",
        status=422,
        codes=("schema-invalid",),
    ),
    _spoilt(
        "page-positions",
        "PRT-020",
        Sentence("A page with more items than positions is refused."),
        _more_items_than_positions,
        sent="two items for one position",
        status=422,
        codes=("schema-invalid",),
    ),
    _spoilt(
        "page-disorder",
        "PRT-020",
        Sentence("A page that reaches beyond its newest position is refused."),
        _page_with(head=0),
        sent="head 0",
        status=422,
        codes=("schema-invalid",),
    ),
    _spoilt(
        "page-too-many-items",
        "FED-092",
        Sentence("A page of more than 200 items is refused."),
        _too_many_items,
        sent="201 items",
        status=413,
        codes=("too-large",),
    ),
    _spoilt(
        "page-unknown-activity",
        "PRT-010",
        Sentence("An activity of another type is refused."),
        _page_with(type="Announce"),
        sent="type Announce",
        status=422,
        codes=("unsupported-type",),
    ),
)


async def _nothing_was_stored(visit: Visit) -> Finding:
    return await delivered(visit, [], sent="an empty page after all refusals")


CHECKS: Final = (
    *_APPLIED,
    *_REFUSED,
    _step(
        "page-refusals-store-nothing",
        "PRT-012, PRT-022",
        Sentence("Refused pages have left nothing behind."),
        _nothing_was_stored,
    ),
)
