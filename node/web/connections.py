"""Connections: how many at once, and how long each step of one may take.

aiohttp bounds the time between two requests and the form of a request. What it
leaves open is done here: how many connections there are, all together and from one
address; how long a reader may take for an answer; and what is said and written down
when the bytes are no HTTP. `NodeConnection` is a subclass of aiohttp's protocol that
overrides documented methods only; `web.Server` stays as it is.

    head of a request       HEAD_TIMEOUT, aiohttp's keep-alive timer
    body at a door          REQUEST_BODY_TIMEOUT (federation.transport.server)
    handling                DOOR_TIMEOUT, PAGE_TIMEOUT
    answer to be taken      WRITE_TIMEOUT, the sweep below

Source: SPEC.md NOD-041 to NOD-043.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

import structlog
from aiohttp import web
from typing_extensions import override

from federation.errors import FaultError, MalformedError
from federation.ports import Clock
from federation.rates import DoorRates
from federation.transport.server import problem_response
from node.limits import (
    CONNECTIONS_FOR_PARTNERS,
    CONNECTIONS_MAX,
    CONNECTIONS_PER_ADDRESS_MAX,
    HEAD_FIELDS_MAX,
    HEAD_LINE_BYTES_MAX,
    HEAD_TIMEOUT,
    LINGER_TIMEOUT,
    WRITE_TIMEOUT,
)
from node.web.client_address import TrustedProxies, address_key, parse_address
from node.web.partner_addresses import PartnerAddresses

SWEEP_SECONDS: Final = 1.0
"""How often slow readers are looked for."""
BACKLOG: Final = 256
"""Connections that the system accepts before we do."""
# How often a line tells how many connections were refused.
_TELL_EVERY: Final = timedelta(seconds=60)
_BAD_REQUEST: Final = 400

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many connections, and how long an answer may take to be read.

    Attributes:
        total: All together.
        for_partners: Of these, kept for partners and reverse proxies.
        per_address: From one address that is no reverse proxy.
        head_seconds: Until a request's first lines must be there.
        write_seconds: Until an answer must have been read.
    """

    total: int = CONNECTIONS_MAX
    for_partners: int = CONNECTIONS_FOR_PARTNERS
    per_address: int = CONNECTIONS_PER_ADDRESS_MAX
    head_seconds: float = HEAD_TIMEOUT.total_seconds()
    write_seconds: float = WRITE_TIMEOUT.total_seconds()

    def times(self, factor: float) -> "Bounds":
        """Return the bounds with room for more connections."""
        return Bounds(
            total=int(self.total * factor),
            for_partners=int(self.for_partners * factor),
            per_address=int(self.per_address * factor),
            head_seconds=self.head_seconds,
            write_seconds=self.write_seconds,
        )


class ConnectionGate:
    """Counts connections and says whether another one may be opened.

    Args:
        bounds: How many.
        clock: The time.
        proxies: Our reverse proxies; one address of theirs stands for many.
        partners: From where partners come.
        rates: Say which address gets no answer any more.
    """

    def __init__(
        self,
        bounds: Bounds,
        clock: Clock,
        *,
        proxies: TrustedProxies,
        partners: PartnerAddresses,
        rates: DoorRates,
    ) -> None:
        self.bounds = bounds
        self._clock = clock
        self._proxies = proxies
        self._partners = partners
        self._rates = rates
        self._open: Counter[str] = Counter()
        self._refused = 0
        self._told = clock.now() - _TELL_EVERY
        self.connections: set[NodeConnection] = set()

    @property
    def count(self) -> int:
        """Connections that are open."""
        return self._open.total()

    def enter(self, peername: object) -> str | None:
        """Count a connection in.

        Args:
            peername: The other end, as the transport names it.

        Returns:
            What `leave` has to be told; None if there are too many.
        """
        text = str(peername[0]) if isinstance(peername, tuple) and peername else ""
        address = parse_address(text)
        key = text if address is None else address_key(address)
        is_proxy = address is not None and address in self._proxies
        now = self._clock.now()
        is_partner = is_proxy or self._partners.knows(key, now=now)
        room = self.bounds.total - (0 if is_partner else self.bounds.for_partners)
        bound = ""
        if self.count >= room:
            bound = "total"
        elif not is_proxy and self._open[key] >= self.bounds.per_address:
            bound = "address"
        elif not is_partner and self._rates.is_silenced(key, now=now):
            bound = "silenced"
        if bound:
            self._tell_refused(text, bound)
            return None
        self._open[key] += 1
        return key

    def leave(self, key: str) -> None:
        """Count a connection out."""
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def cut_slow_readers(self) -> None:
        """Cut every connection whose reader takes too long."""
        for connection in tuple(self.connections):
            connection.cut_if_slow()

    def _tell_refused(self, address: str, bound: str) -> None:
        """Write at most one line a minute: a flood must not fill the disk."""
        self._refused += 1
        now = self._clock.now()
        if now - self._told < _TELL_EVERY:
            return
        _log.warning(
            "connections refused", count=self._refused, bound=bound, address=address
        )
        self._told, self._refused = now, 0


