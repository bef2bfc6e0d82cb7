"""Make one node of the demonstration and fill it: a process of its own per node.

    python -m tests.browser.prepare FOLDER FIRST_PORT SLUG PASSWORD

What it prints at the end is the URI of each published entry by its external id.
"""

import asyncio
import json
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from federation.ids import BaseUrl
from federation.key_changes import SuspensionReason
from federation.keys import SigningKey
from federation.trust import TrustEvent, TrustState
from node.app import Node, open_node
from node.clock import SystemClock, SystemRandom
from node.demo.clusters import DemoNode, demo_nodes
from node.demo.data import CLUSTERS
from node.demo.loading import load_sample_data, make_node
from node.partners.history import change_state
from node.partners.model import HandshakeRole, KeyOrigin, Partner, PartnerKey
from node.storage.database import Transaction
from node.storage.partners import insert_partner
from node.visibility.policy import PolicySheet, Preset

# An entry that ends so soon that its owner is reminded when the node starts.
ENDING = "ending"
# The node with a partner whose key its office has to compare, and that partner.
WITH_SUSPENDED = CLUSTERS[1]
SUSPENDED = "https://quantentechnik.example"
# Our id of the one that says to have moved, at the same node.
MOVING = "moving"


async def publish_ending_entry(node: DemoNode) -> str:
    async with open_node(node.folder) as running:
        owner = await running.members.person_by_email(node.member)
        assert owner is not None
        today = running.context.clock.now().date()
        entry = await running.catalogue.publish(
            owner,
            {
                "kind": "capacity_offer",
                "title": {"de": "Messplatz bis Monatsende", "en": "Bench this month"},
                "summary": {"de": "Nur noch wenige Tage.", "en": "A few days left."},
                "valid_until": (today + timedelta(days=3)).isoformat(),
                "equipment_class": "measuring",
                "availability": "now",
                "audience": {"level": "cluster"},
            },
        )
        return entry.uri


async def suspend_a_partner(node: DemoNode) -> None:
    """Give a node a partner whose address shows another key; nobody is there."""
    async with open_node(node.folder) as running:
        partner = _earlier_partner(running)
        known, shown = (SigningKey.generate(running.context.random) for _ in range(2))
        key = PartnerKey(
            id="suspended-1",
            key_id=f"{partner.actor_id}#key-1",
            multibase=known.public_key.multibase,
            origin=KeyOrigin.HANDSHAKE,
            pinned_at=partner.created_at,
        )
        partner = replace(partner, keys=(key,))

        async def work(tx: Transaction) -> None:
            await insert_partner(tx, partner)
            await change_state(
                tx,
                running.context,
                partner,
                event=TrustEvent.KEY_CHANGED,
                note=shown.public_key.fingerprint,
                suspended_from=partner.state,
                suspended_because=SuspensionReason.NOT_LISTED,
                offered_multibase=shown.public_key.multibase,
            )

        await running.context.database.write(work)


async def add_a_partner_that_moves(node: DemoNode) -> None:
    """Give a node a paused partner that has announced another address."""
    async with open_node(node.folder) as running:
        base_url = "https://mikroskopie.example"
        now = running.context.clock.now()
        known = SigningKey.generate(running.context.random)
        key = PartnerKey(
            id="moving-1",
            key_id=f"{base_url}/actor#key-1",
            multibase=known.public_key.multibase,
            origin=KeyOrigin.HANDSHAKE,
            pinned_at=now,
        )
        partner = replace(
            _earlier_partner(running),
            id=MOVING,
            base_url=base_url,
            actor_id=f"{base_url}/actor",
            name="Beispiel-Netz Mikroskopie",
            state=TrustState.PAUSED,
            request_id=f"{base_url}/activities/{'a' * 26}",
            keys=(key,),
            moving_to=BaseUrl("https://netz.mikroskopie.example"),
            moving_id=f"{base_url}/activities/{'b' * 26}",
            moving_since=now - timedelta(hours=3),
            move_published=now - timedelta(hours=3),
        )
        await running.context.database.write(lambda tx: insert_partner(tx, partner))


def _earlier_partner(running: Node) -> Partner:
    now = running.context.clock.now()
    base_url = SUSPENDED
    return Partner(
        id="suspended",
        base_url=base_url,
        actor_id=f"{base_url}/actor",
        name="Beispiel-Netz Quantentechnik",
        card={"field": "Quantentechnik", "members": 41, "regions": ["DE-TH"]},
        state=TrustState.ACTIVE,
        role=HandshakeRole.HOST,
        keys=(),
        request_id=f"{base_url}/activities/{'a' * 26}",
        check_number="4711 0815",
        created_at=now - timedelta(days=90),
        released_at=now,
        policy_out=PolicySheet(Preset.CLOSE),
        policy_in=PolicySheet(Preset.CLOSE),
        active_since=now - timedelta(days=89),
        compared_at=now - timedelta(days=89),
        looked_at=now,
    )


async def prepare(folder: Path, first_port: int, slug: str, password: str) -> None:
    nodes = demo_nodes(folder, first_port=first_port)
    base_urls = {node.slug: node.base_url for node in nodes}
    node = next(node for node in nodes if node.slug == slug)
    await make_node(node, clock=SystemClock(), random=SystemRandom())
    loaded = await load_sample_data(node, base_urls=base_urls, password=password)
    entries = dict(loaded.entries)
    if slug == CLUSTERS[0]:
        entries[ENDING] = await publish_ending_entry(node)
    if slug == WITH_SUSPENDED:
        await suspend_a_partner(node)
        await add_a_partner_that_moves(node)
    print(json.dumps(entries))


if __name__ == "__main__":
    _program, folder, first_port, slug, password = sys.argv
    asyncio.run(prepare(Path(folder), int(first_port), slug, password))
