"""What went to whom, and when it was confirmed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of, page_number
from admin_ui.wording import line_status
from node.ledger.ledger import LedgerLine
from node.storage.ledger import UPSERT
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, localized
from node.web.rendering import render
from node.web.views import Pagination, Status, Tab

PATH = "/admin/zustellung"
LINES_ON_PAGE = 50
STATES: Final[Mapping[str, str]] = {
    "waiting": lazy_gettext("not confirmed yet"),
    "confirmed": lazy_gettext("confirmed"),
    "refused": lazy_gettext("not taken by the partner"),
    "withdrawn": lazy_gettext("taken back"),
}


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """One line as the table draws it.

    Attributes:
        title: In the reader's language where there is one; empty once deleted.
        foreign: Language of the title, if it is another.
    """

    line: LedgerLine
    title: str
    foreign: str
    status: Status


def state_of(line: LedgerLine) -> str:
    """Return the key of `STATES` under which a line is found."""
    if line.op != UPSERT:
        return "withdrawn"
    if line.acknowledged_at is None:
        return "waiting"
    return "confirmed" if line.refused_reason is None else "refused"


def filtered(
    lines: Sequence[LedgerLine], *, state: str = "", partner_id: str = ""
) -> list[LedgerLine]:
    """Keep the lines of a state and of a partner; empty for all."""
    return [
        line
        for line in lines
        if (not state or state_of(line) == state)
        and (not partner_id or line.partner_id == partner_id)
    ]


def paged(
    lines: Sequence[LedgerLine], *, page: int, path: str, query: Mapping[str, str]
) -> tuple[list[DeliveryRow], Pagination]:
    """Cut one page out of the lines and prepare its rows."""
    pages = max(1, -(-len(lines) // LINES_ON_PAGE))
    page = min(page, pages)
    start = (page - 1) * LINES_ON_PAGE
    rows = [_row(line) for line in lines[start : start + LINES_ON_PAGE]]
    return rows, Pagination(page, pages, path, query)


async def show(request: web.Request) -> web.Response:
    """Show all lines, filtered by partner and state."""
    desk = desk_of(request)
    lines = await desk.node.ledger.lines()
    partners = {line.partner_id: line.partner_name for line in lines}
    partner_id = request.query.get("partner", "")
    state = request.query.get("stand", "")
    partner_id = partner_id if partner_id in partners else ""
    state = state if state in STATES else ""
    query = {
        name: value
        for name, value in (("partner", partner_id), ("stand", state))
        if value
    }
    rows, place = paged(
        filtered(lines, state=state, partner_id=partner_id),
        page=page_number(request),
        path=PATH,
        query=query,
    )
    of_partner = filtered(lines, partner_id=partner_id)
    return render(
        request,
        "admin_ui/deliveries.html",
        {
            "rows": rows,
            "place": place,
            "partners": sorted(partners.items(), key=lambda item: item[1].casefold()),
            "partner_id": partner_id,
            "state": state,
            "tabs_shown": _tabs(of_partner, partner_id, state),
            "total": len(lines),
        },
    )


def _tabs(lines: Sequence[LedgerLine], partner_id: str, chosen: str) -> list[Tab]:
    kept = {"partner": partner_id} if partner_id else {}
    tabs = [
        Tab(
            _("All"),
            Pagination(1, 1, PATH, kept).href(1),
            current=not chosen,
            count=len(lines),
        )
    ]
    for state, label in STATES.items():
        href = Pagination(1, 1, PATH, {**kept, "stand": state}).href(1)
        number = len(filtered(lines, state=state))
        tabs.append(Tab(str(label), href, current=state == chosen, count=number))
    return tabs


def _row(line: LedgerLine) -> DeliveryRow:
    if not line.entry_title:
        return DeliveryRow(line, _("deleted entry"), "", line_status(line))
    title = localized(line.entry_title)
    return DeliveryRow(
        line, title.text, title.language if title.foreign else "", line_status(line)
    )
