"""What is known of the members of partner clusters (SPEC VIS-072)."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, exists, func, insert, select

from node.catalogue.model import ReceivedState
from node.members.identifiers import Known
from node.partners.known_members import KnownMember
from node.storage.database import Transaction
from node.storage.tables import (
    entry_excluded_identifiers,
    entry_hosting_partners,
    partner_member_identifiers,
    partner_members,
    received_entries,
)


def _member(row: Row[Any]) -> KnownMember:
    return KnownMember(
        id=row.id,
        partner_id=row.partner_id,
        known=Known(
            name=row.name,
            vat_id=row.vat_id,
            register_id=row.register_id,
            domains=tuple(row.domains),
        ),
        entry_uri=row.entry_uri,
        noted_at=row.noted_at,
    )


async def put_member(
    tx: Transaction, member: KnownMember, *, by: str | None = None
) -> None:
    """Write down a member of a partner; the same profile takes the place of its own."""
    if member.entry_uri is not None:
        await _delete(
            tx,
            (partner_members.c.partner_id == member.partner_id)
            & (partner_members.c.entry_uri == member.entry_uri),
        )
    known = member.known
    await tx.execute(
        insert(partner_members).values(
            id=member.id,
            partner_id=member.partner_id,
            entry_uri=member.entry_uri,
            name=known.name,
            vat_id=known.vat_id,
            register_id=known.register_id,
            domains=list(known.domains),
            noted_at=member.noted_at,
            noted_by=by,
        )
    )
    for identifier in sorted(known.identifiers):
        await tx.execute(
            insert(partner_member_identifiers).values(
                member_id=member.id, identifier=identifier
            )
        )


async def forget_profiles(tx: Transaction, partner_id: str) -> None:
    """Forget the members that only profiles named whose copies are gone."""
    copies = received_entries
    await _delete(
        tx,
        (partner_members.c.partner_id == partner_id)
        & partner_members.c.entry_uri.is_not(None)
        & ~exists(
            select(copies.c.id).where(
                copies.c.partner_id == partner_members.c.partner_id,
                copies.c.entry_uri == partner_members.c.entry_uri,
                copies.c.state == ReceivedState.PRESENT.value,
            )
        ),
    )


async def _delete(tx: Transaction, where: ColumnElement[bool]) -> None:
    gone = select(partner_members.c.id).where(where)
    theirs = partner_member_identifiers
    await tx.execute(delete(theirs).where(theirs.c.member_id.in_(gone)))
    await tx.execute(delete(partner_members).where(where))


async def forget_member(tx: Transaction, member: KnownMember) -> None:
    """Forget a member that our office noted, and what was found by it alone."""
    await _delete(tx, partner_members.c.id == member.id)
    theirs = partner_member_identifiers
    hosting, wanted = entry_hosting_partners, entry_excluded_identifiers
    same = (wanted.c.entry_id == hosting.c.entry_id) & (
        wanted.c.number == hosting.c.number
    )
    by_it = exists(
        select(wanted.c.entry_id).where(
            same, wanted.c.identifier.in_(sorted(member.known.identifiers))
        )
    )
    by_another = exists(
        select(wanted.c.entry_id)
        .join(theirs, theirs.c.identifier == wanted.c.identifier)
        .join(partner_members, partner_members.c.id == theirs.c.member_id)
        .where(same, partner_members.c.partner_id == member.partner_id)
    )
    await tx.execute(
        delete(hosting).where(
            hosting.c.partner_id == member.partner_id, by_it, ~by_another
        )
    )


async def list_members(tx: Transaction, partner_id: str) -> list[KnownMember]:
    """Load what is known of a partner's members, by name."""
    rows = await tx.all(
        select(partner_members)
        .where(partner_members.c.partner_id == partner_id)
        .order_by(func.lower(partner_members.c.name), partner_members.c.id)
    )
    return [_member(row) for row in rows]


async def names_by_partner(
    tx: Transaction, partner_ids: Collection[str]
) -> dict[str, list[str]]:
    """Names of the members that are known, by partner."""
    found: dict[str, list[str]] = {partner_id: [] for partner_id in partner_ids}
    for row in await tx.all(
        select(partner_members.c.partner_id, partner_members.c.name).where(
            partner_members.c.partner_id.in_(partner_ids)
        )
    ):
        found[row.partner_id].append(row.name)
    return found
