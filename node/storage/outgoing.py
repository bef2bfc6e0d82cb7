"""Single activities on their way to a partner, in order, without their content.

The document is built when it is sent, from the message or the notice that it is
about; a row only says that it has to be sent, and when it was confirmed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, case, func, insert, or_, select, update

from federation.trust import PERMITTED, TrustAction
from node.storage.database import Transaction
from node.storage.tables import outgoing_activities, partners


class ActivityKind(StrEnum):
    """What a single activity says."""

    MESSAGE = "message"
    ACCEPT = "accept"
    REJECT = "reject"
    LEAVE = "leave"
    ACTOR = "actor"
    """What has changed about ourselves; its subject is our actor."""
    REVOCATION = "revocation"
    """The same, signed by a key that says of itself that it is revoked; its subject
    is the key."""
    MOVE = "move"
    """That we are at another address now; its subject is our actor there."""
    MOVE_CONFIRMED = "move-confirmed"
    """Our office has confirmed a partner's move; its subject is the announcement."""
    MOVE_REFUSED = "move-refused"
    """Our office has refused it; the subject is the announcement."""


_FIRST = {
    ActivityKind.REVOCATION.value: 0,
    ActivityKind.ACTOR.value: 1,
    ActivityKind.MOVE.value: 2,
}
_TELLS_MOVE = sorted(
    state.value
    for state, permitted in PERMITTED.items()
    if state is not None and TrustAction.ANNOUNCE_MOVE in permitted
)


@dataclass(frozen=True, slots=True)
class OutgoingActivity:
    """One activity that a partner has to get.

    Attributes:
        activity_id: Its id on the wire; the same at every attempt.
        seq: Position among the partner's single activities.
        subject: Id of the message, or what it is about.
        refused_reason: Why the partner will never take it, in its own words.
    """

    activity_id: str
    partner_id: str
    seq: int
    kind: ActivityKind
    subject: str
    created_at: datetime
    delivered_at: datetime | None = None
    refused_reason: str | None = None


def _outgoing(row: Row[Any]) -> OutgoingActivity:
    return OutgoingActivity(
        activity_id=row.activity_id,
        partner_id=row.partner_id,
        seq=row.seq,
        kind=ActivityKind(row.kind),
        subject=row.subject,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
        refused_reason=row.refused_reason,
    )


async def queue_activity(
    tx: Transaction,
    partner_id: str,
    *,
    kind: ActivityKind,
    subject: str,
    activity_id: str,
    at: datetime,
) -> OutgoingActivity:
    """Queue an activity behind those that the partner already has to get.

    The position is taken from the partner's own row, which PostgreSQL locks until
    the commit, so that positions appear in the order of the commits.
    """
    seq: int = await tx.scalar(
        update(partners)
        .where(partners.c.id == partner_id)
        .values(activity_seq=partners.c.activity_seq + 1)
        .returning(partners.c.activity_seq)
    )
    await tx.execute(
        insert(outgoing_activities).values(
            activity_id=activity_id,
            partner_id=partner_id,
            seq=seq,
            kind=kind.value,
            subject=subject,
            created_at=at,
        )
    )
    return OutgoingActivity(
        activity_id=activity_id,
        partner_id=partner_id,
        seq=seq,
        kind=kind,
        subject=subject,
        created_at=at,
    )


async def next_undelivered(tx: Transaction, partner_id: str) -> OutgoingActivity | None:
    """Load the activity that has to be sent now, None if there is none.

    A revocation comes first: whatever else is said about ourselves may have waited
    longer, and may need a key that the partner does not know. Then comes what has
    changed about ourselves: a partner may need a new key to believe the rest. A
    `leave` waits until the partner has confirmed every withdrawal: afterwards it
    takes nothing from us any more. Of a move only a standing partner is told; in
    another state the announcement holds up nothing.
    """
    queued = outgoing_activities.c
    everything_confirmed = select(partners.c.id).where(
        partners.c.id == partner_id, partners.c.acked_seq >= partners.c.head_seq
    )
    is_partner = select(partners.c.id).where(
        partners.c.id == partner_id, partners.c.state.in_(_TELLS_MOVE)
    )
    statement = (
        select(outgoing_activities)
        .where(
            queued.partner_id == partner_id,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
            or_(queued.kind != ActivityKind.LEAVE.value, everything_confirmed.exists()),
            or_(queued.kind != ActivityKind.MOVE.value, is_partner.exists()),
        )
        .order_by(case(_FIRST, value=queued.kind, else_=len(_FIRST)))
        .order_by(queued.seq)
        .limit(1)
    )
    row = await tx.one_or_none(statement)
    return None if row is None else _outgoing(row)


