"""What spoils a whole page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.limits import PAGE_ITEMS_MAX
from node.conform.checks import Check, Door, Finding, Severity
from node.conform.partner_requests import page_refused, written_page
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.json_types import JsonObject
    from node.conform.guest import Guest
    from node.conform.visit import Visit

_ACTIVITYSTREAMS: Final = "https://www.w3.org/ns/activitystreams"


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


CHECKS: Final = (
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
