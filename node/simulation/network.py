"""A network without wires: requests become bytes, the real doors read them.

The client's side is a `Wire` below `FederationClient`; at the other end the bytes
reach the protocol that `open_port` made for the node's port, so that aiohttp parses
and writes them as in production. In between everything goes wrong that the `Weather`
says.
"""

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

from typing_extensions import override

from federation.errors import PermanentFetchError
from federation.inbox import ACTIVITY_JSON, LD_JSON
from federation.limits import ANSWER_TIMEOUT
from federation.transport.wire import (
    WireAnswer,
    WireRequest,
    connection_failed,
    no_answer,
)
from node.simulation.loop import NOBODY, Process, VirtualLoop
from node.simulation.weather import Fate, Weather

_OWN_FIELDS: Final = (
    ("User-Agent", "spalier"),
    ("Accept", f"{ACTIVITY_JSON}, {LD_JSON}"),
    ("Accept-Encoding", "identity"),
    ("Connection", "close"),
)


@dataclass(frozen=True, slots=True)
class Letter:
    """A request under way, as whoever watches the network sees it.

    Attributes:
        number: Counts all letters.
        sender, receiver: Names of the nodes.
    """

    number: int
    sender: str
    receiver: str
    request: WireRequest = field(repr=False)

    @property
    def path(self) -> str:
        """Path and query of the request."""
        parts = urlsplit(self.request.target)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path


class Watcher(Protocol):
    """Sees what is on its way; may change what a liar's node says."""

    def leaves(self, letter: Letter) -> WireRequest | None:
        """See a request leave; return what really leaves, None for nothing."""
        ...

    def arrives(self, letter: Letter, *, again: bool) -> None:
        """See a request reach its node."""
        ...

    def answers(self, letter: Letter, answer: WireAnswer) -> WireAnswer:
        """See an answer leave; return what really leaves."""
        ...

    def arrived(self, letter: Letter, outcome: str) -> None:
        """See what became of a request on the sender's side."""
        ...


class Network:
    """Between all nodes.

    Args:
        loop: The time.
        weather: Says what happens to each letter.
        watcher: Sees all of it.
    """

    def __init__(self, loop: VirtualLoop, weather: Weather, watcher: Watcher) -> None:
        self._loop = loop
        self._weather = weather
        self._watcher = watcher
        self._hosts: dict[str, str] = {}
        self._processes: dict[str, Process] = {}
        self.letters = 0

    def add_host(self, host: str, name: str) -> None:
        """Give a node its name in the network's book."""
        self._hosts[host] = name

    def set_process(self, name: str, process: Process | None) -> None:
        """Say which run of a node is there now."""
        if process is None:
            self._processes.pop(name, None)
        else:
            self._processes[name] = process

    def wire(self, sender: str) -> "VirtualWire":
        """Return what a node's client sends through."""
        return VirtualWire(self, sender)

    async def exchange(self, sender: str, request: WireRequest) -> WireAnswer:
        """Carry one request there and its answer back, or lose one of them."""
        receiver = self._hosts.get(urlsplit(request.target).netloc, "")
        self.letters += 1
        letter = Letter(self.letters, sender, receiver, request)
        leaving = self._watcher.leaves(letter)
        fate = self._weather.fate(sender, receiver)
        under_way = _UnderWay(self._loop.create_future())
        if leaving is None:
            fate = replace(fate, request_lost=True)
        else:
            letter = replace(letter, request=leaving)
        if fate.refused:
            self._later(fate.there_s, lambda: under_way.fail("Network is unreachable"))
        elif not fate.request_lost:
            self._later(fate.there_s, lambda: self._arrive(letter, fate, under_way))
            if fate.again_s is not None:
                again = _UnderWay(self._loop.create_future())
                self._later(
                    fate.there_s + fate.again_s,
                    lambda: self._arrive(letter, fate, again, again=True),
                )
        return await self._wait(letter, under_way)

    async def _wait(self, letter: Letter, under_way: "_UnderWay") -> WireAnswer:
        request = letter.request
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
                answer = await under_way.outcome()
        except TimeoutError as error:
            under_way.give_up()
            self._watcher.arrived(letter, "timeout")
            raise no_answer(request.target) from error
        except OSError as error:
            self._watcher.arrived(letter, "broken")
            raise connection_failed(request.target, error) from error
        if len(answer.body) > request.bytes_max(answer.status):
            self._watcher.arrived(letter, "too-large")
            raise PermanentFetchError(
                f"{request.target}: the answer is too long",
                status=answer.status,
                problem_code="too-large",
            )
        self._watcher.arrived(letter, str(answer.status))
        return answer

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        # In the context of nobody: the sender may be killed meanwhile.
        self._loop.call_later(seconds, call, context=NOBODY)

    def _arrive(
        self, letter: Letter, fate: Fate, under_way: "_UnderWay", *, again: bool = False
    ) -> None:
        process = self._processes.get(letter.receiver)
        if process is None or not process.is_alive or process.listening is None:
            self._later(
                fate.back_s, lambda: under_way.fail("Connect call failed (refused)")
            )
            return
        self._watcher.arrives(letter, again=again)

        def answered(data: bytes | None) -> None:
            answer = None if data is None else _parsed(data)
            if answer is not None:
                answer = self._watcher.answers(letter, answer)
            if fate.answer_lost:
                return
            self._later(fate.back_s, lambda: under_way.finish(answer))

        line = Line(process, answered, peer=self._address(letter.sender))
        under_way.line = line
        self._loop.call_soon(
            line.open, _bytes_of(letter.request), context=process.context.copy()
        )

    def _address(self, name: str) -> str:
        number = 1 + list(self._hosts.values()).index(name)
        return f"192.0.2.{number}"


