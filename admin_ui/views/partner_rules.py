"""What we give to a partner and what we take: look, try out, set."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of, partner_in
from admin_ui.policy_forms import PolicyForm, values_of
from admin_ui.policy_wording import (
    PRESETS,
    exceptions,
    level_choices,
    sheet_sentences,
    version_sentence,
)
from admin_ui.views.partner_page import render_part
from admin_ui.wording import explain
from federation.trust import TrustState
from node.errors import NodeError
from node.partners.model import Partner
from node.partners.policies import current_sheet
from node.partners.policy_effect import PolicyEffect, foresee
from node.visibility.policy import Direction, PolicySheet, effective
from node.web.flash import see_other
from node.web.formats import Formats
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.pages.serving import formats_of
from node.web.pages.wording import in_words
from node.web.views import Step

DIRECTIONS: Final = {"geben": Direction.OUT, "nehmen": Direction.IN}
_PARTS: Final = {direction: part for part, direction in DIRECTIONS.items()}
_HEADINGS: Final[Mapping[Direction, str]] = {
    Direction.OUT: lazy_gettext("What we give %(name)s"),
    Direction.IN: lazy_gettext("What %(name)s gives us"),
}
_OVER: Final = frozenset({TrustState.REFUSED, TrustState.ENDING, TrustState.ENDED})


@dataclass(frozen=True, slots=True)
class Side:
    """One direction as the page shows it.

    Attributes:
        level: Name of the preset.
        capped: Why it counts as less, if it does.
    """

    heading: str
    href: str
    level: str
    sentences: list[str]
    exceptions: list[str]
    capped: str


async def show(request: web.Request) -> web.Response:
    """Show both sheets, side by side, and how they came about."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    formats = formats_of(request)
    history = await desk.node.partners.policies.history(partner.id)
    return render_part(
        request,
        partner,
        template="partner_rules.html",
        values={
            "sides": [
                _side(desk, partner, direction, formats) for direction in Direction
            ],
            "may_change": partner.state not in _OVER,
            "steps": [
                Step(
                    title=version_sentence(each, partner),
                    at=each.at,
                    text=" ".join(
                        [
                            *exceptions(each.direction, each.sheet, formats),
                            *([each.reason] if each.reason else []),
                        ]
                    ),
                )
                for each in history
            ],
        },
    )


