"""C: our own requests. Whatever a peer answers, it ends with a declared error."""

import ast
import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

import schemas
from federation import limits
from federation.documents.actor import ActorDocument, build_actor
from federation.errors import (
    ContextNotAllowedError,
    FetchError,
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.handshake import InvitationCodeError, format_code
from federation.ids import BaseUrl, IdentifierError, NodeAddress, parse_base_url
from federation.jsonld import context_copy, load_bundled
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey, RemotePeer
from federation.transport import client as client_module
from federation.transport.address_guard import is_public
from federation.transport.client import FederationClient
from node.errors import NodeError
from tests.hostile.addresses import CLOSED, OPEN
from tests.hostile.evil_server import Asked, EvilServer, Writer, evil_server, reply
from tests.hostile.world import World
from tests.http.nodes import MovableClock, SeededRandom

ROOT = Path(__file__).parents[2]
SECONDS = 1.0  # total time of one request, instead of limits.ANSWER_TIMEOUT
KEY = SigningKey.generate(SeededRandom("evil"))
SECRET = b"\x07" * 10


@pytest_asyncio.fixture(loop_scope="module")
async def evil() -> AsyncIterator[EvilServer]:
    async with evil_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FederationClient]:
    """The client of a node, with less patience."""
    from datetime import timedelta

    monkeypatch.setattr(client_module, "ANSWER_TIMEOUT", timedelta(seconds=SECONDS))
    async with FederationClient(
        clock=MovableClock(),
        random=SeededRandom("client"),
        allow_loopback_http=True,
    ) as opened:
        yield opened


def actor_of(base_url: str, key: SigningKey = KEY) -> Any:
    """A right actor document of a node."""
    address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
    document = build_actor(
        ActorDocument(
            base_url=address.base_url,
            name="Angreifer",
            keys=(PinnedKey(address.key(1), key.public_key),),
        )
    )
    return json.loads(json.dumps(document))


def peer_of(base_url: str) -> RemotePeer:
    address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
    return RemotePeer(
        base_url=address.base_url,
        actor_id=address.actor,
        keys=(PinnedKey(address.key(1), KEY.public_key),),
    )


def own_signer() -> Signer:
    address = NodeAddress(
        parse_base_url("https://spalier.optence.example", allow_loopback_http=False)
    )
    return Signer(address, SigningKey.generate(SeededRandom("own")), 1)


def requests_of(
    client: FederationClient, base_url: str
) -> dict[str, Callable[[], Any]]:
    """Every request that we make of another node."""
    peer, signer = peer_of(base_url), own_signer()
    page = {
        "@context": context_copy(),
        "epoch": "e" * 32,
        "from": 1,
        "through": 0,
        "head": 0,
        "orderedItems": [],
    }
    return {
        "actor": lambda: client.fetch_actor(peer.base_url),
        "pull": lambda: client.pull_page(peer, after=0, signer=signer),
        "push": lambda: client.push_page(peer, page, signer=signer),
    }


async def every_request_fails(
    client: FederationClient,
    evil: EvilServer,
    label: object,
    *,
    kinds: type[FetchError] = FetchError,
) -> None:
    """Each request of ours ends with a declared error, after one request only."""
    for name, ask in requests_of(client, evil.base_url).items():
        evil.asked.clear()
        began = time.perf_counter()
        with pytest.raises(kinds):
            await ask()
        assert time.perf_counter() - began < SECONDS * 3, (label, name)
        # A GET whose connection breaks off unanswered is sent once more (RFC 9110
        # §9.2.2); nothing else is.
        most = 1 if name == "push" else 2
        assert len(evil.asked) <= most, (label, name)


async def test_control_a_right_answer_is_taken(
    client: FederationClient, evil: EvilServer
) -> None:
    evil.says(reply(actor_of(evil.base_url)))
    actor = await client.fetch_actor(BaseUrl(evil.base_url))
    assert actor.name == "Angreifer"


