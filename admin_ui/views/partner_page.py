"""One partner cluster: overview, delivery, what went there, history."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of, page_number, partner_in
from admin_ui.policy_wording import PRESETS
from admin_ui.views.deliveries import STATES, chosen_state, page_of
from admin_ui.views.partner_facts import card_facts
from admin_ui.views.partner_keys import question_of, rows_of
from admin_ui.views.partner_standing import strip_of, strip_sentence, waiting_parts
from admin_ui.views.partner_steps import PAGES, StepName
from admin_ui.views.partners import TRIED
from admin_ui.wording import (
    direction,
    explain,
    kind_label,
    partner_status,
    plain_failure,
    step_note,
    step_sentence,
)
from federation.limits import ENTRIES_HELD_MAX
from federation.trust import ESTABLISHED, TrustState
from node.errors import NodeError
from node.office import Effects
from node.office.partner_report import write_report
from node.office.retrying import deliver_now
from node.office.standing import read_standings
from node.partners.history import end_can_be_undone_until
from node.partners.model import Partner
from node.partners.releasing import ReleaseList
from node.storage.members import load_person
from node.storage.quotas import count_remembered
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.keys import SITE
from node.web.pages.entry_standing import lapse_words
from node.web.pages.serving import formats_of
from node.web.rendering import render
from node.web.views import Action, ButtonTone, StatusTone, Step, Tab

_STEP_TONES: Mapping[str, StatusTone] = {
    "we_confirmed": "ok",
    "they_confirmed": "ok",
    "we_resumed": "ok",
    "compared": "ok",
    "key_confirmed": "ok",
    "key_changed": "danger",
    "key_revoked": "danger",
    "move_announced": "warning",
    "move_confirmed": "ok",
    "move_refused": "danger",
    "our_move_confirmed": "ok",
    "our_move_refused": "danger",
    "they_requested": "warning",
    "we_requested": "warning",
    "we_paused": "warning",
    "we_refused": "danger",
    "they_refused": "danger",
    "we_ended": "danger",
    "they_left": "danger",
    "we_closed": "danger",
    "we_stayed": "ok",
    "we_hid": "warning",
    "we_showed": "ok",
    "we_purged": "danger",
    "we_fetched": "ok",
    "we_told_uncompared": "warning",
    "we_released": "ok",
}
REPORT_LINES_MAX: Final = 500
# So near is now, for whoever reads it.
_AT_ONCE: Final = timedelta(minutes=1)
_MET = frozenset({TrustState.ACTIVE, TrustState.PAUSED, TrustState.ENDING})


async def overview(request: web.Request) -> web.Response:
    """Show who the partner is, where the partnership stands, what can be done."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    effects = await desk.overview.effects(partner)
    events = await desk.node.partners.events(partner)
    undo_until = end_can_be_undone_until(partner, events, now=desk.now)
    released = ReleaseList({}, ())
    if partner.state is TrustState.REQUESTED:
        released = await desk.node.partners.releasing.waiting(partner)
    return render_part(
        request,
        partner,
        template="partner.html",
        values={
            "facts": card_facts(partner.card, partner.base_url),
            "direction": direction(partner),
            "levels": {
                "gives": str(PRESETS[partner.policy_out.preset]),
                "takes": str(PRESETS[partner.policy_in.preset]),
            },
            "fingerprint": desk.node.partners.fingerprint(partner),
            **await _standing(desk, partner),
            "established": partner.state in ESTABLISHED,
            "steps_possible": _possible(partner, effects, undo=undo_until is not None),
            "undo_until": undo_until,
            "hidden_by": await _hidden_by(desk, partner),
            "question": question_of(desk, partner),
            "effects": effects,
            "release_found": released,
            "release_kinds": {kind: kind_label(kind) for kind in released.by_kind},
            "known_members": len(await desk.node.partners.knowing.members(partner.id)),
            "remembered": await _remembered(desk, partner),
            "remembered_max": ENTRIES_HELD_MAX,
            "may_compare": partner.compared_at is None
            and partner.state in _MET | {TrustState.WAITING},
        },
    )


async def _hidden_by(desk: Desk, partner: Partner) -> str:
    """Name who of the office hid the partner's entries; empty if nobody is named."""
    if partner.hidden_by is None:
        return ""
    async with desk.node.context.database.read() as tx:
        person = await load_person(tx, partner.hidden_by)
    return "" if person is None else person.name


async def report(request: web.Request) -> web.Response:
    """Account for the partnership, to be printed and kept."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    found = await write_report(desk.node.context, desk.node.ledger, partner)
    formats = formats_of(request)
    open_lines = sorted(found.open, key=lambda line: line.recorded_at)
    return render_part(
        request,
        partner,
        template="partner_report.html",
        values={
            "report": found,
            "cluster": request.config_dict[SITE].cluster_name,
            "copies": [
                (line.entry_uri, line.told_at, lapse_words(line.lapse, formats))
                for line in open_lines[:REPORT_LINES_MAX]
            ],
            "more": max(0, len(open_lines) - REPORT_LINES_MAX),
        },
    )


async def _remembered(desk: Desk, partner: Partner) -> int:
    """Count how much of its share of our storage the partner uses."""
    async with desk.node.context.database.read() as tx:
        return await count_remembered(tx, partner.id)


async def delivery(request: web.Request) -> web.Response:
    """Show what waits for the partner, what failed and when the next try is."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    return render_part(
        request,
        partner,
        template="partner_delivery.html",
        values={
            **await _standing(desk, partner),
        },
    )


