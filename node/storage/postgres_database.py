"""PostgreSQL behind the face of `node.storage.database`."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import create_async_engine

from node.limits import IDLE_TRANSACTION_MAX, LOCK_WAIT_MAX
from node.storage.audit import write_notes
from node.storage.decision_numbers import number_decisions
from node.storage.failures import NESTED, OutageLog, for_caller, outage, stopping
from node.storage.postgres_transaction import PostgresTransaction, connected
from node.storage.transaction import Recorder, Transaction, Work, run_hooks
from node.storage.write_guard import write_guard

CONNECTION_WAIT_S = 10
POSTGRES_ATTEMPTS = 5  # after serialisation failures and deadlocks
POSTGRES_RETRY_WAIT_S = 0.02  # times the number of the attempt
_POSTGRES_RETRYABLE = frozenset({"40001", "40P01"})

# A process that stands still must not keep others from the rows that it has locked,
# and nobody waits for a lock without end.
_SETTINGS: Final = {
    "idle_in_transaction_session_timeout": IDLE_TRANSACTION_MAX,
    "lock_timeout": LOCK_WAIT_MAX,
}

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
        event.listen(self._engine.sync_engine, "connect", _set_up)
        self.recorder: Recorder | None = None
        self._running: set[asyncio.Task[Any]] = set()
        self._outage = OutageLog()
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
        guard = write_guard()
        for attempt in range(1, POSTGRES_ATTEMPTS + 1):
            try:
                async with self._engine.begin() as connection:
                    transaction = PostgresTransaction(connection)
                    if guard is not None:
                        await guard(transaction)
                    result = await work(transaction)
                    await write_notes(transaction)
                    await number_decisions(transaction)
            except (DBAPIError, PoolTimeoutError) as error:
                if attempt < POSTGRES_ATTEMPTS and _is_retryable(error):
                    await asyncio.sleep(POSTGRES_RETRY_WAIT_S * attempt)
                    continue
                self._outage.failed(error)
                raise for_caller(error) from error
            self._outage.succeeded()
            if self.recorder is not None and transaction.decisions:
                await asyncio.to_thread(self.recorder.append, transaction.decisions)
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
            yield PostgresTransaction(snapshot)

    def look_up(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a read-only snapshot: here the same as `read`."""
        return self.read()

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run `function(connection)` in one transaction, however long it takes."""
        self._refuse_inside_work()
        try:
            async with self._engine.begin() as connection:
                # Another process may be migrating; this one waits for it.
                await connection.execute(text("SET LOCAL lock_timeout = 0"))
                return await connection.run_sync(function)
        except (DBAPIError, PoolTimeoutError) as error:
            raise for_caller(error) from error

    async def notify(self, channel: str, messages: Iterable[str]) -> None:
        """Tell everybody who listens on a channel, also in other processes.

        Args:
            channel: The name of the channel within this database.
            messages: Each at most 7,999 bytes.
        """
        self._refuse_inside_work()
        try:
            async with self._engine.begin() as connection:
                for message in messages:
                    await connection.execute(
                        text("SELECT pg_notify(:channel, :message)"),
                        {"channel": channel, "message": message},
                    )
        except (DBAPIError, PoolTimeoutError) as error:
            raise for_caller(error) from error

    async def listen(self, channel: str, pause_s: float) -> AsyncIterator[str | None]:
        """Yield what is told on a channel, on a connection of its own, until it breaks.

        Args:
            channel: A name that needs no quoting.
            pause_s: Seconds without a message after which None is yielded and the
                connection tried; a server that has gone is noticed so.

        Raises:
            UnavailableError: The connection cannot be made, or broke.
        """
        try:
            async with self._engine.connect() as taken:
                connection = await taken.execution_options(isolation_level="AUTOCOMMIT")
                raw = (await connection.get_raw_connection()).driver_connection
                assert raw is not None  # noqa: S101 - for the types
                try:
                    await raw.execute(f"LISTEN {channel}")
                    while True:
                        async for message in raw.notifies(timeout=pause_s):
                            yield message.payload
                        await raw.execute("SELECT 1")
                        yield None
                finally:
                    # It listens still, and may have been left in the middle.
                    await connection.invalidate()
        except (DBAPIError, PoolTimeoutError, psycopg.Error) as error:
            raise outage(error) from error

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


def _set_up(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    for setting, value in _SETTINGS.items():
        cursor.execute(f"SET {setting} = {value // timedelta(milliseconds=1)}")
    cursor.close()
    connection.commit()
