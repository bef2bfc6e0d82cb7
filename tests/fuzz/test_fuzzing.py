"""Bytes from outside, driven by coverage: nothing but the declared errors comes out.

Every target runs for a moment in each run of the tests, all together well below a
minute; `make soak` sets SPALIER_FUZZ_SECONDS for hours. The seed is fixed for the
short run (SPALIER_FUZZ_SEED sets another) and printed, and a failure says how to see
it again. What was found once is kept and runs every time.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.mutations import mutated_json, mutated_text
from tests.fuzz.planted import PLANTED
from tests.fuzz.run import (
    BUILD,
    atheris_module,
    is_guidance_to_be_had,
    missing_line,
)
from tests.fuzz.target import (
    CORPUS,
    CPU_SECONDS_MAX,
    MEMORY_BYTES_MAX,
    REGRESSIONS,
    BoundBrokenError,
    LawBrokenError,
    kept_inputs,
    law,
    peak_bytes,
    run_bounded,
)

ROOT = Path(__file__).parents[2]
SECONDS_EACH = float(os.environ.get("SPALIER_FUZZ_SECONDS", "1"))
# The short run is the same every time, a long one draws its seed.
SEED = os.environ.get("SPALIER_FUZZ_SEED", "1" if SECONDS_EACH <= 1 else "0")
CORPUS_BYTES_MAX = 1_000_000


def fuzz(folder: Path, *arguments: str, seconds: float = SECONDS_EACH) -> Any:
    """Run targets in a process of their own and return its report and output."""
    report = folder / "report.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz.run", *arguments),
            *("--seconds", str(seconds), "--seed", SEED, "--jobs", "2"),
            *("--report", str(report)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    return {**json.loads(report.read_text()), "output": done.stdout}


@pytest.fixture(scope="module")
def outcome(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    """One run of all the targets that were selected."""
    names = [
        str(item.callspec.params["name"])
        for item in request.session.items
        if isinstance(item, pytest.Function)
        and item.function is test_bytes_from_outside
    ]
    build = ROOT / BUILD
    if SECONDS_EACH <= 1:
        # Nothing that a long run has found here makes this one another.
        build = build / "short"
        shutil.rmtree(build, ignore_errors=True)
    folder = tmp_path_factory.mktemp("fuzz")
    outcome = fuzz(folder, *names, "--build", str(build.relative_to(ROOT)))
    print(outcome["output"])
    return outcome


@pytest.mark.timeout(SECONDS_EACH * len(TARGETS) + 300)
@pytest.mark.parametrize("name", TARGETS)
def test_bytes_from_outside(name: str, outcome: Any) -> None:
    (result,) = [each for each in outcome["results"] if each["target"] == name]
    assert not result["failed"], (
        f"seed {outcome['seed']}\n{outcome['output']}\n"
        f"again: {result['again']}\n"
        f"then keep the input in tests/fuzz/regressions/{name}"
    )
    assert result["executed"] > 20
    assert result["accepted"] > 0, "no input gets past the first check"


@pytest.mark.filterwarnings("default::UserWarning")
def test_coverage_guides_the_run_or_a_line_says_why_not(outcome: Any) -> None:
    assert outcome["guided"] == (atheris_module() is not None)
    assert outcome["guided"] or not is_guidance_to_be_had()
    if not outcome["guided"]:
        assert missing_line() in outcome["output"]
        warnings.warn(missing_line(), FuzzingUnguidedWarning, stacklevel=1)


class FuzzingUnguidedWarning(UserWarning):
    """Shown at the end of a run on an interpreter without atheris."""


# pyld warns of odd contexts, which only inputs of this test bring.
@pytest.mark.filterwarnings("ignore::SyntaxWarning:pyld")
@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs(name: str) -> None:
    """What was found once, within the bounds; needs no atheris."""
    for seed in TARGETS[name].seeds():
        TARGETS[name].run(seed)
    for path in kept_inputs(TARGETS[name]):
        run_bounded(TARGETS[name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_a_seed_is_accepted(name: str) -> None:
    """Else the run would see no more than refusals."""
    assert any(TARGETS[name].run(seed) for seed in TARGETS[name].seeds())


def test_the_corpus_stays_small_and_belongs_to_targets() -> None:
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < CORPUS_BYTES_MAX
    for folder in (CORPUS, REGRESSIONS):
        assert {path.name for path in folder.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("guidance", [[], ["--unguided"]], ids=["guided", "unguided"])
def test_a_fault_is_found_and_can_be_seen_again(
    guidance: list[str], tmp_path: Path
) -> None:
    outcome = fuzz(tmp_path, "planted", "--build", str(tmp_path), *guidance, seconds=20)
    (result,) = outcome["results"]
    assert result["failed"]
    assert result["seconds"] < 20
    assert result["again"] in outcome["output"]
    assert Path(result["crash"]).read_bytes() == b"\x7fwrong"
    again = subprocess.run(
        result["again"].split(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert "ZeroDivisionError: planted" in again.stderr


def test_time_and_memory_of_an_input_are_bounded() -> None:
    def waste(data: bytes) -> bool:
        if data == b"memory":
            # More than this process ever held; written to, so that it is real.
            return len(b"x" * (peak_bytes() + MEMORY_BYTES_MAX)) > 0
        started = time.process_time()
        while time.process_time() < started + 1.1 * CPU_SECONDS_MAX:
            pass
        return True

    wasteful = replace(PLANTED, run=waste)
    for data in (b"memory", b"time"):
        with pytest.raises(BoundBrokenError):
            run_bounded(wasteful, data)
    with pytest.raises(LawBrokenError, match="broken"):
        law(False, "broken")


def test_a_change_repeats_for_its_seed() -> None:
    data = b'{"a":["b",{"c":1}],"d":null}'
    for seed in range(300):
        assert mutated_json(data, seed=seed) == mutated_json(data, seed=seed)
        assert mutated_text(data, seed=seed) == mutated_text(data, seed=seed)
    assert len({mutated_json(data, seed=seed) for seed in range(300)}) > 100
    lengths = [len(mutated_json(data, seed=seed) or b"") for seed in range(3000)]
    assert max(lengths) < 100_000, "the changes themselves would take the time"
    assert mutated_json(b"{", seed=1) is None
