"""Several processes of one node on PostgreSQL: leases, messages, keys that follow."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, text

from federation.trust import TrustState
from node.catalogue.catalogue import Catalogue
from node.errors import ConflictError, UnavailableError
from node.exchange import shared_work
from node.exchange.shared_work import CLOCK_WORK, LeasedWork
from node.exchange.wakeup import WakeUp
from node.keys.model import KeyState
from node.keys.opening import open_ring
from node.keys.own_keys import OwnKeys
from node.node_key import KEY_FILE, store_key
from node.processes import OneOfSeveral
from node.storage import leases
from node.storage.database import Transaction
from node.storage.leases import Lease, LeaseLostError, partner_lease, work_lease
from node.storage.node_keys import list_keys
from node.storage.partners import delete_partner, load_partner, update_partner
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import migrate
from node.storage.tables import partner_leases, work_leases
from node.storage.write_guard import guarded_writes
from node.workers.clockwork import Clockwork, Job
from tests.contract.member_world import World, make_world
from tests.contract.test_partners import a_partner, insert

LONG, SHORT = timedelta(seconds=60), timedelta(milliseconds=50)
LEASE = work_lease("test")


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    opened = PostgresDatabase(postgres_url)
    await migrate(opened)
    yield opened
    await opened.close()


async def take(
    database: PostgresDatabase, holder: str, *, length: timedelta = LONG
) -> bool:
    return await database.write(lambda tx: LEASE.take(tx, holder=holder, length=length))


async def holder_of(database: PostgresDatabase, lease: Lease) -> str | None:
    key = next(iter(lease.table.primary_key.columns))
    async with database.read() as tx:
        found: str | None = await tx.scalar(
            select(lease.table.c.holder).where(key == lease.key)
        )
    return found


async def test_one_of_many_gets_a_lease(database: PostgresDatabase) -> None:
    got = await asyncio.gather(*(take(database, str(each)) for each in range(8)))
    assert got.count(True) == 1
    assert await holder_of(database, LEASE) == str(got.index(True))


async def test_a_lease_that_has_run_out_is_taken_over_once(
    database: PostgresDatabase,
) -> None:
    assert await take(database, "gone", length=SHORT)
    assert not await take(database, "early")
    await asyncio.sleep(SHORT.total_seconds())
    got = await asyncio.gather(*(take(database, str(each)) for each in range(8)))
    assert got.count(True) == 1


async def test_a_lease_that_is_given_back_is_free_at_once(
    database: PostgresDatabase,
) -> None:
    assert await take(database, "first")
    await database.write(lambda tx: LEASE.give_back(tx, holder="another"))
    assert not await take(database, "second")
    await database.write(lambda tx: LEASE.give_back(tx, holder="first"))
    assert await take(database, "second")


async def test_renewing_keeps_a_lease(database: PostgresDatabase) -> None:
    assert await take(database, "busy", length=SHORT)
    await database.write(lambda tx: leases.renew_all(tx, holder="busy", length=LONG))
    await asyncio.sleep(2 * SHORT.total_seconds())
    assert not await take(database, "idle")


async def test_whoever_stood_still_writes_nothing(database: PostgresDatabase) -> None:
    """The fence: a paused process does not notice by itself that time has passed."""
    assert await take(database, "paused", length=SHORT)
    await asyncio.sleep(SHORT.total_seconds())
    written: list[str] = []

    async def change(tx: Transaction) -> None:
        written.append("begun")
        await tx.execute(text("CREATE TABLE harm (id int)"))

    with guarded_writes(lambda tx: LEASE.require(tx, holder="paused")):
        # It has run out, but nobody has taken it: nothing speaks against going on.
        await database.write(lambda tx: tx.execute(text("SELECT 1")))
        assert await take(database, "next")
        with pytest.raises(LeaseLostError):
            await database.write(change)
    assert written == []
    # Outside the block nothing is checked.
    await database.write(lambda tx: tx.execute(text("SELECT 1")))


async def test_nobody_takes_over_in_the_middle_of_a_write(
    database: PostgresDatabase,
) -> None:
    assert await take(database, "slow", length=SHORT)
    await asyncio.sleep(SHORT.total_seconds())
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def change(_tx: Transaction) -> None:
        begun.set()
        await go_on.wait()

    async def guarded() -> None:
        with guarded_writes(lambda tx: LEASE.require(tx, holder="slow")):
            await database.write(change)

    writing = asyncio.create_task(guarded())
    await begun.wait()
    async with asyncio.timeout(5):
        assert not await take(database, "next"), "and it does not wait either"
    go_on.set()
    await writing
    assert await take(database, "next")


async def test_clocks_of_machines_do_not_matter(database: PostgresDatabase) -> None:
    """Times are the database's; no time of a process is in any statement."""
    assert await take(database, "one")
    async with database.read() as tx:
        left = await tx.scalar(
            text(
                "SELECT expires_at - EXTRACT(EPOCH FROM clock_timestamp()) * 1000000"
                " FROM work_leases"
            )
        )
    assert 0 < left <= LONG / timedelta(microseconds=1)


