"""Partners' entries in the database: copies, tombstones and quarantine."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    delete,
    func,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from federation.documents.holdings import HeldEntry
from federation.exchange import HeldState, HeldVersion, bucket_of
from federation.ids import LOCAL_ID_CHARACTERS
from federation.version import Version
from node.catalogue.model import ReceivedEntry, ReceivedState
from node.storage.database import Transaction
from node.storage.partner_members import forget_profiles
from node.storage.tables import partners, received_entries

# What the partner reads in our receipts: kept out by a rule of ours (FED-065).
PURGED_REASON = "The office has removed its copies."
# The same for whatever our policy sheet keeps out: the partner learns nothing of it.
NOT_TAKEN_REASON = "The office's rules do not take this entry."
# Others have their turn in between.
_ROWS_AT_ONCE = 40
_IDS_AT_ONCE = 500
_REPLACED = tuple(
    column.name
    for column in received_entries.c
    if column.name not in {"id", "partner_id", "entry_uri", "first_received_at"}
)


def _selection() -> Select[Any]:
    return select(
        received_entries,
        partners.c.name.label("partner_name"),
        partners.c.state.label("partner_state"),
    ).join(partners, partners.c.id == received_entries.c.partner_id)


def _received(row: Row[Any]) -> ReceivedEntry:
    return ReceivedEntry(
        id=row.id,
        uri=row.entry_uri,
        partner_id=row.partner_id,
        partner_name=row.partner_name,
        state=ReceivedState(row.state),
        kind=row.kind,
        known_kind=row.known_kind,
        version=Version(row.incarnation, row.counter),
        content=row.content or {"title": {}, "summary": {}},
        owner=row.owner,
        is_public=row.is_public,
        is_personal=row.is_personal,
        valid_until=row.valid_until,
        published_at=row.published_at or row.first_received_at,
        updated_at=row.updated_at or row.changed_at,
        first_received_at=row.first_received_at,
        changed_at=row.changed_at,
        is_not_taken=row.state == ReceivedState.QUARANTINED.value
        and row.reason == NOT_TAKEN_REASON,
    )


async def list_received(
    tx: Transaction,
    *,
    where: ColumnElement[bool],
    order_by: Sequence[ColumnElement[Any]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[ReceivedEntry]:
    """Load received entries that satisfy `where` (taken from visibility)."""
    statement = _selection().where(where)
    statement = statement.order_by(*(order_by or (received_entries.c.id,)))
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    return [_received(row) for row in await tx.all(statement)]


_VERSIONS = select(
    received_entries.c.entry_uri,
    received_entries.c.state,
    received_entries.c.incarnation,
    received_entries.c.counter,
    received_entries.c.content_hash,
    received_entries.c.reason,
).where(
    received_entries.c.partner_id == bindparam("of_partner"),
    received_entries.c.entry_uri.in_(bindparam("uris", expanding=True)),
)
_KEPT_OUT = _VERSIONS.where(
    received_entries.c.state == ReceivedState.QUARANTINED.value
).order_by(received_entries.c.entry_uri)
_COUNT = (
    select(func.count())
    .select_from(received_entries)
    .where(
        received_entries.c.partner_id == bindparam("of_partner"),
        received_entries.c.state == bindparam("in_state"),
    )
)


async def held_versions(
    tx: Transaction, partner_id: str, entry_uris: Sequence[str]
) -> dict[str, HeldVersion]:
    """What we applied last of each of these entries; absent means never heard."""
    rows = await tx.all(_VERSIONS, {"of_partner": partner_id, "uris": list(entry_uris)})
    return {
        row.entry_uri: HeldVersion(
            version=Version(row.incarnation, row.counter),
            state=HeldState(row.state),
            content_hash=row.content_hash,
        )
        for row in rows
    }


async def present_elements(
    tx: Transaction, partner_id: str
) -> list[tuple[str, Version, str]]:
    """Id, version and hash of every copy that we hold of a partner."""
    rows = await tx.all(
        select(
            received_entries.c.entry_uri,
            received_entries.c.incarnation,
            received_entries.c.counter,
            received_entries.c.content_hash,
        ).where(
            received_entries.c.partner_id == partner_id,
            received_entries.c.state == ReceivedState.PRESENT.value,
        )
    )
    return [
        (row.entry_uri, Version(row.incarnation, row.counter), row.content_hash)
        for row in rows
    ]


async def list_held(
    tx: Transaction,
    partner_id: str,
    *,
    bucket: int | None,
    after: str,
    limit: int,
    prefix: str | None,
) -> list[HeldEntry]:
    """What we were ever told of a partner's entries, in the order of their local ids.

    Args:
        tx: The caller's transaction.
        partner_id: Whose entries they are.
        bucket: Only those of one bucket; None for all.
        after: Local id of the last one that is known; "" for none.
        limit: At most so many.
        prefix: What stands before the local part in all of them, so that the index
            has their order; None if the partner has moved.
    """
    place: ColumnElement[str] = received_entries.c.entry_uri
    if prefix is None:
        place = func.substr(place, func.length(place) - (LOCAL_ID_CHARACTERS - 1))
    statement = (
        select(
            received_entries.c.entry_uri,
            received_entries.c.state,
            received_entries.c.incarnation,
            received_entries.c.counter,
            received_entries.c.content_hash,
        )
        .where(
            received_entries.c.partner_id == partner_id,
            place > (prefix or "") + after,
        )
        .order_by(place)
        .limit(limit)
    )
    if bucket is not None:
        statement = statement.where(received_entries.c.bucket == bucket)
    return [
        HeldEntry(
            row.entry_uri,
            HeldVersion(
                version=Version(row.incarnation, row.counter),
                state=HeldState(row.state),
                content_hash=row.content_hash,
            ),
        )
        for row in await tx.all(statement)
    ]


async def quarantined(
    tx: Transaction, partner_id: str, entry_uris: Sequence[str]
) -> list[tuple[str, Version, str]]:
    """Which of these entries are kept out: id, version and reason."""
    rows = await tx.all(_KEPT_OUT, {"of_partner": partner_id, "uris": list(entry_uris)})
    return [
        (row.entry_uri, Version(row.incarnation, row.counter), row.reason or "")
        for row in rows
    ]


def _upsert(make: Any) -> Any:
    """Return the statement that inserts or replaces, in one engine's dialect."""
    statement = make(received_entries)
    return statement.on_conflict_do_update(
        index_elements=[received_entries.c.partner_id, received_entries.c.entry_uri],
        set_={name: statement.excluded[name] for name in _REPLACED},
    )


