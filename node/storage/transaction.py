"""What a piece of work may do with the database, whatever the engine."""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Executable, Row
from sqlalchemy.engine import CursorResult

from node.audit.model import AuditNote
from node.erasure.decisions import Decision
from node.errors import NodeError
from node.storage.prepared import Parameters, Prepared, Record

T = TypeVar("T")
AfterCommit: TypeAlias = Callable[[], None]

logger = logging.getLogger(__name__)


class Transaction(ABC):
    """Run statements, and ask for something after the commit.

    A statement that is made once, with `bindparam` for its values, runs in a
    fifth of the time that one takes which is put together for each call, and a
    `Prepared` one in a third of that; what happens for every request is written so.
    """

    __slots__ = ("decisions", "hooks", "notes")

    def __init__(self) -> None:
        self.hooks: list[AfterCommit] = []
        self.decisions: list[Decision] = []
        self.notes: list[AuditNote] = []

    @property
    @abstractmethod
    def dialect_name(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    async def fetch(
        self,
        statement: Executable,
        parameters: Any,
        take: Callable[[CursorResult[Any]], T],
    ) -> T:
        """Run one statement and return what `take` makes of its result."""

    @abstractmethod
    async def records(
        self, statement: Prepared, parameters: Parameters
    ) -> Sequence[Record]:
        """Run a prepared query and return all rows."""

    @abstractmethod
    async def change(self, statement: Prepared, parameters: Parameters) -> int:
        """Run a prepared insert or update and return how many rows it wrote."""

    async def record(
        self, statement: Prepared, parameters: Parameters
    ) -> Record | None:
        """Run a prepared query and return the only row, or None."""
        found = await self.records(statement, parameters)
        if len(found) > 1:
            msg = "a query for one row found more"
            raise LookupError(msg)
        return found[0] if found else None

    async def execute(
        self, statement: Executable, parameters: Any = None
    ) -> CursorResult[Any]:
        """Run one statement that returns no rows; with a list, once for each."""
        return await self.fetch(statement, parameters, _whole)

    async def one_or_none(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Row[Any] | None:
        """Return the only row, or None; two rows are a bug."""
        return await self.fetch(statement, parameters, _one_or_none)

    async def all(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> list[Row[Any]]:
        """Return all rows."""
        return await self.fetch(statement, parameters, _all)

    async def scalar(
        self, statement: Executable, parameters: Parameters | None = None
    ) -> Any:
        """Return the first column of the first row, or None."""
        return await self.fetch(statement, parameters, _scalar)

    def after_commit(self, hook: AfterCommit) -> None:
        """Call `hook` once the transaction is on disk; never if it is rolled back."""
        self.hooks.append(hook)

    def decide(self, decision: Decision | None) -> None:
        """Write a decision into the erasure journal once the transaction is on disk.

        It is there before anybody is told of the commit, so that no restore from a
        backup undoes it (SPEC NOD-066).
        """
        if decision is not None:
            self.decisions.append(decision)

    def note(self, note: AuditNote) -> None:
        """Write a decision into the audit log, in this transaction (SPEC AUD-001).

        It is written last of all: on PostgreSQL nobody else adds to the log until
        the commit.
        """
        self.notes.append(note)


Work: TypeAlias = Callable[[Transaction], Awaitable[T]]
"""What runs in a transaction."""


class Recorder(Protocol):
    """Keeps decisions outside the database; `node.erasure.journal` does."""

    @property
    def trouble(self) -> NodeError | None:
        """Why decisions are not on disk; None while all are."""

    def append(self, decisions: Sequence[Decision]) -> None:
        """Put decisions on disk, however long that takes; does not fail."""


def run_hooks(hooks: list[AfterCommit]) -> None:
    """Call what was asked for after the commit; none keeps another from it."""
    for hook in hooks:
        try:
            hook()
        except Exception:
            # The change is on disk; a failed wake-up must not turn it into an error.
            logger.exception("after-commit hook failed")


async def to_the_end(call: Awaitable[T]) -> T:
    """Await what a thread does, to its end even if the caller is cancelled.

    A connection whose thread is still at work would be used by two at once, or
    given up while its transaction holds a lock.
    """
    running = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # the cancellation counts; do not report this one
        raise


def _whole(result: CursorResult[Any]) -> CursorResult[Any]:
    return result


def _one_or_none(result: CursorResult[Any]) -> Row[Any] | None:
    return result.one_or_none()


def _all(result: CursorResult[Any]) -> list[Row[Any]]:
    return list(result.all())


def _scalar(result: CursorResult[Any]) -> Any:
    return result.scalar()