async def test_two_processes_deliver_to_a_partner_one_after_the_other(
    database: PostgresDatabase, now: datetime
) -> None:
    await insert(database, a_partner(now))
    at_work: set[str] = set()
    runs: list[str] = []

    def job(name: str) -> Callable[[str], object]:
        async def deliver(partner_id: str) -> None:
            assert not at_work, "two at a time"
            at_work.add(name)
            await asyncio.sleep(0.01)
            at_work.discard(name)
            runs.append(name)

        return deliver

    workers = {name: LeasedWork(database, name) for name in ("a", "b", "c")}

    async def keep_on(name: str) -> None:
        while name not in runs:
            await workers[name].deliver("sued", job(name))  # type: ignore[arg-type]

    await asyncio.gather(*(keep_on(name) for name in workers))
    assert set(runs) == set(workers)
    assert await holder_of(database, partner_lease("sued")) is None
    # Nothing of it keeps a partner from being forgotten.
    await database.write(
        lambda tx: partner_lease("sued").take(tx, holder="x", length=LONG)
    )
    await database.write(lambda tx: delete_partner(tx, "sued"))


async def test_what_a_lost_process_heard_is_not_noted(
    database: PostgresDatabase, now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    await insert(database, a_partner(now))

    async def deliver(partner_id: str) -> None:
        lease = partner_lease(partner_id)

        async def rob(tx: Transaction) -> None:
            await tx.execute(
                partner_leases.update().values(holder="other", expires_at=text("0"))
            )

        other = asyncio.create_task(database.write(rob), context=contextvars.Context())
        await other
        assert await holder_of(database, lease) == "other"
        await database.write(
            lambda tx: update_partner(tx, partner_id, last_error="late")
        )

    await LeasedWork(database, "lost").deliver("sued", deliver)
    assert "was lost" in caplog.text
    async with database.read() as tx:
        partner = await load_partner(tx, "sued")
    assert partner is not None
    assert partner.last_error is None
    assert await holder_of(database, partner_lease("sued")) == "other"


async def test_the_clock_is_one_processs_and_goes_over_to_the_next(
    database: PostgresDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_work, "LEASE_RENEWED_EVERY", timedelta(seconds=0.05))
    monkeypatch.setattr(shared_work, "LEASE_LENGTH", timedelta(seconds=0.3))
    ticks: list[str] = []

    def clock_of(name: str) -> Clockwork:
        async def tick() -> int:
            async def work(_tx: Transaction) -> None:
                ticks.append(name)

            await database.write(work)
            return 0

        return Clockwork([Job("tick", 0.02, tick)])

    workers = {name: LeasedWork(database, name) for name in ("a", "b")}
    running = {
        name: [
            asyncio.create_task(worker.run_clock(clock_of(name).run)),
            asyncio.create_task(worker.keep()),
        ]
        for name, worker in workers.items()
    }
    await asyncio.sleep(0.7)
    (first,) = set(ticks)
    other = "b" if first == "a" else "a"
    # It stops to renew but not to run, as a process that was paused would.
    running[first][1].cancel()
    await until(lambda: other in ticks)
    taken_at = ticks.index(other)
    await asyncio.sleep(0.5)
    assert set(ticks[taken_at + 1 :]) == {other}, "two clocks at a time"
    # One that ends in order hands over at once.
    running[first].append(asyncio.create_task(workers[first].keep()))
    for task in running[other]:
        task.cancel()
    await until(lambda: ticks[-1] == first)
    for task in [*running[first], *running[other]]:
        task.cancel()
    await asyncio.gather(*running[first], *running[other], return_exceptions=True)
    assert await holder_of(database, work_lease(CLOCK_WORK)) is None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - it is a list that grows
            await asyncio.sleep(0.01)


async def test_a_poke_is_heard_in_the_other_process(database: PostgresDatabase) -> None:
    here, there = (OneOfSeveral(database, Counted(name)) for name in "ab")

    async def read_keys() -> None:
        return

    running = asyncio.create_task(there.run(read_keys=read_keys))
    await listening(database)
    begun = asyncio.get_running_loop().time()
    here.wakeup.poke("sued")
    here.wakeup.poke("nord")
    assert await here.wakeup.wait(1) == ["nord", "sued"], "this process hears it too"
    heard: set[str] = set()
    async with asyncio.timeout(5):
        while heard != {"nord", "sued"}:
            heard |= set(await there.wakeup.wait(1))
    assert asyncio.get_running_loop().time() - begun < 1
    # What comes from another process is not passed on again.
    assert await here.wakeup.wait(0.3) == []
    # The connection breaks; it listens anew.
    await database.write(
        lambda tx: tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
            )
        )
    )
    heard.clear()
    async with asyncio.timeout(20):
        while not heard:
            here.wakeup.poke("west")
            await here.wakeup.wait(0.1)
            heard |= set(await there.wakeup.wait(0.2))
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await here.close()


