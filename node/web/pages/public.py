"""What visitors see: the cluster, its public entries, the legal pages."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from node.catalogue.model import Entry
from node.web.flash import see_other
from node.web.formats import Formats
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, localized, ngettext
from node.web.keys import CLOCK, NAVIGATION, PERSON, SITE
from node.web.navigation import NavigationEntry
from node.web.pages.cards import card_of, public_item
from node.web.pages.entry_fields import (
    FieldLine,
    Value,
    language_words,
    region_words,
    web_link,
)
from node.web.pages.serving import card_text, formats_of, node_of, own_card
from node.web.pages.signing_in import START_PATH
from node.web.rendering import render
from node.web.views import Action, EntryCard, Pagination, Tab
from schemas import KINDS

LIST_PATH = "/eintraege"
_ON_FRONT = 3  # entries
_EVENTS_ON_FRONT = 3
_LISTED = 200  # public entries at most
_PAGE = 20


async def show_front(request: web.Request) -> web.Response:
    """Show the cluster to visitors; members are led to their news."""
    if request.get(PERSON) is not None:
        return see_other(request, START_PATH)
    entries = await node_of(request).catalogue.public_entries(limit=_LISTED)
    card = await own_card(request)
    formats = formats_of(request)
    shown = [entry for entry in entries if entry.kind != "event"][:_ON_FRONT]
    return render(
        request,
        "pages/front.html",
        {
            "field": card_text(card.get("field")),
            "note": card_text(card.get("note")),
            "lines": card_lines(card, formats),
            "cards": _cards(request, shown),
            "events": _cards(request, _next_events(request, entries)),
            "total": len(entries),
        },
    )


def card_lines(card: Mapping[str, Any], formats: Formats) -> list[FieldLine]:
    """Write the facts of a cluster's card."""
    rows: list[tuple[str, Sequence[Value]]] = [
        (_("Regions"), [Value(region_words(code)) for code in card.get("regions", ())]),
        (_("Founded"), [Value(str(card["founded"]))] if card.get("founded") else []),
        (_("Members"), _members(card, formats)),
        (
            _("Languages"),
            [Value(language_words(tag)) for tag in card.get("languages", ())],
        ),
        (_("Website"), [web_link(card["website"])] if card.get("website") else []),
        (_("Contact"), _contact(card_text(card.get("contact")))),
    ]
    return [
        FieldLine(name, tuple(values), words=len(values) > 1)
        for name, values in rows
        if values
    ]


def _members(card: Mapping[str, Any], formats: Formats) -> Sequence[Value]:
    members, small = card.get("members"), card.get("sme")
    if not isinstance(members, int):
        return []
    if not isinstance(small, int):
        return [Value(formats.number(members))]
    words = ngettext(
        "%(members)s, %(num)s of them a small or medium enterprise",
        "%(members)s, %(num)s of them small or medium enterprises",
        small,
        members=formats.number(members),
    )
    return [Value(words)]


def _contact(contact: str) -> Sequence[Value]:
    if not contact:
        return []
    is_address = "@" in contact and " " not in contact
    return [Value(contact, href=f"mailto:{contact}" if is_address else "")]


def _next_events(request: web.Request, entries: Sequence[Entry]) -> list[Entry]:
    today = request.config_dict[CLOCK].now().date().isoformat()
    coming = [
        entry
        for entry in entries
        if entry.kind == "event" and entry.content["ends"] >= today
    ]
    coming.sort(key=lambda entry: (entry.content["starts"], entry.id))
    return coming[:_EVENTS_ON_FRONT]


def _cards(request: web.Request, entries: Sequence[Entry]) -> list[EntryCard]:
    site, formats = request.config_dict[SITE], formats_of(request)
    return [card_of(public_item(entry, site), formats) for entry in entries]


async def show_entries(request: web.Request) -> web.Response:
    """List the entries that anybody may see, by kind."""
    entries = await node_of(request).catalogue.public_entries(limit=_LISTED)
    kind = request.query.get("art", "")
    if kind not in KINDS:
        kind = ""
    wanted = [entry for entry in entries if kind in {"", entry.kind}]
    pages = max(1, -(-len(wanted) // _PAGE))
    asked = request.query.get("seite", "1")
    page = min(int(asked), pages) if asked.isascii() and asked.isdigit() else 1
    first = (max(1, page) - 1) * _PAGE
    return render(
        request,
        "pages/public_entries.html",
        {
            "cards": _cards(request, wanted[first : first + _PAGE]),
            "tabs_shown": _tabs(entries, kind),
            "place": Pagination(
                max(1, page), pages, LIST_PATH, {"art": kind} if kind else {}
            ),
            "filtered": bool(kind),
            "show_all": Action(label=_("Show all entries"), href=LIST_PATH),
        },
    )


def _tabs(entries: Sequence[Entry], kind: str) -> list[Tab]:
    tabs = [Tab(_("All"), LIST_PATH, current=not kind, count=len(entries))]
    for name, known in KINDS.items():
        count = sum(1 for entry in entries if entry.kind == name)
        if count or name == kind:
            href = f"{LIST_PATH}?{urlencode({'art': name})}"
            label = localized(known.label).text
            tabs.append(Tab(label, href, current=name == kind, count=count))
    return tabs


async def show_invitation(request: web.Request) -> web.Response:
    """Explain an invitation; its code stays behind the # and is never sent here."""
    card = await own_card(request)
    return render(
        request,
        "pages/invitation.html",
        {
            "lines": card_lines(card, formats_of(request)),
            "field": card_text(card.get("field")),
            "authority": request.config_dict[SITE].authority,
        },
    )


async def show_imprint(request: web.Request) -> web.Response:
    """Show who answers for the pages, as far as the node knows."""
    card = await own_card(request)
    context = {"contact": card_text(card.get("contact"))}
    return render(request, "pages/imprint.html", context)


async def show_privacy(request: web.Request) -> web.Response:
    """Say what is stored and why."""
    card = await own_card(request)
    context = {"contact": card_text(card.get("contact"))}
    return render(request, "pages/privacy.html", context)


async def show_accessibility(request: web.Request) -> web.Response:
    """Say what the pages offer to people with disabilities, and whom to tell."""
    card = await own_card(request)
    context = {"contact": card_text(card.get("contact"))}
    return render(request, "pages/accessibility.html", context)


def register(app: web.Application) -> None:
    """Add the pages."""
    app.router.add_get("/", show_front)
    app.router.add_get(LIST_PATH, show_entries)
    app.router.add_get("/kopplung", show_invitation)
    app.router.add_get("/impressum", show_imprint)
    app.router.add_get("/datenschutz", show_privacy)
    app.router.add_get("/barrierefreiheit", show_accessibility)
    app[NAVIGATION].add(
        NavigationEntry(
            name="public-entries",
            label=lazy_gettext("Public entries"),
            path=LIST_PATH,
            visitors_only=True,
            order=10,
        )
    )
