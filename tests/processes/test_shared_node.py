"""Two serves and two workers of one node on PostgreSQL, killed and paused at will.

The second serve and the second worker run on a copy of the node's folder, as they
would on another machine. Leases are shortened; what is shown does not depend on it.
"""

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.cli.conftest import TestNode, free_ports, make_node, spalier, wait_until
from tests.postgres_server import PostgresServer
from tests.processes.running import (
    Launcher,
    Running,
    answers,
    command,
    connect,
    ended,
    eventually,
    in_sync,
    publish,
)

SEED = int(
    os.environ.get("SPALIER_PROCESS_SEED", "0")
) or random.SystemRandom().randrange(10**6)
CHANGES = int(os.environ.get("SPALIER_SHARED_CHANGES", "80"))
LEASE = 2.0
LIMITS = {"LEASE_LENGTH": LEASE, "LEASE_RENEWED_EVERY": 0.4}
DEBUG = {"SPALIER_LOG__LEVEL": "debug"}
TRUSTED = {"level": "trusted"}


@dataclass
class SharedNode:
    """Node A on PostgreSQL in two folders, and its partner B on SQLite."""

    launcher: Launcher
    database: str
    here: Path
    there: Path
    partner: TestNode
    other_port: int
    processes: list[Running] = field(default_factory=list)

    def start(self, what: str, folder: Path, name: str, **environ: str) -> Running:
        process = self.launcher.start(
            what,
            folder,
            log=folder.parent / f"{name}.log",
            environ={**(DEBUG if what == "worker" else {}), **environ},
            limits=LIMITS,
        )
        self.processes.append(process)
        return process

    def start_doors(self) -> None:
        """Start both serves, unless they run."""
        for folder, name, environ in (
            (self.here, "doors0", {}),
            (self.there, "doors1", {"SPALIER_LISTEN__PORT": str(self.other_port)}),
        ):
            if not any(
                each.what == "doors" and each.folder == folder and each.is_alive
                for each in self.processes
            ):
                self.start("doors", folder, name, **environ)

    def wait_for(self, *folders: Path) -> None:
        """Wait until a process answers in each folder."""
        for folder in folders:
            wait_until(
                lambda folder=folder: answers(folder),  # type: ignore[misc]
                what=lambda: "\n".join(
                    each.log.read_text()[-2000:] for each in self.processes
                ),
            )

    def worker(self, number: int) -> Running:
        return self.start("worker", (self.here, self.there)[number], f"worker{number}")

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database) as connection:
            return connection.execute(query).fetchall()  # type: ignore[arg-type]

    def held_by_partner(self) -> dict[str, int]:
        """What B shows: the version's counter by the entry's address."""
        with closing(sqlite3.connect(self.partner.folder / "node.sqlite")) as database:
            return dict(
                database.execute(
                    "SELECT entry_uri, counter FROM received_entries"
                    " WHERE state = 'present'"
                )
            )

    def holder(self) -> str | None:
        found = self.rows("SELECT holder FROM partner_leases")
        return str(found[0][0]) if found else None


@pytest.fixture(scope="module")
def both(
    launcher: Launcher,
    postgres_server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedNode]:
    """A node with two serves, and its partner; no worker runs."""
    folder = tmp_path_factory.mktemp("shared")
    with postgres_server.fresh_database() as url:
        port, other_port = free_ports(2)
        here, there = folder / "here", folder / "there"
        made = spalier(
            *("init", "--node", here, "--url", f"http://127.0.0.1:{port}"),
            *("--name", "Nord", "--allow-loopback-http", "--database", url, "--json"),
        )
        assert made.code == 0, made
        shutil.copytree(here, there)
        partner = make_node(folder / "sued", "Süd")
        database = url.replace("postgresql+psycopg", "postgresql")
        node = SharedNode(launcher, database, here, there, partner, other_port)
        with ended(node.processes):
            node.start_doors()
            node.start("serve", partner.folder, "partner")
            worker = node.worker(0)
            node.wait_for(here, there, partner.folder)
            connect(here, partner.folder)
            worker.stop()
            yield node