# -- redirects and schemes ------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_redirects_are_not_followed(
    client: FederationClient, evil: EvilServer, status: int
) -> None:
    async with evil_server() as other:
        other.says(reply(actor_of(evil.base_url)))
        for target in (
            f"{evil.base_url}/actor",
            f"{evil.base_url}/elsewhere",
            f"{other.base_url}/actor",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "data:application/activity+json,{}",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "//127.0.0.1/",
            "http://[::1]/",
            "",
        ):
            evil.says(
                reply(
                    actor_of(evil.base_url),
                    status=f"{status} Moved",
                    headers=(("Location", target),),
                )
            )
            await every_request_fails(client, evil, target, kinds=PermanentFetchError)
        assert other.asked == []


async def test_other_ways_to_lead_elsewhere(
    client: FederationClient, evil: EvilServer
) -> None:
    """Refresh, Link, Alt-Svc, an HTML page: none makes us ask anybody."""
    async with evil_server() as other:
        where = other.base_url
        html = f'<meta http-equiv="refresh" content="0;url={where}/actor">'.encode()
        for headers in (
            (("Refresh", f"0; url={where}/actor"),),
            (("Link", f'<{where}/actor>; rel="alternate"'),),
            (("Alt-Svc", f'h2="{where}"'),),
            (("Content-Location", f"{where}/actor"),),
        ):
            evil.says(reply(html, media_type="text/html", headers=headers))
            await every_request_fails(client, evil, headers)
        assert other.asked == []


ADDRESSES_THAT_ARE_NONE = [
    "http://spalier.example",
    "http://127.0.0.1",
    "http://127.0.0.2:8080",
    "http://localhost:8080",
    "http://127.1:8080",
    "http://2130706433:8080",
    "http://0x7f000001:8080",
    "http://0177.0.0.1:8080",
    "http://[::1]:8080",
    "http://[::ffff:127.0.0.1]:8080",
    "https://127.0.0.1",
    "https://10.0.0.1",
    "https://169.254.169.254",
    "https://[2001:4860:4860::8888]",
    "https://localhost",
    "https://intern",
    "https://spalier.example:443",
    "https://spalier.example:0",
    "https://spalier.example:99999",
    "https://spalier.example:08443",
    "https://spalier.example/",
    "https://spalier.example/actor",
    "https://spalier.example?x",
    "https://spalier.example#x",
    "https://good@spalier.example",
    "https://good:x@spalier.example",
    "https://spalier.example\\@angreifer.example",
    "https://spalier.example.",
    "https://SPALIER.example",
    "https://spalier..example",
    "https://-spalier.example",
    "https://spalier-.example",
    "https://spalier_x.example",
    "https://spaliér.example",
    "https://spalier。example",
    "https://①②⑦.0.0.1",
    "https://faſ.example",
    "https://spalier%2eexample",
    "https://spalier.example\t",
    "https://spa\tlier.example",
    "https://spalier.example\n",
    " https://spalier.example",
    "https:/spalier.example",
    "https:spalier.example",
    "//spalier.example",
    "spalier.example",
    "ftp://spalier.example",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "data:text/plain,x",
    "javascript:alert(1)",
    "https://" + "a" * 250 + ".example",
    "https://" + "a." * 200 + "example",
    "https://",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES_THAT_ARE_NONE, ids=ascii)
@pytest.mark.parametrize("loopback", [False, True], ids=["outside", "loopback"])
def test_addresses_that_are_none(address: str, loopback: bool) -> None:
    with pytest.raises(IdentifierError):
        parse_base_url(address, allow_loopback_http=loopback)


def test_our_reader_agrees_with_two_others() -> None:
    """Ten thousand addresses: what we take, urllib and yarl read the same way."""
    import random
    from urllib.parse import urlsplit

    from yarl import URL

    seed = 20261121
    print("seed", seed)
    chance = random.Random(seed)
    pieces = [
        *"ab0-._~@:/?#[]\\%\t 。①ſ",
        "example",
        "spalier.",
        "127.0.0.1",
        ":443",
        ":8443",
        "xn--",
        "%2e",
        "localhost",
    ]
    taken = 0
    for _ in range(10_000):
        rest = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 7)))
        if chance.random() < 0.5:
            # Most would be none at all; these are nearly right.
            rest = f"spalier.example{chance.choice(['', ':8443', '.', ':', rest])}"
        text = f"{chance.choice(['https', 'https', 'http', 'HTTPS'])}://{rest}"
        try:
            parse_base_url(text, allow_loopback_http=False)
        except IdentifierError:
            continue
        taken += 1
        split, url = urlsplit(text), URL(text)
        assert (split.hostname, split.port) == (url.raw_host, url.explicit_port), text
        assert f"https://{split.netloc}" == text, text
    assert taken > 1000


