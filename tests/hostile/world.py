"""Three whole nodes on loopback, for attacks on one of them.

Nord and Süd are partners, and so are Ost and Süd; Nord and Ost are none of each
other's. The attacker owns Nord's key: everything it sends is authentic. Süd is
attacked. The nodes are those of `serve` but for the workers, which do not run by
themselves, and the clock.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from federation.documents.message import Message, MessageAuthor, build_message
from federation.documents.notice import Notice, NoticeType, build_notice
from federation.documents.signed import sign as sign_document
from federation.documents.withdrawal import (
    Withdrawal,
    WithdrawalMode,
    build_withdrawal,
)
from federation.ids import random_id
from federation.keys import Signer
from federation.version import Version
from node.app import open_node
from node.catalogue.model import Entry
from node.members.model import Person
from node.partners.model import Partner
from node.web.connections import Bounds
from node.web.server import build_node_application, opened_doors
from tests.hostile import wire
from tests.hostile.wire import ACTIVITY_JSON, Headers, Reply
from tests.hostile.witness import (
    Untouched,
    Witness,
    recorded_log,
    recorded_outbound,
)
from tests.http.nodes import OFFER, MovableClock, SeededRandom
from tests.http.pages.sites import Site
from tests.http.prepared import (
    Original,
    Together,
    prepared_node,
    prepared_together,
)

# Time between two requests: nobody here runs into a limit of requests a minute.
_PAUSE_SECONDS = 5
_NAMES = ("Nord", "Sued", "Ost")


@dataclass
class World:
    """The nodes, and what an attacker can do with Nord's key."""

    nord: Site
    sued: Site
    ost: Site
    clock: MovableClock
    witness: Witness
    offices: dict[str, Person]

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For hypothesis, which writes out the arguments of what failed."""
        printer.text("World")

    # -- looking ------------------------------------------------------------------

    def untouched(self, site: Site | None = None) -> Untouched:
        """See `witness.Untouched`; afterwards an honest partner's pull must work."""
        site = site or self.sued

        async def honest() -> None:
            by = self.ost if site is self.sued else self.sued
            reply = await self.get("/outbox?after=0", to=site, by=by)
            assert reply.status == 200, reply

        return self.witness.untouched(site, honest=honest)

    def signer(self, site: Site | None = None) -> Signer:
        return (site or self.nord).node.context.signer

    def now(self) -> int:
        return int(self.clock.now().timestamp())

    async def partner_of(self, site: Site, other: Site) -> Partner:
        return await site.node.partners.find(other.base_url)

    # -- requests -----------------------------------------------------------------

    def signed(
        self,
        method: str,
        path: str,
        body: bytes | None,
        *,
        to: Site | None = None,
        by: Site | None = None,
        **changes: Any,
    ) -> Headers:
        """Headers of a signed request; see `wire.sign` for `changes`."""
        signer = self.signer(by)
        settings: dict[str, Any] = {
            "key": signer.key,
            "key_id": signer.key_id,
            "created": self.now(),
        }
        headers = wire.sign(
            method, f"{(to or self.sued).base_url}{path}", body, **settings | changes
        )
        if body is not None:
            headers.insert(0, ("Content-Type", ACTIVITY_JSON))
        return headers

    async def send(
        self,
        method: str,
        path: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes | None = None,
        to: Site | None = None,
    ) -> Reply:
        """Send a request as it is."""
        self.clock.advance(seconds=_PAUSE_SECONDS)
        site = to or self.sued
        return await wire.ask(site.base_url, method, path, headers=headers, body=body)

    async def post(
        self,
        document: Any,
        *,
        path: str = "/inbox",
        to: Site | None = None,
        by: Site | None = None,
        **changes: Any,
    ) -> Reply:
        """Post a document or bytes, with a signature that is right."""
        self.clock.advance(seconds=_PAUSE_SECONDS)
        body = document if isinstance(document, bytes) else wire.as_bytes(document)
        headers = self.signed("POST", path, body, to=to, by=by, **changes)
        base_url = (to or self.sued).base_url
        return await wire.ask(base_url, "POST", path, headers=headers, body=body)

    async def get(
        self,
        path: str,
        *,
        to: Site | None = None,
        by: Site | None = None,
        unsigned: bool = False,
        accept: str = ACTIVITY_JSON,
        **changes: Any,
    ) -> Reply:
        """Get a path, signed unless told otherwise."""
        self.clock.advance(seconds=_PAUSE_SECONDS)
        headers: Headers = [("Accept", accept)]
        if not unsigned:
            headers += self.signed("GET", path, None, to=to, by=by, **changes)
        return await wire.ask((to or self.sued).base_url, "GET", path, headers=headers)

    # -- documents ----------------------------------------------------------------

    def resigned(self, document: Mapping[str, Any], by: Site | None = None) -> Any:
        """The document with a new, right proof by a node's key."""
        bare = {name: value for name, value in document.items() if name != "proof"}
        signed = sign_document(
            bare, signer=self.signer(by), created=self.clock.now()
        ).document
        return json.loads(json.dumps(signed))

    async def publish(self, site: Site | None = None, **changes: Any) -> Entry:
        """Publish the sample offer at a node."""
        site = site or self.nord
        office = self.offices[site.base_url]
        return await site.node.catalogue.publish(office, {**OFFER, **changes})

    async def page(self, by: Site | None = None) -> Any:
        """The page that a node would push to Süd now; not sent."""
        site = by or self.nord
        partner = await self.partner_of(site, self.sued)
        outgoing = await site.node.sending.next_page(partner.id)
        return json.loads(json.dumps(outgoing.document))

    def page_of(self, items: Sequence[Any], *, first: int = 1, **changes: Any) -> Any:
        """A page of Nord with any items."""
        address = self.nord.node.context.address
        last = first - 1 + len(items)
        return {
            "@context": self.context(),
            "id": address.page(first - 1),
            "type": "OrderedCollectionPage",
            "partOf": address.outbox,
            "actor": address.actor,
            "epoch": "e" * 32,
            "from": first,
            "through": last,
            "head": last,
            "orderedItems": list(items),
            **changes,
        }

    def upsert(self, entry: Any, *, actor: str | None = None) -> Any:
        address = self.nord.node.context.address
        return {"type": "Create", "actor": actor or address.actor, "object": entry}

    def context(self) -> Any:
        from federation.jsonld import context_copy

        return context_copy()

    async def entry(self, **changes: Any) -> Any:
        """A signed entry of Nord, as it stands in a page."""
        entry = await self.publish(**changes)
        assert entry.document is not None
        return json.loads(entry.document)

    def message(
        self,
        *,
        about: str,
        by: Site | None = None,
        to: Site | None = None,
        thread: str | None = None,
        text: str = "Hallo",
        in_reply_to: str | None = None,
    ) -> Any:
        """A signed message from one node to another."""
        sender, receiver = by or self.nord, to or self.sued
        address = sender.node.context.address
        message_id = address.activity(random_id(sender.node.context.random))
        document = build_message(
            Message(
                id=message_id,
                sender=address.actor,
                recipient=receiver.node.context.address.actor,
                thread=thread or message_id,
                in_reply_to=in_reply_to or about,
                about=about,
                text=text,
                author=MessageAuthor("Adam", "Laser AG"),
                published=self.clock.now().replace(microsecond=0),
            ),
            signer=sender.node.context.signer,
            created=self.clock.now(),
        )
        return json.loads(document.raw)

    def notice(
        self,
        kind: NoticeType,
        *,
        about: str,
        by: Site | None = None,
        to: Site | None = None,
    ) -> Any:
        """A signed notice from one node to another."""
        sender, receiver = by or self.nord, to or self.sued
        address = sender.node.context.address
        document = build_notice(
            Notice(
                id=address.activity(random_id(sender.node.context.random)),
                type=kind,
                actor=address.actor,
                recipient=receiver.node.context.address.actor,
                object=about,
                published=self.clock.now().replace(microsecond=0),
            ),
            signer=sender.node.context.signer,
            created=self.clock.now(),
        )
        return json.loads(document.raw)

    def withdrawal(
        self,
        entry_id: str,
        *,
        counter: int = 1,
        incarnation: int = 1,
        mode: WithdrawalMode = WithdrawalMode.WITHDRAWAL,
    ) -> Any:
        """A signed withdrawal by Nord."""
        context = self.nord.node.context
        document = build_withdrawal(
            Withdrawal(
                id=context.address.activity(random_id(context.random)),
                entry_id=entry_id,
                version=Version(incarnation, counter),
                mode=mode,
                published=self.clock.now().replace(microsecond=0),
            ),
            signer=context.signer,
            created=self.clock.now(),
        )
        return json.loads(document.raw)


