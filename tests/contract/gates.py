"""Hold one transaction open just before its commit, while another one runs."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from node.storage.database import Database, Transaction, Work

T = TypeVar("T")
# So long the second one runs, or waits for a lock, before the first one commits.
AHEAD_SECONDS = 0.15


@dataclass
class Gate:
    """A transaction has done everything but its commit, and waits."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)


class GatedDatabase:
    """A database as one process sees it; its next write can be held."""

    def __init__(self, inner: Database) -> None:
        self._inner = inner
        self._gate: Gate | None = None

    @property
    def engine_name(self) -> str:
        return self._inner.engine_name

    def hold_next(self) -> Gate:
        self._gate = Gate()
        return self._gate

    async def write(self, work: Work[T]) -> T:
        gate, self._gate = self._gate, None
        if gate is None:
            return await self._inner.write(work)

        async def held(tx: Transaction) -> T:
            result = await work(tx)
            gate.reached.set()
            await gate.open.wait()
            return result

        return await self._inner.write(held)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        async with self._inner.read() as tx:
            yield tx

    def look_up(self) -> AbstractAsyncContextManager[Transaction]:
        return self._inner.look_up()

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        return await self._inner.run_sync(function)

    async def close(self) -> None:
        await self._inner.close()


async def while_held(
    gated: GatedDatabase,
    first: Callable[[], Awaitable[T]],
    second: Callable[[], Awaitable[Any]],
) -> tuple[T, Any, bool]:
    """Run `second` while the write of `first` waits for its commit.

    Args:
        gated: What `first` writes through.
        first: Begins, does everything and commits late.
        second: Through another connection.

    Returns:
        What both returned, and whether the second one had to wait for the first.
    """
    gate = gated.hold_next()
    one = asyncio.ensure_future(first())
    async with asyncio.timeout(20):
        await asyncio.wait(
            {one, asyncio.ensure_future(gate.reached.wait())},
            return_when=asyncio.FIRST_COMPLETED,
        )
        assert not one.done(), one.result()
        other = asyncio.ensure_future(second())
        await asyncio.wait({other}, timeout=AHEAD_SECONDS)
        waited = not other.done()
        gate.open.set()
        return await one, await other, waited
