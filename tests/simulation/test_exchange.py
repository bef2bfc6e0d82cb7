"""The exchange under loss, repetition and changes at any moment.

Safety after every step: a partner shows nothing it was never entitled to.
Liveness after healing: it shows exactly what the rules grant, digests agree.
"""

import os
from collections import defaultdict
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from federation.trust import TrustState
from node.catalogue.model import EntryState
from node.exchange import sending
from node.storage.database import Database, SqliteDatabase
from node.storage.postgres_database import PostgresDatabase
from tests.postgres_server import PostgresServer
from tests.simulation.world import Network, SimNode, VirtualClock, make_network

SEEDS = int(os.environ.get("SPALIER_EXCHANGE_SEEDS", "6"))
STEPS = int(os.environ.get("SPALIER_EXCHANGE_STEPS", "120"))
PARTNERS = ["bert", "cora"]


def offer(
    title: str, audience: dict[str, object], valid_until: str
) -> dict[str, object]:
    return {
        "kind": "technology_offer",
        "title": {"de": title},
        "summary": {"de": "Etwas Nützliches"},
        "topics": ["Optik"],
        "valid_until": valid_until,
        "audience": audience,
        **MINIMAL,
    }


# The fields that a technology offer needs besides the envelope.
MINIMAL: dict[str, object] = {"partnership_types": ["technical_cooperation"]}


class Story:
    """Random changes at `anna`, and what each version granted to whom."""

    def __init__(self, network: Network, random: Random, clock: VirtualClock) -> None:
        self.network = network
        self.random = random
        self.clock = clock
        self.granted: dict[str, set[tuple[str, int]]] = defaultdict(set)

    @property
    def anna(self) -> SimNode:
        return self.network.nodes["anna"]

    def audience(self) -> dict[str, object]:
        level = self.random.choice(["cluster", "partners", "trusted", "public"])
        if level != "partners":
            return {"level": level}
        named = self.random.sample(PARTNERS, self.random.randint(1, len(PARTNERS)))
        return {
            "level": level,
            "partners": [
                self.network.nodes[name].context.address.base_url for name in named
            ],
        }

    async def step(self) -> None:
        action = self.random.choices(
            ["publish", "change", "withdraw", "delete", "day", "pause", "exchange"],
            weights=[4, 5, 2, 1, 2, 1, 12],
        )[0]
        await getattr(self, f"_{action}")()
        await self._record_grants()
        await self._check_safety()

    async def _pick(self) -> str | None:
        entries = [
            entry
            for entry in await self.anna.entries()
            if entry.state is not EntryState.DELETED
        ]
        return self.random.choice(entries).id if entries else None

    def _document(self) -> dict[str, object]:
        last = self.clock.now().date() + timedelta(days=self.random.randint(0, 8))
        title = f"Angebot {self.random.randint(1, 999)}"
        return offer(title, self.audience(), last.isoformat())

    async def _publish(self) -> None:
        await self.anna.catalogue.publish(self.anna.office, self._document())

    async def _change(self) -> None:
        entry_id = await self._pick()
        if entry_id is not None:
            await self.anna.catalogue.publish(
                self.anna.office, self._document(), entry_ref=entry_id
            )

    async def _withdraw(self) -> None:
        entry_id = await self._pick()
        if entry_id is not None:
            await self.anna.catalogue.withdraw(self.anna.office, entry_id)

    async def _delete(self) -> None:
        entry_id = await self._pick()
        if entry_id is not None:
            await self.anna.catalogue.delete(self.anna.office, entry_id)

    async def _day(self) -> None:
        self.clock.pass_time(timedelta(days=self.random.randint(1, 3)))
        if self.random.random() < 0.4:
            # Otherwise the page is built before the clockwork comes round.
            await self.anna.catalogue.expire_due()

    async def _pause(self) -> None:
        name = self.random.choice(PARTNERS)
        partner = await self.anna.partner(name)
        paused = partner.state is TrustState.PAUSED
        await self.anna.set_state(
            name, TrustState.ACTIVE if paused else TrustState.PAUSED
        )

    async def _exchange(self) -> None:
        name = self.random.choice(PARTNERS)
        busy = self.random.random() < 0.3
        before = await self._shown(name)
        entitled = await self.anna.visible_to(name)
        state = (await self.anna.partner(name)).state
        await self.network.exchange(
            "anna",
            name,
            lose=self.random.choice(["nothing", "nothing", "page", "receipt"]),
            twice=self.random.random() < 0.2,
            meanwhile=self._meanwhile if busy else None,
        )
        arrived = await self._shown(name) - before
        # The rule of the moment at which the page was built, not of an earlier one.
        assert arrived <= {
            (uri, entry.version.counter) for uri, entry in entitled.items()
        }
        assert not arrived or state is TrustState.ACTIVE

    async def _meanwhile(self) -> None:
        await self.random.choice([self._publish, self._change, self._withdraw])()
        await self._record_grants()

    async def _shown(self, name: str) -> set[tuple[str, int]]:
        held = await self.network.nodes[name].held_from("anna")
        return {(uri, row.counter) for uri, row in held.items()}

    async def _record_grants(self) -> None:
        for name in PARTNERS:
            for uri, entry in (await self.anna.visible_to(name)).items():
                self.granted[name].add((uri, entry.version.counter))

    async def _check_safety(self) -> None:
        for name in PARTNERS:
            shown = await self._shown(name)
            assert shown <= self.granted[name], f"{name} holds what it never might"
            # Not even the withdrawal of something else proves that it exists.
            heard = await self.network.nodes[name].heard_of("anna")
            assert {(name, uri) for uri in heard} <= self.network.told

    async def heal_and_check(self) -> None:
        for name in PARTNERS:
            await self.anna.set_state(name, TrustState.ACTIVE)
        await self.anna.catalogue.expire_due()
        for name in PARTNERS:
            await self.network.settle("anna", name)
            await self._check_equal(name)

    async def _check_equal(self, name: str) -> None:
        expected = await self.anna.visible_to(name)
        held = await self.network.nodes[name].held_from("anna")
        assert {uri: row.counter for uri, row in held.items()} == {
            uri: entry.version.counter for uri, entry in expected.items()
        }
        for uri, row in held.items():
            assert bytes(row.document) == bytes(expected[uri].document or b"")
        partner = await self.anna.partner(name)
        async with self.anna.context.database.read() as tx:
            counts = await self.anna.ledger.counts(tx, partner.id)
        assert (counts.held, counts.refused, counts.waiting) == (len(held), 0, 0)
        if partner.checked_at is not None:
            assert partner.digest_equal
            assert partner.receipt_held == len(held)


async def play(seed: int, databases: dict[str, Database], *, steps: int) -> None:
    """Tell one story from a seed, heal the network and compare."""
    print(f"SPALIER_EXCHANGE_SEED={seed}")
    random = Random(seed)
    clock = VirtualClock()
    network = await make_network(databases, random=random, clock=clock)
    try:
        story = Story(network, random, clock)
        for _ in range(steps):
            await story.step()
        await story.heal_and_check()
    finally:
        await network.close()


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let changes fall between two pages."""
    monkeypatch.setattr(sending, "PAGE_ITEMS_MAX", 3)


def first_seed() -> int:
    fresh = int.from_bytes(os.urandom(4), "big")
    return int(os.environ.get("SPALIER_EXCHANGE_SEED", str(fresh)))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", range(SEEDS))
async def test_partner_ends_with_exactly_what_the_rules_grant(
    tmp_path: Path, number: int
) -> None:
    databases: dict[str, Database] = {
        name: SqliteDatabase(tmp_path / f"{name}.sqlite")
        for name in ["anna", *PARTNERS]
    }
    await play(first_seed() + number, databases, steps=STEPS)


async def test_the_same_on_postgresql(postgres_server: PostgresServer) -> None:
    with ExitStack() as stack:
        databases: dict[str, Database] = {
            name: PostgresDatabase(
                stack.enter_context(postgres_server.fresh_database())
            )
            for name in ["anna", *PARTNERS]
        }
        await play(first_seed(), databases, steps=STEPS // 2)
