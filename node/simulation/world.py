"""All nodes of one run, the network between them, and who watches."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Final, TextIO, TypeVar

from federation.errors import FederationError
from federation.transport.wire import WireAnswer, WireRequest
from node.app import Node
from node.errors import NodeError
from node.members.model import Person
from node.simulation.log_watch import watched_log
from node.simulation.loop import NOBODY, VirtualLoop
from node.simulation.machine import (
    CrashedError,
    Machine,
    SeededSource,
    SkewedClock,
    Sky,
)
from node.simulation.network import Letter, Network, fingerprint
from node.simulation.promises import Promises
from node.simulation.record import Record
from node.simulation.violation import BrokenPromiseError
from node.simulation.weather import CALM, Weather

T = TypeVar("T")

SHARE_WANTED: Final = 0.03  # of the steps, of each kind of fault
LETTERS_IN_A_MINUTE_MAX: Final = 150  # of one node to another
NAMES: Final = ("anna", "bert", "cora", "dora", "emil", "fred", "gerd", "hans")


@dataclass
class World:
    """One run; made by `make_world`.

    Attributes:
        steps: Letters that arrived and changes that an office made.
        faults: How often each kind of fault was there.
        broken: The first promise that was broken.
    """

    loop: VirtualLoop
    sky: Sky
    chance: Random
    weather: Weather
    record: Record
    machines: dict[str, Machine]
    promises: Promises
    log: list[str]
    faults: Counter[str]
    network: Network | None = None
    steps: int = 0
    broken: BrokenPromiseError | None = None
    meddler: "Meddler | None" = None
    _logged: int = 0
    _spoken: set[asyncio.Task[None]] = field(default_factory=set)
    _letters: Counter[tuple[str, str, int]] = field(default_factory=Counter)

    def lags(self, kind: str) -> bool:
        """Whether a kind of fault is rarer than it should be."""
        return self.faults[kind] < SHARE_WANTED * (self.steps + 20)

    def let_the_liar_speak(self, to: str | None = None) -> bool:
        """Let the liar send something made up; say whether it had anything to say."""
        made_up = None if self.meddler is None else self.meddler.speak(to)
        if made_up is None or self.network is None:
            return False
        sender, request = made_up

        async def send() -> None:
            with suppress(FederationError):
                await self.network.exchange(sender, request)  # type: ignore[union-attr]

        self._spoken.add(
            task := self.loop.create_task(send(), name="lie", context=NOBODY.copy())
        )
        task.add_done_callback(self._spoken.discard, context=NOBODY)
        return True

    # -- orders ---------------------------------------------------------------------

    async def order(
        self,
        name: str,
        what: str,
        work: Callable[[Node, Person], Awaitable[T]],
    ) -> T | None:
        """Let an office do something; None if it is refused or the node dies."""
        machine = self.machines[name]
        try:
            result = await machine.order(work)
        except CrashedError:
            self.record.note(f"{name}: {what}: crashed")
            return None
        except NodeError as error:
            self.record.note(f"{name}: {what}: refused {error.code}")
            return None
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody may see it
            self.break_promise("log", f"{name}: {what}: {error!r}")
            return None
        self.steps += 1
        self.record.note(f"{name}: {what}")
        return result

    def look(self, *names: str) -> None:
        """Judge nodes now; the first broken promise ends the run."""
        self._guarded(lambda: [self.promises.sight(name) for name in names])
        self._read_log()

    def look_everywhere(self) -> None:
        """Judge all nodes, and what they say of each other."""
        self._guarded(self.promises.look_everywhere)
        self._read_log()

    def require_whole(self) -> None:
        """End the run if a promise is broken.

        Raises:
            BrokenPromiseError: It is.
        """
        if self.broken is not None:
            raise self.broken

    def break_promise(self, promise: str, what: str) -> None:
        """Note that a promise is broken; the first one counts."""
        if self.broken is None:
            self.broken = BrokenPromiseError(promise, what)
            self.record.note(f"BROKEN {promise}: {what}")

    def _guarded(self, check: Callable[[], object]) -> None:
        try:
            check()
        except BrokenPromiseError as error:
            self.break_promise(error.promise, error.what)

    def _read_log(self) -> None:
        for line in self.log[self._logged :]:
            if not self.promises.restores.explains(line):
                self.break_promise("log", line)
        self._logged = len(self.log)
        for fault in self.loop.faults:
            self.break_promise("log", f"{fault.get('message')}: {fault}")

    # -- the network's watcher --------------------------------------------------------

    def leaves(self, letter: Letter) -> WireRequest | None:
        """See a request leave."""
        request: WireRequest | None = letter.request
        minute = (letter.sender, letter.receiver, int(self.loop.time() // 60))
        self._letters[minute] += 1
        if self._letters[minute] > LETTERS_IN_A_MINUTE_MAX:
            self.break_promise(
                "liveness", f"{letter.sender} floods {letter.receiver}: {letter.path}"
            )
        if self.meddler is not None:
            request = self.meddler.leaves(letter)
        body = None if request is None else request.body
        if request is not None:
            self._guarded(
                lambda: self.promises.leaves(replace(letter, request=request))
            )
        self.record.note(
            f"#{letter.number} {letter.sender} to {letter.receiver} "
            f"{letter.request.method} {letter.path} {_kind(body)} {fingerprint(body)}"
        )
        return request

    def arrives(self, letter: Letter, *, again: bool) -> None:
        """See a request reach its node."""
        self.steps += 1
        self.record.note(f"#{letter.number} arrives{' again' if again else ''}")

    def answers(self, letter: Letter, answer: WireAnswer) -> WireAnswer:
        """See an answer leave."""
        if self.meddler is not None:
            answer = self.meddler.answers(letter, answer)
        self._guarded(lambda: self.promises.answers(letter, answer))
        self.look(letter.receiver)
        self.record.note(
            f"#{letter.number} answered {answer.status} "
            f"{_problem(answer) or fingerprint(answer.body)}"
        )
        return answer

    def arrived(self, letter: Letter, outcome: str) -> None:
        """See what became of a request at its sender."""
        self.record.note(f"#{letter.number} is {outcome}")

    # -- time -------------------------------------------------------------------------

    async def pass_time(self, seconds: float) -> None:
        """Let everything run for a while.

        Raises:
            BrokenPromiseError: A promise was broken meanwhile.
        """
        await asyncio.sleep(seconds)
        self.look_everywhere()
        self.require_whole()

    def sleep_through(self, duration: timedelta) -> None:
        """Let the clocks move on while nothing runs, as over a quiet night."""
        self.sky.slept += duration
        self.record.note(f"the world sleeps for {duration}")

    @property
    def virtual_hours(self) -> float:
        """Hours that have passed, those slept through included."""
        return (self.loop.time() + self.sky.slept.total_seconds()) / 3600


class Meddler:
    """Changes what a liar's node says; see `liars`."""

    def leaves(self, letter: Letter) -> WireRequest | None:
        """Return what really leaves."""
        return letter.request

    def speak(self, to: str | None) -> tuple[str, WireRequest] | None:  # noqa: ARG002
        """Return a request that the liar makes up for a node, and who sends it."""
        return None

    def answers(self, letter: Letter, answer: WireAnswer) -> WireAnswer:  # noqa: ARG002
        """Return what is really answered."""
        return answer


