"""Long steps beside the event loop, in few threads of their own.

A thread cannot be cut off: a step whose request was given up runs to its end. So
bounds count threads and not requests, and nobody else's threads (passwords, files)
are used up by what a peer has sent.

Source: SPEC.md FED-135.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from federation.rates import too_many

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

T = TypeVar("T")

_RETRY: Final = timedelta(seconds=1)


class StepThreads:
    """Few threads; what finds none free waits, and is left out if it is given up.

    Args:
        count: How many.
        name: Theirs, for whoever looks at the process.
        executor: Runs the steps instead of threads of its own (simulator).
    """

    def __init__(
        self, count: int, *, name: str, executor: Executor | None = None
    ) -> None:
        self._executor = executor or ThreadPoolExecutor(count, thread_name_prefix=name)
        self._busy: set[str] = set()

    async def run(self, step: Callable[[], T], *, sender: str | None = None) -> T:
        """Run a step in one of the threads.

        Args:
            step: What to do; its errors are raised here.
            sender: Whose it is. Of one sender one step runs at a time, also when
                the request of the one before was given up.

        Raises:
            RateLimitError: A step of this sender is still running.
        """
        if sender is not None and sender in self._busy:
            raise too_many(_RETRY, text="An earlier request is still looked at.")
        running = self._executor.submit(step)
        if sender is not None:
            self._busy.add(sender)
            # Before whoever waits for it hears of the end.
            running.add_done_callback(lambda _: self._busy.discard(sender))
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Take no more; what runs comes to its end."""
        self._executor.shutdown(wait=False, cancel_futures=True)
