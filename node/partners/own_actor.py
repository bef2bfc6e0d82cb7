"""Our own actor: the cluster's name, card and key as everybody may read them."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from federation.documents.actor import ActorDocument, Card
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_state import load_node_state

_CARD_FIELDS = tuple(each.name for each in fields(Card))
_LISTS = frozenset({"regions", "languages"})


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


async def own_actor(tx: Transaction, context: NodeContext) -> ActorDocument:
    """Return our actor as it is now."""
    state = await load_node_state(tx)
    card = card_from_values({} if state is None else state.card)
    return ActorDocument(
        base_url=context.address.base_url,
        name=context.config.name,
        keys=context.keys.published(),
        card=card,
        updated=context.keys.changed_at,
    )