_UPSERT = {
    "postgresql": _upsert(postgres_insert),
    "sqlite": _upsert(sqlite_insert),
}


async def put_received(
    tx: Transaction, partner_id: str, values: Sequence[Mapping[str, Any]]
) -> None:
    """Insert or replace what we hold of some entries of a partner.

    Args:
        tx: The caller's transaction.
        partner_id: Whose entries they are.
        values: For each entry, once: `id` for its page if it is new, `entry_uri`,
            and all other columns. A known one keeps its id and the time at which
            it first came.
    """
    rows = [
        {
            "partner_id": partner_id,
            "first_received_at": row["changed_at"],
            "bucket": bucket_of(row["entry_uri"]),
            **row,
        }
        for row in values
    ]
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        await tx.execute(_UPSERT[tx.dialect_name], rows[start : start + _ROWS_AT_ONCE])


async def forget_partner(tx: Transaction, partner_id: str) -> int:
    """Remove everything received from a partner, tombstones of deletions excepted.

    Returns:
        Number of copies removed.
    """
    mine = received_entries.c.partner_id == partner_id
    held = await tx.scalar(
        select(func.count())
        .select_from(received_entries)
        .where(mine, received_entries.c.state == ReceivedState.PRESENT.value)
    )
    await tx.execute(
        delete(received_entries).where(
            mine, received_entries.c.state != ReceivedState.DELETED.value
        )
    )
    await forget_profiles(tx, partner_id)
    return int(held or 0)


async def purge_partner(
    tx: Transaction, partner_id: str, *, at: datetime, until: datetime | None = None
) -> int:
    """Remove the copies of a partner's entries; id and version stay, kept out.

    Args:
        tx: The transaction.
        partner_id: The partner.
        at: When they are removed.
        until: Those that came later stay; by default all go.

    Returns:
        Number of copies removed.
    """
    came = true() if until is None else received_entries.c.changed_at <= until
    result = await tx.execute(
        update(received_entries)
        .where(
            received_entries.c.partner_id == partner_id,
            received_entries.c.state == ReceivedState.PRESENT.value,
            came,
        )
        .values(**_kept_out(PURGED_REASON, at))
    )
    await forget_profiles(tx, partner_id)
    return int(result.rowcount)


async def keep_out(
    tx: Transaction, partner_id: str, uris: Sequence[str], *, at: datetime
) -> None:
    """Remove copies that our policy sheet does not take; id and version stay."""
    for start in range(0, len(uris), _IDS_AT_ONCE):
        await tx.execute(
            update(received_entries)
            .where(
                received_entries.c.partner_id == partner_id,
                received_entries.c.entry_uri.in_(uris[start : start + _IDS_AT_ONCE]),
                received_entries.c.state == ReceivedState.PRESENT.value,
            )
            .values(**_kept_out(NOT_TAKEN_REASON, at))
        )
    await forget_profiles(tx, partner_id)


def _kept_out(reason: str, at: datetime) -> dict[str, Any]:
    return {
        "state": ReceivedState.QUARANTINED.value,
        "kind": "",
        "known_kind": False,
        "content": null(),
        "owner": null(),
        "is_public": False,
        "is_personal": False,
        "search_text": "",
        "valid_until": None,
        "document": None,
        "content_hash": None,
        "reason": reason,
        "published_at": None,
        "updated_at": None,
        "changed_at": at,
    }


async def purged_last(tx: Transaction) -> dict[str, datetime]:
    """Return when copies were removed last that are still kept out, by partner."""
    rows = await tx.all(
        select(
            received_entries.c.partner_id,
            func.max(received_entries.c.changed_at).label("at"),
        )
        .where(
            received_entries.c.state == ReceivedState.QUARANTINED.value,
            received_entries.c.reason == PURGED_REASON,
        )
        .group_by(received_entries.c.partner_id)
    )
    return {row.partner_id: row.at for row in rows}


async def count_purged(tx: Transaction, partner_id: str) -> int:
    """Count the entries of a partner whose copies the office removed."""
    return await _count_kept_out(tx, partner_id, PURGED_REASON)


async def count_not_taken(tx: Transaction, partner_id: str) -> int:
    """Count the entries of a partner that our policy sheet keeps out."""
    return await _count_kept_out(tx, partner_id, NOT_TAKEN_REASON)


async def _count_kept_out(tx: Transaction, partner_id: str, reason: str) -> int:
    number = await tx.scalar(
        select(func.count())
        .select_from(received_entries)
        .where(
            received_entries.c.partner_id == partner_id,
            received_entries.c.state == ReceivedState.QUARANTINED.value,
            received_entries.c.reason == reason,
        )
    )
    return int(number or 0)


async def count_received(tx: Transaction, partner_id: str, state: ReceivedState) -> int:
    """Count what we hold of a partner in one state."""
    number = await tx.scalar(
        _COUNT, {"of_partner": partner_id, "in_state": state.value}
    )
    return int(number or 0)
