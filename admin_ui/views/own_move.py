"""The own node has moved: who knows it, and the number to be read out."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of, partner_in
from admin_ui.wording import explain
from node.errors import NodeError
from node.moving import MoveStanding
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.rendering import render
from node.web.views import Status, StatusTone

PATH: Final = "/admin/umzug"
_STANDINGS: Final[Mapping[MoveStanding, tuple[str, StatusTone]]] = {
    MoveStanding.CONFIRMED: (lazy_gettext("confirmed"), "ok"),
    MoveStanding.ANNOUNCED: (lazy_gettext("announced, no answer yet"), "warning"),
    MoveStanding.WAITING: (lazy_gettext("being announced"), "neutral"),
    MoveStanding.UNREACHABLE: (lazy_gettext("not reachable"), "danger"),
    MoveStanding.REFUSED: (lazy_gettext("refused"), "danger"),
    MoveStanding.NOT_TOLD: (lazy_gettext("cannot be told now"), "neutral"),
}

_FORGOTTEN: Final[tuple[str, StatusTone]] = (
    lazy_gettext("knew it, and does not any more"),
    "danger",
)


async def show(request: web.Request) -> web.Response:
    """Show the number and how far each partner is."""
    desk = desk_of(request)
    status = await desk.node.own_move.status()
    rows = []
    for each in () if status is None else status.partners:
        words, tone = _FORGOTTEN if each.is_forgotten else _STANDINGS[each.standing]
        rows.append((each, Status(str(words), tone)))
    return render(
        request,
        "admin_ui/own_move.html",
        {
            "move": status,
            "rows": rows,
            "address": desk.node.context.address.base_url,
        },
    )


async def announce(request: web.Request) -> web.Response:
    """Announce the move anew to a partner that has refused it."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    try:
        await desk.node.own_move.announce_again(desk.person, partner.id)
    except NodeError as error:
        return see_other(request, PATH, flash=explain(error), tone="danger")
    return see_other(
        request,
        PATH,
        flash=_("The move is announced to %(name)s again.", name=partner.name),
    )
