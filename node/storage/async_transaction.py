"""Transactions through SQLAlchemy's asynchronous engine: aiosqlite and psycopg 3."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import Executable
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from typing_extensions import override

from node.storage.failures import for_caller
from node.storage.prepared import Parameters, Prepared, Record
from node.storage.transaction import Transaction, to_the_end

T = TypeVar("T")


class AsyncTransaction(Transaction):
    """A transaction on a connection of an asynchronous engine."""

    __slots__ = ("_connection",)

    def __init__(self, connection: AsyncConnection) -> None:
        super().__init__()
        self._connection = connection

    @property
    @override
    def dialect_name(self) -> str:
        return self._connection.dialect.name

    @override
    async def records(
        self, statement: Prepared, parameters: Parameters
    ) -> Sequence[Record]:
        return await self.all(statement.statement, parameters)

    @override
    async def change(self, statement: Prepared, parameters: Parameters) -> int:
        result = await self.execute(statement.statement, parameters)
        return result.rowcount

    @override
    async def fetch(
        self,
        statement: Executable,
        parameters: Any,
        take: Callable[[CursorResult[Any]], T],
    ) -> T:
        running = self._connection.execute(statement, parameters)
        if self.dialect_name == "sqlite":
            # aiosqlite's thread cannot be interrupted: SQLAlchemy would give up a
            # connection that is still at work.
            return take(await to_the_end(running))
        return take(await running)


@asynccontextmanager
async def connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Take a connection; being unable to get one is an outage.

    Raises:
        UnavailableError: No connection can be made, or none comes free in time.
    """
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
            raise for_caller(error) from error
        yield connection
