"""Partners, their history and invitations in the database."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, insert, select, update

from federation.trust import TrustState
from node.partners.model import HandshakeRole, Invitation, Partner, PartnerEvent
from node.storage.database import Transaction
from node.storage.tables import (
    invitations,
    partner_events,
    partners,
    persons,
)

_MICROSECOND = timedelta(microseconds=1)
# Columns of `partners` that have the name of an attribute and need no conversion.
_PLAIN = tuple(
    column.name
    for column in partners.c
    if column.name not in {"state", "role", "activity_seq"}
)


def _partner(row: Row[Any]) -> Partner:
    values = {name: getattr(row, name) for name in _PLAIN}
    return Partner(state=TrustState(row.state), role=HandshakeRole(row.role), **values)


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    for name in ("state", "role"):
        if name in columns:
            columns[name] = columns[name].value
    return columns


async def load_partner(tx: Transaction, partner_id: str) -> Partner | None:
    """Load one partner by our own id of it."""
    row = await tx.one_or_none(select(partners).where(partners.c.id == partner_id))
    return None if row is None else _partner(row)


async def lock_partner(tx: Transaction, partner_id: str) -> Partner | None:
    """Load one partner and keep others from changing it until the commit.

    SQLite has a single writer and needs no lock.
    """
    statement = select(partners).where(partners.c.id == partner_id)
    if tx.dialect_name == "postgresql":
        statement = statement.with_for_update()
    row = await tx.one_or_none(statement)
    return None if row is None else _partner(row)


async def lock_partners(
    tx: Transaction, states: Collection[TrustState]
) -> list[Partner]:
    """Load the partners in some states, each locked, in the order of their ids.

    The order is the same for everybody, so that no two transactions wait for each
    other's rows.
    """
    statement = (
        select(partners)
        .where(partners.c.state.in_(sorted(state.value for state in states)))
        .order_by(partners.c.id)
    )
    if tx.dialect_name == "postgresql":
        statement = statement.with_for_update()
    return [_partner(row) for row in await tx.all(statement)]


async def find_by_base_url(tx: Transaction, base_url: str) -> Partner | None:
    """Load the partner with this address, whatever its state."""
    row = await tx.one_or_none(select(partners).where(partners.c.base_url == base_url))
    return None if row is None else _partner(row)


async def find_by_key_id(tx: Transaction, key_id: str) -> Partner | None:
    """Load the partner for which this key is pinned, whatever its state."""
    row = await tx.one_or_none(select(partners).where(partners.c.key_id == key_id))
    return None if row is None else _partner(row)


async def list_partners(
    tx: Transaction, states: Collection[TrustState] | None = None
) -> list[Partner]:
    """Load partners in the order of their names; all, or those in some states."""
    statement = select(partners).order_by(partners.c.name, partners.c.id)
    if states is not None:
        statement = statement.where(
            partners.c.state.in_(sorted(state.value for state in states))
        )
    return [_partner(row) for row in await tx.all(statement)]


async def insert_partner(tx: Transaction, partner: Partner) -> None:
    """Insert a new partner with everything it has."""
    values = {name: getattr(partner, name) for name in _PLAIN}
    await tx.execute(
        insert(partners).values(
            **values,
            state=partner.state.value,
            role=partner.role.value,
            activity_seq=0,
        )
    )


async def update_partner(
    tx: Transaction,
    partner_id: str,
    **values: Any,
) -> None:
    """Change columns of one partner; states and roles as their enums."""
    await tx.execute(
        update(partners).where(partners.c.id == partner_id).values(**_columns(values))
    )


async def close_position(tx: Transaction, partner_id: str) -> None:
    """Wait no longer for what the partner has not confirmed.

    The rows of the ledger stay unconfirmed; only nothing is sent any more.
    """
    await tx.execute(
        update(partners)
        .where(partners.c.id == partner_id)
        .values(acked_seq=partners.c.head_seq)
    )


async def delete_partner(tx: Transaction, partner_id: str) -> None:
    """Forget a partner that never was one: its history goes with it."""
    await tx.execute(
        partner_events.delete().where(partner_events.c.partner_id == partner_id)
    )
    await tx.execute(partners.delete().where(partners.c.id == partner_id))


async def add_event(
    tx: Transaction,
    *,
    event_id: str,
    partner_id: str,
    at: datetime,
    event: str,
    person_id: str | None,
    note: str | None,
) -> None:
    """Add a step to the history of a partnership, after all that are there.

    Steps of one transaction may have the same time; the order must still hold.
    """
    latest: datetime | None = await tx.scalar(
        select(partner_events.c.at)
        .where(partner_events.c.partner_id == partner_id)
        .order_by(partner_events.c.at.desc())
        .limit(1)
    )
    if latest is not None:
        at = max(at, latest + _MICROSECOND)
    await tx.execute(
        insert(partner_events).values(
            id=event_id,
            partner_id=partner_id,
            at=at,
            event=event,
            person_id=person_id,
            note=note,
        )
    )


async def list_events(tx: Transaction, partner_id: str) -> list[PartnerEvent]:
    """Load the history of a partnership, oldest first."""
    rows = await tx.all(
        select(partner_events, persons.c.name.label("person_name"))
        .outerjoin(persons, persons.c.id == partner_events.c.person_id)
        .where(partner_events.c.partner_id == partner_id)
        .order_by(partner_events.c.at, partner_events.c.id)
    )
    return [
        PartnerEvent(
            partner_id=row.partner_id,
            at=row.at,
            event=row.event,
            person_name=row.person_name,
            note=row.note,
        )
        for row in rows
    ]


def _invitation(row: Row[Any]) -> Invitation:
    return Invitation(
        id=row.id,
        secret=row.secret,
        public_id=row.public_id,
        group_hint=row.group_hint,
        created_at=row.created_at,
        expires_at=row.expires_at,
        note=row.note,
        used_at=row.used_at,
        revoked_at=row.revoked_at,
        partner_id=row.partner_id,
    )


async def insert_invitation(
    tx: Transaction, invitation: Invitation, *, created_by: str | None
) -> None:
    """Insert a new invitation."""
    await tx.execute(
        insert(invitations).values(
            id=invitation.id,
            secret=invitation.secret,
            public_id=invitation.public_id,
            group_hint=invitation.group_hint,
            note=invitation.note,
            created_by=created_by,
            created_at=invitation.created_at,
            expires_at=invitation.expires_at,
        )
    )


async def load_invitation(tx: Transaction, invitation_id: str) -> Invitation | None:
    """Load one invitation by its id."""
    row = await tx.one_or_none(
        select(invitations).where(invitations.c.id == invitation_id)
    )
    return None if row is None else _invitation(row)


async def find_invitation(tx: Transaction, public_id: str) -> Invitation | None:
    """Load the invitation that a partner request names."""
    row = await tx.one_or_none(
        select(invitations).where(invitations.c.public_id == public_id)
    )
    return None if row is None else _invitation(row)


async def lock_invitation(tx: Transaction, public_id: str) -> Invitation | None:
    """Like `find_invitation`, and keep others from using it until the commit."""
    statement = select(invitations).where(invitations.c.public_id == public_id)
    if tx.dialect_name == "postgresql":
        statement = statement.with_for_update()
    row = await tx.one_or_none(statement)
    return None if row is None else _invitation(row)


async def find_invitation_by_hint(
    tx: Transaction, group_hint: str
) -> Invitation | None:
    """Load the invitation whose code starts with this group."""
    row = await tx.one_or_none(
        select(invitations).where(invitations.c.group_hint == group_hint)
    )
    return None if row is None else _invitation(row)


async def list_invitations(tx: Transaction) -> list[Invitation]:
    """Load all invitations, newest first."""
    rows = await tx.all(
        select(invitations).order_by(invitations.c.created_at.desc(), invitations.c.id)
    )
    return [_invitation(row) for row in rows]


async def update_invitation(
    tx: Transaction,
    invitation_id: str,
    **values: Any,
) -> None:
    """Change columns of one invitation."""
    await tx.execute(
        update(invitations).where(invitations.c.id == invitation_id).values(**values)
    )


async def delete_last_event(tx: Transaction, partner_id: str, *, event: str) -> None:
    """Take the latest step of one kind out of the history again."""
    latest = await tx.scalar(
        select(partner_events.c.id)
        .where(
            partner_events.c.partner_id == partner_id, partner_events.c.event == event
        )
        .order_by(partner_events.c.at.desc())
        .limit(1)
    )
    await tx.execute(partner_events.delete().where(partner_events.c.id == latest))
