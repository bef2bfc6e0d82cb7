"""The ledger in the database: one current row for each (partner, entry).

Positions (`seq`) are per partner and dense in the order of commits: the head is
raised by an UPDATE … RETURNING on the partner's own row, which PostgreSQL locks
until the commit (a global sequence would let a reader skip rows).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from federation.version import Version
from node.storage.database import Transaction
from node.storage.tables import disclosures, partners, receipts

UPSERT = "upsert"
WITHDRAW = "withdraw"
DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The fact that a partner is to be, or was, told about an entry.

    Attributes:
        op: `upsert`, `withdraw` or `delete`.
        told_at: When a page first carried any version of it; None means that the
            partner has never heard of the entry.
        acknowledged_at: When the partner's receipt covered this row's position.
        refused_reason: Why the partner holds no copy, in its own words.
        held: The version that the partner's receipts prove it to hold.
        held_hash: Content hash of that version.
    """

    partner_id: str
    entry_id: str
    seq: int
    op: str
    version: Version
    form: str
    reason: str
    recorded_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None
    refused_reason: str | None
    held: Version | None
    held_hash: str | None
    receipt_id: str | None


def _disclosure(row: Row[Any]) -> Disclosure:
    return Disclosure(
        partner_id=row.partner_id,
        entry_id=row.entry_id,
        seq=row.seq,
        op=row.op,
        version=Version(row.incarnation, row.counter),
        form=row.form,
        reason=row.reason,
        recorded_at=row.recorded_at,
        told_at=row.told_at,
        acknowledged_at=row.acknowledged_at,
        refused_reason=row.refused_reason,
        held=None
        if row.held_counter is None
        else Version(row.held_incarnation, row.held_counter),
        held_hash=row.held_hash,
        receipt_id=row.receipt_id,
    )


async def next_seq(tx: Transaction, partner_id: str) -> int:
    """Raise the partner's head and return the new position."""
    seq: int = await tx.scalar(
        update(partners)
        .where(partners.c.id == partner_id)
        .values(head_seq=partners.c.head_seq + 1)
        .returning(partners.c.head_seq)
    )
    return seq


async def rows_of_entry(tx: Transaction, entry_id: str) -> dict[str, Disclosure]:
    """Current rows of one entry, by partner."""
    rows = await tx.all(select(disclosures).where(disclosures.c.entry_id == entry_id))
    return {row.partner_id: _disclosure(row) for row in rows}


async def rows_of_partner(tx: Transaction, partner_id: str) -> list[Disclosure]:
    """Current rows of one partner, in order."""
    rows = await tx.all(
        select(disclosures)
        .where(disclosures.c.partner_id == partner_id)
        .order_by(disclosures.c.seq)
    )
    return [_disclosure(row) for row in rows]


async def rows_after(
    tx: Transaction, partner_id: str, *, after: int, limit: int
) -> list[Disclosure]:
    """The next rows of one partner beyond a position, in order."""
    rows = await tx.all(
        select(disclosures)
        .where(disclosures.c.partner_id == partner_id, disclosures.c.seq > after)
        .order_by(disclosures.c.seq)
        .limit(limit)
    )
    return [_disclosure(row) for row in rows]


async def rows_between(
    tx: Transaction, partner_id: str, *, after: int, through: int
) -> list[Disclosure]:
    """The rows of one partner in a range of positions, in order."""
    rows = await tx.all(
        select(disclosures)
        .where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.seq > after,
            disclosures.c.seq <= through,
        )
        .order_by(disclosures.c.seq)
    )
    return [_disclosure(row) for row in rows]


async def move_to_head(tx: Transaction, row: Disclosure) -> int:
    """Give an unacknowledged row a new position behind all others."""
    seq = await next_seq(tx, row.partner_id)
    await tx.execute(
        update(disclosures)
        .where(
            disclosures.c.partner_id == row.partner_id,
            disclosures.c.entry_id == row.entry_id,
        )
        .values(seq=seq)
    )
    return seq


