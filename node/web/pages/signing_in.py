"""Signing in, by password or by a link in a mail; signing out."""

from collections.abc import Mapping

import wtforms
from aiohttp import web
from wtforms.validators import EqualTo, InputRequired, Length

from node.errors import ConflictError, InvalidInputError, NodeError, NotFoundError
from node.members.model import Person
from node.members.wishes import keep_language
from node.signin.attempts import TooManyAttemptsError
from node.signin.links import LinkPurpose
from node.signin.sign_in import OpenLink, SessionToken
from node.web.access import SIGN_IN_PATH, local_path
from node.web.flash import see_other
from node.web.forms import Form, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.keys import (
    CLOCK,
    COUNTER_LOADER,
    LANGUAGE_KEEPER,
    NAVIGATION,
    PERSON,
    PERSON_LOADER,
    SITE,
)
from node.web.navigation import Area, NavigationEntry
from node.web.pages.serving import node_of
from node.web.pages.wording import in_words, refusal
from node.web.rendering import render

START_PATH = "/start"
PASSWORD_MIN = 12  # characters; `node.signin.passwords` has the rule
_EMAIL_MAX = 320  # characters, RFC 3696 erratum 1690
_PASSWORD_MAX = 200


class SignInForm(Form):
    """Address and password; the address alone is enough for a link."""

    email = wtforms.EmailField(
        lazy_gettext("E-mail"), [InputRequired(), Length(max=_EMAIL_MAX)]
    )
    password = wtforms.PasswordField(
        lazy_gettext("Password"),
        [Length(max=_PASSWORD_MAX)],
        description=lazy_gettext("Not needed for a link."),
    )
    weiter = wtforms.HiddenField()


class NewPasswordForm(Form):
    """A new password, typed twice."""

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


async def show_sign_in(request: web.Request) -> web.Response:
    """Show the form; who is signed in already is led on."""
    onward = local_path(request.query.get("weiter", ""), default=START_PATH)
    if request.get(PERSON) is not None:
        return see_other(request, onward)
    form = SignInForm(None, weiter=onward)
    return _sign_in_page(request, form)


async def sign_in(request: web.Request) -> web.Response:
    """Sign in with a password, or have a link sent."""
    form = await read_form(request, SignInForm)
    sent = await request.post()
    if not form.validate():
        return _sign_in_page(request, form, status=422)
    email = (form.email.data or "").strip()
    try:
        if sent.get("weg") == "link":
            await node_of(request).sign_in.start_link(email)
            return see_other(request, f"{SIGN_IN_PATH}/gesendet")
        password = form.password.data or ""
        token = await node_of(request).sign_in.sign_in_with_password(email, password)
    except NodeError as error:
        page = _sign_in_page(
            request, form, status=error.status, further=(refusal(error),)
        )
        if isinstance(error, TooManyAttemptsError):
            seconds = max(1, int(error.retry_after.total_seconds()))
            page.headers["Retry-After"] = str(seconds)
        return page
    if token is None:
        wrong = _(
            "E-mail and password do not fit together. Try again, or have a link sent."
        )
        return _sign_in_page(request, form, status=422, further=(wrong,))
    return _signed_in(
        request, token, local_path(form.weiter.data or "", default=START_PATH)
    )


def _sign_in_page(
    request: web.Request,
    form: SignInForm,
    *,
    status: int = 200,
    further: tuple[str, ...] = (),
) -> web.Response:
    form.password.flags.unmarked = True  # its hint says when it is needed
    context = {"form": form, "further": further}
    return render(request, "pages/sign_in.html", context, status=status)


async def show_sent(request: web.Request) -> web.Response:
    """Say that a link is on its way, whether the address is known or not."""
    return render(request, "pages/link_sent.html")


async def show_link(request: web.Request) -> web.Response:
    """Show what a link is for; mail scanners open it, so nothing is used up."""
    try:
        link = await _open_link(request)
    except (NotFoundError, ConflictError) as error:
        return _link_over(request, error)
    return _link_page(request, link, NewPasswordForm(None))


