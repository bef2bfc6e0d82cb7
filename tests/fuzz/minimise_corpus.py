"""Takes what a run found into the repository: the smallest inputs that reach most.

    python -m tests.fuzz.minimise_corpus [TARGET …]

Reads the kept corpus, the seeds and `build/fuzz/TARGET/found`, and writes
`tests/fuzz/corpus/TARGET` anew. An input stays if it reaches a line of our packages
that no smaller one reaches; seeds are made by every run and are not written.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import FrameType
from typing import Any

from tests.fuzz.all_targets import TARGETS
from tests.fuzz.run import BUILD
from tests.fuzz.target import CORPUS, Target

PACKAGES = ("federation", "node", "schemas")
CORPUS_BYTES_MAX = 40 * 1024
"""Most bytes that one target may keep; all together stay below a megabyte."""
_ROOT = Path(__file__).parents[2]
_FOLDERS = tuple(str(_ROOT / package) + "/" for package in PACKAGES)

Line = tuple[str, int, int]


def reached(target: Target, data: bytes) -> set[Line]:
    """Return the steps from line to line that an input takes in our packages."""
    steps: set[Line] = set()
    last: dict[FrameType, int] = {}

    def local(frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            before = last.get(frame, 0)
            steps.add((frame.f_code.co_filename, before, frame.f_lineno))
            last[frame] = frame.f_lineno
        return local

    def trace(frame: FrameType, _event: str, _argument: object) -> Any:
        return local if frame.f_code.co_filename.startswith(_FOLDERS) else None

    sys.settrace(trace)
    try:
        target.run(data)
    finally:
        sys.settrace(None)
    return steps


def smallest(target: Target, inputs: list[bytes]) -> list[bytes]:
    """Choose the inputs that are worth keeping, smallest first."""
    covered: set[Line] = set()
    for _ in range(2):  # the first time also fills the caches
        for seed in target.seeds():
            covered |= reached(target, seed)
    kept: list[bytes] = []
    used = 0
    for data in sorted(set(inputs), key=lambda data: (len(data), data)):
        steps = reached(target, data)
        if steps <= covered or used + len(data) > CORPUS_BYTES_MAX:
            continue
        covered |= steps
        kept.append(data)
        used += len(data)
    return kept


def main() -> int:
    """Minimise the targets named on the command line, or all."""
    for name in sys.argv[1:] or sorted(TARGETS):
        folder = CORPUS / name
        found = [*folder.glob("*"), *(BUILD / name / "found").glob("*")]
        kept = smallest(TARGETS[name], [path.read_bytes() for path in found])
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.iterdir():
            path.unlink()
        for data in kept:
            digest = hashlib.sha256(data).hexdigest()[:16]
            (folder / digest).write_bytes(data)
        size = sum(map(len, kept))
        print(f"{name:17} {len(found):5d} inputs -> {len(kept):3d}, {size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
