"""What SQLite alone promises: one writer, group commit, disk faults survived."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from node.errors import UnavailableError
from node.storage import sqlite_connection
from node.storage.database import SqliteDatabase, Transaction, Work, open_database

SOON = 10  # seconds


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(path)

    async def create(tx: Transaction) -> None:
        await tx.execute(text("CREATE TABLE notes (id INTEGER PRIMARY KEY, body BLOB)"))

    await database.write(create)
    yield database
    await database.close()


def adding(note: int, *, size: int = 10) -> Work[int]:
    async def work(tx: Transaction) -> int:
        await tx.execute(text(f"INSERT INTO notes VALUES ({note}, zeroblob({size}))"))
        return note

    return work


async def stored(database: SqliteDatabase) -> list[int]:
    async with database.read() as tx:
        return [
            row.id for row in await tx.all(text("SELECT id FROM notes ORDER BY id"))
        ]


def on_disk(path: Path) -> list[int]:
    """Read with a foreign connection: what a crash right now would leave."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [
            row[0] for row in connection.execute("SELECT id FROM notes ORDER BY id")
        ]


def statements_of(database: SqliteDatabase) -> list[str]:
    seen: list[str] = []
    connection = database._write_connection
    assert connection is not None
    connection._driver.set_trace_callback(seen.append)
    return seen


async def limit_pages(database: SqliteDatabase, *, free: int) -> None:
    async def work(tx: Transaction) -> None:
        used = await tx.scalar(text("PRAGMA page_count"))
        await tx.execute(text(f"PRAGMA max_page_count = {used + free}"))

    await database.write(work)


async def lift_limit(database: SqliteDatabase) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(text("PRAGMA max_page_count = 1000000"))

    await database.write(work)


async def test_durability_and_safety_are_really_set(database: SqliteDatabase) -> None:
    expected = {
        "journal_mode": "wal",
        "synchronous": 2,  # FULL: an acknowledged commit survives a power cut
        "foreign_keys": 1,
        "busy_timeout": 10_000,
        "trusted_schema": 0,
        "cell_size_check": 1,
        "secure_delete": 1,
        "mmap_size": 0,
    }

    async def settings(tx: Transaction) -> dict[str, object]:
        return {
            name: await tx.scalar(text(f"PRAGMA {name}"))
            for name in (*expected, "wal_autocheckpoint", "query_only")
        }

    writer = await database.write(settings)
    async with database.read() as tx:
        reader = await settings(tx)
    assert writer == expected | {"wal_autocheckpoint": 1000, "query_only": 0}
    # Two connections that checkpoint may corrupt the file before 3.51.3.
    assert reader == expected | {"wal_autocheckpoint": 0, "query_only": 1}


