"""One-time links and sessions in the database.

Both are found by the SHA-256 of their token; the token itself is never stored.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update

from node.storage.database import Transaction
from node.storage.tables import sessions, sign_in_links


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A one-time link.

    Attributes:
        purpose: Value of `node.signin.links.LinkPurpose`.
        subject: What it is for besides the person, e.g. an entry's id.
    """

    token_hash: str
    person_id: str
    purpose: str
    subject: str | None
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredSession:
    """Somebody who is signed in."""

    token_hash: str
    person_id: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


async def insert_link(tx: Transaction, link: StoredLink) -> None:
    """Insert a new link."""
    await tx.execute(
        insert(sign_in_links).values(
            token_hash=link.token_hash,
            person_id=link.person_id,
            purpose=link.purpose,
            subject=link.subject,
            created_at=link.created_at,
            expires_at=link.expires_at,
            used_at=link.used_at,
        )
    )


async def load_link(tx: Transaction, token_hash: str) -> StoredLink | None:
    """Load a link, also one that is used or over."""
    row = await tx.one_or_none(
        select(sign_in_links).where(sign_in_links.c.token_hash == token_hash)
    )
    if row is None:
        return None
    return StoredLink(
        token_hash=row.token_hash,
        person_id=row.person_id,
        purpose=row.purpose,
        subject=row.subject,
        created_at=row.created_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


async def use_link(tx: Transaction, token_hash: str, *, now: datetime) -> bool:
    """Mark a link as used; False if somebody was faster."""
    result = await tx.execute(
        update(sign_in_links)
        .where(
            sign_in_links.c.token_hash == token_hash, sign_in_links.c.used_at.is_(None)
        )
        .values(used_at=now)
    )
    return result.rowcount == 1


async def drop_links(
    tx: Transaction, person_id: str, *, purposes: frozenset[str] | None = None
) -> None:
    """Delete a person's links that were not used, all or those of some purposes."""
    statement = delete(sign_in_links).where(
        sign_in_links.c.person_id == person_id, sign_in_links.c.used_at.is_(None)
    )
    if purposes is not None:
        statement = statement.where(sign_in_links.c.purpose.in_(sorted(purposes)))
    await tx.execute(statement)


async def drop_links_for(tx: Transaction, *, purpose: str, subject: str) -> None:
    """Delete the unused links about one thing, e.g. an entry."""
    await tx.execute(
        delete(sign_in_links).where(
            sign_in_links.c.purpose == purpose,
            sign_in_links.c.subject == subject,
            sign_in_links.c.used_at.is_(None),
        )
    )


async def insert_session(tx: Transaction, session: StoredSession) -> None:
    """Insert a new session."""
    await tx.execute(
        insert(sessions).values(
            token_hash=session.token_hash,
            person_id=session.person_id,
            created_at=session.created_at,
            seen_at=session.seen_at,
            expires_at=session.expires_at,
        )
    )


async def load_session(tx: Transaction, token_hash: str) -> StoredSession | None:
    """Load a session, also one that is over."""
    row = await tx.one_or_none(
        select(sessions).where(sessions.c.token_hash == token_hash)
    )
    if row is None:
        return None
    return StoredSession(
        token_hash=row.token_hash,
        person_id=row.person_id,
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
    )


async def touch_session(tx: Transaction, token_hash: str, *, now: datetime) -> None:
    """Note that a session was used."""
    await tx.execute(
        update(sessions).where(sessions.c.token_hash == token_hash).values(seen_at=now)
    )


async def delete_session(tx: Transaction, token_hash: str) -> None:
    """End one session."""
    await tx.execute(delete(sessions).where(sessions.c.token_hash == token_hash))


async def delete_sessions_of(
    tx: Transaction, person_id: str, *, except_hash: str | None = None
) -> None:
    """End the sessions of a person, all or all but one."""
    statement = delete(sessions).where(sessions.c.person_id == person_id)
    if except_hash is not None:
        statement = statement.where(sessions.c.token_hash != except_hash)
    await tx.execute(statement)


async def purge_sign_in(
    tx: Transaction, *, now: datetime, idle_since: datetime, links_before: datetime
) -> int:
    """Delete sessions that are over and links whose end is long past.

    Args:
        tx: The transaction.
        now: The present.
        idle_since: Sessions not used since then are over.
        links_before: Links that ended before this are forgotten; until then
            their page can say that they are too old.

    Returns:
        The number of rows deleted.
    """
    ended = await tx.execute(
        delete(sessions).where(
            or_(sessions.c.expires_at <= now, sessions.c.seen_at <= idle_since)
        )
    )
    forgotten = await tx.execute(
        delete(sign_in_links).where(sign_in_links.c.expires_at <= links_before)
    )
    return ended.rowcount + forgotten.rowcount
