"""Entries under Chiffre appear together with all others of their hour (CHI-005)."""

from typing import Final

from node.catalogue.catalogue import Catalogue
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.entries import list_entries, waiting_for

_AT_ONCE: Final = 200  # entries in one transaction


async def show_due(context: NodeContext, catalogue: Catalogue) -> int:
    """Show the entries whose hour has come; return how many."""

    async def work(tx: Transaction) -> int:
        due = await list_entries(
            tx,
            context.address,
            where=waiting_for(context.clock.now()),
            limit=_AT_ONCE,
        )
        # By id, which is random: not in the order in which they were published.
        for each in due:
            await catalogue.appear_in(tx, each.id)
        return len(due)

    return await context.database.write(work)
