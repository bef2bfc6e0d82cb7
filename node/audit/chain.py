"""How rows of the audit log hang together, and where they do not. Pure.

A row's hash is the SHA-256 of its canonical JSON (RFC 8785), the hash of the row
before among it. Whoever changes, removes or adds a row in between has to write
anew all that follow, and then the head differs from the ones in the receipts that
partners hold. It is not called more than that: whoever holds the node's key and
every partner's receipts can forge it (SPEC AUD-005).
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from federation.canonical import canonical_bytes
from node.audit.model import AuditHead, AuditNote, AuditRecord

BEGINNING: Final = AuditHead(0, "0" * 64)


def follow(head: AuditHead, note: AuditNote) -> AuditRecord:
    """Make the row that comes after `head`."""
    details = {
        "id": note.id,
        "reason": note.reason,
        "before": None if note.before is None else dict(note.before),
        "after": None if note.after is None else dict(note.after),
    }
    record = AuditRecord(
        number=head.number + 1,
        at=note.at,
        event=note.event,
        person_id=note.person_id,
        subject_kind=note.subject_kind,
        subject_id=note.subject_id,
        details=details,
        details_hash=_hash(details),
        previous=head.hash,
        hash="",
    )
    return _sealed(record)


@dataclass(frozen=True, slots=True)
class Damage:
    """The first row that does not fit.

    Attributes:
        number: Of the row that should be there.
        missing: Whether it is not there, rather than changed.
    """

    number: int
    missing: bool


def first_damage(
    records: Iterable[AuditRecord], head: AuditHead, *, after: AuditHead = BEGINNING
) -> Damage | None:
    """Look for the first row that was changed, removed or put in between.

    Args:
        records: All rows after `after`, in the order of their numbers.
        head: What the last one must be.
        after: A row that is known to be right.
    """
    last = after
    for record in records:
        if record.number != last.number + 1:
            return Damage(last.number + 1, missing=True)
        if not _fits(record, last):
            return Damage(record.number, missing=False)
        last = AuditHead(record.number, record.hash)
    if last.number < head.number:
        return Damage(last.number + 1, missing=True)
    return None if last == head else Damage(last.number, missing=False)


def told_as(head: AuditHead, receipt_id: str) -> str:
    """Return how a receipt names a head.

    It is bound to the receipt, so that two receipts do not show whether anything
    was decided in between.
    """
    return hashlib.sha256(f"{head.hash} {receipt_id}".encode()).hexdigest()


def _fits(record: AuditRecord, last: AuditHead) -> bool:
    if record.previous != last.hash or record.hash != _sealed(record).hash:
        return False
    return record.details is None or _hash(record.details) == record.details_hash


def _sealed(record: AuditRecord) -> AuditRecord:
    covered = {
        "number": record.number,
        "at": _moment(record.at),
        "event": record.event,
        "person": record.person_id,
        "subject": [record.subject_kind.value, record.subject_id],
        "details": record.details_hash,
        "previous": record.previous,
    }
    return replace(record, hash=_hash(covered))


def _moment(at: datetime) -> str:
    """Write a time with microseconds, which is what the database keeps."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def _hash(value: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_bytes(dict(value))).hexdigest()
