"""The adapter on raw sockets: what makes a request ambiguous is refused."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from federation.errors import PeerError, RateLimitError, SignatureInvalidError
from federation.ids import BaseUrl
from federation.inbox import AdmittedHead, ReceivedRequest
from federation.transport import server as server_module
from federation.transport.server import (
    document_response,
    problem_response,
    read_request,
    request_head,
)
from tests.unit.federation.nodes import NOW, FixedClock

LIMIT = 1000


class Door:
    """A door that keeps what came through."""

    def __init__(self) -> None:
        self.received: list[ReceivedRequest] = []
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        self.server = TestServer(app, host="127.0.0.1")

    @property
    def authority(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            base_url = BaseUrl(f"http://{self.authority}")
            clock = FixedClock()
            head = request_head(
                request, base_url=base_url, sender="127.0.0.1", clock=clock
            )
            received = await read_request(
                AdmittedHead(head),
                request,
                base_url=base_url,
                clock=clock,
                bytes_max=LIMIT,
            )
        except PeerError as error:
            return problem_response(error)
        self.received.append(received)
        return document_response({"ok": 1})

    async def send(self, *lines: str, body: bytes = b"") -> int:
        """Send raw lines and return the status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        text = "\r\n".join([*lines, "Connection: close", "", ""])
        writer.write(text.encode("latin-1") + body)
        await writer.drain()
        status = await reader.readline()
        writer.close()
        return int(status.split()[1])


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    made = Door()
    await made.server.start_server()
    yield made
    await made.server.close()


async def test_bytes_and_fields_are_kept_as_they_are(door: Door) -> None:
    body = b'{"a" : 1}'
    status = await door.send(
        "POST /inbox?a=%2F&b HTTP/1.1",
        f"Host: {door.authority}",
        "X-One: a",
        "x-one: b",
        f"Content-Length: {len(body)}",
        body=body,
    )
    assert status == 200
    (received,) = door.received
    assert received.target_uri == f"http://{door.authority}/inbox?a=%2F&b"
    assert received.body == body
    assert received.received_at == NOW
    assert [value for key, value in received.headers if key.lower() == "x-one"] == [
        "a",
        "b",
    ]


@pytest.mark.parametrize(
    "field", ["Signature", "Signature-Input", "Content-Digest", "Content-Type"]
)
async def test_a_doubled_field_is_400(door: Door, field: str) -> None:
    status = await door.send(
        "POST /inbox HTTP/1.1",
        f"Host: {door.authority}",
        f"{field}: a",
        f"{field.lower()}: b",
        "Content-Length: 0",
    )
    assert status == 400
    assert door.received == []


async def test_another_host_is_400(door: Door) -> None:
    for host in ("evil.example", f"{door.authority}.evil.example", "127.0.0.1", ""):
        assert await door.send("GET /actor HTTP/1.1", f"Host: {host}") == 400
    assert door.received == []


async def test_an_absolute_target_is_400(door: Door) -> None:
    for target in (f"http://{door.authority}/actor", "http://evil.example/", "//x/y"):
        status = await door.send(f"GET {target} HTTP/1.1", f"Host: {door.authority}")
        assert status == 400
    assert door.received == []


async def test_a_content_coding_is_415_and_not_unpacked(door: Door) -> None:
    bomb = gzip.compress(b"0" * 1_000_000)
    status = await door.send(
        "POST /inbox HTTP/1.1",
        f"Host: {door.authority}",
        "Content-Encoding: gzip",
        f"Content-Length: {len(bomb)}",
        body=bomb,
    )
    assert status == 415
    assert door.received == []


async def test_a_long_body_is_413(door: Door) -> None:
    status = await door.send(
        "POST /inbox HTTP/1.1",
        f"Host: {door.authority}",
        f"Content-Length: {LIMIT + 1}",
        body=b"x" * (LIMIT + 1),
    )
    assert status == 413
    chunk = f"{LIMIT + 1:x}\r\n".encode() + b"x" * (LIMIT + 1) + b"\r\n0\r\n\r\n"
    status = await door.send(
        "POST /inbox HTTP/1.1",
        f"Host: {door.authority}",
        "Transfer-Encoding: chunked",
        body=chunk,
    )
    assert status == 413
    assert door.received == []


async def test_a_slow_body_is_408(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "REQUEST_BODY_TIMEOUT", timedelta(seconds=0.1))
    status = await door.send(
        "POST /inbox HTTP/1.1",
        f"Host: {door.authority}",
        "Content-Length: 10",
        body=b"x",
    )
    assert status == 408
    assert door.received == []


def test_answers_are_kept_by_nobody() -> None:
    for response in (
        document_response({"a": 1}),
        problem_response(SignatureInvalidError("x")),
    ):
        assert response.headers["Cache-Control"] == "private, no-store"


def test_a_401_says_what_is_accepted() -> None:
    error = SignatureInvalidError("x", challenge='sig1=("@method");created')
    response = problem_response(error)
    assert response.status == 401
    assert response.headers["Accept-Signature"] == 'sig1=("@method");created'
    assert response.content_type == "application/problem+json"


def test_a_429_says_when() -> None:
    response = problem_response(RateLimitError("x", members={"retry_after": 30}))
    assert response.headers["Retry-After"] == "30"
