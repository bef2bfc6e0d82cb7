"""Two real nodes: a first sync, a return after days, withdrawals, a dead partner.

Both sides are `spalier serve` as it is, with their own databases. The processor time
of both is counted; what the bare steps of an entry take is measured beside it.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bench import bare_steps
from bench.cluster_pair import example_publications
from bench.figures import Goal, Report, percentile, tail
from bench.node_process import BenchError, NodeFolder, WatchedProcess, serve
from federation import strict_json
from federation.ids import NodeAddress, parse_base_url
from federation.keys import Signer
from node.app import open_node
from node.clock import SystemClock
from node.control.client import ask
from node.control.request import ControlRequest
from node.node_key import load_key
from node.storage.columns import UtcDateTime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_AT_ONCE: Final = 64  # changes in one commit
_SETTLED_SECONDS: Final = 300
_PAGE: Final = 200
_AWAY: Final = timedelta(days=7)
_CONFIRMED_SECONDS: Final = 60
_BETWEEN_WITHDRAWALS_S: Final = 0.05
_CHANGES_WHILE_DEAD: Final = 50
WITHDRAWAL_P95_MAX_S: Final = 5.0


@dataclass(slots=True)
class Transfer:
    """Entries that went from one node to the other.

    Attributes:
        name: What was done.
        entries: How many were told.
        changes: How many changes they stand for.
        wall_s: Until the digests were equal.
        sender_cpu_s: Processor time of the origin.
        receiver_cpu_s: Processor time of the partner.
        bare_us: Bare steps of one entry at the partner, by name.
    """

    name: str
    entries: int
    changes: int
    wall_s: float
    sender_cpu_s: float
    receiver_cpu_s: float
    bare_us: dict[str, float]

    @property
    def receiver_us(self) -> float:
        """µs of the partner's processor for an entry."""
        return 1e6 * self.receiver_cpu_s / self.entries

    @property
    def ratio(self) -> float:
        """The partner's rate as a part of what its bare steps permit."""
        return sum(self.bare_us.values()) / self.receiver_us

    @property
    def sender_us(self) -> float:
        """µs of the origin's processor for an entry."""
        return 1e6 * self.sender_cpu_s / self.entries

    def lines(self) -> list[str]:
        """The figures as text."""
        bare = sum(self.bare_us.values())
        return [
            f"{self.name}: {self.changes:,} changes, {self.entries:,} entries told",
            f"    until both digests were equal, s  {self.wall_s:.1f}",
            (
                f"    partner, µs an entry              {self.receiver_us:,.0f}; bare "
                f"steps {bare:,.0f}, part of 1/sum {self.ratio:.0%}"
            ),
            f"    origin, µs an entry               {self.sender_us:,.0f}",
        ]

    def document(self) -> dict[str, Any]:
        """The figures for `--json`."""
        return {
            "name": self.name,
            "entries": self.entries,
            "changes": self.changes,
            "wall_s": self.wall_s,
            "sender_us": self.sender_us,
            "receiver_us": self.receiver_us,
            "bare_us": self.bare_us,
        }


