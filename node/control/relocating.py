"""`move-origin URL`: the one order that changes where a node is.

It opens the folder itself, because nobody may serve the node meanwhile, and writes the
settings after the database. Cut off in between, the node opens under the new address
alone; then the same order finishes (SPEC NOD-080).
"""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.app import Node, open_node
from node.backup.replacing import require_nobody_else
from node.config import load_config
from node.control.commands.acting import person_by_email
from node.errors import ConflictError, NodeError
from node.moving import OwnMoveStatus, write_setting

_BASE_URL: Final = "SPALIER_BASE_URL"
_OTHER_ADDRESS: Final = "base-url-changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relocation:
    """An order to move.

    Attributes:
        acting_as: E-mail address of a node administrator; None for the office's
            first person.
        environ: Settings beside the file.
    """

    folder: Path
    new_url: str
    acting_as: str | None
    leave_unconfirmed: bool
    environ: Mapping[str, str]


async def relocate(relocation: Relocation) -> dict[str, Any]:
    """Move the node.

    Returns:
        `old`, `base_url`, `check_number`, `told` (partners that are told),
        `settings_written`, and `finished`: whether an earlier order was finished.

    Raises:
        ConflictError: Somebody serves the node, or the move is refused.
        NodeError: As `OwnMove.order`.
    """
    folder, environ = relocation.folder, relocation.environ
    config = load_config(folder, environ=environ)
    if config.database.url:
        require_nobody_else(config.database.url)
    moved = await _finished(relocation)
    finished = moved is not None
    if moved is None:
        async with open_node(folder, environ=environ) as node:
            if relocation.acting_as is None:
                actor = await node.members.office_person()
            else:
                actor = await person_by_email(node, relocation.acting_as)
            await node.own_move.order(
                actor,
                relocation.new_url,
                leave_unconfirmed=relocation.leave_unconfirmed,
            )
        moved = await _status(folder, relocation.new_url, environ)
    written = write_setting(folder, old=config.base_url, new=moved.new)
    return {
        "old": moved.old,
        "base_url": moved.new,
        "check_number": moved.number,
        "told": moved.open,
        "settings_written": written and _BASE_URL not in environ,
        "finished": finished,
    }


async def _finished(relocation: Relocation) -> OwnMoveStatus | None:
    """Return the move if the database has it already and the settings have not."""
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(
                open_node(relocation.folder, environ=relocation.environ)
            )
        except ConflictError as error:
            if error.code != _OTHER_ADDRESS:
                raise
        else:
            return None
    return await _status(relocation.folder, relocation.new_url, relocation.environ)


async def _status(
    folder: Path, new_url: str, environ: Mapping[str, str]
) -> OwnMoveStatus:
    """Open the node at its new address and read how far the move is."""
    async with open_node(folder, environ={**environ, _BASE_URL: new_url}) as node:
        return await _required(node)


async def _required(node: Node) -> OwnMoveStatus:
    status = await node.own_move.status()
    if status is None:
        msg = f"the node at {node.config.base_url} has never moved"
        raise NodeError(msg)
    return status
