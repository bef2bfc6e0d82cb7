"""Each refusal of the doors: status, problem, one line in the log, and no trace.

One row of `REFUSALS` is one way to be refused. For each the same is shown: the
right status with a problem document (RFC 9457), nothing stored, nothing sent, and
exactly one line, which names status, code, door, who it was and the request's
number, and nothing of what was sent.
"""

import copy
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import structlog

from federation.inbox import ACTIVITY_JSON
from federation.keys import Signer
from federation.limits import ADDRESS_FAILURE_RATE, ADDRESS_RATE
from federation.signatures.http import sign_request
from federation.transport import server as transport_server
from federation.trust import TrustState
from node.config_sections import LogConfig
from node.logs import configure_logs
from node.storage.partners import update_partner
from node.web import door_guard
from tests.http.nodes import OFFER, START, MovableClock, RunningNode
from tests.http.raw import RawAnswer, ask, exchange, parsed
from tests.http.sender import Untouched, as_bytes

CANARY = "Kanarienvogel"
PROBLEM = "https://w3id.org/spalier/problems#"


@contextmanager
def written_lines(clock: MovableClock) -> Iterator[io.StringIO]:
    """What the node writes to its log, as it would be written to standard error."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(LogConfig(level="info"), clock=clock, stream=stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


@dataclass
class Scene:
    """Nord is a partner of Süd, and its page is ready to be sent."""

    nord: RunningNode
    sued: RunningNode
    ost: RunningNode
    page: dict[str, Any]
    clock: MovableClock
    monkeypatch: pytest.MonkeyPatch
    count: int = 0
    sent: list[str] = field(default_factory=list)

    def signed(
        self,
        body: bytes | None,
        *,
        path: str = "/inbox",
        method: str = "POST",
        signer: Signer | None = None,
        nonce: str | None = None,
    ) -> dict[str, str]:
        """The fields of a signed request."""
        self.count += 1
        fields = sign_request(
            method,
            f"{self.sued.base_url}{path}",
            body=body,
            signer=signer or self.nord.context.signer,
            created=START,
            nonce=nonce or f"{self.count:022d}",
        )
        if body is not None:
            fields["Content-Type"] = ACTIVITY_JSON
        return fields

    async def post(
        self,
        body: bytes | Any,
        *,
        path: str = "/inbox",
        signer: Signer | None = None,
        nonce: str | None = None,
        without: str = "",
        **changed: str,
    ) -> RawAnswer:
        """POST a body in Nord's name, with some fields changed or left out."""
        body = body if isinstance(body, bytes) else as_bytes(body)
        fields = self.signed(body, path=path, signer=signer, nonce=nonce)
        fields |= {name.replace("_", "-"): value for name, value in changed.items()}
        fields = {k: v for k, v in fields.items() if not without or without not in k}
        return await ask(self.sued, "POST", path, headers=fields, body=body)

    async def get(self, path: str, *, signed: bool = False) -> RawAnswer:
        fields = self.signed(None, path=path, method="GET") if signed else {}
        return await ask(self.sued, "GET", path, headers=fields)

    async def put_state(self, state: TrustState) -> None:
        partner = await self.sued.partner(self.nord)

        async def work(tx: Any) -> None:
            await update_partner(tx, partner.id, state=state)

        await self.sued.database.write(work)


Step = Callable[[Scene], Awaitable[RawAnswer]]


@dataclass(frozen=True)
class Refusal:
    """One way to be refused; `before` prepares and is not looked at."""

    name: str
    status: int
    code: str
    ask: Step
    before: Callable[[Scene], Awaitable[object]] | None = None
    by_peer: bool = False
    door: str = "/inbox"


async def nothing(_scene: Scene) -> None:
    return None


def method(verb: str, path: str) -> Step:
    async def step(scene: Scene) -> RawAnswer:
        return await ask(scene.sued, verb, path, body=b"" if verb != "GET" else None)

    return step


def changed_page(**members: Any) -> Step:
    return lambda scene: scene.post({**scene.page, **members})


def raw(data: str) -> Step:
    async def step(scene: Scene) -> RawAnswer:
        host = scene.sued.base_url.removeprefix("http://")
        text = data.replace("HOST", host).replace("\n", "\r\n")
        return parsed(await exchange(scene.sued, text.encode("latin-1")))

    return step


