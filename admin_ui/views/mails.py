"""The mail outbox."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from admin_ui.desk import Desk, desk_of, page_number
from admin_ui.wording import explain, mail_kind, mail_status
from node.errors import NodeError, NotFoundError
from node.mail.model import Mail, MailState
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.rendering import render
from node.web.views import Pagination, Status, Tab

PATH = "/admin/post"
MAILS_LISTED = 1000  # the latest ones
ROWS_ON_PAGE = 50
_OPEN = frozenset({MailState.PENDING, MailState.FAILED})


@dataclass(frozen=True, slots=True)
class MailRow:
    """One mail as the table draws it."""

    mail: Mail
    kind: str
    status: Status


async def show(request: web.Request) -> web.Response:
    """Show the latest mails, newest first, or those in one state."""
    desk = desk_of(request)
    mails = await desk.node.mail.list_mails(limit=MAILS_LISTED)
    state = request.query.get("zustand", "")
    chosen = [mail for mail in mails if not state or mail.state.value == state]
    pages = max(1, -(-len(chosen) // ROWS_ON_PAGE))
    page = min(page_number(request), pages)
    start = (page - 1) * ROWS_ON_PAGE
    rows = [_row(mail, desk) for mail in chosen[start : start + ROWS_ON_PAGE]]
    return render(
        request,
        "admin_ui/mails.html",
        {
            "rows": rows,
            "place": Pagination(page, pages, PATH, {"zustand": state} if state else {}),
            "tabs_shown": _tabs(mails, desk, state),
            "sends": desk.node.mail.sends,
            "total": len(mails),
        },
    )


async def show_one(request: web.Request) -> web.Response:
    """Show one mail with its text."""
    desk = desk_of(request)
    mail = await _mail(desk, request.match_info["mail_id"])
    return render(
        request,
        "admin_ui/mail.html",
        {
            "mail": mail,
            "kind": mail_kind(mail.kind),
            "status": mail_status(mail.state, sends=desk.node.mail.sends),
            "sends": desk.node.mail.sends,
            "may_retry": desk.node.mail.sends and mail.state in _OPEN,
        },
    )


async def retry(request: web.Request) -> web.Response:
    """Try a mail again now."""
    desk = desk_of(request)
    mail_id = request.match_info["mail_id"]
    back = f"{PATH}/{mail_id}"
    try:
        await desk.node.mail.retry(desk.person, mail_id)
    except NodeError as error:
        return see_other(request, back, flash=explain(error), tone="danger")
    return see_other(request, back, flash=_("The mail leaves within a minute."))


async def _mail(desk: Desk, mail_id: str) -> Mail:
    for mail in await desk.node.mail.list_mails(limit=MAILS_LISTED):
        if mail.id == mail_id:
            return mail
    raise NotFoundError(
        "This mail is not in the list any more.",
        hint="See the list of the latest mails.",
    )


def _row(mail: Mail, desk: Desk) -> MailRow:
    status = mail_status(mail.state, sends=desk.node.mail.sends)
    return MailRow(mail, mail_kind(mail.kind), status)


def _tabs(mails: Sequence[Mail], desk: Desk, chosen: str) -> list[Tab]:
    tabs = [Tab(_("All"), PATH, current=not chosen, count=len(mails))]
    for state in MailState:
        number = sum(mail.state is state for mail in mails)
        if number or state.value == chosen:
            label = mail_status(state, sends=desk.node.mail.sends).text
            href = f"{PATH}?zustand={state.value}"
            tabs.append(Tab(label, href, state.value == chosen, number))
    return tabs
