import dataclasses
from types import MappingProxyType

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from node.errors import ConflictError
from node.storage.database import Database, Transaction
from node.storage.node_state import (
    NodeState,
    load_node_state,
    require_node_state,
    store_node_state,
)
from node.storage.tables import node_state


def _state(now) -> NodeState:  # type: ignore[no-untyped-def]
    return NodeState(
        node_id="n1",
        base_url="https://spalier.optence.example",
        name="Geschäftsstelle Optence e.V.",
        default_language="de",
        epoch="0" * 32,
        incarnation=1,
        card=MappingProxyType({"field": "Photonik", "regions": ["DE-HE"]}),
        created_at=now,
    )


async def test_stored_state_comes_back(database: Database, now) -> None:  # type: ignore[no-untyped-def]
    async with database.read() as tx:
        assert await load_node_state(tx) is None
        with pytest.raises(ConflictError):
            await require_node_state(tx)
    state = _state(now)
    await database.write(lambda tx: store_node_state(tx, state))
    later = dataclasses.replace(state, incarnation=2, epoch="f" * 32)
    await database.write(lambda tx: store_node_state(tx, later))
    async with database.read() as tx:
        assert await require_node_state(tx) == later


async def test_a_second_row_is_impossible(database: Database, now) -> None:  # type: ignore[no-untyped-def]
    state = _state(now)
    await database.write(lambda tx: store_node_state(tx, state))

    async def second(tx: Transaction) -> None:
        values = dataclasses.asdict(dataclasses.replace(state, card={}))
        await tx.execute(insert(node_state).values(id=2, **values))

    with pytest.raises(IntegrityError):
        await database.write(second)
