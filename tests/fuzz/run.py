"""Runs fuzzing targets, each in its own process, and says how to see a failure again.

    python -m tests.fuzz.run                       every target, one second each
    python -m tests.fuzz.run --seconds 600 page    one target for ten minutes
    python -m tests.fuzz.run page --replay FILE    one input, with its traceback

Atheris (libFuzzer) drives our packages and pyld by their coverage. Where it has no
wheel, the same targets get the same mutations without that guidance, and a line says
so. What a run finds stays in `build/fuzz`; `tests.fuzz.minimise_corpus` takes the
useful part of it into the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import importlib
import io
import json
import mmap
import os
import platform
import random
import re
import shlex
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.fuzz.mutations import mutated_json, mutated_text
from tests.fuzz.planted import PLANTED
from tests.fuzz.target import (
    CORPUS,
    INPUT_BYTES_MAX,
    Target,
    kept_inputs,
    run_bounded,
)

BUILD = Path("build/fuzz")
INSTRUMENTED = ["federation", "node", "schemas", "pyld"]
START_SECONDS_MAX = 60
_MEMORY_MIB_MAX = 2048
# Far above the bound in processor time; only an endless loop comes here.
_HANG_SECONDS = 30
_COUNTERS = struct.Struct("QQ")
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_COVERED = re.compile(r"cov: (\d+)")


@dataclass(frozen=True, slots=True)
class Result:
    """What one target's run came to.

    Args:
        executed: How many inputs were run.
        accepted: How many of them the reader accepted.
        covered: Edges reached, None without guidance.
        crash: The input that failed, None if there is none.
        log: The process' output.
    """

    target: str
    executed: int
    accepted: int
    covered: int | None
    seconds: float
    crash: str | None
    failed: bool
    log: str


def atheris_module() -> Any | None:
    """Return atheris, None where it has no wheel."""
    try:
        return importlib.import_module("atheris")
    except ImportError:
        return None


def missing_line() -> str:
    """Say in one line that there is no guidance here."""
    return (
        "fuzzing without coverage guidance: no atheris for Python "
        f"{platform.python_version()} on {sys.platform} {platform.machine()}"
    )


def is_guidance_to_be_had() -> bool:
    """Tell whether atheris has a wheel here, so that it must be installed."""
    here = sys.platform, platform.machine()
    return here == ("linux", "x86_64") and sys.version_info < (3, 14)


def load_targets(atheris: Any | None) -> dict[str, Target]:
    """Import all targets, with what they read instrumented."""
    with contextlib.ExitStack() as stack:
        if atheris is not None:
            # It names every module that it instruments.
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
            stack.enter_context(atheris.instrument_imports(include=INSTRUMENTED))
        module = importlib.import_module("tests.fuzz.all_targets")
    return dict(module.TARGETS)


def mutated(target: Target, data: bytes, *, seed: int) -> bytes:
    """Change an input by its form."""
    if target.is_json and seed % 8:
        changed = mutated_json(data, seed=seed, tokens=target.tokens)
        if changed is not None:
            return changed
    return mutated_text(data, seed=seed, tokens=target.tokens)


def replay(target: Target, path: Path) -> int:
    """Run one kept input; its traceback goes to standard error."""
    for seed in target.seeds():
        target.run(seed)  # what is built once does not count for the input
    accepted = run_bounded(target, path.read_bytes())
    print(f"{target.name}: {path} is {'accepted' if accepted else 'refused'}")
    return 0


class Worker:
    """The process of one target: counts, and ends with the process."""

    def __init__(
        self, target: Target, *, seconds: float, seed: int, build: Path
    ) -> None:
        self._target = target
        self._seconds = seconds
        self._seed = seed
        self._counters = mmap.mmap(-1, _COUNTERS.size)
        self.folder = build / target.name
        self.crashes = build / "crashes" / target.name
        self.log = build / f"{target.name}.log"

    def start(self, atheris: Any | None) -> int:
        """Start the process and return its id."""
        for folder in (self.folder / "seeds", self.folder / "found", self.crashes):
            folder.mkdir(parents=True, exist_ok=True)
        for number, seed in enumerate(self._target.seeds()):
            (self.folder / "seeds" / f"seed-{number}").write_bytes(seed)
        sys.stdout.flush()
        sys.stderr.flush()
        process = os.fork()
        if process:
            return process
        # The child never returns into the caller's code.
        code = 1
        try:
            self._redirect()
            if atheris is None:
                self._without_guidance()
            else:
                self._with_guidance(atheris)
            code = 0
        finally:
            if code:
                traceback.print_exc()
            os._exit(code)

    def result(self, *, status: int, seconds: float, since: float) -> Result:
        """Read what the ended process left."""
        text = self.log.read_text(errors="replace")
        executed, accepted = _COUNTERS.unpack(self._counters[:])
        covered = _COVERED.findall(text)
        crashes = [
            path for path in self.crashes.iterdir() if path.stat().st_mtime >= since
        ]
        return Result(
            target=self._target.name,
            executed=max([executed, *map(int, _EXECUTED.findall(text))]),
            accepted=accepted,
            covered=int(covered[-1]) if covered else None,
            seconds=round(seconds, 1),
            crash=str(crashes[0]) if crashes else None,
            failed=status != 0,
            log=str(self.log),
        )

    def _redirect(self) -> None:
        file = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for descriptor in (1, 2):
            os.dup2(file, descriptor)

    def _run(self, data: bytes) -> None:
        executed, accepted = _COUNTERS.unpack(self._counters[:])
        try:
            accepted += run_bounded(self._target, data)
        except Exception:
            name = hashlib.sha256(data).hexdigest()[:16]
            (self.crashes / f"crash-{name}").write_bytes(data)
            raise
        self._counters[:] = _COUNTERS.pack(executed + 1, accepted)

    def _warm_up(self) -> None:
        # Schemas, tables and caches are built once; no input is charged for them.
        for seed in self._target.seeds():
            self._target.run(seed)

    def _inputs(self) -> list[bytes]:
        kept = [path.read_bytes() for path in kept_inputs(self._target)]
        return [*self._target.seeds(), *kept]

    def _with_guidance(self, atheris: Any) -> None:
        self._warm_up()
        words = self.folder / "words.dict"
        lines = [_dictionary_line(token) for token in self._target.tokens]
        words.write_text("\n".join(lines) + "\n")
        arguments = [
            "fuzz",
            str(self.folder / "found"),
            str(self.folder / "seeds"),
            *([str(path)] if (path := CORPUS / self._target.name).is_dir() else []),
            f"-seed={self._seed}",
            f"-max_total_time={int(self._seconds)}",
            f"-max_len={INPUT_BYTES_MAX}",
            # Else inputs are cut to a few bytes for the first minutes.
            "-len_control=0",
            f"-timeout={_HANG_SECONDS}",
            f"-rss_limit_mb={_MEMORY_MIB_MAX}",
            f"-dict={words}",
            f"-artifact_prefix={self.crashes}/",
            "-print_final_stats=1",
            "-detect_leaks=0",
        ]

        fresh = self._inputs()

        def mutate(data: bytes, max_size: int, seed: int) -> bytes:
            if seed % 4 == 0:
                return bytes(atheris.Mutate(data, max_size))
            if seed % 4 == 1:
                # What the run collects is mostly refused; this one was accepted.
                data = fresh[seed // 4 % len(fresh)]
            changed = mutated(self._target, data, seed=seed)
            return changed if len(changed) <= max_size else data[:max_size]

        atheris.Setup(arguments, self._run, custom_mutator=mutate)
        atheris.Fuzz()

    def _without_guidance(self) -> None:
        self._warm_up()
        chance = random.Random(self._seed)
        inputs = self._inputs()
        for data in inputs:
            self._run(data)
        ends = time.monotonic() + self._seconds
        signal.signal(signal.SIGALRM, _hangs)
        while time.monotonic() < ends:
            data = mutated(
                self._target, chance.choice(inputs), seed=chance.randrange(2**32)
            )[:INPUT_BYTES_MAX]
            signal.alarm(_HANG_SECONDS)
            self._run(data)
            signal.alarm(0)


def run_all(
    targets: list[Target],
    *,
    atheris: Any | None,
    seconds: float,
    seed: int,
    jobs: int,
    build: Path,
    done: Callable[[Result], None],
) -> list[Result]:
    """Run targets side by side; `done` hears of each as it ends."""
    waiting = list(reversed(targets))
    running: dict[int, tuple[Worker, float, float]] = {}
    results: list[Result] = []
    while waiting or running:
        while waiting and len(running) < jobs:
            worker = Worker(waiting.pop(), seconds=seconds, seed=seed, build=build)
            started = time.monotonic(), time.time()
            running[worker.start(atheris)] = (worker, *started)
        for process, (worker, started_at, since) in list(running.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            passed = time.monotonic() - started_at
            if not ended:
                if passed > seconds + START_SECONDS_MAX:
                    os.kill(process, signal.SIGKILL)
                continue
            del running[process]
            result = worker.result(status=status, seconds=passed, since=since)
            results.append(result)
            done(result)
        time.sleep(0.02)
    return results


def replay_command(result: Result) -> str:
    """Return what shows a failure again."""
    interpreter = os.path.relpath(sys.executable)
    if result.crash is None:
        return f"cat {shlex.quote(result.log)}"
    return (
        f"{interpreter} -m tests.fuzz.run {result.target} "
        f"--replay {shlex.quote(result.crash)}"
    )


def _say(result: Result) -> None:
    guided = "" if result.covered is None else f", {result.covered} edges"
    print(
        f"{result.target:17} {result.executed:8d} inputs, "
        f"{result.accepted} accepted{guided}, {result.seconds} s",
        flush=True,
    )
    if result.failed:
        tail = Path(result.log).read_text(errors="replace").strip().splitlines()
        shown = [line for line in tail if not line.startswith(("INFO", "#", "stat::"))]
        print("\n".join(f"    {line[:200]}" for line in shown[-30:]))
        print(f"    again: {replay_command(result)}", flush=True)


def _hangs(_signal: int, _frame: Any) -> None:
    raise TimeoutError("an input does not come to an end")


def _dictionary_line(token: str) -> str:
    return '"' + "".join(f"\\x{byte:02x}" for byte in token.encode()) + '"'


def main() -> int:
    """Run what the command line asks for; 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each target")
    parser.add_argument("--seed", type=int, default=0, help="0 draws one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--replay", type=Path, metavar="FILE")
    parser.add_argument("--build", type=Path, metavar="FOLDER", default=BUILD)
    parser.add_argument("--unguided", action="store_true", help="as without atheris")
    parser.add_argument("--report", type=Path, metavar="FILE")
    options = parser.parse_args()
    atheris = None if options.replay or options.unguided else atheris_module()
    if options.targets == [PLANTED.name]:
        targets = {PLANTED.name: PLANTED}
    else:
        targets = load_targets(atheris)
    names = options.targets or sorted(targets)
    unknown = set(names) - set(targets)
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    if options.replay:
        return replay(targets[names[0]], options.replay)
    seed = options.seed or random.SystemRandom().randrange(1, 2**31)
    print(f"seed {seed}", flush=True)
    if atheris is None and not options.unguided:
        print(missing_line(), flush=True)
    results = run_all(
        [targets[name] for name in names],
        atheris=atheris,
        seconds=options.seconds,
        seed=seed,
        jobs=options.jobs,
        build=options.build,
        done=_say,
    )
    if options.report:
        report = {
            "seed": seed,
            "guided": atheris is not None,
            "results": [
                {**asdict(result), "again": replay_command(result)}
                for result in results
            ],
        }
        options.report.write_text(json.dumps(report, indent=1))
    return int(any(result.failed for result in results))


if __name__ == "__main__":
    sys.exit(main())
