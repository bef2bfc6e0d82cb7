"""D: too much and too slow. Others are served meanwhile, and nothing piles up."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from federation.transport import server as server_module
from node.web.connections import Bounds
from tests.hostile import wire
from tests.hostile.world import World, served
from tests.http.nodes import MovableClock
from tests.http.pages.sites import Site

ATTACKER = "127.9.9.9"


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(tmp_path: Path) -> AsyncIterator[Site]:
    """A node that waits for nobody: the times of `serve`, only shorter."""
    bounds = Bounds(per_address=8, head_seconds=0.5, write_seconds=0.5)
    async with served(tmp_path, "Eilig", clock=MovableClock(), bounds=bounds) as site:
        yield site


async def closed_after(site: Site, *parts: bytes, pause: float = 0.1) -> float:
    """Send parts with pauses until the node closes; return how long that took."""
    loop = asyncio.get_running_loop()
    sock = await wire.connect(site.base_url)
    began = time.perf_counter()
    try:
        async with asyncio.timeout(10):
            for part in parts:
                try:
                    await loop.sock_sendall(sock, part)
                    async with asyncio.timeout(pause):
                        if not await loop.sock_recv(sock, 65_536):
                            break
                except TimeoutError:
                    continue
                except OSError:
                    break
            else:
                try:
                    while await loop.sock_recv(sock, 65_536):
                        pass
                except OSError:
                    pass
    finally:
        sock.close()
    return time.perf_counter() - began


async def test_heads_that_trickle(impatient: Site) -> None:
    """One header line after the other, for ever: the connection ends in time."""
    lines = [b"GET / HTTP/1.1\r\n", *(b"X-%d: y\r\n" % n for n in range(200))]
    assert await closed_after(impatient, *lines) < 5
    assert await closed_after(impatient) < 5
    assert (await wire.ask(impatient.base_url, "GET", "/livez")).status == 200


async def test_bodies_that_trickle(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = timedelta(seconds=0.5)
    monkeypatch.setattr(server_module, "REQUEST_BODY_TIMEOUT", short)
    body = b'{"type": "Unheard"}'
    head = wire.request_bytes(
        "POST",
        "/inbox",
        [
            ("Host", world.sued.base_url.removeprefix("http://")),
            ("Connection", "close"),
            ("Content-Length", str(len(body))),
            *world.signed("POST", "/inbox", body),
        ],
    )
    async with world.untouched() as untouched:
        data = await wire.exchange_bytes(world.sued.base_url, [head, body[:5]])
        reply = wire.parse_reply(data)
        untouched.expect("body", got=reply.refusal, wanted=(408, "too-slow"))


async def test_readers_that_do_not_read(impatient: Site) -> None:
    """Many answers are asked for and none is taken: the connection is cut."""
    loop = asyncio.get_running_loop()
    sock = await wire.connect(impatient.base_url)
    host = impatient.base_url.removeprefix("http://")
    ask = f"GET /clusterverzeichnis HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    began = time.perf_counter()
    is_cut = False
    try:
        while not is_cut and time.perf_counter() - began < 20:
            async with asyncio.timeout(10):
                await loop.sock_sendall(sock, ask * 50)
            await asyncio.sleep(0.05)
    except OSError:
        is_cut = True
    finally:
        sock.close()
    assert is_cut
    assert (await wire.ask(impatient.base_url, "GET", "/livez")).status == 200


async def test_connections_without_number(impatient: Site) -> None:
    """From one address a few; everybody else still gets in."""
    held = [await wire.connect(impatient.base_url, source=ATTACKER) for _ in range(40)]
    try:
        await asyncio.sleep(0.1)
        for _ in range(3):
            reply = await wire.ask(impatient.base_url, "GET", "/livez")
            assert reply.status == 200
    finally:
        for sock in held:
            sock.close()


async def test_floods_of_an_address_and_of_a_partner(fresh_world: World) -> None:
    """At one moment of the clock: some are answered, the rest hear how long to wait."""
    world = fresh_world
    statuses: dict[str, set[int]] = {"stranger": set(), "partner": set()}
    refused = None
    # The first takes effect, and has to.
    assert (await world.get("/outbox?after=0")).status == 200
    async with world.untouched() as untouched:
        for _ in range(400):
            reply = await wire.ask(
                world.sued.base_url,
                "POST",
                "/inbox",
                headers=[("Content-Type", wire.ACTIVITY_JSON)],
                body=b"{}",
                source=ATTACKER,
            )
            statuses["stranger"].add(reply.status)
            untouched.check("stranger")
    assert statuses["stranger"] <= {401, 429, 0}
    assert 429 in statuses["stranger"]
    for _ in range(400):
        headers = world.signed("GET", "/outbox?after=0", None)
        reply = await wire.ask(
            world.sued.base_url, "GET", "/outbox?after=0", headers=headers
        )
        statuses["partner"].add(reply.status)
        if reply.status == 429:
            refused = reply
            break
    assert statuses["partner"] == {200, 429}
    assert refused is not None
    assert refused.code == "rate-limit-exceeded"
    assert int(refused.field("Retry-After")) >= 1
    # The other partner, from elsewhere, notices nothing of either.
    headers = world.signed("GET", "/outbox?after=0", None, by=world.ost)
    reply = await wire.ask(
        world.sued.base_url, "GET", "/outbox?after=0", headers=headers
    )
    assert reply.status == 200
    # Later everybody may again.
    world.clock.advance(hours=1)
    assert (await world.get("/outbox?after=0")).status == 200
    lines = world.witness.log.since().count('"status": 429')
    assert lines <= 400
