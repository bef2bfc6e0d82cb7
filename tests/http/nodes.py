"""Real nodes for tests over HTTP: own folder, database, key, doors on loopback.

Nothing is replaced but clock and randomness. The workers do not run by
themselves; `settle` does what they would do, in a fixed order.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import select

from federation.ids import NodeAddress, parse_base_url, random_id
from federation.rates import DoorRates
from federation.transport.client import FederationClient
from node.catalogue.catalogue import Catalogue
from node.config import load_config
from node.conversations.conversations import Conversations
from node.exchange.activities import Activities
from node.exchange.comparing import Comparing
from node.exchange.delivery import DeliveryWorker
from node.exchange.receiving import Receiving
from node.exchange.sending import Sending
from node.exchange.unaccounted import UnaccountedEntries
from node.exchange.wakeup import WakeUp
from node.keys.opening import open_ring
from node.ledger import Ledger
from node.mail.entry_mail import EntryMailer
from node.mail.outbox import MailOutbox
from node.members.model import Organisation, Person, Role
from node.partners.model import Partner
from node.partners.partners import Partners
from node.ports import NodeContext
from node.storage.database import Database, Transaction, open_database
from node.storage.members import (
    insert_organisation,
    insert_person,
    load_person,
    office_persons,
)
from node.storage.node_keys import list_keys
from node.storage.node_state import require_node_state
from node.storage.tables import metadata
from node.web.application import build_application
from node.web.client_address import PROXIES, TrustedProxies
from node.web.connections import Bounds, ConnectionGate, open_port
from node.web.doors import register_doors
from node.web.partner_addresses import PartnerAddresses
from node.web.site import SiteSettings
from tests.http.prepared import (
    Original,
    Together,
    bound,
    prepared_node,
    prepared_together,
)
from tests.http.sources import START, MovableClock, SeededRandom


class RecordingClient(FederationClient):
    """Writes down every request that leaves, before it leaves."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.sent: list[str] = []

    async def _send(self, method: str, target: str, **settings: Any) -> Any:
        self.sent.append(f"{method} {target}")
        return await super()._send(method, target, **settings)


@dataclass
class RunningNode:
    """A node with the services that its doors use."""

    name: str
    context: NodeContext
    client: RecordingClient
    mail: MailOutbox
    ledger: Ledger
    catalogue: Catalogue
    partners: Partners
    conversations: Conversations
    sending: Sending
    receiving: Receiving
    unaccounted: UnaccountedEntries
    comparing: Comparing
    delivery: DeliveryWorker
    office: Person
    reached: list[str]
    random: SeededRandom
    partner_addresses: PartnerAddresses = field(default_factory=PartnerAddresses)
    rates: DoorRates = field(default_factory=DoorRates)
    gate: ConnectionGate = field(init=False)
    port: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def base_url(self) -> str:
        return self.context.address.base_url

    @property
    def database(self) -> Database:
        return self.context.database

    async def add_person(
        self, email: str, *, organisation: str, role: Role = Role.PERSON
    ) -> Person:
        """Add a person in an organisation of its own name."""
        now = self.context.clock.now()

        async def work(tx: Transaction) -> Person:
            firm = Organisation(id=random_id(self.context.random), name=organisation)
            await insert_organisation(tx, firm, now=now)
            person = Person(
                id=random_id(self.context.random),
                organisation_id=firm.id,
                organisation_name=firm.name,
                email=email,
                name=email.partition("@")[0].title(),
                role=role,
                language="de",
            )
            await insert_person(tx, person, now=now)
            stored = await load_person(tx, person.id)
            assert stored is not None
            return stored

        return await self.database.write(work)

    async def partner(self, other: "RunningNode") -> Partner:
        """Our record of another node."""
        return await self.partners.find(other.base_url)

    async def stop(self) -> None:
        """Close the doors; whoever knocks finds nobody."""
        await self.port.aclose()

    async def settle(self) -> None:
        """Deliver what waits for every partner, as the worker would."""
        for partner in await self.partners.list():
            await self.delivery.deliver(partner.id)

    async def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table."""
        async with self.database.read() as tx:
            return {
                table.name: sorted(
                    (tuple(row) for row in await tx.all(select(table))), key=repr
                )
                for table in metadata.sorted_tables
            }

    async def partnership_tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table but the log, which keeps what came to nothing."""
        kept = await self.tables()
        for log in ("audit_log", "audit_head", "decision_numbers"):
            del kept[log]
        return kept

    async def mails(self, kind: str) -> list[str]:
        """Recipients of the queued mails of a kind."""
        return [
            mail.recipient for mail in await self.mail.list_mails() if mail.kind == kind
        ]


