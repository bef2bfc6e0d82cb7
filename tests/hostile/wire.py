"""HTTP by hand: any bytes over a socket, signed rightly or wrongly.

No client library stands between a test and the node, because it would repair or
refuse what an attacker sends. The signature base is composed here a second time
(RFC 9421 §2.5), so that a mistake of the product cannot hide in its tests.
"""

import asyncio
import base64
import contextvars
import hashlib
import itertools
import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from federation.keys import SigningKey

PROBLEM = "https://w3id.org/spalier/problems#"
ACTIVITY_JSON = "application/activity+json"
COVERED = ("@method", "@target-uri", "@authority", "content-digest")
ANSWER_SECONDS = 20

Headers = list[tuple[str, str]]

# True while a test itself opens a connection; see `witness`.
FROM_TEST: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "FROM_TEST", default=False
)
_sources = itertools.count()
_nonces = itertools.count()


@dataclass(frozen=True)
class Reply:
    """An answer that was read to its end."""

    status: int
    headers: Headers
    body: bytes

    def field(self, name: str) -> str:
        """The value of a header that stands there once, else an empty text."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return found[0] if len(found) == 1 else ""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def problem(self) -> dict[str, Any]:
        """The problem document, its form checked (RFC 9457 §3)."""
        assert self.field("Content-Type") == "application/problem+json", self
        problem = json.loads(self.body)
        assert problem["status"] == self.status, problem
        assert problem["type"].startswith(PROBLEM), problem
        assert problem["title"], problem
        assert problem["detail"], problem
        assert problem["detail"].isprintable(), problem
        return dict(problem)

    @property
    def code(self) -> str:
        """Last part of the problem's type."""
        return str(self.problem["type"]).removeprefix(PROBLEM)

    @property
    def refusal(self) -> tuple[int, str]:
        """Status and code."""
        return self.status, self.code


def next_source() -> str:
    """A source address that no request had before: limits count by address."""
    number = next(_sources) + 1
    return f"127.{1 + number // 62_500}.{number // 250 % 250}.{1 + number % 250}"


async def connect(base_url: str, *, source: str | None = None) -> socket.socket:
    """Open a connection to a node on loopback, from an address of its own."""
    parts = urlsplit(base_url)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((source or next_source(), 0))
    token = FROM_TEST.set(True)
    try:
        await asyncio.get_running_loop().sock_connect(
            sock, (parts.hostname, parts.port)
        )
    finally:
        FROM_TEST.reset(token)
    return sock


async def exchange_bytes(
    base_url: str, data: bytes | Iterable[bytes], *, source: str | None = None
) -> bytes:
    """Send bytes and return everything that comes back until the end.

    Stops sending when the node answers and closes; that is no failure of the test.
    """
    sock = await connect(base_url, source=source)
    loop = asyncio.get_running_loop()
    parts = [data] if isinstance(data, bytes) else data

    async def send() -> None:
        try:
            for part in parts:
                await loop.sock_sendall(sock, part)
        except OSError:
            return

    async def receive() -> bytes:
        received = bytearray()
        try:
            while chunk := await loop.sock_recv(sock, 65_536):
                received += chunk
        except OSError:
            pass
        return bytes(received)

    sending = asyncio.ensure_future(send())
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            return await receive()
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        sock.close()


def parse_reply(data: bytes) -> Reply:
    """Read one answer; `Connection: close` is assumed."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.") else 0
    headers = [(name, value.strip()) for name, _, value in map(_split, lines[1:])]
    reply = Reply(status, headers, body)
    if reply.field("Transfer-Encoding").lower() == "chunked":
        return Reply(status, headers, _unchunked(body))
    return reply


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(":")


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.partition(b";")[0] or b"0", 16)
        if length == 0:
            break
        whole, body = whole + body[:length], body[length + 2 :]
    return whole


def request_bytes(
    method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b""
) -> bytes:
    """Write a request as it is told, right or wrong."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


