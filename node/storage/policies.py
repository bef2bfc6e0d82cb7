"""Policy sheets in the database: every version that ever counted; only added to.

The ones that count now stand with the partner (`node.storage.partners`), so that a
rule needs no further query. Source: SPEC.md VIS-082.
"""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, func, insert, or_, select, true

from federation.trust import ESTABLISHED
from node.storage.database import Transaction
from node.storage.tables import partner_policies, partners, persons
from node.visibility.policy import Direction, PolicySheet, from_document, to_document

_STATES = sorted(state.value for state in ESTABLISHED)


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """One version of a sheet: what, when, by whom and why.

    Attributes:
        version: Counted from 1, for each partner and direction.
        author_name: None for what the node did by itself.
        reason: In the office's words; None for what the node did by itself.
    """

    direction: Direction
    version: int
    sheet: PolicySheet
    at: datetime
    author_name: str | None
    reason: str | None


async def add_version(
    tx: Transaction,
    partner_id: str,
    direction: Direction,
    sheet: PolicySheet,
    *,
    at: datetime,
    author_id: str | None,
    reason: str | None,
) -> int:
    """Add a version behind those that are there; return its number.

    The caller has locked the partner's row and changes the sheet there, too.
    """
    newest = await tx.scalar(
        select(func.max(partner_policies.c.version)).where(
            partner_policies.c.partner_id == partner_id,
            partner_policies.c.direction == direction.value,
        )
    )
    version = int(newest or 0) + 1
    await tx.execute(
        insert(partner_policies).values(
            partner_id=partner_id,
            direction=direction.value,
            version=version,
            sheet=to_document(sheet),
            reason=reason,
            author_id=author_id,
            at=at,
            valid_until=sheet.valid_until,
        )
    )
    return version


async def list_versions(tx: Transaction, partner_id: str) -> list[PolicyVersion]:
    """Load every version of both sheets, the latest first."""
    rows = await tx.all(
        select(partner_policies, persons.c.name.label("author_name"))
        .outerjoin(persons, persons.c.id == partner_policies.c.author_id)
        .where(partner_policies.c.partner_id == partner_id)
        .order_by(
            partner_policies.c.at.desc(),
            partner_policies.c.version.desc(),
            partner_policies.c.direction.desc(),
        )
    )
    return [
        PolicyVersion(
            direction=Direction(row.direction),
            version=row.version,
            sheet=from_document(row.sheet),
            at=row.at,
            author_name=row.author_name,
            reason=row.reason,
        )
        for row in rows
    ]


async def partners_past_end(tx: Transaction, today: date) -> list[str]:
    """Ids of the partners of whom a sheet's last day is over."""
    rows = await tx.all(
        select(partners.c.id)
        .where(
            partners.c.state.in_(_STATES),
            or_(
                partners.c.policy_out_until < today,
                partners.c.policy_in_until < today,
            ),
        )
        .order_by(partners.c.id)
    )
    return [row.id for row in rows]


async def partners_ending(
    tx: Transaction, last: date, *, not_reminded: bool = False
) -> list[str]:
    """Ids of the partners of whom a sheet ends by a day.

    With `not_reminded`, only of those of whose end the office was not told yet.
    """
    told = partners.c.policy_reminded_until
    ends = []
    for until in (partners.c.policy_out_until, partners.c.policy_in_until):
        is_new = or_(told.is_(None), until > told) if not_reminded else true()
        ends.append(and_(until <= last, is_new))
    rows = await tx.all(
        select(partners.c.id)
        .where(partners.c.state.in_(_STATES), or_(*ends))
        .order_by(partners.c.id)
    )
    return [row.id for row in rows]


async def partners_with_retention(tx: Transaction) -> list[str]:
    """Ids of the partners whose content stays for so many days only."""
    rows = await tx.all(
        select(partners.c.id)
        .where(partners.c.in_retention_days.is_not(None))
        .order_by(partners.c.id)
    )
    return [row.id for row in rows]
