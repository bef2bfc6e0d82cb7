"""Planted bugs are caught within their steps; see `mutants`.

Each run draws some of them anew; `make soak` takes all, several times.
`SPALIER_SIMULATE_MUTANT=name SPALIER_SIMULATE_SEED=N` replays one.
"""

import os
from collections.abc import Callable
from random import Random

import pytest

from node.clock import SystemRandom
from tests.simulation.hunting import hunt
from tests.simulation.mutants import CANDIDATES, MUTANTS, Mutant

HUNTED = int(os.environ.get("SPALIER_SIMULATE_MUTANTS", "4"))
HUNTS = int(os.environ.get("SPALIER_SIMULATE_HUNTS", "1"))
SEED = os.environ.get("SPALIER_SIMULATE_SEED")
NAME = os.environ.get("SPALIER_SIMULATE_MUTANT")


def _drawn(seed: int) -> list[Mutant]:
    if NAME is not None:
        return [each for each in (*MUTANTS, *CANDIDATES) if each.name == NAME]
    return Random(seed).sample(MUTANTS, min(HUNTED, len(MUTANTS)))


@pytest.mark.timeout(7200)
def test_planted_bugs_are_caught(
    record_property: Callable[[str, object], None],
) -> None:
    first = int(SEED or int.from_bytes(SystemRandom().bytes(4), "big"))
    missed = []
    for mutant in _drawn(first):
        for number in range(HUNTS):
            seed = first + 1000 * number
            found = hunt(mutant, seed)
            is_caught = found.caught is not None
            print(f"{mutant.name}: seed {seed}, {found.steps} steps, {is_caught}")
            record_property(
                "hunted",
                {"mutant": mutant.name, "steps": found.steps, "caught": is_caught},
            )
            if not is_caught:
                missed.append((mutant.name, seed))
    assert not missed


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
