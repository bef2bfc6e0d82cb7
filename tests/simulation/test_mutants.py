"""Planted bugs are caught within their steps; see `mutants`.

Each run draws some of them anew; `make soak` takes all, several times.
`SPALIER_SIMULATE_MUTANT=name SPALIER_SIMULATE_SEED=N` replays one.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from node.clock import SystemRandom
from tests.simulation.hunting import RUN_STEPS, hunt
from tests.simulation.mutants import CANDIDATES, MUTANTS, Mutant

HUNTED = int(os.environ.get("SPALIER_SIMULATE_MUTANTS", "3"))
HUNTS = int(os.environ.get("SPALIER_SIMULATE_HUNTS", "1"))
# Some are caught at once, some after a minute: no new hunt begins later than this,
# unless somebody says how many there shall be.
SECONDS = 20.0
LONG = (
    "SPALIER_SIMULATE_MUTANTS" in os.environ or "SPALIER_SIMULATE_MUTANT" in os.environ
)
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
    begun = time.process_time()
    for mutant in _drawn(first):
        if not LONG and time.process_time() - begun > SECONDS:
            print(f"{mutant.name}: not hunted, the time is over")
            continue
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


@pytest.mark.timeout(7200)
def test_nothing_is_caught_where_nothing_is_planted() -> None:
    """Else a hunt would say nothing about the bug that it planted."""
    seed = int(SEED or int.from_bytes(SystemRandom().bytes(4), "big"))
    print(f"SPALIER_SIMULATE_SEED={seed}")
    like = Random(seed).choice(MUTANTS)
    found = hunt(replace(like, plant=lambda _patch: None, steps_max=RUN_STEPS), seed)
    assert found.caught is None, (like.name, seed, found.caught)


@pytest.mark.parametrize("mutant", [*MUTANTS, *CANDIDATES], ids=lambda each: each.name)
def test_each_changes_something_that_is_there(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.plant(monkeypatch)


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
