"""What an earlier release said on the wire is still understood, word for word.

Each protocol version has its recorded traffic in a folder here (SPEC FED-126). The
requests of the old node come to a fresh node of the present code, in their order and
at their times; the answers of the old nodes go to the present client.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from federation.documents import SignedDocument
from federation.documents.holdings import HoldingsScope
from federation.errors import FetchError
from federation.ids import BaseUrl, NodeAddress
from federation.keys import PublicKey, Signer, SigningKey
from federation.negotiation import PROTOCOL_VERSION
from federation.peers import PinnedKey, RemotePeer
from federation.signatures.http import HttpMessage
from federation.transport.client import FederationClient
from federation.transport.wire import WireAnswer, WireRequest, connection_failed
from tests.golden import record
from tests.golden.deeds import DEEDS
from tests.golden.traffic import (
    FOLDER,
    NAMES,
    NORD,
    SUED,
    Deed,
    Exchange,
    GoldenNode,
    Recording,
    golden_node,
    standing_of,
    versions,
)
from tests.http.nodes import MovableClock, SeededRandom

BAD_REQUEST = 400


class AnsweredWire:
    """Carries nothing: gives the answers that the old node gave, in their order."""

    def __init__(self, exchanges: list[Exchange]) -> None:
        self._left = list(exchanges)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        del kind, error, traceback

    async def exchange(self, request: WireRequest) -> WireAnswer:
        for each in self._left:
            if (each.method, each.target) == (request.method, request.target):
                self._left.remove(each)
                return _answer(each)
        raise connection_failed(request.target, OSError("not recorded"))


class RecordedClient(FederationClient):
    """Reads one recorded answer as that to the request which was recorded with it."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(
            clock=MovableClock(exchange.moment),
            random=SeededRandom("asks"),
            wire=AnsweredWire([]),
        )
        self._exchange = exchange

    async def _send(self, method: str, target: str, **settings: Any) -> Any:
        del settings
        old = self._exchange
        assert (method, target) == (old.method, old.target)
        wire, self._wire = self._wire, AnsweredWire([old])
        try:
            answer = await super()._send(method, target, signer=None)
        finally:
            self._wire = wire
        # The answer's signature covers that of the request which left then.
        fields = tuple((name, value) for name, value in old.headers)
        return replace(answer, request=HttpMessage(method, target, fields))


def _answer(exchange: Exchange) -> WireAnswer:
    return WireAnswer(
        exchange.status,
        tuple((name, value) for name, value in exchange.answer_headers),
        exchange.answer.encode(),
    )


@pytest.fixture(params=versions())
def recording(request: pytest.FixtureRequest) -> Recording:
    return Recording.read(FOLDER / str(request.param))


@asynccontextmanager
async def fresh_receiver(
    folder: Path, recording: Recording, clock: MovableClock
) -> AsyncIterator[GoldenNode]:
    """A new node of the present code, with the key of the one that was recorded."""
    from_nord = [each for _, each in recording.exchanges if each.sender == NORD]
    async with golden_node(
        folder,
        recording.manifest["receiver"],
        clock=clock,
        wire=AnsweredWire(from_nord),
        key=bytes.fromhex(recording.manifest["receiver_key"]),
    ) as nord:
        key = nord.node.context.keys.active.multibase
        assert key == recording.manifest["receiver_multibase"]
        yield nord


def test_there_is_traffic_of_this_version() -> None:
    assert PROTOCOL_VERSION in versions()


