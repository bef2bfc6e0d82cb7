"""Run the simulator with a planted bug until it is caught."""

from dataclasses import dataclass

import pytest

from node.simulation.run import Order, Summary, simulate
from node.simulation.story import ACTIONS
from tests.simulation.mutants import Mutant

RUN_STEPS = 150
# Two nodes that are partners most of the time: only then something can go wrong.
_WEIGHTS = {**ACTIONS, "end": 1, "revoke": 1, "join": 40, "compare_key": 40}


@dataclass(frozen=True)
class Hunt:
    """How a hunt went.

    Attributes:
        steps: Made until it was caught, or in vain.
        caught: The run that ended by it.
    """

    steps: int
    caught: Summary | None


def hunt(mutant: Mutant, seed: int) -> Hunt:
    """Simulate with a planted bug, world after world, within its bound."""
    steps = 0
    patch = pytest.MonkeyPatch()
    try:
        mutant.plant(patch)
        while steps < mutant.steps_max:
            summary = simulate(
                Order(
                    seed,
                    nodes=mutant.nodes,
                    steps=RUN_STEPS,
                    weights={**_WEIGHTS, **(mutant.actions or {})},
                )
            )
            steps += summary.steps
            seed += 1
            if summary.violations:
                return Hunt(steps, summary)
        return Hunt(steps, None)
    finally:
        patch.undo()