@dataclass(slots=True)
class Exchange:
    """An origin, two partners, and what was found about them."""

    folder: Path
    origin: NodeFolder
    partners: list[NodeFolder]
    step_seconds: float
    running: dict[NodeFolder, WatchedProcess] = field(default_factory=dict)

    @classmethod
    def initialise(cls, folder: Path, *, step_seconds: float) -> Exchange:
        """Set up three nodes that do not know each other.

        Args:
            folder: An empty folder.
            step_seconds: How long each bare step is measured.
        """
        origin, *partners = (
            NodeFolder.initialise(folder / name, name=f"Cluster {name}")
            for name in ("origin", "first", "second")
        )
        return cls(folder, origin, partners, step_seconds)

    # -- processes ------------------------------------------------------------

    def start(self, *nodes: NodeFolder) -> None:
        """Serve nodes."""
        for node in nodes:
            self.running[node] = serve(node)

    def stop(self, *nodes: NodeFolder) -> None:
        """Stop nodes, all that run if none is named."""
        for node in nodes or tuple(self.running):
            self.running.pop(node).stop()

    def cpu(self, node: NodeFolder) -> float:
        """Processor time of a node that runs, s."""
        return self.running[node].cpu_seconds

    # -- what is measured -----------------------------------------------------

    def first_sync(self, entries: int) -> Transfer:
        """Let a new partner fetch everything there is."""
        partner = self.partners[0]
        asyncio.run(publish(self.origin.path, entries))
        bare = self._bare()
        self.start(self.origin, partner)
        code = self._pair_up(partner)
        before = (self.cpu(self.origin), self.cpu(partner))
        begun = time.perf_counter()
        self.origin.command("partner", "confirm", partner.base_url, "--yes")
        self._until_settled(partner, held=entries, code=code)
        return Transfer(
            f"first sync of {entries:,} entries",
            entries=entries,
            changes=entries,
            wall_s=time.perf_counter() - begun,
            sender_cpu_s=self.cpu(self.origin) - before[0],
            receiver_cpu_s=self.cpu(partner) - before[1],
            bare_us=bare,
        )

    def catch_up(self, changes: int) -> Transfer:
        """Let the partner come back after days in which much has changed.

        Each entry was changed twice: a partner is told the last version, once.
        """
        partner = self.partners[0]
        self.stop()
        held = self._row(partner)["receipt_held"]
        told = asyncio.run(change(self.origin.path, changes))
        self._let_time_pass(partner)
        bare = self._bare()
        self.start(self.origin)
        begun_cpu = self.cpu(self.origin)
        begun = time.perf_counter()
        self.start(partner)
        start_cpu = self.cpu(partner)  # until its first answer
        self._until_settled(partner, held=held)
        return Transfer(
            f"catch-up after {_AWAY.days} days",
            entries=told,
            changes=changes,
            wall_s=time.perf_counter() - begun,
            sender_cpu_s=self.cpu(self.origin) - begun_cpu,
            receiver_cpu_s=self.cpu(partner) - start_cpu,
            bare_us=bare,
        )

    def withdrawals(self, number: int) -> tuple[list[float], float]:
        """Withdraw entries that two healthy partners hold.

        Returns:
            Seconds until each partner's signed confirmation was on disk, and what
            the bare steps of one take.
        """
        second = self.partners[1]
        held = self._row(self.partners[0])["receipt_held"]
        self.start(second)
        code = self._pair_up(second)
        self.origin.command("partner", "confirm", second.base_url, "--yes")
        self._until_settled(second, held=held, code=code)
        chosen = self._ids(number)
        for entry_id in chosen:
            ask(
                self.origin.path,
                ControlRequest("entry.withdraw", {"entry": entry_id}),
            )
            time.sleep(_BETWEEN_WITHDRAWALS_S)
        return self._confirmed(chosen), self._bare_withdrawal()

    def while_dead(self) -> tuple[float, float]:
        """Change entries while a partner is dead for hours.

        Returns:
            Connections that the partner's address saw for each change, and ms of the
            origin's processor for each change.
        """
        dead, healthy = self.partners
        self.stop()
        self._let_time_pass(dead, next_attempt=timedelta(minutes=50))
        with _Listener(dead.port) as listener:
            self.start(self.origin, healthy)
            self._until_settled(healthy)
            time.sleep(_BETWEEN_WITHDRAWALS_S)
            # The node looks once at its start whether the partner has something.
            seen, cpu = listener.connections, self.cpu(self.origin)
            for entry_id in self._ids(_CHANGES_WHILE_DEAD):
                ask(
                    self.origin.path,
                    ControlRequest("entry.confirm", {"entry": entry_id}),
                )
            self._until_settled(healthy)
            connections = listener.connections - seen
            spent = self.cpu(self.origin) - cpu
        return connections / _CHANGES_WHILE_DEAD, 1000 * spent / _CHANGES_WHILE_DEAD

    # -- inside ---------------------------------------------------------------

    def _pair_up(self, partner: NodeFolder) -> str:
        code = str(self.origin.command("partner", "invite")["code"])
        partner.command("partner", "accept", code, "--yes")
        return code

    def _row(self, partner: NodeFolder) -> sqlite3.Row:
        with closing(_reading(self.origin.path)) as connection:
            found: sqlite3.Row = connection.execute(
                "SELECT * FROM partners WHERE base_url = ?", (partner.base_url,)
            ).fetchone()
        return found

    def _until_settled(
        self, partner: NodeFolder, *, held: int | None = None, code: str = ""
    ) -> None:
        """Wait until a partner has confirmed all, with an equal digest.

        Raises:
            BenchError: It did not in time.
        """
        until = time.perf_counter() + _SETTLED_SECONDS
        while True:
            row = self._row(partner)
            if (
                row["head_seq"] == row["acked_seq"]
                and row["digest_equal"]
                and held in {None, row["receipt_held"]}
            ):
                return
            if time.perf_counter() > until:
                raise BenchError(
                    f"{partner.path.name} has confirmed {row['acked_seq']} of "
                    f"{row['head_seq']}, holds {row['receipt_held']} {code[:4]}"
                )
            time.sleep(0.02)

    def _let_time_pass(
        self, partner: NodeFolder, *, next_attempt: timedelta = timedelta(0)
    ) -> None:
        """Set times back in the databases of the two stopped nodes.

        The origin has tried for a week without an answer.
        """
        now = SystemClock().now()
        change_rows(
            self.origin.path,
            "UPDATE partners SET attempts = 160, failing_since = ?, checked_at = ?, "
            "last_sent_at = ?, next_attempt_at = ? WHERE base_url = ?",
            now - _AWAY,
            now - _AWAY,
            now - _AWAY,
            now + next_attempt,
            partner.base_url,
        )
        change_rows(
            partner.path,
            "UPDATE partners SET verified_at = ?, last_received_at = ?",
            now - _AWAY,
            now - _AWAY,
        )

    def _ids(self, number: int) -> list[str]:
        with closing(_reading(self.origin.path)) as connection:
            rows = connection.execute(
                "SELECT id FROM entries WHERE state = 'published' AND kind != 'event' "
                "ORDER BY updated_at, id LIMIT ?",
                (number,),
            )
            return [row["id"] for row in rows]

    def _confirmed(self, entry_ids: Sequence[str]) -> list[float]:
        places = ", ".join("?" for _ in entry_ids)
        until = time.perf_counter() + _CONFIRMED_SECONDS
        while True:
            with closing(_reading(self.origin.path)) as connection:
                rows = connection.execute(
                    "SELECT recorded_at, acknowledged_at FROM disclosures "
                    f"WHERE op = 'withdraw' AND entry_id IN ({places})",
                    tuple(entry_ids),
                ).fetchall()
            if len(rows) == len(entry_ids) * len(self.partners) and all(
                row["acknowledged_at"] for row in rows
            ):
                return [
                    (row["acknowledged_at"] - row["recorded_at"]) / 1e6 for row in rows
                ]
            if time.perf_counter() > until:
                raise BenchError("withdrawals were not confirmed in time")
            time.sleep(0.1)

    def _signer(self) -> Signer:
        address = NodeAddress(
            parse_base_url(self.origin.base_url, allow_loopback_http=True)
        )
        return Signer(address, load_key(self.origin.path), 1)

    def _bare(self) -> dict[str, float]:
        """Measure the bare steps of an entry of a full page, at the partner."""
        with closing(_reading(self.origin.path)) as connection:
            raw = [
                bytes(row["document"])
                for row in connection.execute(
                    "SELECT document FROM entries WHERE document IS NOT NULL LIMIT 70"
                )
            ]
        sample = bare_steps.Sample(
            "entry", [strict_json.loads_object(each) for each in raw], raw
        )
        found = bare_steps.measure(
            sample,
            signer=self._signer(),
            folder=self.folder,
            signatures=1,
            seconds=self.step_seconds,
        )
        found["Ed25519 verify"] *= 1 + 1 / _PAGE
        return found

    def _bare_withdrawal(self) -> float:
        """Return the seconds of what one withdrawal cannot do without.

        Two signatures on each side (request or receipt, and proof), each verified by
        the other one, and a commit before, at the partner, and after.
        """
        sign = bare_steps.signing(self._signer(), seconds=self.step_seconds)
        verify = self._bare()["Ed25519 verify"]
        commit = bare_steps.one_commit(self.folder, seconds=self.step_seconds)
        return (4 * sign + 4 * verify + 3 * commit) / 1e6


