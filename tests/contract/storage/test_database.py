"""What both engines promise: all or nothing, told only after the commit."""

import asyncio
import logging

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, insert, select, update
from sqlalchemy.exc import IntegrityError

from node.errors import UnavailableError
from node.storage.database import Database, Transaction, Work

SOON = 10  # seconds; a deadlock fails here instead of hanging

metadata = MetaData()
notes = Table("notes", metadata, Column("id", String(20), primary_key=True))
heads = Table(
    "heads",
    metadata,
    Column("id", String(20), primary_key=True),
    Column("seq", Integer, nullable=False),
)
taken = Table(
    "taken",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("by", String(20), nullable=False),
)


@pytest.fixture
async def database(empty_database: Database) -> Database:
    await empty_database.run_sync(metadata.create_all)
    return empty_database


def adding(*ids: str) -> Work[str]:
    async def work(tx: Transaction) -> str:
        for note in ids:
            await tx.execute(insert(notes).values(id=note))
        return ids[-1]

    return work


async def stored(database: Database) -> set[str]:
    async with database.read() as tx:
        return {row.id for row in await tx.all(select(notes))}


async def test_result_comes_after_the_commit(database: Database) -> None:
    assert await database.write(adding("a")) == "a"
    assert await stored(database) == {"a"}


async def test_failing_work_leaves_nothing_and_its_error_arrives(
    database: Database,
) -> None:
    async def fails(tx: Transaction) -> None:
        await adding("half")(tx)
        raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        await database.write(fails)
    assert await stored(database) == set()


async def test_work_that_fails_takes_nothing_of_others_with_it(
    database: Database,
) -> None:
    async def fails(tx: Transaction) -> None:
        await adding("bad")(tx)
        raise LookupError

    async def breaks_a_rule(tx: Transaction) -> None:
        await adding("twice")(tx)
        await adding("twice")(tx)

    works = [adding("a"), fails, adding("b"), breaks_a_rule, adding("c")]
    results = await asyncio.gather(
        *(database.write(work) for work in works), return_exceptions=True
    )
    assert [type(result) for result in results] == [
        str,
        LookupError,
        str,
        IntegrityError,
        str,
    ]
    assert await stored(database) == {"a", "b", "c"}


async def test_errors_do_not_print_what_was_to_be_stored(database: Database) -> None:
    await database.write(adding("confidential"))
    with pytest.raises(IntegrityError) as caught:
        await database.write(adding("confidential"))
    statement = str(caught.value).partition("[SQL")[2]
    assert "hidden" in statement
    assert "confidential" not in statement


async def test_hooks_run_after_the_commit_and_never_after_a_failure(
    database: Database,
) -> None:
    seen: list[tuple[str, set[str]]] = []
    tasks: list[asyncio.Task[None]] = []

    def hook(name: str) -> None:
        async def look() -> None:
            seen.append((name, await stored(database)))

        tasks.append(asyncio.create_task(look()))

    async def succeeds(tx: Transaction) -> None:
        tx.after_commit(lambda: hook("succeeds"))
        await adding("a")(tx)

    async def fails(tx: Transaction) -> None:
        tx.after_commit(lambda: hook("fails"))
        raise LookupError

    await asyncio.gather(
        database.write(succeeds), database.write(fails), return_exceptions=True
    )
    await asyncio.gather(*tasks)
    assert seen == [("succeeds", {"a"})]