async def befriend(host: Site, guest: Site, offices: Mapping[str, Person]) -> None:
    """Invite, accept, confirm, and let the notice arrive."""
    created = await host.node.partners.invite(offices[host.base_url])
    office = offices[guest.base_url]
    await guest.node.partners.accept(office, created.code)
    await guest.node.partners.mark_compared(office, host.base_url)
    await host.node.partners.confirm(
        offices[host.base_url], guest.base_url, compared=True
    )
    await host.settle()
    await guest.settle()


@asynccontextmanager
async def served(
    folder: Path,
    name: str,
    *,
    clock: MovableClock,
    bounds: Bounds | None = None,
    beginning: Original | None = None,
) -> AsyncIterator[Site]:
    """Set up a node and serve it as `serve` does; see `prepared_node`."""
    random = SeededRandom(name)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            prepared_node(
                folder,
                name=name,
                office_email=f"office@{name.lower()}.example",
                clock=clock,
                random=random,
                card={
                    "field": "Photonik",
                    "members": 84,
                    "regions": ["DE-HE"],
                    "contact": f"office@{name.lower()}.example",
                },
                beginning=beginning,
            )
        )
        node = await stack.enter_async_context(
            open_node(folder, clock=clock, random=random)
        )
        assert node.config.listen.port == port
        await stack.enter_async_context(
            opened_doors(node, stop_seconds=1, bounds=bounds)
        )
        app = build_node_application(node)  # to look up addresses in
        yield Site(node, app, clock, port, stack, random)


