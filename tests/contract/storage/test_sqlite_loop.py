"""What runs on the event loop keeps nobody waiting."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from time import perf_counter

import pytest
from sqlalchemy import (
    Column,
    Integer,
    MetaData,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
)

from node.errors import UnavailableError
from node.storage.database import (
    SQLITE_LOOK_UPS,
    SQLITE_READERS,
    SqliteDatabase,
    Transaction,
)

LONG_AT_LEAST = 0.4  # seconds that such a statement takes
# How often others have their turn meanwhile: hundreds of times on an idle machine,
# once if the loop stands still.
TURNS_AT_LEAST = 10

metadata = MetaData()
notes = Table("notes", metadata, Column("id", Integer, primary_key=True))


def counting(limit: int):  # type: ignore[no-untyped-def]
    """A query that takes SQLite a while and no disk."""
    numbers = select(literal(1).label("i")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.i + 1).where(numbers.c.i < limit))
    return select(func.count()).select_from(numbers)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "node.sqlite")
    await database.run_sync(metadata.create_all)
    yield database
    await database.close()


@asynccontextmanager
async def others() -> AsyncIterator[list[int]]:
    """Count how often somebody else has a turn on the event loop."""
    turns = [0]

    async def work() -> None:
        while True:
            await asyncio.sleep(0.001)
            turns[0] += 1

    working = asyncio.create_task(work())
    await asyncio.sleep(0.01)
    turns[0] = 0
    try:
        yield turns
    finally:
        working.cancel()


async def seconds_of(database: SqliteDatabase, limit: int) -> float:
    begun = perf_counter()
    async with database.read() as tx:
        assert await tx.scalar(counting(limit)) == limit
    return perf_counter() - begun


async def long_limit(database: SqliteDatabase) -> int:
    limit = 200_000
    while await seconds_of(database, limit) < LONG_AT_LEAST:
        limit *= 2
    return limit


async def test_a_look_up_takes_no_thread(database: SqliteDatabase) -> None:
    before = threading.active_count()
    async with database.look_up() as tx:
        assert await tx.scalar(select(func.count()).select_from(notes)) == 0
    assert threading.active_count() <= before


@pytest.mark.parametrize("how", ["read", "look_up", "write"])
async def test_a_long_query_goes_on_beside_the_loop(
    database: SqliteDatabase, how: str
) -> None:
    limit = await long_limit(database)

    async def work(tx: Transaction) -> int:
        await tx.execute(insert(notes), {"id": 1})
        found: int = await tx.scalar(counting(limit))
        # What was interrupted took nothing of the transaction with it.
        assert await tx.scalar(select(func.count()).select_from(notes)) == 1
        return found

    async with others() as turns:
        if how == "write":
            assert await database.write(work) == limit
        else:
            async with getattr(database, how)() as tx:
                assert await tx.scalar(counting(limit)) == limit
    assert turns[0] >= TURNS_AT_LEAST
    async with database.read() as tx:
        stored = await tx.all(select(notes.c.id))
    assert len(stored) == int(how == "write")


async def test_a_deletion_of_many_rows_goes_beside_the_loop(
    database: SqliteDatabase,
) -> None:
    async def fill(tx: Transaction) -> None:
        for start in range(0, 200_000, 1000):
            rows = [{"id": number} for number in range(start, start + 1000)]
            await tx.execute(insert(notes), rows)

    # Many statements in one piece of work: others have their turn in between.
    async with others() as turns:
        await database.write(fill)
        await database.write(lambda tx: tx.execute(delete(notes)))
    assert turns[0] >= TURNS_AT_LEAST
    async with database.read() as tx:
        assert await tx.scalar(select(func.count()).select_from(notes)) == 0


async def test_a_lock_of_another_program_stops_the_writer_and_nobody_else(
    database: SqliteDatabase, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "node.sqlite")) as other:
        other.execute("BEGIN IMMEDIATE")
        async with others() as turns:
            writing = asyncio.create_task(
                database.write(lambda tx: tx.execute(insert(notes), {"id": 1}))
            )
            await asyncio.sleep(0.3)
            assert not writing.done()
            async with database.read() as tx:
                assert await tx.all(select(notes)) == []
        assert turns[0] >= TURNS_AT_LEAST
        other.rollback()
    async with asyncio.timeout(10):
        await writing
    async with database.read() as tx:
        assert await tx.scalar(select(notes.c.id)) == 1


@pytest.mark.parametrize(
    ("how", "seats"), [("read", SQLITE_READERS), ("look_up", SQLITE_LOOK_UPS)]
)
async def test_readers_wait_for_a_seat_and_are_told_if_none_comes_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, seats: int
) -> None:
    monkeypatch.setattr("node.storage.database.READ_WAIT_S", 0.2)
    database = SqliteDatabase(tmp_path / "node.sqlite")
    await database.run_sync(metadata.create_all)
    opening = getattr(database, how)
    go_on = asyncio.Event()

    async def hold() -> None:
        async with opening() as tx:
            await tx.all(select(notes))
            await go_on.wait()

    holding = [asyncio.create_task(hold()) for _ in range(seats)]
    await asyncio.sleep(0.1)
    with pytest.raises(UnavailableError) as caught:
        await hold()
    assert caught.value.code == "storage-unavailable"
    go_on.set()
    await asyncio.gather(*holding)
    async with opening() as tx:
        assert await tx.all(select(notes)) == []
    await database.close()


@pytest.mark.parametrize("how", ["read", "look_up"])
async def test_who_still_reads_when_the_node_stops_leaves_no_thread(
    tmp_path: Path, how: str
) -> None:
    before = set(threading.enumerate())
    database = SqliteDatabase(tmp_path / "node.sqlite")
    await database.run_sync(metadata.create_all)
    async with getattr(database, how)() as tx:
        assert await tx.all(select(notes)) == []
        theirs = set(threading.enumerate()) - before
        await database.close()
        assert await tx.all(select(notes)) == []
    assert theirs
    for thread in theirs:
        thread.join(10)
        assert not thread.is_alive()
