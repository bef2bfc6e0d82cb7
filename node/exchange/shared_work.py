"""Who delivers to a partner, and who does the work of the clock.

One process does everything itself (`OwnWork`). Several processes that share a
PostgreSQL database each take a lease for what they are about to do and renew it
while they do it (`LeasedWork`). A process that is gone loses its leases when they
run out. One that stood still may go on with what is no longer its own: its requests
do no harm, because a page or an activity may always come twice, and its writes are
refused, because each checks the lease in its own transaction.

Source: SPEC.md NOD-052, NOD-053.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol

from node.errors import UnavailableError
from node.limits import LEASE_LENGTH, LEASE_RENEWED_EVERY
from node.storage.database import Database, Transaction
from node.storage.leases import (
    Lease,
    LeaseLostError,
    partner_lease,
    renew_all,
    work_lease,
)
from node.storage.write_guard import guarded_writes

logger = logging.getLogger(__name__)

CLOCK_WORK: Final = "clock"


class SharedWork(Protocol):
    """Lets one process at a time do a thing."""

    async def deliver(
        self, partner_id: str, job: Callable[[str], Awaitable[None]]
    ) -> None:
        """Run `job(partner_id)`, unless another process delivers to this partner."""
        ...

    async def run_clock(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run what runs for ever, whenever no other process does."""
        ...


class OwnWork:
    """The only process does everything."""

    async def deliver(
        self, partner_id: str, job: Callable[[str], Awaitable[None]]
    ) -> None:
        """Run `job(partner_id)`."""
        await job(partner_id)

    async def run_clock(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run it."""
        await run()


class LeasedWork:
    """One of several processes: does what it has a lease for.

    Args:
        database: PostgreSQL.
        holder: Names this process among all that share the database.
    """

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder

    async def deliver(
        self, partner_id: str, job: Callable[[str], Awaitable[None]]
    ) -> None:
        """Run `job(partner_id)`, unless another process delivers to this partner."""
        async with self._held(partner_lease(partner_id)) as mine:
            if mine:
                await job(partner_id)

    async def run_clock(self, run: Callable[[], Awaitable[None]]) -> None:
        """Run what runs for ever, whenever no other process does."""
        while True:
            try:
                async with self._held(work_lease(CLOCK_WORK)) as mine:
                    if mine:
                        logger.info("this process does the work of the clock")
                        await run()
            except UnavailableError as error:
                logger.warning("the work of the clock waits: %s", error)
            await asyncio.sleep(LEASE_RENEWED_EVERY.total_seconds())

    async def keep(self) -> None:
        """Renew what this process holds, until cancelled."""

        async def work(tx: Transaction) -> None:
            await renew_all(tx, holder=self._holder, length=LEASE_LENGTH)

        while True:
            await asyncio.sleep(LEASE_RENEWED_EVERY.total_seconds())
            try:
                await self._database.write(work)
            except UnavailableError as error:
                logger.warning("leases are not renewed: %s", error)

    @asynccontextmanager
    async def _held(self, lease: Lease) -> AsyncIterator[bool]:
        """Hold a lease inside the block if it is to be had; say whether it is."""
        take = partial(lease.take, holder=self._holder, length=LEASE_LENGTH)
        if not await self._database.write(take):
            yield False
            return
        logger.debug("lease of %s taken by %s", lease.key, self._holder)
        try:
            with guarded_writes(partial(lease.require, holder=self._holder)):
                yield True
        except* LeaseLostError:
            logger.warning("lease of %s was lost by %s", lease.key, self._holder)
        finally:
            logger.debug("lease of %s ends at %s", lease.key, self._holder)
            give_back = partial(lease.give_back, holder=self._holder)
            await self._database.write(give_back)
