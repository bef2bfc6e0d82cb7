"""Write down what a handshake agreed: address, key, check number, our role."""

from dataclasses import dataclass, replace
from typing import Any

from federation.documents.actor import ActorDocument
from federation.ids import random_id
from federation.trust import TrustState
from node.partners.model import HandshakeRole, Partner
from node.partners.own_actor import card_values
from node.ports import NodeContext
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction

_COLUMNS = (
    "state",
    "name",
    "card",
    "role",
    "key_id",
    "key_multibase",
    "request_id",
    "check_number",
    "compared_at",
    "last_error",
    "acked_seq",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One partner request, from either side.

    Attributes:
        other: The other node's actor as it was seen now; its first key is pinned.
        request_id: Id of the request on the wire.
        last_error: Why the request may not have arrived; None if it has.
    """

    other: ActorDocument
    role: HandshakeRole
    request_id: str
    check_number: str
    last_error: str | None = None


async def pin(
    tx: Transaction,
    context: NodeContext,
    handshake: Handshake,
    *,
    state: TrustState,
    known: Partner | None,
) -> Partner:
    """Insert the partner, or start anew with one that we had before.

    Positions and receipts of an earlier partnership stay: both sides go on
    counting where they were. Notices of it must not arrive in the new one, and
    nobody waits for what it left unconfirmed.
    """
    other, key = handshake.other, handshake.other.keys[0]
    partner = Partner(
        id=random_id(context.random) if known is None else known.id,
        base_url=other.base_url,
        actor_id=other.id,
        name=other.name,
        card=card_values(other.card),
        state=state,
        role=handshake.role,
        key_id=key.key_id,
        key_multibase=key.public_key.multibase,
        request_id=handshake.request_id,
        check_number=handshake.check_number,
        created_at=context.clock.now() if known is None else known.created_at,
        last_error=handshake.last_error,
        acked_seq=0 if known is None else known.head_seq,
    )
    if known is None:
        await rows.insert_partner(tx, partner)
        return partner
    await outgoing.drop_undelivered(tx, known.id)
    values = _handshake_of(partner)
    await rows.update_partner(tx, known.id, **values)
    return replace(known, **values)


async def unpin(tx: Transaction, partner_id: str, *, before: Partner | None) -> None:
    """Undo `pin` for a request that the host refused."""
    if before is None:
        await rows.delete_partner(tx, partner_id)
    else:
        await rows.update_partner(tx, partner_id, **_handshake_of(before))


def _handshake_of(partner: Partner) -> dict[str, Any]:
    return {name: getattr(partner, name) for name in _COLUMNS}
