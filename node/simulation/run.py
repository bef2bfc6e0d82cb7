"""One whole run: a world from a seed, seasons of foul weather, a healing after each."""

import gc
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import process_time
from typing import Any, Final, TextIO

from node.simulation.healing import Healing
from node.simulation.liars import Liar
from node.simulation.loop import RestlessError
from node.simulation.story import ACTIONS, Story, Weights
from node.simulation.violation import BrokenPromiseError, Violation
from node.simulation.world import NAMES, World, WorldMaker, run_in

NODES_MIN: Final = 2
NODES_MAX: Final = len(NAMES)
# So many nodes are honest at least: otherwise nothing would be left to be checked.
HONEST_MIN: Final = 2
SEASON_STEPS: Final = 200
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made there


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be simulated.

    Attributes:
        seed: Everything follows from it.
        nodes: How many; from three on the last one lies.
        steps: At least so many letters that arrive and changes that are made.
        hours: At least so many hours of virtual time.
        season: Steps between two healings.
        liar: Whether one lies, of three nodes and more.
        weights: How often what happens, instead of `story.ACTIONS`.
    """

    seed: int
    nodes: int = 4
    steps: int = 1000
    hours: float = 0.0
    season: int = SEASON_STEPS
    liar: bool = True
    weights: Weights | None = None


@dataclass(slots=True)
class Summary:
    """What came of it.

    Attributes:
        trace: SHA-256 of all events.
        last: The last events in words.
    """

    seed: int
    nodes: int
    steps: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    trace: str = ""
    virtual_hours: float = 0.0
    seconds: float = 0.0
    last: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return the document that `spalier simulate --json` prints."""
        return {
            "seed": self.seed,
            "nodes": self.nodes,
            "steps": self.steps,
            "faults": dict(sorted(self.faults.items())),
            "violations": [
                {"promise": each.promise, "what": each.what, "step": each.step}
                for each in self.violations
            ],
            "trace": self.trace,
            "virtual_hours": round(self.virtual_hours, 2),
            "seconds": round(self.seconds, 2),
        }


Progress = Callable[[World], None]


def simulate(
    order: Order,
    *,
    progress: Progress | None = None,
    trace: TextIO | None = None,
) -> Summary:
    """Simulate, until everything asked for was there or a promise is broken.

    Args:
        order: What.
        progress: Called after each season.
        trace: Where every event is written.

    Raises:
        ValueError: Too few or too many nodes.
    """
    if not NODES_MIN <= order.nodes <= NODES_MAX:
        msg = f"{NODES_MIN} to {NODES_MAX} nodes can be simulated"
        raise ValueError(msg)
    home = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
    summary = Summary(order.seed, order.nodes)
    began = process_time()
    try:
        maker = WorldMaker(home, str(order.seed), NAMES[: order.nodes], trace=trace)
        with maker as world:
            try:
                run_in(world, lambda w: _run(w, order, progress))
            except (BrokenPromiseError, RestlessError) as error:
                summary.violations.append(_violation(error, world))
            _sum_up(summary, world)
    finally:
        shutil.rmtree(home)
        # Killed nodes are rings of references; the next world needs the room.
        gc.collect()
    summary.seconds = process_time() - began
    return summary


async def _run(world: World, order: Order, progress: Progress | None) -> None:
    story = Story(world, weights=dict(order.weights or ACTIONS))
    if order.weights:
        story.late_first = 0.0
    await connect(world, story)
    liar = None
    if order.liar and order.nodes > HONEST_MIN:
        machine = list(world.machines.values())[-1]
        world.promises.liars = frozenset({machine.name})
        liar = Liar(world, machine, Random(f"{order.seed} lies"))
    while world.steps < order.steps or world.virtual_hours < order.hours:
        world.meddler = liar
        await story.play(min(order.season, max(order.steps - world.steps, 1)))
        world.meddler = None
        await Healing(world, story).heal()
        if progress is not None:
            progress(world)


async def connect(world: World, story: Story) -> None:
    """Start all nodes and make each two of them partners."""
    machines = list(world.machines.values())
    for machine in machines:
        await machine.start()
    for index, host in enumerate(machines):
        for guest in machines[index + 1 :]:
            await story.invite(host, guest)
            await story.to_partner(host, guest.base_url, "confirms")
    await world.pass_time(5)


def _violation(error: BrokenPromiseError | RestlessError, world: World) -> Violation:
    if isinstance(error, RestlessError):
        return Violation("liveness", f"without rest: {error}", world.steps)
    return Violation(error.promise, error.what, world.steps)


def _sum_up(summary: Summary, world: World) -> None:
    summary.steps = world.steps
    summary.faults = dict(world.faults)
    summary.trace = world.record.digest
    summary.last = list(world.record.last)
    summary.virtual_hours = world.virtual_hours
