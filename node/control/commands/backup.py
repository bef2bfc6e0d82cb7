"""`backup …`: make backups, list them, try them."""

import asyncio
from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from node.backup.backups import Backups
from node.backup.shelf import KeptBackup
from node.backup.trial import Tried
from node.control.commands.acting import person_by_email
from node.control.commands.described import timestamp
from node.control.request import ControlRequest
from node.keys.rules import require_admin

if TYPE_CHECKING:
    from node.app import Node

TELL_SECONDS = 0.5
T = TypeVar("T")


async def create(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Make a backup, which counts once its trial restore has succeeded."""
    await _require_admin(node, request)
    made = await _watched(
        node.backups,
        request,
        node.backups.create(
            to=_path(request, "to"), passphrase_file=_path(request, "passphrase_file")
        ),
    )
    return {
        "file": str(made.path),
        "seconds": round(made.seconds, 3),
        "removed": [str(path) for path in made.removed],
        **_tried(made.tried),
    }


async def verify(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Try a backup; nothing is put back."""
    await _require_admin(node, request)
    path = Path(request.text("file"))
    tried = await _watched(
        node.backups,
        request,
        node.backups.verify(path, passphrase_file=_path(request, "passphrase_file")),
    )
    return {"file": str(path), **_tried(tried)}


async def list_kept(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List the backups in a folder, the newest first, and how the latest went."""
    await _require_admin(node, request)
    kept = await node.backups.kept(_path(request, "in"))
    status = node.backups.status
    return {
        "backups": [_kept(each) for each in kept],
        "last": timestamp(status.made_at),
        "verified": timestamp(status.verified_at),
        "failed": timestamp(status.failed_at),
        "failure": status.failure,
    }


async def _watched(backups: Backups, request: ControlRequest, work: Awaitable[T]) -> T:
    """Say how far the work is until it is done."""
    running = asyncio.ensure_future(work)
    try:
        while not (await asyncio.wait([running], timeout=TELL_SECONDS))[0]:
            progress = backups.progress
            if request.tell is not None and progress is not None:
                request.tell(
                    {
                        "stage": progress.stage,
                        "done": progress.done,
                        "total": progress.total,
                    }
                )
    finally:
        if not running.done():
            running.cancel()
    return await running


async def _require_admin(node: "Node", request: ControlRequest) -> None:
    """Let whoever is on the server itself pass, and the node's administrators."""
    if request.acting_as is not None:
        require_admin(await person_by_email(node, request.acting_as))


def _path(request: ControlRequest, name: str) -> Path | None:
    text = request.optional_text(name)
    return None if text is None else Path(text)


def _kept(each: KeptBackup) -> Mapping[str, Any]:
    return {
        "file": str(each.path),
        "created": timestamp(each.header.created),
        "bytes": each.bytes,
        "encrypted": each.header.is_encrypted,
        "schema": each.header.schema,
    }


def _tried(tried: Tried) -> dict[str, Any]:
    return {
        "created": timestamp(tried.header.created),
        "bytes": tried.bytes,
        "rows": sum(tried.rows.values()),
        "entries": tried.rows.get("entries", 0),
        "proofs": tried.proofs,
        "encrypted": tried.header.is_encrypted,
    }
