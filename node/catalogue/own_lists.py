"""Entries of a member's organisation, or of all for the office: a page at a time."""

from collections.abc import Collection, Mapping
from datetime import date

from sqlalchemy import ColumnElement, func, or_, select

from node.catalogue.model import Entry, EntryState
from node.members.model import Person
from node.ports import NodeContext
from node.storage.entries import list_entries
from node.storage.tables import entries
from node.visibility import stands_behind, visible_entries


def owned_by(person: Person, today: date) -> ColumnElement[bool]:
    """Entries that a member looks after; for the office those of all members."""
    where = (entries.c.state != EntryState.DELETED) & visible_entries(person, today)
    if not person.is_office:
        # Under Chiffre an organisation's entries are its own for whoever knows it.
        own = entries.c.organisation_id == person.organisation_id
        where &= or_(own, stands_behind(person))
    return where


async def own_page(
    context: NodeContext,
    person: Person,
    *,
    states: Collection[EntryState],
    limit: int,
    offset: int,
) -> list[Entry]:
    """Load a page of them, the latest change first.

    Args:
        context: The node.
        person: The member.
        states: Only entries in one of these; all if there are none.
        limit: Entries of the page.
        offset: Entries before it.
    """
    where = owned_by(person, context.clock.now().date())
    if states:
        where &= entries.c.state.in_(sorted(state.value for state in states))
    async with context.database.read() as tx:
        return await list_entries(
            tx,
            context.address,
            where=where,
            order_by=[entries.c.updated_at.desc(), entries.c.id.desc()],
            limit=limit,
            offset=offset,
        )


async def own_counts(context: NodeContext, person: Person) -> Mapping[EntryState, int]:
    """Count them by state; a state without entries is left out."""
    statement = (
        select(entries.c.state, func.count().label("number"))
        .where(owned_by(person, context.clock.now().date()))
        .group_by(entries.c.state)
    )
    async with context.database.read() as tx:
        rows = await tx.all(statement)
    return {EntryState(row.state): int(row.number) for row in rows}


async def own_ending(
    context: NodeContext, person: Person, *, last_day: date, limit: int
) -> list[Entry]:
    """Load what of the member's own organisation ends by a day, soonest first."""
    where = (
        owned_by(person, context.clock.now().date())
        & or_(
            entries.c.organisation_id == person.organisation_id, stands_behind(person)
        )
        & (entries.c.state == EntryState.PUBLISHED)
        & (entries.c.valid_until <= last_day)
    )
    async with context.database.read() as tx:
        return await list_entries(
            tx,
            context.address,
            where=where,
            order_by=[entries.c.valid_until, entries.c.id],
            limit=limit,
        )