def forged_entry(scene: Scene) -> Awaitable[RawAnswer]:
    page = copy.deepcopy(scene.page)
    entry = page["orderedItems"][0]["object"]
    entry["name"] = entry["nameMap"]["de"] = CANARY
    return scene.post(page)


async def foreign_entry(scene: Scene) -> RawAnswer:
    page = copy.deepcopy(scene.page)
    foreign = await scene.ost.catalogue.publish(scene.ost.office, OFFER)
    assert foreign.document is not None
    page["orderedItems"][0]["object"] = json.loads(foreign.document)
    return await scene.post(page)


def gap(scene: Scene) -> Awaitable[RawAnswer]:
    outbox = f"{scene.nord.base_url}/outbox?after=4"
    late = {"id": outbox, "from": 5, "through": 6, "head": 6}
    return scene.post({**scene.page, **late})


async def many_requests(scene: Scene) -> None:
    for _ in range(int(ADDRESS_RATE.burst)):
        await scene.get("/nodeinfo/2.1")


async def many_wrong_signatures(scene: Scene) -> None:
    for _ in range(int(ADDRESS_FAILURE_RATE.burst)):
        await scene.get("/outbox?after=0")


async def slow_body(scene: Scene) -> RawAnswer:
    scene.monkeypatch.setattr(
        transport_server, "REQUEST_BODY_TIMEOUT", timedelta(seconds=0.2)
    )
    fields = "".join(f"{k}: {v}\r\n" for k, v in scene.signed(b"x").items())
    host = scene.sued.base_url.removeprefix("http://")
    head = (
        f"POST /inbox HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{fields}"
        f"Content-Length: 500\r\n\r\n{CANARY}"
    )
    return parsed(await exchange(scene.sued, head.encode()))


async def slow_handling(scene: Scene) -> RawAnswer:
    import asyncio

    async def never(*_: object) -> None:
        await asyncio.sleep(3600)

    scene.monkeypatch.setattr(scene.sued.database, "write", never)
    scene.monkeypatch.setattr(door_guard, "DOOR_TIMEOUT", timedelta(seconds=0.5))
    return await scene.post(scene.page)


async def own_fault(scene: Scene) -> RawAnswer:
    async def broken(*_: object) -> None:
        raise LookupError("a fault of ours")

    scene.monkeypatch.setattr(scene.sued.receiving, "receive_page", broken)
    return await scene.post(scene.page)


