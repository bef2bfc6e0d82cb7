"""Record the traffic of this release, which later releases must accept.

    python -m tests.golden.record               what this version says on the wire
    python -m tests.golden.record --released    it is released: it stays as it is
    python -m tests.golden.record --force       record over a released one all the same

Two real nodes with fixed keys, ids and times go through everything that the protocol
has. Nothing is recorded over a released version without `--force`: its traffic is
what nodes out there send, and is never changed again.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from federation.documents.holdings import HoldingsScope
from federation.keys import Signer
from federation.negotiation import PROTOCOL_VERSION
from federation.transport.client import FederationClient
from federation.transport.wire import WireAnswer, WireRequest
from federation.view import bucket_of
from node.keys.rules import OVERLAP
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.visibility.policy import Direction, PolicySheet, Preset
from schemas import KINDS, examples
from tests.golden.deeds import DEEDS, open_invitation
from tests.golden.traffic import (
    FOLDER,
    FORMAT,
    NORD,
    SUED,
    Deed,
    Exchange,
    GoldenNode,
    PeerKey,
    Recording,
    golden_node,
    mark_released,
    standing_of,
)
from tests.http.nodes import OFFER, MovableClock

_A_DAY: Final = timedelta(hours=28, seconds=1)
_SOON: Final = timedelta(seconds=2)


class Recorder:
    """Between both nodes: carries every request, and writes it down."""

    def __init__(self, clock: MovableClock) -> None:
        self.clock = clock
        self.nodes: dict[str, GoldenNode] = {}
        self.recording = Recording({})
        self.session: aiohttp.ClientSession | None = None
        self._chapter = ""

    def begin(self, chapter: str) -> None:
        """Begin a file; time passes in between."""
        self._chapter = chapter
        self.recording.chapters[chapter] = []
        self.clock.moment += _SOON

    def wire(self, sender: str) -> "RecordingWire":
        return RecordingWire(self, sender)

    async def exchange(self, sender: str, request: WireRequest) -> WireAnswer:
        assert self.session is not None
        receiver = NORD if request.target.startswith(f"{NORD}/") else SUED
        at, keys = self.clock.now(), await self._peer_keys(sender)
        answer = await self.nodes[receiver].ask(request, self.session)
        self.recording.chapters[self._chapter].append(
            Exchange(
                at=at.isoformat(),
                sender=sender,
                receiver=receiver,
                method=request.method,
                target=request.target,
                headers=[list(each) for each in request.headers],
                body=None if request.body is None else request.body.decode(),
                status=answer.status,
                answer_headers=[list(each) for each in answer.headers],
                answer=answer.body.decode(),
                peer_keys=keys,
                then=await standing_of(self.nodes[NORD]) if receiver == NORD else None,
            )
        )
        return answer

    async def _peer_keys(self, sender: str) -> list[PeerKey]:
        partners = await self.nodes[sender].node.partners.list()
        return [
            PeerKey(
                key.key_id,
                key.public_key.multibase,
                None if key.expires is None else key.expires.isoformat(),
                None if key.revoked is None else key.revoked.isoformat(),
            )
            for partner in partners
            for key in known_peer(partner).keys
        ]

    async def do(self, what: str, **values: Any) -> None:
        """Let Nord's office do something, and write it down."""
        self.note(what, **values)
        await DEEDS[what](self.nodes[NORD], values)

    def note(self, what: str, **values: Any) -> None:
        self.recording.chapters[self._chapter].append(
            Deed(self.clock.now().isoformat(), what, values)
        )


class RecordingWire:
    """The wire of one node's client."""

    def __init__(self, recorder: Recorder, sender: str) -> None:
        self._recorder = recorder
        self._sender = sender

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
        return await self._recorder.exchange(self._sender, request)


