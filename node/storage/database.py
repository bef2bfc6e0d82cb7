"""Transactions on SQLite and PostgreSQL behind one face.

`Database.write` runs a piece of work in one transaction and returns after the
commit. On SQLite one writer owns the write connection and commits several
callers' work together (group commit); each caller's work sits in its own
savepoint, so one that fails takes nothing else with it. On PostgreSQL each
piece of work is a transaction of its own.

Work may be run again after a serialisation failure, so it must have no effect
outside its transaction; what has to happen after the commit is registered with
`Transaction.after_commit`.
"""

import asyncio
import contextlib
import contextvars
import logging
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import URL, Executable, Row, event
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncTransaction,
    create_async_engine,
)
from sqlalchemy.pool import AsyncAdaptedQueuePool, StaticPool

from node.errors import UnavailableError
from node.sentence import Sentence

logger = logging.getLogger(__name__)

SQLITE_FILE = "node.sqlite"
SQLITE_READERS = 4  # connections; pages are short reads
SQLITE_BUSY_TIMEOUT_MS = 10_000
GROUP_COMMIT_MAX = 64  # pieces of work in one commit
SQLITE_LOG_BYTES_MAX = 64 * 1024 * 1024  # the log shrinks back to it
READ_WAIT_S = 10  # for a free connection
POSTGRES_ATTEMPTS = 5  # after serialisation failures and deadlocks
POSTGRES_RETRY_WAIT_S = 0.02  # times the number of the attempt
_POSTGRES_RETRYABLE = frozenset({"40001", "40P01"})
# Connection lost, out of resources, shut down, system error (PostgreSQL app. A).
_POSTGRES_OUTAGE_CLASSES = frozenset({"08", "53", "57", "58"})
_SQLITE_PRIMARY_CODE = 0xFF
_SQLITE_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

T = TypeVar("T")
Work: TypeAlias = Callable[["Transaction"], Awaitable[T]]
AfterCommit: TypeAlias = Callable[[], None]