def prepared_world() -> Together:
    """The three nodes, Süd with its two partners, each in its folder."""

    async def make(folder: Path) -> dict[str, SeededRandom]:
        clock = MovableClock()
        async with AsyncExitStack() as stack:
            sites = [
                await stack.enter_async_context(
                    served(folder / name.lower(), name, clock=clock)
                )
                for name in _NAMES
            ]
            offices = {
                site.base_url: await site.node.members.office_person() for site in sites
            }
            nord, sued, ost = sites
            await befriend(nord, sued, offices)
            await befriend(ost, sued, offices)
            return {site.node.folder.name: site.random for site in sites}

    return prepared_together("hostile world", make)


@asynccontextmanager
async def hostile_world(folder: Path) -> AsyncIterator[World]:
    """Set up the three nodes and their witness."""
    clock = MovableClock()
    begin = prepared_world()
    async with AsyncExitStack() as stack:
        log = stack.enter_context(recorded_log(clock))
        outbound = stack.enter_context(recorded_outbound())
        sites = [
            await stack.enter_async_context(
                served(
                    folder / name.lower(),
                    name,
                    clock=clock,
                    beginning=begin[name.lower()],
                )
            )
            for name in _NAMES
        ]
        offices = {
            site.base_url: await site.node.members.office_person() for site in sites
        }
        nord, sued, ost = sites
        witness = Witness(outbound, log)
        stack.callback(witness.close)
        for site in sites:
            witness.watch(site)
        yield World(nord, sued, ost, clock, witness, offices)


__all__ = ["World", "befriend", "hostile_world", "served"]


def held(world: World) -> dict[str, tuple[str, int, bool]]:
    """What Süd holds of its partners: state, version, whether there is content."""
    rows = world.witness.rows[world.sued.base_url]
    names = [
        name
        for (_, name, *_) in rows._database.execute(
            "PRAGMA table_info(received_entries)"
        )
    ]
    found = {}
    for row in rows.all("received_entries"):
        values = dict(zip(names, row, strict=True))
        found[values["entry_uri"]] = (
            values["state"],
            values["counter"],
            values["document"] is not None,
        )
    return found
