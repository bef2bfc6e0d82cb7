"""Keys change at any moment, while pages and announcements get lost.

Safety at every step: no request, page, receipt or announcement is refused for its
signature. Liveness after healing: digests agree, and every partner knows the key
that signs.
"""

import json
import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from federation.documents import parse_actor_update
from node.errors import ConflictError
from node.exchange.activities import Activities
from node.exchange.wakeup import WakeUp
from node.keys.own_keys import OwnKeys
from node.mail.outbox import MailOutbox
from node.node_key import load_key, store_key, stored_numbers
from node.partners.directory import known_peer
from node.partners.partner_keys import PartnerKeys
from node.storage.database import Database, SqliteDatabase, Transaction
from node.storage.node_keys import insert_key
from node.storage.outgoing import ActivityKind, mark_delivered, next_undelivered
from tests.simulation.test_exchange import MINIMAL, offer
from tests.simulation.world import Network, SimNode, VirtualClock, make_network

SEEDS = int(os.environ.get("SPALIER_KEY_SEEDS", "6"))
STEPS = int(os.environ.get("SPALIER_KEY_STEPS", "90"))
NAMES = ("anna", "bert", "cora")


@dataclass
class Keyed:
    """A node with everything that changes keys, its own and its partners'."""

    node: SimNode
    folder: Path
    own: OwnKeys
    theirs: PartnerKeys
    activities: Activities


class Story:
    """Random steps of nodes that are all partners of each other."""

    def __init__(
        self,
        network: Network,
        keyed: dict[str, Keyed],
        random: Random,
        clock: VirtualClock,
    ) -> None:
        self.network = network
        self.keyed = keyed
        self.random = random
        self.clock = clock

    async def step(self) -> None:
        action = self.random.choices(
            [self._publish, self._exchange, self._announce, self._change, self._wait],
            weights=[4, 10, 6, 2, 3],
        )[0]
        await action()

    async def _publish(self) -> None:
        node = self.network.nodes[self.random.choice(NAMES)]
        title = f"Angebot {self.random.randint(1, 999)}"
        entries = [each for each in await node.entries() if each.document]
        if entries and self.random.random() < 0.3:
            chosen = self.random.choice(entries)
            await node.catalogue.withdraw(node.office, chosen.id)
            return
        document = offer(title, {"level": "trusted"}, "2030-01-01") | MINIMAL
        await node.catalogue.publish(node.office, document)

    async def _exchange(self) -> None:
        sender, receiver = self.random.sample(NAMES, 2)
        lose = self.random.choices(["nothing", "page", "receipt"], [6, 1, 1])[0]
        await self.exchange(sender, receiver, lose=lose)

    async def exchange(
        self, sender: str, receiver: str, *, lose: str = "nothing"
    ) -> bool:
        """Deliver a page; the request must be signed by a key that is known."""
        await self._require_known(sender, receiver)
        return await self.network.exchange(sender, receiver, lose=lose)

    async def _require_known(self, sender: str, receiver: str) -> None:
        origin, target = self.network.nodes[sender], self.network.nodes[receiver]
        signer = origin.context.keys.signer_for(await origin.partner(receiver))
        peer = known_peer(await target.partner(sender))
        assert peer.request_key(signer.key_id) == signer.key.public_key

    async def _announce(self) -> None:
        sender, receiver = self.random.sample(NAMES, 2)
        lose = self.random.choices(["nothing", "request", "answer"], [4, 1, 1])[0]
        await self.announce(sender, receiver, lose=lose)

    async def announce(
        self, sender: str, receiver: str, *, lose: str = "nothing"
    ) -> bool:
        """Deliver what has changed about the sender; False if nothing has."""
        origin, target = self.keyed[sender], self.keyed[receiver]
        partner = await origin.node.partner(receiver)
        async with origin.node.context.database.read() as tx:
            activity = await next_undelivered(tx, partner.id)
            if activity is None:
                return False
            assert activity.kind is ActivityKind.ACTOR
            built = await origin.activities.build(tx, partner, activity)
        if lose == "request":
            return True
        known = await target.node.partner(sender)
        peer = known_peer(known)
        key = peer.request_key(built.signer.key_id)
        assert key == built.signer.key.public_key
        update = parse_actor_update(
            json.loads(built.document.raw),
            peer=peer,
            address=target.node.context.address,
        )

        async def take(tx: Transaction) -> None:
            await target.theirs.receive_update(tx, known, update)

        await target.node.context.database.write(take)
        if lose == "answer":
            return True

        async def delivered(tx: Transaction) -> None:
            await mark_delivered(tx, activity.activity_id, at=self.clock.now())
            await origin.activities.delivered(tx, partner, activity, built)

        await origin.node.context.database.write(delivered)
        return True

    async def _change(self) -> None:
        keys = self.keyed[self.random.choice(NAMES)].own
        order = self.random.choice([keys.rotate, keys.rotate, keys.activate])
        try:
            await order(None)
        except ConflictError as error:
            assert error.code in {"rotation-under-way", "nothing-announced"}  # noqa: PT017

    async def _wait(self) -> None:
        self.clock.pass_time(timedelta(minutes=self.random.choice([1, 15, 3000])))
        for name in NAMES:
            await self.keyed[name].own.advance()

    async def heal(self) -> None:
        """Let everything arrive, and the clockwork run."""
        for _ in range(4):
            self.clock.pass_time(timedelta(minutes=15))
            for sender in NAMES:
                while await self.keyed[sender].own.advance():
                    pass
                for receiver in NAMES:
                    if sender != receiver:
                        while await self.announce(sender, receiver):
                            pass
                        while await self.exchange(sender, receiver):
                            pass

    async def check(self) -> None:
        """Everything fits: digests, entries, keys, files."""
        for sender in NAMES:
            origin = self.keyed[sender]
            ring = origin.node.context.keys
            live = [key.number for key in ring.keys if key.is_live]
            assert live == [ring.active.number], "the old keys have gone"
            assert stored_numbers(origin.folder) == live
            secret = load_key(origin.folder, number=live[0])
            assert secret.public_key == ring.active.public_key
            for receiver in NAMES:
                if sender != receiver:
                    await self._check_pair(sender, receiver)

    async def _check_pair(self, sender: str, receiver: str) -> None:
        origin, target = self.network.nodes[sender], self.network.nodes[receiver]
        partner = await origin.partner(receiver)
        assert partner.digest_equal is not False
        assert partner.acked_seq == partner.head_seq
        assert partner.told_key_number == origin.context.keys.active.number
        held = await target.held_from(sender)
        visible = await origin.visible_to(receiver)
        assert set(held) == set(visible)
        for uri, row in held.items():
            assert row.document == visible[uri].document


