"""The component page: every part of the pages with invented sample values.

It is for those who write pages and for the check of the look in a browser. It
runs in the demonstration, and elsewhere for the node's administrators.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

import wtforms
from aiohttp import web
from wtforms.validators import InputRequired, Length

from node.errors import NotFoundError
from node.members.model import Role
from node.web.forms import (
    ChecklistField,
    DateField,
    DecimalTextField,
    Form,
    TermsField,
    choices,
    read_form,
)
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.keys import CLOCK, PERSON, SITE
from node.web.navigation import has_role
from node.web.rendering import render
from node.web.views import (
    Action,
    AudienceView,
    Bubble,
    Choice,
    Day,
    Delivery,
    EntryCard,
    Fact,
    Origin,
    Pagination,
    Status,
    Step,
    Tab,
)

PATH = "/gestaltung"
_TITLE_LENGTH = 160


class SampleForm(Form):
    """One field of each type."""

    title = wtforms.StringField(
        lazy_gettext("Title"),
        [InputRequired(), Length(max=_TITLE_LENGTH)],
        description=lazy_gettext("What is it about, in one line?"),
    )
    summary = wtforms.TextAreaField(
        lazy_gettext("Description"), [InputRequired(), Length(max=500)]
    )
    kind = wtforms.SelectField(
        lazy_gettext("Kind"),
        choices=choices(
            [
                ("capacity_request", lazy_gettext("Capacity request")),
                ("capacity_offer", lazy_gettext("Capacity offer")),
            ]
        ),
    )
    until = DateField(lazy_gettext("Valid until"), [InputRequired()])
    amount = DecimalTextField(
        lazy_gettext("Price per hour"),
        description=lazy_gettext("Leave empty for a price on request."),
    )
    topics = TermsField(
        lazy_gettext("Topics"), description=lazy_gettext("Separate with commas.")
    )
    reach = ChecklistField(
        lazy_gettext("Regions"),
        choices=choices([("DE-HE", "Hessen"), ("CH-ZH", "Zürich")]),
    )
    audience = wtforms.RadioField(
        lazy_gettext("Who may see it?"),
        choices=choices(
            [
                ("cluster", lazy_gettext("My cluster")),
                ("trusted", lazy_gettext("All partner clusters")),
                ("public", lazy_gettext("Everybody")),
            ]
        ),
        default="trusted",
    )
    drawing = wtforms.FileField(lazy_gettext("Drawing"))
    mail = wtforms.BooleanField(lazy_gettext("Mail me when somebody answers"))


async def show(request: web.Request) -> web.Response:
    """Show all components; a POST shows the form with its faults.

    Raises:
        NotFoundError: The page is not for this visitor.
    """
    person = request.get(PERSON)
    admitted = request.config_dict[SITE].demo or (
        person is not None and has_role(person, Role.NODE_ADMIN)
    )
    if not admitted:
        raise NotFoundError("This page does not exist")
    form = await read_form(request, SampleForm)
    invalid = request.method == "POST" and not form.validate()
    return render(
        request,
        "showcase.html",
        {"form": form, **_samples(request.config_dict[CLOCK].now())},
        status=422 if invalid else 200,
    )


def _samples(now: datetime) -> dict[str, object]:
    cards = _cards(now)
    return {
        "cards": cards,
        "choices": _choices(cards[0]),
        "tabs_shown": (
            Tab(_("All"), PATH, current=True, count=41),
            Tab(_("Offers"), "?art=offer", count=18),
            Tab(_("Requests"), "?art=request", count=14),
            Tab(_("Events"), "?art=event", count=6),
        ),
        "place": Pagination(4, 12, PATH, {"art": "offer"}),
        "days": _days(now.date()),
        "synced": Status(_("in sync, checked 14:02"), "ok"),
        "late": Status(_("last contact 3 days ago"), "warning"),
        "failed": Status(_("not reachable"), "danger"),
        "messages": _messages(now),
        "steps": _steps(now),
        "facts_shown": (
            Fact(_("Wavelength"), "1064 nm"),
            Fact(_("Price"), "85,00 €/h"),
            Fact(_("Available"), _("this quarter")),
        ),
        "rows": [
            ["Optik Beispiel GmbH", "BM-0007", _("active"), "12"],
            ["Musterwerk Laser AG", "BM-0019", _("invited"), "3"],
        ],
        "empty_actions": (
            Action(label=_("Invite a partner"), href="#", tone="primary"),
            Action(label=_("Enter a code"), href="#"),
        ),
        "act": Action(label=_("Publish"), href="#", tone="primary"),
        "danger": Action(
            label=_("End partnership"), href=PATH, method="post", tone="danger"
        ),
    }


def _cards(now: datetime) -> tuple[EntryCard, ...]:
    photonics = Origin("Swissmem Photonics", href="#")
    own = Origin("Optence", own=True, href="#")
    trusted = AudienceView(
        _("Your cluster and all partner clusters."),
        ("Swissmem Photonics", "Beispiel-Netz Laser"),
    )
    request_card = EntryCard(
        href="#",
        tone="request",
        kind_label=_("Request · Capacity"),
        title={"de": "Einmalige Messung einer Freiformoptik"},
        summary={
            "de": "Freiformlinse, 60 mm Durchmesser, Formabweichung unter 0,5 µm."
            " Messbericht bis Ende Januar."
        },
        origin=photonics,
        owner="Feinoptik Muster AG",
        since=now - timedelta(hours=20),
        unseen=True,
        valid_until=date(2027, 1, 31),
        reason=_("Matches your offer “%(title)s”.", title="Koordinatenmessgerät"),
        actions=(
            Action(label=_("Answer"), href="#", tone="primary"),
            Action(label=_("Show details"), href="#"),
        ),
    )
    offer_card = EntryCard(
        href="#",
        tone="offer",
        kind_label=_("Offer · Technology"),
        title={"de": "Schichtdicken im Nahinfrarot berührungslos messen"},
        summary={
            "de": "Messkopf für laufende Bahnen, 2 bis 250 µm. Feldversuch"
            " abgeschlossen, Partner für Pilotanwendung gesucht."
        },
        origin=own,
        owner="Institut für Beispieloptik",
        since=now - timedelta(days=3),
        audience=trusted,
    )
    english_card = replace(
        offer_card,
        kind_label=_("Offer · Capacity"),
        title={"en": "Grinding and polishing line, small and medium series"},
        summary={"en": "Grinding, polishing, centring. Available next quarter."},
        origin=photonics,
        owner="",
        audience=None,
        status=Status(_("expires in 4 days"), "warning"),
    )
    event_card = EntryCard(
        href="#",
        tone="event",
        kind_label=_("Event"),
        title={"de": "Arbeitskreis Optische Messtechnik"},
        origin=Origin("Beispiel-Netz Laser"),
        since=now - timedelta(days=9),
        when="14. Januar 2027, Regensburg",
    )
    profile_card = EntryCard(
        href="#",
        tone="profile",
        kind_label=_("Profile · Expert"),
        title={"de": "Dr. Erika Muster, Asphärenmesstechnik"},
        summary={"de": "Interferometrie, Koordinatenmesstechnik, Normung."},
        origin=own,
        since=now - timedelta(days=40),
    )
    return request_card, offer_card, english_card, event_card, profile_card


def _choices(card: EntryCard) -> Mapping[str, Choice]:
    preview = replace(card, actions=(), reason="")
    return {
        "cluster": Choice(_("84 members of your cluster, nobody else."), preview),
        "trusted": Choice(_("Your cluster and 2 partner clusters."), preview),
        "public": Choice(_("Anybody on the internet, without signing in."), preview),
    }


def _days(today: date) -> list[Day]:
    reached, silent = _("reachable"), _("not reachable")
    return [
        Day(today - timedelta(days=back), "ok", reached)
        if back > 2  # noqa: PLR2004 - any number shows the strip
        else Day(today - timedelta(days=back), "down", silent)
        for back in range(13, -1, -1)
    ]


def _messages(now: datetime) -> tuple[Bubble, ...]:
    return (
        Bubble(
            author="Anna Beispiel",
            organisation="Optik Beispiel GmbH",
            text="Guten Tag,\nwir könnten die Messung in KW 3 übernehmen."
            " Welche Aufnahme hat die Linse?",
            sent=now - timedelta(hours=5),
            mine=True,
            delivery=Delivery("read", _("delivered and opened")),
        ),
        Bubble(
            author="Beat Muster",
            organisation="Feinoptik Muster AG",
            text="Vielen Dank. Zylindrisch, 62 mm. Zeichnung folgt.",
            sent=now - timedelta(hours=3),
            mine=False,
        ),
        Bubble(
            author="Anna Beispiel",
            organisation="Optik Beispiel GmbH",
            text="Passt. Ich schicke Ihnen morgen ein Angebot.",
            sent=now - timedelta(minutes=4),
            mine=True,
            delivery=Delivery(
                "waiting",
                _("waiting: the partner cluster does not answer at the moment"),
            ),
        ),
    )


def _steps(now: datetime) -> tuple[Step, ...]:
    return (
        Step(
            title=_("Code sent"),
            at=now - timedelta(days=2),
            text=_("Valid for 7 days, for one use."),
            status="ok",
        ),
        Step(title=_("Code accepted"), at=now - timedelta(minutes=9), status="ok"),
        Step(
            title=_("Compare the check number on the phone"),
            status="warning",
            current=True,
        ),
        Step(title=_("Connected")),
    )


def register(app: web.Application) -> None:
    """Add the page."""
    app.router.add_get(PATH, show)
    app.router.add_post(PATH, show)
    app.router.add_get(f"{PATH}/eingang", show_entrance)


async def show_entrance(request: web.Request) -> web.Response:
    """Show the layout of pages before the door."""
    if not request.config_dict[SITE].demo:
        raise NotFoundError("This page does not exist")
    return render(request, "showcase_entrance.html", {"form": SampleForm()})
