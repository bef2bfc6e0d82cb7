"""Threads are counted, not requests."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from federation.errors import RateLimitError
from federation.transport.threads import StepThreads


@pytest.fixture
def threads() -> Iterator[StepThreads]:
    made = StepThreads(2, name="test")
    yield made
    made.close()


async def test_a_step_that_was_given_up_keeps_its_thread_and_its_turn(
    threads: StepThreads,
) -> None:
    go, running, peak, lock = threading.Event(), 0, 0, threading.Lock()

    def slow() -> str:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)
        assert go.wait(20)
        with lock:
            running -= 1
        return "done"

    for sender in ("a", "b"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await threads.run(slow, sender=sender)
    # The same sender is refused; another one waits for a thread.
    for sender in ("a", "b"):
        with pytest.raises(RateLimitError):
            await threads.run(slow, sender=sender)
    waiting = asyncio.create_task(threads.run(slow, sender="c"))
    given_up = asyncio.create_task(threads.run(slow, sender="d"))
    await asyncio.sleep(0.05)
    given_up.cancel()
    assert not waiting.done()
    assert await asyncio.to_thread(lambda: 1) == 1, "others have threads of their own"
    go.set()
    assert await waiting == "done"
    assert peak == 2
    async with asyncio.timeout(20):
        for sender in ("a", "d"):
            assert await once_free(threads, sender) == "again"


async def once_free(threads: StepThreads, sender: str) -> str:
    """Run a step as soon as the sender's earlier one has ended."""
    while True:
        try:
            return await threads.run(lambda: "again", sender=sender)
        except RateLimitError:
            await asyncio.sleep(0.01)


async def test_errors_come_out(threads: StepThreads) -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await threads.run(fail, sender="a")
    assert await threads.run(lambda: 1, sender="a") == 1
