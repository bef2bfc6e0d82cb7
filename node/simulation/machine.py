"""A node on its machine: a folder, a clock, and runs that come and go."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from node.app import Node, clockwork, open_node
from node.initialise import initialise
from node.members.model import Person
from node.simulation.loop import NOBODY, InlineExecutor, Process, VirtualLoop
from node.simulation.network import Network
from node.web.server import opened_doors

T = TypeVar("T")

BEGIN: Final = datetime(2026, 11, 21, 8, tzinfo=UTC)
_STOP_S: Final = 20.0
# Written anew at each opening; the log's index belongs to the run that has it open.
_LEFT_BEHIND: Final = ("node.lock", "node.sqlite-shm")


class CrashedError(Exception):
    """The node was killed before the order was carried out, or after it."""


@dataclass
class Sky:
    """The true time: that of the loop, and what was slept through.

    Attributes:
        slept: Time in which nothing happened anywhere.
    """

    loop: VirtualLoop | None = None
    slept: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the true time."""
        passed = 0.0 if self.loop is None else self.loop.time()
        return BEGIN + self.slept + timedelta(seconds=passed)


@dataclass
class SkewedClock:
    """A node's own idea of the time."""

    sky: Sky
    skew: timedelta = timedelta()

    def now(self) -> datetime:
        """Return the present as the node has it."""
        return self.sky.now() + self.skew


class SeededSource:
    """Random bytes of one node."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def bytes(self, count: int, /) -> bytes:
        """Return `count` bytes."""
        return self._random.randbytes(count)


@dataclass
class Machine:
    """One node, whether it runs or not.

    Attributes:
        home: Holds a folder for each run; what was committed moves on to the next.
        runs: How many there were.
        node: The services of the present run; None while it is down.
    """

    name: str
    home: Path
    loop: VirtualLoop
    network: Network
    clock: SkewedClock
    random: SeededSource
    runs: int = 0
    process: Process | None = None
    node: Node | None = None
    office: Person | None = None
    buried: list[Process] = field(default_factory=list)
    _ready: asyncio.Event | None = None
    _stop: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """The node's address."""
        return f"https://{self.name}.example"

    @property
    def folder(self) -> Path:
        """The folder of the present run, or of the last one."""
        return self.home / str(self.runs)

    @property
    def is_open(self) -> bool:
        """Whether its doors are open; nothing of what it does before is seen."""
        return self.process is not None and self.process.listening is not None

    @property
    def is_up(self) -> bool:
        """Whether it can be asked for something."""
        return self.node is not None

    async def initialise(self) -> None:
        """Make the node; on a loop of its own, before the simulation begins."""
        await initialise(
            self.folder,
            base_url=self.base_url,
            name=self.name.title(),
            office_email=f"office@{self.name}.example",
            clock=self.clock,
            random=self.random,
            card={"contact": f"office@{self.name}.example"},
        )

    async def start(self) -> None:
        """Run it, with doors and workers, as `serve` does.

        Raises:
            CrashedError: It was killed while it started.
        """
        process = Process(f"{self.name}/{self.runs}")
        self.process = process
        self.network.set_process(self.name, process)
        self._ready, self._stop = asyncio.Event(), asyncio.Event()
        main = self.loop.spawn(process, self._serve(), name="serve")
        ready = self.loop.spawn(process, self._ready.wait(), name="ready")
        process.on_killed["machine"] = lambda: self._killed(process)
        await self._outcome(process, {main, ready})
        if main.done():
            await main

    async def stop(self) -> None:
        """Stop in order, as after SIGTERM."""
        process, stop = self.process, self._stop
        if process is None or stop is None or not self.is_up:
            return
        stop.set()
        main = next(task for task in process.tasks if task.get_name() == "serve")
        self.node = self.office = None
        await self._outcome(process, {main})
        process.kill()

    async def order(self, work: Callable[[Node, Person], Awaitable[T]]) -> T:
        """Let the node's office do something, in the node's own process.

        Raises:
            CrashedError: The node was killed meanwhile; what was committed, counts.
        """
        node, office, process = self.node, self.office, self.process
        if node is None or office is None or process is None:
            raise CrashedError

        async def run() -> T:
            return await work(node, office)

        task = self.loop.spawn(process, run(), name="order")
        await self._outcome(process, {task})
        return task.result()

    def move_on(self) -> Path:
        """Take what the last run left on the disk to a folder for the next one."""
        before = self.folder
        self.runs += 1
        shutil.copytree(
            before, self.folder, ignore=shutil.ignore_patterns(*_LEFT_BEHIND)
        )
        # Whoever still has the old files open shares nothing with the new ones.
        shutil.rmtree(before)
        return self.folder

    async def command(
        self, work: Callable[[Path], Awaitable[T]], *, steps_left: int | None = None
    ) -> T:
        """Let a command have the folder of a node that is down, as a process.

        Args:
            work: The command.
            steps_left: Steps until it is killed; None for never.

        Raises:
            CrashedError: It was killed.
        """
        process = Process(f"{self.name}/{self.runs} command")
        process.on_killed["machine"] = lambda: self.buried.append(process)
        process.steps_left = steps_left
        folder = self.folder

        async def run() -> T:
            return await work(folder)

        task = self.loop.spawn(process, run(), name="command")
        await self._outcome(process, {task})
        process.kill()
        return task.result()

    def bury(self) -> None:
        """End what was killed, now that nothing can be harmed by it."""
        for process in self.buried:
            process.bury()
        self.buried.clear()

    async def _serve(self) -> None:
        async with AsyncExitStack() as stack:
            node = await stack.enter_async_context(
                open_node(
                    self.folder,
                    clock=self.clock,
                    random=self.random,
                    wire=self.network.wire(self.name),
                    threads=InlineExecutor(),
                    environ={},  # the same run everywhere
                )
            )
            await stack.enter_async_context(opened_doors(node, stop_seconds=_STOP_S))
            self.office = await node.members.office_person()
            self.node = node
            workers = [
                asyncio.create_task(clockwork(node).run(), name="clockwork"),
                asyncio.create_task(node.delivery.run(), name="delivery"),
            ]
            assert self._ready is not None  # noqa: S101 - for the types
            assert self._stop is not None  # noqa: S101 - for the types
            self._ready.set()
            await self._stop.wait()
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _killed(self, process: Process) -> None:
        if self.process is process:
            self.node = self.office = self.process = None
            self.network.set_process(self.name, None)
        self.buried.append(process)

    async def _outcome(self, process: Process, tasks: set[asyncio.Task[Any]]) -> None:
        """Wait until one of the tasks is done, or the process is killed."""
        gone: asyncio.Future[None] = self.loop.create_future()

        def end(*_: object) -> None:
            if not gone.done():
                gone.set_result(None)

        if not process.is_alive:
            end()
        process.on_killed[gone] = end
        for task in tasks:
            task.add_done_callback(end, context=NOBODY)
        await gone
        process.on_killed.pop(gone, None)
        if not any(task.done() for task in tasks):
            raise CrashedError
