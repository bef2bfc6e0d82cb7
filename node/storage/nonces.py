"""What was seen before: nonces of request signatures, ids of activities.

Both are written in the transaction that carries the effect of the request, so
that a request which fails leaves no trace and may be sent again.
"""

from datetime import datetime

from sqlalchemy import bindparam, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.trust import TrustAction
from node.storage.database import Transaction
from node.storage.prepared import Prepared
from node.storage.tables import messages, processed_activities, seen_nonces

_NONCE = Prepared(
    select(seen_nonces.c.nonce).where(
        seen_nonces.c.key_id == bindparam("by_key"),
        seen_nonces.c.nonce == bindparam("this_nonce"),
    )
)
_PROCESSED = Prepared(
    select(
        or_(
            exists().where(
                processed_activities.c.activity_id == bindparam("this_activity")
            ),
            exists().where(messages.c.activity_id == bindparam("this_activity")),
        ).label("before"),
        select(func.count())
        .select_from(processed_activities)
        .where(
            processed_activities.c.partner_id == bindparam("of_partner"),
            processed_activities.c.at > bindparam("since"),
        )
        .scalar_subquery()
        .label("recent"),
    )
)
# What could change nothing if it came again; see `forget_processed`.
_FORGETTABLE = sorted(
    action.value
    for action in (
        TrustAction.MESSAGE,
        TrustAction.NOTICE_ACCEPT,
        TrustAction.NOTICE_REJECT,
    )
)
_ADD_NONCE = {
    "postgresql": Prepared(postgres_insert(seen_nonces).on_conflict_do_nothing()),
    "sqlite": Prepared(sqlite_insert(seen_nonces).on_conflict_do_nothing()),
}
_ADD_PROCESSED = {
    "postgresql": Prepared(
        postgres_insert(processed_activities).on_conflict_do_nothing()
    ),
    "sqlite": Prepared(sqlite_insert(processed_activities).on_conflict_do_nothing()),
}


async def has_nonce(tx: Transaction, key_id: str, nonce: str) -> bool:
    """Tell whether a pair was seen within its window."""
    found = await tx.record(_NONCE, {"by_key": key_id, "this_nonce": nonce})
    return found is not None


async def add_nonce(
    tx: Transaction, key_id: str, nonce: str, expires_at: datetime
) -> bool:
    """Remember a pair.

    Returns:
        False if it was there already; then nothing was written.
    """
    written = await tx.change(
        _ADD_NONCE[tx.dialect_name],
        {"key_id": key_id, "nonce": nonce, "expires_at": expires_at},
    )
    return written == 1


async def forget_expired(tx: Transaction, *, now: datetime) -> int:
    """Forget pairs whose window is over; return how many."""
    result = await tx.execute(delete(seen_nonces).where(seen_nonces.c.expires_at < now))
    return int(result.rowcount)


async def processed_before(
    tx: Transaction, activity_id: str, *, partner_id: str, since: datetime
) -> tuple[bool, int]:
    """Tell whether an activity took effect before, and how many others have.

    A message is remembered by itself, also when its line here has been forgotten.

    Args:
        tx: The transaction of the effect.
        activity_id: The activity.
        partner_id: Whose it is.
        since: Whose single activities are counted from then on.
    """
    row = await tx.record(
        _PROCESSED,
        {"this_activity": activity_id, "of_partner": partner_id, "since": since},
    )
    return (False, 0) if row is None else (bool(row.before), int(row.recent))


async def add_processed(
    tx: Transaction, activity_id: str, *, partner_id: str, at: datetime, kind: str = ""
) -> bool:
    """Note that an activity takes effect in this transaction.

    Args:
        tx: The transaction of the effect.
        activity_id: The activity.
        partner_id: Whose it is.
        at: The time.
        kind: What it wanted; see `forget_processed`.

    Returns:
        False if it did so before: the caller answers as then, without effect.
    """
    written = await tx.change(
        _ADD_PROCESSED[tx.dialect_name],
        {
            "activity_id": activity_id,
            "partner_id": partner_id,
            "at": at,
            "kind": kind,
        },
    )
    return written == 1


async def forget_processed(tx: Transaction, *, before: datetime) -> int:
    """Forget activities that could change nothing if they came again.

    A message stands in the conversation under its id. A confirmation or refusal
    names a request of ours, and has no effect once that request is answered. What
    ends a partnership or changes keys names only us, so its id stays for ever.

    Args:
        tx: The transaction.
        before: What took effect earlier is forgotten.

    Returns:
        How many were forgotten.
    """
    result = await tx.execute(
        delete(processed_activities).where(
            processed_activities.c.at < before,
            processed_activities.c.kind.in_(_FORGETTABLE),
        )
    )
    return int(result.rowcount)
