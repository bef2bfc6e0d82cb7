"""Who is refused at a door, and how it comes to that."""

import copy
import io
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import structlog

from federation import decisions
from federation.documents import (
    Message,
    MessageAuthor,
    Notice,
    NoticeType,
    build_message,
    build_notice,
)
from federation.inbox import ACTIVITY_JSON
from federation.keys import Signer
from federation.limits import ADDRESS_FAILURE_RATE, ADDRESS_RATE
from federation.rates import Bucket
from federation.signatures.http import sign_request
from federation.transport import server as transport_server
from federation.trust import TrustState
from node.config_sections import LogConfig
from node.logs import configure_logs
from node.storage.partners import update_partner
from node.web import door_guard
from tests.http.nodes import OFFER, START, MovableClock, RunningNode
from tests.http.raw import RawAnswer, ask, exchange, parsed
from tests.http.sender import as_bytes

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


def edited_input(pattern: str, replacement: str) -> Step:
    """Send with another Signature-Input than was signed."""

    def step(scene: Scene) -> Awaitable[RawAnswer]:
        fields = scene.signed(as_bytes(scene.page))
        edited = re.sub(pattern, replacement, fields["Signature-Input"])
        assert edited != fields["Signature-Input"]
        return scene.post(scene.page, Signature_Input=edited)

    return step


def signed_by_nord(build: Callable[[Scene], Any]) -> Step:
    async def step(scene: Scene) -> RawAnswer:
        return await scene.post(build(scene).raw)

    return step


def unknown_request(scene: Scene) -> Any:
    """A notice about a request that was never made."""
    address = scene.nord.context.address
    ours = scene.sued.context.address
    notice = Notice(
        id=address.activity("b" * 26),
        type=NoticeType.ACCEPT,
        actor=address.actor,
        recipient=ours.actor,
        object=ours.activity("c" * 26),
        published=START,
    )
    return build_notice(notice, signer=scene.nord.context.signer, created=START)


def message_about_nothing(scene: Scene) -> Any:
    """A first message about an entry that does not exist."""
    address = scene.nord.context.address
    ours = scene.sued.context.address
    message_id = address.activity("d" * 26)
    message = Message(
        id=message_id,
        sender=address.actor,
        recipient=ours.actor,
        thread=message_id,
        in_reply_to=ours.entry("e" * 26),
        about=ours.entry("e" * 26),
        text=CANARY,
        author=MessageAuthor(CANARY, CANARY),
        published=START,
    )
    return build_message(message, signer=scene.nord.context.signer, created=START)


def without_proof(scene: Scene) -> Awaitable[RawAnswer]:
    page = copy.deepcopy(scene.page)
    del page["orderedItems"][0]["object"]["proof"]
    return scene.post(page)


def too_many_items(scene: Scene) -> Awaitable[RawAnswer]:
    items = scene.page["orderedItems"][:1] * 201
    return scene.post({**scene.page, "orderedItems": items})


async def no_items_left(scene: Scene) -> None:
    partner_id = (await scene.sued.partner(scene.nord)).id
    empty = Bucket(0.0, scene.clock.now())
    scene.sued.rates._items._buckets[partner_id] = empty


async def no_messages_left(scene: Scene) -> None:
    scene.monkeypatch.setattr(decisions, "MESSAGES_DAILY_MAX", 0)


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
