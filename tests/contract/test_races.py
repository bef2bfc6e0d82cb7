"""Two processes change one thing at the same moment (PostgreSQL).

The first transaction is held just before its commit while the second one runs, and
the other way round: whoever comes second must see what the first one did, or wait.
SQLite has a single writer and needs none of this.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from federation.documents import Receipt, build_receipt
from federation.documents.actor import ActorDocument
from federation.exchange import ViewDigest
from federation.ids import BaseUrl, NodeAddress, parse_base_url, random_id
from federation.keys import PublicKey, Signer, SigningKey
from federation.peers import PinnedKey
from federation.trust import TrustState
from node.exchange.sending import OutgoingPage, Sending
from node.exchange.wakeup import WakeUp
from node.partners.model import HandshakeRole, Partner
from node.partners.partners import Partners
from node.storage import ledger as rows
from node.storage.database import Database, Transaction
from node.storage.ledger import UPSERT, WITHDRAW, Disclosure
from node.storage.node_state import require_node_state
from node.storage.partners import insert_partner, load_partner
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import migrate
from node.storage.views import load_view
from node.visibility.policy import PolicySheet, Preset
from tests.contract.gates import GatedDatabase, while_held
from tests.contract.member_world import World, capacity_offer, make_world
from tests.partner_key import first_key

PARTNER = "sued"
SUED = "https://sued.example"
OFFER = capacity_offer(audience={"level": "trusted"})


@dataclass
class Process:
    """One of two processes of the node, with services of its own."""

    world: World
    database: GatedDatabase
    sending: Sending
    partners: Partners

    async def publish(self, **changes: Any) -> str:
        """Publish the offer, or a new version of `entry_ref`."""
        entry_ref = changes.pop("entry_ref", None)
        entry = await self.world.catalogue.publish(
            self.world.admin, {**OFFER, **changes}, entry_ref=entry_ref
        )
        return entry.id

    async def next_page(self) -> OutgoingPage:
        return await self.sending.next_page(PARTNER)

    async def confirm(self) -> Partner:
        return await self.partners.confirm(None, SUED, compared=True)

    async def end(self) -> Partner:
        return await self.partners.end(None, SUED)


@dataclass
class Both:
    here: Process
    there: Process
    remote: Signer

    async def receipt(self, page: OutgoingPage) -> Receipt:
        """What the partner answers that now holds everything of the page."""
        context = self.here.world.context
        view = ViewDigest()
        async with context.database.read() as tx:
            for row in await rows.rows_of_partner(tx, PARTNER):
                if row.held is not None and row.held_hash is not None:
                    view.add(
                        context.address.entry(row.entry_id), row.held, row.held_hash
                    )
            entries = await self.here.world.catalogue.mine(self.here.world.admin)
        hashes = {entry.uri: (entry.version, entry.content_hash) for entry in entries}
        for entry in held_by(page):
            version, content_hash = hashes[entry["id"]]
            assert content_hash is not None
            view.add(entry["id"], version, content_hash)
        receipt = Receipt(
            id=f"{SUED}/activities/{random_id(context.random)}",
            actor=f"{SUED}/actor",
            partner=context.address.actor,
            epoch=page.sent.epoch,
            position=page.sent.last,
            held=view.count,
            digest=view.hex(),
            published=context.clock.now().replace(microsecond=0),
        )
        signed = build_receipt(receipt, signer=self.remote, created=context.clock.now())
        return replace(receipt, signed=signed)

    async def told(self) -> dict[str, Disclosure]:
        async with self.here.world.context.database.read() as tx:
            return {
                row.entry_id: row for row in await rows.rows_of_partner(tx, PARTNER)
            }

    async def partner(self) -> Partner:
        async with self.here.world.context.database.read() as tx:
            found = await load_partner(tx, PARTNER)
        assert found is not None
        return found

    async def check_view(self) -> None:
        """The stored digest of what the partner holds fits the ledger's rows."""
        context = self.here.world.context
        view = ViewDigest()
        for row in (await self.told()).values():
            if row.held is not None and row.held_hash is not None:
                view.add(context.address.entry(row.entry_id), row.held, row.held_hash)
        async with context.database.read() as tx:
            assert (await load_view(tx, PARTNER, "out")).hex() == view.hex()


def process(world: World, database: Database, key: PublicKey) -> Process:
    gated = GatedDatabase(database)
    context = replace(world.context, database=gated)
    services = _services(world, context)
    return Process(
        world=services,
        database=gated,
        sending=Sending(context),
        partners=Partners(
            context,
            client=TheirDoor(key),
            ledger=services.ledger,
            mail=services.mail,
            waker=WakeUp(),
            entries=services.catalogue,
        ),
    )