class Story:
    """Everything that two nodes say to each other, in chapters."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.nord = recorder.nodes[NORD]
        self.sued = recorder.nodes[SUED]
        self._ids: dict[str, str] = {}

    async def tell(self) -> None:
        for chapter in (
            self.handshake,
            self.all_kinds,
            self.changes,
            self.comparison,
            self.pulling,
            self.holdings,
            self.messages,
            self.new_key,
            self.pause,
            self.leave,
        ):
            self._recorder.begin(chapter.__name__.replace("_", "-"))
            await chapter()

    async def handshake(self) -> None:
        created = await self.nord.node.partners.invite(
            self.nord.office, preset=Preset.CLOSE
        )
        self._recorder.note("invite", **await open_invitation(self.nord))
        await self.sued.node.partners.accept(self.sued.office, created.code)
        nord = self.nord.node.context.address.base_url
        await self.sued.node.partners.mark_compared(self.sued.office, nord)
        for direction in Direction:
            await self.sued.node.partners.policies.set(
                self.sued.office,
                nord,
                direction,
                PolicySheet(Preset.CLOSE),
                reason="everything passes",
            )
        await self._recorder.do("confirm")
        await self._settle()

    async def all_kinds(self) -> None:
        office = await self.sued.node.members.set_consent(
            self.sued.office,
            self.sued.office.id,
            on=self._recorder.clock.now().date(),
            source="Brief",
        )
        self.sued.office = office
        for kind in KINDS:
            for level in ("trusted", "public"):
                entry = await self.sued.node.catalogue.publish(
                    office, _full(kind, level)
                )
                self._ids[f"{kind}/{level}"] = entry.id
        await self._settle()

    async def changes(self) -> None:
        catalogue, office = self.sued.node.catalogue, self.sued.office
        await catalogue.publish(
            office,
            {**_full("event", "trusted"), "title": {"de": "Verlegt"}},
            entry_ref=self._ids["event/trusted"],
        )
        await catalogue.withdraw(office, self._ids["technology_offer/trusted"])
        await catalogue.delete(office, self._ids["technology_request/public"])
        await catalogue.publish(
            office,
            {**OFFER, "audience": {"level": "cluster"}},
            entry_ref=self._ids["capacity_offer/public"],
        )
        await self._settle()

    async def comparison(self) -> None:
        """An empty page that says what is held, both ways."""
        self._recorder.clock.moment += _A_DAY
        await self._settle()

    async def pulling(self) -> None:
        await self._recorder.do("publish", id="aaaaaaaaaaaaaaaaaaaaaaaaay")
        await self._settle()
        partner = await self.sued.partner()
        await self.sued.node.delivery.pull(partner.id)
        async with self._client() as client:
            await client.pull_page(
                known_peer(partner), after=0, signer=self._signer(partner)
            )

    async def holdings(self) -> None:
        """What Nord holds of Süd, in numbers, as a list, and of one bucket."""
        await self.sued.node.comparing.compare((await self.sued.partner()).id)
        partner = await self.sued.partner()
        one = self.sued.node.context.address.entry(self._ids["event/public"])
        async with self._client() as client:
            for scope in (HoldingsScope(), HoldingsScope(bucket=bucket_of(one))):
                await client.fetch_holdings_page(
                    known_peer(partner), scope, signer=self._signer(partner)
                )

    async def messages(self) -> None:
        address = self.nord.node.context.address
        talks = self.sued.node.conversations
        thread = await talks.answer(
            self.sued.office,
            address.entry("aaaaaaaaaaaaaaaaaaaaaaaaay"),
            "Ist die Maschine noch frei?\nGrüße aus Süd",
        )
        await self._settle()
        await self._recorder.do("reply", text="Ja, ab März.")
        await self._settle()
        await talks.reply(self.sued.office, thread.id, "Dann nehmen wir sie.")
        await self._settle()

    async def new_key(self) -> None:
        keys = self.sued.node.own_keys
        await keys.rotate(self.sued.office)
        await self._settle()
        await self._advance()
        await self._publish_one("Vom neuen Schlüssel")
        self._recorder.clock.moment += OVERLAP + _SOON
        await self._advance()
        await self._publish_one("Der alte ist im Ruhestand")

    async def pause(self) -> None:
        await self._recorder.do("pause")
        waiting = await self._publish_one("Wartet")
        await self.sued.node.catalogue.withdraw(
            self.sued.office, self._ids["capacity_request/trusted"]
        )
        await self._later()
        await self._recorder.do("resume")
        await self._later()
        await self.sued.node.catalogue.withdraw(self.sued.office, waiting)
        await self._later()

    async def leave(self) -> None:
        await self.sued.node.partners.end(
            self.sued.office, self.nord.base_url, reason="Es war einmal."
        )
        await self._later()
        await self._later()

    # Steps

    async def _publish_one(self, title: str) -> str:
        entry = await self.sued.node.catalogue.publish(
            self.sued.office, {**OFFER, "title": {"de": title}}
        )
        await self._settle()
        return entry.id

    async def _advance(self) -> None:
        while await self.sued.node.own_keys.advance():
            pass
        await self._settle()

    async def _later(self) -> None:
        """Try again whatever has failed."""
        self._recorder.clock.moment += timedelta(hours=2)
        await self._settle()

    async def _settle(self) -> None:
        for golden in (self.sued, self.nord, self.sued):
            for partner in await golden.node.partners.list():
                await golden.node.delivery.deliver(partner.id)

    def _client(self) -> FederationClient:
        """What Süd asks with besides its own workers."""
        return FederationClient(
            clock=self._recorder.clock,
            random=self.sued.random,
            wire=self._recorder.wire(SUED),
        )

    def _signer(self, partner: Partner) -> Signer:
        return self.sued.node.context.keys.signer_for(partner)


def _full(kind: str, level: str) -> dict[str, Any]:
    """Return an entry with every field of its kind, of the office itself."""
    full = next(each for each in examples(kind, valid=True) if each.name == "full")
    around = {"audience": {"level": level}}
    return {
        name: value
        for name, value in {**full.document, **around}.items()
        if name not in {"on_behalf_of", "external_id"}
    }


async def record(folder: Path) -> Recording:
    """Let both nodes live in a folder, and return what they said."""
    clock = MovableClock()
    recorder = Recorder(clock)
    keys = {NORD: b"golden nord, for nobody but test", SUED: None}
    async with AsyncExitStack() as stack:
        recorder.session = await stack.enter_async_context(
            aiohttp.ClientSession(auto_decompress=False)
        )
        for number, (base_url, key) in enumerate(keys.items()):
            recorder.nodes[base_url] = await stack.enter_async_context(
                golden_node(
                    folder / str(number),
                    base_url,
                    clock=clock,
                    wire=recorder.wire(base_url),
                    key=key,
                )
            )
        await Story(recorder).tell()
    recorder.recording.manifest = {
        "format": FORMAT,
        "protocol": PROTOCOL_VERSION,
        "recorded_on": datetime.now(UTC).date().isoformat(),
        "released": False,
        "receiver": NORD,
        "receiver_key": (keys[NORD] or b"").hex(),
        "receiver_multibase": (recorder.nodes[NORD].node.context.keys.active.multibase),
    }
    return recorder.recording


def main(arguments: Sequence[str] | None = None) -> int:
    """Record into `tests/golden/VERSION`; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--force", action="store_true", help="record over a release")
    parser.add_argument(
        "--released", action="store_true", help="mark what is there as released"
    )
    chosen = parser.parse_args(arguments)
    folder = FOLDER / PROTOCOL_VERSION
    if chosen.released:
        mark_released(folder)
        return 0
    if folder.exists() and not chosen.force:
        before = Recording.read(folder)
        if before.manifest["released"]:
            print(
                f"{folder} is the traffic of a released version and is not changed;"
                " --force does it all the same.",
                file=sys.stderr,
            )
            return 1
    with tempfile.TemporaryDirectory() as nodes:
        recording = asyncio.run(record(Path(nodes)))
    shutil.rmtree(folder, ignore_errors=True)
    recording.write(folder)
    print(f"{len(recording.exchanges)} exchanges in {folder}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
