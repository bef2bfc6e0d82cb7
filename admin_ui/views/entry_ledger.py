"""One entry in the ledger: who holds which version, its history, the receipts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from admin_ui.desk import desk_of
from admin_ui.views.deliveries import PATH, DeliveryRow, row_of
from node.catalogue.model import Entry, EntryState
from node.errors import NotFoundError
from node.ledger import LedgerLine
from node.storage.ledger import DELETE, UPSERT
from node.storage.ledger_pages import Confirmation
from node.web.i18n import gettext as _
from node.web.i18n import localized
from node.web.pages.entry_standing import open_copy
from node.web.pages.serving import formats_of
from node.web.rendering import render
from node.web.views import StatusTone

ENTRY_PATH: Final = f"{PATH}/eintrag"
RECEIPT_PATH: Final = f"{PATH}/quittung"


@dataclass(frozen=True, slots=True)
class Holder:
    """A partner and what it has of the entry.

    Attributes:
        holds: Which version its receipts prove it to hold, in words.
        why: Why nothing is confirmed, or was not taken; may be empty.
        receipt: Where the signed receipt is; empty for none.
    """

    row: DeliveryRow
    holds: str
    why: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Happened:
    """One confirmation, as a sentence.

    Attributes:
        detail: By which rule it was told, and when.
        receipt: Where the signed receipt is; empty for none.
    """

    confirmation: Confirmation
    sentence: str
    detail: str
    tone: StatusTone
    receipt: str


async def show(request: web.Request) -> web.Response:
    """Show who holds which version of an entry of ours, also of a deleted one."""
    desk = desk_of(request)
    entry = await desk.node.ledger.entry(request.match_info["entry_id"])
    if entry is None:
        raise NotFoundError(
            "There is no such entry of your cluster.",
            hint="Look it up in the list of deliveries.",
        )
    lines = await desk.node.ledger.lines_of_entry(entry.id)
    names = {each.id: each.name for each in await desk.node.partners.list()}
    title, foreign = _title(entry)
    return render(
        request,
        "admin_ui/entry_ledger.html",
        {
            "entry": entry,
            "gone": entry.state is EntryState.DELETED,
            "title_shown": title,
            "foreign": foreign,
            "holders": [_holder(request, line) for line in lines],
            "history": [
                _happened(request, each, names)
                for each in await desk.node.ledger.history(entry.id)
            ],
        },
    )


async def receipt(request: web.Request) -> web.Response:
    """Hand out a partner's receipt as it was signed, to be kept as evidence."""
    desk = desk_of(request)
    found = await desk.node.ledger.receipt(request.query.get("id", ""))
    if found is None:
        raise NotFoundError(
            "There is no such receipt.", hint="Look at the entry that it is about."
        )
    host = urlsplit(found.id).netloc.replace(":", "-")
    return web.Response(
        body=found.document,
        content_type="application/json",
        headers={
            "Content-Disposition": "attachment; "
            f'filename="quittung-{host}-{found.position}.json"'
        },
    )


def _receipt_path(receipt_id: str | None) -> str:
    if receipt_id is None:
        return ""
    return f"{RECEIPT_PATH}?{urlencode({'id': receipt_id})}"


def _title(entry: Entry) -> tuple[str, str]:
    if not entry.title:
        return _("deleted entry"), ""
    title = localized(entry.title)
    return title.text, title.language if title.foreign else ""


def _holder(request: web.Request, line: LedgerLine) -> Holder:
    why = line.refused_reason or ""
    if line.op != UPSERT and line.acknowledged_at is None:
        now = desk_of(request).now
        why = open_copy(line, formats_of(request), now)
    return Holder(row_of(line), _holds(line), why, _receipt_path(line.receipt_id))


def _holds(line: LedgerLine) -> str:
    if line.held is None:
        return _("nothing") if line.acknowledged_at is not None else _("not confirmed")
    return _version(line.held[0], line.held[1])


def _version(incarnation: int, counter: int) -> str:
    if incarnation == 1:
        return _("version %(number)s", number=counter)
    return _("version %(number)s", number=f"{incarnation}.{counter}")


def _happened(
    request: web.Request, each: Confirmation, names: dict[str, str]
) -> Happened:
    formats = formats_of(request)
    values = {
        "name": names.get(each.partner_id, "?"),
        "version": _version(each.version.incarnation, each.version.counter),
    }
    tone: StatusTone = "neutral"
    if each.op == DELETE:
        sentence = _("%(name)s confirmed that it has deleted its copy.", **values)
    elif each.op != UPSERT:
        sentence = _("%(name)s confirmed that it has removed its copy.", **values)
    elif each.refused_reason is not None:
        sentence = _(
            "%(name)s has not taken %(version)s: %(reason)s",
            reason=each.refused_reason,
            **values,
        )
        tone = "danger"
    else:
        sentence = _("%(name)s confirmed that it holds %(version)s.", **values)
        tone = "ok"
    parts: Sequence[str] = [
        _("Decided %(time)s", time=formats.moment(each.recorded_at))
    ]
    if each.told_at is not None:
        parts = [
            *parts,
            _("first told %(time)s", time=formats.moment(each.told_at)),
        ]
    parts = [*parts, _("by rule %(rule)s", rule=each.reason)]
    return Happened(
        each, sentence, ", ".join(parts) + ".", tone, _receipt_path(each.receipt_id)
    )
