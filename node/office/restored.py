"""What the office sees after a restore: what was changed, and who has compared.

Source: SPEC.md NOD-072, FED-157.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select

from federation.trust import ESTABLISHED, TrustState
from node.erasure.report import read_report
from node.exchange.unaccounted import Settlement, UnaccountedEntries
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from node.storage.partners import list_partners
from node.storage.tables import entries

_COMPARING = frozenset({*ESTABLISHED, TrustState.ENDING})
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Compared:
    """How far both sides have compared since the restore.

    Attributes:
        ours: Whether the partner has said what it holds of us; before that it is told
            no entry.
        theirs: Whether what we hold of it was equal since; before that it is not
            shown.
    """

    partner: Partner
    ours: bool
    theirs: bool


@dataclass(frozen=True, slots=True)
class Restored:
    """The last restore, and what has come of it.

    Attributes:
        restored_from: Of when the backup was; None if an older database was put in
            place by hand.
        report: As `node.erasure.report` wrote it; None if it is gone.
        titles: Of the entries that the report names, by id, by language.
        partners: Partners with whom there is something to be compared.
    """

    restored_at: datetime
    restored_from: datetime | None
    report: Mapping[str, Any] | None
    titles: Mapping[str, Mapping[str, str]]
    partners: tuple[Compared, ...]

    def named(self, what: str) -> list[str]:
        """Return the ids that the report lists under a name, e.g. `deleted`."""
        listed = (self.report or {}).get(what)
        return [str(each) for each in listed] if isinstance(listed, list) else []

    def number(self, what: str) -> int:
        """Return a number of the report, 0 if there is none."""
        number = (self.report or {}).get(what)
        return number if isinstance(number, int) else 0


async def last_restore(context: NodeContext, folder: Path) -> Restored | None:
    """Return the last restore of a node, None if there was none."""
    async with context.database.read() as tx:
        state = await require_node_state(tx)
        if state.restored_at is None:
            return None
        report = await asyncio.to_thread(read_report, folder, epoch=state.epoch)
        names = ("deleted", "closed", "narrowed", "older")
        wanted = [str(id_) for name in names for id_ in (report or {}).get(name, ())]
        return Restored(
            restored_at=state.restored_at,
            restored_from=state.restored_from,
            report=report,
            titles=await _titles(tx, wanted),
            partners=tuple(
                Compared(
                    partner=each,
                    ours=each.compared_epoch == state.epoch,
                    theirs=each.to_verify_since is None,
                )
                for each in await list_partners(tx, _COMPARING)
            ),
        )


async def take_back_known(
    context: NodeContext, folder: Path, unaccounted: UnaccountedEntries
) -> int:
    """Take back for ever what partners hold although we had taken it back.

    The entry was published and taken back after the backup, so only the journal
    knows of it; whether every partner had heard of that nobody knows.

    Returns:
        0, so that the job rests then.
    """
    restored = await last_restore(context, folder)
    gone = set() if restored is None else set(restored.named("gone"))
    if not gone:
        return 0
    settled: set[str] = set()
    for each in await unaccounted.listed():
        may_be = Settlement.TAKEN_BACK in each.choices and each.title is None
        if may_be and each.entry_id in gone - settled:
            # Of one partner means of all.
            await unaccounted.settle(
                None, each.entry_id, each.partner_id, Settlement.TAKEN_BACK
            )
            settled.add(each.entry_id)
    return 0


async def _titles(tx: Transaction, ids: list[str]) -> dict[str, Mapping[str, str]]:
    titles: dict[str, Mapping[str, str]] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        chosen = ids[start : start + _IDS_AT_ONCE]
        for row in await tx.all(
            select(entries.c.id, entries.c.content).where(entries.c.id.in_(chosen))
        ):
            titles[row.id] = row.content.get("title") or {}
    return titles
