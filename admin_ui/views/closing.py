"""Close the cluster down: what it concerns, the archive, the order, how far it is."""

from typing import Final

from aiohttp import web

from admin_ui.forms import CloseDownForm
from admin_ui.views.keys import admin_desk_of
from admin_ui.wording import explain
from node.archive.making import make_archive
from node.closing import Progress
from node.errors import NodeError
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.rendering import render

PATH: Final = "/admin/system/schliessen"


async def show(request: web.Request) -> web.Response:
    """Show what closing down would do, or how far it is; begin when it is typed."""
    desk = admin_desk_of(request)
    form = await read_form(request, CloseDownForm)
    form.cluster = desk.node.config.name
    if request.method == "POST" and form.validate():
        try:
            await desk.node.closing.begin(desk.person, typed=form.typed.data or "")
        except NodeError as error:
            return see_other(request, PATH, flash=explain(error), tone="danger")
        return see_other(
            request, PATH, flash=_("The cluster is closing down."), tone="warning"
        )
    progress = await desk.node.closing.progress()
    return render(
        request,
        "admin_ui/closing.html",
        {
            "form": form,
            "cluster": form.cluster,
            "progress": progress,
            "consequences": _consequences(progress),
        },
        status=422 if form.errors else 200,
    )


async def download(request: web.Request) -> web.Response:
    """Give the archive of the public entries."""
    desk = admin_desk_of(request)
    sent = await request.post()
    context = desk.node.context
    async with context.database.read() as tx:
        made = await make_archive(
            tx, context, with_contacts=sent.get("kontakte") == "ja"
        )
    day = desk.now.date().isoformat()
    return web.Response(
        body=made.data,
        content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="archiv-{day}.zip"'},
    )


def _consequences(progress: Progress) -> list[str]:
    return [
        ngettext(
            "%(num)s entry of your members is deleted, here and at every partner"
            " cluster. Nothing brings it back.",
            "%(num)s entries of your members are deleted, here and at every partner"
            " cluster. Nothing brings them back.",
            progress.entries,
        ),
        ngettext(
            "%(num)s partnership ends, once the partner cluster has confirmed the"
            " deletions.",
            "%(num)s partnerships end, once the partner clusters have confirmed the"
            " deletions.",
            len(progress.partners),
        ),
        ngettext(
            "%(num)s member can publish nothing any more, but can still sign in and"
            " read its conversations.",
            "%(num)s members can publish nothing any more, but can still sign in and"
            " read their conversations.",
            progress.members,
        ),
        _(
            "A partner cluster that does not answer is waited for until its copies"
            " have lapsed. Copies of public entries do not lapse."
        ),
        _("Keep the server running until this page says that it is complete."),
    ]
