"""A condition that every write of a task must find true, in its own transaction.

Where several processes share a database, one that was stopped for a while (a paused
machine, a swapping one) goes on with what is no longer its own. Whoever works by a
lease guards its writes with it: the check is the first statement of each of its
transactions and holds the lease until the commit, so that nobody else takes it in
between (a fence).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from node.storage.transaction import Work

_GUARD: Final[ContextVar[Work[None] | None]] = ContextVar("write_guard", default=None)


@contextmanager
def guarded_writes(check: Work[None]) -> Iterator[None]:
    """Begin every write inside the block, and in tasks made there, with `check`.

    Only PostgreSQL is shared; a SQLite database needs no guard and ignores it.

    Args:
        check: Runs in the transaction of the write; raises if it may not go on.
    """
    token = _GUARD.set(check)
    try:
        yield
    finally:
        _GUARD.reset(token)


def write_guard() -> Work[None] | None:
    """Return what the present task has to check first, if anything."""
    return _GUARD.get()
