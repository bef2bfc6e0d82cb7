"""My entries: those of the person's organisation, with state, readers and deadlines."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Final

from aiohttp import web

from node.catalogue.model import Entry, EntryState
from node.catalogue.own_lists import own_counts, own_page
from node.feed.feed import own_item
from node.ledger.ledger import LedgerLine
from node.members.model import Person, Role
from node.visibility import Form
from node.web.access import signed_in
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, localized, ngettext
from node.web.keys import CLOCK, NAVIGATION, SITE
from node.web.navigation import NavigationEntry
from node.web.pages.cards import card_of, entry_path
from node.web.pages.entries import may_change
from node.web.pages.entry_audience import own_audience
from node.web.pages.entry_standing import standing_words
from node.web.pages.entry_steps import DELETE, STEPS
from node.web.pages.kind_cards import kind_groups
from node.web.pages.serving import formats_of, node_of
from node.web.pages.wording import kind_label
from node.web.rendering import render
from node.web.views import Action, EntryCard, Pagination, Status, Tab

PATH: Final = "/meine"
_PER_PAGE: Final = 20
_SOON_DAYS: Final = 14
_ALL: Final = frozenset(EntryState)
_TABS: Final = (
    ("", lazy_gettext("All"), _ALL),
    ("aktiv", lazy_gettext("Published"), frozenset({EntryState.PUBLISHED})),
    ("entwurf", lazy_gettext("Drafts"), frozenset({EntryState.DRAFT})),
    ("abgelaufen", lazy_gettext("Expired"), frozenset({EntryState.EXPIRED})),
    ("erledigt", lazy_gettext("Done"), frozenset({EntryState.FULFILLED})),
    ("zurueckgezogen", lazy_gettext("Withdrawn"), frozenset({EntryState.WITHDRAWN})),
)
_AGAIN: Final = frozenset(
    {EntryState.WITHDRAWN, EntryState.EXPIRED, EntryState.FULFILLED}
)


async def show_own_entries(request: web.Request) -> web.Response:
    """List the entries, newest change first."""
    person = signed_in(request)
    context = node_of(request).context
    counts = await own_counts(context, person)
    wanted = request.query.get("stand", "")
    states = {name: states for name, _label, states in _TABS}.get(wanted, _ALL)
    page, pages = _page_of(request, _number(counts, states))
    shown = await own_page(
        context,
        person,
        states=() if states is _ALL else states,
        limit=_PER_PAGE,
        offset=(page - 1) * _PER_PAGE,
    )
    values = {
        "cards": [await _card(request, person, entry) for entry in shown],
        "tabs_shown": _tabs(counts, wanted),
        "place": Pagination(page, pages, PATH, {"stand": wanted} if wanted else {}),
        "nothing_yet": not counts,
        "groups": kind_groups() if not counts else [],
        "of_all_members": person.is_office,
        "deleted": await _deleted(request, person),
    }
    return render(request, "pages/publishing/own_entries.html", values)


def _page_of(request: web.Request, total: int) -> tuple[int, int]:
    pages = max(1, -(-total // _PER_PAGE))
    asked = request.query.get("seite", "")
    page = int(asked) if asked.isdecimal() and len(asked) < len("1000") else 1
    return max(1, min(page, pages)), pages


def _number(counts: Mapping[EntryState, int], states: Collection[EntryState]) -> int:
    return sum(number for state, number in counts.items() if state in states)


def _tabs(counts: Mapping[EntryState, int], wanted: str) -> list[Tab]:
    tabs = []
    for name, label, states in _TABS:
        count = _number(counts, states)
        if count or not name or name == wanted:
            href = f"{PATH}?stand={name}" if name else PATH
            tabs.append(Tab(str(label), href, current=name == wanted, count=count))
    return tabs


async def _card(request: web.Request, person: Person, entry: Entry) -> EntryCard:
    today = request.config_dict[CLOCK].now().date()
    site = request.config_dict[SITE]
    card = card_of(
        own_item(
            entry,
            origin_name=site.cluster_name,
            origin_base_url=site.base_url,
            form=Form.CHIFFRE if entry.is_chiffre else Form.FULL,
        ),
        formats_of(request),
        actions=_actions(entry) if may_change(person, entry) else (),
        reason=await _delivered(request, entry),
    )
    return replace(
        card,
        since=entry.updated_at,
        status=card.status or _running(entry, today),
        audience=await own_audience(request, entry),
    )


def _running(entry: Entry, today: date) -> Status:
    """Say that an entry is published and how long it goes on."""
    if entry.valid_until is None:
        return Status(_("published"), "ok")
    left = (entry.valid_until - today).days
    if left <= 0:
        return Status(_("published, ends today"), "warning")
    words = ngettext(
        "published, ends in %(num)s day", "published, ends in %(num)s days", left
    )
    return Status(words, "warning" if left <= _SOON_DAYS else "ok")


async def _delivered(request: web.Request, entry: Entry) -> str:
    if entry.state is EntryState.DRAFT:
        return ""
    lines = await node_of(request).ledger.lines_of_entry(entry.id)
    return " ".join(standing_words(request, lines))


@dataclass(frozen=True, slots=True)
class DeletedEntry:
    """A deleted entry that some partner cluster has not confirmed yet."""

    kind: str
    deleted_at: datetime
    sentences: tuple[str, ...]


async def _deleted(request: web.Request, person: Person) -> list[DeletedEntry]:
    organisation = None if person.is_office else person.organisation_id
    ledger = node_of(request).ledger
    by_entry: dict[str, list[LedgerLine]] = {}
    for line in await ledger.open_deletions(organisation):
        by_entry.setdefault(line.entry_id, []).append(line)
    found = []
    for entry_id, open_lines in by_entry.items():
        lines = await ledger.lines_of_entry(entry_id)
        found.append(
            DeletedEntry(
                kind_label(open_lines[0].entry_kind),
                max(line.recorded_at for line in open_lines),
                tuple(standing_words(request, lines)),
            )
        )
    return sorted(found, key=lambda each: each.deleted_at, reverse=True)


def _actions(entry: Entry) -> tuple[Action, ...]:
    title = localized(entry.title).text
    edit = Action(
        label=_edit_words(entry),
        href=entry_path(entry.id, "bearbeiten"),
        describes=title,
    )
    steps = tuple(
        Action(
            label=str(step.label),
            href=entry_path(entry.id, step.name),
            tone="danger" if step.final else "secondary",
            describes=title,
        )
        for step in STEPS.values()
        if step.fits(entry) and (step.name != DELETE or _is_unseen(entry))
    )
    return edit, *steps


def _is_unseen(entry: Entry) -> bool:
    # Deleting what was published is offered on the entry's own page only.
    return entry.state is EntryState.DRAFT


def _edit_words(entry: Entry) -> str:
    if entry.state is EntryState.DRAFT:
        return _("Continue")
    return _("Publish again") if entry.state in _AGAIN else _("Edit")


def register(app: web.Application) -> None:
    """Add the page."""
    app.router.add_get(PATH, show_own_entries)
    app[NAVIGATION].add(
        NavigationEntry(
            name="own-entries",
            label=lazy_gettext("My entries"),
            path=PATH,
            role=Role.PERSON,
            order=20,
        )
    )
