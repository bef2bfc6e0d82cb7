"""What is for all partner clusters: the list, and its release to one of them."""

from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of, partner_in
from admin_ui.views.partner_page import render_part
from admin_ui.wording import explain, kind_label
from node.errors import NodeError
from node.partners.releasing import ReleaseList
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.i18n import ngettext

PART: Final = "freigabe"


async def show(request: web.Request) -> web.Response:
    """Show what a partner would get, and release it when the button is pressed."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    back = f"/admin/partner/{partner.id}"
    if request.method == "POST":
        try:
            await desk.node.partners.releasing.release(desk.person, partner.id)
        except NodeError as error:
            return see_other(request, back, flash=explain(error), tone="danger")
        return see_other(
            request,
            back,
            flash=_(
                "%(name)s sees from now on what is for all partner clusters.",
                name=partner.name,
            ),
        )
    found = await desk.node.partners.releasing.waiting(partner)
    return render_part(
        request,
        partner,
        template="partner_release.html",
        values={
            "found": found,
            "kinds": kind_names(found),
            "sentence": ngettext(
                "%(name)s would see %(num)s entry that your members publish for all"
                " partner clusters.",
                "%(name)s would see %(num)s entries that your members publish for all"
                " partner clusters.",
                found.count,
                name=partner.name,
            ),
        },
    )


def kind_names(found: ReleaseList) -> dict[str, str]:
    """Name the kinds of a list in the reader's language."""
    return {kind: kind_label(kind) for kind in found.by_kind}
