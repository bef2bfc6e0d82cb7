"""`partner rules`, `partner set-rules`, `partner compared`: policy sheets."""

from datetime import date
from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person
from node.control.commands.choices import chosen, not_one_of
from node.control.commands.described import day, timestamp
from node.control.commands.partners import described_partner, require_office_person
from node.control.request import ControlRequest
from node.errors import InvalidInputError
from node.partners.model import Partner
from node.partners.policies import current_sheet
from node.partners.policy_effect import PolicyEffect, foresee
from node.visibility.policy import (
    Direction,
    PolicySheet,
    Preset,
    Profiles,
    effective,
)
from schemas import KINDS

if TYPE_CHECKING:
    from node.app import Node

_DIRECTIONS = {"give": Direction.OUT, "take": Direction.IN}
_NAMES = {direction: name for name, direction in _DIRECTIONS.items()}


async def rules(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show what we give to a partner and take from it, and how that came about."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    return await _described(node, partner)


async def foresee_rules(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what other rules would change; changes nothing."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    direction, sheet = _asked(request)
    effect = await foresee(node.context, partner, direction, sheet)
    return {
        "partner": partner.id,
        "base_url": partner.base_url,
        "name": partner.name,
        "direction": _NAMES[direction],
        "sheet": _sheet(sheet),
        "effect": _effect(effect),
    }


async def set_rules(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Let other rules count from now on."""
    actor = await acting_person(node, request)
    direction, sheet = _asked(request)
    change = await node.partners.policies.set(
        actor,
        request.text("partner"),
        direction,
        sheet,
        reason=request.optional_text("reason") or "",
    )
    return {
        **await _described(node, change.partner),
        "changed": {
            "direction": _NAMES[direction],
            "told": change.told,
            "removed": change.removed,
            "fetching": change.is_fetching,
        },
    }


async def compared(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Note that both offices have compared the check number."""
    actor = await acting_person(node, request)
    partner = await node.partners.mark_compared(actor, request.text("partner"))
    return await described_partner(node, partner)


async def _described(node: "Node", partner: Partner) -> dict[str, Any]:
    history = await node.partners.policies.history(partner.id)
    today = node.context.clock.now().date()
    is_compared = partner.compared_at is not None
    shown: dict[str, Any] = {
        "partner": partner.id,
        "base_url": partner.base_url,
        "name": partner.name,
        "state": partner.state.value,
        "compared": is_compared,
    }
    for name, direction in _DIRECTIONS.items():
        sheet = current_sheet(partner, direction)
        counts = effective(sheet, compared=is_compared, today=today)
        shown[name] = {**_sheet(sheet), "counts_as": counts.preset.value}
    shown["history"] = [
        {
            "direction": _NAMES[each.direction],
            "version": each.version,
            "at": timestamp(each.at),
            "by": each.author_name,
            "reason": each.reason,
            "sheet": _sheet(each.sheet),
        }
        for each in history
    ]
    return shown


def _sheet(sheet: PolicySheet) -> dict[str, Any]:
    return {
        "preset": sheet.preset.value,
        "without_kinds": sorted(sheet.closed_kinds),
        "without_topics": sorted(sheet.closed_topics),
        "profiles": sheet.profiles_passing.value,
        "chiffre": sheet.chiffre_passes,
        "approval": sheet.approval,
        "lease_days": sheet.lease_days,
        "retention_days": sheet.retention_days,
        "valid_until": day(sheet.valid_until),
    }


def _effect(effect: PolicyEffect) -> dict[str, Any]:
    return {
        "affected": effect.affected,
        "hidden": effect.hidden,
        "shown": effect.shown,
        "waiting": effect.waiting,
        "capped": effect.capped,
        "entries": [
            {
                "id": line.uri,
                "kind": line.kind,
                "title": dict(line.title),
                "before": line.before.value,
                "after": line.after.value,
                "rule": line.rule,
            }
            for line in effect.lines
        ],
        "not_named": effect.unnamed,
    }


def _asked(request: ControlRequest) -> tuple[Direction, PolicySheet]:
    """Read direction and sheet; what is not named is no exception."""
    direction = _DIRECTIONS.get(request.text("direction"))
    if direction is None:
        raise not_one_of("direction", request.text("direction"), _DIRECTIONS)
    kinds = frozenset(request.texts("without_kinds"))
    for kind in sorted(kinds - KINDS.keys()):
        raise not_one_of("without_kinds", kind, KINDS)
    profiles = request.optional_text("profiles")
    chiffre = request.optional_text("chiffre")
    if chiffre not in {None, "yes", "no"}:
        raise not_one_of("chiffre", str(chiffre), ("yes", "no"))
    return direction, PolicySheet(
        preset=chosen("preset", request.text("preset"), Preset),
        closed_kinds=kinds,
        closed_topics=frozenset(request.texts("without_topics")),
        chiffre={None: None, "yes": True, "no": False}.get(chiffre),
        profiles=None if profiles is None else chosen("profiles", profiles, Profiles),
        lease_days=request.optional_number("lease_days"),
        retention_days=request.optional_number("retention_days"),
        valid_until=_day(request.optional_text("until")),
    )


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            "This is not a date (YYYY-MM-DD).", path="until"
        ) from error