async def change(request: web.Request) -> web.Response:
    """Fill in a sheet, look at what it would change, and let it count."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    direction = DIRECTIONS[request.match_info["direction"]]
    before = current_sheet(partner, direction)
    if partner.state in _OVER:
        return see_other(
            request,
            f"/admin/partner/{partner.id}/regeln",
            flash=_("This is not possible any more: the partnership has changed."),
            tone="warning",
        )
    form = (await read_form(request, PolicyForm, **values_of(before))).of(direction)
    if request.method != "POST" or not form.validate():
        return _form(request, partner, direction, form)
    sheet = form.sheet(before)
    sent = await request.post()
    if sent.get("schritt") == "aendern":
        return _form(request, partner, direction, form)
    if sent.get("schritt") == "speichern":
        return await _save(request, desk, partner, direction, sheet, form)
    effect = await foresee(desk.node.context, partner, direction, sheet)
    return _preview(
        request, partner, direction, sheet, effect, fields=_sent(sent, form)
    )


async def _save(
    request: web.Request,
    desk: Desk,
    partner: Partner,
    direction: Direction,
    sheet: PolicySheet,
    form: PolicyForm,
) -> web.Response:
    try:
        await desk.node.partners.policies.set(
            desk.person, partner.id, direction, sheet, reason=form.reason.data or ""
        )
    except NodeError as error:
        return _form(request, partner, direction, form, problem=explain(error))
    return see_other(
        request,
        f"/admin/partner/{partner.id}/regeln",
        flash=_("The rules for %(name)s count from now on.", name=partner.name),
    )


def _side(desk: Desk, partner: Partner, direction: Direction, formats: Formats) -> Side:
    sheet = current_sheet(partner, direction)
    is_compared = partner.compared_at is not None
    counts = effective(sheet, compared=is_compared, today=desk.now.date())
    capped = ""
    if counts.preset is not sheet.preset:
        capped = (
            _("It ended on its last day.")
            if is_compared
            else _("Until you have compared the check number:")
        )
    return Side(
        heading=str(_HEADINGS[direction]) % {"name": partner.name},
        href=f"/admin/partner/{partner.id}/regeln/{_PARTS[direction]}",
        level=str(PRESETS[sheet.preset]),
        sentences=sheet_sentences(direction, counts),
        exceptions=exceptions(direction, sheet, formats),
        capped=capped,
    )


def _form(
    request: web.Request,
    partner: Partner,
    direction: Direction,
    form: PolicyForm,
    *,
    problem: str = "",
) -> web.Response:
    details = ("profiles", "chiffre", "closed_kinds", "closed_topics", "lease_days")
    further = (*details, "retention_days", "valid_until")
    return render_part(
        request,
        partner,
        template="partner_rules_form.html",
        values={
            "form": form,
            "problem": problem,
            "heading": str(_HEADINGS[direction]) % {"name": partner.name},
            "levels": level_choices(direction),
            "details": [form[name] for name in further if name in form],
            "details_open": any(form[name].data for name in further if name in form)
            or any(name in form.errors for name in further),
        },
        status=422 if problem or form.errors else 200,
    )


def _preview(
    request: web.Request,
    partner: Partner,
    direction: Direction,
    sheet: PolicySheet,
    effect: PolicyEffect,
    *,
    fields: list[tuple[str, str]],
) -> web.Response:
    formats = formats_of(request)
    return render_part(
        request,
        partner,
        template="partner_rules_preview.html",
        values={
            "heading": str(_HEADINGS[direction]) % {"name": partner.name},
            "level": str(PRESETS[sheet.preset]),
            "sentences": sheet_sentences(direction, sheet),
            "exceptions": exceptions(direction, sheet, formats),
            "consequences": _consequences(partner, direction, effect),
            "effect": effect,
            "reasons": {line.uri: in_words(line.reason) for line in effect.lines},
            "gives": direction is Direction.OUT,
            "fields": fields,
        },
    )


def _consequences(
    partner: Partner, direction: Direction, effect: PolicyEffect
) -> list[str]:
    said = [
        ngettext("Affects %(num)s entry.", "Affects %(num)s entries.", effect.affected)
    ]
    if effect.hidden:
        said.append(
            ngettext(
                "%(num)s becomes invisible there: it is taken back.",
                "%(num)s become invisible there: they are taken back.",
                effect.hidden,
            )
            if direction is Direction.OUT
            else ngettext(
                "%(num)s becomes invisible to your members; its copy is removed.",
                "%(num)s become invisible to your members; their copies are removed.",
                effect.hidden,
            )
        )
    if effect.shown:
        said.append(
            ngettext(
                "%(num)s becomes visible there.",
                "%(num)s become visible there.",
                effect.shown,
            )
        )
    if effect.waiting:
        said.append(
            ngettext(
                "%(num)s that is kept out now is looked at anew when it comes.",
                "%(num)s that are kept out now are looked at anew when they come.",
                effect.waiting,
            )
        )
    if not (effect.hidden or effect.shown or effect.waiting):
        said.append(_("Nothing becomes visible or invisible now."))
    if effect.capped:
        said.append(
            _(
                "You have not compared the check number with %(name)s yet. Until then"
                " this counts as “Getting to know” at most.",
                name=partner.name,
            )
        )
    return said


def _sent(sent: Mapping[str, Any], form: PolicyForm) -> list[tuple[str, str]]:
    """Return what was filled in, to be sent once more."""
    return [
        (name, value)
        for name, value in sent.items()
        if name in form and isinstance(value, str)
    ]
