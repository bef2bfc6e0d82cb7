"""A node moves: announced by the old key, confirmed by an office, and all goes on.

Nord moves; Süd is its partner.
"""

from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import func, select

from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, UnavailableError
from node.moving import MoveStanding
from node.storage.ledger import row_of
from node.storage.received import list_held
from node.storage.tables import mail_outbox, receipts
from tests.http.moving_world import confirm, move, old_name_kept
from node.catalogue.model import Entry
from tests.http.nodes import OFFER, MovableClock
from tests.http.whole_nodes import WholeNode, settle

Pair = tuple[WholeNode, WholeNode]


async def standing(mover: WholeNode, other: WholeNode) -> MoveStanding:
    status = await mover.node.own_move.status()
    assert status is not None
    (found,) = [
        each.standing
        for each in status.partners
        if each.partner.base_url == other.base_url
    ]
    return found


async def in_sync(origin: WholeNode, holder: WholeNode) -> bool:
    """Compare both sides anew, entry by entry, and say whether they agree."""
    partner = await origin.partner(holder)
    await origin.node.comparing.compare(partner.id)
    await origin.settle()
    partner = await origin.partner(holder)
    return partner.digest_equal is True


async def test_all_carries_on_once_the_office_has_confirmed(
    two: Pair, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    old_entry = await publish(nord, "Vorher", external_id="W-1")
    gone = await nord.publish("Wird zurückgezogen")
    await sued.publish("Von Süd")
    await settle(nord, sued)
    before = await nord.partner(sued)
    talk = await sued.node.conversations.answer(
        sued.office, old_entry.uri, "Noch frei?"
    )
    await settle(sued, nord)

    old = await move(nord)
    new = nord.base_url
    await settle(nord, sued)
    assert await standing(nord, sued) is MoveStanding.ANNOUNCED
    # Not effective: Süd still knows the old address, and shows what it showed.
    announced = await sued.partner(Named(old))
    assert (announced.base_url, announced.moving_to) == (old, new)
    assert set(await held(sued, old)) == {"Vorher", "Wird zurückgezogen"}

    # New entries wait; a withdrawal does not.
    await nord.publish("Nachher")
    await nord.node.catalogue.withdraw(nord.office, gone.id)
    await settle(nord)
    assert set(await held(sued, old)) == {"Vorher"}

    await confirm(sued, nord, old)
    await settle(sued, nord, sued, nord)
    assert await standing(nord, sued) is MoveStanding.CONFIRMED
    partner = await sued.partner(nord)
    assert (partner.base_url, partner.former_urls) == (new, (old,))
    assert partner.state is TrustState.ACTIVE

    copies = await sued.held_from(nord)
    assert set(copies) == {"Vorher", "Nachher"}
    assert copies["Vorher"].entry_uri == old_entry.uri
    assert copies["Vorher"].entry_uri.startswith(f"{old}/entries/")
    assert copies["Nachher"].entry_uri.startswith(f"{new}/entries/")

    # A new version of an old entry keeps the old name and the ledger its row.
    changed = await publish(nord, "Vorher, geändert", external_id="W-1")
    assert (changed.uri, changed.version.counter) == (old_entry.uri, 2)
    await settle(nord, sued)
    assert set(await sued.held_from(nord)) == {"Vorher, geändert", "Nachher"}
    after = await nord.partner(sued)
    assert after.head_seq > before.head_seq
    assert await in_sync(nord, sued)
    assert await in_sync(sued, nord)

    # The conversation goes on in both directions, about the old id.
    (thread,) = await nord.node.conversations.list_for(nord.office)
    await nord.node.conversations.reply(nord.office, thread.id, "Ja.")
    await settle(nord, sued)
    texts = [m.text for m in await messages(sued, talk)]
    assert texts == ["Noch frei?", "Ja."]


async def compared(two: Pair) -> Pair:
    """Both offices have compared the check number of the handshake."""
    nord, sued = two
    await sued.node.partners.mark_compared(sued.office, nord.base_url)
    await settle(nord, sued)
    return two


async def publish(node: WholeNode, title: str, *, external_id: str) -> Entry:
    document = {**OFFER, "title": {"de": title}, "external_id": external_id}
    return await node.node.catalogue.publish(node.office, document)


@dataclass(frozen=True)
class Named:
    """A node by the address that another one knows."""

    base_url: str


async def held(node: WholeNode, base_url: str) -> dict[str, Any]:
    return await node.held_from(Named(base_url))


async def messages(node: WholeNode, talk: Any) -> Any:
    return (await node.node.conversations.show(node.office, talk.id)).messages
