"""An event loop without time, threads or chance of its own.

Time stands still while anything can run and then jumps to the next timer. Which of
several waiting callbacks runs next is drawn from the seed, so that every order is
tried sooner or later and the same seed tries the same one again.

Each callback belongs to a `Process`, by its context. The callbacks of a process that
was killed are dropped: nothing of it runs any more, no `finally` either, as if the
power had failed at that very step.
"""

import asyncio
import heapq
from asyncio import base_events, events
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from random import Random
from typing import Any, Final, TypeVar, cast

from typing_extensions import override

T = TypeVar("T")

_TASKS_KEPT: Final = 64
STEPS_AT_ONCE_MAX: Final = 20_000  # a busy moment of a node takes a few hundred


class RestlessError(Exception):
    """Something goes on and on and lets no time pass."""


class Process:
    """One run of one node, from its start to its stop or crash.

    Attributes:
        name: For the record.
        is_alive: False once it was killed.
        steps_left: Steps until it is killed by itself; None for never.
        on_killed: Called when it is killed, by whatever names the call.
        tasks: All of its tasks, kept so that nothing of them ends on its own.
        listening: Makes the protocol of a connection, once the port is open.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.steps_left: int | None = None
        self.on_killed: dict[object, Callable[[], None]] = {}
        self.tasks: list[asyncio.Task[Any]] = []
        self._tasks_kept = _TASKS_KEPT
        self.listening: Callable[[], asyncio.BaseProtocol] | None = None
        self.context = copy_context()
        self.context.run(PROCESS.set, self)

    def kill(self) -> None:
        """Let it run no further; whoever waits for it is told."""
        if not self.is_alive:
            return
        self.is_alive = False
        self.listening = None
        hooks, self.on_killed = list(self.on_killed.values()), {}
        for hook in hooks:
            hook()

    def bury(self) -> None:
        """Close what its tasks have open; the world they lived in is over."""
        for task in self.tasks:
            coroutine = task.get_coro()
            # They cannot wait any more; some try to.
            with suppress(BaseException):
                coroutine.close()
        self.tasks.clear()

    def keep(self, task: asyncio.Task[Any]) -> None:
        """Keep a task, and let those go that have ended."""
        self.tasks.append(task)
        if len(self.tasks) > self._tasks_kept:
            self.tasks = [each for each in self.tasks if not each.done()]
            self._tasks_kept = 2 * len(self.tasks) + _TASKS_KEPT


PROCESS: Final[ContextVar[Process | None]] = ContextVar("PROCESS", default=None)
NOBODY: Final = Context()
"""For what belongs to no process: it happens whoever is killed."""


class InlineExecutor(Executor):
    """Runs what it is given at once; for steps that are no scheduler steps."""

    @override
    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits
            future.set_exception(error)
        return future


class VirtualLoop(base_events.BaseEventLoop):
    """The loop; see the module.

    Args:
        chance: Draws the order.
    """

    _ready: "deque[events.Handle]"
    _scheduled: list[events.TimerHandle]

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self._chance = chance
        self._now = 0.0
        self._steps_at_once = 0
        self.steps = 0
        self.faults: list[dict[str, Any]] = []
        self.set_exception_handler(self._note_fault)

    @override
    def time(self) -> float:
        return self._now

    # -- what BaseEventLoop leaves to the platform --------------------------------

    def _run_once(self) -> None:
        """Run one callback of those that are ready, or let time pass."""
        while self._scheduled and self._scheduled[0].when() <= self._now:
            timer = heapq.heappop(self._scheduled)
            if not timer.cancelled():
                self._ready.append(timer)
        if not self._ready:
            self._let_time_pass()
            return
        index = self._chance.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        handle = self._ready[index]
        del self._ready[index]
        if handle.cancelled():
            return
        process = _process_of(handle)
        if process is not None and not self._may_run(process):
            return
        self.steps += 1
        self._steps_at_once += 1
        if self._steps_at_once > STEPS_AT_ONCE_MAX:
            raise RestlessError(_described(handle))
        handle._run()  # noqa: SLF001 - as BaseEventLoop does

    def _let_time_pass(self) -> None:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._scheduled:
            msg = "everybody waits for somebody else: nothing will ever happen again"
            raise RuntimeError(msg)
        self._now = max(self._now, self._scheduled[0].when())
        self._steps_at_once = 0

    def _may_run(self, process: Process) -> bool:
        if process.steps_left is not None and process.is_alive:
            if process.steps_left == 0:
                process.kill()
            else:
                process.steps_left -= 1
        return process.is_alive

    def _timer_handle_cancelled(self, handle: events.TimerHandle) -> None:
        """Forget nothing: a cancelled timer is passed over when its time comes."""

    def _write_to_self(self) -> None:
        """Nobody sleeps in a selector."""

    # -- tasks, threads and ports belong to a process -----------------------------

    @override
    def create_task(
        self,
        coro: Any,
        *,
        name: object = None,
        context: Context | None = None,
    ) -> asyncio.Task[Any]:
        process = PROCESS.get()
        if process is None and context is not None:
            process = context.get(PROCESS)
        context = copy_context() if context is None else context
        if context.get(PROCESS) is not process:
            # Started in an empty context, as SQLite's writer is.
            context.run(PROCESS.set, process)
        task = super().create_task(coro, name=cast("str", name), context=context)
        if process is not None:
            # It may be left where it stands, and nobody shall wonder.
            task._log_destroy_pending = False  # type: ignore[attr-defined] # noqa: SLF001
            process.keep(task)
        return task

    @override
    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run `func` in a step of its own, as a thread would at some time."""
        future: asyncio.Future[T] = self.create_future()

        def run() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - handed to whoever waits
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        self.call_soon(run)
        return future

    @override
    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *_: Any, **__: Any
    ) -> "Port":
        process = PROCESS.get()
        if process is None:
            msg = "only a process of the simulation can open a port"
            raise RuntimeError(msg)
        process.listening = protocol_factory
        return Port(process)

    def spawn(
        self, process: Process, work: Coroutine[Any, Any, T], *, name: str
    ) -> asyncio.Task[T]:
        """Start a task of a process."""
        return process.context.copy().run(self.create_task, work, name=name)

    def _note_fault(
        self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]
    ) -> None:
        self.faults.append(context)


class Port:
    """An open port of a process, as `loop.create_server` returns one."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def close(self) -> None:
        """Take no more connections."""
        self._process.listening = None


def _process_of(handle: events.Handle) -> Process | None:
    context: Context = handle._context  # type: ignore[attr-defined] # noqa: SLF001
    return context.get(PROCESS)


def _described(handle: events.Handle) -> str:
    task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined] # noqa: SLF001
    if not isinstance(task, asyncio.Task):
        return repr(handle)
    process = _process_of(handle)
    where = [f"{frame.f_code.co_name}:{frame.f_lineno}" for frame in task.get_stack()]
    return f"{process.name if process else 'nobody'} {task.get_name()} {where}"
