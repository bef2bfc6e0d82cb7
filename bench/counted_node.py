"""Serves a node and counts the statements that SQLite runs for it.

The product runs unchanged: only the function that opens a connection is wrapped.
What was counted is written once for each signal SIGUSR1, and when the node stops.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

from node.cli import main

_SHAPE: Final = 160  # characters by which statements are told apart


def _shape(statement: str) -> str:
    return " ".join(statement[: 4 * _SHAPE].split())[:_SHAPE]


def _count_into(found: Counter[str]) -> None:
    opened = sqlite3.connect

    def connect(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = opened(*arguments, **options)
        connection.set_trace_callback(lambda text: found.update((_shape(text),)))
        return connection

    # SQLAlchemy and aiosqlite look the function up when they open a connection.
    sqlite3.connect = sqlite3.dbapi2.connect = connect  # type: ignore[assignment]


def _run() -> None:
    target = Path(sys.argv[1])
    sys.argv = ["spalier", "serve", *sys.argv[2:]]
    found: Counter[str] = Counter()
    _count_into(found)

    def write(*_: object) -> None:
        beside = target.with_suffix(".part")
        beside.write_text(json.dumps(dict(found)), encoding="utf-8")
        beside.replace(target)

    signal.signal(signal.SIGUSR1, write)
    try:
        main()
    finally:
        write()


if __name__ == "__main__":
    _run()
