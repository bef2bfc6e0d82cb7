"""Box numbers: what waits behind them, and a look behind one with a reason."""

from aiohttp import web

from admin_ui.desk import desk_of
from admin_ui.wording import entry_status, explain
from node.chiffre.looking import REASON_MAX, box_numbers, look_behind
from node.errors import NodeError, NotFoundError
from node.web.pages.wording import kind_label
from node.web.rendering import render

PATH = "/admin/chiffre"


async def show(request: web.Request) -> web.Response:
    """List the entries under a box number, without anybody's name."""
    desk = desk_of(request)
    found = await box_numbers(desk.node.context)
    return render(
        request,
        "admin_ui/chiffre.html",
        {
            "rows": found,
            "kinds": {each.kind: kind_label(each.kind) for each in found},
            "states": {each.entry_id: entry_status(each.state) for each in found},
        },
    )


async def look(request: web.Request) -> web.Response:
    """Ask for a reason; with one, say whose it is, which the log notes."""
    desk = desk_of(request)
    entry_id = request.match_info["entry_id"]
    found = {each.entry_id: each for each in await box_numbers(desk.node.context)}
    if entry_id not in found:
        raise NotFoundError("There is no such box number.")
    behind, problem, reason = None, "", ""
    if request.method == "POST":
        reason = str((await request.post()).get("grund", ""))
        try:
            behind = await look_behind(
                desk.node.context, desk.person, entry_id, reason=reason
            )
        except NodeError as error:
            problem = explain(error)
    return render(
        request,
        "admin_ui/chiffre_behind.html",
        {
            "subject": found[entry_id],
            "behind": behind,
            "problem": problem,
            "reason": reason,
            "reason_max": REASON_MAX,
        },
        status=422 if problem else 200,
    )


def register(router: web.UrlDispatcher) -> None:
    """Add the addresses."""
    router.add_get(PATH, show)
    router.add_get(f"{PATH}/{{entry_id}}", look)
    router.add_post(f"{PATH}/{{entry_id}}", look)