async def test_work_begins_with_the_write_lock(
    database: SqliteDatabase, path: Path
) -> None:
    locked: list[bool] = []

    async def reads_only(tx: Transaction) -> None:
        await tx.all(text("SELECT id FROM notes"))
        with closing(sqlite3.connect(path, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                locked.append(True)

    await database.write(reads_only)
    assert locked == [True]


async def test_a_reader_takes_no_write_lock(
    database: SqliteDatabase, path: Path
) -> None:
    async with database.read() as tx:
        await tx.all(text("SELECT id FROM notes"))
        with closing(sqlite3.connect(path, timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")


async def test_waiting_work_shares_one_commit(database: SqliteDatabase) -> None:
    seen = statements_of(database)
    await asyncio.gather(*(database.write(adding(n)) for n in range(1, 61)))
    assert seen.count("BEGIN IMMEDIATE") <= 2
    assert len(await stored(database)) == 60


async def test_acknowledged_work_is_in_the_file(
    database: SqliteDatabase, path: Path
) -> None:
    for note in (1, 2, 3):
        await database.write(adding(note))
        assert on_disk(path)[-1] == note


async def test_cancelled_while_queued_is_taken_back(database: SqliteDatabase) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def blocks(tx: Transaction) -> None:
        begun.set()
        await go_on.wait()

    first = asyncio.create_task(database.write(blocks))
    await begun.wait()
    second = asyncio.create_task(database.write(adding(2)))
    third = asyncio.create_task(database.write(adding(3)))
    await asyncio.sleep(0)
    second.cancel()
    go_on.set()
    async with asyncio.timeout(SOON):
        await asyncio.gather(first, third)
    assert await stored(database) == [3]


async def test_full_disk_loses_nothing_that_was_acknowledged(
    database: SqliteDatabase, path: Path
) -> None:
    """SQLite ends the whole transaction when it is full, not the savepoint only."""
    await limit_pages(database, free=20)
    results = await asyncio.gather(
        database.write(adding(1)),
        database.write(adding(2, size=1_000_000)),
        database.write(adding(3)),
        database.write(adding(4, size=1_000_000)),
        database.write(adding(5)),
        return_exceptions=True,
    )
    assert [result for result in results if isinstance(result, int)] == [1, 3, 5]
    for error in (results[1], results[3]):
        assert isinstance(error, UnavailableError)
        assert error.code == "storage-unavailable"
    assert on_disk(path) == [1, 3, 5]
    await lift_limit(database)
    await database.write(adding(6))
    assert on_disk(path) == [1, 3, 5, 6]


async def test_hooks_of_work_that_ran_again_are_called_once(
    database: SqliteDatabase,
) -> None:
    called: list[int] = []

    async def work(tx: Transaction) -> None:
        tx.after_commit(lambda: called.append(1))
        await adding(1)(tx)

    await limit_pages(database, free=20)
    await asyncio.gather(
        database.write(work),
        database.write(adding(2, size=1_000_000)),
        return_exceptions=True,
    )
    assert called == [1]


async def test_an_error_caused_by_lost_work_is_not_reported(
    database: SqliteDatabase,
) -> None:
    """The second one collides with the first, which the full disk then undoes."""
    await limit_pages(database, free=20)

    async def too_big_at_the_end(tx: Transaction) -> None:
        await adding(2)(tx)
        await adding(9, size=1_000_000)(tx)

    results = await asyncio.gather(
        database.write(adding(1)),
        database.write(too_big_at_the_end),
        database.write(adding(2)),
        return_exceptions=True,
    )
    assert isinstance(results[1], UnavailableError)
    assert (results[0], results[2]) == (1, 2)
    assert await stored(database) == [1, 2]


async def test_failed_commit_reaches_every_caller_and_the_writer_goes_on(
    database: SqliteDatabase, path: Path
) -> None:
    # A deferred rule is checked by COMMIT itself.
    async def prepare(tx: Transaction) -> None:
        await tx.execute(
            text(
                "CREATE TABLE links (note INTEGER REFERENCES notes (id) "
                "DEFERRABLE INITIALLY DEFERRED)"
            )
        )

    await database.write(prepare)
    hooks: list[str] = []

    async def dangling(tx: Transaction) -> None:
        tx.after_commit(lambda: hooks.append("dangling"))
        await tx.execute(text("INSERT INTO links VALUES (99)"))

    async with asyncio.timeout(SOON):
        results = await asyncio.gather(
            database.write(adding(1)), database.write(dangling), return_exceptions=True
        )
        assert all(isinstance(result, Exception) for result in results)
        assert hooks == []
        assert on_disk(path) == []
        await database.write(adding(2))
    assert on_disk(path) == [2]


async def test_file_locked_by_another_program_is_an_outage(
    database: SqliteDatabase, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_connection, "SQLITE_BUSY_TIMEOUT_MS", 20)
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(UnavailableError):
            await database.write(adding(1))
    await database.write(adding(2))
    assert await stored(database) == [2]


async def test_time_out_in_the_middle_of_a_statement(
    database: SqliteDatabase, path: Path
) -> None:
    """The driver's thread goes on; nobody may start over beside it."""

    async def slow(tx: Transaction) -> None:
        await adding(9)(tx)
        async with asyncio.timeout(0.05):
            await tx.scalar(
                text(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                    "LIMIT 3000000) SELECT count(*) FROM n"
                )
            )

    async with asyncio.timeout(60):
        results = await asyncio.gather(
            database.write(adding(1)),
            database.write(slow),
            database.write(adding(2)),
            return_exceptions=True,
        )
        assert (results[0], results[2]) == (1, 2)
        assert isinstance(results[1], TimeoutError)
        await database.write(adding(3))
    assert on_disk(path) == [1, 2, 3]


async def test_reader_that_is_cancelled_in_a_statement_holds_no_snapshot(
    database: SqliteDatabase, path: Path
) -> None:
    async def search() -> None:
        async with database.read() as tx:
            await tx.all(text("SELECT id FROM notes"))
            await tx.scalar(
                text(
                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
                    "LIMIT 500000) SELECT count(*) FROM n"
                )
            )

    readers = [asyncio.create_task(search()) for _ in range(4)]
    await asyncio.sleep(0.1)
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)
    assert all(reader.cancelled() for reader in readers)
    await database.write(adding(1))
    with closing(sqlite3.connect(path)) as other:
        # busy, log frames, checkpointed frames: a snapshot would make it busy
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


async def test_cancelled_writer_leaves_no_caller_waiting(
    database: SqliteDatabase,
) -> None:
    async def blocks(tx: Transaction) -> None:
        await asyncio.Event().wait()

    callers = [
        asyncio.create_task(database.write(work)) for work in (blocks, adding(1))
    ]
    await asyncio.sleep(0.05)
    callers.append(asyncio.create_task(database.write(adding(2))))
    await asyncio.sleep(0)
    assert database._writer is not None
    database._writer.cancel()
    async with asyncio.timeout(SOON):
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(result) for result in results] == [UnavailableError] * 3
        assert await database.write(adding(3)) == 3
    assert await stored(database) == [3]


async def test_cancelled_close_does_not_abort_the_commit(
    database: SqliteDatabase, path: Path
) -> None:
    go_on = asyncio.Event()

    async def waits(tx: Transaction) -> int:
        await adding(1)(tx)
        await go_on.wait()
        return 1

    caller = asyncio.create_task(database.write(waits))
    await asyncio.sleep(0.05)
    closing_task = asyncio.create_task(database.close())
    await asyncio.sleep(0)
    closing_task.cancel()
    await asyncio.gather(closing_task, return_exceptions=True)
    go_on.set()
    async with asyncio.timeout(SOON):
        assert await caller == 1
    assert on_disk(path) == [1]


async def test_closing_leaves_one_file(database: SqliteDatabase, path: Path) -> None:
    await database.write(adding(1))
    await stored(database)
    await database.close()
    assert sorted(found.name for found in path.parent.iterdir()) == ["node.sqlite"]


async def test_readers_and_writers_do_not_wait_for_each_other(
    database: SqliteDatabase,
) -> None:
    async def read_then_write(number: int) -> None:
        async with database.read() as tx:
            await tx.all(text("SELECT id FROM notes"))
            await database.write(adding(number))

    async with asyncio.timeout(SOON):
        await asyncio.gather(*(read_then_write(number) for number in range(1, 41)))
    assert len(await stored(database)) == 40


async def test_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "50%? #1 &x=y"
    folder.mkdir()
    database = SqliteDatabase(folder / "node.sqlite")

    async def work(tx: Transaction) -> None:
        await tx.execute(text("CREATE TABLE notes (id INTEGER)"))

    await database.write(work)
    await database.close()
    assert [found.name for found in folder.iterdir()] == ["node.sqlite"]


def test_missing_file_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        open_database("", folder=tmp_path)
    assert caught.value.code == "database-missing"
    assert list(tmp_path.iterdir()) == []
