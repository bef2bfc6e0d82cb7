"""C: what we believe of what we fetched, and that nothing else fetches."""

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing.exceptions import Unresolvable

import schemas
from federation.errors import (
    ContextNotAllowedError,
    PermanentFetchError,
)
from federation.ids import BaseUrl, NodeAddress, parse_base_url
from federation.jsonld import context_copy, load_bundled
from federation.keys import Signer, SigningKey
from federation.transport.client import FederationClient
from tests.hostile.evil_requests import (
    KEY,
    actor_of,
    own_signer,
    peer_of,
)
from tests.hostile.evil_server import Asked, EvilServer, Writer, evil_server, reply
from tests.hostile.world import World
from tests.http.nodes import MovableClock, SeededRandom

ROOT = Path(__file__).parents[2]


# -- collections without end ----------------------------------------------------


async def test_a_partner_whose_pages_never_end(world: World) -> None:
    """`next` is no word of ours, and a page that does not move us on is the last."""
    page = world.page_of([])
    async with world.untouched() as untouched:
        extras: tuple[dict[str, Any], ...] = (
            {"next": page["id"]},
            {"first": page["id"]},
            {"last": page["id"], "totalItems": 10**6},
            {"items": []},
        )
        for extra in extras:
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
        request = HttpMessage(
            asked.method, f"{evil.base_url}{asked.path}", asked.headers
        )
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
    body = json.dumps(page).encode()
    stranger = Signer(address, SigningKey.generate(SeededRandom("x")), 1)
    recorded: dict[str, str] = {}

    def fields_for(asked: Asked, signer: Signer, status: int = 200) -> dict[str, str]:
        request = HttpMessage(
            asked.method, f"{evil.base_url}{asked.path}", asked.headers
        )
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
        "unsigned": lambda _asked: {},
        "by a stranger": lambda asked: fields_for(asked, stranger),
        "under an unknown key id": lambda asked: fields_for(
            asked, Signer(address, KEY, 9)
        ),
        "for another status": lambda asked: fields_for(asked, right, 202),
        "of an earlier answer": lambda asked: recorded or fields_for(asked, right),
        "without digest": lambda asked: without(
            fields_for(asked, right), "Content-Digest"
        ),
        "without input": lambda asked: without(
            fields_for(asked, right), "Signature-Input"
        ),
        "without signature": lambda asked: without(
            fields_for(asked, right), "Signature"
        ),
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
    page: dict[str, Any] = {"epoch": "e" * 32, "from": 1, "through": 2}

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
        "federation/transport/wire.py ClientSession",
        "federation/transport/wire.py TCPConnector",
    }


def test_no_schema_is_fetched(world: World) -> None:
    before = len(world.witness.outbound.attempts)
    for reference in (
        "http://127.0.0.1:1/schema.json",
        "https://angreifer.example/schema.json",
        "file:///etc/passwd",
        "https://w3id.org/spalier/schemas/absent",
    ):
        validator = Draft202012Validator(
            {"$ref": reference}, registry=schemas.registry()
        )
        with pytest.raises(Unresolvable):
            validator.is_valid({})
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
