"""Groups of own members in the database (SPEC VIS-070)."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from node.members.groups import Group
from node.storage.database import Transaction
from node.storage.tables import (
    entries,
    group_organisations,
    groups,
    organisations,
)


async def list_groups(
    tx: Transaction, *, organisation_id: str | None = None
) -> list[Group]:
    """Load groups by name, all or those of one organisation."""
    statement = select(groups).order_by(func.lower(groups.c.name), groups.c.id)
    if organisation_id is not None:
        statement = statement.join(
            group_organisations, group_organisations.c.group_id == groups.c.id
        ).where(group_organisations.c.organisation_id == organisation_id)
    rows = await tx.all(statement)
    members = await members_of_groups(tx, [row.id for row in rows])
    return [Group(row.id, row.name, members.get(row.id, frozenset())) for row in rows]


async def find_group(tx: Transaction, reference: str) -> Group | None:
    """Load a group by its id or its name."""
    wanted = reference.strip()
    row = await tx.one_or_none(
        select(groups)
        .where((groups.c.id == wanted) | (func.lower(groups.c.name) == wanted.lower()))
        .order_by((groups.c.id == wanted).desc())
        .limit(1)
    )
    if row is None:
        return None
    members = await members_of_groups(tx, [row.id])
    return Group(row.id, row.name, members.get(row.id, frozenset()))


async def members_of_groups(
    tx: Transaction, group_ids: Collection[str]
) -> Mapping[str, frozenset[str]]:
    """Ids of the organisations of some groups."""
    found: dict[str, set[str]] = {}
    if not group_ids:
        return {}
    links = group_organisations
    for row in await tx.all(select(links).where(links.c.group_id.in_(group_ids))):
        found.setdefault(row.group_id, set()).add(row.organisation_id)
    return {group_id: frozenset(ids) for group_id, ids in found.items()}


async def insert_group(
    tx: Transaction, group: Group, *, at: datetime, by: str | None
) -> None:
    """Insert a group with its organisations."""
    await tx.execute(
        insert(groups).values(
            id=group.id, name=group.name, created_at=at, created_by=by
        )
    )
    await _add(tx, group.id, group.organisation_ids)


async def update_group(tx: Transaction, group: Group) -> None:
    """Give a group its name and its organisations."""
    await tx.execute(
        update(groups).where(groups.c.id == group.id).values(name=group.name)
    )
    links = group_organisations
    await tx.execute(delete(links).where(links.c.group_id == group.id))
    await _add(tx, group.id, group.organisation_ids)


async def delete_group(tx: Transaction, group_id: str) -> None:
    """Remove a group; what was for it is for nobody else from now on."""
    await tx.execute(
        update(entries).where(entries.c.group_id == group_id).values(group_id=None)
    )
    links = group_organisations
    await tx.execute(delete(links).where(links.c.group_id == group_id))
    await tx.execute(delete(groups).where(groups.c.id == group_id))


async def known_organisations(
    tx: Transaction, organisation_ids: Collection[str]
) -> frozenset[str]:
    """Return which of these ids are organisations of ours."""
    rows = await tx.all(
        select(organisations.c.id).where(organisations.c.id.in_(organisation_ids))
    )
    return frozenset(row.id for row in rows)


async def _add(
    tx: Transaction, group_id: str, organisation_ids: Collection[str]
) -> None:
    for organisation_id in sorted(organisation_ids):
        await tx.execute(
            insert(group_organisations).values(
                group_id=group_id, organisation_id=organisation_id
            )
        )
