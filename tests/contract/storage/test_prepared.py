"""Prepared statements say what SQLAlchemy says, on both engines."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    LargeBinary,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from node.storage.columns import UtcDateTime
from node.storage.database import Database, Transaction
from node.storage.prepared import Prepared

_TABLE = Table(
    "things",
    MetaData(),
    Column("id", String(20), primary_key=True),
    Column("told", Boolean),
    Column("content", JSON(none_as_null=True)),
    Column("raw", LargeBinary),
    Column("day", Date),
    Column("at", UtcDateTime),
)
_INSERT = Prepared(insert(_TABLE))
_CHANGE = Prepared(update(_TABLE).where(_TABLE.c.id == bindparam("changed_id")))
_BY_ID = Prepared(select(_TABLE).where(_TABLE.c.id == bindparam("wanted")))
_ALL = Prepared(select(_TABLE).order_by(_TABLE.c.id))
_FIXED = Prepared(
    select(_TABLE.c.id.label("name"))
    .where(_TABLE.c.told.is_(True), _TABLE.c.id != "b")
    .order_by(_TABLE.c.id)
    .limit(1)
)
_FULL: dict[str, Any] = {
    "id": "a",
    "told": True,
    "content": {"title": {"de": "Prüfung 100 % :x ?"}, "list": [1, None]},
    "raw": b"\x00\xff",
    "day": date(2026, 3, 2),
    "at": datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC),
}
_EMPTY = dict.fromkeys(_FULL) | {"id": "b"}


@pytest.fixture
async def things(empty_database: Database) -> Database:
    await empty_database.run_sync(_TABLE.metadata.create_all)

    async def work(tx: Transaction) -> list[int]:
        return [await tx.change(_INSERT, each) for each in (_FULL, _EMPTY)]

    assert await empty_database.write(work) == [1, 1]
    return empty_database


@pytest.mark.parametrize("way", ["read", "look_up"])
async def test_a_prepared_query_reads_what_any_query_reads(
    things: Database, way: str
) -> None:
    async with getattr(things, way)() as tx:
        prepared = await tx.records(_ALL, {})
        usual = await tx.all(select(_TABLE).order_by(_TABLE.c.id))
        one = await tx.record(_BY_ID, {"wanted": "a"})
        none = await tx.record(_BY_ID, {"wanted": "c"})
    assert [tuple(row) for row in prepared] == [tuple(row) for row in usual]
    assert [tuple(row) for row in prepared] == [
        tuple(_FULL.values()),
        tuple(_EMPTY.values()),
    ]
    assert one is not None
    assert (one.id, one.content, one.at) == ("a", _FULL["content"], _FULL["at"])
    assert none is None


async def test_what_stands_in_the_statement_is_kept(things: Database) -> None:
    async with things.look_up() as tx:
        (found,) = await tx.records(_FIXED, {})
    assert found.name == "a"


async def test_only_the_given_columns_are_changed(things: Database) -> None:
    later = _FULL["at"] + timedelta(days=1)

    async def work(tx: Transaction) -> list[int]:
        return [
            await tx.change(_CHANGE, {"changed_id": "a", "at": later}),
            await tx.change(_CHANGE, {"changed_id": "b", "told": False, "day": None}),
            await tx.change(_CHANGE, {"changed_id": "c", "told": False}),
        ]

    assert await things.write(work) == [1, 1, 0]
    async with things.read() as tx:
        first, second = await tx.records(_ALL, {})
    assert tuple(first) == tuple((_FULL | {"at": later}).values())
    assert tuple(second) == tuple((_EMPTY | {"told": False}).values())


async def test_a_second_row_of_a_key_is_refused_as_by_sqlalchemy(
    things: Database,
) -> None:
    async def work(tx: Transaction) -> None:
        await tx.change(_INSERT, _FULL | {"told": None})

    with pytest.raises(IntegrityError) as caught:
        await things.write(work)
    assert "Prüfung" not in str(caught.value.statement)
    async with things.read() as tx:
        assert len(await tx.records(_ALL, {})) == 2


async def test_a_query_for_one_row_must_not_find_two(things: Database) -> None:
    with pytest.raises(LookupError):
        async with things.look_up() as tx:
            await tx.record(_ALL, {})


async def test_a_missing_value_is_a_fault_of_the_caller(things: Database) -> None:
    with pytest.raises(KeyError):
        async with things.look_up() as tx:
            await tx.record(_BY_ID, {"another": "a"})