async def test_codes_that_name_such_addresses(world: World) -> None:
    """An office types a code: nobody is asked who cannot be a partner's node."""
    letters = format_code(BaseUrl("https://spalier.example"), SECRET).partition("/")[2]
    office = world.offices[world.sued.base_url]
    async with world.untouched() as untouched:
        for host in (
            "localhost",
            "127.0.0.2:8080",
            "127.1",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "2130706433",
            "0x7f000001",
            "intern",
            "good@127.0.0.1:22",
            "spalier.example:443",
            "spalier.example\\x",
            "①②⑦.0.0.1",
            "spalier.example#x",
        ):
            for ask in (
                lambda code: world.sued.node.partners.preview(office, code),
                lambda code: world.sued.node.partners.accept(office, code),
            ):
                with pytest.raises((NodeError, InvitationCodeError)):
                    await ask(f"{host}/{letters}")
            untouched.check(host)


# -- addresses at the moment of the connection ----------------------------------


@pytest.mark.parametrize("address", CLOSED)
def test_closed_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_open_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "x", "127.1", "2130706433", "0x7f000001", "010.0.0.1", "1.1.1.1\n"]
)
def test_texts_that_are_no_addresses_are_closed(text: str) -> None:
    assert not is_public(text)


class Names(AbstractResolver):
    """Answers each question with the next list of addresses."""

    answers: list[list[str]]
    asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: Any = 0
    ) -> list[ResolveResult]:
        import socket

        addresses = self.answers[min(Names.asked, len(self.answers) - 1)]
        Names.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


async def connections_to(
    answers: list[list[str]], world: World, patch: pytest.MonkeyPatch, times: int = 1
) -> list[str]:
    """Ask a name that a resolver of the attacker answers; return what was tried."""
    Names.answers, Names.asked = answers, 0
    patch.setattr("aiohttp.connector.DefaultResolver", lambda **_: Names())
    before = len(world.witness.outbound.attempts)
    async with FederationClient(
        clock=MovableClock(), random=SeededRandom("names")
    ) as opened:
        for _ in range(times):
            with pytest.raises(FetchError):
                await opened.fetch_actor(BaseUrl("https://spalier.angreifer.example"))
    return [where for _, where in world.witness.outbound.attempts[before:]]


@pytest.mark.parametrize("address", [each for each in CLOSED if "%" not in each])
async def test_names_that_lead_inside(
    world: World, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert await connections_to([[address]], world, monkeypatch) == []


async def test_names_that_change_their_mind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a public address, then an own one; or both in one answer."""
    tried = await connections_to(
        [["93.184.216.34"], ["127.0.0.1"], ["10.0.0.1"]], world, monkeypatch, times=3
    )
    assert tried
    assert all("93.184.216.34" in where for where in tried)
    for mixed in (["93.184.216.34", "127.0.0.1"], ["::1", "93.184.216.34"]):
        tried = await connections_to([mixed], world, monkeypatch)
        assert all("93.184.216.34" in where for where in tried), tried


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:1",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[::1]:1",
        "https://[::ffff:127.0.0.1]:1",
        "https://[64:ff9b::7f00:1]",
        "https://127.1:1",
        "https://2130706433:1",
        "https://0x7f000001:1",
        "http://127.0.0.1:1",
    ],
)
async def test_literals_past_every_earlier_check(world: World, address: str) -> None:
    """Even if such an address came so far: the socket is not made."""
    before = len(world.witness.outbound.attempts)
    async with FederationClient(
        clock=MovableClock(), random=SeededRandom("literals")
    ) as opened:
        with pytest.raises(FetchError):
            await opened.fetch_actor(BaseUrl(address))
    attempts = world.witness.outbound.attempts[before:]
    assert [each for each in attempts if each[0] == "connect"] == []


async def test_loopback_of_the_demonstration_is_one_address_only(
    client: FederationClient, world: World
) -> None:
    before = len(world.witness.outbound.attempts)
    for address in ("http://127.0.0.2:1", "http://[::1]:1", "http://10.0.0.1:1"):
        with pytest.raises(PermanentFetchError) as caught:
            await client.fetch_actor(BaseUrl(address))
        assert caught.value.problem_code == "address-not-public"
    attempts = world.witness.outbound.attempts[before:]
    assert [each for each in attempts if each[0] == "connect"] == []


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
    "bad chunk": reply(b"xyz\r\n", headers=(("Transfer-Encoding", "chunked"),), length=-1),
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
    ["-1", "1e9", "99999999999999999999", "Sat, 31 Feb 2026 10:00:00 GMT", "x" * 900, "١"],
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
        "alias": {**right, "alsoKnownAs": [other["id"]]},
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
    assert all(asked.path in {"/actor"} for asked in evil.asked)


async def test_references_are_not_followed(world: World) -> None:
    """Depth 0: replies, owners, websites, types, contexts name an open port."""
    async with evil_server() as trap:
        entry = await world.entry()
        owner = {"organisation": {"name": "Angreifer", "website": "https://trap.example"}}
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


# -- collections without end ----------------------------------------------------


async def test_a_partner_whose_pages_never_end(world: World) -> None:
    """`next` is no word of ours, and a page that does not move us on is the last."""
    page = world.page_of([])
    async with world.untouched() as untouched:
        for extra in (
            {"next": page["id"]},
            {"first": page["id"]},
            {"last": page["id"], "totalItems": 10**6},
            {"items": []},
        ):
            reply_ = await world.post({**page, **extra})
            untouched.expect(extra, got=reply_.refusal, wanted=(422, "schema-invalid"))
        for positions in (
            {"from": 1, "through": 10**15, "head": 5},
            {"from": 1, "through": 5, "head": 4},
            {"from": 9, "through": 5, "head": 9},
        ):
            forged = {**page, **positions}
            forged["id"] = f"{world.nord.base_url}/outbox?after={positions['from'] - 1}"
            reply_ = await world.post(forged)
            untouched.expect(
                positions,
                got=reply_.status,
                wanted={409, 422},
            )


async def test_pull_of_a_page_that_was_not_asked_for(
    client: FederationClient, evil: EvilServer
) -> None:
    """Rightly signed for this request, and another page than the one asked for."""
    from federation.signatures.http import HttpMessage, sign_answer

    address = NodeAddress(parse_base_url(evil.base_url, allow_loopback_http=True))
    signer = Signer(address, KEY, 1)
    page: dict[str, Any] = {
        "@context": context_copy(),
        "id": address.page(0),
        "type": "OrderedCollectionPage",
        "partOf": address.outbox,
        "actor": address.actor,
        "epoch": "e" * 32,
        "from": 1,
        "through": 0,
        "head": 0,
        "orderedItems": [],
    }
    served = page

    async def signed(asked: Asked, writer: Writer) -> None:
        body = json.dumps(served).encode()
        request = HttpMessage(asked.method, f"{evil.base_url}{asked.path}", asked.headers)
        fields = sign_answer(
            200,
            body,
            request=request,
            signer=signer,
            created=MovableClock().now(),
            nonce="n" * 22,
        )
        writer.write(reply(body, headers=tuple(fields.items())))
        await writer.drain()

    evil.answer = signed
    peer, own = peer_of(evil.base_url), own_signer()
    assert (await client.pull_page(peer, after=0, signer=own)).first == 1
    for changes in (
        {"from": 5, "id": address.page(4), "through": 4, "head": 4},
        {"id": address.page(7)},
        {"actor": "https://spalier.optence.example/actor"},
        {"partOf": f"{evil.base_url}/other"},
        {"next": address.page(0)},
        {"epoch": "x"},
    ):
        served = {**page, **changes}
        with pytest.raises(PermanentFetchError):
            await client.pull_page(peer, after=0, signer=own)


async def test_answers_recorded_or_unsigned(
    client: FederationClient, evil: EvilServer
) -> None:
    """A pulled page must be signed by the partner, for this very request."""
    from federation.signatures.http import HttpMessage, sign_answer

    address = NodeAddress(parse_base_url(evil.base_url, allow_loopback_http=True))
    page = {
        "@context": context_copy(),
        "id": address.page(0),
        "type": "OrderedCollectionPage",
        "partOf": address.outbox,
        "actor": address.actor,
        "epoch": "e" * 32,
        "from": 1,
        "through": 0,
        "head": 0,
        "orderedItems": [],
    }
    body = json.dumps(page).encode()
    stranger = Signer(address, SigningKey.generate(SeededRandom("x")), 1)
    recorded: dict[str, str] = {}

    def fields_for(asked: Asked, signer: Signer, status: int = 200) -> dict[str, str]:
        request = HttpMessage(asked.method, f"{evil.base_url}{asked.path}", asked.headers)
        return sign_answer(
            status,
            body,
            request=request,
            signer=signer,
            created=MovableClock().now(),
            nonce="n" * 22,
        )

    def without(fields: dict[str, str], name: str) -> dict[str, str]:
        return {key: value for key, value in fields.items() if key != name}

    right = Signer(address, KEY, 1)
    makers: dict[str, Callable[[Asked], dict[str, str]]] = {
        "unsigned": lambda asked: {},
        "by a stranger": lambda asked: fields_for(asked, stranger),
        "under an unknown key id": lambda asked: fields_for(asked, Signer(address, KEY, 9)),
        "for another status": lambda asked: fields_for(asked, right, 202),
        "of an earlier answer": lambda asked: recorded or fields_for(asked, right),
        "without digest": lambda asked: without(fields_for(asked, right), "Content-Digest"),
        "without input": lambda asked: without(fields_for(asked, right), "Signature-Input"),
        "without signature": lambda asked: without(fields_for(asked, right), "Signature"),
    }
    peer, own = peer_of(evil.base_url), own_signer()

    async def record(asked: Asked, writer: Writer) -> None:
        recorded.update(fields_for(asked, right))
        writer.write(reply(body, headers=tuple(recorded.items())))
        await writer.drain()

    evil.answer = record
    await client.pull_page(peer, after=0, signer=own)
    for label, make in makers.items():

        async def answer(asked: Asked, writer: Writer, make: Any = make) -> None:
            writer.write(reply(body, headers=tuple(make(asked).items())))
            await writer.drain()

        evil.answer = answer
        with pytest.raises(PermanentFetchError):
            await client.pull_page(peer, after=0, signer=own)
        assert label


async def test_receipts_that_promise_too_much(
    client: FederationClient, evil: EvilServer
) -> None:
    """A receipt that does not fit counts as none: nothing is acknowledged."""
    from federation.documents.receipt import Receipt, build_receipt

    address = NodeAddress(parse_base_url(evil.base_url, allow_loopback_http=True))
    own = own_signer()
    page = {"epoch": "e" * 32, "from": 1, "through": 2}

    def receipt(**changes: Any) -> Any:
        values: dict[str, Any] = {
            "id": address.activity("a" * 26),
            "actor": address.actor,
            "partner": own.address.actor,
            "epoch": "e" * 32,
            "position": 2,
            "held": 2,
            "digest": "0" * 64,
            "published": MovableClock().now(),
            **changes,
        }
        signer = changes.pop("signer", Signer(address, KEY, 1))
        values.pop("signer", None)
        document = build_receipt(
            Receipt(**values), signer=signer, created=MovableClock().now()
        )
        return json.loads(document.raw)

    peer = peer_of(evil.base_url)
    evil.says(reply(receipt()))
    await client.push_page(peer, page, signer=own)
    unproven = receipt()
    for wrong in (
        receipt(position=3),
        receipt(position=10**15),
        receipt(epoch="f" * 32),
        receipt(partner=address.actor),
        receipt(partner="https://spalier.swissmem.example/actor"),
        receipt(signer=Signer(address, SigningKey.generate(SeededRandom("y")), 1)),
        {**unproven, "position": 1},
        {**unproven, "held": 10**9},
        {name: value for name, value in unproven.items() if name != "proof"},
        {**unproven, "refused": [{"id": f"{evil.base_url}/entries/{'a' * 26}"}]},
        [unproven],
        {},
    ):
        evil.says(reply(wrong))
        with pytest.raises(PermanentFetchError):
            await client.push_page(peer, page, signer=own)


# -- no other way out -----------------------------------------------------------


def product_modules() -> list[Path]:
    return [
        path
        for package in ("node", "federation", "schemas", "admin_ui")
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def test_one_client_only() -> None:
    """Who opens a session, a connector or a connection, and where."""
    names = {"ClientSession", "TCPConnector", "create_connection", "open_connection"}
    libraries = {"urllib.request", "http.client", "requests", "httpx", "ftplib"}
    users: set[str] = set()
    for path in product_modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for element in ast.walk(tree):
            if isinstance(element, ast.Attribute) and element.attr in names:
                users.add(f"{path.relative_to(ROOT)} {element.attr}")
            if isinstance(element, ast.Import | ast.ImportFrom):
                modules = {alias.name for alias in element.names}
                modules.add(getattr(element, "module", "") or "")
                if modules & libraries:
                    users.add(f"{path.relative_to(ROOT)} {sorted(modules & libraries)}")
    # Tools of whoever runs a node, beside the node; mail goes through aiosmtplib to
    # the server that the settings name.
    tools = ("node/conform/", "node/demo/", "node/doctor/")
    assert {user for user in users if not user.startswith(tools)} == {
        "federation/transport/client.py ClientSession",
        "federation/transport/client.py TCPConnector",
    }


def test_no_schema_is_fetched(world: World) -> None:
    before = len(world.witness.outbound.attempts)
    for reference in (
        "http://127.0.0.1:1/schema.json",
        "https://angreifer.example/schema.json",
        "file:///etc/passwd",
        "https://w3id.org/spalier/schemas/absent",
    ):
        validator = Draft202012Validator({"$ref": reference}, registry=schemas.registry())
        with pytest.raises(Exception) as caught:
            validator.is_valid({})
        assert isinstance(caught.value.__cause__, Unresolvable) or isinstance(
            caught.value, Unresolvable
        )
    assert world.witness.outbound.attempts[before:] == []
    pattern = re.compile(r'"\$ref":\s*"([^"]+)"')
    for name in schemas.schema_names():
        text = json.dumps(schemas.load_schema(name))
        for reference in pattern.findall(text):
            assert reference.startswith(("https://w3id.org/spalier/schemas/", "#"))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/context",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "https://www.w3.org/ns/activitystreams/",
        "https://www.w3.org/ns/activitystreams?x",
        "http://www.w3.org/ns/activitystreams",
        "https://w3id.org/spalier",
        "",
    ],
)
def test_no_context_is_fetched(world: World, url: str) -> None:
    before = len(world.witness.outbound.attempts)
    with pytest.raises(ContextNotAllowedError):
        load_bundled(url, {})
    assert world.witness.outbound.attempts[before:] == []


async def test_parameters_of_a_pull_are_built_not_copied(world: World) -> None:
    """Nothing of a partner's text becomes a part of a request's address."""
    async with world.untouched() as untouched:
        for path in (
            "/outbox?after=0&proxy=http://169.254.169.254/",
            "/outbox?after=0%26proxy=x",
            "/outbox?after=0#x",
            "/outbox?after=",
            "/outbox?after=-1",
            "/outbox?after=0x1",
            "/outbox?after=1.0",
            "/outbox?after=٣".encode().decode("latin-1"),
            "/outbox?after=1e3",
            "/outbox?after=99999999999999999999999",
            "/outbox?after=0&after=1",
            "/outbox?after[]=0",
            "/outbox",
            "/outbox?",
            "/outbox?page=true",
        ):
            reply_ = await world.get(path)
            untouched.expect(path, got=reply_.status, wanted={400, 401})


async def test_our_requests_bring_nothing_from_the_surroundings(
    client: FederationClient, evil: EvilServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No proxy, no cookie, no credentials of this machine."""
    async with evil_server() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
            monkeypatch.setenv(name, proxy.base_url)
        evil.says(
            reply(
                actor_of(evil.base_url),
                headers=(("Set-Cookie", "tracked=1; Path=/"),),
            )
        )
        async with FederationClient(
            clock=MovableClock(), random=SeededRandom("env"), allow_loopback_http=True
        ) as opened:
            for _ in range(2):
                await opened.fetch_actor(BaseUrl(evil.base_url))
        assert proxy.asked == []
    for asked in evil.asked:
        sent = {name.lower() for name, _ in asked.headers}
        assert not sent & {"cookie", "authorization", "referer", "origin", "from"}
        assert asked.field("accept-encoding") == "identity"
    assert aiohttp.__version__
