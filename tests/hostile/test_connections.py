"""D: media types, codings, and bytes that two readers of HTTP cut differently."""

import asyncio
import gzip
import re
import time
import tracemalloc
import zlib
from typing import Any

import pytest

from tests.hostile import wire
from tests.hostile.world import World

MALFORMED = (400, "malformed")
TOO_LARGE = (413, "too-large")
_MARK = "__MARK__"


async def whole_documents(world: World) -> dict[str, Any]:
    """A page with an entry, and a message; both right, neither delivered."""
    theirs = await world.publish(world.sued)
    entry = await world.entry(body={"de": "Einzelheiten"})
    return {
        "page": world.page_of([world.upsert(entry)]),
        "message": world.message(about=theirs.uri),
    }


# -- media types and codings ----------------------------------------------------


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "application/ld+json",
        'application/ld+json; profile="https://angreifer.example/"',
        "application/octet-stream",
        "text/plain",
        "text/html",
        "text/plain; application/activity+json",
        "application/activity+json, text/html",
        "application/activity+json; charset=utf-16",
        "application/activity+json; charset=latin-1",
        "application/activity+json; charset=utf-7",
        "application/activity+json; boundary=x",
        "application/activity+jsonx",
        "xapplication/activity+json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/xml",
        "*/*",
        None,
    ],
)
async def test_media_types(world: World, media_type: str | None) -> None:
    body = wire.as_bytes(await world.page())
    headers = world.signed("POST", "/inbox", body)
    values = [] if media_type is None else [media_type]
    async with world.untouched() as untouched:
        reply = await world.send(
            "POST",
            "/inbox",
            headers=wire.changed(headers, "Content-Type", *values),
            body=body,
        )
        untouched.expect(
            media_type, got=reply.refusal, wanted=(415, "unsupported-media-type")
        )


@pytest.mark.parametrize("path", ["/inbox", "/partner-requests"])
async def test_content_codings(world: World, path: str) -> None:
    """A bomb of 300 KB that would be 300 MB: refused unread."""
    bomb = gzip.compress(b" " * 30_000_000, compresslevel=9)
    async with world.untouched() as untouched:
        for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "identity", "x"):
            for body in (gzip.compress(b"{}"), bomb):
                headers = world.signed("POST", path, body, to=world.sued)
                headers.append(("Content-Encoding", coding))
                reply = await world.send("POST", path, headers=headers, body=body)
                untouched.expect(coding, got=reply.status, wanted={400, 415})


async def test_a_bomb_in_a_form_needs_no_memory(world: World) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"email=")
    for _ in range(150):
        bomb += packer.compress(b"x" * 1_000_000)
    bomb += packer.flush()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Encoding", "gzip"),
        ("Sec-Fetch-Site", "same-origin"),
    ]
    tracemalloc.start()
    try:
        async with world.untouched() as untouched:
            reply = await world.send("POST", "/anmelden", headers=headers, body=bomb)
            untouched.expect("form", got=reply.status, wanted={400, 413, 415})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Some copies of the longest form, whatever the bomb would become.
    assert peak < 100 * 1024 * 1024, peak


async def test_forms_of_many_small_fields(world: World) -> None:
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % number
        for number in range(100_000)
    )
    fields = b"&".join(b"f%d=v" % number for number in range(100_000))
    async with world.untouched() as untouched:
        for media_type, body in (
            ("multipart/form-data; boundary=x", parts + b"--x--\r\n"),
            ("application/x-www-form-urlencoded", fields),
        ):
            headers = [
                ("Content-Type", media_type),
                ("Sec-Fetch-Site", "same-origin"),
            ]
            began = time.perf_counter()
            reply = await world.send("POST", "/anmelden", headers=headers, body=body)
            untouched.expect(media_type, got=reply.status, wanted={400, 413, 422})
            assert time.perf_counter() - began < 10


# -- the connection -------------------------------------------------------------