class _UnderWay:
    """What the sender of a letter waits for."""

    def __init__(self, came: "asyncio.Future[WireAnswer | ConnectionError]") -> None:
        self._came = came
        self.line: Line | None = None

    async def outcome(self) -> WireAnswer:
        """Wait for the answer.

        Raises:
            ConnectionError: There will be none.
        """
        came = await self._came
        if isinstance(came, ConnectionError):
            raise came
        return came

    def fail(self, reason: str) -> None:
        """Say that there will be no answer."""
        # No exception of the future: perhaps nobody waits for it any more.
        if not self._came.done():
            self._came.set_result(ConnectionError(reason))

    def finish(self, answer: WireAnswer | None) -> None:
        """Give the answer; None if the connection broke before it was complete."""
        if answer is None:
            self.fail("Connection reset by peer")
        elif not self._came.done():
            self._came.set_result(answer)

    def give_up(self) -> None:
        """Wait no longer: close the connection."""
        if self.line is not None:
            self.line.break_off()


class VirtualWire:
    """The client's end of the network, for one node."""

    def __init__(self, network: Network, sender: str) -> None:
        self._network = network
        self._sender = sender

    async def __aenter__(self) -> Self:
        """Nothing has to be opened."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing has to be closed."""

    async def exchange(self, request: WireRequest) -> WireAnswer:
        """Send one request and read the answer to its end."""
        return await self._network.exchange(self._sender, request)


class Line(asyncio.Transport):
    """The server's end of one connection that carries one request.

    Args:
        process: Whose port it is.
        answered: Told once what was answered; None if the connection broke.
        peer: The other end's address.
    """

    def __init__(
        self,
        process: Process,
        answered: Callable[[bytes | None], None],
        *,
        peer: str,
    ) -> None:
        super().__init__({"peername": (peer, 40_000)})
        self._process = process
        self._answered = answered
        self._protocol: asyncio.Protocol | None = None
        self._written = bytearray()
        self._is_closing = False
        process.on_killed[self] = lambda: self._end(None)

    def open(self, data: bytes) -> None:
        """Connect to the port, and send."""
        if self._process.listening is None:
            self._end(None)
            return
        protocol = self._process.listening()
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 - for the types
        self._protocol = protocol
        protocol.connection_made(self)
        if not self._is_closing:
            protocol.data_received(data)

    def break_off(self) -> None:
        """Close from the client's side, if it is open."""
        if self._protocol is not None and not self._is_closing:
            self._close(bytes(0), ConnectionResetError("client gone"))

    @override
    def write(self, data: Any) -> None:
        self._written += data

    @override
    def writelines(self, list_of_data: Any) -> None:
        for data in list_of_data:
            self._written += data

    @override
    def close(self) -> None:
        if not self._is_closing:
            self._close(bytes(self._written), None)

    @override
    def abort(self) -> None:
        if not self._is_closing:
            self._close(bytes(0), None)

    @override
    def is_closing(self) -> bool:
        return self._is_closing

    @override
    def get_write_buffer_size(self) -> int:
        return 0

    @override
    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        """Nothing waits to be written."""

    @override
    def pause_reading(self) -> None:
        """All is there at once."""

    @override
    def resume_reading(self) -> None:
        """All is there at once."""

    @override
    def is_reading(self) -> bool:
        return not self._is_closing

    @override
    def can_write_eof(self) -> bool:
        return False

    @override
    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._protocol is not None  # noqa: S101 - for the types
        return self._protocol

    @override
    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        assert isinstance(protocol, asyncio.Protocol)  # noqa: S101 - for the types
        self._protocol = protocol

    def _close(self, data: bytes, error: Exception | None) -> None:
        self._is_closing = True
        self._end(data or None)
        protocol = self._protocol
        if protocol is not None:
            asyncio.get_running_loop().call_soon(
                protocol.connection_lost, error, context=self._process.context.copy()
            )

    def _end(self, data: bytes | None) -> None:
        if self._process.on_killed.pop(self, None) is not None or data is not None:
            self._answered(data)


def _bytes_of(request: WireRequest) -> bytes:
    """Write a request as HTTP/1.1."""
    parts = urlsplit(request.target)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    fields = [("Host", parts.netloc), *_OWN_FIELDS, *request.headers]
    body = request.body or b""
    if request.body is not None:
        fields.append(("Content-Length", str(len(body))))
    lines = [f"{request.method} {path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def _parsed(data: bytes) -> WireAnswer | None:
    """Read an answer; None if it is broken off."""
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = tuple(
        (name, value.strip())
        for name, _, value in (line.partition(":") for line in lines)
    )
    length = next((v for k, v in fields if k.lower() == "content-length"), None)
    with suppress(ValueError):
        if length is not None and int(length) != len(body):
            return None
    return WireAnswer(int(first.split(" ", 2)[1]), fields, body)


def fingerprint(body: bytes | None) -> str:
    """Return a short name for a body, for the record."""
    return "-" if body is None else hashlib.sha256(body).hexdigest()[:16]
