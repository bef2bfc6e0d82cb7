"""Our own actor: the cluster's name, card and key as everybody may read them.

Name and settings are files and the version is the program's, so that a change is
found by comparison: a digest of what partners were told is stored.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from federation.canonical import canonical_bytes
from federation.documents.actor import ActorDocument, Card, actor_body
from federation.ids import NodeAddress
from federation.peers import renamed_keys
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_state import load_node_state, note_actor

_CARD_FIELDS = tuple(each.name for each in fields(Card))
_LISTS = frozenset({"regions", "languages"})
_SECOND: Final = timedelta(seconds=1)


def card_from_values(values: Mapping[str, Any]) -> Card:
    """Read a stored card; what the protocol does not know stays home."""
    known: dict[str, Any] = {
        name: tuple(values[name]) if name in _LISTS else values[name]
        for name in _CARD_FIELDS
        if values.get(name) is not None
    }
    return Card(**known)


def card_values(card: Card) -> dict[str, Any]:
    """Return a card as it is stored: JSON, without empty parts."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(card).items()
        if value is not None and value != ()
    }


async def own_actor(
    tx: Transaction, context: NodeContext, *, address: NodeAddress | None = None
) -> ActorDocument:
    """Return our actor as it is now.

    Args:
        tx: A transaction.
        context: The node.
        address: By which name; the present one, unless it is for a partner that
            knows us by a former one.
    """
    address = address or context.address
    state = await load_node_state(tx)
    card = card_from_values({} if state is None else state.card)
    return ActorDocument(
        base_url=address.base_url,
        name=context.config.name,
        keys=renamed_keys(context.keys.published(), actor_id=address.actor),
        former=address.former,
        card=card,
        updated=_latest(
            context.keys.changed_at, None if state is None else state.actor_updated
        ),
    )


async def has_changed(tx: Transaction, context: NodeContext) -> bool:
    """Whether our actor says something else, beside its keys, than was told last."""
    state = await load_node_state(tx)
    told = None if state is None else state.actor_digest
    return told != digest_beside_keys(await own_actor(tx, context))


async def note_changed(tx: Transaction, context: NodeContext) -> bool:
    """Note what our actor says now, with a newer `updated` if it says it anew.

    Returns:
        Whether partners have to be told; nobody has been told of a first actor.
    """
    state = await load_node_state(tx)
    if state is None:
        return False
    actor = await own_actor(tx, context)
    digest = digest_beside_keys(actor)
    if state.actor_digest == digest:
        return False
    updated = state.actor_updated
    if state.actor_digest is not None:
        now = context.clock.now().astimezone(UTC).replace(microsecond=0)
        updated = _latest(now, _latest(context.keys.changed_at, updated) + _SECOND)
    await note_actor(tx, digest=digest, updated=updated)
    return state.actor_digest is not None


def digest_beside_keys(actor: ActorDocument) -> str:
    """SHA-256, in hex, of all that an actor says but its keys and `updated`."""
    body = actor_body(actor)
    for name in ("assertionMethod", "updated"):
        body.pop(name, None)
    return hashlib.sha256(canonical_bytes(body)).hexdigest()


def _latest(moment: datetime, other: datetime | None) -> datetime:
    return moment if other is None else max(moment, other)