@asynccontextmanager
async def running_node(
    folder: Path,
    name: str,
    *,
    clock: MovableClock,
    bounds: Bounds | None = None,
    beginning: Original | None = None,
) -> AsyncIterator[RunningNode]:
    """Set up a node in a folder and open its doors on a port of its own.

    Args:
        folder: Where.
        name: Of the cluster.
        clock: Of the test.
        bounds: Of its connections.
        beginning: See `prepared_node`.
    """
    random = SeededRandom(name)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            prepared_node(
                folder,
                name=name,
                office_email=f"office@{name.lower()}.example",
                clock=clock,
                random=random,
                card={"field": "Photonik", "members": 84},
                beginning=beginning,
            )
        )
        base_url = f"http://127.0.0.1:{port}"
        door = stack.enter_context(bound(port))
        config = load_config(folder, environ={})
        database = open_database(config.database.url, folder=folder)
        stack.push_async_callback(database.close)
        async with database.read() as tx:
            state = await require_node_state(tx)
            keys = await list_keys(tx)
            office = (await office_persons(tx))[0]
        address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
        context = NodeContext(
            config=config,
            clock=clock,
            random=random,
            database=database,
            address=address,
            keys=open_ring(folder, keys, address),
            node_id=state.node_id,
        )
        client = await stack.enter_async_context(
            RecordingClient(clock=clock, random=random, allow_loopback_http=True)
        )
        node = _assembled(name, context, client, office, random)

        app = _application(node)
        node.gate = ConnectionGate(
            bounds or Bounds(),
            clock,
            proxies=TrustedProxies.of(config),
            partners=node.partner_addresses,
            rates=node.rates,
        )
        await node.port.enter_async_context(
            open_port(app, node.gate, stop_seconds=1.0, sock=door)
        )
        stack.push_async_callback(node.stop)
        yield node


def _application(node: RunningNode) -> web.Application:
    """The doors of a node, which write down what reaches them."""
    context = node.context

    @web.middleware
    async def count(request: web.Request, handler: Any) -> web.StreamResponse:
        node.reached.append(f"{request.method} {request.path}")
        answer: web.StreamResponse = await handler(request)
        return answer

    def add_doors(app: web.Application) -> None:
        app.middlewares.append(count)
        register_doors(app, node, rates=node.rates, addresses=node.partner_addresses)  # type: ignore[arg-type]

    app = build_application(
        site=SiteSettings(
            base_url=node.base_url,
            cluster_name=node.name,
            node_id=context.node_id,
            demo=False,
            default_language="de",
        ),
        clock=context.clock,
        random=node.random,
        registrars=[add_doors],
    )
    app[PROXIES] = TrustedProxies.of(context.config)
    return app


def _assembled(
    name: str,
    context: NodeContext,
    client: RecordingClient,
    office: Person,
    random: SeededRandom,
) -> RunningNode:
    wakeup = WakeUp()
    mail = MailOutbox(context)
    ledger = Ledger(context)
    catalogue = Catalogue(context, ledger, EntryMailer(context, mail), wakeup)
    partners = Partners(
        context,
        client=client,
        ledger=ledger,
        mail=mail,
        waker=wakeup,
        entries=catalogue,
    )
    sending, receiving = Sending(context), Receiving(context, wakeup)
    unaccounted = UnaccountedEntries(context, catalogue, wakeup)
    comparing = Comparing(context, client=client, entries=unaccounted)
    return RunningNode(
        name=name,
        context=context,
        client=client,
        mail=mail,
        ledger=ledger,
        catalogue=catalogue,
        partners=partners,
        conversations=Conversations(context, mail=mail, waker=wakeup),
        sending=sending,
        receiving=receiving,
        unaccounted=unaccounted,
        comparing=comparing,
        delivery=DeliveryWorker(
            context,
            sending=sending,
            receiving=receiving,
            activities=Activities(context, partners),
            client=client,
            comparing=comparing,
            wakeup=wakeup,
        ),
        office=office,
        reached=[],
        random=random,
    )


async def become_partners(host: RunningNode, guest: RunningNode) -> None:
    """Invite, accept, confirm, and let the notice arrive."""
    created = await host.partners.invite(host.office)
    await guest.partners.accept(guest.office, created.code)
    await guest.partners.mark_compared(guest.office, host.base_url)
    await host.partners.confirm(host.office, guest.base_url, compared=True)
    await host.settle()
    await guest.settle()


def prepared_partners() -> Together:
    """Nord and Süd as `become_partners` leaves them, in their folders."""

    async def make(folder: Path) -> dict[str, SeededRandom]:
        clock = MovableClock()
        async with (
            running_node(folder / "nord", "Nord", clock=clock) as nord,
            running_node(folder / "sued", "Sued", clock=clock) as sued,
        ):
            await become_partners(nord, sued)
            return {"nord": nord.random, "sued": sued.random}

    return prepared_together("running partners", make)


OFFER: dict[str, Any] = {
    "kind": "capacity_offer",
    "title": {"de": "Prüfung von Linsen"},
    "summary": {"de": "Freie Zeiten am Interferometer."},
    "valid_until": "2027-06-30",
    "equipment_class": "measuring",
    "availability": "now",
    "audience": {"level": "trusted"},
}

__all__ = [
    "OFFER",
    "START",
    "MovableClock",
    "RunningNode",
    "SeededRandom",
    "become_partners",
    "prepared_partners",
    "running_node",
]
