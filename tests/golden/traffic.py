"""Recorded traffic as it stands in files, and the nodes that it is recorded from.

A recording is a row of events in their order. An *exchange* is one HTTP request with
its answer, byte for byte; a *deed* is what the office of the receiving node did in
between, which no request tells.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

import aiohttp
from aiohttp import web
from sqlalchemy import select
from yarl import URL

from federation.transport.wire import WireAnswer, WireRequest
from federation.view import ViewDigest
from node.app import Node, open_node
from node.initialise import initialise
from node.members.model import Person
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.storage.received import present_elements
from node.storage.tables import conversations, messages, received_entries
from node.web.server import build_node_application
from tests.http.nodes import MovableClock, SeededRandom

FOLDER: Final = Path(__file__).parent
MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
NORD: Final = "https://nord.example"
SUED: Final = "https://sued.example"
NAMES: Final = {NORD: "Nord", SUED: "Sued"}
_KEY_BYTES: Final = 32
# What the real session adds to every request.
_SESSION_FIELDS: Final = {
    "User-Agent": "spalier",
    "Accept": "application/activity+json, application/ld+json",
    "Accept-Encoding": "identity",
}


@dataclass(frozen=True)
class PeerKey:
    """A key of the answering node, as the asking one knew it."""

    key_id: str
    multibase: str
    expires: str | None
    revoked: str | None


@dataclass(frozen=True)
class Exchange:
    """One request and its answer.

    Attributes:
        at: When it left, by the clock of both nodes.
        sender, receiver: Addresses of the nodes.
        body: UTF-8; None for none.
        peer_keys: Keys of the receiver that the sender knew; none before it does.
        then: What the receiver knew of the sender afterwards; see `standing_of`.
    """

    at: str
    sender: str
    receiver: str
    method: str
    target: str
    headers: list[list[str]]
    body: str | None
    status: int
    answer_headers: list[list[str]]
    answer: str
    peer_keys: list[PeerKey]
    then: Mapping[str, Any] | None

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


@dataclass(frozen=True)
class Deed:
    """Something that Nord's office did; `what` is a name in `tests.golden.deeds`."""

    at: str
    what: str
    values: Mapping[str, Any]

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)


Event = Exchange | Deed


@dataclass
class Recording:
    """A whole story, chapter by chapter."""

    manifest: dict[str, Any]
    chapters: dict[str, list[Event]] = field(default_factory=dict)

    @property
    def events(self) -> list[tuple[str, Event]]:
        """Every event in its order, with the name of its chapter."""
        return [(name, each) for name in self.chapters for each in self.chapters[name]]

    @property
    def exchanges(self) -> list[tuple[str, Exchange]]:
        return [(name, one) for name, one in self.events if isinstance(one, Exchange)]

    def write(self, folder: Path) -> None:
        """Write it into an empty folder."""
        folder.mkdir(parents=True)
        names = []
        for number, (name, events) in enumerate(self.chapters.items(), 1):
            names.append(f"{number:02}-{name}.json")
            _write(folder / names[-1], [_as_json(each) for each in events])
        _write(folder / MANIFEST, {**self.manifest, "chapters": names})

    @classmethod
    def read(cls, folder: Path) -> Self:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        assert manifest["format"] == FORMAT, "this test reads another format"
        chapters = {
            name.partition("-")[2].removesuffix(".json"): [
                _event(each) for each in json.loads((folder / name).read_text("utf-8"))
            ]
            for name in manifest["chapters"]
        }
        return cls(manifest, chapters)


def mark_released(folder: Path) -> None:
    """Note that nodes with this traffic are out there."""
    manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
    _write(folder / MANIFEST, {**manifest, "released": True})


def versions() -> list[str]:
    """Protocol versions whose traffic is here."""
    return sorted(each.parent.name for each in FOLDER.glob(f"*/{MANIFEST}"))


def _write(path: Path, document: Any) -> None:
    text = json.dumps(document, ensure_ascii=False, indent=1)
    path.write_text(f"{text}\n", "utf-8")


def _as_json(event: Event) -> dict[str, Any]:
    return {"event": type(event).__name__.lower(), **asdict(event)}


