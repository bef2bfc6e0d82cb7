"""Write down what a handshake agreed: address, keys, check number, our role."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from federation.documents.actor import ActorDocument
from federation.ids import random_id
from federation.key_changes import keys_to_pin
from federation.peers import PinnedKey
from federation.trust import TrustState
from node.members.model import Person
from node.partners.model import HandshakeRole, KeyOrigin, Partner, PartnerKey
from node.partners.own_actor import card_values
from node.ports import NodeContext
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.partner_keys import restore_keys, store_keys
from node.storage.policies import add_version
from node.visibility.policy import Direction, PolicySheet, Preset, narrower

_USUAL = PolicySheet(Preset.PARTNER)
_COLUMNS = (
    "state",
    "name",
    "card",
    "role",
    "protocol",
    "capabilities",
    "actor_updated",
    "suspended_from",
    "suspended_because",
    "offered_multibase",
    "looked_at",
    "former_urls",
    "moving_to",
    "moving_id",
    "moving_since",
    "known_as",
    "request_id",
    "check_number",
    "compared_at",
    "released_at",
    "released_by",
    "last_error",
    "problem_code",
    "acked_seq",
    "told_key_number",
    "policy_out",
    "policy_in",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """One partner request, from either side.

    Attributes:
        other: The other node's actor as it was seen now. Its first key is pinned,
            and those that have retired, for what they signed.
        request_id: Id of the request on the wire.
        told_key_number: The key of ours that the other node saw as the one that
            signs; it is told of a newer one afterwards.
        sheet: What our invitation offers for both directions. With somebody whom
            we had before, what it and the sheets of then both let pass.
        last_error: Why the request may not have arrived; None if it has.
        problem_code: The same for pages in any language.
    """

    other: ActorDocument
    role: HandshakeRole
    request_id: str
    check_number: str
    told_key_number: int
    sheet: PolicySheet | None = None
    last_error: str | None = None
    problem_code: str | None = None


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
    other, now = handshake.other, context.clock.now()
    partner = Partner(
        id=random_id(context.random) if known is None else known.id,
        base_url=other.base_url,
        actor_id=other.id,
        name=other.name,
        card=card_values(other.card),
        state=state,
        role=handshake.role,
        keys=_keys(context, other, known=known),
        protocol=other.protocol,
        capabilities=other.capabilities,
        actor_updated=other.updated,
        looked_at=now,
        former_urls=other.former,
        request_id=handshake.request_id,
        check_number=handshake.check_number,
        created_at=now if known is None else known.created_at,
        last_error=handshake.last_error,
        problem_code=handshake.problem_code,
        acked_seq=0 if known is None else known.head_seq,
        told_key_number=handshake.told_key_number,
        policy_out=_begun(handshake, None if known is None else known.policy_out),
        policy_in=_begun(handshake, None if known is None else known.policy_in),
    )
    if known is None:
        await rows.insert_partner(tx, partner)
        await _write_sheets(tx, context, partner, Direction.OUT, Direction.IN)
        return partner
    await outgoing.drop_undelivered(tx, known.id)
    values = _handshake_of(partner)
    if partner.policy_out != known.policy_out:
        await _write_sheets(tx, context, partner, Direction.OUT)
    if partner.policy_in != known.policy_in:
        await _write_sheets(tx, context, partner, Direction.IN)
    await rows.update_partner(tx, known.id, **values)
    await store_keys(tx, known.id, partner.keys, at=now)
    return replace(known, keys=partner.keys, **values)


def _begun(handshake: Handshake, before: PolicySheet | None) -> PolicySheet:
    """Return what a partnership begins with; nothing that was kept back opens."""
    if before is None:
        return handshake.sheet or _USUAL
    return before if handshake.sheet is None else narrower(before, handshake.sheet)


async def _write_sheets(
    tx: Transaction, context: NodeContext, partner: Partner, *directions: Direction
) -> None:
    for direction in directions:
        await add_version(
            tx,
            partner.id,
            direction,
            partner.policy_out if direction is Direction.OUT else partner.policy_in,
            at=context.clock.now(),
            author_id=None,
            reason=None,
        )


async def unpin(tx: Transaction, partner_id: str, *, before: Partner | None) -> None:
    """Undo `pin` for a request that the host refused."""
    if before is None:
        await rows.delete_partner(tx, partner_id)
    else:
        await rows.update_partner(tx, partner_id, **_handshake_of(before))
        await restore_keys(tx, partner_id, before.keys)


def comes_back(known: Partner | None, actor: ActorDocument) -> bool:
    """Whether a node signs with a key that it retired or revoked before."""
    return known is not None and any(
        key.multibase == actor.keys[0].public_key.multibase
        for key in known.keys
        if not key.pinned.is_current
    )


def _keys(
    context: NodeContext, other: ActorDocument, *, known: Partner | None
) -> tuple[PartnerKey, ...]:
    now = context.clock.now()
    before = () if known is None else known.keys
    return rows_of_keys(
        context,
        keys_to_pin(other.keys, now=now),
        before=before,
        origin=KeyOrigin.HANDSHAKE,
    )


def rows_of_keys(
    context: NodeContext,
    keys: Sequence[PinnedKey],
    *,
    before: Sequence[PartnerKey],
    origin: KeyOrigin,
    person: Person | None = None,
) -> tuple[PartnerKey, ...]:
    """Return keys as they are stored; those that were there keep their row.

    Args:
        context: For time and chance.
        keys: What counts from now on.
        before: What counted so far.
        origin: How those came that are new.
        person: Who confirmed those that are new.
    """
    known = {(key.key_id, key.multibase): key for key in before}
    stored = []
    for key in keys:
        row = known.get((key.key_id, key.public_key.multibase))
        if row is None:
            row = PartnerKey(
                id=random_id(context.random),
                key_id=key.key_id,
                multibase=key.public_key.multibase,
                origin=origin,
                pinned_at=context.clock.now(),
                person_id=None if person is None else person.id,
            )
        stored.append(replace(row, expires=key.expires, revoked=key.revoked))
    return tuple(stored)


def _handshake_of(partner: Partner) -> dict[str, Any]:
    return {name: getattr(partner, name) for name in _COLUMNS}