async def upserts_before_withdrawals(
    tx: Transaction, partner_id: str, *, after: int
) -> list[Disclosure]:
    """Waiting rows that stand before the last waiting withdrawal, in order."""
    mine = (disclosures.c.partner_id == partner_id) & (disclosures.c.seq > after)
    last = await tx.scalar(
        select(func.max(disclosures.c.seq)).where(mine, disclosures.c.op != UPSERT)
    )
    if last is None:
        return []
    rows = await tx.all(
        select(disclosures)
        .where(mine, disclosures.c.op == UPSERT, disclosures.c.seq < last)
        .order_by(disclosures.c.seq)
    )
    return [_disclosure(row) for row in rows]


async def write_row(  # noqa: PLR0913 - the row
    tx: Transaction,
    *,
    partner_id: str,
    entry_id: str,
    op: str,
    version: Version,
    form: str,
    reason: str,
    at: datetime,
    known: Disclosure | None,
) -> int:
    """Write or move the row of (partner, entry) to the head; return its position."""
    seq = await next_seq(tx, partner_id)
    values = {
        "seq": seq,
        "op": op,
        "incarnation": version.incarnation,
        "counter": version.counter,
        "form": form,
        "reason": reason,
        "recorded_at": at,
        "acknowledged_at": None,
        "refused_reason": None,
        # The receipt was for what this position said before.
        "receipt_id": None,
    }
    if known is None:
        await tx.execute(
            insert(disclosures).values(
                partner_id=partner_id, entry_id=entry_id, **values
            )
        )
    else:
        await tx.execute(
            update(disclosures)
            .where(
                disclosures.c.partner_id == partner_id,
                disclosures.c.entry_id == entry_id,
            )
            .values(**values)
        )
    return seq


async def drop_row(tx: Transaction, partner_id: str, entry_id: str) -> None:
    """Forget a row whose entry the partner was never told about.

    A withdrawal of something never told would prove that it exists (INV-1).
    """
    await tx.execute(
        delete(disclosures).where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.entry_id == entry_id,
            disclosures.c.told_at.is_(None),
        )
    )


async def mark_told(
    tx: Transaction, partner_id: str, entry_ids: list[str], at: datetime
) -> None:
    """Note that a page with these entries is about to leave."""
    await tx.execute(
        update(disclosures)
        .where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.entry_id.in_(entry_ids),
            disclosures.c.told_at.is_(None),
        )
        .values(told_at=at)
    )


async def acknowledge(
    tx: Transaction, row: Disclosure, *, values: dict[str, Any]
) -> None:
    """Record what the partner answered for one position, if it still stands."""
    await tx.execute(
        update(disclosures)
        .where(
            disclosures.c.partner_id == row.partner_id,
            disclosures.c.entry_id == row.entry_id,
            disclosures.c.seq == row.seq,
        )
        .values(**values)
    )


async def forget_held(tx: Transaction, partner_id: str) -> None:
    """Forget what a former partner was known to hold; it removed its copies."""
    await tx.execute(
        update(disclosures)
        .where(disclosures.c.partner_id == partner_id)
        .values(held_incarnation=None, held_counter=None, held_hash=None)
    )


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """The line that an office reads: sent = held + refused; `waiting` follows."""

    sent: int
    held: int
    refused: int
    waiting: int


async def counts(tx: Transaction, partner_id: str) -> LedgerCounts:
    """Count a partner's ledger."""
    mine = disclosures.c.partner_id == partner_id
    upserts = (disclosures.c.op == UPSERT) & disclosures.c.acknowledged_at.is_not(None)

    async def number(*conditions: Any) -> int:
        value = await tx.scalar(
            select(func.count()).select_from(disclosures).where(mine, *conditions)
        )
        return int(value or 0)

    sent = await number(upserts)
    refused = await number(upserts, disclosures.c.refused_reason.is_not(None))
    waiting = await number(disclosures.c.acknowledged_at.is_(None))
    return LedgerCounts(sent, sent - refused, refused, waiting)


async def store_receipt(
    tx: Transaction,
    *,
    receipt_id: str,
    partner_id: str,
    position: int,
    at: datetime,
    document: bytes,
) -> bool:
    """Keep a partner's signed receipt.

    Returns:
        False if the partner used the id for another document before.
    """
    known = await tx.one_or_none(
        select(receipts.c.document).where(receipts.c.id == receipt_id)
    )
    if known is not None:
        return bytes(known.document) == document
    await tx.execute(
        insert(receipts).values(
            id=receipt_id,
            partner_id=partner_id,
            position=position,
            received_at=at,
            document=document,
        )
    )
    return True