def _services(world: World, context: Any) -> World:
    from node.catalogue.catalogue import Catalogue
    from node.ledger import Ledger
    from node.mail.entry_mail import EntryMailer
    from node.mail.outbox import MailOutbox

    mail, ledger = MailOutbox(context), Ledger(context)
    catalogue = Catalogue(context, ledger, EntryMailer(context, mail), WakeUp())
    return replace(
        world, context=context, mail=mail, ledger=ledger, catalogue=catalogue
    )


class TheirDoor:
    """The partner's address, which shows the key that was pinned."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    async def fetch_actor(self, base_url: BaseUrl) -> ActorDocument:
        shown = PinnedKey(f"{base_url}/actor#key-1", self._key)
        return ActorDocument(base_url=base_url, name="Süd", keys=(shown,))

    async def post_partner_request(self, *_: Any, **__: Any) -> None:
        raise AssertionError


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    opened = PostgresDatabase(postgres_url)
    await migrate(opened)
    yield opened
    await opened.close()


async def both_with(database: Database, state: TrustState) -> Both:
    world = await make_world(database)
    key = SigningKey.generate(world.context.random)
    partner = Partner(
        id=PARTNER,
        base_url=SUED,
        actor_id=f"{SUED}/actor",
        name="Süd",
        card={},
        state=state,
        role=HandshakeRole.HOST,
        keys=(first_key(SUED, key.public_key),),
        request_id=f"{SUED}/activities/1",
        check_number="4711 0815",
        created_at=world.clock.now(),
        released_at=world.clock.now(),
        compared_at=world.clock.now(),
        policy_out=PolicySheet(Preset.CLOSE),
        policy_in=PolicySheet(Preset.CLOSE),
        told_key_number=1,
    )

    async def work(tx: Transaction) -> None:
        epoch = (await require_node_state(tx)).epoch
        await insert_partner(tx, replace(partner, compared_epoch=epoch))

    await database.write(work)
    address = NodeAddress(parse_base_url(SUED, allow_loopback_http=False))
    here, there = (process(world, database, key.public_key) for _ in range(2))
    return Both(here, there, Signer(address, key, 1))


@pytest.fixture
async def active(database: PostgresDatabase) -> Both:
    return await both_with(database, TrustState.ACTIVE)


@pytest.fixture
async def asked(database: PostgresDatabase) -> Both:
    return await both_with(database, TrustState.REQUESTED)


async def test_a_publication_and_the_begin_of_a_partnership(asked: Both) -> None:
    """Whoever is second tells the partner; never both, never neither."""
    here, there = asked.here, asked.there
    entry, _, waited = await while_held(here.database, here.publish, there.confirm)
    assert waited, "the begin does not wait for the publication"
    assert [(row.op, row.seq) for row in (await asked.told()).values()] == [(UPSERT, 1)]
    assert list(await asked.told()) == [entry]


async def test_the_begin_of_a_partnership_and_a_publication(asked: Both) -> None:
    here, there = asked.here, asked.there
    _, entry, waited = await while_held(here.database, here.confirm, there.publish)
    assert waited, "the publication does not wait for the begin"
    assert list(await asked.told()) == [entry]
    assert (await asked.partner()).head_seq == 1


async def test_a_receipt_and_a_change(active: Both) -> None:
    """A receipt for the version before does not confirm the new one."""
    here, there = active.here, active.there
    entry = await here.publish()
    receipt = await active.receipt(await here.next_page())
    await while_held(
        here.database,
        lambda: here.sending.take_receipt(PARTNER, receipt),
        lambda: there.publish(entry_ref=entry, summary={"de": "Neu."}),
    )
    row = (await active.told())[entry]
    assert (row.seq, row.version.counter, row.acknowledged_at) == (2, 2, None)
    assert row.held is not None
    assert row.held.counter == 1
    assert (await active.partner()).acked_seq == 1
    await active.check_view()


async def test_a_change_and_a_receipt(active: Both) -> None:
    here, there = active.here, active.there
    entry = await here.publish()
    receipt = await active.receipt(await here.next_page())
    await while_held(
        here.database,
        lambda: here.publish(entry_ref=entry, summary={"de": "Neu."}),
        lambda: there.sending.take_receipt(PARTNER, receipt),
    )
    row = (await active.told())[entry]
    # The old position is empty; the page of the new one tells it again.
    assert (row.seq, row.version.counter, row.acknowledged_at) == (2, 2, None)
    assert (await active.partner()).acked_seq == 1
    await active.check_view()
    page = await here.next_page()
    assert (page.sent.first, page.sent.last) == (2, 2)
    equal = await here.sending.take_receipt(PARTNER, await active.receipt(page))
    assert equal


async def test_a_page_and_the_end_of_the_partnership(active: Both) -> None:
    """What a page has told is withdrawn; the page was told before."""
    here, there = active.here, active.there
    entry = await here.publish()
    page, _, waited = await while_held(here.database, here.next_page, there.end)
    assert waited, "the end does not wait for the page"
    assert len(held_by(page)) == 1
    row = (await active.told())[entry]
    assert (row.op, row.seq > page.sent.last) == (WITHDRAW, True)


async def test_the_end_of_the_partnership_and_a_page(active: Both) -> None:
    here, there = active.here, active.there
    await here.publish()
    _, page, waited = await while_held(here.database, here.end, there.next_page)
    assert waited, "the page does not wait for the end"
    assert page.is_empty, "an entry leaves after the end"
    assert await active.told() == {}, "what was never told is withdrawn"


async def test_a_page_and_a_narrowing(active: Both) -> None:
    here, there = active.here, active.there
    entry = await here.publish()
    page, _, _ = await while_held(
        here.database,
        here.next_page,
        lambda: there.publish(entry_ref=entry, audience={"level": "cluster"}),
    )
    assert len(held_by(page)) == 1
    row = (await active.told())[entry]
    assert (row.op, row.seq > page.sent.last) == (WITHDRAW, True)


async def test_a_narrowing_and_a_page(active: Both) -> None:
    here, there = active.here, active.there
    entry = await here.publish()
    _, page, _ = await while_held(
        here.database,
        lambda: here.publish(entry_ref=entry, audience={"level": "cluster"}),
        there.next_page,
    )
    assert page.is_empty, "an entry leaves that the partner may not see any more"
    assert await active.told() == {}


async def test_two_receipts_of_one_page(active: Both) -> None:
    """Two workers sent the same page; it is confirmed once, counted once."""
    here, there = active.here, active.there
    entry = await here.publish()
    page = await here.next_page()
    assert (await there.next_page()).sent == page.sent
    first, second = await active.receipt(page), await active.receipt(page)
    equal, equal_too, waited = await while_held(
        here.database,
        lambda: here.sending.take_receipt(PARTNER, first),
        lambda: there.sending.take_receipt(PARTNER, second),
    )
    assert (equal, equal_too, waited) == (True, True, True)
    row = (await active.told())[entry]
    assert row.receipt_id == first.id, "the second one confirmed nothing new"
    await active.check_view()


async def test_an_older_receipt_does_not_go_back(active: Both) -> None:
    here, there = active.here, active.there
    await here.publish()
    late = await active.receipt(await here.next_page())
    await here.publish()
    newer = await active.receipt(await here.next_page())
    await while_held(
        here.database,
        lambda: here.sending.take_receipt(PARTNER, newer),
        lambda: there.sending.take_receipt(PARTNER, late),
    )
    assert (await active.partner()).acked_seq == 2
    await active.check_view()
    assert (await here.next_page()).is_empty


async def test_two_pages_at_once_are_one(active: Both) -> None:
    here, there = active.here, active.there
    await here.publish()
    page, other, _ = await while_held(here.database, here.next_page, there.next_page)
    assert page.sent == other.sent
    assert held_by(page) == held_by(other)
    assert (await active.partner()).head_seq == 1


def held_by(page: OutgoingPage) -> list[Any]:
    """The entries of a page; whether it calls them new or changed means the same."""
    items: Any = page.document["orderedItems"]
    return [item["object"] for item in items]


async def test_two_changes_of_one_entry(active: Both) -> None:
    """The second one is the version after the first one's, not the same again."""
    here, there = active.here, active.there
    entry = await here.publish()
    _, _, waited = await while_held(
        here.database,
        lambda: here.publish(entry_ref=entry, summary={"de": "Erst."}),
        lambda: there.publish(entry_ref=entry, summary={"de": "Dann."}),
    )
    assert waited
    (row,) = (await active.told()).values()
    assert (row.version.counter, row.seq) == (3, 3)
    (found,) = await here.world.catalogue.mine(here.world.admin)
    assert found.content["summary"] == {"de": "Dann."}


async def test_two_publications_under_one_external_id_are_one_entry(
    active: Both,
) -> None:
    """The second one changes the entry that it could not see when it began."""
    here, there = active.here, active.there
    entry, same, waited = await while_held(
        here.database,
        lambda: here.publish(external_id="ERP-1"),
        lambda: there.publish(external_id="ERP-1", summary={"de": "Dann."}),
    )
    assert (entry, waited) == (same, True)
    (row,) = (await active.told()).values()
    assert row.version.counter == 2


async def test_two_publications_take_two_positions(active: Both) -> None:
    here, there = active.here, active.there
    await while_held(here.database, here.publish, there.publish)
    assert sorted(row.seq for row in (await active.told()).values()) == [1, 2]
    assert (await active.partner()).head_seq == 2
