"""What PostgreSQL needs beside the common contract."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from node.errors import UnavailableError
from node.storage import postgres_database
from node.storage.database import Transaction
from node.storage.postgres_database import POSTGRES_ATTEMPTS, PostgresDatabase


async def test_a_deadlock_is_tried_again(postgres_url: str) -> None:
    database = PostgresDatabase(postgres_url)
    try:

        async def prepare(tx: Transaction) -> None:
            await tx.execute(text("CREATE TABLE heads (id int PRIMARY KEY, seq int)"))
            await tx.execute(text("INSERT INTO heads VALUES (1, 0), (2, 0)"))

        await database.write(prepare)
        both = asyncio.Barrier(2)
        runs: list[int] = []

        async def crossing(tx: Transaction, first: int, second: int) -> None:
            runs.append(first)
            raising = text("UPDATE heads SET seq = seq + 1 WHERE id = :id")
            await tx.execute(raising, {"id": first})
            if len(runs) <= 2:
                await both.wait()
            await tx.execute(raising, {"id": second})

        async with asyncio.timeout(30):
            await asyncio.gather(
                database.write(lambda tx: crossing(tx, 1, 2)),
                database.write(lambda tx: crossing(tx, 2, 1)),
            )
        assert len(runs) == 3
        async with database.read() as tx:
            rows = await tx.all(text("SELECT seq FROM heads"))
        assert [row.seq for row in rows] == [2, 2]
    finally:
        await database.close()


async def test_it_gives_up_after_some_attempts(postgres_url: str) -> None:
    database = PostgresDatabase(postgres_url)
    try:
        runs: list[int] = []

        async def always(tx: Transaction) -> None:
            runs.append(1)
            await tx.execute(
                text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE='40001'; END $$")
            )

        with pytest.raises(DBAPIError):
            await database.write(always)
        assert len(runs) == POSTGRES_ATTEMPTS
    finally:
        await database.close()


async def test_a_server_that_ends_the_connection_is_an_outage(
    postgres_url: str,
) -> None:
    database = PostgresDatabase(postgres_url)
    try:

        async def killed(tx: Transaction) -> None:
            await tx.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        with pytest.raises(UnavailableError) as caught:
            await database.write(killed)
        assert caught.value.code == "storage-unavailable"
        async with database.read() as tx:
            assert await tx.scalar(text("SELECT 1")) == 1
    finally:
        await database.close()


async def test_a_process_that_stands_still_holds_nobody_up(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its transaction is ended by the server; the others get the row."""
    short = {"idle_in_transaction_session_timeout": timedelta(seconds=0.4)}
    monkeypatch.setattr(postgres_database, "_SETTINGS", short)
    paused, other = PostgresDatabase(postgres_url), PostgresDatabase(postgres_url)
    try:

        async def prepare(tx: Transaction) -> None:
            await tx.execute(text("CREATE TABLE heads (id int PRIMARY KEY, seq int)"))
            await tx.execute(text("INSERT INTO heads VALUES (1, 0)"))

        async def stand_still(tx: Transaction) -> None:
            await tx.execute(text("UPDATE heads SET seq = 99"))
            await asyncio.sleep(1)
            await tx.execute(text("SELECT 1"))

        async def raise_it(tx: Transaction) -> None:
            await tx.execute(text("UPDATE heads SET seq = seq + 1"))

        await other.write(prepare)
        standing = asyncio.create_task(paused.write(stand_still))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(10):
            await other.write(raise_it)
        with pytest.raises(UnavailableError):
            await standing
        async with other.read() as tx:
            assert await tx.scalar(text("SELECT seq FROM heads")) == 1
        await paused.write(raise_it)
    finally:
        await paused.close()
        await other.close()


async def test_whoever_waits_too_long_for_a_row_is_told_so(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = {"lock_timeout": timedelta(seconds=0.2)}
    monkeypatch.setattr(postgres_database, "_SETTINGS", short)
    database = PostgresDatabase(postgres_url)
    go_on = asyncio.Event()
    try:

        async def hold(tx: Transaction) -> None:
            await tx.execute(text("LOCK TABLE heads"))
            await go_on.wait()

        async def prepare(tx: Transaction) -> None:
            await tx.execute(text("CREATE TABLE heads (id int PRIMARY KEY, seq int)"))

        async def change(tx: Transaction) -> None:
            await tx.execute(text("INSERT INTO heads VALUES (1, 0)"))

        await database.write(prepare)
        holding = asyncio.create_task(database.write(hold))
        await asyncio.sleep(0.1)
        with pytest.raises(UnavailableError) as caught:
            await database.write(change)
        assert caught.value.code == "storage-unavailable"
        go_on.set()
        await holding
        await database.write(change)
    finally:
        await database.close()


async def test_no_server_is_an_outage_and_names_no_password() -> None:
    database = PostgresDatabase(
        "postgresql+psycopg://node:geheim@127.0.0.1:1/spalier?connect_timeout=2"
    )

    async def work(tx: Transaction) -> None:
        await tx.execute(text("SELECT 1"))

    try:
        with pytest.raises(UnavailableError) as caught:
            await database.write(work)
        assert "geheim" not in f"{caught.value} {caught.value.__cause__}"
        with pytest.raises(UnavailableError):
            async with database.read():
                pass
    finally:
        await database.close()
