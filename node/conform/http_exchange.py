"""HTTP/1.1 with every byte in our hands.

A client library would repair or refuse what the checks have to send: doubled fields,
a foreign Host, an absolute target, a body that never ends. Answers are read with the
standard library's parser and are bounded in time and size.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import io
import re
import socket
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from federation.ids import LOOPBACK_HOST
from federation.limits import (
    ANSWER_TIMEOUT,
    CONNECT_TIMEOUT,
    KIB,
    PAGE_BYTES_MAX,
    REQUEST_BODY_TIMEOUT,
)
from federation.transport.address_guard import is_public
from node.errors import UnavailableError
from node.sentence import Sentence, system_reason

if TYPE_CHECKING:
    from federation.ids import BaseUrl
    from federation.ports import Clock

# Whoever waits for the rest of a body has to give up before that (FED-099).
_UNFINISHED_TIMEOUT: Final = REQUEST_BODY_TIMEOUT + timedelta(seconds=10)
_ANSWER_BYTES_MAX: Final = PAGE_BYTES_MAX + 64 * KIB
_CHUNK_BYTES: Final = 64 * KIB
Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A request as it will be sent.

    Args:
        method: As it stands in the request line.
        target: As it stands in the request line.
        fields: Names and values in order; doubled ones stay doubled.
        body: What follows the fields.
        ends: False to send less body than announced and wait.
        sent: How the request is told to people; method and target if empty.
    """

    method: str
    target: str
    fields: Fields
    body: bytes = field(default=b"", repr=False)
    ends: bool = True
    sent: str = ""

    @property
    def told(self) -> str:
        """Method, target and what is special."""
        line = f"{self.method} {self.target[:120]}"
        return f"{line}: {self.sent}" if self.sent else line

    def to_bytes(self) -> bytes:
        """Return the request."""
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.fields]
        head = "\r\n".join([*lines, "", ""])
        return head.encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end.

    Args:
        status: 0 if the connection ended without an answer.
        seconds: From the request's first byte to the answer's last.
    """

    status: int
    fields: Fields
    body: bytes = field(repr=False)
    seconds: float = 0.0

    def field(self, name: str) -> str:
        """Return a field's value, empty if it is absent; several are joined."""
        wanted = name.lower()
        return ", ".join(value for key, value in self.fields if key.lower() == wanted)


class _Bytes:
    """What `http.client.HTTPResponse` needs of a socket."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


class Exchange:
    """Sends letters to one node, each on a connection of its own.

    Args:
        base_url: The node.
        clock: Measures how long answers take.
        allow_loopback: Whether 127.0.0.1 may be reached, and nothing else that is
            not public.
    """

    def __init__(
        self, base_url: BaseUrl, *, clock: Clock, allow_loopback: bool
    ) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or 443
        self._clock = clock
        self._allow_loopback = allow_loopback

    async def send(self, letter: Letter) -> Answer:
        """Send a letter and read what comes, to the end of the connection.

        Raises:
            UnavailableError: There is no connection, or no answer in time.
        """
        started = self._clock.now()
        try:
            limit = ANSWER_TIMEOUT if letter.ends else _UNFINISHED_TIMEOUT
            async with asyncio.timeout(limit.total_seconds()):
                data = await self._exchanged(letter)
        except TimeoutError as error:
            raise self._unavailable(Sentence("no answer in time")) from error
        seconds = (self._clock.now() - started).total_seconds()
        return _parsed(data, method=letter.method, seconds=seconds)

    async def _exchanged(self, letter: Letter) -> bytes:
        reader, writer = await self._connected()
        sending = asyncio.create_task(_write(writer, letter.to_bytes()))
        received = bytearray()
        try:
            while len(received) <= _ANSWER_BYTES_MAX:
                chunk = await reader.read(_CHUNK_BYTES)
                if not chunk:
                    break
                received += chunk
                # The rest of such a body never comes, and some servers would wait
                # for it before they close.
                if not letter.ends and _is_complete(received):
                    break
        except OSError:
            # Whoever refuses early may reset the connection behind its answer.
            pass
        finally:
            sending.cancel()
            writer.close()
            await asyncio.gather(sending, return_exceptions=True)
        return bytes(received)

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT.total_seconds()):
                found = await loop.getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM
                )
                addresses = [str(each[4][0]) for each in found]
                usable = [each for each in addresses if self._may_reach(each)]
                if not usable:
                    raise self._unavailable(Sentence("its address is not public"))
                return await self._first_connection(usable)
        except TimeoutError as error:
            raise self._unavailable(Sentence("no connection in time")) from error
        except OSError as error:
            raise self._unavailable(system_reason(error)) from error

    async def _first_connection(
        self, addresses: list[str]
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect to the first address that answers."""
        *others, last = addresses
        name = self._host if self._tls else None
        for address in others:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(
                    address, self._port, ssl=self._tls, server_hostname=name
                )
        return await asyncio.open_connection(
            last, self._port, ssl=self._tls, server_hostname=name
        )

    def _may_reach(self, address: str) -> bool:
        return is_public(address) or (self._allow_loopback and address == LOOPBACK_HOST)

    def _unavailable(self, reason: Sentence) -> UnavailableError:
        return UnavailableError(
            Sentence(
                "{host}:{port} cannot be reached: {reason}.",
                host=self._host,
                port=self._port,
                reason=reason,
            ),
            code="target-unreachable",
        )


async def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    with contextlib.suppress(OSError):
        writer.write(data)
        await writer.drain()


def _is_complete(received: bytearray) -> bool:
    """Tell whether an answer is there, by its own Content-Length."""
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *([0-9]{1,9}) *(?:\r|$)", head.lower())
    return bool(end) and length is not None and len(body) >= int(length[1])


def _parsed(data: bytes, *, method: str, seconds: float) -> Answer:
    response = http.client.HTTPResponse(
        _Bytes(data),  # type: ignore[arg-type] # it only calls makefile
        method=method,
    )
    try:
        response.begin()
        body = response.read()
    except http.client.IncompleteRead as error:
        body = error.partial
    except (http.client.HTTPException, OSError, ValueError):
        return Answer(0, (), b"", seconds)
    return Answer(response.status, tuple(response.getheaders()), body, seconds)