async def _keyed(node: SimNode, folder: Path) -> Keyed:
    folder.mkdir()
    context = node.context
    store_key(folder, context.signer.key, number=1)

    async def work(tx: Transaction) -> None:
        await insert_key(tx, context.keys.active)

    await context.database.write(work)
    waker = WakeUp()
    own = OwnKeys(context, folder=folder, entries=node.catalogue, waker=waker)
    theirs = PartnerKeys(
        context,
        client=None,  # type: ignore[arg-type] # nothing is fetched
        mail=MailOutbox(context),
        waker=waker,
    )
    activities = Activities(context, None)  # type: ignore[arg-type] # no notices
    return Keyed(node, folder, own, theirs, activities)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_keys_change_at_any_moment(seed: int, tmp_path: Path) -> None:
    print(f"seed {seed}")
    random, clock = Random(f"keys {seed}"), VirtualClock()
    databases: dict[str, Database] = {
        name: SqliteDatabase(tmp_path / f"{name}.sqlite") for name in NAMES
    }
    network = await make_network(databases, random=random, clock=clock)
    try:
        keyed = {
            name: await _keyed(node, tmp_path / name)
            for name, node in network.nodes.items()
        }
        story = Story(network, keyed, random, clock)
        for _ in range(STEPS):
            await story.step()
        await story.heal()
        await story.check()
        assert any(
            len(node.context.keys.keys) > 1 for node in network.nodes.values()
        ), "no key has changed"
    finally:
        await network.close()
