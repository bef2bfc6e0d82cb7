"""How much of our storage one partner fills, for its quotas (SPEC FED-133)."""

from sqlalchemy import bindparam, func, select

from node.storage.database import Transaction
from node.storage.tables import received_entries

_REMEMBERED = (
    select(func.count())
    .select_from(received_entries)
    .where(received_entries.c.partner_id == bindparam("of_partner"))
)


async def count_remembered(tx: Transaction, partner_id: str) -> int:
    """Count the entries of a partner that we remember in any form."""
    number = await tx.scalar(_REMEMBERED, {"of_partner": partner_id})
    return int(number or 0)
