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
import math
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError

from node.erasure.decisions import Decision
from node.errors import UnavailableError
from node.sentence import Sentence
from node.storage.audit import write_notes
from node.storage.decision_numbers import number_decisions
from node.storage.failures import NESTED, OutageLog, for_caller, outage, stopping
from node.storage.sqlite_connection import (
    LOOP_SHARE_S,
    SqliteConnection,
    SqliteTransaction,
    sqlite_engine,
)
from node.storage.sqlite_pages import SqlitePages
from node.storage.sqlite_readers import SqliteReaders
from node.storage.transaction import (
    AfterCommit,
    Recorder,
    Transaction,
    Work,
    run_hooks,
)

logger = logging.getLogger(__name__)

SQLITE_FILE = "node.sqlite"
SQLITE_READERS = 4  # connections; pages are short reads
SQLITE_LOOK_UPS = 2  # connections; each is held for less than a millisecond
GROUP_COMMIT_MAX = 64  # pieces of work in one commit
READ_WAIT_S = 10  # for a free connection
T = TypeVar("T")


class Database(Protocol):
    """A node's database, whatever the engine."""

    recorder: Recorder | None
    """Where decisions of transactions go after the commit; None in tests."""

    @property
    def engine_name(self) -> str:
        """`sqlite` or `postgresql`."""

    async def write(self, work: Work[T]) -> T:
        """Run `work` in a transaction; return its result after the commit."""

    def read(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a consistent read-only view, beside the event loop.

        For pages, searches, exports and workers: however long a query takes, it
        keeps nobody else waiting.
        """

    def look_up(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a read-only view for a query or two that an index answers.

        For what every request at a door costs. On SQLite it runs on the event
        loop, which is several times as fast as a thread; nothing else may be
        awaited in the block.
        """

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run a synchronous function on the write connection (migrations)."""

    async def close(self) -> None:
        """Finish what was accepted, then close every connection."""


class _Job:
    """A piece of work on its way, and afterwards what came of it."""

    __slots__ = ("decisions", "error", "future", "hooks", "result", "work")

    def __init__(self, work: Work[Any], future: asyncio.Future[Any]) -> None:
        self.work = work
        self.future = future
        self.result: Any = None
        self.error: BaseException | None = None
        self.hooks: list[AfterCommit] = []
        self.decisions: list[Decision] = []

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

    def __init__(self, path: Path, *, on_loop: bool = False) -> None:
        """Prepare; nothing is opened yet.

        Args:
            path: The file.
            on_loop: Read on the event loop too, however long it takes, for a loop
                that has no threads and must do the same again (simulator).
        """
        self.recorder: Recorder | None = None
        self._outage = OutageLog()
        # Not a text to be parsed: a folder may be called "50%?".
        url = URL.create("sqlite", database=str(path))
        self._write_engine = sqlite_engine(url, writes=True)
        self._share_s = math.inf if on_loop else LOOP_SHARE_S
        self._threads = ThreadPoolExecutor(1, "sqlite")  # of the writer
        looking = sqlite_engine(url, writes=False)
        self._door_readers = SqliteReaders(
            looking,
            ThreadPoolExecutor(SQLITE_LOOK_UPS, "sqlite-door"),
            connections=SQLITE_LOOK_UPS,
            wait_s=READ_WAIT_S,
            share_s=self._share_s,
        )
        # A thread for each connection: nobody waits for another's statement.
        self._page_readers: SqlitePages | SqliteReaders = (
            SqliteReaders(
                looking,
                ThreadPoolExecutor(SQLITE_READERS, "sqlite-page"),
                connections=SQLITE_READERS,
                wait_s=READ_WAIT_S,
                share_s=self._share_s,
            )
            if on_loop
            else SqlitePages(url, connections=SQLITE_READERS, wait_s=READ_WAIT_S)
        )
        self._queue: asyncio.Queue[_Job | None] = asyncio.Queue()
        self._writer: asyncio.Task[None] | None = None
        # The writer and `run_sync` share the only write connection.
        self._write_lock = asyncio.Lock()
        self._write_connection: SqliteConnection | None = None
        self._closing = False

    async def write(self, work: Work[T]) -> T:
        """Queue `work` for the writer; return after the group's commit.

        A caller that is cancelled while its work waits takes it back; once the
        work has begun it is finished and committed.
        """
        if self._closing:
            raise stopping()
        self._refuse_inside_work()
        if self._writer is None or self._writer.done():
            # An empty context: the writer outlives the request that started it.
            self._writer = asyncio.create_task(
                self._run(), name="sqlite-writer", context=contextvars.Context()
            )
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait(_Job(work, future))
        return await future

    def read(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a read-only snapshot on a thread; it ends with the block."""
        self._refuse_inside_work()
        return self._page_readers.transaction()

    def look_up(self) -> contextlib.AbstractAsyncContextManager[Transaction]:
        """Open a read-only snapshot on the loop; it ends with the block."""
        self._refuse_inside_work()
        return self._door_readers.transaction()

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run `function(connection)` in a transaction of its own."""
        self._refuse_inside_work()
        async with self._write_lock:
            try:
                writer = self._open_writer()
                await writer.begin_writing()
                try:
                    connection = writer.connection
                    result = await writer.on_thread(lambda: function(connection))
                    await writer.commit()
                finally:
                    writer.roll_back()
            except (DBAPIError, sqlite3.Error) as error:
                raise for_caller(error) from error
            return result

    async def close(self) -> None:
        """Finish the queue, checkpoint the log, close."""
        self._closing = True
        if self._writer is not None:
            self._queue.put_nowait(None)
            # wait() leaves the writer alone when the one who closes is cancelled.
            await asyncio.wait([self._writer])
        # Readers first: an open snapshot would hold the checkpoint up.
        await self._page_readers.close()
        await self._door_readers.close()
        if self._write_connection is not None:
            await self._write_connection.on_thread(
                self._write_connection.checkpoint_and_close
            )
            self._write_connection = None
        self._threads.shutdown(wait=False)

    def _open_writer(self) -> SqliteConnection:
        writer = self._write_connection
        if writer is None or not writer.is_usable:
            writer = SqliteConnection(
                self._write_engine, self._threads, share_s=self._share_s
            )
            self._write_connection = writer
        return writer

    def _refuse_inside_work(self) -> None:
        if self._writer is not None and asyncio.current_task() is self._writer:
            raise RuntimeError(NESTED)

    async def _run(self) -> None:
        group: list[_Job] = []
        try:
            stop = False
            while not stop:
                group, stop = await self._next_group()
                async with self._write_lock:
                    await self._commit(group)
        finally:
            # After an orderly end nothing is left. If the writer was cancelled
            # (the loop goes down), nobody may wait for ever.
            while not self._queue.empty():
                job = self._queue.get_nowait()
                if job is not None:
                    group.append(job)
            for job in group:
                job.fail(stopping())

    async def _next_group(self) -> tuple[list[_Job], bool]:
        """Wait for work; return it, and whether it is the last."""
        group: list[_Job] = []
        job = await self._queue.get()
        # Whoever is about to write joins this commit.
        await asyncio.sleep(0)
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
                self._outage.failed(lost.culprit.error)
                lost.culprit.settle()
                remaining = [job for job in remaining if job is not lost.culprit]
                continue
            except Exception as error:  # noqa: BLE001 - handed to every caller
                self._outage.failed(error)
                for job in remaining:
                    job.fail(for_caller(error))
                return
            if not any(isinstance(job.error, UnavailableError) for job in remaining):
                self._outage.succeeded()
            await self._write_down(remaining)
            for job in remaining:
                self._outage.failed(job.error)
                run_hooks(job.hooks)
                job.settle()
            return

    async def _write_down(self, group: list[_Job]) -> None:
        """Put the decisions of a whole group into the journal, with one flush."""
        recorder = self.recorder
        decisions = [each for job in group for each in job.decisions]
        if recorder is not None and decisions:
            await self._open_writer().on_thread(lambda: recorder.append(decisions))

    async def _run_group(self, group: list[_Job]) -> None:
        writer = self._open_writer()
        await writer.begin_writing()
        try:
            for job in group:
                await _run_job(writer, job)
            await writer.commit()
        finally:
            writer.roll_back()


async def _run_job(connection: SqliteConnection, job: _Job) -> None:
    """Run one piece of work in a savepoint; keep what came of it in the job."""
    transaction = SqliteTransaction(connection)
    job.result, job.error, job.hooks, job.decisions = None, None, [], []
    connection.set_savepoint()
    try:
        job.result = await job.work(transaction)
        await write_notes(transaction)
        await number_decisions(transaction)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise  # it is the writer that is cancelled
        job.error = error
    except Exception as error:  # noqa: BLE001 - handed to the caller
        job.error = for_caller(error)
    else:
        job.hooks, job.decisions = transaction.hooks, transaction.decisions
    # On a full disk SQLite ends the whole transaction. The next savepoint would
    # silently open another one, and the earlier callers would be told that their
    # work is stored.
    if not connection.in_transaction:
        raise _TransactionLostError(job)
    try:
        connection.end_savepoint(keep=job.error is None)
    except sqlite3.Error as error:
        job.error = job.error or outage(error)
        raise _TransactionLostError(job) from error


def open_database(url: str, *, folder: Path, on_loop: bool = False) -> Database:
    """Open the engine that the settings name; empty means SQLite in the folder.

    Args:
        url: From the settings.
        folder: The node's folder.
        on_loop: Of SQLite; see `SqliteDatabase`.

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
        return SqliteDatabase(path, on_loop=on_loop)
    try:
        # Its driver is an extra, and takes memory that SQLite does without.
        from node.storage.postgres_database import (  # noqa: PLC0415
            PostgresDatabase,
        )

        return PostgresDatabase(url)
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "The settings name a PostgreSQL database, but its driver is missing.",
            code="driver-missing",
            path="database.url",
            hint="Install Spalier with the extra postgres: spalier[postgres]",
        ) from error


__all__ = [
    "SQLITE_FILE",
    "Database",
    "SqliteDatabase",
    "Transaction",
    "Work",
    "open_database",
]