async def find_own_activity(
    tx: Transaction, partner_id: str, activity_id: str
) -> OutgoingActivity | None:
    """Load what a partner was sent, or is to be sent, by its id on the wire."""
    row = await tx.one_or_none(
        select(outgoing_activities).where(
            outgoing_activities.c.activity_id == activity_id,
            outgoing_activities.c.partner_id == partner_id,
        )
    )
    return None if row is None else _outgoing(row)


async def latest_of_kind(
    tx: Transaction, kind: ActivityKind
) -> dict[str, OutgoingActivity]:
    """Load the newest activity of one kind for each partner that has one."""
    rows = await tx.all(
        select(outgoing_activities)
        .where(outgoing_activities.c.kind == kind.value)
        .order_by(outgoing_activities.c.partner_id, outgoing_activities.c.seq)
    )
    return {row.partner_id: _outgoing(row) for row in rows}


async def undelivered_of_kind(
    tx: Transaction, kind: ActivityKind
) -> list[OutgoingActivity]:
    """List what no partner has confirmed yet, of one kind, in the order of sending."""
    queued = outgoing_activities.c
    rows = await tx.all(
        select(outgoing_activities)
        .where(
            queued.kind == kind.value,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
        )
        .order_by(queued.partner_id, queued.seq)
    )
    return [_outgoing(row) for row in rows]


async def undelivered_by_partner(tx: Transaction) -> dict[str, int]:
    """Count what partners have not confirmed yet; one with nothing is left out."""
    queued = outgoing_activities.c
    rows = await tx.all(
        select(queued.partner_id, func.count().label("number"))
        .where(queued.delivered_at.is_(None), queued.refused_reason.is_(None))
        .group_by(queued.partner_id)
    )
    return {row.partner_id: row.number for row in rows}


async def count_undelivered(tx: Transaction, partner_id: str) -> int:
    """Count what the partner has not confirmed yet."""
    queued = outgoing_activities.c
    value = await tx.scalar(
        select(func.count())
        .select_from(outgoing_activities)
        .where(
            queued.partner_id == partner_id,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
        )
    )
    return int(value or 0)


async def partners_with_undelivered(tx: Transaction) -> list[str]:
    """List the partners that have to get an activity."""
    queued = outgoing_activities.c
    rows = await tx.all(
        select(queued.partner_id)
        .where(queued.delivered_at.is_(None), queued.refused_reason.is_(None))
        .distinct()
        .order_by(queued.partner_id)
    )
    return [row.partner_id for row in rows]


async def mark_delivered(tx: Transaction, activity_id: str, *, at: datetime) -> bool:
    """Note the partner's confirmation; False if it was noted before."""
    queued = outgoing_activities.c
    result = await tx.execute(
        update(outgoing_activities)
        .where(queued.activity_id == activity_id, queued.delivered_at.is_(None))
        .values(delivered_at=at, refused_reason=None)
    )
    return int(result.rowcount) == 1


async def mark_refused(tx: Transaction, activity_id: str, *, reason: str) -> None:
    """Note that the partner will never take this activity, and why."""
    await tx.execute(
        update(outgoing_activities)
        .where(
            outgoing_activities.c.activity_id == activity_id,
            outgoing_activities.c.delivered_at.is_(None),
        )
        .values(refused_reason=reason[:300])
    )


async def drop_undelivered(tx: Transaction, partner_id: str) -> int:
    """Give up what a partner that has left will never take; return how many."""
    queued = outgoing_activities.c
    result = await tx.execute(
        update(outgoing_activities)
        .where(
            queued.partner_id == partner_id,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
        )
        .values(refused_reason="The partnership has ended.")
    )
    return int(result.rowcount)


async def list_undelivered(tx: Transaction, partner_id: str) -> list[str]:
    """List the ids of what the partner has not confirmed yet."""
    queued = outgoing_activities.c
    rows = await tx.all(
        select(queued.activity_id)
        .where(
            queued.partner_id == partner_id,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
        )
        .order_by(queued.seq)
    )
    return [row.activity_id for row in rows]


async def queue_again(tx: Transaction, activity_ids: Collection[str]) -> None:
    """Undo `drop_undelivered` for some activities."""
    queued = outgoing_activities.c
    await tx.execute(
        update(outgoing_activities)
        .where(
            queued.activity_id.in_(sorted(activity_ids)),
            queued.delivered_at.is_(None),
        )
        .values(refused_reason=None)
    )


async def give_up(
    tx: Transaction, partner_id: str, *, kind: ActivityKind, reason: str
) -> None:
    """Give up undelivered activities of one kind; the others stay queued."""
    queued = outgoing_activities.c
    await tx.execute(
        update(outgoing_activities)
        .where(
            queued.partner_id == partner_id,
            queued.kind == kind.value,
            queued.delivered_at.is_(None),
            queued.refused_reason.is_(None),
        )
        .values(refused_reason=reason[:300])
    )
