"""Invite another cluster: make a code and hand it over."""

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.forms import InvitationForm
from admin_ui.policy_wording import level_choices
from admin_ui.wording import explain
from federation.handshake import format_code, link
from node.errors import NodeError, NotFoundError
from node.partners.model import Invitation
from node.visibility.policy import Direction, Preset
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.keys import SITE
from node.web.rendering import render


async def new(request: web.Request) -> web.Response:
    """Ask how long the code is to hold and for whom it is."""
    desk = desk_of(request)
    form = await read_form(request, InvitationForm)
    problem = ""
    if request.method == "POST" and form.validate():
        try:
            created = await desk.node.partners.invite(
                desk.person,
                days=form.days.data or 0,
                note=form.note.data or None,
                preset=Preset(form.preset.data),
            )
        except NodeError as error:
            problem = explain(error)
        else:
            path = f"/admin/partner/einladungen/{created.invitation.id}"
            return see_other(request, path, flash=_("The code is ready."))
    failed = bool(problem or form.errors)
    return render(
        request,
        "admin_ui/invite.html",
        {"form": form, "problem": problem, "levels": level_choices(Direction.OUT)},
        status=422 if failed else 200,
    )


async def show(request: web.Request) -> web.Response:
    """Show an open invitation with its code, as often as the office needs it."""
    desk = desk_of(request)
    invitation = await _open_invitation(desk, request.match_info["invitation_id"])
    context = desk.node.context
    code = format_code(context.address.base_url, invitation.secret)
    fingerprint = context.signer.key.public_key.fingerprint
    address = link(context.address.base_url, code, fingerprint)
    return render(
        request,
        "admin_ui/invitation.html",
        {
            "invitation": invitation,
            "code": code,
            "address": address,
            "fingerprint": fingerprint,
            "mail_subject": _(
                "Connect our clusters: code of %(name)s",
                name=request.config_dict[SITE].cluster_name,
            ),
        },
    )


async def _open_invitation(desk: Desk, invitation_id: str) -> Invitation:
    for each in await desk.node.partners.list_invitations():
        usable = (
            each.used_at is None
            and each.revoked_at is None
            and each.expires_at > desk.now
        )
        if each.id == invitation_id and usable:
            return each
    raise NotFoundError(
        "This invitation is no longer open.",
        hint="It was used, taken back, or has expired. Make a new code.",
    )