async def longest_pause(work: Any) -> float:
    """How long the event loop could do nothing else while something ran."""
    longest = 0.0
    running = asyncio.ensure_future(work)
    while not running.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before)
    await running
    return longest


async def test_body_in_single_bytes(world: World) -> None:
    """A hundred thousand chunks of one byte; others are served meanwhile."""
    body = b'{"type": "Unheard", "x": "' + b"x" * 100_000 + b'"}'
    headers = [
        ("Host", world.sued.base_url.removeprefix("http://")),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        *world.signed("POST", "/inbox", body),
    ]
    head = wire.request_bytes("POST", "/inbox", headers)
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body)
    async with world.untouched() as untouched:

        async def attack() -> None:
            data = await wire.exchange_bytes(
                world.sued.base_url, head + chunks + b"0\r\n\r\n"
            )
            untouched.expect(
                "chunks",
                got=wire.parse_reply(data).status,
                wanted={400, 413, 422},
            )

        assert await longest_pause(attack()) < 1.0


async def test_trailers_without_end(world: World) -> None:
    headers = [
        ("Host", world.sued.base_url.removeprefix("http://")),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        *world.signed("POST", "/inbox", b"{}"),
    ]
    head = wire.request_bytes("POST", "/inbox", headers)
    trailers = b"".join(b"X-%d: y\r\n" % number for number in range(200_000))
    async with world.untouched() as untouched:
        data = await wire.exchange_bytes(
            world.sued.base_url, head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n"
        )
        untouched.expect(
            "trailers",
            got=wire.parse_reply(data).status,
            wanted={0, 400, 413, 422, 431},
        )