REFUSALS = [
    # Made by the framework, or before any step.
    Refusal("path below a door", 404, "not-found", method("GET", "/inbox/x")),
    Refusal(
        "path below the actor",
        404,
        "not-found",
        method("GET", f"/actor/{CANARY}"),
        door="/actor",
    ),
    *(
        Refusal(
            f"{verb} {door}",
            405,
            "method-not-allowed",
            method(verb, door),
            door=door.partition("/a")[0] if door.startswith("/e") else door,
        )
        for verb, door in (
            ("GET", "/inbox"),
            ("PUT", "/inbox"),
            ("OPTIONS", "/inbox"),
            ("POST", "/outbox"),
            ("DELETE", "/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("OPTIONS", "/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("TRACE", "/actor"),
            ("PATCH", "/partner-requests"),
            ("POST", "/.well-known/webfinger"),
            ("PROPFIND", "/nodeinfo/2.1"),
        )
    ),
    Refusal(
        "another host",
        421,
        "misdirected-request",
        raw("GET /actor HTTP/1.1\nHost: evil.example\nConnection: close\n\n"),
        door="/actor",
    ),
    Refusal(
        "bytes that are no HTTP",
        400,
        "malformed-http",
        raw(f"{CANARY} \x01 nothing\n\n"),
        door="",
    ),
    Refusal(
        "two lengths",
        400,
        "malformed-http",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nContent-Length: 5\n"
            f"Content-Length: 6\n\n{CANARY}"
        ),
        door="",
    ),
    Refusal(
        "too many requests",
        429,
        "rate-limit-exceeded",
        lambda scene: scene.post(scene.page),
        many_requests,
    ),
    Refusal(
        "too many wrong signatures",
        429,
        "rate-limit-exceeded",
        lambda scene: scene.post(scene.page),
        many_wrong_signatures,
    ),
    # The form of the request.
    Refusal(
        "doubled field",
        400,
        "malformed",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nSignature: a\nSignature: b\n"
            "Content-Length: 0\nConnection: close\n\n"
        ),
    ),
    Refusal(
        "other media type",
        415,
        "unsupported-media-type",
        lambda scene: scene.post(scene.page, Content_Type="application/json"),
    ),
    Refusal(
        "content coding",
        415,
        "unsupported-media-type",
        lambda scene: scene.post(scene.page, Content_Encoding="gzip"),
    ),
    Refusal(
        "announced too long",
        413,
        "too-large",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nContent-Length: 5000000\n"
            "Connection: close\n\n"
        ),
    ),
    Refusal("slow body", 408, "too-slow", slow_body),
    # The signature.
    Refusal(
        "unsigned",
        401,
        "signature-missing",
        lambda scene: scene.post(scene.page, without="Signature"),
    ),
    Refusal(
        "garbage",
        400,
        "signature-malformed",
        lambda scene: scene.post(scene.page, Signature=CANARY),
    ),
    Refusal(
        "digest of another body",
        401,
        "digest-mismatch",
        lambda scene: scene.post(scene.page, Content_Digest=f"sha-256=:{'A' * 43}=:"),
    ),
    Refusal(
        "unknown key",
        401,
        "unknown-key",
        lambda scene: scene.post(scene.page, signer=scene.ost.context.signer),
    ),
    Refusal(
        "wrong signature",
        401,
        "signature-invalid",
        lambda scene: scene.post(scene.page, Signature=f"sig1=:{'A' * 86}==:"),
    ),
    Refusal(
        "replayed",
        401,
        "replayed",
        lambda scene: scene.post(scene.page, nonce="A" * 22),
        lambda scene: scene.post(scene.page, nonce="A" * 22),
    ),
    Refusal(
        "not signed pull",
        401,
        "signature-missing",
        lambda scene: scene.get("/outbox?after=0"),
        door="/outbox",
    ),
    # The body.
    Refusal(
        "no JSON",
        400,
        "malformed",
        lambda scene: scene.post(b'{"' + CANARY.encode()),
        by_peer=True,
    ),
    Refusal(
        "nested too deeply",
        413,
        "too-large",
        lambda scene: scene.post(b"[" * 40 + b"]" * 40),
        by_peer=True,
    ),
    Refusal(
        "unknown activity",
        422,
        "unsupported-type",
        lambda scene: scene.post({"type": CANARY}),
        by_peer=True,
    ),
    Refusal(
        "another context",
        400,
        "context-not-allowed",
        changed_page(**{"@context": "https://e.example"}),
        by_peer=True,
    ),
    Refusal(
        "unknown member", 422, "schema-invalid", changed_page(bcc=CANARY), by_peer=True
    ),
    Refusal(
        "another node's page",
        403,
        "origin-mismatch",
        changed_page(actor="https://evil.example/actor"),
        by_peer=True,
    ),
    Refusal("forged entry", 401, "proof-invalid", forged_entry, by_peer=True),
    Refusal(
        "entry of a third node", 403, "origin-mismatch", foreign_entry, by_peer=True
    ),
    Refusal("pages in between are missing", 409, "position-gap", gap, by_peer=True),
    # The state.
    Refusal(
        "paused",
        403,
        "partnership-paused",
        lambda scene: scene.post(scene.page),
        lambda scene: scene.put_state(TrustState.PAUSED),
        by_peer=True,
    ),
    Refusal(
        "ended",
        403,
        "partnership-ended",
        lambda scene: scene.get("/outbox?after=0", signed=True),
        lambda scene: scene.put_state(TrustState.ENDED),
        by_peer=True,
        door="/outbox",
    ),
    Refusal(
        "pull from nowhere",
        400,
        "malformed",
        lambda scene: scene.get("/outbox", signed=True),
        by_peer=True,
        door="/outbox",
    ),
    # Guests and readers.
    Refusal(
        "no invitation",
        422,
        "schema-invalid",
        lambda scene: scene.post({"type": CANARY}, path="/partner-requests"),
        door="/partner-requests",
    ),
    Refusal(
        "unknown invitation",
        403,
        "invitation-refused",
        lambda scene: scene.post({"invitation": "a" * 16}, path="/partner-requests"),
        door="/partner-requests",
    ),
    Refusal(
        "no such entry",
        404,
        "not-found",
        lambda scene: scene.get(f"/entries/{'a' * 26}"),
        door="/entries",
    ),
    Refusal(
        "no such entry for a partner",
        404,
        "not-found",
        lambda scene: scene.get(f"/entries/{'a' * 26}", signed=True),
        by_peer=True,
        door="/entries",
    ),
    Refusal(
        "no resource",
        400,
        "malformed",
        lambda scene: scene.get("/.well-known/webfinger"),
        door="/.well-known/webfinger",
    ),
    # Our own trouble.
    Refusal("too slow to handle", 503, "timeout", slow_handling, by_peer=True),
    Refusal("own fault", 500, "internal-error", own_fault, by_peer=True),
]


