"""A node's services around a test's database, with a clock that is set by hand."""

import datetime
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

import argon2

from federation.ids import NodeAddress, parse_base_url
from federation.keys import SigningKey
from node.catalogue.catalogue import Catalogue
from node.catalogue.entry_import import EntryImport
from node.config import NodeConfig
from node.exchange.wakeup import WakeUp
from node.keys.ring import KeyRing
from node.ledger import Ledger
from node.mail.entry_mail import EntryMailer
from node.mail.outbox import MailOutbox
from node.members.directory import MemberDirectory
from node.members.model import Organisation, Person, Role
from node.ports import NodeContext
from node.signin.passwords import Passwords
from node.signin.sign_in import SignIn
from node.storage.database import Database, Transaction
from node.storage.members import insert_organisation, insert_person
from node.storage.node_keys import insert_key
from node.storage.node_state import NodeState, store_node_state

BASE_URL = "https://spalier.optence.example"
NOW = datetime.datetime(2026, 11, 21, 9, 0, tzinfo=datetime.UTC)


class SetClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime.datetime:
        return self.time

    def advance(self, **by: float) -> None:
        self.time += datetime.timedelta(**by)


class CountedRandom:
    """Different bytes at each call, the same in each run."""

    def __init__(self) -> None:
        self._calls = 0

    def bytes(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_256(str(self._calls).encode()).digest(count)


@dataclass
class World:
    context: NodeContext
    clock: SetClock
    mail: MailOutbox
    catalogue: Catalogue
    members: MemberDirectory
    entry_import: EntryImport
    sign_in: SignIn
    admin: Person
    office: Organisation
    ledger: Ledger
    extra: dict[str, Any] = field(default_factory=dict)

    async def links_in_mails(self) -> list[str]:
        """Links in all mails, newest mail first."""
        found = []
        for mail in await self.mail.list_mails():
            found += [line for line in mail.body.splitlines() if "/anmelden/" in line]
        return found


def cheap_passwords(random: CountedRandom) -> Passwords:
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    return Passwords(random, hasher=hasher)


async def make_world(database: Database, **settings: Any) -> World:
    clock, random = SetClock(), CountedRandom()
    config = NodeConfig(base_url=BASE_URL, name="Optence e. V.", **settings)
    address = NodeAddress(parse_base_url(BASE_URL, allow_loopback_http=False))
    key = SigningKey.generate(random)
    context = NodeContext(
        config=config,
        clock=clock,
        random=random,
        database=database,
        address=address,
        keys=KeyRing.of_one(address, key, created_at=NOW),
        node_id="test",
    )
    office = Organisation(id="office", name="Geschäftsstelle", is_office=True)
    admin = Person(
        id="admin",
        organisation_id="office",
        organisation_name="Geschäftsstelle",
        email="buero@optence.example",
        name="Karin Amberg",
        role=Role.NODE_ADMIN,
        language="de",
    )

    async def work(tx: Transaction) -> None:
        await store_node_state(
            tx,
            NodeState(
                node_id="test",
                base_url=BASE_URL,
                name=config.name,
                default_language="de",
                epoch="0" * 32,
                incarnation=1,
                card={},
                created_at=NOW,
            ),
        )
        await insert_organisation(tx, office, now=NOW)
        await insert_person(tx, admin, now=NOW)
        await insert_key(tx, context.keys.active)

    await database.write(work)
    mail = MailOutbox(context)
    ledger = Ledger(context)
    catalogue = Catalogue(context, ledger, EntryMailer(context, mail), WakeUp())
    members = MemberDirectory(context, mail, catalogue)
    return World(
        context=context,
        clock=clock,
        mail=mail,
        catalogue=catalogue,
        members=members,
        entry_import=EntryImport(context, catalogue, members),
        sign_in=SignIn(
            context,
            mail,
            passwords=cheap_passwords(random),
            link_answer_seconds=0.05,
        ),
        admin=admin,
        office=office,
        ledger=ledger,
    )


def capacity_offer(**changes: Any) -> dict[str, Any]:
    """A document for `Catalogue.publish`."""
    document = {
        "kind": "capacity_offer",
        "title": {"de": "Freie Stunden auf dem Messplatz"},
        "summary": {"de": "Tageweise frei."},
        "valid_until": "2027-01-31",
        "equipment_class": "measuring",
        "availability": "now",
        "audience": {"level": "cluster"},
    }
    return json.loads(json.dumps({**document, **changes}))
