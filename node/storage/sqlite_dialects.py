"""SQL is written once for all SQLite engines of a process, not once for each.

A node has an engine that writes and some that read, and a simulator opens many nodes
over and over. To write the SQL of a statement takes ten times as long as to run it.
"""

from typing import Any, Final

from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache
from typing_extensions import override

ON_LOOP: Final = "sqlite+spalier"
"""Driver name of the engines whose statements run where they are called."""
ON_THREADS: Final = "sqlite+spalierthreads"
"""Driver name of the engines whose connections have threads of their own."""

# As many as SQLAlchemy keeps for a single engine, for each of a node's engines.
_STATEMENTS_KEPT: Final = 1500
_COMPILED: Final[LRUCache[Any, Any]] = LRUCache(_STATEMENTS_KEPT)
SHARED_STATEMENTS: Final = {"compiled_cache": _COMPILED}
"""Execution options of an engine that takes part."""


class _OnLoop(SQLiteDialect_pysqlite):
    """Two of these write the same SQL: options of an engine do not change it."""

    supports_statement_cache = True

    @override
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    @override
    def __hash__(self) -> int:
        return hash(type(self))


class _OnThreads(SQLiteDialect_aiosqlite):
    """As `_OnLoop`."""

    supports_statement_cache = True

    @override
    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    @override
    def __hash__(self) -> int:
        return hash(type(self))


registry.register(ON_LOOP.replace("+", "."), __name__, _OnLoop.__name__)
registry.register(ON_THREADS.replace("+", "."), __name__, _OnThreads.__name__)
