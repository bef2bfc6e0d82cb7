"""Connections to SQLite: what is short runs on the event loop, the rest beside it.

Pages, exports and workers read through aiosqlite (`sqlite_pages`). What the writer
and the doors ask runs on the event loop: a statement that finds its rows by an index
takes 5 to 30 µs, and to hand it to a thread and take the answer back costs several
times as much. What may take long runs on a thread there too: commits, deletions,
schema changes, and a query that is not done within `LOOP_SHARE_S`; that one is
stopped and begun again, which for a query changes nothing.
"""

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from time import perf_counter
from typing import Any, Final, TypeVar

from sqlalchemy import (
    URL,
    Engine,
    Executable,
    Insert,
    SelectBase,
    Update,
    create_engine,
    event,
)
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool
from typing_extensions import override

from node.storage.prepared import Parameters, Prepared, PreparedText, Record
from node.storage.sqlite_dialects import ON_LOOP, SHARED_STATEMENTS
from node.storage.transaction import Transaction, to_the_end

SQLITE_BUSY_TIMEOUT_MS: Final = 10_000
CLOSING_BUSY_TIMEOUT_MS: Final = 500
SQLITE_LOG_BYTES_MAX: Final = 64 * 1024 * 1024  # the log shrinks back to it
LOOP_SHARE_S: Final = 0.004  # as long as this, the event loop may stand still
_STEPS_BETWEEN_LOOKS: Final = 1000  # of SQLite's machine; about 20 µs

T = TypeVar("T")


def sqlite_engine(url: URL, *, writes: bool) -> Engine:
    """Return an engine whose connections are set up as a node needs them.

    Args:
        url: Of the file.
        writes: True for the one connection that writes; others cannot.
    """
    engine = create_engine(
        url.set(drivername=ON_LOOP),
        poolclass=NullPool,
        hide_parameters=True,
        execution_options=SHARED_STATEMENTS,
        # Each connection is used by one at a time, on the loop or on a thread.
        connect_args={"check_same_thread": False},
        # `SqliteConnection` begins and ends transactions itself.
        isolation_level="AUTOCOMMIT",
    )

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        set_up_connection(connection, writes=writes)

    return engine


def set_up_connection(connection: Any, *, writes: bool) -> None:
    """Set a driver's connection up as a node needs it."""
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
    if not writes:
        # Only the writer checkpoints: SQLite before 3.51.3 may corrupt the
        # file when two connections do (www.sqlite.org/wal.html, WAL reset).
        cursor.execute("PRAGMA wal_autocheckpoint=0")
        cursor.execute("PRAGMA query_only=ON")
    cursor.close()


