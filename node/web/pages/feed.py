"""News: what the own cluster and its partners published, newest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import Entry
from node.catalogue.own_lists import own_ending
from node.catalogue.publication import may_be_confirmed
from node.feed.feed import FeedPage
from node.feed.visible import FeedQuery
from node.limits import SEARCH_CHARACTERS_MAX
from node.members.model import Person, Role
from node.partners.model import Partner
from node.web.access import signed_in
from node.web.formats import Formats
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, localized
from node.web.keys import CLOCK, NAVIGATION
from node.web.navigation import NavigationEntry
from node.web.pages.cards import card_of, entry_path
from node.web.pages.serving import formats_of, node_of
from node.web.rendering import render
from node.web.views import Action, Pagination, Status, Tab
from schemas import KINDS

PATH: Final = "/start"
_PARTNERS: Final = "partner"
_ENDS_SOON: Final = timedelta(days=14)
_ENDING_SHOWN: Final = 5
_ENDING_LOADED: Final = 50  # some cannot be confirmed: events
_PARTNERS_SHOWN: Final = 20
_LIVE: Final = ESTABLISHED


@dataclass(frozen=True, slots=True)
class _Filter:
    """What the query string asks for.

    Attributes:
        kind: A kind, `offer`, `request`, `partner`, or empty for everything.
    """

    kind: str
    text: str
    page: int

    @property
    def query(self) -> FeedQuery:
        """The same as the feed takes it."""
        return FeedQuery(
            kind=self.kind if self.kind in KINDS else None,
            purpose=self.kind if self.kind in {"offer", "request"} else None,
            only_partners=self.kind == _PARTNERS,
            text=self.text,
            page=self.page,
        )

    def address(self, kind: str) -> str:
        """The same list with another filter."""
        return _address({"art": kind, "q": self.text})


@dataclass(frozen=True, slots=True)
class EndingEntry:
    """An own entry that ends soon."""

    title: Mapping[str, str]
    href: str
    ends: object
    confirm: Action


@dataclass(frozen=True, slots=True)
class PartnerState:
    """A partner cluster and how fresh what we hold of it is."""

    name: str
    status: Status


def _address(values: Mapping[str, str]) -> str:
    query = urlencode({name: value for name, value in values.items() if value})
    return f"{PATH}?{query}" if query else PATH


def _read_filter(request: web.Request) -> _Filter:
    kind = request.query.get("art", "")
    if kind not in {*KINDS, "offer", "request", _PARTNERS}:
        kind = ""
    page = request.query.get("seite", "1")
    return _Filter(
        kind=kind,
        text=request.query.get("q", "").strip()[:SEARCH_CHARACTERS_MAX],
        page=int(page) if page.isascii() and page.isdigit() and len(page) < 6 else 1,  # noqa: PLR2004 - no list is that long
    )


async def show_feed(request: web.Request) -> web.Response:
    """Show what is new for the person."""
    person = signed_in(request)
    node = node_of(request)
    wanted = _read_filter(request)
    found = await node.feed.feed(person, wanted.query)
    number, partners = await node.partners.first(_LIVE, limit=_PARTNERS_SHOWN)
    formats = formats_of(request)
    return render(
        request,
        "pages/feed.html",
        {
            "cards": [card_of(item, formats) for item in found.items],
            "found": found,
            "wanted": wanted,
            "tabs_shown": _tabs(wanted, found),
            "narrower": _narrower(wanted, found),
            "place": Pagination(
                found.page,
                found.pages,
                PATH,
                {
                    name: value
                    for name, value in (("art", wanted.kind), ("q", wanted.text))
                    if value
                },
            ),
            "path_all": PATH,
            "partners": [partner_state(each, formats) for each in partners],
            "more_partners": number - len(partners),
            "ending": await _ending(request, person),
            "new_entry": Action(label=_("Post an entry"), href="/neu", tone="primary"),
            "show_all": Action(label=_("Show all entries"), href=PATH),
        },
    )


def _tabs(wanted: _Filter, found: FeedPage) -> list[Tab]:
    by_kind = found.by_kind

    def tab(label: str, kind: str, count: int, *more: str) -> Tab:
        current = wanted.kind in {kind, *more}
        return Tab(label, wanted.address(kind), current=current, count=count)

    def of(purpose: str) -> tuple[list[str], int]:
        kinds = [name for name, kind in KINDS.items() if kind.purpose == purpose]
        return kinds, sum(by_kind.get(name, 0) for name in kinds)

    offers, offered = of("offer")
    requests, requested = of("request")
    return [
        tab(_("All"), "", found.everything),
        tab(_("Offers"), "offer", offered, *offers),
        tab(_("Requests"), "request", requested, *requests),
        tab(_("Events"), "event", by_kind.get("event", 0)),
        tab(_("Experts"), "expert_profile", by_kind.get("expert_profile", 0)),
        tab(
            _("Organisations"),
            "organisation_profile",
            by_kind.get("organisation_profile", 0),
        ),
        tab(_("Partners"), _PARTNERS, found.from_partners),
    ]


def _narrower(wanted: _Filter, found: FeedPage) -> list[Tab]:
    """Offer the kinds within offers or requests."""
    known = KINDS.get(wanted.kind)
    purpose = known.purpose if known else wanted.kind
    if purpose not in {"offer", "request"}:
        return []
    kinds = [(name, kind) for name, kind in KINDS.items() if kind.purpose == purpose]
    total = sum(found.by_kind.get(name, 0) for name, _kind in kinds)
    both = Tab(
        _("Capacity and technology"),
        wanted.address(purpose),
        current=wanted.kind == purpose,
        count=total,
    )
    return [
        both,
        *(
            Tab(
                localized(kind.label).text,
                wanted.address(name),
                current=wanted.kind == name,
                count=found.by_kind.get(name, 0),
            )
            for name, kind in kinds
        ),
    ]


def partner_state(partner: Partner, formats: Formats) -> PartnerState:
    """Say when we were last in contact with a partner, and whether all is well."""
    contacts = (partner.checked_at, partner.last_received_at, partner.last_sent_at)
    last = max((each for each in contacts if each is not None), default=None)
    if partner.state is TrustState.PAUSED:
        status = Status(_("paused"), "neutral")
    elif partner.state is TrustState.SUSPENDED:
        status = Status(_("suspended: the office is checking its key"), "warning")
    elif last is None and partner.attempts:
        status = Status(_("not reachable yet"), "warning")
    elif last is None:
        status = Status(_("no contact yet"), "neutral")
    elif partner.attempts:
        words = _("not reachable now, last contact %(ago)s", ago=formats.ago(last))
        status = Status(words, "warning")
    else:
        words = _("last contact %(ago)s", ago=formats.ago(last))
        status = Status(words, "ok")
    return PartnerState(partner.name, status)


async def _ending(request: web.Request, person: Person) -> Sequence[EndingEntry]:
    """List the entries of the person's organisation that end soon."""
    last = request.config_dict[CLOCK].now().date() + _ENDS_SOON
    ending = await own_ending(
        node_of(request).context, person, last_day=last, limit=_ENDING_LOADED
    )
    confirmable = [each for each in ending if may_be_confirmed(each.kind, each.state)]
    return [_ending_entry(entry) for entry in confirmable[:_ENDING_SHOWN]]


def _ending_entry(entry: Entry) -> EndingEntry:
    return EndingEntry(
        title=entry.title,
        href=entry_path(entry.id),
        ends=entry.valid_until,
        confirm=Action(
            label=_("Still valid"),
            href=entry_path(entry.id, "gilt-weiter"),
            method="post",
            fields={"zurueck": "start"},
            describes=localized(entry.title).text,
        ),
    )


def register(app: web.Application) -> None:
    """Add the page."""
    app.router.add_get(PATH, show_feed)
    app[NAVIGATION].add(
        NavigationEntry(
            name="feed",
            label=lazy_gettext("News"),
            path=PATH,
            role=Role.PERSON,
            order=10,
        )
    )