@dataclass
class WorldMaker:
    """Makes a world in a folder; closes it, and lets nothing of it go on.

    Args:
        home: An empty folder; in memory, if the machine has such a thing.
        seed: Everything follows from it.
        names: Of the nodes.
        trace: Where every event goes.
    """

    home: Path
    seed: str
    names: tuple[str, ...]
    trace: TextIO | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _world: World | None = None

    def __enter__(self) -> World:
        """Make the nodes; none runs yet."""
        sky = Sky()
        log = self._stack.enter_context(watched_log())
        loop = VirtualLoop(Random(f"{self.seed} order"))
        faults: Counter[str] = Counter()
        weather = Weather(Random(f"{self.seed} weather"), faults, rates=CALM)
        record = Record(sky.now, trace=self.trace)
        machines: dict[str, Machine] = {}
        world = World(
            loop=loop,
            sky=sky,
            chance=Random(f"{self.seed} story"),
            weather=weather,
            record=record,
            machines=machines,
            promises=Promises(machines),
            log=log,
            faults=faults,
        )
        weather.lags = world.lags
        network = world.network = Network(loop, weather, world)
        for name in self.names:
            machines[name] = Machine(
                name=name,
                home=self.home / name,
                loop=loop,
                network=network,
                clock=SkewedClock(sky),
                random=SeededSource(Random(f"{self.seed} {name}")),
            )
            asyncio.run(machines[name].initialise())
            network.add_host(f"{name}.example", name)
        sky.loop = loop
        self._world = world
        return world

    def __exit__(self, *_: object) -> None:
        """Kill what still runs."""
        world = self._world
        if world is not None:
            # Whoever was killed may try to wait for something while it is buried.
            unheard, sys.unraisablehook = sys.unraisablehook, lambda _: None
            try:
                _close(world)
            finally:
                sys.unraisablehook = unheard
        self._world = None
        self._stack.close()


def _close(world: World) -> None:
    world.promises.close()
    for machine in world.machines.values():
        if machine.process is not None:
            machine.process.kill()
        machine.bury()
    world.loop.close()


def _kind(body: bytes | None) -> str:
    """Return what a request carries."""
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return "?"
    pages = (
        f" {document.get('from')}-{document.get('through')}"
        if "from" in document
        else ""
    )
    return str(document.get("type", "")) + pages


def _problem(answer: WireAnswer) -> str:
    """Return what a refusal says of itself."""
    if answer.status < HTTPStatus.BAD_REQUEST:
        return ""
    try:
        return str(json.loads(answer.body)["type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError):
        return ""


def run_in(world: World, work: Callable[[World], Awaitable[T]]) -> T:
    """Run something on the world's loop."""

    async def run() -> T:
        return await work(world)

    return world.loop.run_until_complete(run())