async def use_link(request: web.Request) -> web.Response:
    """Use a link: sign in, or set the first password and sign in."""
    token = request.match_info["token"]
    try:
        link = await _open_link(request)
        if link.purpose is LinkPurpose.SIGN_IN:
            session = await node_of(request).sign_in.redeem_link(token)
            return _signed_in(request, session, START_PATH)
        form = await read_form(request, NewPasswordForm)
        if not form.validate():
            return _link_page(request, link, form, status=422)
        try:
            session = await node_of(request).sign_in.choose_first_password(
                token, form.password.data or ""
            )
        except InvalidInputError as error:
            form.password.errors = [in_words(fault.message) for fault in error.faults]
            return _link_page(request, link, form, status=422)
    except (NotFoundError, ConflictError) as error:
        return _link_over(request, error)
    done = _("Your password is set. Welcome!")
    return _signed_in(request, session, START_PATH, flash=done)


async def _open_link(request: web.Request) -> OpenLink:
    token = request.match_info["token"]
    link = await node_of(request).sign_in.inspect_link(token)
    if link.purpose is LinkPurpose.CONFIRM_ENTRY:
        raise NotFoundError("This link does not exist.", code="link-unknown")
    return link


def _link_page(
    request: web.Request, link: OpenLink, form: NewPasswordForm, *, status: int = 200
) -> web.Response:
    template = (
        "pages/first_password.html"
        if link.purpose is LinkPurpose.FIRST_PASSWORD
        else "pages/sign_in_link.html"
    )
    context = {"form": form, "link": link, "password_min": PASSWORD_MIN}
    return render(request, template, context, status=status)


def _link_over(request: web.Request, error: NodeError) -> web.Response:
    status = 410 if isinstance(error, ConflictError) else error.status
    context = {"reason": in_words(error.message)}
    return render(request, "pages/link_over.html", context, status=status)


def _signed_in(
    request: web.Request, token: SessionToken, onward: str, *, flash: str = ""
) -> web.Response:
    """Lead on with a new session in the cookie; an old one is not taken over."""
    site = request.config_dict[SITE]
    response = see_other(request, onward, flash=flash)
    left = token.expires_at - request.config_dict[CLOCK].now()
    response.set_cookie(
        site.cookie_name(),
        token.value,
        max_age=int(left.total_seconds()),
        path="/",
        httponly=True,
        secure=site.https,
        samesite="Lax",
    )
    return response


async def sign_out(request: web.Request) -> web.Response:
    """End the session of this browser."""
    site = request.config_dict[SITE]
    token = session_token(request)
    if token is not None:
        await node_of(request).sign_in.sign_out(token)
    response = see_other(request, "/", flash=_("You are signed out."))
    response.del_cookie(
        site.cookie_name(), path="/", httponly=True, secure=site.https, samesite="Lax"
    )
    return response


def session_token(request: web.Request) -> str | None:
    """Return the secret of this browser's session, if it has one."""
    return request.cookies.get(request.config_dict[SITE].cookie_name())


async def _load_person(request: web.Request) -> Person | None:
    token = session_token(request)
    return None if token is None else await node_of(request).sign_in.session(token)


async def _count_waiting(request: web.Request, person: Person) -> Mapping[str, int]:
    return {"messages": await node_of(request).conversations.count_unread(person)}


async def _keep_language(request: web.Request, person: Person, code: str) -> None:
    await keep_language(node_of(request).context, person, code)


def register(app: web.Application) -> None:
    """Add the pages and what finds out who is signed in."""
    app[PERSON_LOADER] = _load_person
    app[COUNTER_LOADER] = _count_waiting
    app[LANGUAGE_KEEPER] = _keep_language
    app.router.add_get(SIGN_IN_PATH, show_sign_in)
    app.router.add_post(SIGN_IN_PATH, sign_in)
    app.router.add_get(f"{SIGN_IN_PATH}/gesendet", show_sent)
    app.router.add_get(f"{SIGN_IN_PATH}/{{token}}", show_link)
    app.router.add_post(f"{SIGN_IN_PATH}/{{token}}", use_link)
    app.router.add_post("/abmelden", sign_out)
    app[NAVIGATION].add(
        NavigationEntry(
            name="sign-in",
            label=lazy_gettext("Sign in"),
            path=SIGN_IN_PATH,
            area=Area.ACTION,
            visitors_only=True,
        )
    )
