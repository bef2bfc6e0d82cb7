"""Our own public keys and their stages in the database; secrets are in files."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from node.erasure.decisions import of_key, of_stage
from node.keys.model import KeyState, NodeKey
from node.storage.database import Transaction
from node.storage.tables import node_keys, partners, persons

_PLAIN = (
    "number",
    "multibase",
    "created_at",
    "activated_at",
    "retired_at",
    "revoked_at",
    "reason",
    "backed_up_at",
)


def _key(row: Row[Any]) -> NodeKey:
    return NodeKey(
        state=KeyState(row.state),
        created_by=row.created_by_name,
        ended_by=row.ended_by_name,
        backed_up_by=row.backed_up_by_name,
        **{name: getattr(row, name) for name in _PLAIN},
    )


async def list_keys(tx: Transaction) -> list[NodeKey]:
    """Load every key that the node ever had, the first one first."""
    creator, ender, keeper = (
        persons.alias(name) for name in ("creator", "ender", "keeper")
    )
    statement = (
        select(
            node_keys,
            creator.c.name.label("created_by_name"),
            ender.c.name.label("ended_by_name"),
            keeper.c.name.label("backed_up_by_name"),
        )
        .outerjoin(creator, creator.c.id == node_keys.c.created_by)
        .outerjoin(ender, ender.c.id == node_keys.c.ended_by)
        .outerjoin(keeper, keeper.c.id == node_keys.c.backed_up_by)
        .order_by(node_keys.c.number)
    )
    return [_key(row) for row in await tx.all(statement)]


async def insert_key(
    tx: Transaction, key: NodeKey, *, created_by: str | None = None
) -> None:
    """Insert a new key; `created_by` is the id of the person who ordered it."""
    values = {name: getattr(key, name) for name in _PLAIN}
    await tx.execute(
        insert(node_keys).values(state=key.state.value, created_by=created_by, **values)
    )
    tx.decide(of_key(key))


async def change_key(
    tx: Transaction,
    number: int,
    *,
    from_states: Collection[KeyState],
    state: KeyState,
    **values: datetime | str | None,
) -> bool:
    """Bring a key into another stage.

    Args:
        tx: The transaction.
        number: Which key.
        from_states: Where it must stand.
        state: The new stage.
        values: Further columns: times, `reason`, `ended_by` (id of a person).

    Returns:
        False if it stands elsewhere; nothing is changed then.
    """
    result = await tx.execute(
        update(node_keys)
        .where(
            node_keys.c.number == number,
            node_keys.c.state.in_(sorted(each.value for each in from_states)),
        )
        .values(state=state.value, **values)
    )
    changed = int(result.rowcount) == 1
    if changed:
        tx.decide(of_stage(number, state, values))
    return changed


async def note_backup(
    tx: Transaction, numbers: Collection[int], *, at: datetime, person_id: str | None
) -> None:
    """Note that somebody took a backup of these keys away."""
    await tx.execute(
        update(node_keys)
        .where(node_keys.c.number.in_(sorted(numbers)))
        .values(backed_up_at=at, backed_up_by=person_id)
    )


async def note_told(tx: Transaction, partner_id: str, *, number: int) -> None:
    """Note the newest of our keys that a partner is known to hold; never go back."""
    await tx.execute(
        update(partners)
        .where(partners.c.id == partner_id, partners.c.told_key_number < number)
        .values(told_key_number=number)
    )


async def take_told_back(tx: Transaction, partner_id: str, *, number: int) -> None:
    """Note that a partner holds an older key of ours only: it said so itself."""
    await tx.execute(
        update(partners)
        .where(partners.c.id == partner_id, partners.c.told_key_number > number)
        .values(told_key_number=number)
    )
