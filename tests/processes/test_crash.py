"""A node that is killed at any moment keeps what it has acknowledged, and no halves.

The process that is killed (SIGKILL) runs `node.app.serve` on real files, as
`spalier serve` does; it was forked from one that had imported everything, so that a
start takes a fraction of a second. The machine itself does not crash: what the kernel
has taken is on disk afterwards. What a lost flush would do is shown by
tests/contract/storage/test_torn_log.py.

Three sources write until the end: commands over the control socket, a member's
messages through the pages, and a partner's pages, which the node answers with
receipts. After each kill the files are examined as they were left behind, then the
node is started on them again.

SPALIER_CRASHES: how many kills (by default 100, or fewer if they take longer than a
minute and a half); SPALIER_PROCESS_SEED: which moments.
"""

import os
import random
import shutil
import sqlite3
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from federation.exchange import ViewDigest
from federation.version import Version
from node.control.client import NotServingError
from node.control.request import CommandFailedError
from node.errors import UnavailableError
from tests.cli.conftest import TestNode, make_node, wait_until
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

# Unless somebody says how many; a quiet machine takes half of it for all.
SECONDS_MAX = None if "SPALIER_CRASHES" in os.environ else 90.0
CRASHES = int(os.environ.get("SPALIER_CRASHES", "100"))
SEED = int(os.environ.get("SPALIER_PROCESS_SEED", "0")) or random.randrange(1, 10**6)
TRUSTED = {"level": "trusted"}
PASSWORD = "four plain words suffice"
# A command whose process dies in the middle gets no answer.
NO_ANSWER = (UnavailableError, NotServingError, OSError)


@dataclass
class Known:
    """What was acknowledged of one entry, and what is under way."""

    version: int
    visible: bool
    pending: bool = False


@dataclass
class Pair:
    """The node that is killed, and its partner that lives."""

    launcher: Launcher
    node: TestNode
    partner: TestNode
    processes: list[Running] = field(default_factory=list)

    def start(self, which: TestNode) -> Running:
        process = self.launcher.start(
            "serve", which.folder, log=which.folder.parent / f"{which.name}.log"
        )
        self.processes.append(process)
        return process


