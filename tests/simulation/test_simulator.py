"""The simulator on fresh seeds; a failure names the seed that replays it.

`SPALIER_SIMULATE_SEED=N` replays one seed, `SPALIER_SIMULATE_RUNS` and
`SPALIER_SIMULATE_STEPS` say how much.
"""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import pytest

from node.clock import SystemRandom
from node.simulation.run import Order, Summary, simulate

RUNS = int(os.environ.get("SPALIER_SIMULATE_RUNS", "1"))
STEPS = int(os.environ.get("SPALIER_SIMULATE_STEPS", "450"))
ONE_IN = 200  # steps, each kind of fault
# What needs an answer, or something to be lost, comes less often.
RARER = dict.fromkeys(("wrong_digest", "false_receipt", "withheld", "copy_lost"), 600)
# Further runs, if chance has left out a kind of fault.
SPARE = 4
REPLAYED = os.environ.get("SPALIER_SIMULATE_SEED")

# What a run must have had.
FAULTS = {
    *("request_lost", "answer_lost", "duplicated", "delayed", "reordered"),
    *("partition", "one_way", "crash", "restart", "clock_skew", "clock_jump", "idle"),
    *("key_rotated", "key_revoked", "narrowed", "widened", "expired", "withdrawn"),
    *("deleted", "paused", "resumed", "ended", "message", "restore", "copy_lost"),
    *("equivocated", "replayed", "forged", "withheld", "wrong_digest"),
    "false_receipt",
}


def _seeds() -> list[int]:
    if REPLAYED is not None:
        return [int(REPLAYED)]
    return [int.from_bytes(SystemRandom().bytes(4), "big") for _ in range(RUNS + SPARE)]


def _rare(faults: Counter[str], steps: int) -> dict[str, int]:
    """Return the kinds that were there too seldom."""
    return {
        kind: faults[kind]
        for kind in sorted(FAULTS)
        if faults[kind] < steps / RARER.get(kind, ONE_IN)
    }


def _told(summary: Summary) -> str:
    told = [f"{each.promise}: {each.what}" for each in summary.violations]
    replay = f"SPALIER_SIMULATE_SEED={summary.seed} SPALIER_SIMULATE_STEPS={STEPS}"
    return "\n".join([*summary.last, *told, f"replay with {replay}"])


@pytest.mark.timeout(7200)
def test_fresh_seeds_keep_every_promise(
    record_property: Callable[[str, object], None],
) -> None:
    faults: Counter[str] = Counter()
    steps = 0
    for number, seed in enumerate(_seeds()):
        rare = _rare(faults, steps)
        if number >= RUNS and not rare:
            break
        print(f"seed {seed}")
        summary = simulate(Order(seed, nodes=4, steps=STEPS))
        record_property(
            "simulated",
            {
                "steps": summary.steps,
                "hours": summary.virtual_hours,
                "seconds": summary.seconds,
                "faults": summary.faults,
            },
        )
        assert not summary.violations, _told(summary)
        faults.update(summary.faults)
        steps += summary.steps
    rare = _rare(faults, steps)
    assert not rare or REPLAYED is not None, f"of {steps} steps: {rare}"


def test_the_same_seed_is_the_same_run_whatever_the_hashes_are() -> None:
    """Two processes whose sets have other orders; the trace holds every byte sent."""

    def trace(hashes: str) -> str:
        command = [sys.executable, "-m", "node.cli", "simulate", "--json"]
        order = ["--seed", "7", "--nodes", "3", "--steps", "100"]
        done = subprocess.run(
            [*command, *order],
            env={**os.environ, "PYTHONHASHSEED": hashes},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["trace"])

    assert trace("1") == trace("2")


def test_another_seed_is_another_run() -> None:
    runs = [simulate(Order(seed, nodes=2, steps=20)).trace for seed in (1, 2)]
    assert runs[0] != runs[1]


def test_too_few_nodes_are_refused() -> None:
    with pytest.raises(ValueError, match="2 to 8 nodes"):
        simulate(Order(1, nodes=1))