async def test_a_failing_hook_does_not_undo_or_deny_what_is_stored(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise RuntimeError("hook")

    async def work(tx: Transaction) -> str:
        tx.after_commit(broken)
        return await adding("a")(tx)

    assert await database.write(work) == "a"
    assert "after-commit hook failed" in caplog.text


async def test_a_hook_may_write(database: Database) -> None:
    tasks: list[asyncio.Task[str]] = []

    async def work(tx: Transaction) -> None:
        tx.after_commit(
            lambda: tasks.append(asyncio.create_task(database.write(adding("b"))))
        )
        await adding("a")(tx)

    async with asyncio.timeout(SOON):
        await database.write(work)
        await asyncio.gather(*tasks)
    assert await stored(database) == {"a", "b"}


async def test_caller_cancelled_in_mid_work_does_not_stop_the_work(
    database: Database,
) -> None:
    begun, go_on, hooked = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(tx: Transaction) -> None:
        tx.after_commit(hooked.set)
        await adding("a")(tx)
        begun.set()
        await go_on.wait()
        await adding("b")(tx)

    caller = asyncio.create_task(database.write(work))
    async with asyncio.timeout(SOON):
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        go_on.set()
        await hooked.wait()
        assert await stored(database) == {"a", "b"}
        await database.write(adding("c"))


async def test_work_that_is_cancelled_from_inside_harms_nobody(
    database: Database,
) -> None:
    async def cancelled(tx: Transaction) -> None:
        await adding("bad")(tx)
        raise asyncio.CancelledError

    async with asyncio.timeout(SOON):
        results = await asyncio.gather(
            database.write(adding("a")),
            database.write(cancelled),
            database.write(adding("b")),
            return_exceptions=True,
        )
        assert [type(result) for result in results] == [
            str,
            asyncio.CancelledError,
            str,
        ]
        await database.write(adding("c"))
    assert await stored(database) == {"a", "b", "c"}


async def test_work_that_runs_out_of_its_own_time_harms_nobody(
    database: Database,
) -> None:
    async def slow(tx: Transaction) -> None:
        await adding("bad")(tx)
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()

    async with asyncio.timeout(SOON):
        results = await asyncio.gather(
            database.write(adding("a")),
            database.write(slow),
            database.write(adding("b")),
            return_exceptions=True,
        )
    assert [type(result) for result in results] == [str, TimeoutError, str]
    assert await stored(database) == {"a", "b"}


async def test_nested_use_is_refused_at_once(database: Database) -> None:
    async def writes_again(tx: Transaction) -> None:
        await database.write(adding("inner"))

    async def reads_elsewhere(tx: Transaction) -> None:
        async with database.read() as other:
            await other.all(select(notes))

    async with asyncio.timeout(SOON):
        for work in (writes_again, reads_elsewhere):
            with pytest.raises(RuntimeError, match="transaction that it is given"):
                await database.write(work)
        await database.write(adding("a"))


async def test_a_reader_keeps_its_view_while_others_write(database: Database) -> None:
    await database.write(adding("a"))
    async with asyncio.timeout(SOON), database.read() as tx:
        before = await tx.all(select(notes))
        await database.write(adding("b"))
        assert await tx.all(select(notes)) == before
    assert await stored(database) == {"a", "b"}


@pytest.mark.parametrize("how", ["read", "look_up"])
async def test_a_reader_cannot_write(database: Database, how: str) -> None:
    async with getattr(database, how)() as tx:
        with pytest.raises(Exception, match=r"readonly|read-only"):
            await tx.execute(insert(notes).values(id="a"))
    assert await stored(database) == set()


async def test_cancelled_readers_give_their_connections_back(
    database: Database,
) -> None:
    async def hold() -> None:
        async with database.read() as tx:
            await tx.all(select(notes))
            await asyncio.Event().wait()

    for _ in range(5):
        readers = [asyncio.create_task(hold()) for _ in range(4)]
        await asyncio.sleep(0.02)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    async with asyncio.timeout(SOON):
        await database.write(adding("a"))
        assert await stored(database) == {"a"}


async def test_positions_have_no_gaps_and_no_duplicates(database: Database) -> None:
    async def prepare(tx: Transaction) -> None:
        await tx.execute(insert(heads).values(id="partner", seq=0))

    await database.write(prepare)

    def taking(name: str, *, fails: bool) -> Work[int]:
        async def work(tx: Transaction) -> int:
            seq: int = await tx.scalar(
                update(heads)
                .where(heads.c.id == "partner")
                .values(seq=heads.c.seq + 1)
                .returning(heads.c.seq)
            )
            await asyncio.sleep(0)
            await tx.execute(insert(taken).values(seq=seq, by=name))
            if fails:
                raise LookupError
            return seq

        return work

    results = await asyncio.gather(
        *(
            database.write(taking(str(number), fails=number % 5 == 4))
            for number in range(100)
        ),
        return_exceptions=True,
    )
    numbers = [result for result in results if isinstance(result, int)]
    assert sorted(numbers) == list(range(1, 81))
    async with database.read() as tx:
        rows = await tx.all(select(taken.c.seq).order_by(taken.c.seq))
    assert [row.seq for row in rows] == list(range(1, 81))


async def test_closing_finishes_what_was_accepted(database: Database) -> None:
    accepted = [
        asyncio.create_task(database.write(adding(f"n{number}"))) for number in range(9)
    ]
    await asyncio.sleep(0)  # they are queued now
    async with asyncio.timeout(SOON):
        await database.close()
        assert await asyncio.gather(*accepted) == [f"n{number}" for number in range(9)]
    with pytest.raises(UnavailableError) as caught:
        await database.write(adding("late"))
    assert caught.value.code == "stopping"


async def test_closing_twice_is_allowed(database: Database) -> None:
    await database.write(adding("a"))
    async with asyncio.timeout(SOON):
        await database.close()
        await database.close()


async def test_migrating_beside_writers_does_not_mix_transactions(
    database: Database,
) -> None:
    def count(connection) -> int:  # type: ignore[no-untyped-def]
        return len(connection.execute(select(notes)).all())

    async def two(tx: Transaction) -> None:
        await adding("a")(tx)
        await asyncio.sleep(0.02)
        await adding("b")(tx)

    writing = asyncio.create_task(database.write(two))
    await asyncio.sleep(0.005)
    async with asyncio.timeout(SOON):
        assert await database.run_sync(count) in (0, 2)
        await writing
        assert await database.run_sync(count) == 2


async def test_nothing_unexpected_is_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await asyncio.gather(*(database.write(adding(f"n{n}")) for n in range(200)))
    assert len(await stored(database)) == 200
    assert caplog.records == []
