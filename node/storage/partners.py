"""Partners, their history and invitations in the database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from federation.ids import BaseUrl
from federation.key_changes import SuspensionReason
from federation.peers import KnownPeer, PinnedKey
from federation.retry import CHECK_WAIT_MAX, RETRY_WAIT_MAX
from federation.trust import TrustState
from node.erasure.decisions import of_partner
from node.partners.model import (
    HandshakeRole,
    Invitation,
    Partner,
    PartnerEvent,
    PartnerKey,
    public_key,
)
from node.storage.database import Transaction
from node.storage.partner_keys import keys_in_force, store_keys
from node.storage.prepared import Prepared, Record
from node.storage.tables import (
    disclosures,
    invitations,
    outgoing_activities,
    partner_days,
    partner_events,
    partner_keys,
    partner_leases,
    partner_policies,
    partners,
    persons,
)
from node.visibility.policy import (
    PolicySheet,
    Preset,
    from_document,
    to_document,
)

# What is so once a partner has answered: nothing is in the way any more.
REACHED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "attempts": 0,
        "next_attempt_at": None,
        "failing_since": None,
        "last_error": None,
        "problem_code": None,
    }
)
_MICROSECOND = timedelta(microseconds=1)
_IDS_AT_ONCE = 500  # in one query
_CONVERTED = frozenset(
    {
        "state",
        "role",
        "capabilities",
        "suspended_from",
        "suspended_because",
        "former_urls",
        "policy_out",
        "policy_in",
    }
)
# What is read out of the policy sheets (`_columns`).
_DERIVED = frozenset(
    {
        "policy_out_until",
        "policy_in_until",
        "in_lease_days",
        "in_retention_days",
    }
)
# Columns of `partners` that have the name of an attribute and need no conversion.
_PLAIN = tuple(
    column.name
    for column in partners.c
    if column.name not in {*_CONVERTED, *_DERIVED, "activity_seq"}
)
_COLUMNS = tuple(column.name for column in partners.c)
_ONE = select(partners).where(partners.c.id == bindparam("partner_id"))
_BY_ID = Prepared(_ONE)
_BY_ID_LOCKED = Prepared(_ONE.with_for_update())
_BY_BASE_URL = Prepared(
    select(partners).where(partners.c.base_url == bindparam("base_url"))
)
_ALL_KEYS = partner_keys.alias()
_PEER_BY_KEY_ID = Prepared(
    select(
        partners.c.id,
        partners.c.base_url,
        partners.c.actor_id,
        partners.c.state,
        partners.c.former_urls,
        _ALL_KEYS.c.key_id,
        _ALL_KEYS.c.multibase,
        _ALL_KEYS.c.expires,
        _ALL_KEYS.c.revoked,
    )
    .join(partner_keys, partner_keys.c.partner_id == partners.c.id)
    .join(_ALL_KEYS, _ALL_KEYS.c.partner_id == partners.c.id)
    .where(
        partner_keys.c.key_id == bindparam("key_id"),
        partner_keys.c.replaced_at.is_(None),
        _ALL_KEYS.c.replaced_at.is_(None),
    )
    .order_by(_ALL_KEYS.c.position)
)
_CHANGE = Prepared(update(partners).where(partners.c.id == bindparam("changed_id")))


async def _partners(tx: Transaction, found: Sequence[Record]) -> list[Partner]:
    """Read rows, each with the keys that count for it."""
    keys = await keys_in_force(tx, [row.id for row in found])
    return [_partner(row, keys[row.id]) for row in found]


async def _one(
    tx: Transaction, statement: Prepared, **parameters: str
) -> Partner | None:
    row = await tx.record(statement, parameters)
    return None if row is None else (await _partners(tx, [row]))[0]


def _partner(row: Record, keys: tuple[PartnerKey, ...]) -> Partner:
    # By position: reading forty attributes takes longer than the query.
    columns = dict(zip(_COLUMNS, row, strict=True))
    values = {name: columns[name] for name in _PLAIN}
    before, because = row.suspended_from, row.suspended_because
    return Partner(
        state=TrustState(row.state),
        role=HandshakeRole(row.role),
        keys=keys,
        capabilities=tuple(row.capabilities),
        former_urls=tuple(row.former_urls),
        suspended_from=None if before is None else TrustState(before),
        suspended_because=None if because is None else SuspensionReason(because),
        policy_out=from_document(row.policy_out),
        policy_in=from_document(row.policy_in),
        **values,
    )


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    for name in columns.keys() & _CONVERTED:
        value = columns[name]
        if isinstance(value, Enum):
            columns[name] = value.value
        elif isinstance(value, tuple):
            columns[name] = list(value)
        elif isinstance(value, PolicySheet):
            columns[name] = to_document(value)
            columns[f"{name}_until"] = value.valid_until
            if name == "policy_in":
                columns["in_lease_days"] = value.lease_days
                columns["in_retention_days"] = value.retention_days
    return columns


async def load_partner(tx: Transaction, partner_id: str) -> Partner | None:
    """Load one partner by our own id of it."""
    return await _one(tx, _BY_ID, partner_id=partner_id)


async def load_partners(tx: Transaction, partner_ids: Collection[str]) -> list[Partner]:
    """Load a few partners by our own ids of them, in no order."""
    if not partner_ids:
        return []
    chosen = select(partners).where(partners.c.id.in_(sorted(partner_ids)))
    return await _partners(tx, await tx.all(chosen))


async def lock_partner(tx: Transaction, partner_id: str) -> Partner | None:
    """Load one partner and keep others from changing it until the commit.

    SQLite has a single writer and needs no lock.
    """
    statement = _BY_ID_LOCKED if tx.dialect_name == "postgresql" else _BY_ID
    return await _one(tx, statement, partner_id=partner_id)


async def lock_partners(
    tx: Transaction,
    states: Collection[TrustState],
    *,
    or_told: str | None = None,
) -> list[Partner]:
    """Load the partners in some states, each locked, in the order of their ids.

    The order is the same for everybody, so that no two transactions wait for each
    other's rows.

    Args:
        tx: The caller's transaction.
        states: Where a partnership stands.
        or_told: Id of an entry: also whoever is in its ledger, in whatever state.
    """
    where: ColumnElement[bool] = partners.c.state.in_(
        sorted(state.value for state in states)
    )
    if or_told is not None:
        in_ledger = select(disclosures.c.partner_id).where(
            disclosures.c.entry_id == or_told
        )
        where |= partners.c.id.in_(in_ledger)
    statement = select(partners).where(where).order_by(partners.c.id)
    if tx.dialect_name == "postgresql":
        statement = statement.with_for_update()
    return await _partners(tx, await tx.all(statement))


async def find_by_base_url(tx: Transaction, base_url: str) -> Partner | None:
    """Load the partner with this address, whatever its state."""
    return await _one(tx, _BY_BASE_URL, base_url=base_url)


async def find_peer(tx: Transaction, key_id: str) -> KnownPeer | None:
    """Load what the protocol has to know of the partner that has a key."""
    rows = await tx.records(_PEER_BY_KEY_ID, {"key_id": key_id})
    if not rows:
        return None
    first = rows[0]
    return KnownPeer(
        base_url=BaseUrl(first.base_url),
        actor_id=first.actor_id,
        keys=tuple(
            PinnedKey(
                row.key_id,
                public_key(row.multibase),
                expires=row.expires,
                revoked=row.revoked,
            )
            for row in rows
        ),
        partner_id=first.id,
        state=TrustState(first.state),
        former=tuple(first.former_urls),
    )


async def list_partners(
    tx: Transaction,
    states: Collection[TrustState] | None = None,
    *,
    where: ColumnElement[bool] | None = None,
    limit: int | None = None,
) -> list[Partner]:
    """Load partners in the order of their names; all, or those in some states.

    Args:
        tx: The caller's transaction.
        states: Where the partnerships stand.
        where: A further condition on `partners`.
        limit: At most so many.
    """
    statement = select(partners).order_by(partners.c.name, partners.c.id).limit(limit)
    if where is not None:
        statement = statement.where(where)
    if states is not None:
        statement = statement.where(
            partners.c.state.in_(sorted(state.value for state in states))
        )
    return await _partners(tx, await tx.all(statement))


async def count_partners(tx: Transaction, states: Collection[TrustState]) -> int:
    """Count the partners in some states."""
    number = await tx.scalar(
        select(func.count())
        .select_from(partners)
        .where(partners.c.state.in_(sorted(state.value for state in states)))
    )
    return int(number or 0)


async def list_perhaps_due(
    tx: Transaction,
    told: Collection[TrustState],
    *,
    now: datetime,
    epoch: str,
) -> list[Partner]:
    """Load the partners for whom there may be something to do now, by their names.

    It is asked every few seconds, so it reads no more than that: the caller decides
    about those who are left. Who waits for a later attempt is not among them.

    Args:
        tx: The caller's transaction.
        told: Where partnerships stand in which anything is compared or fetched.
        now: The time.
        epoch: Our present epoch.
    """
    mine, queued = partners.c, outgoing_activities.c
    undelivered = select(queued.partner_id).where(
        queued.delivered_at.is_(None), queued.refused_reason.is_(None)
    )
    asks = or_(
        mine.next_check_at.is_(None),
        mine.next_check_at <= now,
        mine.next_check_at > now + CHECK_WAIT_MAX,  # as `is_check_due` says
        mine.compared_epoch.is_distinct_from(epoch),
        mine.refetch_since.is_not(None),
    )
    # All of that is in one index; a row is read only if there may be something.
    statement = select(mine.id).where(
        is_attempt_due(now),
        or_(
            mine.head_seq > mine.acked_seq,
            mine.id.in_(undelivered),
            and_(mine.state.in_(sorted(state.value for state in told)), asks),
        ),
    )
    ids = [row.id for row in await tx.all(statement)]
    found = []
    for start in range(0, len(ids), _IDS_AT_ONCE):
        found += await load_partners(tx, ids[start : start + _IDS_AT_ONCE])
    return sorted(found, key=lambda partner: (partner.name, partner.id))


def is_attempt_due(now: datetime) -> ColumnElement[bool]:
    """Partners that may be tried now; the same as `federation.retry.is_due` says."""
    at = partners.c.next_attempt_at
    return or_(at.is_(None), at <= now, at > now + RETRY_WAIT_MAX)


async def insert_partner(tx: Transaction, partner: Partner) -> None:
    """Insert a new partner with everything it has, its keys included."""
    values = {name: getattr(partner, name) for name in (*_PLAIN, *sorted(_CONVERTED))}
    await tx.execute(insert(partners).values(**_columns(values), activity_seq=0))
    await store_keys(tx, partner.id, partner.keys, at=partner.created_at)
    tx.decide(of_partner(partner.id, values))


async def update_partner(
    tx: Transaction,
    partner_id: str,
    **values: Any,
) -> None:
    """Change columns of one partner, given as attributes of `Partner`."""
    await tx.change(_CHANGE, {"changed_id": partner_id, **_columns(values)})
    tx.decide(of_partner(partner_id, values))


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
        partner_leases.delete().where(partner_leases.c.partner_id == partner_id)
    )
    await tx.execute(
        partner_keys.delete().where(partner_keys.c.partner_id == partner_id)
    )
    await tx.execute(
        partner_days.delete().where(partner_days.c.partner_id == partner_id)
    )
    await tx.execute(
        partner_policies.delete().where(partner_policies.c.partner_id == partner_id)
    )
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
        preset=Preset(row.preset),
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
            preset=invitation.preset.value,
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
