"""Enter another office's code: look at the cluster, then accept."""

from aiohttp import web

from admin_ui.desk import desk_of
from admin_ui.forms import CodeForm
from admin_ui.views.partner_facts import card_facts
from admin_ui.views.releases import kind_names
from admin_ui.wording import explain
from node.errors import NodeError
from node.partners.joining import PartnerPreview
from node.partners.own_actor import card_values
from node.partners.releasing import ReleaseList
from node.visibility.policy import PolicySheet, Preset
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.rendering import render

PATH = "/admin/partner/code"


async def enter(request: web.Request) -> web.Response:
    """Take the code; a good one leads to the card of the cluster."""
    desk = desk_of(request)
    form = await read_form(request, CodeForm)
    problem = ""
    if request.method == "POST" and form.validate():
        code = form.code.data or ""
        try:
            preview = await desk.node.partners.preview(desk.person, code)
        except NodeError as error:
            problem = explain(error)
        else:
            found = await desk.node.partners.releasing.foresee(
                PolicySheet(Preset.PARTNER)
            )
            return _card(request, code, preview, found)
    return _form(request, form, problem)


async def accept(request: web.Request) -> web.Response:
    """Accept the code; with `verglichen` the check number counts as compared."""
    desk = desk_of(request)
    form = await read_form(request, CodeForm)
    if not form.validate():
        return _form(request, form, "")
    sent = await request.post()
    try:
        partner = await desk.node.partners.accept(
            desk.person,
            form.code.data or "",
            release=sent.get("freigabe") != "spaeter",
        )
        if sent.get("verglichen") == "ja":
            partner = await desk.node.partners.mark_compared(desk.person, partner.id)
    except NodeError as error:
        return _form(request, form, explain(error))
    return see_other(
        request,
        f"/admin/partner/{partner.id}",
        flash=_(
            "The request is with %(name)s. You are connected as soon as its office"
            " confirms.",
            name=partner.name,
        ),
    )


def _form(request: web.Request, form: CodeForm, problem: str) -> web.Response:
    failed = bool(problem or form.errors)
    return render(
        request,
        "admin_ui/code.html",
        {"form": form, "problem": problem},
        status=422 if failed else 200,
    )


def _card(
    request: web.Request, code: str, preview: PartnerPreview, found: ReleaseList
) -> web.Response:
    return render(
        request,
        "admin_ui/code_card.html",
        {
            "code": code,
            "preview": preview,
            "facts": card_facts(card_values(preview.card), preview.base_url),
            "found": found,
            "kinds": kind_names(found),
        },
    )
