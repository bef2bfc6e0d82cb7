"""Sends signed requests to a node and counts what it took."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import aiohttp

from bench.node_process import BenchError
from federation.documents.partner_request import new_nonce
from federation.inbox import ACTIVITY_JSON
from federation.signatures.http import sign_request
from node.clock import SystemClock, SystemRandom

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.node_process import WatchedProcess
    from federation.keys import Signer

_PROBE_PAUSE_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request that is ready to be sent."""

    body: bytes
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Burst:
    """What a number of requests took.

    Attributes:
        requests: How many were answered.
        wall_seconds: From the first one sent to the last one answered.
        cpu_seconds: Processor time of the server meanwhile.
        latencies: Seconds of each answer.
        lags: Seconds of each answer to the probe, empty without it.
    """

    requests: int
    wall_seconds: float
    cpu_seconds: float
    latencies: list[float] = field(repr=False)
    lags: list[float] = field(repr=False)


def prepare(bodies: Sequence[bytes], *, url: str, signer: Signer) -> list[Prepared]:
    """Sign a request for each body, now."""
    clock, random = SystemClock(), SystemRandom()
    return [
        Prepared(
            body,
            {
                "Content-Type": ACTIVITY_JSON,
                **sign_request(
                    "POST",
                    url,
                    body=body,
                    signer=signer,
                    created=clock.now(),
                    nonce=new_nonce(random),
                ),
            },
        )
        for body in bodies
    ]


async def send(
    queues: Sequence[Sequence[Prepared]],
    *,
    base_url: str,
    server: WatchedProcess,
    status: int,
    path: str = "/inbox",
    with_probe: bool = False,
) -> Burst:
    """Send all requests and wait for every answer.

    Args:
        queues: Requests from `prepare`. Those of one queue go one after the other
            on one connection, the queues side by side.
        base_url: The server's address.
        server: Its process.
        status: The only status that counts as success.
        path: Where the requests go.
        with_probe: Also ask for the cheapest answer all the time; that costs the
            server a little.

    Raises:
        BenchError: Another status came back.
    """
    latencies: list[float] = []
    lags: list[float] = []
    connector = aiohttp.TCPConnector(limit=len(queues) + 1)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work(queue: Sequence[Prepared]) -> None:
            for request in queue:
                begun = time.perf_counter()
                async with session.post(
                    f"{base_url}{path}", data=request.body, headers=request.fields
                ) as answer:
                    text = await answer.read()
                    if answer.status != status:
                        raise BenchError(f"{answer.status}: {text[:500]!r}")
                latencies.append(time.perf_counter() - begun)

        probes = []
        if with_probe:
            probes.append(asyncio.create_task(_probe(session, base_url, lags)))
        cpu, begun = server.cpu_seconds, time.perf_counter()
        try:
            await asyncio.gather(*(work(queue) for queue in queues))
        finally:
            for probe in probes:
                probe.cancel()
        wall = time.perf_counter() - begun
        await asyncio.gather(*probes, return_exceptions=True)
        spent = server.cpu_seconds - cpu
    return Burst(len(latencies), wall, spent, latencies, lags)


async def _probe(
    session: aiohttp.ClientSession, base_url: str, lags: list[float]
) -> None:
    """Ask for the cheapest answer again and again: what waits is the event loop."""
    while True:
        begun = time.perf_counter()
        async with session.get(f"{base_url}/livez") as answer:
            await answer.read()
        lags.append(time.perf_counter() - begun)
        await asyncio.sleep(_PROBE_PAUSE_S)
