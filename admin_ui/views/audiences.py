"""“Visibility”: whom each kind of entry is for by default, and at most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import wtforms
from aiohttp import web
from wtforms.validators import InputRequired

from admin_ui.desk import desk_of
from admin_ui.wording import explain, kind_label
from node.catalogue.model import AudienceLevel
from node.errors import NodeError, NotFoundError
from node.office.audiences import Effect
from node.storage.ceilings import KindAudience
from node.web.flash import see_other
from node.web.forms import Form, choices, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.rendering import render

PATH: Final = "/admin/sichtbarkeit"
LEVELS: Final[Mapping[AudienceLevel, str]] = {
    AudienceLevel.CLUSTER: lazy_gettext("Own cluster"),
    AudienceLevel.PARTNERS: lazy_gettext("Chosen partner clusters"),
    AudienceLevel.TRUSTED: lazy_gettext("All partner clusters"),
    AudienceLevel.PUBLIC: lazy_gettext("Public"),
}


class KindForm(Form):
    """Default and maximum of one kind."""

    default = wtforms.RadioField(
        lazy_gettext("Proposed to whoever publishes"),
        [InputRequired()],
        choices=choices((level.value, label) for level, label in LEVELS.items()),
    )
    ceiling = wtforms.RadioField(
        lazy_gettext("Permitted at most"),
        [InputRequired()],
        choices=choices((level.value, label) for level, label in LEVELS.items()),
        description=lazy_gettext("It holds for entries that exist, too."),
    )


@dataclass(frozen=True, slots=True)
class KindRow:
    """One kind as the table shows it."""

    kind: str
    label: str
    default: str
    ceiling: str
    sentence: str


async def show(request: web.Request) -> web.Response:
    """Show what counts for every kind."""
    desk = desk_of(request)
    rows = [_row(each) for each in await desk.node.audiences.kinds()]
    limited = [
        (each.name, str(LEVELS[AudienceLevel(each.ceiling)]))
        for each in await desk.node.members.list_organisations()
        if each.ceiling is not None
    ]
    return render(
        request, "admin_ui/audiences.html", {"rows": rows, "limited": limited}
    )


async def change(request: web.Request) -> web.Response:
    """Fill in what counts for a kind, look at what it would change, and save it."""
    desk = desk_of(request)
    kind = request.match_info["kind"]
    found = {each.kind: each for each in await desk.node.audiences.kinds()}
    if kind not in found:
        raise NotFoundError("There is no such kind of entry.")
    now = found[kind]
    form = await read_form(
        request, KindForm, default=now.default.value, ceiling=now.ceiling.value
    )
    if request.method != "POST" or not form.validate():
        return _form(request, kind, form)
    setting = KindAudience(
        kind, AudienceLevel(form.default.data), AudienceLevel(form.ceiling.data)
    )
    sent = await request.post()
    if sent.get("schritt") == "aendern":
        return _form(request, kind, form)
    try:
        if sent.get("schritt") != "speichern":
            effect = await desk.node.audiences.foresee_kind(setting)
            return _preview(request, setting, effect)
        told = await desk.node.audiences.set_kind(desk.person, setting)
    except NodeError as error:
        return _form(request, kind, form, problem=explain(error))
    return see_other(
        request,
        PATH,
        flash=_("%(kind)s: saved.", kind=kind_label(kind))
        + (
            " "
            + ngettext(
                "%(num)s entry is told anew.", "%(num)s entries are told anew.", told
            )
            if told
            else ""
        ),
    )


def effect_sentences(effect: Effect) -> list[str]:
    """Say whom a setting hides entries from, and to whom it shows them."""
    if not effect.count:
        return [_("Nothing becomes visible or invisible now.")]
    said = [
        ngettext("Affects %(num)s entry.", "Affects %(num)s entries.", effect.count)
    ]
    for each in effect.viewers:
        name = each.name or _("everybody without signing in")
        if each.hidden:
            said.append(
                ngettext(
                    "%(num)s becomes invisible to %(name)s.",
                    "%(num)s become invisible to %(name)s.",
                    each.hidden,
                    name=name,
                )
            )
        if each.shown:
            said.append(
                ngettext(
                    "%(num)s becomes visible to %(name)s.",
                    "%(num)s become visible to %(name)s.",
                    each.shown,
                    name=name,
                )
            )
    return said


def _row(setting: KindAudience) -> KindRow:
    default, ceiling = str(LEVELS[setting.default]), str(LEVELS[setting.ceiling])
    sentence = (
        _("“%(default)s” is proposed; everything is permitted.", default=default)
        if setting.ceiling is AudienceLevel.PUBLIC
        else _(
            "“%(default)s” is proposed; at most “%(ceiling)s”.",
            default=default,
            ceiling=ceiling,
        )
    )
    return KindRow(setting.kind, kind_label(setting.kind), default, ceiling, sentence)


def _form(
    request: web.Request, kind: str, form: KindForm, *, problem: str = ""
) -> web.Response:
    return render(
        request,
        "admin_ui/audience_form.html",
        {"form": form, "kind": kind_label(kind), "problem": problem},
        status=422 if problem or form.errors else 200,
    )


def _preview(
    request: web.Request, setting: KindAudience, effect: Effect
) -> web.Response:
    fields: Sequence[tuple[str, Any]] = (
        ("default", setting.default.value),
        ("ceiling", setting.ceiling.value),
    )
    return render(
        request,
        "admin_ui/audience_preview.html",
        {
            "kind": kind_label(setting.kind),
            "sentence": _row(setting).sentence,
            "consequences": effect_sentences(effect),
            "effect": effect,
            "fields": fields,
        },
    )
