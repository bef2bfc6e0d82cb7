"""PostgreSQL behind the face of `node.storage.database`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from node.storage.async_transaction import AsyncTransaction, connected
from node.storage.failures import NESTED, for_caller, stopping
from node.storage.transaction import Transaction, Work, run_hooks

CONNECTION_WAIT_S = 10
POSTGRES_ATTEMPTS = 5  # after serialisation failures and deadlocks
POSTGRES_RETRY_WAIT_S = 0.02  # times the number of the attempt
_POSTGRES_RETRYABLE = frozenset({"40001", "40P01"})

T = TypeVar("T")


class PostgresDatabase:
    """PostgreSQL through psycopg 3; several processes may share it."""

    engine_name = "postgresql"

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=8,
            max_overflow=4,
            pool_timeout=CONNECTION_WAIT_S,
            hide_parameters=True,
            # Without it an INSERT … ON CONFLICT DO NOTHING counts -1 rows here,
            # and 0 or 1 on SQLite.
            execution_options={"preserve_rowcount": True},
        )
        self._running: set[asyncio.Task[Any]] = set()
        self._closing = False

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction, again after a serialisation failure.

        As on SQLite, work that has begun is finished and its hooks are called
        even if the caller is cancelled.
        """
        if self._closing:
            raise stopping()
        self._refuse_inside_work()
        task = asyncio.create_task(self._transact(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _transact(self, work: Work[T]) -> T:
        for attempt in range(1, POSTGRES_ATTEMPTS + 1):
            try:
                async with self._engine.begin() as connection:
                    transaction = AsyncTransaction(connection)
                    result = await work(transaction)
            except (DBAPIError, PoolTimeoutError) as error:
                if attempt < POSTGRES_ATTEMPTS and _is_retryable(error):
                    await asyncio.sleep(POSTGRES_RETRY_WAIT_S * attempt)
                    continue
                raise for_caller(error) from error
            run_hooks(transaction.hooks)
            return result
        msg = "unreachable: the loop returns or raises"
        raise AssertionError(msg)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a repeatable read-only snapshot."""
        self._refuse_inside_work()
        async with connected(self._engine) as connection:
            snapshot = await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            yield AsyncTransaction(snapshot)

    def look_up(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a read-only snapshot: here the same as `read`."""
        return self.read()

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run `function(connection)` in one transaction."""
        self._refuse_inside_work()
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(function)
        except (DBAPIError, PoolTimeoutError) as error:
            raise for_caller(error) from error

    async def close(self) -> None:
        """Finish what was accepted, then close the pool."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    def _refuse_inside_work(self) -> None:
        if asyncio.current_task() in self._running:
            raise RuntimeError(NESTED)


def _is_retryable(error: DBAPIError | PoolTimeoutError) -> bool:
    return (
        getattr(getattr(error, "orig", None), "sqlstate", None) in _POSTGRES_RETRYABLE
    )
