"""The mail outbox in the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update

from node.limits import MAIL_RETRY_MAX
from node.mail.model import Mail
from node.storage.database import Transaction
from node.storage.prepared import Prepared
from node.storage.tables import entries, mail_outbox, received_entries


@dataclass(frozen=True, slots=True)
class MailCounts:
    """How many mails wait, left and will not leave by themselves."""

    pending: int
    sent: int
    failed: int


def _mail(row: Row[Any]) -> Mail:
    return Mail(
        id=row.id,
        recipient=row.recipient,
        person_id=row.person_id,
        kind=row.kind,
        language=row.language,
        subject=row.subject,
        body=row.body,
        entry_id=row.entry_id,
        created_at=row.created_at,
        sent_at=row.sent_at,
        cancelled_at=row.cancelled_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
        entry_uri=row.entry_uri,
        entry_title=row.entry_title,
    )


_INSERT = Prepared(insert(mail_outbox))


def _open() -> ColumnElement[bool]:
    return mail_outbox.c.sent_at.is_(None) & mail_outbox.c.cancelled_at.is_(None)


async def insert_mail(tx: Transaction, mail: Mail) -> None:
    """Insert a new mail."""
    values = {column.name: getattr(mail, column.name) for column in mail_outbox.c}
    await tx.change(_INSERT, values)


async def load_mail(tx: Transaction, mail_id: str) -> Mail | None:
    """Load one mail."""
    row = await tx.one_or_none(select(mail_outbox).where(mail_outbox.c.id == mail_id))
    return None if row is None else _mail(row)


async def list_mails(
    tx: Transaction, *, limit: int, recipient: str | None = None
) -> list[Mail]:
    """Load the latest mails, newest first."""
    statement = select(mail_outbox)
    if recipient is not None:
        statement = statement.where(mail_outbox.c.recipient == recipient)
    rows = await tx.all(
        statement.order_by(mail_outbox.c.created_at.desc(), mail_outbox.c.id).limit(
            limit
        )
    )
    return [_mail(row) for row in rows]


async def under_chiffre(tx: Transaction, mails: Sequence[Mail]) -> set[str]:
    """Return which of the entries that mails are about are under a box number."""
    ids = {mail.entry_id for mail in mails if mail.entry_id is not None}
    found = await tx.all(
        select(entries.c.id).where(entries.c.id.in_(ids), entries.c.is_chiffre)
    )
    return {row.id for row in found}


async def count_mails(tx: Transaction) -> MailCounts:
    """Count the outbox by state."""

    async def count(where: ColumnElement[bool]) -> int:
        number = await tx.scalar(
            select(func.count()).select_from(mail_outbox).where(where)
        )
        return int(number)

    return MailCounts(
        pending=await count(_open() & mail_outbox.c.next_attempt_at.is_not(None)),
        sent=await count(mail_outbox.c.sent_at.is_not(None)),
        failed=await count(_open() & mail_outbox.c.next_attempt_at.is_(None)),
    )


async def count_failed(tx: Transaction) -> int:
    """Count what was given up, however many were sent."""
    number = await tx.scalar(
        select(func.count())
        .select_from(mail_outbox)
        .where(_open(), mail_outbox.c.next_attempt_at.is_(None))
    )
    return int(number or 0)


async def due_mails(tx: Transaction, *, now: datetime, limit: int) -> list[Mail]:
    """Load what is to be sent now, oldest first.

    What waits longer than any mail does was postponed before the clock was set back.
    """
    at = mail_outbox.c.next_attempt_at
    rows = await tx.all(
        select(mail_outbox)
        .where(_open(), or_(at <= now, at > now + MAIL_RETRY_MAX))
        .order_by(mail_outbox.c.next_attempt_at, mail_outbox.c.created_at)
        .limit(limit)
    )
    return [_mail(row) for row in rows]


async def mails_that_name(tx: Transaction, entry_uris: Sequence[str]) -> list[Mail]:
    """Load the mails, sent ones too, whose text holds the title of these entries."""
    named = mail_outbox.c
    rows = await tx.all(
        select(mail_outbox).where(
            named.entry_uri.in_(entry_uris), named.entry_title.is_not(None)
        )
    )
    return [_mail(row) for row in rows]


async def named_entries_of(tx: Transaction, partner_id: str) -> list[str]:
    """List the received entries of a partner whose titles stand in mails."""
    rows = await tx.all(
        select(mail_outbox.c.entry_uri)
        .join(
            received_entries,
            received_entries.c.entry_uri == mail_outbox.c.entry_uri,
        )
        .where(
            received_entries.c.partner_id == partner_id,
            mail_outbox.c.entry_title.is_not(None),
        )
        .distinct()
    )
    return [row.entry_uri for row in rows]


async def put_text(tx: Transaction, mail_id: str, *, subject: str, body: str) -> None:
    """Replace the text of a mail by one that names no entry any more."""
    await tx.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == mail_id)
        .values(subject=subject, body=body, entry_title=None)
    )


async def mark_sent(tx: Transaction, mail_id: str, *, body: str, now: datetime) -> None:
    """Note that a mail was taken by the mail server; `body` replaces the text."""
    await tx.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == mail_id)
        .values(sent_at=now, next_attempt_at=None, last_error=None, body=body)
    )


async def mark_failed(
    tx: Transaction,
    mail_id: str,
    *,
    attempts: int,
    next_attempt_at: datetime | None,
    error: str,
) -> None:
    """Note a failed attempt; without a next one the mail waits for the office."""
    await tx.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == mail_id, _open())
        .values(attempts=attempts, next_attempt_at=next_attempt_at, last_error=error)
    )


async def retry_mail(tx: Transaction, mail_id: str, *, now: datetime) -> bool:
    """Make an open mail due now; False if it is not open."""
    result = await tx.execute(
        update(mail_outbox)
        .where(mail_outbox.c.id == mail_id, _open())
        .values(next_attempt_at=now, attempts=0)
    )
    return result.rowcount == 1


async def cancel_mails_for_entry(
    tx: Transaction,
    entry_id: str,
    *,
    kinds: Sequence[str],
    now: datetime,
) -> int:
    """Cancel open mails of some kinds about an entry; return how many."""
    return await _cancel(
        tx,
        (mail_outbox.c.entry_id == entry_id) & mail_outbox.c.kind.in_(list(kinds)),
        now,
    )


async def cancel_mails_for_person(
    tx: Transaction, person_id: str, *, now: datetime
) -> int:
    """Cancel open mails to a person; return how many."""
    return await _cancel(tx, mail_outbox.c.person_id == person_id, now)


async def _cancel(tx: Transaction, where: ColumnElement[bool], now: datetime) -> int:
    result = await tx.execute(
        update(mail_outbox)
        .where(where, _open())
        .values(cancelled_at=now, next_attempt_at=None)
    )
    return result.rowcount
