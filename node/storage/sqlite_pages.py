"""Reading for pages, exports and workers: aiosqlite, a thread for each connection."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import aiosqlite
from sqlalchemy import URL, Executable, event
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from typing_extensions import override

from node.storage.failures import for_caller
from node.storage.prepared import Parameters, Prepared, Record
from node.storage.sqlite_connection import as_sqlalchemy, set_up_connection
from node.storage.sqlite_dialects import ON_THREADS, SHARED_STATEMENTS
from node.storage.transaction import Transaction, to_the_end

T = TypeVar("T")


class SqlitePages:
    """Connections that only read, each for one transaction at a time.

    Args:
        url: Of the file.
        connections: As many transactions at the same time.
        wait_s: Seconds that one waits for a connection.
    """

    def __init__(self, url: URL, *, connections: int, wait_s: float) -> None:
        self._engine = _engine(url, connections=connections, wait_s=wait_s)
        self._closing = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a read-only snapshot; it ends with the block.

        Raises:
            UnavailableError: The file cannot be opened, or no connection comes
                free in time.
        """
        async with contextlib.AsyncExitStack() as stack:
            try:
                reader = await stack.enter_async_context(self._engine.connect())
                _ = await reader.begin()
            except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
                raise for_caller(error) from error
            try:
                yield _PageTransaction(reader)
            finally:
                if self._closing:
                    # The pool is gone; nobody else would end its thread.
                    await reader.invalidate()

    async def close(self) -> None:
        """Close what nobody uses; the others close when they come back."""
        self._closing = True
        await self._engine.dispose()


class _PageTransaction(Transaction):
    """A transaction on a connection of aiosqlite."""

    __slots__ = ("_connection", "_driver")

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self._connection = connection
        self._driver: aiosqlite.Connection | None = None

    @property
    @override
    def dialect_name(self) -> str:
        return "sqlite"

    @override
    async def fetch(
        self,
        statement: Executable,
        parameters: Any,
        take: Callable[[CursorResult[Any]], T],
    ) -> T:
        # aiosqlite's thread cannot be interrupted: SQLAlchemy would give up a
        # connection that is still at work.
        return take(await to_the_end(self._connection.execute(statement, parameters)))

    @override
    async def records(
        self, statement: Prepared, parameters: Parameters
    ) -> Sequence[Record]:
        text = statement.text_for(self._connection.dialect, parameters)
        driver = await self._opened()
        rows = await self._run(
            text.sql, driver.execute_fetchall(text.sql, text.bind(parameters))
        )
        return [text.record(row) for row in rows]

    @override
    async def change(self, statement: Prepared, parameters: Parameters) -> int:
        text = statement.text_for(self._connection.dialect, parameters)
        driver = await self._opened()
        cursor = await self._run(
            text.sql, driver.execute(text.sql, text.bind(parameters))
        )
        return cursor.rowcount

    async def _opened(self) -> aiosqlite.Connection:
        if self._driver is None:
            pooled = await self._connection.get_raw_connection()
            self._driver = cast("aiosqlite.Connection", pooled.driver_connection)
        return self._driver

    async def _run(self, sql: str, call: Awaitable[T]) -> T:
        try:
            return await to_the_end(call)
        except sqlite3.Error as error:
            raise as_sqlalchemy(error, sql) from error


def _engine(url: URL, *, connections: int, wait_s: float) -> AsyncEngine:
    engine = create_async_engine(
        url.set(drivername=ON_THREADS),
        poolclass=AsyncAdaptedQueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=wait_s,
        hide_parameters=True,
        execution_options=SHARED_STATEMENTS,
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN handling is switched off; see `_on_begin`.
        connection.isolation_level = None
        set_up_connection(connection, writes=False)

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine
