"""What a node costs while nothing happens, with few partners and with many.

All partners are settled: nothing waits for them, and none is compared today. What a
comparison costs, once a day for each, is not in it.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from bench import bare_steps, fan_out
from bench.figures import Goal, Report
from bench.node_process import BenchError, NodeFolder, WatchedProcess

if TYPE_CHECKING:
    from pathlib import Path

    from federation.keys import Signer

_WRITTEN_SECONDS: Final = 10
_SHOWN: Final = 3  # statements

SECONDS_PER_HOUR: Final = 3600
CPU_PER_HOUR_MAX: Final = 36.0  # 1 % of a core


@dataclass(frozen=True, slots=True)
class Idle:
    """One node that has nothing to do.

    Attributes:
        partners: With whom it has a partnership.
        start_cpu_s: Processor time from the start until it was calm: each partner is
            asked once what it has, and none is there.
        cpu_s_per_hour: Processor time while it was calm.
        statements_per_minute: That SQLite ran meanwhile.
        bare_s_per_hour: What as many queries for one row each take by themselves.
        resident_mib: Memory at the end.
        most: The statements that came most often, with their number a minute.
    """

    partners: int
    start_cpu_s: float
    cpu_s_per_hour: float
    statements_per_minute: float
    bare_s_per_hour: float
    resident_mib: float
    most: dict[str, float]

    def lines(self) -> list[str]:
        """The figures as text."""
        return [
            f"idle with {self.partners:,} partners",
            (
                f"    processor, s an hour     {self.cpu_s_per_hour:,.1f}, the bare "
                f"queries {self.bare_s_per_hour:,.2f}"
            ),
            f"    statements a minute      {self.statements_per_minute:,.0f}",
            *(
                f"        {number:5.0f}  {shape[:90]}"
                for shape, number in self.most.items()
            ),
            f"    resident memory, MiB     {self.resident_mib:.0f}",
            f"    processor at the start, s {self.start_cpu_s:.1f}",
        ]


def measure(
    folder: NodeFolder, first: Signer, *, partners: tuple[int, ...], seconds: float
) -> Report:
    """Watch a node with more and more partners, and nothing to do.

    Args:
        folder: A stopped node with one settled partner.
        first: That partner, of which the others are copies.
        partners: How many, ascending.
        seconds: How long each is watched.
    """
    found = []
    there = 1
    for number in partners:
        fan_out.add_partners(folder.path, first, count=number - there, begin=there)
        there = number
        found.append(_watch(folder, partners=number, seconds=seconds))
    few, many = found[0], found[-1]
    goals = [
        Goal(
            f"idle with {many.partners:,} partners, processor s an hour",
            many.cpu_s_per_hour,
            CPU_PER_HOUR_MAX,
            at_least=False,
        ),
        Goal(
            f"idle: statements with {many.partners:,} partners, times those with "
            f"{few.partners}",
            many.statements_per_minute / max(1.0, few.statements_per_minute),
            1.5,
            at_least=False,
        ),
        Goal(
            f"idle with {many.partners:,} partners, resident MiB",
            many.resident_mib,
            200,
            at_least=False,
        ),
    ]
    lines = [line for each in found for line in each.lines()]
    document: dict[str, Any] = {"idle": [asdict(each) for each in found]}
    return Report(lines, goals, document)


def _watch(folder: NodeFolder, *, partners: int, seconds: float) -> Idle:
    target = folder.path / "statements.json"
    node = WatchedProcess(
        [
            *(sys.executable, "-m", "bench.counted_node", str(target)),
            *("--node", str(folder.path)),
        ],
        url=f"{folder.base_url}/livez",
        log=folder.path / "idle.log",
    )
    try:
        node.until_calm()
        begun_cpu, begun, before = (
            node.cpu_seconds,
            time.perf_counter(),
            _read(node, target),
        )
        time.sleep(seconds)
        spent = node.cpu_seconds - begun_cpu
        after = _read(node, target)
        elapsed = time.perf_counter() - begun
        memory = node.resident_mib
    finally:
        node.stop()
    ran = {
        shape: 60 * (number - before.get(shape, 0)) / elapsed
        for shape, number in after.items()
        if number > before.get(shape, 0)
    }
    most = sorted(ran, key=lambda shape: -ran[shape])[:_SHOWN]
    per_minute = sum(ran.values())
    bare = bare_steps.look_up(folder.path / "node.sqlite", seconds=0.1)
    return Idle(
        partners=partners,
        start_cpu_s=begun_cpu,
        cpu_s_per_hour=SECONDS_PER_HOUR * spent / elapsed,
        statements_per_minute=per_minute,
        bare_s_per_hour=60 * per_minute * bare / 1e6,
        resident_mib=memory,
        most={shape: ran[shape] for shape in most},
    )


def _read(node: WatchedProcess, target: Path) -> dict[str, int]:
    """Have the node write what it counted, and read that."""
    target.unlink(missing_ok=True)
    node.signal(signal.SIGUSR1)
    until = time.perf_counter() + _WRITTEN_SECONDS
    while not target.exists():
        if time.perf_counter() > until:
            raise BenchError("the node did not say what it counted")
        time.sleep(0.01)
    counted: dict[str, int] = json.loads(target.read_text(encoding="utf-8"))
    return counted