class SqliteConnection:
    """A connection that one transaction at a time uses.

    For SQLAlchemy it is in one transaction for ever, with nothing to begin or to
    end: what SQLite is told about transactions it is told here.

    Args:
        engine: Opens it, at once.
        threads: Where long statements run.
        share_s: How long a query may run on the loop; 0 if no statement may, and
            without an end where nobody waits for it and the same must happen at the
            same place (simulator).

    Raises:
        sqlalchemy.exc.DBAPIError: The file cannot be opened.
    """

    def __init__(
        self, engine: Engine, threads: Executor, *, share_s: float = LOOP_SHARE_S
    ) -> None:
        self.connection = engine.connect()
        self.connection.begin()
        driver = self.connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)  # noqa: S101 - for the types
        self._driver = driver
        self._threads = threads
        self._share_s = share_s
        self._stop_at = math.inf
        self._turn_began = perf_counter()
        if share_s > 0:
            driver.set_progress_handler(self._is_too_long, _STEPS_BETWEEN_LOOKS)

    @property
    def is_usable(self) -> bool:
        """False once the connection is lost."""
        return not (self.connection.invalidated or self.connection.closed)

    @property
    def in_transaction(self) -> bool:
        """Whether SQLite itself has a transaction open."""
        return self.is_usable and self._driver.in_transaction

    def close(self) -> None:
        """Close it; what was not committed is gone."""
        with contextlib.suppress(DBAPIError, sqlite3.Error):
            self.connection.close()

    def checkpoint_and_close(self) -> None:
        """Write the log into the file, so that one file is left; close."""
        with contextlib.suppress(sqlite3.Error):
            # Who still reads holds the log's end up; the next one who opens the
            # file goes on from there.
            self._driver.execute(f"PRAGMA busy_timeout={CLOSING_BUSY_TIMEOUT_MS}")
            self._driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        self.close()

    # -- transactions -----------------------------------------------------------

    def begin_reading(self) -> None:
        """Begin a transaction that takes no lock."""
        self._turn_began = perf_counter()
        self._driver.execute("BEGIN")

    async def begin_writing(self) -> None:
        """Begin a transaction with the write lock."""
        self._turn_began = perf_counter()
        self._driver.execute("PRAGMA busy_timeout=0")
        try:
            self._driver.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY:
                raise
        finally:
            self._driver.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_TIMEOUT_MS}")
        # Another program holds the lock. Nobody else has to wait for that.
        await self.on_thread(lambda: self._driver.execute("BEGIN IMMEDIATE"))

    async def commit(self) -> None:
        """Make it last. The flush to the disk keeps nobody else waiting."""
        await self.on_thread(self._driver.commit)

    def roll_back(self) -> None:
        """End without a trace; leave the connection free, or closed."""
        try:
            if self.in_transaction:
                self._driver.rollback()
        except sqlite3.Error:
            self.close()

    def set_savepoint(self) -> None:
        """Mark where one piece of work begins inside the transaction."""
        self._driver.execute("SAVEPOINT work")

    def end_savepoint(self, *, keep: bool) -> None:
        """Keep or undo what was done since `set_savepoint`.

        Raises:
            sqlite3.Error: SQLite has ended the whole transaction, or cannot go on.
        """
        if not keep:
            self._driver.execute("ROLLBACK TO work")
        self._driver.execute("RELEASE work")

    # -- statements -------------------------------------------------------------

    async def run(self, statement: Executable, call: Callable[[], T]) -> T:
        """Run what executes `statement`, on the loop if it is short.

        A caller that runs many statements gives way to others in between.
        """
        if self._share_s <= 0:
            return await self.on_thread(call)
        if perf_counter() - self._turn_began > self._share_s:
            await asyncio.sleep(0)
            self._turn_began = perf_counter()
        if isinstance(statement, Insert | Update):
            return call()
        if isinstance(statement, SelectBase):
            self._stop_at = perf_counter() + self._share_s
            try:
                return call()
            except OperationalError as error:
                if _code(error.orig) != sqlite3.SQLITE_INTERRUPT:
                    raise
            finally:
                self._stop_at = math.inf
        return await self.on_thread(call)

    async def run_prepared(
        self,
        statement: Prepared,
        parameters: Parameters,
        take: Callable[[PreparedText, sqlite3.Cursor], T],
    ) -> T:
        """Run a prepared statement as `run` does; return what `take` makes of it.

        Raises:
            DBAPIError: As SQLAlchemy raises it.
        """
        text = statement.text_for(self.connection.dialect, parameters)
        values = text.bind(parameters)

        def call() -> T:
            try:
                return take(text, self._driver.execute(text.sql, values))
            except sqlite3.Error as error:
                raise as_sqlalchemy(error, text.sql) from error

        return await self.run(statement.statement, call)

    async def on_thread(self, call: Callable[[], T]) -> T:
        """Run `call` on a thread, to its end even if the caller is cancelled.

        It cannot be interrupted: the connection would be used by two at once, or
        given up while its transaction still holds the write lock.
        """
        loop = asyncio.get_running_loop()
        return await to_the_end(loop.run_in_executor(self._threads, call))

    def _is_too_long(self) -> bool:
        return perf_counter() > self._stop_at


class SqliteTransaction(Transaction):
    """A transaction on a SQLite connection."""

    __slots__ = ("_on",)

    def __init__(self, connection: SqliteConnection) -> None:
        super().__init__()
        self._on = connection

    @property
    @override
    def dialect_name(self) -> str:
        return "sqlite"

    @override
    async def records(
        self, statement: Prepared, parameters: Parameters
    ) -> Sequence[Record]:
        return await self._on.run_prepared(statement, parameters, _records)

    @override
    async def change(self, statement: Prepared, parameters: Parameters) -> int:
        return await self._on.run_prepared(statement, parameters, _count)

    @override
    async def fetch(
        self,
        statement: Executable,
        parameters: Any,
        take: Callable[[CursorResult[Any]], T],
    ) -> T:
        connection = self._on.connection
        return await self._on.run(
            statement, lambda: take(connection.execute(statement, parameters))
        )


def _records(text: PreparedText, cursor: sqlite3.Cursor) -> Sequence[Record]:
    return [text.record(row) for row in cursor.fetchall()]


def _count(_text: PreparedText, cursor: sqlite3.Cursor) -> int:
    return cursor.rowcount


def as_sqlalchemy(error: sqlite3.Error, sql: str) -> BaseException:
    """Return the error as SQLAlchemy would have raised it."""
    return DBAPIError.instance(sql, None, error, sqlite3.Error, hide_parameters=True)


def _code(error: BaseException | None) -> int | None:
    """Return SQLite's primary result code (www.sqlite.org/rescode.html)."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF
