"""A transaction on PostgreSQL; prepared statements go straight to psycopg."""

import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import psycopg
from sqlalchemy import Executable
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from node.storage.failures import for_caller
from node.storage.prepared import Parameters, Prepared, PreparedText, Record
from node.storage.transaction import Transaction

T = TypeVar("T")


class PostgresTransaction(Transaction):
    """A transaction on a connection of SQLAlchemy's engine for psycopg 3.

    SQLAlchemy begins and ends it, and keeps the connection. What a `Prepared`
    statement saves here is the change of context at each of its steps: two thirds
    of the processor time.
    """

    __slots__ = ("_connection", "_driver")

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self._connection = connection
        self._driver: psycopg.AsyncConnection | None = None

    @property
    @override
    def dialect_name(self) -> str:
        return "postgresql"

    @override
    async def fetch(
        self,
        statement: Executable,
        parameters: Any,
        take: Callable[[CursorResult[Any]], T],
    ) -> T:
        return take(await self._connection.execute(statement, parameters))

    @override
    async def records(
        self, statement: Prepared, parameters: Parameters
    ) -> Sequence[Record]:
        text = statement.text_for(self._connection.dialect, parameters)
        try:
            cursor = await self._run(text, parameters)
            return [text.record(row) for row in await cursor.fetchall()]
        except psycopg.Error as error:
            raise await self._as_sqlalchemy(error, text) from error

    @override
    async def change(self, statement: Prepared, parameters: Parameters) -> int:
        text = statement.text_for(self._connection.dialect, parameters)
        try:
            return (await self._run(text, parameters)).rowcount
        except psycopg.Error as error:
            raise await self._as_sqlalchemy(error, text) from error

    async def _run(
        self, text: PreparedText, parameters: Parameters
    ) -> psycopg.AsyncCursor:
        if self._driver is None:
            pooled = await self._connection.get_raw_connection()
            self._driver = cast("psycopg.AsyncConnection", pooled.driver_connection)
        return await self._driver.execute(text.sql.encode(), text.bind(parameters))

    async def _as_sqlalchemy(
        self, error: psycopg.Error, text: PreparedText
    ) -> BaseException:
        is_lost = self._driver is None or self._driver.broken
        if is_lost:
            # SQLAlchemy has not seen it; its pool must not hand it out again.
            await self._connection.invalidate(error)
        return DBAPIError.instance(
            text.sql,
            None,
            error,
            psycopg.Error,
            hide_parameters=True,
            connection_invalidated=is_lost,
        )


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Take a connection; being unable to get one is an outage.

    Raises:
        UnavailableError: No connection can be made, or none comes free in time.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (DBAPIError, PoolTimeoutError) as error:
            raise for_caller(error) from error
        yield connection
