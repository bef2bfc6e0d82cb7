"""Take over what another process of the same node has changed about our keys.

Public halves and stages are in the database, which all share; the file of a new key
is in the folder of the process that made it, and may still have to be brought.

Source: SPEC.md NOD-055.
"""

import asyncio
import logging
from pathlib import Path

from node.keys.opening import read_secrets
from node.keys.rules import missing_secrets
from node.ports import NodeContext
from node.storage.node_keys import list_keys

logger = logging.getLogger(__name__)


async def follow_table(context: NodeContext, folder: Path) -> None:
    """Let the ring be what the table says now, with the files that are here.

    Nothing is read from the folder while nothing has changed and nothing is missing.
    """
    ring = context.keys
    async with context.database.read() as tx:
        keys = tuple(await list_keys(tx))
    if keys == ring.keys and ring.fault is None:
        return
    found, _ = await asyncio.to_thread(read_secrets, folder, keys)
    live = {key.number for key in keys if key.is_live}
    kept = {number: each for number, each in ring.secrets.items() if number in live}
    secrets = {**kept, **found}
    fault = missing_secrets(keys, secrets)
    if keys != ring.keys or (fault is None) != (ring.fault is None):
        stages = ", ".join(f"{key.number} {key.state}" for key in keys)
        logger.info("another process has changed the keys: %s", stages)
        if fault is not None:
            logger.warning("%s Bring its file to this machine.", fault)
    ring.replace(keys, secrets, fault=fault)
