"""Serves a node under cProfile and writes the profile when the node stops.

Only the main thread is measured: the event loop with everything that runs on it.
"""

from __future__ import annotations

import cProfile
import sys
from pathlib import Path

from node.cli import main


def _run() -> None:
    target = Path(sys.argv[1])
    sys.argv = ["spalier", "serve", *sys.argv[2:]]
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        main()
    finally:
        profiler.disable()
        profiler.dump_stats(target)


if __name__ == "__main__":
    _run()
