"""All entries of own members."""

from dataclasses import dataclass

from aiohttp import web

from admin_ui.desk import desk_of, page_number
from admin_ui.wording import audience_words, entry_states, entry_status, kind_label
from node.catalogue.model import Entry
from node.web.i18n import gettext as _
from node.web.i18n import localized
from node.web.rendering import render
from node.web.views import Pagination, Status, Tab

PATH = "/admin/eintraege"
ROWS_ON_PAGE = 50
_HOME, _ENDING = "home", "ending"


@dataclass(frozen=True, slots=True)
class EntryRow:
    """One entry as the table draws it.

    Attributes:
        foreign: Language of the title, if it is not the page's.
        stays_home: Kept from partners for want of the person's consent.
    """

    entry: Entry
    title: str
    foreign: str
    kind: str
    status: Status
    audience: str
    stays_home: bool


async def show(request: web.Request) -> web.Response:
    """Show the entries, filtered by state and words."""
    desk = desk_of(request)
    everything = await desk.node.catalogue.mine(desk.person)
    home = {entry.id for entry in await desk.overview.staying_home()}
    ending = {entry.id for entry in await desk.overview.ending_soon()}
    special = {_HOME: home, _ENDING: ending}
    state = request.query.get("zustand", "")
    text = request.query.get("q", "").strip()
    chosen = [
        entry
        for entry in everything
        if (
            entry.id in special[state]
            if state in special
            else not state or entry.state.value == state
        )
        and _fits(entry, text)
    ]
    pages = max(1, -(-len(chosen) // ROWS_ON_PAGE))
    page = min(page_number(request), pages)
    start = (page - 1) * ROWS_ON_PAGE
    query = {name: value for name, value in (("zustand", state), ("q", text)) if value}
    names = {each.id: each.name for each in await desk.node.partners.list()}
    return render(
        request,
        "admin_ui/entries.html",
        {
            "rows": [
                _row(entry, names, stays_home=entry.id in home)
                for entry in chosen[start : start + ROWS_ON_PAGE]
            ],
            "place": Pagination(page, pages, PATH, query),
            "tabs_shown": _tabs(everything, special, state),
            "state": state,
            "text": text,
            "total": len(everything),
            "organisations": await desk.node.members.list_organisations(),
        },
    )


def _tabs(
    everything: list[Entry], special: dict[str, set[str]], state: str
) -> list[Tab]:
    tabs = [Tab(_("All"), PATH, current=not state, count=len(everything))]
    labels = {
        **entry_states(),
        _ENDING: _("ends within a week"),
        _HOME: _("stays home"),
    }
    for key, label in labels.items():
        number = (
            len(special[key])
            if key in special
            else sum(entry.state.value == key for entry in everything)
        )
        if number or key == state:
            tabs.append(
                Tab(label, f"{PATH}?zustand={key}", current=key == state, count=number)
            )
    return tabs


def _row(entry: Entry, names: dict[str, str], *, stays_home: bool) -> EntryRow:
    title = localized(entry.title)
    return EntryRow(
        entry=entry,
        title=title.text,
        foreign=title.language if title.foreign else "",
        kind=kind_label(entry.kind),
        status=entry_status(entry.state),
        audience=audience_words(entry, names),
        stays_home=stays_home,
    )


def _fits(entry: Entry, text: str) -> bool:
    found = " ".join(
        (*entry.title.values(), entry.organisation_name, entry.person_name or "")
    ).casefold()
    return all(word in found for word in text.casefold().split())
