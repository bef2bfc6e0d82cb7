"""`close-down` and `archive make`."""

import base64
from typing import TYPE_CHECKING, Any

from node.archive.making import make_archive
from node.closing import Progress
from node.control.commands.acting import acting_person
from node.control.commands.described import timestamp
from node.control.request import ControlRequest
from node.errors import NotAuthorisedError

if TYPE_CHECKING:
    from node.app import Node


async def make(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Make an archive of the public entries; `file` is the ZIP file in base64."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office makes an archive.")
    async with node.context.database.read() as tx:
        made = await make_archive(
            tx, node.context, with_contacts=request.flag("with_contacts")
        )
    return {
        "file": base64.b64encode(made.data).decode("ascii"),
        "entries": made.held,
        "left_out": made.left_out,
        "fingerprint": node.context.keys.active.fingerprint,
    }


async def close_down(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say how far closing down is; with the cluster's name, order it."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office sees this.")
    typed = request.optional_text("name")
    if typed is None:
        return _described(node, await node.closing.progress())
    return _described(node, await node.closing.begin(actor, typed=typed))


def _described(node: "Node", progress: Progress) -> dict[str, Any]:
    return {
        "name": node.config.name,
        "closing_since": timestamp(progress.closing_since),
        "closed_at": timestamp(progress.closed_at),
        "entries": progress.entries,
        "members": progress.members,
        "conversations": progress.conversations,
        "partners": [
            {
                "partner": each.partner.base_url,
                "name": each.partner.name,
                "state": each.partner.state.value,
                "open": each.open,
                "lapsed_by": timestamp(each.lapsed_by),
            }
            for each in progress.partners
        ],
    }
