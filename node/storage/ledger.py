"""The ledger in the database: one current row for each (partner, entry).

Positions (`seq`) are per partner and dense in the order of commits: the head is
raised by an UPDATE … RETURNING on the partner's own row, which PostgreSQL locks
until the commit (a global sequence would let a reader skip rows).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.version import Version
from node.storage.database import Transaction
from node.storage.tables import (
    disclosure_history,
    disclosures,
    entries,
    partners,
    receipts,
)

UPSERT = "upsert"
WITHDRAW = "withdraw"
DELETE = "delete"

_OF_ROW = (disclosures.c.partner_id == bindparam("of_partner")) & (
    disclosures.c.entry_id == bindparam("of_entry")
)
_QUEUE_AGAIN = update(disclosures).where(_OF_ROW)
_NOTE_FOUND = update(disclosures).where(_OF_ROW)
_DROP = delete(disclosures).where(_OF_ROW, disclosures.c.told_at.is_(None))
_CONFIRM = update(disclosures).where(_OF_ROW, disclosures.c.seq == bindparam("at_seq"))
_ADD_TO_HISTORY = {
    "postgresql": postgres_insert(disclosure_history).on_conflict_do_nothing(),
    "sqlite": sqlite_insert(disclosure_history).on_conflict_do_nothing(),
}


@dataclass(frozen=True, slots=True)
class Disclosure:
    """The fact that a partner is to be, or was, told about an entry.

    Attributes:
        op: `upsert`, `withdraw` or `delete`.
        told_at: When a page first carried any version of it; None means that the
            partner has never heard of the entry.
        acknowledged_at: When the partner's receipt covered this row's position.
        refused_reason: Why the partner holds no copy, in its own words.
        told_public: Whether the partner may hold a public version, whose copy never
            lapses by itself (SPEC FED-153).
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
    told_public: bool
    held: Version | None
    held_hash: str | None
    receipt_id: str | None


def disclosure_of(row: Row[Any]) -> Disclosure:
    """Read one row of the ledger."""
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
        told_public=row.told_public,
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


async def row_of(tx: Transaction, partner_id: str, entry_id: str) -> Disclosure | None:
    """Load what one partner was told of an entry; whoever else was costs nothing."""
    row = await tx.one_or_none(
        select(disclosures).where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.entry_id == entry_id,
        )
    )
    return None if row is None else disclosure_of(row)


async def rows_of_entry(tx: Transaction, entry_id: str) -> dict[str, Disclosure]:
    """Current rows of one entry, by partner."""
    rows = await tx.all(select(disclosures).where(disclosures.c.entry_id == entry_id))
    return {row.partner_id: disclosure_of(row) for row in rows}


async def open_removals(
    tx: Transaction, *, where: ColumnElement[bool]
) -> list[Disclosure]:
    """Rows of entries that satisfy `where` whose removal is not confirmed."""
    rows = await tx.all(
        select(disclosures)
        .join(entries, entries.c.id == disclosures.c.entry_id)
        .where(
            where,
            disclosures.c.op != UPSERT,
            disclosures.c.acknowledged_at.is_(None),
        )
    )
    return [disclosure_of(row) for row in rows]


async def rows_of_partner(tx: Transaction, partner_id: str) -> list[Disclosure]:
    """Current rows of one partner, in order."""
    rows = await tx.all(
        select(disclosures)
        .where(disclosures.c.partner_id == partner_id)
        .order_by(disclosures.c.seq)
    )
    return [disclosure_of(row) for row in rows]


async def rows_after(
    tx: Transaction,
    partner_id: str,
    *,
    after: int,
    limit: int,
    unconfirmed: bool = False,
) -> list[Disclosure]:
    """The next rows of one partner beyond a position, in order.

    With `unconfirmed`, without those that it has confirmed: after a comparison in a
    new epoch they need not be told again, though their positions begin anew.
    """
    statement = (
        select(disclosures)
        .where(disclosures.c.partner_id == partner_id, disclosures.c.seq > after)
        .order_by(disclosures.c.seq)
        .limit(limit)
    )
    if unconfirmed:
        statement = statement.where(disclosures.c.acknowledged_at.is_(None))
    return [disclosure_of(row) for row in await tx.all(statement)]


