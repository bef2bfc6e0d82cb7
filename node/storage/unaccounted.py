"""What partners hold of us and our own ledger cannot explain (SPEC FED-156)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.exchange import HeldState, HeldVersion
from federation.version import Version
from node.storage.database import Transaction
from node.storage.tables import unaccounted_entries

LEFT = "left"


@dataclass(frozen=True, slots=True)
class UnaccountedRow:
    """One entry that a partner says it holds.

    Attributes:
        held: What it says.
        found_at: When it said so first.
        settled_at: When our office decided; None while it has not.
        settled_as: What it decided.
    """

    partner_id: str
    entry_id: str
    held: HeldVersion
    found_at: datetime
    settled_at: datetime | None
    settled_as: str | None


def _unaccounted(row: Row[Any]) -> UnaccountedRow:
    return UnaccountedRow(
        partner_id=row.partner_id,
        entry_id=row.entry_id,
        held=HeldVersion(
            version=Version(row.incarnation, row.counter),
            state=HeldState(row.state),
            content_hash=row.content_hash,
        ),
        found_at=row.found_at,
        settled_at=row.settled_at,
        settled_as=row.settled_as,
    )


async def list_unaccounted(
    tx: Transaction, *, partner_id: str | None = None, is_open: bool = False
) -> list[UnaccountedRow]:
    """Load what is not accounted for, by partner and entry."""
    table = unaccounted_entries
    statement = select(table).order_by(table.c.partner_id, table.c.entry_id)
    if partner_id is not None:
        statement = statement.where(table.c.partner_id == partner_id)
    if is_open:
        statement = statement.where(table.c.settled_at.is_(None))
    return [_unaccounted(row) for row in await tx.all(statement)]


async def find_unaccounted(tx: Transaction, entry_id: str) -> list[UnaccountedRow]:
    """Load what partners say of one entry."""
    table = unaccounted_entries
    rows = await tx.all(
        select(table)
        .where(table.c.entry_id == entry_id)
        .order_by(table.c.partner_id)  # in which partners are locked
    )
    return [_unaccounted(row) for row in rows]


async def left_with(tx: Transaction, partner_id: str) -> list[UnaccountedRow]:
    """Load the copies that our office has left with a partner."""
    table = unaccounted_entries
    rows = await tx.all(
        select(table).where(
            table.c.partner_id == partner_id,
            table.c.settled_as == LEFT,
            table.c.state == HeldState.PRESENT.value,
        )
    )
    return [_unaccounted(row) for row in rows]


async def open_by_partner(tx: Transaction) -> dict[str, int]:
    """Count what our office has not decided about; partners without are left out."""
    table = unaccounted_entries
    rows = await tx.all(
        select(table.c.partner_id, func.count().label("number"))
        .where(table.c.settled_at.is_(None))
        .group_by(table.c.partner_id)
    )
    return {row.partner_id: row.number for row in rows}


async def count_unaccounted(tx: Transaction, partner_id: str) -> int:
    """Count what is remembered of one partner, settled or not."""
    number = await tx.scalar(
        select(func.count())
        .select_from(unaccounted_entries)
        .where(unaccounted_entries.c.partner_id == partner_id)
    )
    return int(number or 0)


def _put(make: Any) -> Any:
    """Insert; a row that says the same stays, one that says something else is open."""
    table = unaccounted_entries
    statement = make(table)
    new = statement.excluded
    told = ("state", "incarnation", "counter", "content_hash")
    settled = ("found_at", "settled_at", "settled_by", "settled_as")
    differs = (
        (table.c.state != new.state)
        | (table.c.incarnation != new.incarnation)
        | (table.c.counter != new.counter)
        | (
            func.coalesce(table.c.content_hash, "")
            != func.coalesce(new.content_hash, "")
        )
    )
    return statement.on_conflict_do_update(
        index_elements=[table.c.partner_id, table.c.entry_id],
        set_={name: new[name] for name in (*told, *settled)},
        where=differs,
    )


_PUT = {"postgresql": _put(postgres_insert), "sqlite": _put(sqlite_insert)}


async def put_unaccounted(
    tx: Transaction,
    partner_id: str,
    found: Mapping[str, HeldVersion],
    *,
    at: datetime,
) -> None:
    """Write down what a partner says it holds; what it said before stays as it is."""
    if found:
        await tx.execute(
            _PUT[tx.dialect_name],
            [
                {
                    "partner_id": partner_id,
                    "entry_id": entry_id,
                    "state": held.state.value,
                    "incarnation": held.version.incarnation,
                    "counter": held.version.counter,
                    "content_hash": held.content_hash,
                    "found_at": at,
                    "settled_at": None,
                    "settled_by": None,
                    "settled_as": None,
                }
                for entry_id, held in found.items()
            ],
        )


async def drop_unaccounted(
    tx: Transaction, partner_id: str, entry_ids: Sequence[str]
) -> None:
    """Forget entries that a partner says it holds no more.

    What it said was taken back stays until our office has decided: we have followed
    its word.
    """
    table = unaccounted_entries
    await tx.execute(
        delete(table).where(
            table.c.partner_id == partner_id,
            table.c.entry_id.in_(entry_ids),
            (table.c.state == HeldState.PRESENT.value)
            | table.c.settled_at.is_not(None),
        )
    )


async def drop_explained(tx: Transaction, partner_id: str) -> None:
    """Forget what a partner said it held, but for what our office left with it.

    To be called once both sides have turned out to be equal.
    """
    table = unaccounted_entries
    await tx.execute(
        delete(table).where(
            table.c.partner_id == partner_id,
            table.c.state == HeldState.PRESENT.value,
            func.coalesce(table.c.settled_as, "") != LEFT,
        )
    )


async def forget_unaccounted(tx: Transaction, partner_id: str) -> None:
    """Forget everything of one partner: a new partnership begins."""
    await tx.execute(
        delete(unaccounted_entries).where(
            unaccounted_entries.c.partner_id == partner_id
        )
    )


async def mark_settled(
    tx: Transaction,
    entry_id: str,
    *,
    partner_ids: Collection[str],
    settled_as: str,
    by: str | None,
    at: datetime,
) -> None:
    """Note what our office has decided."""
    await tx.execute(
        update(unaccounted_entries)
        .where(
            unaccounted_entries.c.entry_id == entry_id,
            unaccounted_entries.c.partner_id.in_(partner_ids),
        )
        .values(settled_at=at, settled_by=by, settled_as=settled_as)
    )