@pytest.fixture
def pair(launcher: Launcher, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(
        launcher,
        make_node(tmp_path / "nord", "Nord"),
        make_node(tmp_path / "sued", "Süd"),
    )
    with ended(made.processes):
        yield made


class Writer(threading.Thread):
    """Does one thing after the other until it is told to stop."""

    def __init__(self, step: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._step = step
        self._over = threading.Event()
        self.error: BaseException | None = None
        self.done = 0

    def run(self) -> None:
        try:
            while not self._over.is_set():
                try:
                    self._step()
                    self.done += 1
                except NO_ANSWER:
                    time.sleep(0.01)
        except BaseException as error:  # noqa: BLE001 - raised by `stop`
            self.error = error

    def stop(self) -> None:
        self._over.set()
        self.join(60)
        if self.error is not None:
            raise self.error


class Commands:
    """Publishes, changes and withdraws; remembers what was answered."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self._folder = folder
        self._chance = chance
        self.known: dict[str, Known] = {}

    def step(self) -> None:
        settled = [ref for ref, each in self.known.items() if not each.pending]
        shown = [ref for ref in settled if self.known[ref].visible]
        what = self._chance.random()
        if not shown or what < 0.4:
            document = publish(self._folder, audience=TRUSTED)
            self.known[document["id"]] = Known(1, visible=True)
            return
        ref = self._chance.choice(shown)
        entry = self.known[ref]
        entry.pending = True  # until it is answered both states are right
        if what < 0.8:
            text = {"de": f"Stand {self._chance.random()}."}
            document = publish(self._folder, ref=ref, summary=text, audience=TRUSTED)
        else:
            how = self._chance.choice(("entry.withdraw", "entry.delete"))
            document = command(self._folder, how, entry=ref)
            entry.visible = False
        entry.version = document["version"][1]
        entry.pending = False


class Member:
    """Somebody who is signed in and writes messages about a partner's entry."""

    def __init__(self, base_url: str) -> None:
        self._base_url = base_url
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies)
        self.path = ""
        self.acknowledged: list[str] = []
        self.number = 0

    def post(self, path: str, **fields: str) -> str:
        url = path if path.startswith("http") else f"{self._base_url}{path}"
        request = urllib.request.Request(
            url,
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        with self._opener.open(request, timeout=30) as answer:
            assert answer.status == 200
            return str(answer.read().decode())

    def step(self) -> None:
        text = f"Nachricht {self.number}"
        self.number += 1
        try:
            self.post(self.path, text=text)
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            raise UnavailableError(str(error)) from error
        self.acknowledged.append(text)
        time.sleep(0.1)  # a partner takes so many in an hour


@pytest.mark.timeout(7200 if SECONDS_MAX is None else 300)
def test_killed_at_any_moment(pair: Pair) -> None:
    print(f"SPALIER_PROCESS_SEED={SEED} SPALIER_CRASHES={CRASHES}")
    chance = random.Random(SEED)
    began = time.monotonic()
    pair.start(pair.partner)
    process = pair.start(pair.node)
    for each in (pair.node, pair.partner):
        wait_until(lambda each=each: answers(each.folder))
    connect(pair.node.folder, pair.partner.folder)
    member = signed_in(pair)
    commands = Commands(pair.node.folder, random.Random(SEED + 1))
    theirs = Commands(pair.partner.folder, random.Random(SEED + 2))

    def partner_step() -> None:
        theirs.step()
        time.sleep(0.3)  # the node that is killed is what the time is for

    writers = [Writer(commands.step), Writer(member.step), Writer(partner_step)]
    for writer in writers:
        writer.start()
    starts: list[float] = []
    killed = 0
    while killed < CRASHES and not is_over(began):
        if chance.random() < 0.9:
            at_work(writers[:2], chance)
        process.kill()
        check_files(pair, commands.known, member.acknowledged, killed)
        killed += 1
        process = pair.start(pair.node)
        if chance.random() < 0.9:  # else it may be killed while it starts
            starts.append(eventually(lambda: answers(pair.node.folder), 30, "no start"))
    eventually(lambda: answers(pair.node.folder), 30, "no start")
    for writer in writers:
        writer.stop()
    check_end(pair, commands, theirs, member)
    done = [writer.done for writer in writers]
    print(
        f"{killed} kills in {time.monotonic() - began:.0f} s,"
        f" a start takes {sorted(starts)[len(starts) // 2]:.2f} s;"
        f" {done[0]} commands, {done[1]} messages, {done[2]} changes of the partner"
    )
    assert killed >= min(CRASHES, 10)
    assert min(done) > 0


def is_over(began: float) -> bool:
    return SECONDS_MAX is not None and time.monotonic() - began > SECONDS_MAX


def at_work(writers: list[Writer], chance: random.Random) -> None:
    """Wait until some things more are acknowledged, then a part of the next one."""
    wanted = sum(each.done for each in writers) + chance.randrange(8)
    deadline = time.monotonic() + 2
    while sum(each.done for each in writers) < wanted and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(chance.uniform(0, 0.03))


def signed_in(pair: Pair) -> Member:
    """Make a member, and an entry of the partner that it asks about."""
    asked = publish(pair.partner.folder, audience=TRUSTED)
    added = command(
        pair.node.folder,
        "members.add",
        email="mo@firma.example",
        name="Mo",
        organisation="Firma",
    )
    member = Member(pair.node.base_url)
    member.post(added["links"][0]["link"], password=PASSWORD, again=PASSWORD)
    eventually(lambda: copy_of(pair, asked["id"]) != "", 30, "the entry has not come")
    member.path = f"/e/{copy_of(pair, asked['id'])}/antworten"
    return member


def copy_of(pair: Pair, uri: str) -> str:
    """Our own id of a partner's entry; empty while it is not here."""
    with closing(sqlite3.connect(pair.node.folder / "node.sqlite")) as database:
        found = database.execute(
            "SELECT id FROM received_entries WHERE entry_uri = ?", (uri,)
        ).fetchone()
    return str(found[0]) if found else ""


def check_files(
    pair: Pair, known: dict[str, Known], messages: list[str], number: int
) -> None:
    """Examine what the killed process left behind, without touching it."""
    where = f"seed {SEED}, kill {number}"
    acknowledged = {
        ref: each.version for ref, each in list(known.items()) if not each.pending
    }
    gone = {
        ref for ref, each in list(known.items()) if not (each.visible or each.pending)
    }
    said = list(messages)
    confirmed = confirmed_by_node(pair)
    copy = pair.node.folder.parent / "left-behind"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in ("node.sqlite", "node.sqlite-wal"):
        source = pair.node.folder / name
        if source.exists():
            shutil.copy(source, copy / name)
    with closing(sqlite3.connect(copy / "node.sqlite")) as database:
        database.row_factory = sqlite3.Row
        check = database.execute("PRAGMA integrity_check").fetchall()
        assert [row[0] for row in check] == ["ok"], where
        assert database.execute("PRAGMA foreign_key_check").fetchall() == [], where
        check_acknowledged(database, acknowledged, gone, said, where)
        check_ledger(pair, database, where)
        check_copies(database, confirmed, where)


def check_acknowledged(
    database: sqlite3.Connection,
    acknowledged: dict[str, int],
    gone: set[str],
    said: list[str],
    where: str,
) -> None:
    entries = {row["id"]: row for row in database.execute("SELECT * FROM entries")}
    for ref, version in acknowledged.items():
        row = entries.get(ref.rpartition("/")[2])
        assert row is not None, f"{where}: {ref} was acknowledged and is gone"
        assert row["counter"] >= version, f"{where}: {ref} went back"
    for ref in gone:
        state = entries[ref.rpartition("/")[2]]["state"]
        assert state in {"withdrawn", "deleted"}, f"{where}: {ref} is {state}"
    texts = {row["text"] for row in database.execute("SELECT text FROM messages")}
    assert set(said) <= texts, f"{where}: messages are lost"
    unsent = database.execute(
        "SELECT count(*) FROM messages WHERE author_id IS NOT NULL AND activity_id NOT"
        " IN (SELECT activity_id FROM outgoing_activities)"
    ).fetchone()
    assert unsent[0] == 0, f"{where}: a message that nobody will send"


def check_ledger(pair: Pair, database: sqlite3.Connection, where: str) -> None:
    """No entry without its row, no row without its entry, no position without one."""
    for entry, row in database.execute(
        "SELECT e.id, d.entry_id FROM entries e LEFT JOIN disclosures d"
        " ON d.entry_id = e.id AND d.op = 'upsert' AND d.counter = e.counter"
        " WHERE e.state = 'published'"
    ):
        assert row == entry, f"{where}: {entry} was published and nobody is told"
    for entry, state, op in database.execute(
        "SELECT e.id, e.state, d.op FROM disclosures d JOIN entries e"
        " ON e.id = d.entry_id WHERE e.state <> 'published'"
    ):
        assert op in {"withdraw", "delete"}, f"{where}: {entry} is {state}, told {op}"
    partner = database.execute("SELECT * FROM partners").fetchone()
    newest = database.execute("SELECT max(seq) FROM disclosures").fetchone()[0] or 0
    assert newest <= partner["head_seq"], where
    assert partner["acked_seq"] <= partner["head_seq"], where
    waiting = database.execute(
        "SELECT count(*) FROM disclosures WHERE acknowledged_at IS NULL AND seq <= ?",
        (partner["acked_seq"],),
    ).fetchone()[0]
    assert waiting == 0, f"{where}: a position was confirmed without its row"
    held = [
        (
            f"{pair.node.base_url}/entries/{row['entry_id']}",
            row["held_incarnation"],
            row["held_counter"],
            row["held_hash"],
        )
        for row in database.execute(
            "SELECT * FROM disclosures WHERE held_hash IS NOT NULL"
        )
    ]
    assert stored_view(database, "out") == view_of(held), f"{where}: the view is wrong"


def check_copies(
    database: sqlite3.Connection, confirmed: dict[str, int], where: str
) -> None:
    """Whatever a receipt of ours has confirmed is here, and the digest fits it."""
    copies = {
        row["entry_uri"]: row
        for row in database.execute("SELECT * FROM received_entries")
    }
    for uri, counter in confirmed.items():
        assert uri in copies, f"{where}: a receipt confirmed {uri}, which is gone"
        assert copies[uri]["counter"] >= counter, f"{where}: {uri} went back"
    held = [
        (uri, row["incarnation"], row["counter"], row["content_hash"])
        for uri, row in copies.items()
        if row["state"] == "present"
    ]
    assert stored_view(database, "in") == view_of(held), f"{where}: the view is wrong"


def stored_view(database: sqlite3.Connection, direction: str) -> str:
    row = database.execute(
        "SELECT buckets FROM partner_views WHERE direction = ?", (direction,)
    ).fetchone()
    return (ViewDigest() if row is None else ViewDigest.from_bytes(row[0])).hex()


def view_of(held: list[tuple[str, int, int, str]]) -> str:
    view = ViewDigest()
    for uri, incarnation, counter, content_hash in held:
        view.add(uri, Version(incarnation, counter), content_hash)
    return view.hex()


def confirmed_by_node(pair: Pair) -> dict[str, int]:
    """What the partner has our receipts for: the version's counter by address."""
    with closing(sqlite3.connect(pair.partner.folder / "node.sqlite")) as database:
        return {
            f"{pair.partner.base_url}/entries/{entry}": counter
            for entry, counter in database.execute(
                "SELECT entry_id, counter FROM disclosures"
                " WHERE acknowledged_at IS NOT NULL"
            )
        }


def held_by(holder: TestNode) -> dict[str, int]:
    with closing(sqlite3.connect(holder.folder / "node.sqlite")) as database:
        return dict(
            database.execute(
                "SELECT entry_uri, counter FROM received_entries"
                " WHERE state = 'present'"
            )
        )


def published_by(owner: TestNode) -> dict[str, int]:
    with closing(sqlite3.connect(owner.folder / "node.sqlite")) as database:
        return {
            f"{owner.base_url}/entries/{entry}": counter
            for entry, counter in database.execute(
                "SELECT id, counter FROM entries WHERE state = 'published'"
            )
        }


def check_end(pair: Pair, commands: Commands, theirs: Commands, member: Member) -> None:
    """Both sides become equal by themselves, and hold what was acknowledged."""
    here, there = pair.node, pair.partner
    eventually(
        lambda: in_sync(here.folder) and in_sync(there.folder),
        90,
        f"seed {SEED}: the exchange does not become equal",
    )
    assert held_by(there) == published_by(here)
    assert held_by(here) == published_by(there)
    for side, done in ((here, commands), (there, theirs)):
        found = published_by(side)
        for ref, each in done.known.items():
            if not each.pending:
                assert (found.get(ref) == each.version) is each.visible, ref
    with closing(sqlite3.connect(there.folder / "node.sqlite")) as database:
        texts = [row[0] for row in database.execute("SELECT text FROM messages")]
    assert set(member.acknowledged) <= set(texts), "messages have not arrived"
    assert len(texts) == len(set(texts)), "a message has arrived twice"


def test_commands_that_fail_are_told_apart(pair: Pair) -> None:
    """The harness takes no refusal for a crash: a wrong command fails the test."""
    pair.start(pair.node)
    wait_until(lambda: answers(pair.node.folder))
    with pytest.raises(CommandFailedError):
        command(pair.node.folder, "entry.withdraw", entry="none")
