"""How our keys stand, for pages, commands and checks."""

from dataclasses import dataclass
from datetime import datetime

from node.keys.model import NodeKey
from node.keys.rules import due_at
from node.keys.telling import TOLD_STATES, Progress, progress_of
from node.ports import NodeContext
from node.storage.entries import count_published
from node.storage.outgoing import ActivityKind, undelivered_of_kind
from node.storage.partners import list_partners


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """How our keys stand.

    Attributes:
        keys: Every key, the newest first.
        active: The one that signs.
        announced: The one that partners are being told of.
        replaced: Those that are kept for partners that have not taken it.
        progress: Who has taken the newest key.
        due_at: When the announced key signs at the latest.
        revoking: Partners to which a revoked key has not said so yet.
        unsigned: Published entries that still have to be signed anew.
    """

    keys: tuple[NodeKey, ...]
    active: NodeKey
    announced: NodeKey | None
    replaced: tuple[NodeKey, ...]
    progress: Progress
    due_at: datetime | None
    revoking: tuple[str, ...]
    unsigned: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a revocation would touch, for the page that asks whether it is meant.

    Attributes:
        entries: Published entries that are signed anew.
        partners: Partners whose office has to compare the new fingerprint.
    """

    entries: int
    partners: int


async def key_status(context: NodeContext) -> KeyStatus:
    """Say how our keys stand and whom a rotation waits for."""
    ring = context.keys
    announced = ring.announced
    async with context.database.read() as tx:
        progress = await progress_of(tx, ring.newest)
        names = {each.id: each.name for each in await list_partners(tx)}
        queued = await undelivered_of_kind(tx, ActivityKind.REVOCATION)
        revoked = [key.number for key in ring.keys if ring.is_revoked(key.number)]
        unsigned = await count_published(tx, signed_by=revoked)
    return KeyStatus(
        keys=tuple(reversed(ring.keys)),
        active=ring.active,
        announced=announced,
        replaced=ring.replaced,
        progress=progress,
        due_at=None if announced is None else due_at(announced),
        revoking=tuple(names[each.partner_id] for each in queued),
        unsigned=unsigned,
    )


async def effects_of_revocation(context: NodeContext) -> Effects:
    """Count what a revocation of the active key would touch."""
    async with context.database.read() as tx:
        return Effects(
            entries=await count_published(tx),
            partners=len(await list_partners(tx, TOLD_STATES)),
        )