class Transaction:
    """What work may do: run statements, and ask for something after the commit."""

    __slots__ = ("_connection", "hooks")

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.hooks: list[AfterCommit] = []

    @property
    def dialect_name(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._connection.dialect.name

    async def execute(
        self, statement: Executable, parameters: Any = None
    ) -> CursorResult[Any]:
        """Run one statement."""
        running = self._connection.execute(statement, parameters)
        if self._connection.dialect.name == "sqlite":
            return await _to_the_end(running)
        return await running

    async def one_or_none(self, statement: Executable) -> Row[Any] | None:
        """Return the only row, or None; two rows are a bug."""
        return (await self.execute(statement)).one_or_none()

    async def all(self, statement: Executable) -> list[Row[Any]]:
        """Return all rows."""
        return list((await self.execute(statement)).all())

    async def scalar(self, statement: Executable) -> Any:
        """Return the first column of the first row, or None."""
        return (await self.execute(statement)).scalar()

    def after_commit(self, hook: AfterCommit) -> None:
        """Call `hook` once the transaction is on disk; never if it is rolled back."""
        self.hooks.append(hook)


class Database(Protocol):
    """A node's database, whatever the engine."""

    @property
    def engine_name(self) -> str:
        """`sqlite` or `postgresql`."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return its result after the commit."""

    def read(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a consistent read-only view."""

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run a synchronous function on the write connection (migrations)."""

    async def close(self) -> None:
        """Finish what was accepted, then close every connection."""


async def _to_the_end(statement: Coroutine[Any, Any, T]) -> T:
    """Let a statement end before a cancellation takes effect.

    The driver's thread cannot be interrupted: SQLAlchemy would drop the connection
    while its transaction still holds the write lock.
    """
    task = asyncio.ensure_future(statement)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # the cancellation counts; do not report this one
        raise


def _run_hooks(hooks: list[AfterCommit]) -> None:
    for hook in hooks:
        try:
            hook()
        except Exception:
            # The change is on disk; a failed wake-up must not turn it into an error.
            logger.exception("after-commit hook failed")


class _Job:
    """A piece of work on its way, and afterwards what came of it."""

    __slots__ = ("error", "future", "hooks", "result", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.hooks: list[AfterCommit] = []

    def settle(self) -> None:
        """Tell the caller, unless it has gone."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, asyncio.CancelledError):
            self.future.cancel()
        else:
            self.future.set_exception(self.error)

    def fail(self, error: BaseException) -> None:
        """Give the caller an error; nothing of the work is stored."""
        self.error = error
        self.settle()


class _TransactionLostError(Exception):
    """SQLite rolled the whole group back while `culprit` was running."""

    def __init__(self, culprit: _Job) -> None:
        super().__init__("the group's transaction is gone")
        self.culprit = culprit


class SqliteDatabase:
    """One file, one writer with group commit, a few readers beside it."""

    engine_name = "sqlite"

    def __init__(self, path: Path) -> None:
        # Not a text to be parsed: a folder may be called "50%?".
        url = URL.create("sqlite+aiosqlite", database=str(path))
        self._write_engine = create_async_engine(
            url, poolclass=StaticPool, hide_parameters=True
        )
        self._read_engine = create_async_engine(
            url,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=SQLITE_READERS,
            max_overflow=0,
            pool_timeout=READ_WAIT_S,
            hide_parameters=True,
        )
        _configure_sqlite(self._write_engine, writer=True)
        _configure_sqlite(self._read_engine, writer=False)
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        # The writer and `run_sync` share the only write connection.
        self._write_connection = asyncio.Lock()
        self._closing = False

    async def write(self, work: Work[T]) -> T:
        """Queue `work` for the writer; return after the group's commit.

        A caller that is cancelled while its work waits takes it back; once the
        work has begun it is finished and committed.
        """
        if self._closing:
            raise _stopping()
        self._refuse_inside_work()
        if self._writer is None or self._writer.done():
            # An empty context: the writer outlives the request that started it.
            self._writer = asyncio.create_task(
                self._run(), name="sqlite-writer", context=contextvars.Context()
            )
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Job(work, future))
        return await future

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a read-only snapshot; it ends with the block."""
        self._refuse_inside_work()
        async with _connected(self._read_engine) as connection:
            yield Transaction(connection)

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run `function(connection)` in a transaction of its own."""
        self._refuse_inside_work()
        async with self._write_connection:
            try:
                async with self._write_engine.begin() as connection:
                    return await connection.run_sync(function)
            except DBAPIError as error:
                raise _for_caller(error) from error

    async def close(self) -> None:
        """Finish the queue, checkpoint the log, close."""
        self._closing = True
        if self._writer is not None:
            self._queue.put_nowait(None)
            # wait() leaves the writer alone when the one who closes is cancelled.
            await asyncio.wait([self._writer])
        # Readers first: an open snapshot would hold the checkpoint up.
        await self._read_engine.dispose()
        with contextlib.suppress(DBAPIError):
            async with self._write_engine.connect() as connection:
                raw = await connection.get_raw_connection()
                cursor = await raw.driver_connection.execute(  # type: ignore[union-attr]
                    "PRAGMA wal_checkpoint(TRUNCATE)"
                )
                await cursor.close()
        await self._write_engine.dispose()

    def _refuse_inside_work(self) -> None:
        if self._writer is not None and asyncio.current_task() is self._writer:
            raise RuntimeError(_NESTED)

    async def _run(self) -> None:
        group: list[_Job] = []
        try:
            stop = False
            while not stop:
                group, stop = await self._next_group()
                async with self._write_connection:
                    await self._commit(group)
        finally:
            # After an orderly end nothing is left. If the writer was cancelled
            # (the loop goes down), nobody may wait for ever.
            while not self._queue.empty():
                job = self._queue.get_nowait()
                if job is not None:
                    group.append(job)
            for job in group:
                job.fail(_stopping())

    async def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for work; return it, and whether it is the last."""
        group: list[_Job] = []
        job = await self._queue.get()
        while job is not None:
            group.append(job)
            if len(group) == GROUP_COMMIT_MAX or self._queue.empty():
                return group, False
            job = self._queue.get_nowait()
        return group, True

    async def _commit(self, group: list[_Job]) -> None:
        remaining = [job for job in group if not job.future.cancelled()]
        while remaining:
            try:
                await self._run_group(remaining)
            except _TransactionLostError as lost:
                # What the others did is gone too: they run again without it.
                lost.culprit.settle()
                remaining = [job for job in remaining if job is not lost.culprit]
                continue
            except Exception as error:  # noqa: BLE001 - handed to every caller
                logger.warning("commit failed: %s", type(error).__name__)
                for job in remaining:
                    job.fail(_for_caller(error))
                return
            for job in remaining:
                _run_hooks(job.hooks)
                job.settle()
            return

    async def _run_group(self, group: list[_Job]) -> None:
        async with self._write_engine.connect() as connection:
            transaction = await connection.begin()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            try:
                for job in group:
                    await _run_job(connection, job)
                    # On a full disk SQLite ends the whole transaction. The next
                    # savepoint would silently open another one, and the earlier
                    # callers would be told that their work is stored.
                    if connection.invalidated or not driver.in_transaction:
                        raise _TransactionLostError(job)
                await transaction.commit()
            except BaseException:
                await _roll_back(connection, transaction, driver)
                raise


async def _roll_back(
    connection: AsyncConnection, transaction: AsyncTransaction, driver: Any
) -> None:
    """Leave the connection without a transaction, or without a connection."""
    try:
        await transaction.rollback()
        # A COMMIT that fails leaves SQLite's transaction open, while SQLAlchemy
        # takes it as ended.
        if not connection.invalidated and driver.in_transaction:
            await driver.rollback()
    except (DBAPIError, sqlite3.Error):
        await connection.invalidate()


async def _run_job(connection: AsyncConnection, job: _Job) -> None:
    """Run one piece of work in a savepoint; keep what came of it in the job."""
    transaction = Transaction(connection)
    job.result, job.error, job.hooks = None, None, []
    try:
        async with connection.begin_nested():
            try:
                job.result = await job.work(transaction)
            except BaseException as error:
                # Kept here: leaving the savepoint may raise another one.
                job.error = error
                raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # it is the writer that is cancelled
        job.error = job.error or error
    except Exception as error:  # noqa: BLE001 - handed to the caller
        job.error = _for_caller(job.error or error)
    else:
        job.hooks = transaction.hooks


_NESTED = (
    "work must use the transaction that it is given: a second one cannot see its "
    "changes, and waiting for a second write would never end"
)


def _stopping() -> UnavailableError:
    return UnavailableError(
        "The node is stopping.", code="stopping", hint="Try again after the restart."
    )


def _for_caller(error: BaseException) -> BaseException:
    """Turn what the machine is to blame for into an error that people understand."""
    if not _is_outage(error):
        return error
    failure = UnavailableError(
        "The database cannot be used at the moment.",
        code="storage-unavailable",
        hint="Check free space and permissions of the node's folder, or the "
        "database server.",
    )
    failure.__cause__ = error
    return failure


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, PoolTimeoutError):
        return True
    if not isinstance(error, DBAPIError):
        return False
    sqlite_code = getattr(error.orig, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return (sqlite_code & _SQLITE_PRIMARY_CODE) in _SQLITE_OUTAGES
    if isinstance(error, OperationalError):
        state = getattr(error.orig, "sqlstate", None)
        return state is None or state[:2] in _POSTGRES_OUTAGE_CLASSES
    return error.connection_invalidated


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Take a connection; being unable to get one is an outage."""
    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(engine.connect())
        except (DBAPIError, PoolTimeoutError) as error:
            raise _for_caller(error) from error
        yield connection


def _configure_sqlite(engine: AsyncEngine, *, writer: bool) -> None:
    @event.listens_for(engine.sync_engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN handling is switched off; see `_on_begin`.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={SQLITE_BUSY_TIMEOUT_MS}",
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "secure_delete=ON",
            "mmap_size=0",
            f"journal_size_limit={SQLITE_LOG_BYTES_MAX}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        if not writer:
            # Only the writer checkpoints: SQLite before 3.51.3 may corrupt the
            # file when two connections do (www.sqlite.org/wal.html, WAL reset).
            cursor.execute("PRAGMA wal_autocheckpoint=0")
            cursor.execute("PRAGMA query_only=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _on_begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")


class PostgresDatabase:
    """PostgreSQL through psycopg 3; several processes may share it."""

    engine_name = "postgresql"

    def __init__(self, url: str) -> None:
        self._engine = create_async_engine(
            url,
            pool_size=8,
            max_overflow=4,
            pool_timeout=READ_WAIT_S,
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
            raise _stopping()
        self._refuse_inside_work()
        task = asyncio.create_task(self._transact(work))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def _transact(self, work: Work[T]) -> T:
        for attempt in range(1, POSTGRES_ATTEMPTS + 1):
            try:
                async with self._engine.begin() as connection:
                    transaction = Transaction(connection)
                    result = await work(transaction)
            except (DBAPIError, PoolTimeoutError) as error:
                if attempt < POSTGRES_ATTEMPTS and _is_retryable(error):
                    await asyncio.sleep(POSTGRES_RETRY_WAIT_S * attempt)
                    continue
                raise _for_caller(error) from error
            _run_hooks(transaction.hooks)
            return result
        msg = "unreachable: the loop returns or raises"
        raise AssertionError(msg)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a repeatable read-only snapshot."""
        self._refuse_inside_work()
        async with _connected(self._engine) as connection:
            snapshot = await connection.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            yield Transaction(snapshot)

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run `function(connection)` in one transaction."""
        self._refuse_inside_work()
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(function)
        except (DBAPIError, PoolTimeoutError) as error:
            raise _for_caller(error) from error

    async def close(self) -> None:
        """Finish what was accepted, then close the pool."""
        self._closing = True
        if self._running:
            await asyncio.wait(self._running)
        await self._engine.dispose()

    def _refuse_inside_work(self) -> None:
        if asyncio.current_task() in self._running:
            raise RuntimeError(_NESTED)


def _is_retryable(error: DBAPIError | PoolTimeoutError) -> bool:
    return (
        getattr(getattr(error, "orig", None), "sqlstate", None) in _POSTGRES_RETRYABLE
    )


def open_database(url: str, *, folder: Path) -> Database:
    """Open the engine that the settings name; empty means SQLite in the folder.

    Raises:
        UnavailableError: The file is missing, or the driver for PostgreSQL.
    """
    if not url:
        path = folder / SQLITE_FILE
        # SQLite would make an empty one, and the node would seem to be new.
        if not path.exists():
            raise UnavailableError(
                Sentence("The database {path} is missing.", path=path),
                code="database-missing",
                path=str(path),
                hint="Put the file back from your backup.",
            )
        return SqliteDatabase(path)
    try:
        return PostgresDatabase(url)
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "The settings name a PostgreSQL database, but its driver is missing.",
            code="driver-missing",
            path="database.url",
            hint="Install Spalier with the extra postgres: spalier[postgres]",
        ) from error
