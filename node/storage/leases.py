"""Leases in the database: who does what only one process may do at a time.

Only PostgreSQL is shared by several processes. Every time is the database's own, so
that the clocks of the machines do not matter. A lease that has run out still belongs
to its holder until somebody takes it.

Source: SPEC.md NOD-052, NOD-053.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.sql.elements import TextClause

from node.storage.database import Transaction
from node.storage.tables import partner_leases, work_leases

_NOW: Final = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)"


class LeaseLostError(Exception):
    """Another process has taken over; nothing of this transaction is stored."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One thing that one process does at a time.

    Attributes:
        key: Id of a partner, or name of a piece of work.
    """

    table: Table
    key: str

    @property
    def _is_it(self) -> ColumnElement[bool]:
        is_it: ColumnElement[bool] = _key(self.table) == self.key
        return is_it

    async def take(self, tx: Transaction, *, holder: str, length: timedelta) -> bool:
        """Take it if it is free, has run out, or is the holder's already."""
        free = (
            insert(self.table)
            .values(
                {
                    _key(self.table): self.key,
                    self.table.c.holder: holder,
                    self.table.c.expires_at: _after(length),
                }
            )
            .on_conflict_do_nothing()
        )
        if (await tx.execute(free)).rowcount == 1:
            return True
        # A holder that is writing just now has it locked, and does not lose it.
        lapsed = (
            select(_key(self.table))
            .where(
                self._is_it,
                or_(
                    self.table.c.expires_at <= text(_NOW),
                    self.table.c.holder == holder,
                ),
            )
            .with_for_update(skip_locked=True)
        )
        result = await tx.execute(
            update(self.table)
            .where(_key(self.table).in_(lapsed))
            .values(holder=holder, expires_at=_after(length))
        )
        return int(result.rowcount) == 1

    async def require(self, tx: Transaction, *, holder: str) -> None:
        """Keep the lease from others until the commit.

        Raises:
            LeaseLostError: Another one has it, or it was given back.
        """
        mine = await tx.scalar(
            select(_key(self.table))
            .where(self._is_it, self.table.c.holder == holder)
            .with_for_update(read=True)
        )
        if mine is None:
            msg = f"the lease of {self.key} is another process'"
            raise LeaseLostError(msg)

    async def give_back(self, tx: Transaction, *, holder: str) -> None:
        """Let the next one have it; does nothing if it is another's."""
        await tx.execute(
            delete(self.table).where(self._is_it, self.table.c.holder == holder)
        )


def partner_lease(partner_id: str) -> Lease:
    """Return the lease of deliveries to a partner."""
    return Lease(partner_leases, partner_id)


def work_lease(name: str) -> Lease:
    """Return the lease of a piece of work, by a name of at most 40 characters."""
    return Lease(work_leases, name)


async def renew_all(tx: Transaction, *, holder: str, length: timedelta) -> None:
    """Let everything that a process holds last longer."""
    for table in (partner_leases, work_leases):
        await tx.execute(
            update(table)
            .where(table.c.holder == holder)
            .values(expires_at=_after(length))
        )


def _key(table: Table) -> Any:
    (column,) = table.primary_key.columns
    return column


def _after(length: timedelta) -> TextClause:
    return text(f"{_NOW} + {length // timedelta(microseconds=1)}")
