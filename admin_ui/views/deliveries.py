"""What went to whom, and when it was confirmed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of, page_number
from admin_ui.wording import line_status
from node.ledger.ledger import LedgerLine
from node.storage.ledger_pages import LedgerCounts, LineState
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, localized
from node.web.rendering import render
from node.web.views import Pagination, Status, Tab

PATH = "/admin/zustellung"
LINES_ON_PAGE = 50
STATES: Final[Mapping[LineState, str]] = {
    LineState.WAITING: lazy_gettext("not confirmed yet"),
    LineState.CONFIRMED: lazy_gettext("confirmed"),
    LineState.REFUSED: lazy_gettext("not taken by the partner"),
    LineState.WITHDRAWING: lazy_gettext("being taken back"),
    LineState.WITHDRAWN: lazy_gettext("taken back"),
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


def chosen_state(request: web.Request) -> LineState | None:
    """Return the state that the query names; None for all, also for anything else."""
    try:
        return LineState(request.query.get("stand", ""))
    except ValueError:
        return None


async def page_of(
    desk: Desk,
    counts: LedgerCounts,
    *,
    page: int,
    path: str,
    partner_id: str,
    state: LineState | None,
) -> tuple[list[DeliveryRow], Pagination]:
    """Load one page of the ledger and prepare its rows.

    Args:
        desk: Who asks.
        counts: Of all lines that the partner filter leaves.
        page: Number of the page; beyond the last one, that one.
        path: Where the page is.
        partner_id: Only of this partner; empty for all.
        state: Only what is so far; None for all.
    """
    number = counts.lines if state is None else counts.in_state(state)
    pages = max(1, -(-number // LINES_ON_PAGE))
    page = min(page, pages)
    lines = await desk.node.ledger.page(
        limit=LINES_ON_PAGE,
        offset=(page - 1) * LINES_ON_PAGE,
        partner_id=partner_id or None,
        state=state,
    )
    query = {} if path != PATH or not partner_id else {"partner": partner_id}
    if state is not None:
        query["stand"] = state.value
    return [row_of(line) for line in lines], Pagination(page, pages, path, query)


async def show(request: web.Request) -> web.Response:
    """Show one page of all lines, filtered by partner and state."""
    desk = desk_of(request)
    by_partner = await desk.node.ledger.counts_by_partner()
    names = {
        each.id: each.name
        for each in await desk.node.partners.list()
        if each.id in by_partner
    }
    partner_id = request.query.get("partner", "")
    partner_id = partner_id if partner_id in names else ""
    state = chosen_state(request)
    total = sum(by_partner.values(), LedgerCounts())
    counts = by_partner[partner_id] if partner_id else total
    rows, place = await page_of(
        desk,
        counts,
        page=page_number(request),
        path=PATH,
        partner_id=partner_id,
        state=state,
    )
    return render(
        request,
        "admin_ui/deliveries.html",
        {
            "rows": rows,
            "place": place,
            "partners": sorted(names.items(), key=lambda item: item[1].casefold()),
            "partner_id": partner_id,
            "state": "" if state is None else state.value,
            "tabs_shown": _tabs(counts, partner_id, state),
            "total": total.lines,
        },
    )


def _tabs(counts: LedgerCounts, partner_id: str, chosen: LineState | None) -> list[Tab]:
    kept = {"partner": partner_id} if partner_id else {}
    tabs = [
        Tab(
            _("All"),
            Pagination(1, 1, PATH, kept).href(1),
            current=chosen is None,
            count=counts.lines,
        )
    ]
    for state, label in STATES.items():
        href = Pagination(1, 1, PATH, {**kept, "stand": state.value}).href(1)
        number = counts.in_state(state)
        tabs.append(Tab(str(label), href, current=state is chosen, count=number))
    return tabs


def row_of(line: LedgerLine) -> DeliveryRow:
    """Prepare one line."""
    if not line.entry_title:
        return DeliveryRow(line, _("deleted entry"), "", line_status(line))
    title = localized(line.entry_title)
    return DeliveryRow(
        line, title.text, title.language if title.foreign else "", line_status(line)
    )
