"""Connections on raw sockets: slow, endless, ambiguous, too many.

The bounds are shorter here than on a real node; that they are what `serve` uses is
shown by `test_serve_uses_the_bounds_of_the_node`.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from federation.errors import BusyError
from federation.inbox import ACTIVITY_JSON
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    ADDRESS_FAILURE_RATE,
    ADDRESS_REFUSAL_RATE,
)
from federation.transport import server as transport_server
from node import limits
from node.web.connections import Bounds
from tests.http.nodes import MovableClock, RunningNode, running_node
from tests.http.raw import ask, exchange, parsed, port_of, request_bytes
from tests.http.refusal_scene import written_lines

SHORT = Bounds(
    head_seconds=1.0, write_seconds=1.0, total=12, for_partners=4, per_address=6
)
BODY_SECONDS = 1.0
LAG_MAX = 0.1  # seconds that the event loop may be late, ATTACKS row 54


@pytest.fixture
async def node(
    tmp_path: Path, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningNode]:
    monkeypatch.setattr(
        transport_server, "REQUEST_BODY_TIMEOUT", timedelta(seconds=BODY_SECONDS)
    )
    async with running_node(
        tmp_path / "node", "Nord", clock=clock, bounds=SHORT
    ) as made:
        yield made


async def connected(
    node: RunningNode, source: str = "127.0.0.2"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(
        "127.0.0.1", port_of(node), local_addr=(source, 0)
    )


async def seconds_until_closed(reader: asyncio.StreamReader) -> float:
    start = time.monotonic()
    async with asyncio.timeout(15):
        # A reset, because bytes of ours were not read, is an end as well.
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
    return time.monotonic() - start


async def trickle(writer: asyncio.StreamWriter, text: bytes, *, pause: float) -> None:
    try:
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(pause)
    except ConnectionError:
        pass


# -- slow -----------------------------------------------------------------------


async def test_slow_head_is_closed_in_time_however_often_a_byte_comes(
    node: RunningNode,
) -> None:
    reader, writer = await connected(node)
    slow = asyncio.create_task(
        trickle(writer, b"GET /actor HTTP/1.1\r\nX: " + b"x" * 500, pause=0.05)
    )
    assert 0.5 < await seconds_until_closed(reader) < 3
    slow.cancel()
    writer.close()


async def test_silent_connection_is_closed_in_time(node: RunningNode) -> None:
    reader, writer = await connected(node)
    assert 0.5 < await seconds_until_closed(reader) < 3
    writer.close()


async def test_slow_second_head_is_closed_in_time(node: RunningNode) -> None:
    reader, writer = await connected(node)
    writer.write(request_bytes(node, "GET", "/livez", headers={"Connection": "x"}))
    await reader.readuntil(b"ok\n")
    writer.write(b"GET /livez HT")
    assert 0.5 < await seconds_until_closed(reader) < 3
    writer.close()


async def test_slow_body_is_408_and_closed(node: RunningNode) -> None:
    reader, writer = await connected(node)
    head = request_bytes(
        node,
        "POST",
        "/inbox",
        headers={"Content-Type": ACTIVITY_JSON, "Content-Length": "5000"},
    )
    writer.write(head)
    slow = asyncio.create_task(trickle(writer, b"x" * 500, pause=0.05))
    start = time.monotonic()
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
    assert parsed(head).status == 408
    await seconds_until_closed(reader)
    # The deadline of the body, and the time to read what still comes.
    assert time.monotonic() - start < BODY_SECONDS + 2 + 1.5
    slow.cancel()
    writer.close()


async def test_slow_reader_is_cut(node: RunningNode) -> None:
    """Many answers are asked for and none is read: the rest is given up."""
    reader, writer = await connected(node)
    sock = writer.get_extra_info("socket")
    request = request_bytes(
        node, "GET", "/static/spalier.css", headers={"Connection": "keep-alive"}
    )
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    del sock
    for _ in range(400):
        writer.write(request)
    start = time.monotonic()
    for _ in range(100):
        if node.gate.count == 0:
            break
        await asyncio.sleep(0.1)
    assert node.gate.count == 0
    assert time.monotonic() - start < 6
    writer.close()


# -- endless and tiny -----------------------------------------------------------


class LagProbe:
    """How late the event loop was at worst."""

    async def __aenter__(self) -> "LagProbe":
        self.worst = 0.0
        self.task = asyncio.create_task(self.watch())
        return self

    async def watch(self) -> None:
        while True:
            start = time.monotonic()
            await asyncio.sleep(0.01)
            self.worst = max(self.worst, time.monotonic() - start - 0.01)

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()


CHUNKED = {"Content-Type": ACTIVITY_JSON, "Transfer-Encoding": "chunked"}


async def test_trailer_that_never_ends_is_refused(node: RunningNode) -> None:
    reader, writer = await connected(node)
    writer.write(request_bytes(node, "POST", "/inbox", headers=CHUNKED))
    writer.write(b"1\r\nx\r\n0\r\n")

    async def endless() -> None:
        try:
            while True:
                writer.write(b"X-Trailer: " + b"y" * 1000 + b"\r\n")
                await writer.drain()
                await asyncio.sleep(0)
        except ConnectionError:
            pass

    sending = asyncio.create_task(endless())
    async with asyncio.timeout(10):
        try:
            data = await reader.read()
        except ConnectionError:
            data = b""
    sending.cancel()
    assert data == b"" or parsed(data).status in {400, 408}
    writer.close()


async def test_chunks_of_one_byte_do_not_hold_up_others(node: RunningNode) -> None:
    body = b"1\r\nx\r\n" * 100_000
    data = request_bytes(node, "POST", "/inbox", headers=CHUNKED) + body + b"0\r\n\r\n"
    async with LagProbe() as probe:
        answer = parsed(await exchange(node, data, source="127.0.0.2"))
    assert answer.status == 401
    assert json.loads(answer.body)["type"].endswith("signature-missing")
    print(f"worst lag {probe.worst * 1000:.0f} ms")
    assert probe.worst < LAG_MAX * 5


async def test_chunked_body_beyond_the_limit_is_not_read_to_its_end(
    node: RunningNode,
) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    head = request_bytes(node, "POST", "/partner-requests", headers=CHUNKED)
    data = head + chunk * (ACTIVITY_BYTES_MAX // 0x10000 + 1)
    answer = parsed(await exchange(node, data))
    assert answer.status == 413


# -- ambiguous ------------------------------------------------------------------


INBOX = "POST /inbox HTTP/1.1\nHost: HOST\n"
ACTOR = "GET /actor HTTP/1.1\n"
MANY_FIELDS = "".join(f"X-{number}: y\n" for number in range(100))
AMBIGUOUS = {
    "length and chunks": (
        f"{INBOX}Content-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n",
        400,
    ),
    "two lengths": (f"{INBOX}Content-Length: 3\nContent-Length: 4\n\n", 400),
    "signed length": (f"{INBOX}Content-Length: +3\n\nabc", 400),
    "no chunk": (f"{INBOX}Transfer-Encoding: chunked\n\nxyz\n", 400),
    "other coding": (f"{INBOX}Transfer-Encoding: gzip, chunked\n\n0\n\n", 400),
    "two hosts": (f"{ACTOR}Host: HOST\nHost: evil.example\n\n", 400),
    "other host": (f"{ACTOR}Host: evil.example\n\n", 421),
    "empty host": (f"{ACTOR}Host:\n\n", 421),
    "absolute form": ("GET http://HOST/actor HTTP/1.1\nHost: HOST\n\n", 400),
    "absolute form of another": (
        "GET http://evil.example/actor HTTP/1.1\nHost: HOST\n\n",
        400,
    ),
    "two slashes": ("GET //evil.example/actor HTTP/1.1\nHost: HOST\n\n", 404),
    "folded line": (f"{ACTOR}Host: HOST\n folded: x\n\n", 400),
    "space before the colon": (f"{ACTOR}Host: HOST\nX : y\n\n", 400),
    "other version": ("GET /actor HTTP/9.9\nHost: HOST\n\n", 400),
    "tunnel": (
        "CONNECT evil.example:443 HTTP/1.1\nHost: evil.example:443\n\n",
        400,
    ),
    "long target": (f"GET /{'a' * 10_000} HTTP/1.1\nHost: HOST\n\n", 400),
    "long field": (f"{ACTOR}Host: HOST\nX: {'a' * 10_000}\n\n", 400),
    "many fields": (f"{ACTOR}Host: HOST\n{MANY_FIELDS}\n", 400),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_ambiguous_request_is_refused(node: RunningNode, name: str) -> None:
    lines, status = AMBIGUOUS[name]
    before = await node.tables()
    host = node.base_url.removeprefix("http://")
    data = lines.replace("HOST", host).replace("\n", "\r\n").encode()
    answer = parsed(await exchange(node, data, seconds=12))
    assert answer.status == status, answer.head
    assert await node.tables() == before
    assert b"evil" not in answer.body


async def test_pipelined_requests_are_answered_in_order(node: RunningNode) -> None:
    keep = {"Connection": "keep-alive"}
    data = b"".join(
        request_bytes(node, "GET", path, headers=keep)
        for path in ("/livez", "/nodeinfo/2.1", "/livez")
    ) + request_bytes(node, "GET", "/actor")
    text = (await exchange(node, data)).decode()
    assert text.count("HTTP/1.1 200 OK") == 4
    assert text.index("ok\n") < text.index('"2.1"') < text.index('"Application"')


async def test_what_follows_a_refused_body_is_no_request(node: RunningNode) -> None:
    """The rest of a refused body must not be read as the next request."""
    hidden = request_bytes(node, "GET", "/livez")
    head = request_bytes(
        node,
        "POST",
        "/inbox",
        headers={
            "Content-Type": "text/plain",
            "Connection": "keep-alive",
            "Content-Length": str(len(hidden)),
        },
    )
    text = (await exchange(node, head + hidden)).decode()
    assert text.count("HTTP/1.1 ") == 1
    assert "ok\n" not in text


# -- too many -------------------------------------------------------------------


async def test_address_that_does_not_stop_gets_no_answer_any_more(
    node: RunningNode, clock: MovableClock
) -> None:
    """First 401, then 429, then a closed connection, and one line for all of it."""
    statuses = []
    with written_lines(clock) as stream:
        for _ in range(200):
            data = request_bytes(node, "GET", "/outbox?after=0")
            try:
                answer = await exchange(node, data, source="127.0.0.5")
            except ConnectionError:
                answer = b""
            statuses.append(parsed(answer).status if answer else 0)
    refused = int(ADDRESS_FAILURE_RATE.burst), int(ADDRESS_REFUSAL_RATE.burst)
    assert statuses == [401] * refused[0] + [429] * refused[1] + [0] * 80
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    silent = [line for line in lines if line["event"] == "connections refused"]
    assert len(lines) == sum(refused) + 1
    assert [line["bound"] for line in silent] == ["silenced"]
    assert (await ask(node, "GET", "/livez", source="127.0.0.6")).status == 200
    clock.advance(seconds=1)
    again = await ask(node, "GET", "/outbox?after=0", source="127.0.0.5")
    assert again.status == 429


async def test_one_address_gets_its_share_of_connections_and_no_more(
    node: RunningNode,
) -> None:
    held = [await connected(node) for _ in range(SHORT.per_address)]
    reader, writer = await connected(node)
    assert await seconds_until_closed(reader) < 0.5
    writer.close()
    # Another address is still served.
    assert (await ask(node, "GET", "/livez", source="127.0.0.3")).status == 200
    for _reader, opened in held:
        opened.close()


async def test_partners_keep_a_share_of_all_connections(node: RunningNode) -> None:
    held = [
        await connected(node, f"127.0.0.{10 + number % 4}")
        for number in range(SHORT.total - SHORT.for_partners)
    ]
    stranger, writer = await connected(node, "127.0.0.20")
    assert await seconds_until_closed(stranger) < 0.5
    writer.close()
    node.partner_addresses.note("127.0.0.21", now=node.context.clock.now())
    assert (await ask(node, "GET", "/livez", source="127.0.0.21")).status == 200
    for _reader, opened in held:
        opened.close()


async def test_count_returns_to_nothing(node: RunningNode) -> None:
    for _ in range(3):
        await ask(node, "GET", "/livez")
    await asyncio.sleep(0.1)
    assert node.gate.count == 0


def test_serve_uses_the_bounds_of_the_node() -> None:
    bounds = Bounds()
    assert bounds.head_seconds == limits.HEAD_TIMEOUT.total_seconds() == 15
    assert bounds.write_seconds == limits.WRITE_TIMEOUT.total_seconds()
    assert bounds.total == limits.CONNECTIONS_MAX
    assert bounds.for_partners == limits.CONNECTIONS_FOR_PARTNERS
    assert bounds.per_address == limits.CONNECTIONS_PER_ADDRESS_MAX


async def test_bodies_that_arrive_have_room_together_and_of_one_sender() -> None:
    room = transport_server.BodyRoom(total=10, per_sender=6)
    room.take("a", 6)
    for sender, count in (("a", 1), ("b", 5)):
        with pytest.raises(BusyError):
            room.take(sender, count)
    room.take("b", 4)
    assert room.held == 10
    room.give_back("a", 6)
    room.take("c", 6)
    assert room.held == 10


async def test_behind_a_proxy_each_client_has_a_rate_of_its_own(
    node: RunningNode, clock: MovableClock
) -> None:
    """The connections are the proxy's; what is counted and named is the client."""

    async def status(client: str) -> int:
        headers = {"X-Forwarded-For": f"203.0.113.1, {client}"}
        return (await ask(node, "GET", "/outbox?after=0", headers=headers)).status

    with written_lines(clock) as stream:
        for _ in range(int(ADDRESS_FAILURE_RATE.burst)):
            assert await status("198.51.100.7") == 401
        assert await status("198.51.100.7") == 429
        assert await status("198.51.100.8") == 401
    named = [json.loads(line)["address"] for line in stream.getvalue().splitlines()]
    assert set(named) == {"198.51.100.7", "198.51.100.8"}
    # Nobody else is believed.
    direct = await ask(
        node,
        "GET",
        "/outbox?after=0",
        headers={"X-Forwarded-For": "198.51.100.7"},
        source="127.0.0.9",
    )
    assert direct.status == 401
    assert not node.partner_addresses.knows("198.51.100.7", now=clock.now())
