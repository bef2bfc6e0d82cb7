"""One request and its answer as bytes: what lies below `FederationClient`.

`GuardedSession` is the real one (aiohttp); the simulator has another. A wire knows
no signature and no document, and decides nothing but what may be connected to.
"""

from __future__ import annotations

import io
import socket
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self

import aiohttp
from yarl import URL

from federation.errors import (
    FetchError,
    LocalError,
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.limits import ANSWER_TIMEOUT, CONNECT_TIMEOUT, PROBLEM_BYTES_MAX
from federation.transport.address_guard import (
    BlockedAddressError,
    guarded_socket_factory,
)

if TYPE_CHECKING:
    from types import TracebackType

Fields = tuple[tuple[str, str], ...]

SUCCESS: Final = range(200, 300)
_CHUNK_BYTES: Final = 64 * 1024
_CONNECTIONS_PER_PEER: Final = 2


@dataclass(frozen=True, slots=True)
class WireRequest:
    """A request as it leaves.

    Attributes:
        target: The whole address.
        headers: Fields besides Host and the length.
        answer_bytes_max: Longest body of a successful answer.
    """

    method: str
    target: str
    headers: Fields
    body: bytes | None = field(repr=False)
    answer_bytes_max: int

    def bytes_max(self, status: int) -> int:
        """Return how much of an answer is read: little of one that refuses."""
        return self.answer_bytes_max if status in SUCCESS else PROBLEM_BYTES_MAX


@dataclass(frozen=True, slots=True)
class WireAnswer:
    """A finished answer as it came."""

    status: int
    headers: Fields
    body: bytes = field(repr=False)


class Wire(Protocol):
    """Carries requests to other nodes; open as long as its context."""

    async def __aenter__(self) -> Self:
        """Open it."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
        ...

    async def exchange(self, request: WireRequest) -> WireAnswer:
        """Send one request and read the answer to its end.

        Raises:
            FetchError: No answer came, or one that is too long or coded.
        """
        ...


class GuardedSession:
    """One session, one guard: public addresses only, no redirect, no proxy.

    Args:
        allow_loopback: True on nodes of the demo and of tests only; opens exactly
            127.0.0.1.
        headers: Fields of every request.

    Source: SPEC.md FED-095 to FED-097.
    """

    def __init__(self, *, allow_loopback: bool, headers: dict[str, str]) -> None:
        self._allow_loopback = allow_loopback
        self._headers = headers
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                socket_factory=guarded_socket_factory(
                    allow_loopback=self._allow_loopback
                ),
                limit_per_host=_CONNECTIONS_PER_PEER,
            ),
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(
                total=ANSWER_TIMEOUT.total_seconds(),
                sock_connect=CONNECT_TIMEOUT.total_seconds(),
            ),
            headers=self._headers,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def exchange(self, request: WireRequest) -> WireAnswer:
        """Send one request and read the answer to its end."""
        if self._session is None:
            raise LocalError("the client is not open")
        try:
            async with self._session.request(
                request.method,
                URL(request.target, encoded=True),
                # From a stream: aiohttp warns about large bodies given as bytes.
                data=None if request.body is None else io.BytesIO(request.body),
                headers=request.headers,
                allow_redirects=False,
            ) as response:
                content = await _read(
                    response, bytes_max=request.bytes_max(response.status)
                )
                fields = tuple(
                    (name.decode("latin-1"), value.decode("latin-1"))
                    for name, value in response.raw_headers
                )
                return WireAnswer(response.status, fields, content)
        # A TimeoutError is an OSError too, so it comes first.
        except TimeoutError as error:
            raise no_answer(request.target) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _connection_error(request.target, error) from error


def no_answer(target: str) -> FetchError:
    """Return the error for a request whose answer did not come in time."""
    return TemporaryFetchError(f"{target}: no answer in time", problem_code="no-answer")


def connection_failed(target: str, error: Exception) -> FetchError:
    """Return the error for a connection that could not be made, or broke."""
    return TemporaryFetchError(
        f"{target}: {type(error).__name__}: {error}",
        problem_code=_connection_problem(error),
    )


def _connection_problem(error: Exception) -> str:
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return "certificate"
    if isinstance(cause, socket.gaierror) or isinstance(
        error, aiohttp.ClientConnectorDNSError
    ):
        return "address-unknown"
    return "connection"


async def _read(response: aiohttp.ClientResponse, *, bytes_max: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise PermanentFetchError(
            f"{response.url}: the answer has a content coding",
            status=response.status,
            problem_code="content-coding",
        )
    parts = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        parts += chunk
        if len(parts) > bytes_max:
            raise PermanentFetchError(
                f"{response.url}: the answer is longer than {bytes_max} bytes",
                status=response.status,
                problem_code="too-large",
            )
    return bytes(parts)


def _connection_error(target: str, error: Exception) -> FetchError:
    cause: BaseException | None = error
    if isinstance(error, aiohttp.ClientConnectorError):
        cause = error.os_error
    if isinstance(cause, BlockedAddressError):
        return PermanentFetchError(
            f"{target}: {cause}", problem_code="address-not-public"
        )
    return connection_failed(target, error)
