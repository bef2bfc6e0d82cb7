"""What happened with each partner on each day, for the strip of the office's pages.

A day is one in UTC. Rows are written in the transactions that note an exchange or a
failure anyway; what comes in a burst is written once a second (SPEC EXC-027).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.prepared import Prepared
from node.storage.tables import partner_days

_BURST: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class PartnerDay:
    """What was counted on one day; a burst within a second counts as one.

    Attributes:
        exchanges: Times at which something was taken or given.
        failures: Attempts that brought nothing.
    """

    day: date
    exchanges: int
    failures: int


def _count(make: Any) -> Prepared:
    statement = make(partner_days).values(
        partner_id=bindparam("partner_id"),
        day=bindparam("day"),
        exchanges=bindparam("exchanges"),
        failures=bindparam("failures"),
    )
    new = statement.excluded
    return Prepared(
        statement.on_conflict_do_update(
            index_elements=[partner_days.c.partner_id, partner_days.c.day],
            set_={
                "exchanges": partner_days.c.exchanges + new.exchanges,
                "failures": partner_days.c.failures + new.failures,
            },
        )
    )


_COUNT: Final = {
    "postgresql": _count(postgres_insert),
    "sqlite": _count(sqlite_insert),
}


async def count_exchange(tx: Transaction, partner: Partner, now: datetime) -> None:
    """Count that something passed, in either direction.

    Args:
        tx: The transaction that notes the exchange.
        partner: As it was before that.
        now: The time of the exchange.
    """
    moments = (partner.last_sent_at, partner.checked_at, partner.last_received_at)
    if not any(_is_same_burst(before, now) for before in moments):
        await _add(tx, partner.id, now, exchanges=1)


async def count_failure(tx: Transaction, partner: Partner, now: datetime) -> None:
    """Count that the partner was tried and did not take it.

    Args:
        tx: The transaction that notes the failure.
        partner: As it was before that.
        now: The time of the failure.
    """
    # A success in between has its own count; the failure after it is another one.
    if partner.attempts == 0 or not _is_same_burst(partner.last_failure_at, now):
        await _add(tx, partner.id, now, failures=1)


async def days_since(
    tx: Transaction, first: date, *, partner_id: str | None = None
) -> Mapping[str, tuple[PartnerDay, ...]]:
    """Load the days from `first` on, by partner, the oldest first.

    Days on which nothing happened have no row.
    """
    statement = (
        select(partner_days)
        .where(partner_days.c.day >= first)
        .order_by(partner_days.c.partner_id, partner_days.c.day)
    )
    if partner_id is not None:
        statement = statement.where(partner_days.c.partner_id == partner_id)
    found: dict[str, list[PartnerDay]] = {}
    for row in await tx.all(statement):
        found.setdefault(row.partner_id, []).append(
            PartnerDay(row.day, row.exchanges, row.failures)
        )
    return {each: tuple(days) for each, days in found.items()}


async def forget_days(tx: Transaction, *, before: date) -> int:
    """Remove the days before `before`; return how many rows that were."""
    result = await tx.execute(delete(partner_days).where(partner_days.c.day < before))
    return int(result.rowcount)


def _is_same_burst(before: datetime | None, now: datetime) -> bool:
    if before is None or before.date() != now.date():
        return False
    return timedelta() <= now - before < _BURST


async def _add(
    tx: Transaction,
    partner_id: str,
    now: datetime,
    *,
    exchanges: int = 0,
    failures: int = 0,
) -> None:
    await tx.change(
        _COUNT[tx.dialect_name],
        {
            "partner_id": partner_id,
            "day": now.date(),
            "exchanges": exchanges,
            "failures": failures,
        },
    )
