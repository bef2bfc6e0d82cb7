"""Pages and receipts: what is held afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.conform import page_refusals
from node.conform.checks import Check, Door, Finding, Severity, SkipError, compared
from node.conform.partner_requests import (
    delivered,
    send_page,
    written_page,
)
from node.conform.visit import code_of, problem_of
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.documents.signed import SignedDocument
    from node.conform.guest import Guest
    from node.conform.visit import Visit

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
    before = await delivered(visit, [entry], sent="an entry", holds=[entry])
    if not before.ok:
        return before
    guest.position -= 1
    return await delivered(visit, [entry], sent="the same page again", holds=[entry])


async def _overlapping_page(visit: Visit) -> Finding:
    guest = visit.partner()
    first, second = guest.entry(), guest.entry()
    before = await delivered(visit, [first], sent="an entry", holds=[first])
    if not before.ok:
        return before
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


async def _update_around_a_new_entry(visit: Visit) -> Finding:
    entry = visit.partner().entry()
    return await delivered(
        visit,
        [entry],
        sent="an entry never told before, in an Update",
        holds=[entry],
        is_first=False,
    )


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


async def _last_day_in_details(visit: Visit) -> Finding:
    guest = visit.partner()
    document = guest.entry().document
    details, end = document["details"], document["endTime"]
    if not isinstance(details, dict) or not isinstance(end, str):
        msg = "an offer has details and an end"
        raise TypeError(msg)
    moved = {**details, "valid_until": end[:10]}
    odd = guest.changed(document, details=moved, endTime=None)
    return await delivered(
        visit,
        [odd],
        sent="an offer with valid_until in its details",
        refused=[(_id(odd), "/details")],
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
        "entry-in-update",
        "PRT-021",
        Sentence("Create and Update around an entry mean the same."),
        _update_around_a_new_entry,
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
        "entry-day-in-details",
        "FED-042, FED-043",
        Sentence("An entry that says its last day in the wrong place is kept out."),
        _last_day_in_details,
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


async def _nothing_was_stored(visit: Visit) -> Finding:
    return await delivered(visit, [], sent="an empty page after all refusals")


CHECKS: Final = (
    *_APPLIED,
    *page_refusals.CHECKS,
    _step(
        "page-refusals-store-nothing",
        "PRT-012, PRT-022",
        Sentence("Refused pages have left nothing behind."),
        _nothing_was_stored,
    ),
)
