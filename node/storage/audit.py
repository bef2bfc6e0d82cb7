"""The audit log in the database (SPEC AUD)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, func, insert, select, true, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from node.audit.chain import BEGINNING, follow
from node.audit.model import AuditHead, AuditRecord, SubjectKind
from node.storage.tables import audit_head, audit_log
from node.storage.transaction import Transaction

_ONLY_ROW: Final = 1
_BEGIN: Final = {
    "sqlite": sqlite_insert(audit_head).on_conflict_do_nothing(),
    "postgresql": postgres_insert(audit_head).on_conflict_do_nothing(),
}


async def write_notes(tx: Transaction) -> None:
    """Append what the transaction has decided; on PostgreSQL the head is locked."""
    if not tx.notes:
        return
    head = await _locked_head(tx)
    for note in tx.notes:
        record = follow(head, note)
        await tx.execute(
            insert(audit_log).values(
                number=record.number,
                at=record.at,
                event=record.event,
                person_id=record.person_id,
                subject_kind=record.subject_kind.value,
                subject_id=record.subject_id,
                details=record.details,
                details_hash=record.details_hash,
                previous=record.previous,
                hash=record.hash,
            )
        )
        head = AuditHead(record.number, record.hash)
    await tx.execute(update(audit_head).values(number=head.number, hash=head.hash))
    tx.notes.clear()


async def load_head(tx: Transaction) -> AuditHead:
    """Load the newest row's number and hash."""
    return _as_head(await tx.one_or_none(select(audit_head)))


async def _locked_head(tx: Transaction) -> AuditHead:
    """Load the head; nobody else adds a row until the commit."""
    # Before the first row there is none that could be locked.
    await tx.execute(
        _BEGIN[tx.dialect_name],
        {"id": _ONLY_ROW, "number": BEGINNING.number, "hash": BEGINNING.hash},
    )
    return _as_head(await tx.one_or_none(select(audit_head).with_for_update()))


def _as_head(row: Row[Any] | None) -> AuditHead:
    return BEGINNING if row is None else AuditHead(row.number, row.hash)


async def list_records(
    tx: Transaction,
    *,
    where: ColumnElement[bool] | None = None,
    newest_first: bool = True,
    limit: int,
) -> list[AuditRecord]:
    """Load rows of the log."""
    order = audit_log.c.number.desc() if newest_first else audit_log.c.number
    chosen = true() if where is None else where
    rows = await tx.all(select(audit_log).where(chosen).order_by(order).limit(limit))
    return [_record(row) for row in rows]


async def count_records(
    tx: Transaction, *, where: ColumnElement[bool] | None = None
) -> int:
    """Count rows of the log."""
    chosen = true() if where is None else where
    statement = select(func.count()).select_from(audit_log).where(chosen)
    return int(await tx.scalar(statement) or 0)


async def erase_details(tx: Transaction, *, before: datetime) -> int:
    """Erase reasons and values of old rows; the chain stays whole (SPEC AUD-004)."""
    found = await tx.execute(
        update(audit_log)
        .where(audit_log.c.at < before, audit_log.c.details.is_not(None))
        .values(details=None)
    )
    return int(found.rowcount)


def _record(row: Row[Any]) -> AuditRecord:
    return AuditRecord(
        number=row.number,
        at=row.at,
        event=row.event,
        person_id=row.person_id,
        subject_kind=SubjectKind(row.subject_kind),
        subject_id=row.subject_id,
        details=row.details,
        details_hash=row.details_hash,
        previous=row.previous,
        hash=row.hash,
    )


def of_subjects(ids: Sequence[str]) -> ColumnElement[bool]:
    """Rows that are about one of these."""
    return audit_log.c.subject_id.in_(ids)