@pytest.fixture
def shared(both: SharedNode) -> Iterator[SharedNode]:
    """The node with both serves and no worker; what a test started is ended."""
    both.start_doors()
    both.wait_for(both.here, both.there, both.partner.folder)
    yield both
    for process in both.processes:
        if process.what == "worker":
            process.stop()
    # In order: nothing is left behind that the next test would wait for.
    assert both.holder() is None


class Load:
    """Changes through both serves; remembers what was acknowledged."""

    def __init__(self, node: SharedNode, chance: random.Random) -> None:
        self._node = node
        self._chance = chance
        self.visible: dict[str, int] = {}
        self.gone: set[str] = set()
        self.done = 0

    def change(self) -> None:
        folder = self._chance.choice((self._node.here, self._node.there))
        known = sorted(self.visible)
        step = self._chance.random()
        if not known or step < 0.45:
            self._note(publish(folder, audience=TRUSTED))
        elif step < 0.75:
            ref = self._chance.choice(known)
            text = {"de": f"Stand {self.done}."}
            self._note(publish(folder, ref=ref, summary=text, audience=TRUSTED))
        elif step < 0.85:
            ref = self._chance.choice(known)
            publish(folder, ref=ref, audience={"level": "cluster"})
            self._gone(ref)
        else:
            ref = self._chance.choice(known)
            how = self._chance.choice(("entry.withdraw", "entry.delete"))
            command(folder, how, entry=ref)
            self._gone(ref)
        self.done += 1

    def _note(self, document: dict[str, Any]) -> None:
        self.visible[document["id"]] = document["version"][1]

    def _gone(self, ref: str) -> None:
        del self.visible[ref]
        self.gone.add(ref)


def test_workers_that_are_killed_lose_and_double_nothing(shared: SharedNode) -> None:
    print(f"SPALIER_PROCESS_SEED={SEED}")
    chance = random.Random(SEED)
    load = Load(shared, chance)
    before = shared.held_by_partner()
    workers = [shared.worker(0), shared.worker(1)]
    killed: list[Running] = []
    failed: list[BaseException] = []

    def write() -> None:
        try:
            while load.done < CHANGES:
                load.change()
                time.sleep(0.02)  # so that workers are killed in the middle of it
        except BaseException as error:
            failed.append(error)
            raise

    writing = threading.Thread(target=write)
    writing.start()
    while writing.is_alive():
        time.sleep(chance.uniform(0.1, 1.0))
        number = chance.randrange(2)
        workers[number].kill()
        killed.append(workers[number])
        if chance.random() < 0.5:
            time.sleep(chance.uniform(0, 0.5))
        workers[number] = shared.worker(number)
    writing.join()
    assert not failed, failed
    eventually(
        lambda: (
            in_sync(shared.here)
            and shared.held_by_partner() == {**before, **load.visible}
        ),
        30,
        f"seed {SEED}: the partner does not hold what it should",
    )
    check_ledger(shared, {**before, **load.visible})
    check_one_deliverer_at_a_time(workers, killed)
    assert len(killed) >= 3, "too quick to show anything: raise SPALIER_SHARED_CHANGES"
    print(f"{load.done} changes, {len(killed)} workers killed")


def check_ledger(shared: SharedNode, visible: dict[str, int]) -> None:
    """No gap and no double: every position once, everything confirmed."""
    rows = shared.rows(
        "SELECT seq, op, acknowledged_at IS NULL, entry_id FROM disclosures"
        " ORDER BY seq"
    )
    positions = [row[0] for row in rows]
    assert len(set(positions)) == len(positions)
    assert not any(unconfirmed for _, _, unconfirmed, _ in rows)
    ((head, acked),) = shared.rows("SELECT head_seq, acked_seq FROM partners")
    assert (head, acked) == (max(positions), max(positions))
    told = {row[3] for row in rows if row[1] == "upsert"}
    assert told == {uri.rpartition("/")[2] for uri in visible}
    # Nothing of an entry that was never told: no row, so B never heard of it.
    with closing(sqlite3.connect(shared.partner.folder / "node.sqlite")) as database:
        heard = {
            uri for (uri,) in database.execute("SELECT entry_uri FROM received_entries")
        }
    assert {uri.rpartition("/")[2] for uri in heard} == {row[3] for row in rows}


