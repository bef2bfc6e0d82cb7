"""A partner says to be at another address: the office confirms or refuses."""

from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of, partner_in
from admin_ui.forms import MoveNumberForm, ReasonForm
from admin_ui.wording import explain
from node.errors import NodeError
from node.partners.model import Partner
from node.partners.moving import announced_move
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.rendering import render

PART: Final = "umzug"
_BASE: Final = "/admin/partner"


async def show(request: web.Request) -> web.Response:
    """Show both addresses, and ask for the number that the other office reads out."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    form = await read_form(request, MoveNumberForm)
    move = announced_move(partner)
    if move is None:
        return _nothing(request, partner)
    if request.method == "POST" and form.validate():
        target = str((await request.post()).get("ziel", ""))
        try:
            await desk.node.partners.confirm_move(
                desk.person,
                partner.id,
                number=form.number.data or "",
                target=target or None,
            )
        except NodeError as error:
            return see_other(request, request.path, flash=explain(error), tone="danger")
        return see_other(
            request,
            f"{_BASE}/{partner.id}",
            flash=_(
                "%(name)s is at %(address)s from now on.",
                name=partner.name,
                address=move.new,
            ),
        )
    return render(
        request,
        "admin_ui/partner_move.html",
        {
            "partner": partner,
            "base": f"{_BASE}/{partner.id}",
            "move": move,
            "form": form,
            "reason_form": ReasonForm(),
        },
        status=422 if form.errors else 200,
    )


async def refuse(request: web.Request) -> web.Response:
    """Answer that the office does not believe it."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    form = await read_form(request, ReasonForm)
    page = f"{_BASE}/{partner.id}/{PART}"
    if not form.validate():
        return see_other(
            request, page, flash=_("The reason is too long."), tone="danger"
        )
    try:
        await desk.node.partners.refuse_move(
            desk.person, partner.id, reason=form.reason.data
        )
    except NodeError as error:
        return see_other(request, page, flash=explain(error), tone="danger")
    return see_other(
        request,
        f"{_BASE}/{partner.id}",
        flash=_("The move is refused. %(name)s stays where it was.", name=partner.name),
    )


def _nothing(request: web.Request, partner: Partner) -> web.Response:
    return see_other(
        request,
        f"{_BASE}/{partner.id}",
        flash=_("%(name)s has not announced a move.", name=partner.name),
        tone="info",
    )