async def rows_named(
    tx: Transaction, partner_id: str, entry_ids: Collection[str]
) -> dict[str, Disclosure]:
    """Current rows of one partner, of some entries, by entry."""
    rows = await tx.all(
        select(disclosures).where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.entry_id.in_(entry_ids),
        )
    )
    return {row.entry_id: disclosure_of(row) for row in rows}


async def entries_of_partner(tx: Transaction, partner_id: str) -> list[str]:
    """Ids of all entries in one partner's ledger."""
    rows = await tx.all(
        select(disclosures.c.entry_id).where(disclosures.c.partner_id == partner_id)
    )
    return [row.entry_id for row in rows]


async def count_confirmed(tx: Transaction, partner_id: str, *, after: int) -> int:
    """Count the rows behind a position that the partner has confirmed."""
    number = await tx.scalar(
        select(func.count())
        .select_from(disclosures)
        .where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.seq > after,
            disclosures.c.acknowledged_at.is_not(None),
        )
    )
    return int(number or 0)


async def unconfirm(tx: Transaction, partner_id: str, *, after: int) -> None:
    """Count what lies behind a position as not confirmed: the partner lost it."""
    await tx.execute(
        update(disclosures)
        .where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.seq > after,
            disclosures.c.acknowledged_at.is_not(None),
        )
        .values(acknowledged_at=None)
    )


async def next_seqs(tx: Transaction, partner_id: str, count: int) -> range:
    """Raise the partner's head by some positions and return them."""
    head: int = await tx.scalar(
        update(partners)
        .where(partners.c.id == partner_id)
        .values(head_seq=partners.c.head_seq + count)
        .returning(partners.c.head_seq)
    )
    return range(head - count + 1, head + 1)


async def queue_again(
    tx: Transaction,
    partner_id: str,
    named: Sequence[tuple[str, Version]],
    *,
    at: datetime,
) -> None:
    """Move rows to the head, to be told once more; the partner holds none of them.

    Args:
        tx: The caller's transaction, with the partner's row locked.
        partner_id: The partner.
        named: Entry, and the version that its row names from now on.
        at: The time.
    """
    if not named:
        return
    seqs = await next_seqs(tx, partner_id, len(named))
    await tx.execute(
        _QUEUE_AGAIN,
        [
            {
                "of_partner": partner_id,
                "of_entry": entry_id,
                "seq": seq,
                "incarnation": version.incarnation,
                "counter": version.counter,
                "recorded_at": at,
                "acknowledged_at": None,
                "refused_reason": None,
                "receipt_id": None,
                "held_incarnation": None,
                "held_counter": None,
                "held_hash": None,
            }
            for (entry_id, version), seq in zip(named, seqs, strict=True)
        ],
    )


async def note_found(
    tx: Transaction,
    partner_id: str,
    found: Sequence[tuple[str, Version | None, str | None, str | None]],
) -> None:
    """Note what a comparison found the partner to hold of some entries.

    Args:
        tx: The caller's transaction.
        partner_id: The partner.
        found: Entry, version and hash that are held, or None twice and the reason
            why it is kept out.
    """
    if found:
        await tx.execute(
            _NOTE_FOUND,
            [
                {
                    "of_partner": partner_id,
                    "of_entry": entry_id,
                    "held_incarnation": version.incarnation if version else None,
                    "held_counter": version.counter if version else None,
                    "held_hash": content_hash,
                    "refused_reason": reason,
                }
                for entry_id, version, content_hash, reason in found
            ],
        )


async def rows_between(
    tx: Transaction, partner_id: str, *, after: int, through: int
) -> list[Disclosure]:
    """The unconfirmed rows of one partner in a range of positions, in order.

    What an earlier receipt has confirmed is not told again (`rows_after`), and is
    not in the page that the range is of.
    """
    rows = await tx.all(
        select(disclosures)
        .where(
            disclosures.c.partner_id == partner_id,
            disclosures.c.seq > after,
            disclosures.c.seq <= through,
            disclosures.c.acknowledged_at.is_(None),
        )
        .order_by(disclosures.c.seq)
    )
    return [disclosure_of(row) for row in rows]


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


