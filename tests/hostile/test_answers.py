"""C: whatever a peer answers, our request ends with a declared error."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

import asyncio
from pathlib import Path
from typing import Any

import pytest

from federation import limits
from federation.errors import (
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.handshake import format_code
from federation.ids import BaseUrl, NodeAddress, parse_base_url
from federation.transport.client import FederationClient
from node.errors import NodeError
from tests.hostile.evil_requests import (
    SECONDS,
    SECRET,
    actor_of,
    every_request_fails,
    requests_of,
)
from tests.hostile.evil_server import Asked, EvilServer, Writer, evil_server, reply
from tests.hostile.world import World

ROOT = Path(__file__).parents[2]


async def test_control_a_right_answer_is_taken(
    client: FederationClient, evil: EvilServer
) -> None:
    evil.says(reply(actor_of(evil.base_url)))
    actor = await client.fetch_actor(BaseUrl(evil.base_url))
    assert actor.name == "Angreifer"


# -- slow, long, broken ---------------------------------------------------------


async def test_answers_that_trickle(client: FederationClient, evil: EvilServer) -> None:
    whole = reply(actor_of(evil.base_url))

    async def trickle(_asked: Asked, writer: Writer) -> None:
        for byte in whole:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)

    evil.answer = trickle
    await every_request_fails(client, evil, "trickle", kinds=TemporaryFetchError)


async def test_no_answer_at_all(client: FederationClient, evil: EvilServer) -> None:
    async def silence(_asked: Asked, _writer: Writer) -> None:
        await asyncio.sleep(SECONDS * 4)

    evil.answer = silence
    await every_request_fails(client, evil, "silence", kinds=TemporaryFetchError)


@pytest.mark.parametrize("chunked", [False, True])
async def test_answers_without_end(
    client: FederationClient, evil: EvilServer, chunked: bool
) -> None:
    """Cut at the limit, not at the end of our memory."""
    sent = 0

    async def endless(_asked: Asked, writer: Writer) -> None:
        nonlocal sent
        how = (("Transfer-Encoding", "chunked"),) if chunked else ()
        length = -1 if chunked else 10**12
        writer.write(reply(b"", headers=how, length=length))
        block = b" " * 65_536
        part = b"10000\r\n" + block + b"\r\n" if chunked else block
        while True:
            writer.write(part)
            await writer.drain()
            sent += len(block)

    evil.answer = endless
    for name, ask in requests_of(client, evil.base_url).items():
        sent = 0
        with pytest.raises(PermanentFetchError) as caught:
            await ask()
        assert caught.value.problem_code == "too-large"
        most = limits.PAGE_BYTES_MAX if name == "pull" else limits.ACTIVITY_BYTES_MAX
        # What lies in the buffers of the system comes on top.
        assert sent < most + 16 * 1024 * 1024, (name, sent)


BROKEN = {
    "nothing": b"",
    "garbage": b"\x00\xff" * 100,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "HTTP/0.9": b"<html>",
    "status 99": b"HTTP/1.1 099 X\r\n\r\n",
    "status 999": b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n",
    "no status": b"HTTP/1.1  OK\r\n\r\n",
    "body too short": reply(b"{}", length=500),
    "two lengths": reply(b"{}", headers=(("Content-Length", "5"),)),
    "length and chunks": reply(b"{}", headers=(("Transfer-Encoding", "chunked"),)),
    "bad chunk": reply(
        b"xyz\r\n", headers=(("Transfer-Encoding", "chunked"),), length=-1
    ),
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
    "long head line": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    "line break in a value": b"HTTP/1.1 200 OK\r\nX: a\rb\r\n\r\n",
    "100 for ever": b"HTTP/1.1 100 Continue\r\n\r\n" * 2000,
    "switching": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "gzip": reply(b"\x1f\x8b" + b"\x00" * 50, headers=(("Content-Encoding", "gzip"),)),
    "gzip without gzip": reply(b"{}", headers=(("Content-Encoding", "gzip"),)),
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
}


@pytest.mark.parametrize("label", BROKEN)
async def test_answers_that_are_no_http(
    client: FederationClient, evil: EvilServer, label: str
) -> None:
    evil.says(BROKEN[label])
    await every_request_fails(client, evil, label)


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "",
        "text/html",
        "text/plain",
        "application/json",
        "application/octet-stream",
        "application/ld+json",
        'application/ld+json; profile="https://angreifer.example"',
        "image/svg+xml",
        "application/activity+json; charset=utf-16",
        "application/activity+json, text/html",
    ],
)
async def test_answers_of_other_media_types(
    client: FederationClient, evil: EvilServer, media_type: str | None
) -> None:
    """An uploaded file that holds a right document is still a file."""
    evil.says(reply(actor_of(evil.base_url), media_type=media_type))
    await every_request_fails(client, evil, media_type, kinds=PermanentFetchError)


@pytest.mark.parametrize(
    "status",
    ["201 Created", "202 Accepted", "204 No Content", "206 Partial", "226 IM Used"],
)
async def test_other_kinds_of_success(
    client: FederationClient, evil: EvilServer, status: str
) -> None:
    evil.says(reply(actor_of(evil.base_url), status=status))
    await every_request_fails(client, evil, status)


@pytest.mark.parametrize(
    "after",
    [
        "-1",
        "1e9",
        "99999999999999999999",
        "Sat, 31 Feb 2026 10:00:00 GMT",
        "x" * 900,
        "١",
    ],
)
async def test_retry_after_of_any_form(
    client: FederationClient, evil: EvilServer, after: str
) -> None:
    value = after.encode().decode("latin-1")
    evil.says(reply(b"", status="503 X", headers=(("Retry-After", value),)))
    await every_request_fails(client, evil, after, kinds=TemporaryFetchError)


PROBLEMS: list[Any] = [
    b"",
    b"[" * 100_000,
    b"\xff",
    [],
    7,
    {"type": 7},
    {"type": "x" * 10_000},
    {"type": "https://w3id.org/spalier/problems#" + "x" * 10_000},
    {"type": "https://w3id.org/spalier/problems#position-gap", "position": True},
    {"type": "https://w3id.org/spalier/problems#position-gap", "position": "1"},
    {"type": "https://w3id.org/spalier/problems#position-gap", "position": -5},
    {"type": "https://w3id.org/spalier/problems#\u202e<script>", "epoch": {}},
    {"type": "https://w3id.org/spalier/problems#x", "a" * 5000: "b" * 5000},
    b"x" * 100_000,
]


@pytest.mark.parametrize("number", range(len(PROBLEMS)))
async def test_problem_documents_of_any_form(
    client: FederationClient, evil: EvilServer, number: int
) -> None:
    evil.says(
        reply(PROBLEMS[number], status="409 X", media_type="application/problem+json")
    )
    await every_request_fails(client, evil, number, kinds=PermanentFetchError)


# -- documents that are not what was asked for ----------------------------------


def wrong_actors(base_url: str) -> dict[str, Any]:
    """Actors that speak for somebody else, or are none."""
    right = actor_of(base_url)
    other = actor_of("https://spalier.optence.example")
    method = right["assertionMethod"][0]
    address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
    keys = {
        "controller of another node": {"controller": other["id"]},
        "controller of another owner": {"controller": f"{base_url}/users/alice"},
        "key id of another node": {"id": f"{other['id']}#key-1"},
        "key id that is no fragment": {"id": f"{base_url}/keys/1"},
        "key of another type": {"type": "JsonWebKey"},
        "two owners": {"owner": other["id"]},
    }
    actors = {
        label: {**right, "assertionMethod": [{**method, **change}]}
        for label, change in keys.items()
    }
    return {
        **actors,
        "another node's actor": other,
        "keys swapped": {**right, "assertionMethod": other["assertionMethod"]},
        "two keys with one id": {**right, "assertionMethod": [method, method]},
        "no key": {**right, "assertionMethod": []},
        "a key alone": {"@context": right["@context"], **method},
        "id with a slash": {**right, "id": f"{address.actor}/"},
        "id with a query": {**right, "id": f"{address.actor}?x"},
        "id in capitals": {**right, "id": address.actor.upper()},
        "id with port 0": {**right, "id": address.actor.replace("/actor", ":0/actor")},
        "id of https": {**right, "id": address.actor.replace("http:", "https:")},
        "inbox elsewhere": {**right, "inbox": "http://169.254.169.254/inbox"},
        "outbox elsewhere": {**right, "outbox": other["outbox"]},
        "handshake elsewhere": {**right, "partnerRequests": other["partnerRequests"]},
        "inbox of another owner": {**right, "inbox": f"{base_url}/users/alice/inbox"},
        "another type": {**right, "type": "Person"},
        "two types": {**right, "type": ["Application", "Person"]},
        "a list": [right],
        "inside a graph": {"@context": right["@context"], "@graph": [right]},
        "another context": {**right, "@context": "https://angreifer.example/c"},
        "remapped": {**right, "@context": [*right["@context"], {"inbox": "as:url"}]},
        "legacy key beside": {
            **right,
            "publicKey": {"id": "x", "owner": "y", "publicKeyPem": "z"},
        },
        "alias of itself": {**right, "alsoKnownAs": [right["id"]]},
        "alias that is no actor": {**right, "alsoKnownAs": [f"{base_url}/users/a"]},
        "alias of an inner network": {
            **right,
            "alsoKnownAs": ["http://169.254.169.254/actor"],
        },
        "one alias twice": {**right, "alsoKnownAs": [other["id"]] * 2},
        "aliases without end": {
            **right,
            "alsoKnownAs": [f"https://n{i}.example/actor" for i in range(9)],
        },
        "moved": {**right, "movedTo": other["id"]},
        "name with direction marks": {**right, "name": "Opt\u202eence"},
        "name of two lines": {**right, "name": "Optence\nbestätigt"},
        "long name": {**right, "name": "x" * 10_000},
        "card with HTML address": {**right, "card": {"website": "javascript:alert(1)"}},
        "card without end": {**right, "card": {"note": "x" * 100_000}},
        "unknown member": {**right, "icon": {"type": "Image", "url": "http://x/"}},
        "version of tomorrow": {**right, "spalierProtocol": "2.0"},
        "nothing": {},
    }


ACTOR_LABELS = list(wrong_actors("http://127.0.0.1:1"))


@pytest.mark.parametrize("label", ACTOR_LABELS)
async def test_actors_that_speak_for_another(
    client: FederationClient, evil: EvilServer, label: str
) -> None:
    evil.says(reply(wrong_actors(evil.base_url)[label]))
    await every_request_fails(client, evil, label, kinds=PermanentFetchError)


async def test_an_office_that_types_the_attackers_code(
    world: World, evil: EvilServer
) -> None:
    """Whatever stands at the address: a sentence for the office, and no row."""
    code = format_code(BaseUrl(evil.base_url), SECRET)
    office = world.offices[world.sued.base_url]
    answers = [reply(actor) for actor in wrong_actors(evil.base_url).values()]
    answers += [
        reply(b"<html>", media_type="text/html"),
        reply(b"", status="302 X", headers=(("Location", world.ost.base_url),)),
        reply(b"", status="500 X"),
        reply(b"{}", status="404 X"),
        BROKEN["garbage"],
    ]
    before = world.witness.rows[world.sued.base_url].hashes()
    mark = world.witness.log.mark()
    for answer in answers:
        evil.says(answer)
        for ask in (
            world.sued.node.partners.preview(office, code),
            world.sued.node.partners.accept(office, code),
        ):
            with pytest.raises(NodeError) as caught:
                await ask
            assert caught.value.status < 500 or caught.value.status == 503
    assert world.witness.rows[world.sued.base_url].hashes() == before
    assert world.witness.log.faults(mark) == []
    reached = {where for what, where in world.witness.outbound.attempts}
    port = int(evil.base_url.rpartition(":")[2])
    assert str(("127.0.0.1", port)) in reached
    assert all(asked.path == "/actor" for asked in evil.asked)


async def test_references_are_not_followed(world: World) -> None:
    """Depth 0: replies, owners, websites, types, contexts name an open port."""
    async with evil_server() as trap:
        entry = await world.entry()
        owner = {
            "organisation": {"name": "Angreifer", "website": "https://trap.example"}
        }
        theirs = await world.publish(world.sued)
        message = world.message(about=theirs.uri, in_reply_to=f"{trap.base_url}/x")
        trapped = [
            message,
            world.page_of([world.upsert(world.resigned({**entry, "owner": owner}))]),
            world.page_of([], partOf=f"{trap.base_url}/outbox"),
            {**world.page_of([]), "next": f"{trap.base_url}/outbox?page=2"},
            {**message, "@context": [f"{trap.base_url}/context", *message["@context"]]},
        ]
        before = len(world.witness.outbound.attempts)
        for document in trapped:
            await world.post(document)
        for site in (world.sued,):
            await site.settle()
        reached = world.witness.outbound.attempts[before:]
        port = trap.base_url.rpartition(":")[2]
        assert not [each for each in reached if port in each[1]]
        assert trap.asked == []