async def _standing(desk: Desk, partner: Partner) -> dict[str, Any]:
    """Return what both pages say about how far both sides agree."""
    (standing,) = await read_standings(desk.node.context, [partner])
    return {
        "standing": standing,
        "strip": strip_of(standing),
        "strip_words": strip_sentence(standing),
        "waits": ", ".join(waiting_parts(standing)),
        "failure": plain_failure(partner),
        "next_now": partner.next_attempt_at is not None
        and partner.next_attempt_at <= desk.now + _AT_ONCE,
        "may_try": partner.state in TRIED,
    }


async def contents(request: web.Request) -> web.Response:
    """Show which entries went to the partner and when it confirmed them."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    state = chosen_state(request)
    async with desk.node.context.database.read() as tx:
        counts = await desk.node.ledger.counts(tx, partner.id)
    rows, place = await page_of(
        desk,
        counts,
        page=page_number(request),
        path=request.path,
        partner_id=partner.id,
        state=state,
    )
    return render_part(
        request,
        partner,
        template="partner_contents.html",
        values={
            "rows": rows,
            "place": place,
            "state": "" if state is None else state.value,
            "states": {each.value: label for each, label in STATES.items()},
            "total": counts.lines,
        },
    )


async def history(request: web.Request) -> web.Response:
    """Show every step of the partnership, the latest first."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    events = await desk.node.partners.events(partner)
    steps = [
        Step(
            title=step_sentence(event, partner),
            at=event.at,
            text=step_note(event),
            status=_STEP_TONES.get(event.event, "neutral"),
        )
        for event in reversed(events)
    ]
    return render_part(
        request,
        partner,
        template="partner_history.html",
        values={"steps": steps, "keys": await rows_of(desk, partner)},
    )


async def try_now(request: web.Request) -> web.Response:
    """Deliver what waits now, without waiting for the next planned attempt."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    back = f"/admin/partner/{partner.id}/zustellung"
    try:
        await deliver_now(
            desk.node.context,
            desk.node.wakeup,
            actor=desk.person,
            partner_id=partner.id,
        )
    except NodeError as error:
        return see_other(request, back, flash=explain(error), tone="danger")
    return see_other(
        request,
        back,
        flash=_("%(name)s is being contacted. Load the page again.", name=partner.name),
        tone="info",
    )


_ACTIONS: Mapping[TrustState, Sequence[StepName]] = {
    TrustState.ACTIVE: ("neu-holen", "pausieren", "verbergen", "zeigen", "beenden"),
    TrustState.PAUSED: (
        "fortsetzen",
        "verbergen",
        "zeigen",
        "kopien-entfernen",
        "beenden",
    ),
    TrustState.ENDING: ("ende-zuruecknehmen", "abschliessen"),
}


def _possible(partner: Partner, effects: Effects, *, undo: bool) -> Sequence[Action]:
    """List the steps that the office can take now."""
    base = f"/admin/partner/{partner.id}"
    if partner.state is TrustState.WAITING:
        take_back = _("Take request back")
        return (Action(label=take_back, href=f"{base}/beenden", tone="danger"),)
    actions = []
    for name in _ACTIONS.get(partner.state, ()):
        page = PAGES[name]
        if not page.fits(partner, effects):
            continue
        if name == "ende-zuruecknehmen" and not undo:
            continue
        tone: ButtonTone = "danger" if page.danger else "secondary"
        if name == "fortsetzen":
            tone = "primary"
        actions.append(Action(label=str(page.button), href=f"{base}/{name}", tone=tone))
    return actions


def render_part(
    request: web.Request,
    partner: Partner,
    *,
    template: str,
    values: Mapping[str, Any],
    status: int = 200,
) -> web.Response:
    """Draw one of the pages about a partner, with the tabs of the others."""
    base = f"/admin/partner/{partner.id}"
    rules = f"{base}/regeln"
    tabs = [
        Tab(_("Overview"), base, current=request.path == base),
        Tab(_("Rules"), rules, current=request.path.startswith(rules)),
    ]
    if partner.active_since is not None:
        tabs += [
            Tab(label, f"{base}/{part}", current=request.path == f"{base}/{part}")
            for label, part in (
                (_("Delivery"), "zustellung"),
                (_("What went there"), "inhalte"),
                (_("Members"), "mitglieder"),
                (_("Report"), "bericht"),
            )
        ]
    tabs.append(
        Tab(_("History"), f"{base}/verlauf", current=request.path == f"{base}/verlauf")
    )
    return render(
        request,
        f"admin_ui/{template}",
        {
            "partner": partner,
            "status": partner_status(partner),
            "tabs_shown": tabs,
            "base": base,
            **values,
        },
        status=status,
    )
