"""Our own entries in the database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from federation.ids import NodeAddress
from federation.version import Version
from node.catalogue.model import (
    Audience,
    AudienceLevel,
    Ceilings,
    Entry,
    EntryState,
    HiddenOwner,
    Kept,
)
from node.chiffre.coarse import begin_of_day, box_number
from node.feed.folding import searchable_text
from node.storage.database import Transaction
from node.storage.exclusions import kept_of
from node.storage.groups import members_of_groups
from node.storage.ledger import WITHDRAW
from node.storage.prepared import Prepared, Record
from node.storage.tables import (
    chiffre_owners,
    disclosures,
    entries,
    entry_audience_partners,
    kind_audiences,
    organisations,
    persons,
)
from node.visibility.fields import leaving_content
from node.visibility.policy import topics_text
from schemas import KINDS

_employers = organisations.alias("employers")  # of who stands behind a Chiffre


def _selection() -> Select[Any]:
    return (
        select(
            entries,
            organisations.c.name.label("organisation_name"),
            organisations.c.ceiling.label("organisation_ceiling"),
            _employers.c.ceiling.label("employer_ceiling"),
            chiffre_owners.c.organisation_id.label("hidden_organisation_id"),
            chiffre_owners.c.person_id.label("hidden_person_id"),
            chiffre_owners.c.author_id.label("hidden_author_id"),
            kind_audiences.c.ceiling.label("kind_ceiling"),
            persons.c.name.label("person_name"),
            persons.c.consent_on,
            persons.c.consent_source,
        )
        .join(organisations, organisations.c.id == entries.c.organisation_id)
        .outerjoin(persons, persons.c.id == entries.c.person_id)
        .outerjoin(kind_audiences, kind_audiences.c.kind == entries.c.kind)
        .outerjoin(chiffre_owners, chiffre_owners.c.entry_id == entries.c.id)
        .outerjoin(_employers, _employers.c.id == chiffre_owners.c.organisation_id)
    )


async def _named_partners(
    tx: Transaction, rows: Sequence[Record]
) -> dict[str, frozenset[str]]:
    ids = [row.id for row in rows if row.audience_level == AudienceLevel.PARTNERS.value]
    found: dict[str, set[str]] = {}
    # SQLite takes 32,766 variables; pages and ledgers ask for a few hundred.
    for start in range(0, len(ids), 500):
        chunk = ids[start : start + 500]
        links = entry_audience_partners
        for link in await tx.all(select(links).where(links.c.entry_id.in_(chunk))):
            found.setdefault(link.entry_id, set()).add(link.partner_id)
    return {entry_id: frozenset(ids) for entry_id, ids in found.items()}


@dataclass(frozen=True, slots=True)
class _Beside:
    """What other tables say about some entries, by entry or by group."""

    named: Mapping[str, frozenset[str]]
    kept: Mapping[str, Kept]
    groups: Mapping[str, frozenset[str]]


async def _beside(tx: Transaction, rows: Sequence[Record]) -> _Beside:
    excluding = [row.id for row in rows if row.exclusions_id is not None]
    groups = {row.group_id for row in rows if row.group_id is not None}
    return _Beside(
        await _named_partners(tx, rows),
        await kept_of(tx, excluding) if excluding else {},
        await members_of_groups(tx, groups) if groups else {},
    )


def _level(code: str | None) -> AudienceLevel | None:
    return None if code is None else AudienceLevel(code)


def _entry(row: Record, beside: _Beside, address: NodeAddress) -> Entry:
    named = beside.named.get(row.id, frozenset())
    return Entry(
        id=row.id,
        uri=address.entry(row.id),
        kind=row.kind,
        state=EntryState(row.state),
        version=Version(row.incarnation, row.counter),
        organisation_id=row.organisation_id,
        organisation_name=row.organisation_name,
        person_id=row.person_id,
        person_name=row.person_name,
        person_consented=row.consent_on is not None and bool(row.consent_source),
        personal=KINDS[row.kind].personal,
        audience=Audience(AudienceLevel(row.audience_level), named, row.group_id),
        content=row.content,
        valid_until=row.valid_until,
        created_at=row.created_at,
        updated_at=row.updated_at,
        published_at=row.published_at,
        confirmed_at=row.confirmed_at,
        reminded_at=row.reminded_at,
        closed_at=row.closed_at,
        external_id=row.external_id,
        author_id=row.author_id,
        content_hash=row.content_hash,
        document=row.document,
        key_number=row.key_number,
        group_organisation_ids=beside.groups.get(row.group_id, frozenset()),
        exclusions_id=row.exclusions_id,
        kept=beside.kept.get(row.id, Kept()),
        home_fields=frozenset(row.home_fields or ()),
        ceilings=Ceilings(
            _level(row.kind_ceiling),
            _level(
                row.employer_ceiling if row.is_chiffre else row.organisation_ceiling
            ),
        ),
        is_chiffre=row.is_chiffre,
        waits_until=row.waits_until,
        hidden_owner=_hidden_owner(row),
    )


def _hidden_owner(row: Record) -> HiddenOwner | None:
    if row.hidden_organisation_id is None:
        return None
    return HiddenOwner(
        row.hidden_organisation_id, row.hidden_person_id, row.hidden_author_id
    )


async def list_entries(
    tx: Transaction,
    address: NodeAddress,
    *,
    where: ColumnElement[bool],
    order_by: Sequence[ColumnElement[Any]] = (),
    limit: int | None = None,
    offset: int = 0,
) -> list[Entry]:
    """Load entries that satisfy `where`, which the caller takes from visibility."""
    statement = _selection().where(where)
    statement = statement.order_by(*(order_by or (entries.c.id,)))
    if limit is not None:
        statement = statement.limit(limit).offset(offset)
    return await _read(tx, address, await tx.all(statement))


async def _read(
    tx: Transaction, address: NodeAddress, rows: Sequence[Record]
) -> list[Entry]:
    beside = await _beside(tx, rows)
    return [_entry(row, beside, address) for row in rows]


_BY_ID = Prepared(_selection().where(entries.c.id == bindparam("entry_id")))


async def load_entry(
    tx: Transaction, address: NodeAddress, entry_id: str, *, lock: bool = False
) -> Entry | None:
    """Load one entry by its local id, whatever its state.

    With `lock`, nobody else changes it until the commit; SQLite has a single
    writer and needs no lock.
    """
    if lock and tx.dialect_name == "postgresql":
        # First the lock, then a statement of its own that sees what the one who
        # held it before has committed.
        await tx.execute(
            select(entries.c.id).where(entries.c.id == entry_id).with_for_update()
        )
    found = await _read(tx, address, await tx.records(_BY_ID, {"entry_id": entry_id}))
    return found[0] if found else None


async def find_by_external_id(
    tx: Transaction, address: NodeAddress, external_id: str
) -> Entry | None:
    """Load the entry that an import or a file names by its external id."""
    found = await list_entries(tx, address, where=entries.c.external_id == external_id)
    return found[0] if found else None


async def hold_external_id(tx: Transaction, external_id: str) -> None:
    """Let nobody else publish under an external id until the commit.

    There is no row yet that could be locked: two who publish under it for the first
    time would both insert one. SQLite has a single writer and needs no lock.
    """
    if tx.dialect_name == "postgresql":
        await tx.execute(
            select(func.pg_advisory_xact_lock(func.hashtextextended(external_id, 0)))
        )


def values_of(entry: Entry) -> dict[str, Any]:
    """Columns of `entries` for an entry; its search text is made here."""
    names = [entry.organisation_name, entry.person_name or ""]
    if entry.is_chiffre:
        names = [box_number(entry.uri)]
        entry = _by_days(entry)
    deleted = entry.state is EntryState.DELETED
    return {
        "id": entry.id,
        "kind": entry.kind,
        "state": entry.state.value,
        "incarnation": entry.version.incarnation,
        "counter": entry.version.counter,
        "organisation_id": entry.organisation_id,
        "person_id": entry.person_id,
        "author_id": entry.author_id,
        "external_id": entry.external_id,
        "audience_level": entry.audience.level.value,
        "group_id": entry.audience.group_id,
        "exclusions_id": entry.exclusions_id,
        "home_fields": sorted(entry.home_fields) or None,
        "content": dict(entry.content),
        "search_text": ""
        if deleted
        else searchable_text(leaving_content(entry), names),
        "topics": topics_text(entry.content),
        "valid_until": entry.valid_until,
        "document": entry.document,
        "content_hash": entry.content_hash,
        "key_number": entry.key_number,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "published_at": entry.published_at,
        "confirmed_at": entry.confirmed_at,
        "reminded_at": entry.reminded_at,
        "closed_at": entry.closed_at,
        "is_chiffre": entry.is_chiffre,
        "waits_until": entry.waits_until,
    }


async def insert_entry(tx: Transaction, values: Mapping[str, Any]) -> None:
    """Insert one row of `entries`."""
    await tx.execute(insert(entries).values(**values))


def _by_days(entry: Entry) -> Entry:
    """Return an entry under Chiffre with days for times, which lists show and sort."""
    return replace(
        entry,
        created_at=begin_of_day(entry.created_at),
        updated_at=begin_of_day(entry.updated_at),
        published_at=entry.published_at and begin_of_day(entry.published_at),
        confirmed_at=entry.confirmed_at and begin_of_day(entry.confirmed_at),
    )


async def replace_hidden_owner(
    tx: Transaction, entry_id: str, owner: HiddenOwner | None
) -> None:
    """Set whose an entry under Chiffre is; with None nothing of that is kept."""
    hidden = chiffre_owners
    await tx.execute(delete(hidden).where(hidden.c.entry_id == entry_id))
    if owner is not None:
        await tx.execute(
            insert(hidden).values(
                entry_id=entry_id,
                organisation_id=owner.organisation_id,
                person_id=owner.person_id,
                author_id=owner.author_id,
            )
        )


def waiting_for(moment: datetime) -> ColumnElement[bool]:
    """Entries under Chiffre whose hour has come."""
    return entries.c.waits_until <= moment


async def update_entry(tx: Transaction, entry_id: str, **values: Any) -> None:
    """Change columns of one entry."""
    await tx.execute(update(entries).where(entries.c.id == entry_id).values(**values))


async def replace_audience(
    tx: Transaction, entry_id: str, partner_ids: frozenset[str]
) -> None:
    """Set the named partners of an entry."""
    links = entry_audience_partners
    await tx.execute(delete(links).where(links.c.entry_id == entry_id))
    for partner_id in sorted(partner_ids):
        await tx.execute(insert(links).values(entry_id=entry_id, partner_id=partner_id))


async def hashes_of(
    tx: Transaction, entry_ids: Collection[str]
) -> dict[str, tuple[Version, str | None]]:
    """Version and hash of the signed document of some entries."""
    rows = await tx.all(
        select(
            entries.c.id,
            entries.c.incarnation,
            entries.c.counter,
            entries.c.content_hash,
        ).where(entries.c.id.in_(entry_ids))
    )
    return {
        row.id: (Version(row.incarnation, row.counter), row.content_hash)
        for row in rows
    }


async def versions_where(
    tx: Transaction, where: ColumnElement[bool]
) -> dict[str, Version]:
    """Return the versions of entries that satisfy `where` (taken from visibility)."""
    rows = await tx.all(
        select(entries.c.id, entries.c.incarnation, entries.c.counter).where(where)
    )
    return {row.id: Version(row.incarnation, row.counter) for row in rows}


async def kinds_where(tx: Transaction, where: ColumnElement[bool]) -> dict[str, int]:
    """Count entries that satisfy `where` (taken from visibility), by kind."""
    rows = await tx.all(
        select(entries.c.kind, func.count().label("number"))
        .where(where)
        .group_by(entries.c.kind)
    )
    return {row.kind: row.number for row in rows}


def past_last_day(today: date) -> ColumnElement[bool]:
    """Published entries whose last day is over."""
    return (entries.c.state == EntryState.PUBLISHED) & (entries.c.valid_until < today)


async def is_any_past(tx: Transaction, today: date) -> bool:
    """Tell whether published entries wait for the clock to close them."""
    found = await tx.scalar(select(entries.c.id).where(past_last_day(today)).limit(1))
    return found is not None


def ends_by(day: date) -> ColumnElement[bool]:
    """Published entries that end on `day` or before and had no reminder yet."""
    return (
        (entries.c.state == EntryState.PUBLISHED)
        & (entries.c.valid_until <= day)
        & entries.c.reminded_at.is_(None)
    )


def taken_back_from(partner_id: str) -> ColumnElement[bool]:
    """Entries whose present version a partner was asked to remove."""
    return exists(
        select(disclosures.c.entry_id)
        .where(
            disclosures.c.entry_id == entries.c.id,
            disclosures.c.partner_id == partner_id,
            disclosures.c.op == WITHDRAW,
            disclosures.c.incarnation == entries.c.incarnation,
            disclosures.c.counter == entries.c.counter,
        )
        .correlate(entries)
    )


def published(*, signed_by: Collection[int] | None = None) -> ColumnElement[bool]:
    """Published entries, all or those that some of our keys have signed."""
    is_published = entries.c.state == EntryState.PUBLISHED
    if signed_by is None:
        return is_published
    return is_published & entries.c.key_number.in_(sorted(signed_by))


async def count_published(
    tx: Transaction, *, signed_by: Collection[int] | None = None
) -> int:
    """Count published entries, all or those that some of our keys have signed."""
    statement = select(func.count()).select_from(entries)
    return int(await tx.scalar(statement.where(published(signed_by=signed_by))) or 0)