def _event(document: dict[str, Any]) -> Event:
    kind = document.pop("event")
    if kind == "deed":
        return Deed(**document)
    keys = [PeerKey(**each) for each in document.pop("peer_keys")]
    return Exchange(peer_keys=keys, **document)


# -- nodes ------------------------------------------------------------------------


class SteeredRandom(SeededRandom):
    """Reproducible bytes, of which some are given: keys and ids of a recording.

    Attributes:
        key: What every draw of a key's length gives; None for bytes as of others.
        ids: What the next draws of an id's length give.
    """

    def __init__(self, seed: str, *, key: bytes | None = None) -> None:
        super().__init__(seed)
        self.key = key
        self.ids: list[bytes] = []

    def bytes(self, count: int, /) -> bytes:
        if count == _KEY_BYTES and self.key is not None:
            return self.key
        if self.ids and len(self.ids[0]) == count:
            return self.ids.pop(0)
        return super().bytes(count)


@dataclass
class GoldenNode:
    """A node whose doors are reached through a wire, whatever its address."""

    base_url: str
    node: Node
    office: Person
    random: SteeredRandom
    door: URL

    async def partner(self) -> Partner:
        (partner,) = await self.node.partners.list()
        return partner

    async def ask(self, request: WireRequest, session: aiohttp.ClientSession) -> Any:
        """Hand a request to the doors as if it had come over the network."""
        target = URL(request.target, encoded=True)
        local = URL(f"{self.door}{target.raw_path_qs}", encoded=True)
        fields = {**_SESSION_FIELDS, "Host": target.raw_authority}
        async with session.request(
            request.method,
            local,
            data=request.body,
            headers={**fields, **dict(request.headers)},
            allow_redirects=False,
            skip_auto_headers=("Content-Type",),
        ) as answer:
            names = tuple(
                (name.decode("latin-1"), value.decode("latin-1"))
                for name, value in answer.raw_headers
            )
            return WireAnswer(answer.status, names, await answer.read())


@asynccontextmanager
async def golden_node(
    folder: Path,
    base_url: str,
    *,
    clock: MovableClock,
    wire: Any,
    key: bytes | None = None,
) -> AsyncIterator[GoldenNode]:
    """Set a node up, with a given key if there is one, and open its doors."""
    name = NAMES[base_url]
    random = SteeredRandom(name, key=key)
    await initialise(
        folder,
        base_url=base_url,
        name=name,
        office_email=f"office@{name.lower()}.example",
        clock=clock,
        random=random,
        card={"field": "Photonik", "members": 84, "regions": ["DE-HE"]},
    )
    random.key = None
    async with open_node(folder, clock=clock, random=random, wire=wire) as node:
        runner = web.AppRunner(build_node_application(node), access_log=None)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            office = await node.members.office_person()
            door = URL(f"http://127.0.0.1:{port}")
            yield GoldenNode(base_url, node, office, random, door)
        finally:
            await runner.cleanup()


async def standing_of(golden: GoldenNode) -> dict[str, Any] | None:
    """What a node knows of its only partner, as far as requests decide it.

    State of the partnership, digest of what is held, the state of everything that it
    was ever told, keys that sign, and how many messages there are.
    """
    partners = await golden.node.partners.list()
    if not partners:
        return None
    (partner,) = partners
    async with golden.node.context.database.read() as tx:
        rows = await tx.all(
            select(received_entries).order_by(received_entries.c.entry_uri)
        )
        threads = await tx.all(select(conversations.c.id))
        texts = await tx.all(
            select(messages.c.activity_id).where(
                messages.c.activity_id.startswith(f"{partner.base_url}/")
            )
        )
        held = await present_elements(tx, partner.id)
    view = ViewDigest()
    for element in held:
        view.add(*element)
    return {
        "state": partner.state.value,
        "digest": view.hex(),
        "entries": {
            row.entry_uri: [row.state, row.incarnation, row.counter] for row in rows
        },
        "keys": sorted(
            key.key_id for key in known_peer(partner).keys if key.is_current
        ),
        "conversations": len(threads),
        "messages": len(texts),
    }
