"""“Groups of members”: make them, say who belongs to them, dissolve them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import wtforms
from aiohttp import web
from wtforms.validators import InputRequired, Length

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import explain
from node.errors import NodeError
from node.members.groups import Group
from node.office.audiences import GROUP_NAME_CHARS
from node.web.flash import see_other
from node.web.forms import ChecklistField, Form, choices, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.rendering import render

PATH: Final = "/admin/gruppen"


class GroupForm(Form):
    """A group: its name and who belongs to it."""

    name = wtforms.StringField(
        lazy_gettext("Name of the group"),
        [InputRequired(), Length(max=GROUP_NAME_CHARS)],
        description=lazy_gettext("For example: working group measuring technology."),
    )
    organisations = ChecklistField(lazy_gettext("Organisations"))


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group as the list shows it."""

    group: Group
    members: list[str]


async def show(request: web.Request) -> web.Response:
    """List the groups."""
    desk = desk_of(request)
    names = await _names(desk)
    rows = [
        GroupRow(group, sorted(names[each] for each in group.organisation_ids))
        for group in await desk.node.audiences.groups()
    ]
    return render(request, "admin_ui/groups.html", {"rows": rows})


async def new(request: web.Request) -> web.Response:
    """Make a group."""
    desk = desk_of(request)
    form = await _filled(request, desk, name="", organisations=())
    if request.method != "POST" or not form.validate():
        return _form(request, form, None)
    try:
        group = await desk.node.audiences.make_group(
            desk.person, form.name.data or "", form.organisations.data or ()
        )
    except NodeError as error:
        return _form(request, form, None, problem=explain(error))
    return see_other(
        request, PATH, flash=_("The group %(name)s is there.", name=group.name)
    )


async def change(request: web.Request) -> web.Response:
    """Rename a group, or say anew who belongs to it."""
    desk = desk_of(request)
    group = await desk.node.audiences.group(request.match_info["group_id"])
    form = await _filled(
        request, desk, name=group.name, organisations=sorted(group.organisation_ids)
    )
    if request.method != "POST" or not form.validate():
        return _form(request, form, group)
    try:
        await desk.node.audiences.change_group(
            desk.person,
            group.id,
            name=form.name.data or "",
            organisation_ids=form.organisations.data or (),
        )
    except NodeError as error:
        return _form(request, form, group, problem=explain(error))
    return see_other(request, PATH, flash=_("The group is changed."))


async def remove(request: web.Request) -> web.Response:
    """Show what is for a group, and dissolve it when the button is pressed."""
    desk = desk_of(request)
    group = await desk.node.audiences.group(request.match_info["group_id"])
    if request.method == "POST":
        await desk.node.audiences.remove_group(desk.person, group.id)
        return see_other(
            request, PATH, flash=_("The group %(name)s is dissolved.", name=group.name)
        )
    entries = await desk.node.audiences.entries_of_group(group.id)
    consequences = [
        ngettext(
            "%(num)s entry is for this group. From then on only its owner's"
            " organisation and the office see it.",
            "%(num)s entries are for this group. From then on only their owners'"
            " organisations and the office see them.",
            len(entries),
        )
    ]
    return render(
        request,
        "admin_ui/group_remove.html",
        {"group": group, "entries": entries, "consequences": consequences},
    )


async def _names(desk: Desk) -> dict[str, str]:
    return {each.id: each.name for each in await desk.node.members.list_organisations()}


async def _filled(
    request: web.Request, desk: Desk, *, name: str, organisations: Sequence[str]
) -> GroupForm:
    names = await _names(desk)
    form = await read_form(
        request, GroupForm, name=name, organisations=list(organisations)
    )
    form.organisations.choices = choices(names.items())
    return form


def _form(
    request: web.Request, form: GroupForm, group: Group | None, *, problem: str = ""
) -> web.Response:
    return render(
        request,
        "admin_ui/group_form.html",
        {"form": form, "group": group, "problem": problem},
        status=422 if problem or form.errors else 200,
    )