async def test_requests_of_the_old_node_have_the_same_effect(
    recording: Recording, tmp_path: Path
) -> None:
    clock = MovableClock(recording.events[0][1].moment)
    replayed = 0
    async with (
        fresh_receiver(tmp_path, recording, clock) as nord,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        for chapter, event in recording.events:
            clock.moment = event.moment
            if isinstance(event, Deed):
                await DEEDS[event.what](nord, event.values)
            elif event.receiver == NORD:
                where = f"{chapter}: {event.method} {event.target} at {event.at}"
                answer = await nord.ask(_request(event), session)
                assert answer.status == event.status, (where, answer.body)
                assert await standing_of(nord) == event.then, where
                replayed += 1
    assert replayed == sum(each.receiver == NORD for _, each in recording.exchanges)


async def test_a_recording_that_was_changed_is_not_accepted(
    recording: Recording, tmp_path: Path
) -> None:
    """The replay would notice: signatures are verified as they were."""
    clock = MovableClock(recording.events[0][1].moment)
    async with (
        fresh_receiver(tmp_path, recording, clock) as nord,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        for _chapter, event in recording.events:
            clock.moment = event.moment
            if isinstance(event, Deed):
                await DEEDS[event.what](nord, event.values)
                continue
            if event.receiver != NORD:
                continue
            if '"orderedItems":[{' in (event.body or ""):
                body = (event.body or "").replace('"Create"', '"Update"', 1)
                assert body != event.body
                refused = await nord.ask(_request(replace(event, body=body)), session)
                assert refused.status == 401
                return
            await nord.ask(_request(event), session)
    pytest.fail("no page was recorded")


async def test_answers_of_the_old_nodes_are_read_as_before(
    recording: Recording,
) -> None:
    seen: dict[str, int] = {}
    for chapter, each in recording.exchanges:
        kind = _kind(each)
        seen[kind] = seen.get(kind, 0) + 1
        where = f"{chapter}: {each.method} {each.target} at {each.at}"
        async with RecordedClient(each) as client:
            if each.status < BAD_REQUEST:
                await _read(client, each, kind)
                continue
            with pytest.raises(FetchError) as caught:
                await _read(client, each, kind)
            told = json.loads(each.answer)["type"].rpartition("#")[2]
            code = caught.value.problem_code
            assert (caught.value.status, code) == (each.status, told), where
    # What the protocol has must have been said.
    assert set(seen) == {
        "activity",
        "actor",
        "holdings",
        "holdings-page",
        "page",
        "partner-request",
        "pull",
    }


def test_the_story_has_everything_that_is_said(recording: Recording) -> None:
    """A recording without a chapter's point would prove nothing about it."""
    sent = [each for _, each in recording.exchanges if each.receiver == NORD]
    said: list[str] = []
    kinds: set[str] = set()
    empty = 0
    for each in sent:
        body = json.loads(each.body) if each.body else {}
        said.append(body.get("type", ""))
        items = body.get("orderedItems", ())
        empty += body.get("type") == "OrderedCollectionPage" and not items
        empty -= "held" not in body and not items and "orderedItems" in body
        for item in items:
            said.append(f"item {item['type']}")
            if item["type"] == "Create" or item["type"] == "Update":
                kinds.add(item["object"]["kind"])
    assert {
        "PartnerRequest",
        "OrderedCollectionPage",
        "item Create",
        "item Delete",
        "Create",
        "Update",
        "Leave",
    } <= set(said)
    assert len(kinds) == 7
    assert empty > 0, "no empty page that says what is held"
    assert {each.status for each in sent} >= {200, 202, 403}
    assert any("bucket=" in each.target for each in sent)


def test_recording_over_a_release_needs_force(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Recording({"format": 1, "released": False}).write(tmp_path / PROTOCOL_VERSION)
    monkeypatch.setattr(record, "FOLDER", tmp_path)
    assert record.main(["--released"]) == 0
    before = sorted(tmp_path.rglob("*"))
    assert record.main([]) == 1
    assert "--force" in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


# Inside


def _request(exchange: Exchange) -> WireRequest:
    return WireRequest(
        exchange.method,
        exchange.target,
        tuple((name, value) for name, value in exchange.headers),
        None if exchange.body is None else exchange.body.encode(),
        2**24,
    )


def _kind(exchange: Exchange) -> str:
    parts = urlsplit(exchange.target)
    if exchange.method == "GET":
        if parts.path == "/holdings":
            return "holdings-page" if parts.query else "holdings"
        return {"/actor": "actor", "/outbox": "pull"}[parts.path]
    if parts.path == "/partner-requests":
        return "partner-request"
    document = json.loads(exchange.body or "{}")
    return "page" if document["type"] == "OrderedCollectionPage" else "activity"


async def _read(client: FederationClient, exchange: Exchange, kind: str) -> None:
    """Let the present client read an answer in the way that belongs to it."""
    receiver = BaseUrl(exchange.receiver)
    signer = Signer(
        NodeAddress(BaseUrl(exchange.sender)),
        SigningKey.generate(SeededRandom(NAMES[exchange.sender])),
        1,
    )
    query = parse_qs(urlsplit(exchange.target).query)
    raw = SignedDocument.from_raw({}, (exchange.body or "").encode())
    if kind == "actor":
        found = await client.fetch_actor(receiver)
        assert found.name == NAMES[exchange.receiver]
        return
    if kind == "partner-request":
        await client.post_partner_request(receiver, raw, signer=signer)
        return
    peer = RemotePeer(
        base_url=receiver,
        actor_id=NodeAddress(receiver).actor,
        keys=tuple(
            PinnedKey(
                key.key_id,
                PublicKey.from_multibase(key.multibase),
                expires=_moment(key.expires),
                revoked=_moment(key.revoked),
            )
            for key in exchange.peer_keys
        ),
    )
    if kind == "activity":
        await client.post_activity(peer, raw, signer=signer)
    elif kind == "page":
        page = json.loads(exchange.body or "")
        receipt = await client.push_page(peer, page, signer=signer)
        assert receipt.epoch == page["epoch"]
    elif kind == "pull":
        after = int(query["after"][0])
        assert (await client.pull_page(peer, after=after, signer=signer)).first
    elif kind == "holdings":
        assert (await client.fetch_holdings(peer, signer=signer)).view.hex()
    else:
        bucket, last = query.get("bucket"), query.get("after")
        scope = HoldingsScope(
            bucket=None if bucket is None else int(bucket[0]),
            after=None if not last or not last[0] else last[0],
        )
        listed = await client.fetch_holdings_page(peer, scope, signer=signer)
        assert all(each.entry_id.startswith(SUED) for each in listed.entries)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
