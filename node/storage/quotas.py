"""How much of our storage one partner fills, for its quotas (SPEC FED-133)."""

from datetime import datetime

from sqlalchemy import bindparam, func, select

from node.storage.database import Transaction
from node.storage.tables import processed_activities, received_entries

_REMEMBERED = (
    select(func.count())
    .select_from(received_entries)
    .where(received_entries.c.partner_id == bindparam("of_partner"))
)
_ACTIVITIES = (
    select(func.count())
    .select_from(processed_activities)
    .where(
        processed_activities.c.partner_id == bindparam("of_partner"),
        processed_activities.c.at > bindparam("since"),
    )
)


async def count_remembered(tx: Transaction, partner_id: str) -> int:
    """Count the entries of a partner that we remember in any form."""
    number = await tx.scalar(_REMEMBERED, {"of_partner": partner_id})
    return int(number or 0)


async def count_activities(tx: Transaction, partner_id: str, *, since: datetime) -> int:
    """Count the single activities of a partner that took effect since then."""
    number = await tx.scalar(_ACTIVITIES, {"of_partner": partner_id, "since": since})
    return int(number or 0)
