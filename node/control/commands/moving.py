"""`move-origin` without an address, and what the office says to a partner's move."""

from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person
from node.control.commands.described import timestamp
from node.control.request import ControlRequest
from node.errors import NotAuthorisedError

if TYPE_CHECKING:
    from node.app import Node


async def status(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say who has confirmed our latest move; `moved_at` is null without one."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office sees this.")
    found = await node.own_move.status()
    return {
        "base_url": node.context.address.base_url,
        "former": list(node.context.address.former),
        "moved_at": None if found is None else timestamp(found.moved_at),
        "check_number": None if found is None else found.number,
        "partners": [
            {
                "partner": each.partner.base_url,
                "name": each.partner.name,
                "knows": each.partner.known_as or node.context.address.base_url,
                "standing": each.standing.value,
                "reason": each.reason,
            }
            for each in (() if found is None else found.partners)
        ],
    }


async def announce(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Announce our move anew to a partner that has refused it."""
    actor = await acting_person(node, request)
    await node.own_move.announce_again(actor, request.text("partner"))
    return await status(node, request)


async def confirm(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Believe that a partner has moved."""
    actor = await acting_person(node, request)
    partner = await node.partners.confirm_move(
        actor, request.text("partner"), number=request.text("number")
    )
    return {
        "partner": partner.base_url,
        "name": partner.name,
        "former": list(partner.former_urls),
        "state": partner.state.value,
    }


async def refuse(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Answer that we do not believe it."""
    actor = await acting_person(node, request)
    partner = await node.partners.refuse_move(
        actor, request.text("partner"), reason=request.optional_text("reason")
    )
    return {
        "partner": partner.base_url,
        "name": partner.name,
        "former": list(partner.former_urls),
        "state": partner.state.value,
    }
