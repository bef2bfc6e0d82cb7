"""`why` and the sign of life."""

import os
from typing import TYPE_CHECKING, Any

from sqlalchemy import or_

from node.control.commands.acting import acting_person, person_by_email
from node.control.request import ControlRequest
from node.errors import NotAuthorisedError, NotFoundError
from node.storage.partners import load_partner
from node.storage.received import list_received
from node.storage.tables import received_entries
from node.visibility import (
    Origin,
    PartnerViewer,
    PublicViewer,
    Verdict,
    Viewer,
    decide_received,
)

if TYPE_CHECKING:
    from node.app import Node

PUBLIC = "public"


async def ping(node: "Node", _request: ControlRequest) -> dict[str, Any]:
    """Say which node and which process answer."""
    return {"base_url": node.context.address.base_url, "process": os.getpid()}


async def why(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say whether a viewer sees an entry, and which rule decides."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office may ask what others see.")
    viewer = await _viewer(node, request.text("viewer"))
    reference = request.text("entry")
    try:
        verdict = await node.catalogue.why(viewer, reference)
    except NotFoundError:
        received = await _why_received(node, viewer, reference)
        if received is None:
            raise
        verdict = received
    return {
        "form": verdict.form.value,
        "rule": verdict.rule,
        "reason": verdict.reason,
    }


async def _viewer(node: "Node", name: str) -> Viewer:
    if name.casefold() == PUBLIC:
        return PublicViewer()
    if "@" in name:
        return await person_by_email(node, name)
    partner = await node.partners.find(name)
    return PartnerViewer.of(partner)


async def _why_received(node: "Node", viewer: Viewer, reference: str) -> Verdict | None:
    now = node.context.clock.now()
    where = or_(
        received_entries.c.id == reference, received_entries.c.entry_uri == reference
    )
    async with node.context.database.read() as tx:
        for entry in await list_received(tx, where=where, limit=1):
            partner = await load_partner(tx, entry.partner_id)
            if partner is not None:
                return decide_received(entry, Origin.of(partner), viewer, now)
    return None
