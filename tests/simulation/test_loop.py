"""The loop under the simulator: time, order, crashes."""

import asyncio
from random import Random

import pytest

from node.simulation.loop import (
    STEPS_AT_ONCE_MAX,
    Process,
    RestlessError,
    VirtualLoop,
)


def test_time_jumps_to_the_next_timer_and_not_beyond() -> None:
    loop = VirtualLoop(Random(1))

    async def work() -> list[float]:
        moments = []
        for seconds in (0.5, 3600, 0):
            await asyncio.sleep(seconds)
            moments.append(loop.time())
        return moments

    assert loop.run_until_complete(work()) == [0.5, 3600.5, 3600.5]
    loop.close()


def _order(seed: int) -> list[int]:
    loop = VirtualLoop(Random(seed))
    order: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        order.append(number)

    async def work() -> None:
        await asyncio.gather(*(one(number) for number in range(8)))

    loop.run_until_complete(work())
    loop.close()
    return order


def test_the_seed_says_who_runs_first() -> None:
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(20)}) > 10
    assert sorted(_order(3)) == list(range(8))


def test_a_killed_process_does_not_even_clean_up() -> None:
    loop = VirtualLoop(Random(1))
    process = Process("one")
    events: list[str] = []

    async def inside() -> None:
        try:
            events.append("begun")
            await asyncio.sleep(1)
            events.append("gone on")
        finally:
            events.append("cleaned up")

    async def work() -> None:
        task = loop.spawn(process, inside(), name="inside")
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.sleep(5)
        assert not task.done()

    loop.run_until_complete(work())
    assert events == ["begun"]
    process.bury()
    loop.close()


def test_a_process_is_killed_at_any_step() -> None:
    for steps in range(6):
        loop = VirtualLoop(Random(1))
        process = Process("one")
        process.steps_left = steps
        reached: list[int] = []

        async def inside(reached: list[int] = reached) -> None:
            for number in range(10):
                reached.append(number)
                await asyncio.sleep(0.1)

        async def work(
            loop: VirtualLoop = loop,
            process: Process = process,
            inside: object = inside,
        ) -> None:
            loop.spawn(process, inside(), name="inside")  # type: ignore[operator]
            await asyncio.sleep(10)

        loop.run_until_complete(work())
        # The first step begins it, two more each end a pause.
        assert len(reached) == (steps + 1) // 2
        assert process.is_alive is False
        process.bury()
        loop.close()


def test_tasks_in_an_empty_context_die_with_their_process() -> None:
    """As SQLite's writer, which is started in one."""
    from contextvars import Context

    loop = VirtualLoop(Random(1))
    process = Process("one")
    events: list[str] = []

    async def writer() -> None:
        await asyncio.sleep(1)
        events.append("written")

    async def starts() -> None:
        asyncio.create_task(writer(), context=Context())  # noqa: RUF006
        await asyncio.sleep(10)

    async def work() -> None:
        loop.spawn(process, starts(), name="starts")
        await asyncio.sleep(0.5)
        process.kill()
        await asyncio.sleep(5)

    loop.run_until_complete(work())
    assert events == []
    process.bury()
    loop.close()


def test_what_never_rests_is_found() -> None:
    loop = VirtualLoop(Random(1))

    async def spin() -> None:
        while True:  # noqa: ASYNC110 - the point of it
            await asyncio.sleep(0)

    with pytest.raises(RestlessError):
        loop.run_until_complete(spin())
    assert loop.steps == STEPS_AT_ONCE_MAX + 1
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
        task.get_coro().close()
    loop.close()


def test_nobody_left_to_run_is_an_error() -> None:
    loop = VirtualLoop(Random(1))

    async def wait() -> None:
        await loop.create_future()

    with pytest.raises(RuntimeError, match="nothing will ever happen"):
        loop.run_until_complete(wait())
    for task in asyncio.all_tasks(loop):
        task._log_destroy_pending = False
        task.get_coro().close()
    loop.close()
