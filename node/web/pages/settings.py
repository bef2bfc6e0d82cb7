"""Settings of a person: language, password, sessions, what is stored of them."""

import wtforms
from aiohttp import web
from wtforms.validators import EqualTo, InputRequired, Length

from node.errors import InvalidInputError, NodeError
from node.members.model import Person, Role
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.formats import Formats
from node.web.forms import Form, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.keys import NAVIGATION
from node.web.navigation import Area, NavigationEntry
from node.web.pages.serving import formats_of, node_of
from node.web.pages.signing_in import session_token
from node.web.pages.wording import in_words, refusal
from node.web.rendering import render
from node.web.views import Fact

PATH = "/einstellungen"
_PASSWORD_MAX = 200  # characters


class ChangePasswordForm(Form):
    """The present password and the new one, twice."""

    current = wtforms.PasswordField(
        lazy_gettext("Present password"), [Length(max=_PASSWORD_MAX)]
    )
    password = wtforms.PasswordField(
        lazy_gettext("New password"),
        [InputRequired(), Length(max=_PASSWORD_MAX)],
        description=lazy_gettext(
            "At least 12 characters; four words in a row are easy to remember."
        ),
    )
    again = wtforms.PasswordField(
        lazy_gettext("New password again"),
        [
            InputRequired(),
            EqualTo("password", lazy_gettext("The two passwords are not the same.")),
        ],
    )


async def show_settings(request: web.Request) -> web.Response:
    """Show everything that a person may settle alone."""
    person = signed_in(request)
    return _page(request, person, ChangePasswordForm(None))


def _page(
    request: web.Request, person: Person, form: ChangePasswordForm, *, status: int = 200
) -> web.Response:
    form.current.flags.required = person.has_password
    context = {"form": form, "facts_shown": _facts(person, formats_of(request))}
    return render(request, "pages/settings.html", context, status=status)


async def change_password(request: web.Request) -> web.Response:
    """Set a new password; other sessions end, this one goes on."""
    person = signed_in(request)
    form = await read_form(request, ChangePasswordForm)
    valid = form.validate()
    if person.has_password and not form.current.data:
        form.current.errors = [_("Enter your present password.")]
        valid = False
    if not valid:
        return _page(request, person, form, status=422)
    try:
        if not await _knows_password(request, person, form.current.data or ""):
            form.current.errors = [_("This is not your present password.")]
            return _page(request, person, form, status=422)
        await node_of(request).sign_in.set_password(
            person, form.password.data or "", keep=session_token(request)
        )
    except InvalidInputError as error:
        form.password.errors = [in_words(fault.message) for fault in error.faults]
        return _page(request, person, form, status=422)
    except NodeError as error:
        form.current.errors = [refusal(error)]
        return _page(request, person, form, status=error.status)
    done = _("Your password is changed. Other devices are signed out.")
    return see_other(request, PATH, flash=done)


async def _knows_password(request: web.Request, person: Person, current: str) -> bool:
    """Check the present password with the same limit of tries as at the door."""
    if not person.has_password:
        return True
    sign_in = node_of(request).sign_in
    session = await sign_in.sign_in_with_password(person.email, current)
    if session is None:
        return False
    await sign_in.sign_out(session.value)
    return True


async def end_sessions(request: web.Request) -> web.Response:
    """Sign the person out everywhere but here."""
    person = signed_in(request)
    token = session_token(request)
    if token is not None:
        await node_of(request).sign_in.end_other_sessions(person, keep=token)
    return see_other(request, PATH, flash=_("All other devices are signed out."))


async def download_data(request: web.Request) -> web.Response:
    """Give the person everything that is stored about it (SPEC DAT-001)."""
    person = signed_in(request)
    node = node_of(request)
    data = await node.own_data.archive(person, person)
    day = node.context.clock.now().date().isoformat()
    return web.Response(
        body=data,
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="meine-daten-{day}.zip"',
            "Cache-Control": "private, no-store",
        },
    )


def role_words(role: Role) -> str:
    """Name a role."""
    words = {
        Role.PERSON: _("Member"),
        Role.ORGANISATION_ADMIN: _("Administrator of the organisation"),
        Role.OFFICE: _("Office"),
        Role.NODE_ADMIN: _("Office and administration of the node"),
    }
    return words[role]


def consent_words(person: Person, formats: Formats) -> str:
    """Say whether partner clusters may see the person's profile, and why."""
    if person.consent_on is None or not person.consent_source:
        return _(
            "No consent is recorded. A profile of you stays within your cluster."
            " If partner clusters may see it, tell your office."
        )
    return _(
        "On %(day)s you agreed that partner clusters may see your profile"
        " (recorded in: %(source)s). You can withdraw this at your office at any"
        " time; your profile is then taken back from all partner clusters.",
        day=formats.write_date(person.consent_on),
        source=person.consent_source,
    )


def _facts(person: Person, formats: Formats) -> list[Fact]:
    rows = (
        (_("Name"), person.name),
        (_("Organisation"), person.organisation_name),
        (_("Function"), person.function or ""),
        (_("E-mail"), person.email),
        (_("Phone"), person.phone or ""),
        (_("Role"), role_words(person.role)),
        (_("Consent"), consent_words(person, formats)),
    )
    return [Fact(name, value) for name, value in rows if value]


def register(app: web.Application) -> None:
    """Add the pages."""
    app.router.add_get(PATH, show_settings)
    app.router.add_post(f"{PATH}/passwort", change_password)
    app.router.add_post(f"{PATH}/sitzungen", end_sessions)
    app.router.add_post(f"{PATH}/daten", download_data)
    app[NAVIGATION].add(
        NavigationEntry(
            name="settings",
            label=lazy_gettext("Settings"),
            path=PATH,
            area=Area.PERSONAL,
            role=Role.PERSON,
            order=10,
        )
    )
