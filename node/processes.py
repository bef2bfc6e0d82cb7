"""The processes that share a node: what they tell each other, and who does what.

A node whose database is a file is one process. On PostgreSQL any number of `serve`
and `worker` processes may share one, on one machine or on several. What has to be
done soon is told by NOTIFY after the commit; whoever misses it finds it when it looks
by itself. The database is what counts; nothing is lost with a message.

Source: SPEC.md NOD-050 to NOD-057.
"""

import asyncio
import contextvars
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Final, Protocol, TypeAlias

from federation.ids import random_id
from federation.ports import RandomSource
from node.errors import UnavailableError
from node.exchange.shared_work import LeasedWork, OwnWork, SharedWork
from node.exchange.wakeup import WakeUp
from node.limits import KEYS_READ_EVERY, LEASE_RENEWED_EVERY
from node.storage.database import Database

logger = logging.getLogger(__name__)

CHANNEL: Final = "spalier"
_DELIVER: Final = "deliver"
_KEYS: Final = "keys"


class SharedDatabase(Database, Protocol):
    """A database that carries messages between those who use it."""

    async def notify(self, channel: str, messages: Iterable[str]) -> None:
        """Tell everybody who listens on a channel."""
        ...

    def listen(self, channel: str, pause_s: float) -> AsyncIterator[str | None]:
        """Yield what is told on a channel; None after a pause."""
        ...


class OnlyProcess:
    """The node is this process."""

    are_several = False

    def __init__(self) -> None:
        self.wakeup = WakeUp()
        self.work: SharedWork = OwnWork()

    def keys_changed(self) -> None:
        """Tell nobody: there is nobody else."""

    async def run(self, *, read_keys: Callable[[], Awaitable[None]]) -> None:
        """Wait until cancelled; there is nobody to be heard."""
        del read_keys
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Do nothing."""


class OneOfSeveral:
    """The node may have more processes than this one.

    Args:
        database: What they share.
        random: Names this process.
    """

    are_several = True

    def __init__(self, database: SharedDatabase, random: RandomSource) -> None:
        self._database = database
        self._holder = f"{os.getpid()}-{random_id(random)}"
        self._waiting: dict[str, None] = {}
        self._telling: asyncio.Task[None] | None = None
        self._leased = LeasedWork(database, self._holder)
        self.wakeup = WakeUp(lambda partner_id: self._tell(_DELIVER, partner_id))
        self.work: SharedWork = self._leased

    def keys_changed(self) -> None:
        """Tell the others to read the keys again."""
        self._tell(_KEYS, "")

    async def run(self, *, read_keys: Callable[[], Awaitable[None]]) -> None:
        """Hear the others, and renew the leases of this process, until cancelled.

        Args:
            read_keys: Takes over what another process has changed about the keys.
        """
        keys = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._leased.keep(), name="leases")
            group.create_task(self._hear(keys), name="signals")
            group.create_task(_follow_keys(keys, read_keys), name="keys")

    async def close(self) -> None:
        """Tell what is still to be told."""
        if self._telling is not None:
            await asyncio.wait([self._telling])

    def _tell(self, what: str, about: str) -> None:
        self._waiting[f"{what}:{about}:{self._holder}"] = None
        if self._telling is None or self._telling.done():
            # An empty context: it tells also what others have changed meanwhile.
            self._telling = asyncio.create_task(
                self._tell_all(), name="tell", context=contextvars.Context()
            )

    async def _tell_all(self) -> None:
        while self._waiting:
            messages, self._waiting = list(self._waiting), {}
            try:
                await self._database.notify(CHANNEL, messages)
            except UnavailableError as error:
                # They look by themselves every few seconds.
                logger.warning("the other processes are not told: %s", error)

    async def _hear(self, keys: asyncio.Event) -> None:
        pause = LEASE_RENEWED_EVERY.total_seconds()
        while True:
            try:
                async for message in self._database.listen(CHANNEL, pause):
                    if message is not None:
                        self._take(message, keys)
            except UnavailableError as error:
                logger.warning("the other processes are not heard: %s", error)
            await asyncio.sleep(pause)

    def _take(self, message: str, keys: asyncio.Event) -> None:
        what, _, rest = message.partition(":")
        about, _, sender = rest.partition(":")
        if sender == self._holder:
            return
        if what == _DELIVER:
            self.wakeup.hear(about)
        elif what == _KEYS:
            keys.set()


async def _follow_keys(
    told: asyncio.Event, read_keys: Callable[[], Awaitable[None]]
) -> None:
    while True:
        try:
            async with asyncio.timeout(KEYS_READ_EVERY.total_seconds()):
                await told.wait()
        except TimeoutError:
            pass
        told.clear()
        try:
            await read_keys()
        except UnavailableError as error:
            logger.warning("the keys are not read: %s", error)


Processes: TypeAlias = OnlyProcess | OneOfSeveral


def processes_of(database: Database, random: RandomSource) -> Processes:
    """Say how a node with this database may be run."""
    if database.engine_name != "postgresql":
        return OnlyProcess()
    from node.storage.postgres_database import PostgresDatabase  # noqa: PLC0415

    assert isinstance(database, PostgresDatabase)  # noqa: S101 - for the types
    return OneOfSeveral(database, random)
