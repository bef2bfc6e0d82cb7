"""Every planted bug is caught within its steps; see `mutants`."""

import os

import pytest

from node.clock import SystemRandom
from tests.simulation.hunting import hunt
from tests.simulation.mutants import MUTANTS, Mutant

HUNTS = int(os.environ.get("SPALIER_SIMULATE_HUNTS", "1"))
REPLAYED = os.environ.get("SPALIER_SIMULATE_SEED")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_planted_bug_is_caught(mutant: Mutant) -> None:
    for _ in range(HUNTS):
        seed = int(REPLAYED or int.from_bytes(SystemRandom().bytes(4), "big"))
        print(f"seed {seed}")
        found = hunt(mutant, seed)
        assert found.caught is not None, (
            f"not caught in {found.steps} steps from seed {seed} on"
        )
        violation = found.caught.violations[0]
        print(f"caught after {found.steps} steps: {violation.promise} {violation.what}")


def test_there_are_enough_of_them() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
