"""`make bench`: what a node does for its work, beside what the steps cost bare.

Each part measures the bare steps in the same run, on the same documents. Figures of
different hours are not comparable, ratios within one run are. Parts are named as
arguments; without, all are measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import (
    engines,
    exchange,
    fan_out,
    growth,
    idle,
    inbox_load,
    many_pages,
)
from bench.cluster_pair import make_partners
from bench.fedify import INSTALLED
from bench.figures import Goal, Report, machine_facts
from bench.node_process import LIMITS_FACTOR, BenchError
from bench.plan import FULL, QUICK, Plan

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Bench:
    """One run of the benchmark.

    Attributes:
        plan: How much.
        profile: Where a profile of the node that takes requests goes, if wanted.
        fedify: Where Fedify is installed, if it is.
    """

    plan: Plan
    profile: Path | None
    fedify: Path

    def inbox(self, folder: Path) -> Report:
        """Messages and pages that a node takes in."""
        return inbox_load.measure(
            self.plan, folder, profile=self.profile, fedify=self.fedify, tell=_tell
        )

    def pages(self, folder: Path) -> Report:
        """Answers to members, with many received entries."""
        return many_pages.measure(
            folder,
            members=self.plan.members,
            entries=self.plan.received,
            times=self.plan.answers,
            tell=_tell,
        )

    def growth(self, folder: Path) -> Report:
        """One change, as partners and entries become more."""
        node, (partner,) = make_partners(folder, count=1)
        report, grown = growth.measure(
            node.path,
            partner.signer,
            partners=self.plan.partners,
            entries=self.plan.entries,
            changes=self.plan.changes,
            seconds=self.plan.step_seconds,
        )
        told = fan_out.measure_told(
            grown,
            changes=self.plan.changes,
            signer=partner.signer,
            seconds=self.plan.step_seconds,
        )
        return Report(
            [*report.lines, "", *told.lines],
            [*report.goals, *told.goals],
            {**report.document, **told.document},
        )

    def idle(self, folder: Path) -> Report:
        """A node with nothing to do and many partners."""
        node, (partner,) = make_partners(folder, count=1)
        return idle.measure(
            node,
            partner.signer,
            partners=self.plan.idle_partners,
            seconds=self.plan.idle_seconds,
        )

    def exchange(self, folder: Path) -> Report:
        """Two nodes: first sync, catch-up, withdrawals, a dead partner."""
        return exchange.measure(
            folder,
            entries=self.plan.sync_entries,
            changes=self.plan.sync_entries,
            withdrawals=self.plan.withdrawals,
            step_seconds=self.plan.step_seconds,
            tell=_tell,
        )

    def engines(self, folder: Path) -> Report:
        """The same messages on SQLite and PostgreSQL."""
        try:
            found = engines.measure(
                folder, rounds=self.plan.rounds, messages=self.plan.engine_messages
            )
        except (ImportError, RuntimeError) as error:
            return Report([f"PostgreSQL: {error}"], [], {})
        document = {"engines": [engine.document() for engine in found]}
        return Report(engines.lines(found), [], document)

    def parts(self) -> dict[str, Callable[[Path], Report]]:
        """All parts by their names, in the order in which they are measured."""
        return {
            "inbox": self.inbox,
            "pages": self.pages,
            "growth": self.growth,
            "idle": self.idle,
            "exchange": self.exchange,
            "engines": self.engines,
        }


def _measure(bench: Bench, names: list[str], folder: Path) -> dict[str, Any]:
    """Measure parts, print what was found, return the document for `--json`.

    Raises:
        BenchError: A part could not be measured; the others were.
    """
    goals: list[Goal] = []
    document: dict[str, Any] = {"machine": machine_facts()}
    failed = []
    for name, part in bench.parts().items():
        if names and name not in names:
            continue
        begun = time.perf_counter()
        _tell(f"-- {name}")
        place = folder / name
        place.mkdir()
        try:
            report = part(place)
        except BenchError as error:
            failed.append(f"{name}: {error}")
            _print(f"not measured: {name}: {error}")
            continue
        _print("\n".join(report.lines))
        _print(f"({name}: {time.perf_counter() - begun:.0f} s)\n")
        goals += report.goals
        document[name] = report.document
    for goal in goals:
        _print(goal.line())
    if failed:
        raise BenchError("; ".join(failed))
    return {**document, "goals": [{**asdict(goal), "met": goal.met} for goal in goals]}


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _print(text: str) -> None:
    print(text, file=sys.stderr if "--json" in sys.argv else sys.stdout, flush=True)


def _run() -> None:
    names = tuple(Bench(QUICK, None, INSTALLED).parts())
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", choices=[[], *names], metavar="PART", help=", ".join(names)
    )
    parser.add_argument("--quick", action="store_true", help="a few minutes at most")
    parser.add_argument("--json", action="store_true", help="one document at the end")
    parser.add_argument(
        "--fedify", type=Path, default=INSTALLED, help="where Fedify is installed"
    )
    parser.add_argument(
        "--profile",
        type=Path,
        help="a file for a profile of the node, with a table of its steps; slows it",
    )
    arguments = parser.parse_args()
    for name, value in machine_facts().items():
        _print(f"{name}: {value}")
    _print(
        f"the node's rates are raised by the setting limits.factor = {LIMITS_FACTOR}\n"
    )
    bench = Bench(
        QUICK if arguments.quick else FULL, arguments.profile, arguments.fedify
    )
    with tempfile.TemporaryDirectory(prefix="spalier-bench-") as folder:
        try:
            found = _measure(bench, list(arguments.parts), Path(folder))
        except BenchError as error:
            _tell(f"not everything was measured: {error}")
            sys.exit(1)
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    _run()
