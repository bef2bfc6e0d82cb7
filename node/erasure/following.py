"""What a start does with the journal, before anything of the node is open.

Source: SPEC.md NOD-068, NOD-069.
"""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import select

from node.config import NodeConfig
from node.erasure.decisions import Decided
from node.erasure.facts import Facts, is_ahead, missing_lines, read_facts
from node.erasure.journal import ErasureJournal
from node.erasure.replay import Replayed, replay
from node.erasure.report import write_report
from node.limits import DECISIONS_KEPT_BEYOND
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.decision_numbers import decisions_made
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
    await _complete(context, journal, known, facts)
    if known.unreadable:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(context.threads, journal.set_damage_aside)
    return done


async def complete_journal(context: NodeContext, journal: ErasureJournal) -> int:
    """Add what other processes have decided; returns 0, so that the job rests then.

    Each of several folders has a journal; a restore has only the one of its own.
    """
    known = await _on_thread(context, journal)
    async with context.database.read() as tx:
        if await decisions_made(tx) <= known.reached:
            return 0
        facts = await read_facts(tx)
    await _complete(context, journal, known, facts)
    return 0


async def write_what_waits(context: NodeContext, journal: ErasureJournal) -> int:
    """Try again what could not be written; returns 0, so that the job rests then."""
    if journal.trouble is not None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(context.threads, journal.append, ())
    return 0


async def compact_journal(context: NodeContext, journal: ErasureJournal) -> int:
    """Forget what no backup could undo; returns 0, so that the job rests then."""
    loop = asyncio.get_running_loop()
    before = context.clock.now() - kept(context.config)
    if journal.trouble is None and journal.exists:
        await loop.run_in_executor(
            context.threads, lambda: journal.compact(before=before)
        )
    return 0


def kept(config: NodeConfig) -> timedelta:
    """Return how long decisions about entries and persons are remembered."""
    return timedelta(days=config.backup.keep) + DECISIONS_KEPT_BEYOND


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
        folder = journal.path.parent
        done = await replay(tx, context, known, folder=folder, restored_from=None)
        try:
            write_report(folder, done, restored_at=context.clock.now().isoformat())
        except OSError:
            logger.exception("what was brought in line is not reported")
        return done

    return await context.database.write(work)


async def _complete(
    context: NodeContext, journal: ErasureJournal, known: Decided, facts: Facts
) -> None:
    missing = list(
        missing_lines(known, facts, now=context.clock.now(), kept=kept(context.config))
    )
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(context.threads, journal.append, missing)


async def _on_thread(context: NodeContext, journal: ErasureJournal) -> Decided:
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(context.threads, journal.read)
