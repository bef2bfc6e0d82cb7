"""Make one node of the demonstration and fill it: a process of its own per node.

    python -m tests.browser.prepare FOLDER FIRST_PORT SLUG PASSWORD

What it prints at the end is the URI of each published entry by its external id.
"""

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path

from node.app import open_node
from node.clock import SystemClock, SystemRandom
from node.demo.clusters import DemoNode, demo_nodes
from node.demo.data import CLUSTERS
from node.demo.loading import load_sample_data, make_node

# An entry that ends so soon that its owner is reminded when the node starts.
ENDING = "ending"


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


async def prepare(folder: Path, first_port: int, slug: str, password: str) -> None:
    nodes = demo_nodes(folder, first_port=first_port)
    base_urls = {node.slug: node.base_url for node in nodes}
    node = next(node for node in nodes if node.slug == slug)
    await make_node(node, clock=SystemClock(), random=SystemRandom())
    loaded = await load_sample_data(node, base_urls=base_urls, password=password)
    entries = dict(loaded.entries)
    if slug == CLUSTERS[0]:
        entries[ENDING] = await publish_ending_entry(node)
    print(json.dumps(entries))


if __name__ == "__main__":
    _program, folder, first_port, slug, password = sys.argv
    asyncio.run(prepare(Path(folder), int(first_port), slug, password))
