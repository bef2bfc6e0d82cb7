"""What is known of a partner's members, for entries that exclude some of them."""

from typing import Final

import wtforms
from aiohttp import web
from wtforms.validators import InputRequired, Length, Optional

from admin_ui.desk import desk_of, partner_in
from admin_ui.views.partner_page import render_part
from admin_ui.wording import explain
from node.errors import NodeError
from node.members.identifiers import Known
from node.members.organisations import NUMBER_CHARS
from node.partners.knowing import NAME_CHARS
from node.web.flash import see_other
from node.web.forms import Form, TermsField, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext

PART: Final = "mitglieder"


class MemberForm(Form):
    """An organisation that is known to be a member there."""

    name = wtforms.StringField(
        lazy_gettext("Name"), [InputRequired(), Length(max=NAME_CHARS)]
    )
    vat_id = wtforms.StringField(
        lazy_gettext("VAT id"), [Optional(), Length(max=NUMBER_CHARS)]
    )
    register_id = wtforms.StringField(
        lazy_gettext("Register number"),
        [Optional(), Length(max=NUMBER_CHARS)],
        description=lazy_gettext("With its court, for example HRB 4711 Köln."),
    )
    domains = TermsField(
        lazy_gettext("Domains"),
        [Optional()],
        description=lazy_gettext("With commas between them: optik.example"),
    )


async def show(request: web.Request) -> web.Response:
    """List what is known, and note a member."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    form = await read_form(request, MemberForm)
    problem = ""
    if request.method == "POST" and form.validate():
        known = Known(
            name=(form.name.data or "").strip(),
            vat_id=form.vat_id.data or None,
            register_id=form.register_id.data or None,
            domains=tuple(form.domains.data or ()),
        )
        try:
            await desk.node.partners.knowing.note(desk.person, partner.id, known)
        except NodeError as error:
            problem = explain(error)
        else:
            return see_other(
                request,
                request.path,
                flash=_(
                    "Noted. Entries that exclude it do not go to %(name)s any more.",
                    name=partner.name,
                ),
            )
    stated = partner.card.get("members")
    return render_part(
        request,
        partner,
        template="partner_members.html",
        values={
            "form": form,
            "problem": problem,
            "members": await desk.node.partners.knowing.members(partner.id),
            "stated": stated if isinstance(stated, int) else None,
        },
        status=422 if problem or form.errors else 200,
    )


async def forget(request: web.Request) -> web.Response:
    """Take a note of our office back."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    back = f"/admin/partner/{partner.id}/{PART}"
    member_id = request.match_info["member_id"]
    try:
        await desk.node.partners.knowing.forget(desk.person, partner.id, member_id)
    except NodeError as error:
        return see_other(request, back, flash=explain(error), tone="danger")
    return see_other(request, back, flash=_("The note is taken back."))