class NodeConnection(web.RequestHandler):
    """One connection: aiohttp's protocol with a gate before it."""

    def __init__(
        self, server: web.Server, gate: ConnectionGate, **options: Any
    ) -> None:
        super().__init__(server, **options)
        self._gate = gate
        self._key: str | None = None
        self._wire: asyncio.Transport | None = None
        self._unread_since: float | None = None
        self._clock_of_loop = options["loop"].time

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        wire = cast(asyncio.Transport, transport)
        self._key = self._gate.enter(wire.get_extra_info("peername"))
        if self._key is None:
            wire.abort()
            return
        self._wire = wire
        self._gate.connections.add(self)
        super().connection_made(transport)

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        if self._key is None:
            return
        self._gate.connections.discard(self)
        self._gate.leave(self._key)
        self._key = None
        super().connection_lost(exc)

    def cut_if_slow(self) -> None:
        """Cut the connection if what was written is not read in time.

        Also one that is being closed: the system would otherwise keep trying to
        deliver the rest.
        """
        wire = self._wire
        if wire is None or wire.get_write_buffer_size() == 0:
            self._unread_since = None
            return
        now = self._clock_of_loop()
        if self._unread_since is None:
            self._unread_since = now
        if now - self._unread_since > self._gate.bounds.write_seconds:
            _log.info("slow reader cut", address=_address_of(wire))
            wire.abort()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or what nobody else caught, and say no more.

        aiohttp would repeat the bytes that it did not understand, to the sender
        and in the log.
        """
        if request.writer.output_size > 0:
            # The answer has begun; another one cannot be sent.
            raise ConnectionError
        address = _address_of(self._wire)
        if status == _BAD_REQUEST:
            error = MalformedError("This is no HTTP request.", code="malformed-http")
            _log.info(
                "refused", status=status, code=error.code, door="", address=address
            )
            response = problem_response(error)
        else:
            _log.error("request failed", status=status, address=address, exc_info=exc)
            response = problem_response(FaultError("Something went wrong here."))
        response.headers["Server"] = "spalier"
        response.force_close()
        return response


def _address_of(wire: asyncio.Transport | None) -> str:
    peername = None if wire is None else wire.get_extra_info("peername")
    return str(peername[0]) if isinstance(peername, tuple) and peername else ""


@asynccontextmanager
async def open_port(
    app: web.Application,
    gate: ConnectionGate,
    *,
    stop_seconds: float,
    **where: Any,
) -> AsyncIterator[asyncio.Server]:
    """Serve an application at a port, every connection through the gate.

    Args:
        app: The application.
        gate: Bounds connections.
        stop_seconds: How long open requests may take after the order to stop.
        where: `host` and `port`, or `sock`, as for `loop.create_server`.

    Raises:
        OSError: The port is taken.
    """
    loop = asyncio.get_running_loop()
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=stop_seconds)
    await runner.setup()
    server = runner.server
    if server is None:
        msg = "the application is not set up"
        raise RuntimeError(msg)

    def connection() -> NodeConnection:
        return NodeConnection(
            server,
            gate,
            loop=loop,
            access_log=None,
            keepalive_timeout=gate.bounds.head_seconds,
            lingering_time=LINGER_TIMEOUT.total_seconds(),
            max_line_size=HEAD_LINE_BYTES_MAX,
            max_field_size=HEAD_LINE_BYTES_MAX,
            max_headers=HEAD_FIELDS_MAX,
            auto_decompress=False,
        )

    sweeping: asyncio.Task[None] | None = None
    try:
        port = await loop.create_server(connection, backlog=BACKLOG, **where)
        try:
            sweeping = asyncio.create_task(_sweep(gate), name="slow-readers")
            yield port
        finally:
            port.close()
    finally:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(stop_seconds + 5):
                await runner.cleanup()
        if sweeping is not None:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)


async def _sweep(gate: ConnectionGate) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        gate.cut_slow_readers()
