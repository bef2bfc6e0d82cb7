"""What a start does with the journal, before anything of the node is open.

Source: SPEC.md NOD-068, NOD-069.
"""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import select

from node.erasure.decisions import Decided
from node.erasure.facts import is_ahead, missing_lines, read_facts
from node.erasure.journal import ErasureJournal
from node.erasure.replay import Replayed, replay
from node.limits import DECISIONS_KEPT_BEYOND
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.tables import node_state

logger = logging.getLogger(__name__)


async def follow_journal(
    context: NodeContext, journal: ErasureJournal
) -> Replayed | None:
    """Complete the journal; if the database is older than it, bring that in line.

    A line is written after its commit, so a database that lacks one was put in its
    place by hand. It is treated as a restored one.

    Args:
        context: The node; secret keys may be missing.
        journal: Its journal.

    Returns:
        What was changed in an older database, None if it is none.

    Raises:
        UnavailableError: The journal cannot be read, or the database not be changed.
    """
    known = await _on_thread(context, journal)
    async with context.database.read() as tx:
        facts = await read_facts(tx)
    done = None
    if is_ahead(known, facts):
        done = await _bring_in_line(context, journal)
        if done is not None:
            logger.warning(
                "the database is older than the erasure journal: incarnation %d, "
                "%d entries deleted, %d closed, %d narrowed again",
                done.incarnation,
                len(done.deleted),
                len(done.closed),
                len(done.narrowed),
            )
        known = await _on_thread(context, journal)
        async with context.database.read() as tx:
            facts = await read_facts(tx)
    missing = list(
        missing_lines(known, facts, now=context.clock.now(), kept=kept(context))
    )
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(context.threads, journal.append, missing)
    return done


async def write_what_waits(context: NodeContext, journal: ErasureJournal) -> int:
    """Try again what could not be written; returns 0, so that the job rests then."""
    if journal.trouble is not None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(context.threads, journal.append, ())
    return 0


async def compact_journal(context: NodeContext, journal: ErasureJournal) -> int:
    """Forget what no backup could undo; returns 0, so that the job rests then."""
    loop = asyncio.get_running_loop()
    before = context.clock.now() - kept(context)
    if journal.trouble is None and journal.exists:
        await loop.run_in_executor(
            context.threads, lambda: journal.compact(before=before)
        )
    return 0


def kept(context: NodeContext) -> timedelta:
    """Return how long decisions about entries and persons are remembered."""
    return timedelta(days=context.config.backup.keep) + DECISIONS_KEPT_BEYOND


async def _bring_in_line(
    context: NodeContext, journal: ErasureJournal
) -> Replayed | None:
    async def work(tx: Transaction) -> Replayed | None:
        if tx.dialect_name == "postgresql":
            # Another process may be doing the same.
            await tx.execute(select(node_state.c.id).with_for_update())
        known = journal.read()
        if not is_ahead(known, await read_facts(tx)):
            return None
        return await replay(
            tx, context, known, folder=journal.path.parent, restored_from=None
        )

    return await context.database.write(work)


async def _on_thread(context: NodeContext, journal: ErasureJournal) -> Decided:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(context.threads, journal.read)
