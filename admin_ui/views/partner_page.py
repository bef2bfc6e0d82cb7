"""One partner cluster: overview, delivery, what went there, history."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from admin_ui.desk import Desk, desk_of, page_number, partner_in
from admin_ui.views.deliveries import STATES, filtered, paged
from admin_ui.views.partner_facts import card_facts
from admin_ui.views.partner_keys import question_of, rows_of
from admin_ui.views.partners import balance_of, counts_of, last_exchange
from admin_ui.wording import (
    direction,
    explain,
    partner_status,
    plain_failure,
    step_note,
    step_sentence,
)
from federation.limits import ENTRIES_HELD_MAX
from federation.trust import TrustState
from node.errors import NodeError
from node.office.retrying import deliver_now
from node.partners.model import Partner
from node.storage.quotas import count_remembered
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.rendering import render
from node.web.views import Action, StatusTone, Step, Tab

_STEP_TONES: Mapping[str, StatusTone] = {
    "we_confirmed": "ok",
    "they_confirmed": "ok",
    "we_resumed": "ok",
    "compared": "ok",
    "key_confirmed": "ok",
    "key_changed": "danger",
    "key_revoked": "danger",
    "they_requested": "warning",
    "we_requested": "warning",
    "we_paused": "warning",
    "we_refused": "danger",
    "they_refused": "danger",
    "we_ended": "danger",
    "they_left": "danger",
    "we_closed": "danger",
}
_MET = frozenset({TrustState.ACTIVE, TrustState.PAUSED, TrustState.ENDING})


async def overview(request: web.Request) -> web.Response:
    """Show who the partner is, where the partnership stands, what can be done."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    return _render(
        request,
        partner,
        template="partner.html",
        values={
            "facts": card_facts(partner.card, partner.base_url),
            "direction": direction(partner),
            "fingerprint": desk.node.partners.fingerprint(partner),
            "last_exchange": last_exchange(partner),
            "balance": balance_of(partner, await counts_of(desk, partner))
            if partner.active_since is not None
            else None,
            "failure": plain_failure(partner),
            "steps_possible": _possible(partner),
            "question": question_of(desk, partner),
            "effects": await desk.overview.effects(partner),
            "remembered": await _remembered(desk, partner),
            "remembered_max": ENTRIES_HELD_MAX,
            "may_compare": partner.compared_at is None
            and partner.state in _MET | {TrustState.WAITING},
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
    return _render(
        request,
        partner,
        template="partner_delivery.html",
        values={
            "balance": balance_of(partner, await counts_of(desk, partner)),
            "effects": await desk.overview.effects(partner),
            "failure": plain_failure(partner),
            "next_now": partner.next_attempt_at is not None
            and partner.next_attempt_at <= desk.now,
            "may_try": partner.state in _MET | {TrustState.REFUSED},
        },
    )


async def contents(request: web.Request) -> web.Response:
    """Show which entries went to the partner and when it confirmed them."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    state = request.query.get("stand", "")
    lines = await desk.node.ledger.lines(partner_id=partner.id)
    state = state if state in STATES else ""
    rows, place = paged(
        filtered(lines, state=state),
        page=page_number(request),
        path=request.path,
        query={"stand": state} if state else {},
    )
    return _render(
        request,
        partner,
        template="partner_contents.html",
        values={
            "rows": rows,
            "place": place,
            "state": state,
            "states": STATES,
            "total": len(lines),
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
    return _render(
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


def _possible(partner: Partner) -> Sequence[Action]:
    base = f"/admin/partner/{partner.id}"
    pause = Action(label=_("Pause partnership"), href=f"{base}/pausieren")
    resume = Action(
        label=_("Resume partnership"), href=f"{base}/fortsetzen", tone="primary"
    )
    end = Action(label=_("End partnership"), href=f"{base}/beenden", tone="danger")
    take_back = Action(
        label=_("Take request back"), href=f"{base}/beenden", tone="danger"
    )
    close = Action(
        label=_("Close without confirmation"),
        href=f"{base}/abschliessen",
        tone="danger",
    )
    match partner.state:
        case TrustState.ACTIVE:
            return (pause, end)
        case TrustState.PAUSED:
            return (resume, end)
        case TrustState.WAITING:
            return (take_back,)
        case TrustState.ENDING:
            return (close,)
        case _:
            return ()


def _render(
    request: web.Request,
    partner: Partner,
    *,
    template: str,
    values: Mapping[str, Any],
) -> web.Response:
    base = f"/admin/partner/{partner.id}"
    tabs = [Tab(_("Overview"), base, current=request.path == base)]
    if partner.active_since is not None:
        tabs += [
            Tab(label, f"{base}/{part}", current=request.path == f"{base}/{part}")
            for label, part in (
                (_("Delivery"), "zustellung"),
                (_("What went there"), "inhalte"),
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
    )