async def move_unconfirmed(tx: Transaction, row: Disclosure) -> None:
    """Tell an unconfirmed withdrawal once more, if it still is one."""
    still = await tx.scalar(
        select(disclosures.c.seq).where(
            disclosures.c.partner_id == row.partner_id,
            disclosures.c.entry_id == row.entry_id,
            disclosures.c.op != UPSERT,
            disclosures.c.acknowledged_at.is_(None),
        )
    )
    if still is not None:
        await move_to_head(tx, row)


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
    return [disclosure_of(row) for row in rows]


async def drop_row(tx: Transaction, partner_id: str, entry_id: str) -> None:
    """Forget a row whose entry the partner was never told about.

    A withdrawal of something never told would prove that it exists (INV-1).
    """
    await drop_rows(tx, [(partner_id, entry_id)])


async def drop_rows(tx: Transaction, untold: Sequence[tuple[str, str]]) -> None:
    """As `drop_row`, for pairs of partner and entry."""
    if untold:
        pairs = [
            {"of_partner": partner, "of_entry": entry} for partner, entry in untold
        ]
        await tx.execute(_DROP, pairs)


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


async def mark_told_publicly(
    tx: Transaction, partner_id: str, entry_ids: list[str]
) -> None:
    """Note that the partner may hold public versions of these entries from now on."""
    if entry_ids:
        await tx.execute(
            update(disclosures)
            .where(
                disclosures.c.partner_id == partner_id,
                disclosures.c.entry_id.in_(entry_ids),
                disclosures.c.told_public.is_(False),
            )
            .values(told_public=True)
        )


@dataclass(frozen=True, slots=True)
class Confirmed:
    """What a partner answered for one row.

    Attributes:
        row: The row as it was told.
        held: The version that the partner holds now, with its hash; None for none.
        refused_reason: Why it holds none, in its own words.
        told_public: Whether it may still hold a public version.
    """

    row: Disclosure
    held: Version | None
    held_hash: str | None
    refused_reason: str | None
    told_public: bool


async def confirm(
    tx: Transaction, confirmed: Sequence[Confirmed], *, receipt_id: str, at: datetime
) -> None:
    """Record what a receipt says, row by row, and add it to the history.

    A row that has moved on meanwhile is left alone; a position that the history
    knows already stays as it is there (SPEC EXC-015).
    """
    if not confirmed:
        return
    await tx.execute(
        _CONFIRM,
        [
            {
                "of_partner": each.row.partner_id,
                "of_entry": each.row.entry_id,
                "at_seq": each.row.seq,
                "acknowledged_at": at,
                "refused_reason": each.refused_reason,
                "told_public": each.told_public,
                "held_incarnation": each.held.incarnation if each.held else None,
                "held_counter": each.held.counter if each.held else None,
                "held_hash": each.held_hash,
                "receipt_id": receipt_id,
            }
            for each in confirmed
        ],
    )
    await tx.execute(
        _ADD_TO_HISTORY[tx.dialect_name],
        [
            {
                "partner_id": each.row.partner_id,
                "seq": each.row.seq,
                "entry_id": each.row.entry_id,
                "op": each.row.op,
                "incarnation": each.row.version.incarnation,
                "counter": each.row.version.counter,
                "form": each.row.form,
                "reason": each.row.reason,
                "recorded_at": each.row.recorded_at,
                "told_at": each.row.told_at,
                "acknowledged_at": at,
                "refused_reason": each.refused_reason,
                "receipt_id": receipt_id,
            }
            for each in confirmed
        ],
    )


async def forget_held(tx: Transaction, partner_id: str) -> None:
    """Forget what a former partner was known to hold; it removed its copies."""
    await tx.execute(
        update(disclosures)
        .where(disclosures.c.partner_id == partner_id)
        .values(held_incarnation=None, held_counter=None, held_hash=None)
    )


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
