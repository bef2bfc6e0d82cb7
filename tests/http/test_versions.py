"""Nodes of another version: refused by name at the handshake, never half-read."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from federation.documents import build_actor, build_partner_request
from federation.documents.signed import sign
from federation.handshake import format_code, parse_code
from federation.ids import parse_base_url
from federation.inbox import ACTIVITY_JSON
from node.errors import ConflictError
from node.exchange.wakeup import WakeUp
from node.keys.telling import tell_everybody
from node.partners.own_actor import own_actor
from node.storage.partners import update_partner
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, START, RunningNode
from tests.http.sender import Sender, Untouched, as_bytes

SECRET = b"0123456789"


class OtherVersion:
    """A node that only serves its actor and refuses every guest."""

    def __init__(self) -> None:
        self.actor: dict[str, Any] = {}
        self.problem: dict[str, Any] = {}
        self.base_url = ""

    async def get(self, _request: web.Request) -> web.Response:
        return web.Response(body=json.dumps(self.actor), content_type=ACTIVITY_JSON)

    async def post(self, _request: web.Request) -> web.Response:
        return web.Response(
            status=422,
            body=json.dumps(self.problem),
            content_type="application/problem+json",
        )


@pytest.fixture
async def other(nord: RunningNode) -> AsyncIterator[OtherVersion]:
    """A node of our version, to be changed by the test."""
    server = OtherVersion()
    app = web.Application()
    app.router.add_get("/actor", server.get)
    app.router.add_post("/partner-requests", server.post)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.base_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with nord.database.read() as tx:
        actor = build_actor(await own_actor(tx, nord.context))
    text = json.dumps(actor).replace(nord.base_url, server.base_url)
    server.actor = json.loads(text.replace(nord.base_url[7:], server.base_url[7:]))
    yield server
    await runner.cleanup()


def code_of(server: OtherVersion) -> str:
    base_url = parse_base_url(server.base_url, allow_loopback_http=True)
    return format_code(base_url, SECRET)


async def test_preview_says_which_versions_do_not_fit(
    nord: RunningNode, other: OtherVersion
) -> None:
    control = await nord.partners.preview(nord.office, code_of(other))
    assert control.base_url == other.base_url
    other.actor["spalierProtocol"] = "2.1"
    # Whatever else a later version writes differently.
    other.actor["@context"] = ["https://w3id.org/spalier/v2"]
    before = await nord.tables()
    with pytest.raises(ConflictError) as caught:
        await nord.partners.preview(nord.office, code_of(other))
    assert caught.value.code == "protocol-unsupported"
    assert "version 2.1" in caught.value.message
    assert "version 1.0" in caught.value.message
    with pytest.raises(ConflictError):
        await nord.partners.accept(nord.office, code_of(other))
    assert await nord.tables() == before


async def test_host_of_another_version_refuses_the_guest(
    nord: RunningNode, other: OtherVersion
) -> None:
    """Its actor can still be read; what it answers to the request decides."""
    other.problem = {
        "type": "https://w3id.org/spalier/problems#protocol-unsupported",
        "title": "Unprocessable Content",
        "status": 422,
        "detail": "This node speaks protocol 2.0.",
        "protocol": "2.0",
        "offered": "1.0",
    }
    with pytest.raises(ConflictError) as caught:
        await nord.partners.accept(nord.office, code_of(other))
    assert caught.value.code == "protocol-unsupported"
    assert "version 2.0" in caught.value.message
    assert await nord.partners.list() == []


async def test_guest_of_another_version_is_refused_with_our_version(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    host = await sued.client.fetch_actor(nord.context.address.base_url)
    async with sued.database.read() as tx:
        guest = await own_actor(tx, sued.context)
    secret = parse_code(created.code, allow_loopback_http=True).secret
    request = build_partner_request(
        guest,
        host=host,
        secret=secret,
        signer=sued.context.signer,
        random=sued.context.random,
        created=START,
    )
    unsigned = {k: v for k, v in request.document.items() if k != "proof"}
    unsigned["actor"] = {**guest_body(request.document), "spalierProtocol": "2.0"}
    document = sign(unsigned, signer=sued.context.signer, created=START).document
    async with Untouched(nord, sued):
        answer = await sender.post(
            nord,
            as_bytes(document),
            signer=sued.context.signer,
            path="/partner-requests",
        )
    assert (answer.status, answer.code) == (422, "protocol-unsupported")
    problem = json.loads(answer.body)
    assert (problem["protocol"], problem["offered"]) == ("1.0", "2.0")


def guest_body(document: Any) -> dict[str, Any]:
    return dict(document["actor"])


async def test_what_both_speak_is_written_down_at_the_handshake(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    for node, peer in ((nord, sued), (sued, nord)):
        partner = await node.partner(peer)
        assert partner.protocol == "1.0"
        assert partner.agreed.capabilities == (
            "pages",
            "messages",
            "actor-updates",
            "moves",
        )


async def test_what_the_other_side_cannot_do_is_not_sent(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    """A partner that lists nothing gets no page, no message and no update of ours."""
    nord, sued = partners
    partner = await nord.partner(sued)

    async def set_to(*names: str) -> None:
        await nord.database.write(
            lambda tx: update_partner(tx, partner.id, capabilities=names)
        )

    await set_to("something-new")
    await nord.catalogue.publish(nord.office, OFFER)
    waker = WakeUp()
    told = await nord.database.write(lambda tx: tell_everybody(tx, nord.context, waker))
    assert told == 0
    before = list(sued.reached)
    await nord.settle()
    assert sued.reached == before
    await set_to("pages", "actor-updates")
    assert (
        await nord.database.write(lambda tx: tell_everybody(tx, nord.context, waker))
        == 1
    )
    await nord.settle()
    assert sued.reached[len(before) :] == ["POST /inbox", "POST /inbox"]
    assert (await nord.partner(sued)).digest_equal


async def test_nobody_writes_to_a_node_that_takes_no_messages(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    anna = await sued.add_person("anna@sued.example", organisation="Firma")
    async with sued.database.read() as tx:
        (entry,) = await list_received(tx, where=received_entries.c.state == "present")
    partner = await sued.partner(nord)
    await sued.database.write(
        lambda tx: update_partner(tx, partner.id, capabilities=("pages",))
    )
    before = await sued.tables()
    with pytest.raises(ConflictError) as caught:
        await sued.conversations.answer(anna, entry.uri, "Ist das noch frei?")
    assert caught.value.code == "partner-takes-no-messages"
    assert await sued.tables() == before