class _Listener:
    """Takes connections at a dead node's address, answers nothing, and counts."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self._socket = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()


async def publish(folder: Path, number: int) -> float:
    """Publish entries on a stopped node; return the s of processor time."""
    documents = example_publications(number)
    async with open_node(folder) as node:
        office = await node.members.office_person()
        begun = time.process_time()
        for start in range(0, number, _AT_ONCE):
            await asyncio.gather(
                *(
                    node.catalogue.publish(office, document)
                    for document in documents[start : start + _AT_ONCE]
                )
            )
        return time.process_time() - begun


async def change(folder: Path, changes: int) -> int:
    """Change entries of a stopped node, each twice; return how many were changed."""
    async with open_node(folder) as node:
        office = await node.members.office_person()
        mine = (await node.catalogue.mine(office))[: changes // 2]
        for turn in range(2):
            for start in range(0, len(mine), _AT_ONCE):
                await asyncio.gather(
                    *(
                        node.catalogue.publish(
                            office,
                            {
                                **each.content,
                                "title": {"de": f"Fassung {turn + 2}"},
                                "audience": {"level": "public"},
                            },
                            entry_ref=each.id,
                        )
                        for each in mine[start : start + _AT_ONCE]
                    )
                )
    return len(mine)


def change_rows(folder: Path, statement: str, *values: object) -> None:
    """Change rows of a stopped node; times are given as times."""
    given = [
        UtcDateTime.stored(value) if isinstance(value, datetime) else value
        for value in values
    ]
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        connection.execute(statement, given)
        connection.commit()


def _reading(folder: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{folder / 'node.sqlite'}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


def measure(
    folder: Path,
    *,
    entries: int,
    changes: int,
    withdrawals: int,
    step_seconds: float,
    tell: Callable[[str], None],
) -> Report:
    """Measure everything between two nodes.

    Args:
        folder: An empty folder.
        entries: Of the first sync.
        changes: Of the catch-up, two for each entry.
        withdrawals: One after the other.
        step_seconds: How long each bare step is measured.
        tell: Is told what is being measured.

    Raises:
        BenchError: The nodes did not come to an end.
    """
    pair = Exchange.initialise(folder, step_seconds=step_seconds)
    try:
        tell(f"first sync of {entries} entries")
        sync = pair.first_sync(entries)
        tell(f"catch-up with {changes} changes")
        late = pair.catch_up(changes)
        tell(f"{withdrawals} withdrawals")
        times, bare = pair.withdrawals(withdrawals)
        tell("a dead partner")
        connections, change_ms = pair.while_dead()
    finally:
        pair.stop()
    milliseconds = [1000 * each for each in times]
    p99 = percentile(milliseconds, 0.99)
    lines = [
        *sync.lines(),
        *late.lines(),
        f"withdrawal confirmed by 2 healthy partners, {withdrawals} times, ms",
        f"    {tail(milliseconds)}, p99 {p99:.1f}; bare steps {1000 * bare:.1f}",
        f"a dead partner beside a healthy one, {_CHANGES_WHILE_DEAD} changes",
        (
            f"    connections for a change {connections:.2f}; ms of processor for a "
            f"change, command and delivery to the healthy one included {change_ms:.1f}"
        ),
    ]
    goals = [
        *(
            Goal(
                f"{each.name}: entries/s and core at the partner",
                1e6 / each.receiver_us,
                1500,
            )
            for each in (sync, late)
        ),
        Goal(
            "withdrawal confirmed, p95 s",
            percentile(times, 0.95),
            WITHDRAWAL_P95_MAX_S,
            at_least=False,
        ),
        Goal(
            "connections to a dead partner for a change", connections, 0, at_least=False
        ),
    ]
    document = {
        "transfers": [sync.document(), late.document()],
        "withdrawal_ms": {
            "p50": percentile(milliseconds, 0.5),
            "p95": percentile(milliseconds, 0.95),
            "p99": p99,
            "bare": 1000 * bare,
        },
        "dead_partner": {"connections": connections, "ms_of_a_change": change_ms},
    }
    return Report(lines, goals, json.loads(json.dumps(document)))
