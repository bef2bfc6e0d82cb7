"""Make one node of the demonstration and fill it: a process of its own per node.

    python -m tests.browser.prepare FOLDER FIRST_PORT SLUG PASSWORD

What it prints at the end is the URI of each published entry by its external id.
"""

import asyncio
import json
import sys
from pathlib import Path

from node.clock import SystemClock, SystemRandom
from node.demo.clusters import demo_nodes
from node.demo.loading import load_sample_data, make_node


async def prepare(folder: Path, first_port: int, slug: str, password: str) -> None:
    nodes = demo_nodes(folder, first_port=first_port)
    base_urls = {node.slug: node.base_url for node in nodes}
    node = next(node for node in nodes if node.slug == slug)
    await make_node(node, clock=SystemClock(), random=SystemRandom())
    loaded = await load_sample_data(node, base_urls=base_urls, password=password)
    print(json.dumps(dict(loaded.entries)))


if __name__ == "__main__":
    _program, folder, first_port, slug, password = sys.argv
    asyncio.run(prepare(Path(folder), int(first_port), slug, password))
