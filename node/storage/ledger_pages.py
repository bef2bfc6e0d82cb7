"""The ledger as it is read: counted by the database, cut into pages by it.

What reads here must stay quick with a hundred thousand rows: one grouped query
counts, and a page loads no more rows than it shows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, func, select

from federation.version import Version
from node.storage.database import Transaction
from node.storage.ledger import UPSERT, Disclosure, disclosure_of
from node.storage.tables import disclosure_history, disclosures, entries, receipts


class LineState(Enum):
    """How far a line of the ledger is."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"


_IS_ENTRY: Final = disclosures.c.op == UPSERT
_IS_CONFIRMED: Final = disclosures.c.acknowledged_at.is_not(None)
_IS_REFUSED: Final = disclosures.c.refused_reason.is_not(None)


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """How many lines are how far.

    Attributes:
        held: Entries whose present version the partner has confirmed.
        refused: Entries that it keeps out.
        still_held: Entries of which it has confirmed an earlier version, and not yet
            the change or the withdrawal that waits; among those that wait.
        waiting_entries: Entries that it has not confirmed.
        waiting_removals: Withdrawals and deletions that it has not confirmed.
        removed: Withdrawals and deletions that it has confirmed.
    """

    held: int = 0
    refused: int = 0
    waiting_entries: int = 0
    waiting_removals: int = 0
    removed: int = 0
    still_held: int = 0

    @property
    def sent(self) -> int:
        """Entries that it has answered for and not confirmed to have removed.

        The number that it should name as held or refused.
        """
        return self.held + self.refused + self.still_held

    @property
    def waiting(self) -> int:
        """Everything that it has not confirmed."""
        return self.waiting_entries + self.waiting_removals

    @property
    def lines(self) -> int:
        """All lines of the partner."""
        return self.held + self.refused + self.waiting + self.removed

    def in_state(self, state: LineState) -> int:
        """Return how many lines are in a state."""
        return {
            LineState.WAITING: self.waiting_entries,
            LineState.CONFIRMED: self.held,
            LineState.REFUSED: self.refused,
            LineState.WITHDRAWING: self.waiting_removals,
            LineState.WITHDRAWN: self.removed,
        }[state]

    def __add__(self, other: "LedgerCounts") -> "LedgerCounts":
        """Count the lines of two partners together."""
        return LedgerCounts(
            held=self.held + other.held,
            refused=self.refused + other.refused,
            waiting_entries=self.waiting_entries + other.waiting_entries,
            waiting_removals=self.waiting_removals + other.waiting_removals,
            removed=self.removed + other.removed,
            still_held=self.still_held + other.still_held,
        )


async def counts_by_partner(
    tx: Transaction, *, partner_id: str | None = None, is_told: bool = False
) -> dict[str, LedgerCounts]:
    """Count the ledger of every partner, or of one, in one query.

    With `is_told`, without what never left. A partner without a line is not in the
    result.
    """
    confirmed = func.count(disclosures.c.acknowledged_at)
    statement = select(
        disclosures.c.partner_id,
        _IS_ENTRY.label("is_entry"),
        func.count().label("all"),
        confirmed.label("confirmed"),
        # Only of confirmed lines: a row that was told anew is refused no more.
        func.count().filter(_IS_CONFIRMED & _IS_REFUSED).label("refused"),
        func.count()
        .filter(~_IS_CONFIRMED & disclosures.c.held_counter.is_not(None))
        .label("still_held"),
    ).group_by(disclosures.c.partner_id, _IS_ENTRY)
    if partner_id is not None:
        statement = statement.where(disclosures.c.partner_id == partner_id)
    if is_told:
        statement = statement.where(disclosures.c.told_at.is_not(None))
    found: dict[str, LedgerCounts] = {}
    for row in await tx.all(statement):
        waiting = row.all - row.confirmed
        part = (
            LedgerCounts(
                held=row.confirmed - row.refused,
                refused=row.refused,
                waiting_entries=waiting,
                still_held=row.still_held,
            )
            if row.is_entry
            else LedgerCounts(
                waiting_removals=waiting,
                removed=row.confirmed,
                still_held=row.still_held,
            )
        )
        found[row.partner_id] = found.get(row.partner_id, LedgerCounts()) + part
    return found


async def counts(
    tx: Transaction, partner_id: str, *, is_told: bool = False
) -> LedgerCounts:
    """Count a partner's ledger."""
    found = await counts_by_partner(tx, partner_id=partner_id, is_told=is_told)
    return found.get(partner_id, LedgerCounts())