@pytest.fixture
async def scene(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    nord, sued = partners
    return Scene(nord, sued, ost, page, clock, monkeypatch)


# These change what is around them; each gets a scene of its own.
_OWN_SCENE = (slow_body, slow_handling, own_fault)
APART = [each for each in REFUSALS if each.before is not None or each.ask in _OWN_SCENE]
TOGETHER = [each for each in REFUSALS if each not in APART]


@pytest.mark.parametrize("refusal", APART, ids=lambda each: each.name)
async def test_refusal_of_a_scene_that_was_prepared(
    scene: Scene, refusal: Refusal
) -> None:
    await (refusal.before or nothing)(scene)
    await check_refusal(scene, refusal)


async def test_refusals_one_after_the_other(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    """None of them changes anything, so they can share one scene."""
    for refusal in TOGETHER:
        with subtests.test(refusal.name):
            await check_refusal(scene, refusal)


async def check_refusal(scene: Scene, refusal: Refusal) -> None:
    partner_id = (await scene.sued.partner(scene.nord)).id
    tells_nonce = refusal.name == "no such entry for a partner"
    before, sent = await scene.sued.tables(), list(scene.sued.client.sent)
    with written_lines(scene.clock) as stream:
        async with Untouched(scene.nord, scene.ost):
            answer = await refusal.ask(scene)
    assert scene.sued.client.sent == sent
    after = await scene.sued.tables()
    for table, rows in before.items():
        if table != "seen_nonces" or not tells_nonce:
            assert after[table] == rows, table
    assert answer.status == refusal.status
    check_problem(answer, refusal)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1, lines
    check_line(lines[0], refusal, partner_id=partner_id)
    text = stream.getvalue()
    assert CANARY not in text
    assert "sig1" not in text


def check_problem(answer: RawAnswer, refusal: Refusal) -> None:
    assert answer.field("Date")
    assert answer.field("Server") == "spalier"
    assert answer.field("Content-Type") == "application/problem+json"
    assert "no-store" in (answer.field("Cache-Control") or "")
    problem = json.loads(answer.body)
    assert problem["type"] == PROBLEM + refusal.code
    assert problem["status"] == refusal.status
    assert problem["title"]
    assert problem["detail"]
    assert CANARY not in answer.body.decode()
    assert (answer.field("Allow") is not None) == (refusal.status == 405)
    if refusal.status in {429, 503}:
        assert int(answer.field("Retry-After") or 0) > 0
    if refusal.status == 401 and not refusal.by_peer:
        assert answer.field("WWW-Authenticate") == "Signature"
        assert '"@target-uri"' in (answer.field("Accept-Signature") or "")


def check_line(line: dict[str, Any], refusal: Refusal, *, partner_id: str) -> None:
    is_fault = refusal.status == 500
    assert line["event"] == ("request failed" if is_fault else "refused")
    assert (line["status"], line["code"]) == (refusal.status, refusal.code)
    assert line["door"] == refusal.door
    if refusal.by_peer:
        assert line["peer"] == partner_id
    else:
        assert line["address"] == "127.0.0.1"
    if refusal.code != "malformed-http":
        assert len(line["request_id"]) == 16


async def test_the_control_of_all_rows_is_taken(scene: Scene) -> None:
    with written_lines(scene.clock) as stream:
        answer = await scene.post(scene.page)
    assert answer.status == 200
    assert "refused" not in stream.getvalue()


def test_every_code_of_a_table_is_told_apart() -> None:
    """No two rows are the same row twice."""
    names = [each.name for each in REFUSALS]
    assert len(names) == len(set(names))
