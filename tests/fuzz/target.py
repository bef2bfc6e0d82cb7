"""What a fuzzing target is, and the bounds that every input has to keep."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CPU_SECONDS_MAX = 1.0
"""Processor time that one input may take. Not wall time: others run beside us."""
MEMORY_BYTES_MAX = 256 * 1024**2
"""By how much one input may raise the process' largest memory so far."""
INPUT_BYTES_MAX = 64 * 1024
"""Longest input; limits beyond are shown by ordinary tests."""

CORPUS = Path(__file__).parent / "corpus"
REGRESSIONS = Path(__file__).parent / "regressions"


class BoundBrokenError(Exception):
    """An input took too much processor time or memory."""


class LawBrokenError(Exception):
    """What was accepted does not keep what acceptance promises."""


@dataclass(frozen=True, slots=True)
class Target:
    """One reader of bytes from outside.

    Args:
        name: Also the name of its folders.
        run: Reads an input. Returns True for what it accepts and False for what it
            refuses as documented; raises for anything else.
        seeds: Inputs to start from, for example really signed documents.
        tokens: Words of the format, which a mutation puts in whole.
        is_json: Inputs are JSON, to be changed value by value.
    """

    name: str
    run: Callable[[bytes], bool]
    seeds: Callable[[], Iterable[bytes]]
    tokens: tuple[str, ...] = ()
    is_json: bool = False


def law(holds: bool, text: str) -> None:
    """Require what acceptance promises; unlike assert, also under -O."""
    if not holds:
        raise LawBrokenError(text)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Watch time and memory of one input.

    Raises:
        BoundBrokenError: More than the bounds above.
    """
    started, before = time.process_time(), peak_bytes()
    yield
    seconds, grown = time.process_time() - started, peak_bytes() - before
    if seconds > CPU_SECONDS_MAX:
        raise BoundBrokenError(f"{seconds:.1f} s for one input")
    if grown > MEMORY_BYTES_MAX:
        raise BoundBrokenError(f"{grown // 1024**2} MiB for one input")


def run_bounded(target: Target, data: bytes) -> bool:
    """Run one input within the bounds; True if it was accepted."""
    with bounded():
        return target.run(data)


def kept_inputs(target: Target) -> list[Path]:
    """Return the inputs of a target that the repository keeps."""
    return sorted(
        path
        for folder in (CORPUS, REGRESSIONS)
        for path in (folder / target.name).glob("*")
    )


def peak_bytes() -> int:
    """Return the largest memory that this process has held so far."""
    # Linux counts in KiB, macOS in bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
