"""The same messages to a node on SQLite and to one on PostgreSQL, in turn.

Both take them from one partner, one after the other, so every message has a commit
of its own. What the database server spends is not in it: it is another process.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from bench.cluster_pair import Partner, make_partners
from bench.figures import Spread
from bench.load import prepare, send
from bench.node_process import WatchedProcess, serve

if TYPE_CHECKING:
    from pathlib import Path

_THREADS: Final = 5  # conversations
_WARM_UP: Final = 20


@dataclass(slots=True)
class Engine:
    """A node on one engine, with what was found.

    Attributes:
        name: Of the engine.
        rates: Messages stored per second of the node's processor time.
        wall_rates: Per second of the clock.
    """

    name: str
    partner: Partner
    node: WatchedProcess
    rates: list[float] = field(default_factory=list)
    wall_rates: list[float] = field(default_factory=list)

    async def take(self, count: int, *, counts: bool = True) -> None:
        """Send messages, in conversations that were begun."""
        if not self.partner.threads:
            await self._send([self.partner.new_thread() for _ in range(_THREADS)])
        burst = await self._send(self.partner.messages(count))
        if counts:
            self.rates.append(burst.requests / burst.cpu_seconds)
            self.wall_rates.append(burst.requests / burst.wall_seconds)

    async def _send(self, bodies: list[bytes]) -> Any:
        base_url = self.partner.target.base_url
        url, signer = f"{base_url}/inbox", self.partner.signer
        queue = prepare(bodies, url=url, signer=signer)
        return await send([queue], base_url=base_url, server=self.node, status=202)

    def line(self) -> str:
        """The figures as text."""
        core, clock = Spread.of(self.rates), Spread.of(self.wall_rates)
        return f"    {self.name:<24} {core.text()}; by the clock {clock.text()}"

    def document(self) -> dict[str, Any]:
        """The figures for `--json`."""
        return {
            "engine": self.name,
            "per_core_second": self.rates,
            "per_second": self.wall_rates,
        }


def measure(folder: Path, *, rounds: int, messages: int) -> list[Engine]:
    """Measure both engines side by side.

    Args:
        folder: An empty folder.
        rounds: Repetitions.
        messages: In each, for each engine; a partner's have a daily quota.

    Raises:
        ImportError: The tests' tools are not installed.
        RuntimeError: There is no PostgreSQL here.
    """
    # Only where the tests' tools are; a node has its server elsewhere.
    server_of_tests = importlib.import_module("tests.postgres_server")
    with server_of_tests.running_server() as server, server.fresh_database() as url:
        with ExitStack() as stack:
            engines = []
            for name, database in (("SQLite", ""), ("PostgreSQL", url)):
                place = folder / name.lower()
                place.mkdir()
                measured, (partner,) = make_partners(place, count=1, database=database)
                node = serve(measured)
                stack.callback(node.stop)
                engines.append(Engine(name, partner, node))
            asyncio.run(_rounds(engines, rounds=rounds, messages=messages))
        return engines


def lines(found: list[Engine]) -> list[str]:
    """The figures of all engines as text."""
    title = "messages of one partner, stored/s and core of the node"
    return [title, *(engine.line() for engine in found)] if found else []


async def _rounds(engines: list[Engine], *, rounds: int, messages: int) -> None:
    for engine in engines:
        await engine.take(_WARM_UP, counts=False)
    for _ in range(rounds):
        for engine in engines:
            await engine.take(messages)
