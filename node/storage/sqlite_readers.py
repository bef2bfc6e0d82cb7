"""Connections to SQLite that only read, each for one transaction at a time."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from node.storage.failures import for_caller, outage
from node.storage.sqlite_connection import SqliteConnection, SqliteTransaction
from node.storage.transaction import Transaction


class SqliteReaders:
    """Up to so many connections, each opened when it is first needed.

    Args:
        engine: Opens them.
        threads: Where their statements run that do not run on the event loop.
        connections: As many transactions at the same time.
        wait_s: Seconds that one waits for a connection.
        share_s: As of `SqliteConnection`.
    """

    def __init__(
        self,
        engine: Engine,
        threads: Executor,
        *,
        connections: int,
        wait_s: float,
        share_s: float,
    ) -> None:
        self._engine = engine
        self._threads = threads
        self._wait_s = wait_s
        self._share_s = share_s
        self._idle: list[SqliteConnection] = []
        self._seats = asyncio.Semaphore(connections)
        self._in_use = 0
        self._closing = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a read-only snapshot; it ends with the block.

        Raises:
            UnavailableError: The file cannot be opened, or no connection comes
                free in time.
        """
        await self._take_seat()
        connection: SqliteConnection | None = None
        self._in_use += 1
        try:
            connection = self._begin()
            yield SqliteTransaction(connection)
        finally:
            self._in_use -= 1
            if connection is not None:
                connection.roll_back()
                if self._closing or not connection.is_usable:
                    connection.close()
                else:
                    self._idle.append(connection)
            self._seats.release()
            self._end_threads()

    async def close(self) -> None:
        """Close what nobody uses, and the others when they come back."""
        self._closing = True
        while self._idle:
            self._idle.pop().close()
        self._end_threads()

    def _end_threads(self) -> None:
        # Who still reads when the node stops reads to the end.
        if self._closing and not self._in_use:
            self._threads.shutdown(wait=False)

    async def _take_seat(self) -> None:
        if not self._seats.locked():
            await self._seats.acquire()  # at once: no clock has to run for it
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._seats.acquire()
        except TimeoutError as error:
            raise outage() from error

    def _begin(self) -> SqliteConnection:
        try:
            reader = (
                self._idle.pop()
                if self._idle
                else SqliteConnection(
                    self._engine, self._threads, share_s=self._share_s
                )
            )
            reader.begin_reading()
        except (DBAPIError, sqlite3.Error) as error:
            raise for_caller(error) from error
        return reader