async def page_of_rows(
    tx: Transaction,
    *,
    partner_id: str | None,
    state: LineState | None,
    limit: int,
    offset: int,
) -> list[Disclosure]:
    """Load one page of the ledger, the latest change first.

    Args:
        tx: The caller's transaction.
        partner_id: Only of one partner.
        state: Only what is so far.
        limit: Rows of a page.
        offset: Rows before it.
    """
    conditions: list[ColumnElement[bool]] = []
    if partner_id is not None:
        conditions.append(disclosures.c.partner_id == partner_id)
    if state is not None:
        conditions.append(_in_state(state))
    statement = (
        select(disclosures)
        .where(*conditions)
        .order_by(
            disclosures.c.recorded_at.desc(),
            disclosures.c.partner_id,
            disclosures.c.seq.desc(),
        )
        .limit(limit)
        .offset(offset)
    )
    return [disclosure_of(row) for row in await tx.all(statement)]


def _in_state(state: LineState) -> ColumnElement[bool]:
    match state:
        case LineState.WAITING:
            return and_(_IS_ENTRY, ~_IS_CONFIRMED)
        case LineState.CONFIRMED:
            return and_(_IS_ENTRY, _IS_CONFIRMED, ~_IS_REFUSED)
        case LineState.REFUSED:
            return and_(_IS_ENTRY, _IS_CONFIRMED, _IS_REFUSED)
        case LineState.WITHDRAWING:
            return and_(~_IS_ENTRY, ~_IS_CONFIRMED)
        case LineState.WITHDRAWN:
            return and_(~_IS_ENTRY, _IS_CONFIRMED)


async def removals_waiting(
    tx: Transaction, *, partner_id: str | None = None
) -> list[Disclosure]:
    """Load every withdrawal and deletion that is not confirmed; of one, or of all."""
    statement = select(disclosures).where(_in_state(LineState.WITHDRAWING))
    if partner_id is not None:
        statement = statement.where(disclosures.c.partner_id == partner_id)
    rows = await tx.all(statement)
    return [disclosure_of(row) for row in rows]


@dataclass(frozen=True, slots=True)
class EntryHead:
    """What a line of the ledger says of its entry.

    Attributes:
        title: By language; empty once the entry is deleted.
    """

    id: str
    kind: str
    title: Mapping[str, str]


async def heads_of(tx: Transaction, entry_ids: Collection[str]) -> dict[str, EntryHead]:
    """Load the heads of some entries, by id; the rest of an entry is not read."""
    rows = await tx.all(
        select(
            entries.c.id, entries.c.kind, entries.c.content["title"].label("title")
        ).where(entries.c.id.in_(entry_ids))
    )
    return {row.id: EntryHead(row.id, row.kind, row.title or {}) for row in rows}


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a partner once confirmed; rows of the history are never changed.

    Attributes:
        op: `upsert`, `withdraw` or `delete`.
        reason: The rule by which it was told or taken back.
        refused_reason: Why the partner kept it out, in its own words.
        receipt_id: The signed receipt that says so.
    """

    partner_id: str
    seq: int
    entry_id: str
    op: str
    version: Version
    form: str
    reason: str
    recorded_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime
    refused_reason: str | None
    receipt_id: str | None


def _confirmation(row: Row[Any]) -> Confirmation:
    return Confirmation(
        partner_id=row.partner_id,
        seq=row.seq,
        entry_id=row.entry_id,
        op=row.op,
        version=Version(row.incarnation, row.counter),
        form=row.form,
        reason=row.reason,
        recorded_at=row.recorded_at,
        told_at=row.told_at,
        acknowledged_at=row.acknowledged_at,
        refused_reason=row.refused_reason,
        receipt_id=row.receipt_id,
    )


async def history_of_entry(tx: Transaction, entry_id: str) -> list[Confirmation]:
    """Load what partners confirmed of an entry, the latest first."""
    rows = await tx.all(
        select(disclosure_history)
        .where(disclosure_history.c.entry_id == entry_id)
        .order_by(
            disclosure_history.c.acknowledged_at.desc(),
            disclosure_history.c.partner_id,
            disclosure_history.c.seq.desc(),
        )
    )
    return [_confirmation(row) for row in rows]


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A partner's signed receipt, byte for byte as it came."""

    id: str
    partner_id: str
    position: int
    received_at: datetime
    document: bytes


async def load_receipt(tx: Transaction, receipt_id: str) -> StoredReceipt | None:
    """Load a receipt by its id."""
    row = await tx.one_or_none(select(receipts).where(receipts.c.id == receipt_id))
    if row is None:
        return None
    return StoredReceipt(
        row.id, row.partner_id, row.position, row.received_at, bytes(row.document)
    )
