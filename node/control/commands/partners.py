"""`partner …`: the handshake and what follows it."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person
from node.control.commands.choices import chosen
from node.control.commands.described import (
    partner_document,
    timestamp,
    waiting_document,
)
from node.control.request import ControlRequest
from node.errors import NotAuthorisedError
from node.members.model import Person
from node.office.overview import Overview
from node.office.partner_report import write_report
from node.office.retrying import deliver_now, deliver_to_all_now
from node.office.standing import read_standings
from node.partners.model import Partner
from node.partners.own_actor import card_values
from node.visibility.policy import Preset

if TYPE_CHECKING:
    from node.app import Node

INVITATION_DAYS = 7


async def invite(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Make an invitation code."""
    actor = await acting_person(node, request)
    created = await node.partners.invite(
        actor,
        days=request.number("days", default=INVITATION_DAYS),
        note=request.optional_text("note"),
        preset=chosen(
            "preset", request.optional_text("preset") or Preset.PARTNER.value, Preset
        ),
    )
    return {
        "code": created.code,
        "link": created.link,
        "expires": timestamp(created.expires_at),
    }


async def preview(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Fetch the card of the node that a code names; changes nothing."""
    actor = await acting_person(node, request)
    found = await node.partners.preview(actor, request.text("code"))
    return {
        "base_url": found.base_url,
        "name": found.name,
        "card": card_values(found.card),
        "fingerprint": found.fingerprint,
        "check_number": found.check_number,
    }


async def accept(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Accept another office's code."""
    actor = await acting_person(node, request)
    partner = await node.partners.accept(
        actor, request.text("code"), release=not request.flag("hold_list")
    )
    if request.flag("compared"):
        partner = await node.partners.mark_compared(actor, partner.id)
    return await described_partner(node, partner)


async def confirm(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Confirm a guest's request."""
    actor = await acting_person(node, request)
    partner = await node.partners.confirm(
        actor,
        request.text("partner"),
        compared=request.flag("compared"),
        release=not request.flag("hold_list"),
        check_number=request.optional_text("check_number"),
    )
    return await described_partner(node, partner)


async def confirm_key(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Accept the key that a partner's address shows, as the office compared it."""
    actor = await acting_person(node, request)
    partner = await node.partners.confirm_key(
        actor, request.text("partner"), fingerprint=request.text("fingerprint")
    )
    return await described_partner(node, partner)


async def refuse(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Refuse a guest's request."""
    actor = await acting_person(node, request)
    partner = await node.partners.refuse(
        actor, request.text("partner"), reason=request.optional_text("reason")
    )
    return await described_partner(node, partner)


async def pause(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Stop the flow for now."""
    actor = await acting_person(node, request)
    return await described_partner(
        node, await node.partners.pause(actor, request.text("partner"))
    )


async def resume(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Let it flow again."""
    actor = await acting_person(node, request)
    return await described_partner(
        node, await node.partners.resume(actor, request.text("partner"))
    )


async def end(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """End a partnership; everything told is withdrawn."""
    actor = await acting_person(node, request)
    partner = await node.partners.end(
        actor, request.text("partner"), reason=request.optional_text("reason")
    )
    return await described_partner(node, partner)


async def close(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Wait no longer for a partner that does not confirm the end."""
    actor = await acting_person(node, request)
    partner = await node.partners.close_unconfirmed(actor, request.text("partner"))
    return await described_partner(node, partner)


async def stay(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Take an end back, before the partner was told of it."""
    actor = await acting_person(node, request)
    return await described_partner(
        node, await node.partners.stay(actor, request.text("partner"))
    )


async def hide(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Keep a partner's entries from our members' eyes."""
    actor = await acting_person(node, request)
    return await described_partner(
        node, await node.partners.hide(actor, request.text("partner"))
    )


async def show_again(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show a hidden partner's entries again."""
    actor = await acting_person(node, request)
    return await described_partner(
        node, await node.partners.show_again(actor, request.text("partner"))
    )


async def purge(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Remove the copies of a partner that is paused or suspended."""
    actor = await acting_person(node, request)
    removed = await node.partners.purge(actor, request.text("partner"))
    partner = await node.partners.find(request.text("partner"))
    return {**await described_partner(node, partner), "removed": removed}


async def fetch_again(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Fetch everything anew that was purged."""
    actor = await acting_person(node, request)
    purged = await node.partners.fetch_again(actor, request.text("partner"))
    partner = await node.partners.find(request.text("partner"))
    return {**await described_partner(node, partner), "coming": purged}


async def effects(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Count what a step with a partner concerns; changes nothing."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    found = await Overview(node.context).effects(partner)
    return {**await described_partner(node, partner), "effects": asdict(found)}


async def try_now(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Deliver what waits now: to one partner, or to all that are not reached."""
    actor = await require_office_person(node, request)
    reference = request.optional_text("partner")
    if reference is None:
        tried = await deliver_to_all_now(node.context, node.wakeup, actor=actor)
    else:
        tried = [await node.partners.find(reference)]
        await deliver_now(
            node.context, node.wakeup, actor=actor, partner_id=tried[0].id
        )
    return {"partners": [await described_partner(node, partner) for partner in tried]}


async def report(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Account for a partnership: what was told, removed, and is still open."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    found = await write_report(node.context, node.ledger, partner)
    return {
        **await described_partner(node, partner),
        "written_at": timestamp(found.written_at),
        "active_since": timestamp(partner.active_since),
        "ended_at": timestamp(partner.ended_at),
        "end_asked_at": timestamp(found.end_asked_at),
        "ended_by": None
        if found.by_us is None
        else {"us": found.by_us, "person": found.ended_by, "reason": found.reason},
        "undo_until": timestamp(found.undo_until),
        "told": found.told,
        "removed": found.removed,
        "standing": found.standing,
        "open": [
            {
                "entry": line.entry_uri,
                "version": list(line.version),
                "op": line.op,
                "told_at": timestamp(line.told_at),
                **waiting_document(line),
            }
            for line in found.open
        ],
        "copies_removed": found.copies_removed,
        "copies_removed_at": timestamp(found.copies_removed_at),
        "copies_held": found.copies_held,
    }


async def show(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show one partner."""
    await require_office_person(node, request)
    return await described_partner(
        node, await node.partners.find(request.text("partner"))
    )


async def list_partners(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List all partners, whatever their state."""
    await require_office_person(node, request)
    standings = await read_standings(node.context, await node.partners.list())
    return {"partners": [partner_document(each) for each in standings]}


async def require_office_person(node: "Node", request: ControlRequest) -> Person:
    """Return who acts; it must belong to the office."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError(
            "Only the office sees the partners and what went to them.",
            hint="Leave out --as, or name somebody of the office.",
        )
    return actor


async def described_partner(node: "Node", partner: Partner) -> dict[str, Any]:
    """Describe a partner and how far both sides agree."""
    (standing,) = await read_standings(node.context, [partner])
    return partner_document(standing)