def check_one_deliverer_at_a_time(
    workers: list[Running], killed: list[Running]
) -> None:
    """From the logs: who took the partner's lease, and when it was given back."""
    died = {str(each.pid): each.killed_at for each in killed}
    steps = []
    for log in {each.log for each in workers}:
        for event in next(each for each in workers if each.log == log).events():
            words = event["event"].split()
            if words[:2] == ["lease", "of"] and words[2] != "clock":
                steps.append((event["time"], words[3], words[-1].partition("-")[0]))
    steps.sort()
    assert len(steps) > 5
    holder: str | None = None
    for at, what, process in steps:
        if what == "taken":
            if holder is not None and holder != process:
                dead = died.get(holder)
                assert dead is not None, f"{holder} and {process} at a time, {at}"
                assert seconds(at) >= dead - 0.05, f"{process} took over early, {at}"
            holder = process
        elif what == "ends":
            assert holder == process, f"{process} ends what {holder} holds, {at}"
            holder = None


def seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


def test_a_change_in_one_serve_is_delivered_by_a_worker_at_once(
    shared: SharedNode,
) -> None:
    for number in (0, 1):
        shared.worker(number)
    publish(shared.here, audience=TRUSTED)
    eventually(lambda: in_sync(shared.here), 20, "nobody delivers")
    took = []
    before = len(shared.held_by_partner())
    for count in range(before + 1, before + 7):
        folder = (shared.here, shared.there)[count % 2]
        publish(folder, audience=TRUSTED)
        took.append(eventually(partial(holds, shared, count), 20, "late"))
        time.sleep(0.1)
    print("seconds from the answer to the partner:", [round(each, 3) for each in took])
    assert sorted(took)[len(took) // 2] < 1.0


def holds(shared: SharedNode, count: int) -> bool:
    return len(shared.held_by_partner()) == count


def is_told(shared: SharedNode) -> bool:
    """Whether the page is on its way: it was noted that it leaves, and committed."""
    ((waiting,),) = shared.rows(
        "SELECT count(*) FROM disclosures WHERE told_at IS NULL"
    )
    return shared.holder() is not None and waiting == 0


def hanging(shared: SharedNode) -> tuple[Running, str]:
    """Let a delivery hang: the partner takes the connection and says nothing."""
    publish(shared.here, audience=TRUSTED)
    eventually(lambda: in_sync(shared.here), 20, "nobody delivers")
    eventually(lambda: shared.holder() is None, 20, "the lease is not given back")
    (partner,) = [each for each in shared.processes if each.what == "serve"]
    partner.send(signal.SIGSTOP)
    publish(shared.here, audience=TRUSTED)
    eventually(lambda: is_told(shared), 10, "nobody took the lease")
    holder = shared.holder()
    assert holder is not None
    return partner, holder


def test_what_a_killed_worker_held_is_taken_over_within_the_lease(
    shared: SharedNode,
) -> None:
    workers = {str(each.pid): each for each in (shared.worker(0), shared.worker(1))}
    partner, holder = hanging(shared)
    before = len(shared.held_by_partner())
    time.sleep(2 * LEASE)
    assert shared.holder() == holder, "a lease that is renewed is not lost"
    workers[holder.partition("-")[0]].kill()
    partner.send(signal.SIGCONT)
    # The page may arrive yet; its receipt finds nobody, so it is sent once more.
    took = eventually(lambda: in_sync(shared.here), 20, "not taken over")
    print(f"taken over {took:.1f} s after the kill, the lease has {LEASE:.0f} s")
    # The lease, then the next look for what is due (every 2 s).
    assert took < LEASE + 3
    assert len(shared.held_by_partner()) == before + 1


def test_a_worker_that_stood_still_does_no_harm(shared: SharedNode) -> None:
    """It wakes up after another one took over; what it hears then is not noted."""
    workers = {str(each.pid): each for each in (shared.worker(0), shared.worker(1))}
    partner, holder = hanging(shared)
    held = len(shared.held_by_partner())
    paused = workers[holder.partition("-")[0]]
    paused.send(signal.SIGSTOP)
    partner.send(signal.SIGCONT)
    eventually(lambda: in_sync(shared.there), 20, "not taken over")
    publish(shared.there, audience=TRUSTED)
    eventually(lambda: in_sync(shared.there), 20, "not delivered")
    before = shared.rows("SELECT * FROM partners") + shared.rows(
        "SELECT * FROM disclosures ORDER BY seq"
    )
    receipts = shared.rows("SELECT count(*) FROM receipts")
    paused.send(signal.SIGCONT)
    wait_until(
        lambda: "was lost by" in paused.log.read_text(), what=paused.log.read_text
    )
    after = shared.rows("SELECT * FROM partners") + shared.rows(
        "SELECT * FROM disclosures ORDER BY seq"
    )
    assert after == before
    assert shared.rows("SELECT count(*) FROM receipts") == receipts
    assert len(shared.held_by_partner()) == held + 2
    assert paused.is_alive, "it goes on with what it takes next"


def test_the_other_processes_follow_a_change_of_keys(shared: SharedNode) -> None:
    shared.worker(0)
    shared.worker(1)
    command(shared.here, "keys.rotate")
    wait_until(lambda: active_key(shared.there)["announced"] == 2)
    eventually(lambda: told_key(shared) == 2, 20, "the partner has not taken the key")
    # Without the new secret the other machine goes on, as long as the old one signs.
    assert other_readiness(shared) == (200, "ready\n")
    publish(shared.there, audience=TRUSTED)
    eventually(lambda: in_sync(shared.there), 20, "not delivered")
    # The secret is brought to the other machine, as docs/processes.md says.
    shutil.copy2(shared.here / "node-2.key", shared.there / "node-2.key")
    command(shared.here, "keys.activate")
    followed = eventually(lambda: active_key(shared.there)["active"] == 2, 5, "late")
    assert followed < 2
    published = publish(shared.there, audience=TRUSTED)
    local = published["id"].rpartition("/")[2]
    (row,) = shared.rows(f"SELECT key_number FROM entries WHERE id = '{local}'")
    assert row == (2,)
    eventually(lambda: in_sync(shared.here), 20, "not delivered")
    assert published["id"] in shared.held_by_partner()


def other_readiness(shared: SharedNode) -> tuple[int, str]:
    """What the second serve says, under the name that both have."""
    (state,) = shared.rows("SELECT base_url FROM node_state")
    request = urllib.request.Request(
        f"http://127.0.0.1:{shared.other_port}/readyz",
        headers={"Host": state[0].partition("://")[2]},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def told_key(shared: SharedNode) -> int:
    ((number,),) = shared.rows("SELECT told_key_number FROM partners")
    return int(number)


def active_key(folder: Path) -> dict[str, int]:
    keys = command(folder, "keys.list")["keys"]
    return {key["state"]: key["number"] for key in sorted(keys, key=by_number)}


def by_number(key: dict[str, Any]) -> int:
    return int(key["number"])


def test_a_command_finds_the_node_whoever_listens(shared: SharedNode) -> None:
    """Two processes of one folder share one socket path; the next one takes over."""
    worker = shared.worker(0)
    (doors,) = [
        each
        for each in shared.processes
        if each.what == "doors" and each.folder == shared.here and each.is_alive
    ]
    assert command(shared.here, "ping")
    doors.kill()
    took = eventually(lambda: answers(shared.here), 10, "nobody listens any more")
    print(f"the next process listens after {took:.1f} s")
    node = TestNode(shared.here, 0, "Nord", {})
    worker.kill()
    # Nobody listens: the command opens the database itself, beside the others.
    assert node.json("partner", "list")["partners"][0]["state"] == "active"


def test_a_sqlite_node_is_one_process(shared: SharedNode) -> None:
    node = shared.partner
    assert refusal(node, "serve") == "node-in-use"
    assert refusal(node, "worker") == "node-in-use"
    (process,) = [each for each in shared.processes if each.what == "serve"]
    process.stop()
    assert refusal(node, "worker") == "database-not-shared"
    assert refusal(node, "serve", "--without-worker") == "database-not-shared"
    shared.processes.remove(process)
    shared.start("serve", node.folder, "partner")


def refusal(node: TestNode, *arguments: str) -> str:
    done = node.run(*arguments, "--json")
    assert done.code == 1
    return str(done.error["code"])
