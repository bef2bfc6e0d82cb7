"""The client against real servers on loopback, honest and hostile."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from federation.documents import (
    build_actor,
    build_message,
    build_page,
    build_receipt,
    parse_page,
)
from federation.errors import (
    ConflictError,
    PeerError,
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.ids import BaseUrl
from federation.inbox import (
    AdmittedHead,
    ReceivedRequest,
    admit_partner,
    authenticate,
    read_pull,
)
from federation.rates import DoorRates
from federation.transport import wire as wire_module
from federation.transport.client import FederationClient
from federation.transport.server import (
    document_response,
    problem_response,
    read_request,
    request_head,
    signed_response,
)
from tests.unit.federation.nodes import (
    EPOCH,
    NOW,
    Bytes,
    FixedClock,
    Node,
    Nonces,
    Peers,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Host:
    """A node that answers as the test says."""

    def __init__(self, guest: Node) -> None:
        self.guest = guest
        self.clock = FixedClock()
        self.answer: Handler | None = None
        self.received: list[ReceivedRequest] = []
        self.peers = Peers({guest.signer.key_id: guest.known()})
        self.nonces = Nonces()
        self.app = web.Application()
        self.app.router.add_route("*", "/{path:.*}", self.handle)
        self.server = TestServer(self.app, host="127.0.0.1")

    async def start(self) -> None:
        await self.server.start_server()
        self.node = Node("host", base_url=f"http://127.0.0.1:{self.server.port}")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        try:
            head = request_head(
                request,
                base_url=self.node.base_url,
                sender="127.0.0.1",
                clock=self.clock,
            )
            received = await read_request(
                AdmittedHead(head),
                request,
                base_url=self.node.base_url,
                clock=self.clock,
            )
            self.received.append(received)
            if self.answer is not None:
                return await self.answer(request)
            return await self.honest(received)
        except PeerError as error:
            return problem_response(error)

    async def honest(self, received: ReceivedRequest) -> web.StreamResponse:
        if received.target_uri == self.node.address.actor:
            return document_response(build_actor(self.node.actor))
        if received.method == "GET":
            known = await authenticate(received, peers=self.peers, nonces=self.nonces)
            admitted = admit_partner(known, rates=DoorRates())
            pull = read_pull(admitted, address=self.node.address)
            return signed_response(
                self.page(pull.after),
                request=received,
                signer=self.node.signer,
                clock=self.clock,
                random=self.node.random,
            )
        await authenticate(received, peers=self.peers, nonces=self.nonces)
        if b"OrderedCollectionPage" in received.body:
            receipt = self.node.receipt(self.guest)
            signed = build_receipt(receipt, signer=self.node.signer, created=NOW)
            return document_response(signed.raw)
        return document_response({}, status=202)

    def page(self, after: int) -> dict[str, Any]:
        return self.node.page(self.node.signed_entry(), first=after + 1)


@pytest.fixture
async def host(optence: Node) -> AsyncIterator[Host]:
    host = Host(optence)
    await host.start()
    yield host
    await host.server.close()


@pytest.fixture
async def client() -> AsyncIterator[FederationClient]:
    made = FederationClient(
        clock=FixedClock(), random=Bytes("client"), allow_loopback_http=True
    )
    async with made as opened:
        yield opened


def answering(body: bytes = b"", *, status: int = 200, **headers: str) -> Handler:
    async def answer(_request: web.Request) -> web.Response:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fields.setdefault("Content-Type", "application/activity+json")
        return web.Response(body=body, status=status, headers=fields)

    return answer


async def test_the_four_exchanges(
    client: FederationClient, host: Host, optence: Node
) -> None:
    assert await client.fetch_actor(host.node.base_url) == host.node.actor
    peer, signer = host.node.peer, optence.signer
    page = optence.page(optence.signed_entry())
    receipt = await client.push_page(peer, page, signer=signer)
    assert receipt.position == 1
    pulled = await client.pull_page(peer, after=6, signer=signer)
    assert (pulled.first, len(pulled.items)) == (7, 1)
    message = build_message(optence.message(host.node), signer=signer, created=NOW)
    await client.post_activity(peer, message, signer=signer)
    sent = host.received[-1]
    assert sent.body == message.raw
    assert len({nonce for _, nonce in host.nonces.seen}) == 3


async def test_a_page_arrives_as_it_was_built(
    client: FederationClient, host: Host, optence: Node
) -> None:
    entries = [optence.signed_entry(kind) for kind in ("event", "capacity_offer")]
    await client.push_page(
        host.node.peer, optence.page(*entries), signer=optence.signer
    )
    from federation.strict_json import loads_object

    page = parse_page(loads_object(host.received[-1].body), peer=optence.peer)
    assert [item.content.signed.raw for item in page.items] == [
        entry.raw for entry in entries
    ]


async def test_a_receipt_by_another_key_is_refused(
    client: FederationClient, host: Host, optence: Node, laser: Node
) -> None:
    peer = dataclasses.replace(host.node.peer, keys=laser.keys)
    with pytest.raises(PermanentFetchError) as caught:
        await client.push_page(
            peer, optence.page(optence.signed_entry()), signer=optence.signer
        )
    assert caught.value.problem_code == "unknown-key"


async def test_a_pulled_page_must_be_signed_for_this_request(
    client: FederationClient, host: Host, optence: Node
) -> None:
    kept: list[web.Response] = []

    async def replay(request: web.Request) -> web.StreamResponse:
        received = host.received[-1]
        if not kept:
            kept.append(
                signed_response(
                    host.page(0),
                    request=received,
                    signer=host.node.signer,
                    clock=host.clock,
                    random=host.node.random,
                )
            )
        first = kept[0]
        return web.Response(body=first.body, headers=first.headers)

    host.answer = replay
    peer, signer = host.node.peer, optence.signer
    await client.pull_page(peer, after=0, signer=signer)
    with pytest.raises(PermanentFetchError) as caught:
        await client.pull_page(peer, after=0, signer=signer)
    assert caught.value.problem_code == "signature-invalid"
    host.answer = answering(b"{}")
    with pytest.raises(PermanentFetchError) as caught:
        await client.pull_page(peer, after=0, signer=signer)
    assert caught.value.problem_code == "signature-missing"


async def test_a_pulled_page_must_start_where_we_asked(
    client: FederationClient, host: Host, optence: Node
) -> None:
    async def other(_request: web.Request) -> web.StreamResponse:
        page = build_page(
            [], address=host.node.address, epoch=EPOCH, first=9, last=8, head=8
        )
        return signed_response(
            page,
            request=host.received[-1],
            signer=host.node.signer,
            clock=host.clock,
            random=host.node.random,
        )

    host.answer = other
    with pytest.raises(PermanentFetchError) as caught:
        await client.pull_page(host.node.peer, after=0, signer=optence.signer)
    assert caught.value.problem_code == "wrong-page"


@pytest.mark.parametrize(
    ("status", "headers", "expected"),
    [
        (429, {"Retry_After": "120"}, timedelta(seconds=120)),
        (503, {"Retry_After": "0"}, timedelta(0)),
        (
            503,
            {
                "Retry_After": "Sat, 21 Nov 2026 10:05:00 GMT",
                "Date": "Sat, 21 Nov 2026 10:00:00 GMT",
            },
            timedelta(minutes=5),
        ),
        (503, {"Retry_After": "soon"}, None),
        (500, {}, None),
        (502, {}, None),
    ],
)
async def test_what_may_work_later(
    client: FederationClient, host: Host, status: int, headers: Any, expected: Any
) -> None:
    host.answer = answering(status=status, **headers)
    with pytest.raises(TemporaryFetchError) as caught:
        await client.fetch_actor(host.node.base_url)
    assert caught.value.status == status
    assert caught.value.retry_after == expected


async def test_a_problem_names_its_code_and_position(
    client: FederationClient, host: Host, optence: Node
) -> None:
    async def gap(_request: web.Request) -> web.StreamResponse:
        raise ConflictError(
            "x", code="position-gap", members={"epoch": EPOCH, "position": 60}
        )

    host.answer = gap
    with pytest.raises(PermanentFetchError) as caught:
        await client.push_page(
            host.node.peer, optence.page(optence.signed_entry()), signer=optence.signer
        )
    error = caught.value
    assert (error.status, error.problem_code) == (409, "position-gap")
    assert (error.position, error.epoch) == (60, EPOCH)


async def test_a_hostile_problem_is_not_believed(
    client: FederationClient, host: Host
) -> None:
    for body in (b"[]", b"{", b'{"type":7,"position":true}', b'{"type":"x"}'):
        host.answer = answering(
            body, status=409, Content_Type="application/problem+json"
        )
        with pytest.raises(PermanentFetchError) as caught:
            await client.fetch_actor(host.node.base_url)
        assert caught.value.problem_code is None
        assert caught.value.position is None


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(
    client: FederationClient, host: Host, status: int
) -> None:
    host.answer = answering(status=status, Location=f"{host.node.base_url}/elsewhere")
    with pytest.raises(PermanentFetchError) as caught:
        await client.fetch_actor(host.node.base_url)
    assert caught.value.status == status
    assert len(host.received) == 1


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/json", "application/octet-stream", "text/html"],
)
async def test_another_media_type_is_not_read(
    client: FederationClient, host: Host, media_type: str
) -> None:
    from federation.canonical import canonical_bytes

    body = canonical_bytes(build_actor(host.node.actor))
    host.answer = answering(body, Content_Type=media_type)
    with pytest.raises(PermanentFetchError) as caught:
        await client.fetch_actor(host.node.base_url)
    assert caught.value.problem_code == "unsupported-media-type"


async def test_a_content_coding_is_not_unpacked(
    client: FederationClient, host: Host
) -> None:
    host.answer = answering(b"x", Content_Encoding="gzip")
    with pytest.raises(PermanentFetchError) as caught:
        await client.fetch_actor(host.node.base_url)
    assert caught.value.problem_code == "content-coding"


async def test_an_endless_answer_is_cut(client: FederationClient, host: Host) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={"Content-Type": "application/activity+json"}
        )
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 65_536)
        except (ConnectionError, asyncio.CancelledError):
            return response

    host.answer = endless
    with pytest.raises(PermanentFetchError) as caught:
        await client.fetch_actor(host.node.base_url)
    assert caught.value.problem_code == "too-large"


async def test_a_dripping_answer_ends(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b"x")
            await asyncio.sleep(0.05)
        return response

    host.answer = drip
    monkeypatch.setattr(wire_module, "ANSWER_TIMEOUT", timedelta(seconds=0.3))
    client = FederationClient(
        clock=FixedClock(), random=Bytes("c"), allow_loopback_http=True
    )
    async with client:
        with pytest.raises(TemporaryFetchError):
            await client.fetch_actor(host.node.base_url)


async def test_a_dead_host_may_come_back(client: FederationClient, host: Host) -> None:
    base_url = host.node.base_url
    await host.server.close()
    with pytest.raises(TemporaryFetchError):
        await client.fetch_actor(base_url)


async def test_without_the_switch_loopback_is_closed(host: Host) -> None:
    async with FederationClient(clock=FixedClock(), random=Bytes("c")) as client:
        with pytest.raises(PermanentFetchError) as caught:
            await client.fetch_actor(host.node.base_url)
        assert caught.value.problem_code == "address-not-public"
        # A name leads to the same address, past every check of the text.
        name = BaseUrl(host.node.base_url.replace("127.0.0.1", "localhost"))
        with pytest.raises(PermanentFetchError) as caught:
            await client.fetch_actor(name)
        assert caught.value.problem_code == "address-not-public"
    assert host.received == []


async def test_surrounding_proxy_settings_do_not_count(
    client: FederationClient, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert await client.fetch_actor(host.node.base_url) == host.node.actor
