"""The simulator on fresh seeds; a failure names the seed that replays it.

`SPALIER_SIMULATE_SEED=N` replays one seed, `SPALIER_SIMULATE_RUNS` and
`SPALIER_SIMULATE_STEPS` say how much.
"""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from node.clock import SystemRandom
from node.simulation.run import NOT_SWITCHED_ON, Order, Summary, simulate

RUNS = int(os.environ.get("SPALIER_SIMULATE_RUNS", "3"))
STEPS = int(os.environ.get("SPALIER_SIMULATE_STEPS", "420"))
REPLAYED = os.environ.get("SPALIER_SIMULATE_SEED")

# What a run must have had, each as often as in one of a hundred steps.
FAULTS = {
    *("request_lost", "answer_lost", "duplicated", "delayed", "reordered"),
    *("partition", "one_way", "crash", "restart", "clock_skew", "clock_jump", "idle"),
    *("key_rotated", "key_revoked", "narrowed", "widened", "expired", "withdrawn"),
    *("deleted", "paused", "resumed", "ended", "message"),
    *("equivocated", "replayed", "forged", "withheld", "wrong_digest"),
    "false_receipt",
}
SHARE_MIN = 0.01


def _seeds() -> list[int]:
    if REPLAYED is not None:
        return [int(REPLAYED)]
    return [int.from_bytes(SystemRandom().bytes(4), "big") for _ in range(RUNS)]


def _told(summary: Summary) -> str:
    told = [f"{each.promise}: {each.what}" for each in summary.violations]
    replay = f"SPALIER_SIMULATE_SEED={summary.seed} SPALIER_SIMULATE_STEPS={STEPS}"
    return "\n".join([*summary.last, *told, f"replay with {replay}"])


@pytest.mark.timeout(7200)
def test_fresh_seeds_keep_every_promise() -> None:
    faults: Counter[str] = Counter()
    steps, hours, seconds = 0, 0.0, 0.0
    for seed in _seeds():
        print(f"seed {seed}")
        summary = simulate(Order(seed, nodes=4, steps=STEPS))
        assert not summary.violations, _told(summary)
        faults.update(summary.faults)
        steps += summary.steps
        hours += summary.virtual_hours
        seconds += summary.seconds
    print(f"{steps} steps, {hours:.0f} virtual hours, {seconds:.0f} seconds")
    print({name: faults[name] for name in sorted(faults)})
    if REPLAYED is None:
        rare = {
            name: faults[name] for name in FAULTS if faults[name] < SHARE_MIN * steps
        }
        assert not rare, f"of {steps} steps: {rare}"
    assert not FAULTS & NOT_SWITCHED_ON.keys()


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
