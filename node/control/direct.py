"""Run a command without a serving process: take the lock, open the database."""

from pathlib import Path
from typing import Any

from node.app import open_node
from node.control.commands.keys import MENDING
from node.control.registry import run_command
from node.control.request import ControlRequest


async def run_directly(folder: Path, request: ControlRequest) -> dict[str, Any]:
    """Open the node in `folder`, run one command, close the node.

    What is to be delivered is recorded in the ledger and goes out when the node
    serves; a handshake reaches the other node at once.

    Raises:
        ConflictError: Another process holds the folder.
        NodeError: The command was refused or failed.
    """
    mends = request.command in MENDING
    async with open_node(folder, without_secrets=mends) as node:
        return await run_command(node, request)