async def ask(
    base_url: str,
    method: str,
    path: str,
    *,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    source: str | None = None,
) -> Reply:
    """Send a request with Host, length and `Connection: close` of its own.

    A header of `headers` replaces these if it has the same name.
    """
    given = list(headers)
    names = {name.lower() for name, _ in given}
    own = [("Host", urlsplit(base_url).netloc), ("Connection", "close")]
    if body is not None:
        own.append(("Content-Length", str(len(body))))
    fields = [pair for pair in own if pair[0].lower() not in names] + given
    data = request_bytes(method, path, fields, body or b"")
    return parse_reply(await exchange_bytes(base_url, data, source=source))


def digest_field(body: bytes, algorithm: str = "sha-256") -> str:
    """Content-Digest (RFC 9530)."""
    hashed = hashlib.new(algorithm.replace("-", ""), body).digest()
    return f"{algorithm}=:{base64.b64encode(hashed).decode()}:"


def fresh_nonce() -> str:
    return f"nonce-{next(_nonces):020d}"


def component_values(
    method: str, target_uri: str, fields: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """What can be covered of a request (RFC 9421 §2.1, §2.2)."""
    parts = urlsplit(target_uri)
    values = {
        "@method": method,
        "@target-uri": target_uri,
        "@authority": parts.netloc,
        "@path": parts.path,
        "@query": f"?{parts.query}",
        "@scheme": parts.scheme,
        "@request-target": target_uri.removeprefix(f"{parts.scheme}://{parts.netloc}"),
    }
    for name, value in fields:
        values[name.lower()] = value
    return values


def sign(
    method: str,
    target_uri: str,
    body: bytes | None,
    *,
    key: SigningKey,
    key_id: str,
    created: int,
    nonce: str | None = None,
    covered: Sequence[str] | None = None,
    parameters: Mapping[str, str | int | None] | None = None,
    fields: Iterable[tuple[str, str]] = (),
    label: str = "sig1",
) -> Headers:
    """Sign a request; every part can be changed and the signature stays right.

    Args:
        covered: Components, in order; by default those that the profile asks for.
        parameters: Changes to the parameters; None leaves one out.
        fields: Further headers, which may be covered too.
    """
    headers = list(fields)
    if body is not None:
        headers.append(("Content-Digest", digest_field(body)))
    if covered is None:
        covered = COVERED if body is not None else COVERED[:3]
    chosen: dict[str, str | int | None] = {
        "created": created,
        "nonce": nonce or fresh_nonce(),
        "keyid": key_id,
        "alg": "ed25519",
        **(parameters or {}),
    }
    written = "".join(
        f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"'
        for name, value in chosen.items()
        if value is not None
    )
    inner = f"({' '.join(_quoted(name) for name in covered)}){written}"
    values = component_values(method, target_uri, headers)
    lines = [
        f"{_quoted(name)}: {values.get(name.partition(';')[0], '')}" for name in covered
    ]
    base = "\n".join([*lines, f'"@signature-params": {inner}'])
    signature = base64.b64encode(key.sign(base.encode("latin-1"))).decode()
    return [
        *headers,
        ("Signature-Input", f"{label}={inner}"),
        ("Signature", f"{label}=:{signature}:"),
    ]


def _quoted(component: str) -> str:
    name, separator, rest = component.partition(";")
    return f'"{name}"{separator}{rest}'


def changed(headers: Headers, name: str, *values: str) -> Headers:
    """The same headers with another value, several values, or none of a name."""
    rest = [pair for pair in headers if pair[0].lower() != name.lower()]
    return [*rest, *((name, value) for value in values)]


def as_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def shown_headers(reply: Reply) -> tuple[tuple[str, str], ...]:
    """Headers without those that differ for each answer."""
    changing = {"date", "x-request-id", "signature", "signature-input"}
    return tuple(pair for pair in reply.headers if pair[0].lower() not in changing)


def without_numbers(text: str) -> str:
    """A page without the number of its request."""
    return re.sub(r"[0-9a-f]{16}", "", text)