async def listening(database: PostgresDatabase) -> None:
    async with asyncio.timeout(10):
        while True:
            async with database.read() as tx:
                if await tx.scalar(
                    text("SELECT 1 FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
                ):
                    return
            await asyncio.sleep(0.02)


class Counted:
    def __init__(self, name: str) -> None:
        self._name = name

    def bytes(self, count: int) -> bytes:
        return self._name.encode() * count


# Keys


@pytest.fixture
async def world(database: PostgresDatabase, tmp_path: Path) -> World:
    made = await make_world(database)
    made.extra["folders"] = [tmp_path / "here", tmp_path / "there"]
    secret = made.context.keys.secrets[1]
    for folder in made.extra["folders"]:
        folder.mkdir()
        store_key(folder, secret, number=1)
    return made


def keys_of(world: World, folder: Path) -> OwnKeys:
    """The keys as a process that was started now has them."""
    ring = open_ring(folder, world.context.keys.keys, world.context.address)
    context = replace(world.context, keys=ring)
    catalogue = Catalogue(context, world.ledger, world.catalogue._mail, WakeUp())
    return OwnKeys(
        context,
        folder=folder,
        entries=catalogue,
        waker=WakeUp(),
        tell_others=lambda: None,
    )


async def test_another_process_follows_a_rotation(world: World) -> None:
    folder, _ = world.extra["folders"]
    here, there = keys_of(world, folder), keys_of(world, folder)
    await here.rotate(None)
    ring = there._context.keys
    assert ring.announced is None
    await there.follow()
    assert ring.announced is not None
    await here.activate(None)
    await there.follow()
    assert (ring.active.number, ring.signer.key_number) == (2, 2)
    await here.revoke(None, reason="Stick verloren")
    await there.follow()
    assert [key.state for key in ring.keys] == [
        KeyState.REVOKED,
        KeyState.REVOKED,
        KeyState.ACTIVE,
    ]
    assert ring.signer.key_number == 3


async def test_a_process_that_has_not_heard_yet_changes_nothing_twice(
    world: World,
) -> None:
    folder, _ = world.extra["folders"]
    here, there = keys_of(world, folder), keys_of(world, folder)
    results = await asyncio.gather(
        here.rotate(None), there.rotate(None), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, ConflictError)]
    assert [each.code for each in refused] == ["keys-changed"] or [
        each.code for each in refused
    ] == ["rotation-under-way"]
    async with world.context.database.read() as tx:
        assert [key.number for key in await list_keys(tx)] == [1, 2]


async def test_another_machine_goes_on_with_the_old_key_until_the_file_is_there(
    world: World,
) -> None:
    folder, far = world.extra["folders"]
    here, there = keys_of(world, folder), keys_of(world, far)
    await here.rotate(None)
    await there.follow()
    ring = there._context.keys
    partner = replace(
        a_partner(world.clock.now()), state=TrustState.ACTIVE, told_key_number=2
    )
    assert ring.signer_for(partner).key_number == 1
    await here.activate(None)
    await there.follow()
    assert ring.signer_for(partner).key_number == 1
    with pytest.raises(UnavailableError) as missing:
        assert ring.signer
    assert missing.value.code == "key-missing"
    (far / "node-2.key").write_bytes((folder / "node-2.key").read_bytes())
    (far / "node-2.key").chmod(0o600)
    await there.follow()
    assert ring.signer.key_number == 2
    assert ring.signer_for(partner).key_number == 2
    # The old key's secret goes on both machines.
    world.clock.advance(hours=1)
    await here.retire(None)
    assert not (folder / KEY_FILE).exists()
    assert (far / KEY_FILE).exists()
    await there.follow()
    assert not (far / KEY_FILE).exists()


async def test_renewing_touches_only_what_is_ones_own(
    database: PostgresDatabase,
) -> None:
    assert await take(database, "one", length=SHORT)
    before = await expiry(database)
    await database.write(lambda tx: leases.renew_all(tx, holder="two", length=LONG))
    assert await expiry(database) == before


async def expiry(database: PostgresDatabase) -> object:
    async with database.read() as tx:
        return await tx.scalar(select(work_leases.c.expires_at))
