"""Nodes with real storage, catalogue, ledger and exchange on a virtual network.

Time and chance come from one seed, so that a failure is replayed by it.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import select

from federation.documents import (
    Page,
    SignedDocument,
    parse_page,
    parse_receipt,
)
from federation.errors import ConflictError
from federation.ids import BaseUrl, NodeAddress
from federation.keys import SigningKey
from federation.trust import TrustState
from node.catalogue.catalogue import Catalogue
from node.catalogue.model import Entry
from node.config import NodeConfig
from node.exchange.receiving import Receiving
from node.exchange.sending import OutgoingPage, Sending
from node.exchange.wakeup import WakeUp
from node.keys.ring import KeyRing
from node.ledger import Ledger
from node.mail.entry_mail import EntryMailer
from node.mail.outbox import MailOutbox
from node.members.model import Organisation, Person, Role
from node.partners.directory import known_peer
from node.partners.model import HandshakeRole, Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import tables
from node.storage.database import Database, Transaction
from node.storage.members import insert_organisation, insert_person, load_person
from node.storage.node_state import (
    NodeState,
    require_node_state,
    store_node_state,
)
from node.storage.partners import (
    insert_partner,
    load_partner,
    update_partner,
)
from node.visibility import PartnerViewer, decide_entry
from node.visibility.policy import PolicySheet, Preset
from tests.partner_key import first_key

START = datetime(2026, 11, 21, 8, tzinfo=UTC)


@dataclass
class VirtualClock:
    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def pass_time(self, duration: timedelta) -> None:
        self.moment += duration


class SeededRandom:
    def __init__(self, random: Random) -> None:
        self._random = random

    def bytes(self, count: int, /) -> bytes:
        return self._random.randbytes(count)


@dataclass
class SimNode:
    name: str
    context: NodeContext
    catalogue: Catalogue
    ledger: Ledger
    sending: Sending
    receiving: Receiving
    office: Person
    partner_ids: dict[str, str] = field(default_factory=dict)

    async def partner(self, other: str) -> Partner:
        async with self.context.database.read() as tx:
            found = await load_partner(tx, self.partner_ids[other])
        assert found is not None
        return found

    async def set_state(self, other: str, state: TrustState) -> None:
        async def work(tx: Transaction) -> None:
            await update_partner(tx, self.partner_ids[other], state=state)

        await self.context.database.write(work)

    async def entries(self) -> list[Entry]:
        async with self.context.database.read() as tx:
            return await entry_rows.list_entries(
                tx, self.context.address, where=tables.entries.c.id.is_not(None)
            )

    async def held_from(self, other: str) -> dict[str, Any]:
        """URI → row of what this node shows of another."""
        received = tables.received_entries
        async with self.context.database.read() as tx:
            rows = await tx.all(
                select(received).where(
                    received.c.partner_id == self.partner_ids[other],
                    received.c.state == "present",
                )
            )
        return {row.entry_uri: row for row in rows}

    async def heard_of(self, other: str) -> set[str]:
        """URIs of everything this node ever heard of from another."""
        received = tables.received_entries
        async with self.context.database.read() as tx:
            rows = await tx.all(
                select(received.c.entry_uri).where(
                    received.c.partner_id == self.partner_ids[other]
                )
            )
        return {row.entry_uri for row in rows}

    async def visible_to(self, other: str) -> dict[str, Entry]:
        partner = await self.partner(other)
        today = self.context.clock.now().date()
        viewer = PartnerViewer.of(partner)
        return {
            entry.uri: entry
            for entry in await self.entries()
            if decide_entry(entry, viewer, today).visible
        }


@dataclass
class Network:
    """Carries pages by hand; `lose` says what to drop."""

    nodes: dict[str, SimNode]
    told: set[tuple[str, str]] = field(default_factory=set)
    """(receiver, URI) of every entry that a page for the receiver ever carried."""

    async def exchange(
        self,
        sender: str,
        receiver: str,
        *,
        lose: str = "nothing",
        twice: bool = False,
        meanwhile: Callable[[], Awaitable[None]] | None = None,
    ) -> bool:
        """Send one page; return whether something was waiting.

        Args:
            lose: `nothing`, `page` (never arrives) or `receipt` (effect, no answer).
            twice: The page arrives twice.
            meanwhile: What happens while page and receipt are on their way.
        """
        origin, target = self.nodes[sender], self.nodes[receiver]
        partner = await origin.partner(receiver)
        if partner.head_seq <= partner.acked_seq:
            return False
        page = await origin.sending.next_page(partner.id)
        self._note_told(receiver, page)
        if page.is_empty:
            return page.sent.last >= page.sent.first
        if lose == "page":
            return True
        if meanwhile is not None:
            await meanwhile()
        try:
            receipt = await self._arrive(target, sender, page)
            if twice:
                receipt = await self._arrive(target, sender, page)
        except ConflictError as error:
            position = error.members["position"]
            assert isinstance(position, int)
            await origin.sending.rewind(partner.id, position)
            return True
        if lose == "receipt":
            return True
        if meanwhile is not None:
            await meanwhile()
        checked = parse_receipt(
            receipt.document,
            peer=known_peer(partner),
            address=origin.context.address,
            sent=page.sent,
        )
        await origin.sending.take_receipt(partner.id, checked)
        return True

    def _note_told(self, receiver: str, page: OutgoingPage) -> None:
        for item in page.document["orderedItems"]:
            if item["type"] != "Delete":
                self.told.add((receiver, item["object"]["id"]))

    async def _arrive(
        self, target: SimNode, sender: str, page: OutgoingPage
    ) -> SignedDocument:
        partner = await target.partner(sender)
        document = json.loads(json.dumps(page.document))
        parsed: Page = parse_page(document, peer=known_peer(partner))

        async def work(tx: Transaction) -> SignedDocument:
            return await target.receiving.receive_page(tx, partner.id, parsed)

        return await target.context.database.write(work)

    async def settle(self, sender: str, receiver: str) -> int:
        """Exchange until nothing waits; return the number of pages."""
        for pages in range(200):
            if not await self.exchange(sender, receiver):
                return pages
        msg = "the exchange does not come to rest"
        raise AssertionError(msg)

    async def close(self) -> None:
        await asyncio.gather(
            *(node.context.database.close() for node in self.nodes.values())
        )


async def make_network(
    databases: dict[str, Database], *, random: Random, clock: VirtualClock
) -> Network:
    """Make nodes, one for each empty database, that are all partners."""
    nodes = {
        name: await _make_node(database, name, random=random, clock=clock)
        for name, database in databases.items()
    }
    for node in nodes.values():
        for other in nodes.values():
            if other is not node:
                await _make_partner(node, other)
    return Network(nodes)


async def _make_node(
    database: Database, name: str, *, random: Random, clock: VirtualClock
) -> SimNode:
    source = SeededRandom(random)
    base_url = BaseUrl(f"https://{name}.example")
    await database.run_sync(tables.metadata.create_all)
    address = NodeAddress(base_url)
    config = NodeConfig(base_url=base_url, name=name)
    context = NodeContext(
        config=config,
        clock=clock,
        random=source,
        database=database,
        address=address,
        keys=KeyRing.of_one(
            address, SigningKey.generate(source), created_at=clock.now()
        ),
        node_id=name,
    )
    organisation = Organisation(id=f"{name}-office", name=f"Office {name}")
    person = Person(
        id=f"{name}-person",
        organisation_id=organisation.id,
        organisation_name=organisation.name,
        email=f"office@{name}.example",
        name=f"Office {name}",
        role=Role.OFFICE,
        language="de",
    )

    async def work(tx: Transaction) -> Person:
        await store_node_state(
            tx,
            NodeState(
                node_id=name,
                base_url=base_url,
                name=name,
                default_language="de",
                epoch=source.bytes(16).hex(),
                incarnation=1,
                card={},
                created_at=clock.now(),
            ),
        )
        await insert_organisation(tx, organisation, now=clock.now())
        await insert_person(tx, person, now=clock.now())
        loaded = await load_person(tx, person.id)
        assert loaded is not None
        return loaded

    office = await database.write(work)
    wakeup = WakeUp()
    mail = MailOutbox(context)
    ledger = Ledger(context)
    return SimNode(
        name=name,
        context=context,
        catalogue=Catalogue(context, ledger, EntryMailer(context, mail), wakeup),
        ledger=ledger,
        sending=Sending(context),
        receiving=Receiving(context, wakeup),
        office=office,
    )


async def _make_partner(node: SimNode, other: SimNode) -> None:
    signer = other.context.signer
    partner = Partner(
        id=f"{node.name}-{other.name}",
        base_url=other.context.address.base_url,
        actor_id=other.context.address.actor,
        name=other.name,
        card={},
        state=TrustState.ACTIVE,
        role=HandshakeRole.HOST,
        keys=(
            first_key(
                other.context.address.base_url,
                signer.key.public_key,
                row=f"{node.name}-{other.name}",
            ),
        ),
        request_id=f"{other.context.address.base_url}/activities/request",
        check_number="0000 0000",
        created_at=node.context.clock.now(),
        released_at=node.context.clock.now(),
        compared_at=node.context.clock.now(),
        policy_out=PolicySheet(Preset.CLOSE),
        policy_in=PolicySheet(Preset.CLOSE),
    )
    node.partner_ids[other.name] = partner.id

    async def work(tx: Transaction) -> None:
        epoch = (await require_node_state(tx)).epoch
        await insert_partner(tx, replace(partner, compared_epoch=epoch))

    await node.context.database.write(work)
