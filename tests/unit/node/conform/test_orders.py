"""Orders that cannot be carried out, and how letters are sent and answers read."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from federation.handshake import format_code
from federation.ids import BaseUrl
from node.clock import SystemClock, SystemRandom
from node.conform.http_exchange import Answer, Exchange, Letter
from node.conform.run import Order, visit_node
from node.conform.visit import refused_as, retry_after
from node.errors import InvalidInputError, UnavailableError

TARGET = "https://spalier.optence.example"
SECRET = b"0123456789"
CODE = format_code(BaseUrl(TARGET), SECRET)


def carried_out(**order: Any) -> None:
    asyncio.run(
        visit_node(
            Order(**{"target": TARGET, **order}),
            clock=SystemClock(),
            random=SystemRandom(),
            progress=lambda _outcome: None,
            tell=lambda _sentence: None,
        )
    )


@pytest.mark.parametrize(
    ("order", "code", "path"),
    [
        ({"target": "http://127.0.0.1:8101"}, "address-wrong", "url"),
        ({"target": "https://Example.org"}, "address-wrong", "url"),
        ({"target": f"{TARGET}/actor"}, "address-wrong", "url"),
        ({"code": f"{CODE[:-1]}!"}, "invitation-mistyped", "code"),
        (
            {"code": format_code(BaseUrl("https://other.example"), SECRET)},
            "invitation-of-another",
            "code",
        ),
        ({"code": CODE}, "listen-missing", "listen"),
        (
            {
                "code": CODE,
                "listen": ("127.0.0.1", 8090),
                "guest_url": "http://127.0.0.1:8090",
            },
            "address-wrong",
            "guest-url",
        ),
    ],
)
def test_wrong_order_is_refused_before_anything_is_sent(
    order: dict[str, Any], code: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_args: Any) -> None:
        pytest.fail("something was sent")

    monkeypatch.setattr(Exchange, "send", never)
    with pytest.raises(InvalidInputError) as caught:
        carried_out(**order)
    assert (caught.value.code, caught.value.path) == (code, path)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.2.3", False),
        ("127.0.0.1", False),
        ("::1", True),
        ("169.254.169.254", True),
    ],
)
async def test_only_public_addresses_are_reached(
    address: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolved(*_args: Any, **_kwargs: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443))]

    async def never(*_args: Any, **_kwargs: Any) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    monkeypatch.setattr(asyncio, "open_connection", never)
    exchange = Exchange(BaseUrl(TARGET), clock=SystemClock(), allow_loopback=allowed)
    with pytest.raises(UnavailableError, match="not public"):
        await exchange.send(Letter("GET", "/actor", ()))


async def test_every_byte_is_ours_and_the_answer_is_read_to_its_end() -> None:
    heard = b""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        nonlocal heard
        heard = await reader.read(1_000)
        writer.write(
            b"HTTP/1.1 429 Slow\r\nDate: Sat, 21 Nov 2026 10:00:00 GMT\r\n"
            b"Retry-After: Sat, 21 Nov 2026 10:00:07 GMT\r\nX: 1\r\nx: 2\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        exchange = Exchange(
            BaseUrl(f"http://127.0.0.1:{port}"),
            clock=SystemClock(),
            allow_loopback=True,
        )
        letter = Letter("POST", "http://a/b", (("Host", "a"), ("Host", "b")), b"{}")
        found = await exchange.send(letter)
    assert heard == b"POST http://a/b HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n{}"
    assert (found.status, found.body, found.field("X")) == (429, b"abc", "1, 2")
    waited = retry_after(found)
    assert waited is not None
    assert waited.total_seconds() == 7


@pytest.mark.parametrize(
    ("body", "ok"),
    [
        ('{"type":"%s","title":"t","status":401,"detail":"d"}', True),
        ('{"type":"%s","title":"t","status":400,"detail":"d"}', False),
        ('{"type":"%s","title":"t","status":401}', False),
        ('{"type":"https://elsewhere/#signature-missing","status":401}', False),
        ("not json", False),
    ],
)
def test_refusal_has_to_be_a_problem_document(body: str, ok: bool) -> None:
    kind = "https://w3id.org/spalier/problems#signature-missing"
    data = (body % kind if "%s" in body else body).encode()
    fields = (
        ("Content-Type", "application/problem+json"),
        ("Accept-Signature", 'sig1=("@method" "@target-uri");created'),
    )
    told = {"status": 401, "codes": ("signature-missing",)}
    answer = Answer(401, fields, data)
    assert refused_as("POST /inbox", answer, **told).ok is ok
    # Without the challenge, or as another media type, it is none.
    assert not refused_as("POST /inbox", Answer(401, fields[:1], data), **told).ok
    assert not refused_as("POST /inbox", Answer(401, fields[1:], data), **told).ok
