"""Nodes that are set up once in a process; each test gets copies of their folders.

To set a node up, and to make two of them partners, takes longer than most tests. What
comes of it depends on names alone: clock and randomness are the test's own, and begin
at the same place. So the closed folder is kept, with the number of draws made from the
node's randomness. A copy has the address of its original, which is in its data, so the
original's port is kept free for it.
"""

import asyncio
import atexit
import functools
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from node.config import load_config
from node.initialise import initialise
from tests.http.sources import START, MovableClock, SeededRandom

T = TypeVar("T")


@dataclass(frozen=True)
class Original:
    """A closed node.

    Attributes:
        drawn: How often it has drawn from its randomness.
    """

    folder: Path
    port: int
    drawn: int


Together: TypeAlias = Mapping[str, Original]


@dataclass
class _Kept:
    """What a process keeps, by what it was made of.

    Usually there is one of each. A second one is made when the first one's port is in
    use, by a test that has the same nodes twice.
    """

    alone: dict[str, list[Original]] = field(default_factory=dict)
    together: dict[str, list[Together]] = field(default_factory=dict)
    doors: list[socket.socket] = field(default_factory=list)
    in_use: set[int] = field(default_factory=set)


_KEPT = _Kept()


def bound(port: int = 0) -> socket.socket:
    """A socket at a port of loopback, a free one if none is given.

    Until somebody listens, others may bind there who ask for it; the system gives
    the port to nobody.
    """
    door = socket.socket()
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    door.bind(("127.0.0.1", port))
    return door


@asynccontextmanager
async def prepared_node(
    folder: Path,
    *,
    clock: MovableClock,
    random: SeededRandom,
    base_url: str | None = None,
    database_url: str = "",
    beginning: Original | None = None,
    **settings: Any,
) -> AsyncIterator[int]:
    """Set a node up on loopback, by a copy if there may be one; give its port.

    Args:
        folder: Where; must not exist.
        clock: Of the test. Once it has moved, the node is set up anew.
        random: Of the node; goes on where the original's ended.
        base_url: Another one than that of its port.
        database_url: Another database than a file. Neither can be copied.
        beginning: What to copy instead of a node that knows nobody.
        settings: Of `initialise`.
    """
    elsewhere = {"base_url": base_url, "database_url": database_url}
    elsewhere = {name: value for name, value in elsewhere.items() if value}
    if elsewhere or clock.now() != START or random.drawn:
        assert beginning is None, "the partnership began at another time or place"
        with bound() as door:
            await _initialise(
                folder, _port(door), clock, random, {**settings, **elsewhere}
            )
            yield _port(door)
        return
    original = beginning or _alone(random.seed, settings)
    _KEPT.in_use.add(original.port)
    try:
        shutil.copytree(original.folder, folder, dirs_exist_ok=True)
        random.drawn = original.drawn
        yield original.port
    finally:
        _KEPT.in_use.discard(original.port)


def prepared_together(
    key: str, make: Callable[[Path], Coroutine[None, None, Mapping[str, SeededRandom]]]
) -> Together:
    """Nodes that have met, made once by `make`, by the names of their folders.

    Args:
        key: Says what `make` makes.
        make: Opens nodes in folders below the one it is given, lets them meet and
            closes them; returns the randomness of each by the folder's name. The
            clock stays at `START`.
    """
    kept = _KEPT.together.setdefault(key, [])
    for found in kept:
        if not any(original.port in _KEPT.in_use for original in found.values()):
            return found
    folder = _folder()
    randoms = _on_a_loop_of_its_own(lambda: make(folder))
    kept.append(
        {
            name: Original(folder / name, _own_port(folder / name), random.drawn)
            for name, random in randoms.items()
        }
    )
    return kept[-1]


def _alone(seed: str, settings: Mapping[str, Any]) -> Original:
    kept = _KEPT.alone.setdefault(repr((seed, sorted(settings.items()))), [])
    for found in kept:
        if found.port not in _KEPT.in_use:
            return found
    door, random = bound(), SeededRandom(seed)
    _KEPT.doors.append(door)
    folder = _folder() / "node"
    _on_a_loop_of_its_own(
        lambda: _initialise(folder, _port(door), MovableClock(), random, settings)
    )
    kept.append(Original(folder, _port(door), random.drawn))
    return kept[-1]


async def _initialise(
    folder: Path,
    port: int,
    clock: MovableClock,
    random: SeededRandom,
    settings: Mapping[str, Any],
) -> None:
    await initialise(
        folder,
        clock=clock,
        random=random,
        allow_loopback_http=True,
        **{"base_url": f"http://127.0.0.1:{port}", **settings},
    )


def _port(door: socket.socket) -> int:
    return int(door.getsockname()[1])


def _own_port(folder: Path) -> int:
    return load_config(folder, environ={}).listen.port


@functools.cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="spalier-prepared-"))
    atexit.register(shutil.rmtree, root)
    return root


def _folder() -> Path:
    """A new folder that is gone when the process ends."""
    return Path(tempfile.mkdtemp(dir=_root()))


def _on_a_loop_of_its_own(work: Callable[[], Coroutine[None, None, T]]) -> T:
    # The test's loop runs already.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(work())).result()


__all__ = ["Original", "Together", "bound", "prepared_node", "prepared_together"]
