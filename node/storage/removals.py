"""How much of what a partner was asked to remove it has confirmed."""

from dataclasses import dataclass

from sqlalchemy import func, select

from node.storage.database import Transaction
from node.storage.ledger import UPSERT
from node.storage.tables import disclosures


@dataclass(frozen=True, slots=True)
class Removals:
    """What a partner was asked to remove; as text `confirmed/asked`."""

    asked: int
    confirmed: int

    def written(self) -> str:
        """Write it for a step of the history."""
        return f"{self.confirmed}/{self.asked}"

    @classmethod
    def read(cls, text: str) -> "Removals | None":
        """Read what a step of the history says; None if it says nothing."""
        confirmed, slash, asked = text.partition("/")
        if not (slash and confirmed.isdecimal() and asked.isdecimal()):
            return None
        return cls(int(asked), int(confirmed))


async def count_removals(tx: Transaction, partner_id: str) -> Removals:
    """Count the withdrawals and deletions of a partner's ledger."""
    row = await tx.one_or_none(
        select(
            func.count().label("asked"),
            func.count(disclosures.c.acknowledged_at).label("confirmed"),
        )
        .select_from(disclosures)
        .where(disclosures.c.partner_id == partner_id, disclosures.c.op != UPSERT)
    )
    return Removals(0, 0) if row is None else Removals(row.asked, row.confirmed)