def smuggled(host: str) -> dict[str, bytes]:
    """Requests whose end two readers see at different places."""
    inner = f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"
    named = f"Host: {host}\r\n"
    start = f"POST /inbox HTTP/1.1\r\n{named}"
    empty = "Content-Length: 0\r\n\r\n"
    chunked = "Transfer-Encoding: chunked\r\n"
    end = f"\r\n0\r\n\r\n{inner}"
    texts = {
        "length and chunks": f"{start}Content-Length: 6\r\n{chunked}{end}",
        "chunks and length": f"{start}{chunked}Content-Length: 6\r\n{end}",
        "two lengths": f"{start}Content-Length: 0\r\nContent-Length: 30\r\n\r\n{inner}",
        "two equal lengths": f"{start}Content-Length: 0\r\n{empty}",
        "list of lengths": f"{start}Content-Length: 0, 30\r\n\r\n{inner}",
        "signed length": f"{start}Content-Length: +6\r\n\r\n{inner}",
        "negative length": f"{start}Content-Length: -1\r\n\r\n{inner}",
        "length in hex": f"{start}Content-Length: 0x6\r\n\r\n{inner}",
        "length with a blank": f"{start}Content-Length: 3 0\r\n\r\n{inner}",
        "length of other digits": f"{start}Content-Length: \u00b2\r\n\r\n",
        "blank before the colon": f"{start}Content-Length : 6\r\n\r\n{inner}",
        "chunked twice": f"{start}{chunked}{chunked}{end}",
        "chunked is not last": f"{start}Transfer-Encoding: chunked, gzip\r\n{end}",
        "xchunked": f"{start}Transfer-Encoding: xchunked\r\n{end}",
        "chunked after tab": (
            f"{start}Transfer-Encoding:\tchunked\r\nContent-Length: 6\r\n{end}"
        ),
        "chunk size signed": f"{start}{chunked}\r\n+2\r\n{{}}\r\n0\r\n\r\n",
        "chunk size in 0x": f"{start}{chunked}\r\n0x2\r\n{{}}\r\n0\r\n\r\n",
        "chunk size of 17 digits": f"{start}{chunked}\r\n{'f' * 17}\r\n{{}}",
        "bare line feed in a chunk": f"{start}{chunked}\r\n2\n{{}}\r\n0\r\n\r\n",
        "folded header": f"{start}X-A: b\r\n c: d\r\n\r\n",
        "carriage return in a value": f"{start}X-A: b\rc\r\n{empty}",
        "NUL in a value": f"{start}X-A: b\x00c\r\n{empty}",
        "no colon": f"{start}X-A\r\n\r\n",
        "blank in a name": f"{start}X A: b\r\n\r\n",
        "two hosts": f"{start}Host: angreifer.example\r\n{empty}",
        "no host": f"POST /inbox HTTP/1.1\r\n{empty}",
        "empty host": f"POST /inbox HTTP/1.1\r\nHost: \r\n{empty}",
        "absolute": f"POST http://{host}/inbox HTTP/1.1\r\n{named}{empty}",
        "absolute elsewhere": (
            f"POST http://angreifer.example/inbox HTTP/1.1\r\n{named}{empty}"
        ),
        "two slashes": f"POST //angreifer.example/inbox HTTP/1.1\r\n{named}{empty}",
        "asterisk": f"POST * HTTP/1.1\r\n{named}{empty}",
        "backslash": f"POST \\inbox HTTP/1.1\r\n{named}{empty}",
        "blank in the target": f"POST /in box HTTP/1.1\r\n{named}\r\n",
        "fragment": f"POST /inbox#x HTTP/1.1\r\n{named}{empty}",
        "HTTP/0.9": "GET /actor\r\n\r\n",
        "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "HTTP/9": f"GET /outbox HTTP/9.9\r\n{named}\r\n",
        "CONNECT": f"CONNECT angreifer.example:443 HTTP/1.1\r\n{named}\r\n",
        "TRACE": f"TRACE /inbox HTTP/1.1\r\n{named}\r\n",
        "long method": f"{'X' * 5000} /inbox HTTP/1.1\r\n{named}\r\n",
        "long target": f"POST /{'x' * 100_000} HTTP/1.1\r\n{named}\r\n",
        "long header": f"{start}X-A: {'x' * 100_000}\r\n\r\n",
        "many headers": start
        + "".join(f"X-{number}: y\r\n" for number in range(5000))
        + "\r\n",
        "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 200,
        "line feeds only": f"POST /inbox HTTP/1.1\nHost: {host}\n\n",
        "upgrade": (
            f"GET /outbox HTTP/1.1\r\n{named}Connection: Upgrade\r\n"
            "Upgrade: websocket\r\n\r\n"
        ),
    }
    return {name: text.encode("latin-1") for name, text in texts.items()}


# Right requests but for what the door itself asks for.
AS_ANY_OTHER = {"upgrade", "two equal lengths", "chunked after tab"}
SMUGGLED = list(smuggled("x"))


@pytest.mark.parametrize("name", SMUGGLED)
async def test_requests_that_end_at_two_places(world: World, name: str) -> None:
    """Refused, and what hides behind it is never answered as a request."""
    data = smuggled(world.sued.base_url.removeprefix("http://"))[name]
    async with world.untouched() as untouched:
        loop = asyncio.get_running_loop()
        sock = await wire.connect(world.sued.base_url)
        received = b""
        try:
            await loop.sock_sendall(sock, data)
            try:
                async with asyncio.timeout(0.3):
                    while chunk := await loop.sock_recv(sock, 65_536):
                        received += chunk
            except (TimeoutError, OSError):
                pass
        finally:
            sock.close()
        status = wire.parse_reply(received).status
        # Nothing at all is an answer too: the request had no end.
        untouched.expect(
            name, got=status, wanted={0, 400, 401, 404, 405, 411, 413, 415, 421, 431}
        )
        answers = re.findall(rb"HTTP/1\.[01] [0-9]{3} ", received)
        assert len(answers) <= 1 + (name in AS_ANY_OTHER), received
        assert b"ok\n" not in received
