"""“My organisation”: what it is known by, and how far its persons may publish."""

from typing import Final

import wtforms
from aiohttp import web
from wtforms.validators import Length, Optional

from node.catalogue.model import AudienceLevel
from node.errors import NodeError, NotAuthorisedError
from node.members.model import Organisation, Person, Role
from node.members.organisations import NUMBER_CHARS
from node.office.audiences import Effect, may_limit
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.forms import Form, TermsField, choices, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.keys import NAVIGATION
from node.web.navigation import Area, NavigationEntry
from node.web.pages.serving import node_of
from node.web.pages.wording import refusal
from node.web.rendering import render

PATH: Final = "/firma"
_ANY: Final = ""


class KnownForm(Form):
    """What an organisation is known by elsewhere, too."""

    vat_id = wtforms.StringField(
        lazy_gettext("VAT id"), [Optional(), Length(max=NUMBER_CHARS)]
    )
    register_id = wtforms.StringField(
        lazy_gettext("Register number"),
        [Optional(), Length(max=NUMBER_CHARS)],
        description=lazy_gettext("With its court, for example HRB 4711 Köln."),
    )
    domains = TermsField(
        lazy_gettext("Domains"),
        [Optional()],
        description=lazy_gettext(
            "With commas between them: optik.example. The one of the website counts by"
            " itself."
        ),
    )


class CeilingForm(Form):
    """How far the persons of an organisation may publish."""

    ceiling = wtforms.RadioField(
        lazy_gettext("What our persons publish is at most for"),
        choices=choices(
            [
                (_ANY, lazy_gettext("No limit of our own")),
                (AudienceLevel.TRUSTED.value, lazy_gettext("All partner clusters")),
                (AudienceLevel.PARTNERS.value, lazy_gettext("Chosen partner clusters")),
                (AudienceLevel.CLUSTER.value, lazy_gettext("Own cluster")),
            ]
        ),
        description=lazy_gettext("It holds for entries that exist, too."),
    )


async def show(request: web.Request) -> web.Response:
    """Show both forms."""
    person, organisation = await _organisation(request)
    return _page(request, person, organisation)


async def identify(request: web.Request) -> web.Response:
    """Take what the organisation is known by."""
    person, organisation = await _organisation(request)
    form = await read_form(request, KnownForm)
    if not form.validate():
        return _page(request, person, organisation, known=form, status=422)
    try:
        await node_of(request).organisations.identify(
            person,
            organisation.id,
            vat_id=form.vat_id.data,
            register_id=form.register_id.data,
            domains=form.domains.data or (),
        )
    except NodeError as error:
        return _page(
            request,
            person,
            organisation,
            known=form,
            problem=refusal(error),
            status=error.status,
        )
    return see_other(request, _path(person, organisation), flash=_("Saved."))


async def limit(request: web.Request) -> web.Response:
    """Show what a limit would change, and let it count when that was seen."""
    person, organisation = await _organisation(request)
    form = await read_form(request, CeilingForm)
    if not form.validate():
        return _page(request, person, organisation, limits=form, status=422)
    chosen = form.ceiling.data or _ANY
    ceiling = None if chosen == _ANY else AudienceLevel(chosen)
    audiences = node_of(request).audiences
    if (await request.post()).get("schritt") != "speichern":
        effect = await audiences.foresee_organisation(organisation.id, ceiling)
        return _page(request, person, organisation, limits=form, effect=effect)
    await audiences.set_organisation(person, organisation.id, ceiling)
    return see_other(
        request, _path(person, organisation), flash=_("The limit counts from now on.")
    )


def _path(person: Person, organisation: Organisation) -> str:
    own = person.organisation_id == organisation.id
    return PATH if own else f"{PATH}/{organisation.id}"


async def _organisation(request: web.Request) -> tuple[Person, Organisation]:
    """Load the organisation that the address names; the own one if it names none."""
    person = signed_in(request)
    wanted = request.match_info.get("organisation_id", person.organisation_id)
    if wanted != person.organisation_id and not person.is_office:
        raise _refused()
    organisation = await node_of(request).members.organisation(wanted)
    if not may_limit(person, organisation):
        raise _refused()
    return person, organisation


def _refused() -> NotAuthorisedError:
    return NotAuthorisedError(
        "Only the organisation's administrators and the office may do this.",
        hint="Ask your organisation's administrator.",
    )


def _page(
    request: web.Request,
    person: Person,
    organisation: Organisation,
    *,
    known: KnownForm | None = None,
    limits: CeilingForm | None = None,
    effect: Effect | None = None,
    problem: str = "",
    status: int = 200,
) -> web.Response:
    known = known or KnownForm(
        None,
        vat_id=organisation.vat_id,
        register_id=organisation.register_id,
        domains=list(organisation.domains),
    )
    limits = limits or CeilingForm(None, ceiling=organisation.ceiling or _ANY)
    limits.ceiling.flags.unmarked = True  # one of the choices is no limit
    context = {
        "organisation": organisation,
        "base": _path(person, organisation),
        "known": known,
        "limits": limits,
        "effect": effect,
        "consequences": [] if effect is None else _consequences(effect),
        "problem": problem,
    }
    return render(request, "pages/organisation.html", context, status=status)


def _consequences(effect: Effect) -> list[str]:
    said = []
    for each in effect.viewers:
        name = each.name or _("everybody without signing in")
        if each.hidden:
            said.append(
                ngettext(
                    "%(num)s entry becomes invisible to %(name)s.",
                    "%(num)s entries become invisible to %(name)s.",
                    each.hidden,
                    name=name,
                )
            )
        if each.shown:
            said.append(
                ngettext(
                    "%(num)s entry becomes visible to %(name)s.",
                    "%(num)s entries become visible to %(name)s.",
                    each.shown,
                    name=name,
                )
            )
    return said or [_("Nothing becomes visible or invisible now.")]


def register(app: web.Application) -> None:
    """Add the pages."""
    for base in (PATH, f"{PATH}/{{organisation_id}}"):
        app.router.add_get(base, show)
        app.router.add_post(f"{base}/kennung", identify)
        app.router.add_post(f"{base}/grenze", limit)
    app[NAVIGATION].add(
        NavigationEntry(
            name="organisation",
            label=lazy_gettext("My organisation"),
            path=PATH,
            area=Area.PERSONAL,
            role=Role.ORGANISATION_ADMIN,
            order=10,
        )
    )
