"""Organisations and persons in the database."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    update,
)

from node.erasure.decisions import of_person
from node.members.model import OFFICE_ROLES, Organisation, Person, Role
from node.storage.database import Transaction
from node.storage.exclusions import note_organisation
from node.storage.prepared import Prepared, Record
from node.storage.tables import organisations, persons

_OFFICE = [role.value for role in OFFICE_ROLES]
_IDENTIFYING = frozenset({"vat_id", "register_id", "domains", "website"})


def _organisation(row: Row[Any]) -> Organisation:
    return Organisation(
        id=row.id,
        name=row.name,
        external_id=row.external_id,
        short_name=row.short_name,
        website=row.website,
        region=row.region,
        city=row.city,
        size_class=row.size_class,
        org_type=row.org_type,
        description=row.description or None,
        is_office=row.is_office,
        vat_id=row.vat_id,
        register_id=row.register_id,
        domains=tuple(row.domains or ()),
        ceiling=row.ceiling,
    )


def _selection() -> Select[Any]:
    return select(persons, organisations.c.name.label("organisation_name")).join(
        organisations, organisations.c.id == persons.c.organisation_id
    )


def _person(row: Record) -> Person:
    return Person(
        id=row.id,
        organisation_id=row.organisation_id,
        organisation_name=row.organisation_name,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        language=row.language,
        external_id=row.external_id,
        function=row.function,
        phone=row.phone,
        consent_on=row.consent_on,
        consent_source=row.consent_source,
        has_password=row.password_hash is not None,
        left_at=row.left_at,
    )


# Organisations


async def insert_organisation(
    tx: Transaction, organisation: Organisation, *, now: datetime
) -> None:
    """Insert a new organisation."""
    await tx.execute(
        insert(organisations).values(
            id=organisation.id,
            external_id=organisation.external_id,
            name=organisation.name,
            short_name=organisation.short_name,
            website=organisation.website,
            region=organisation.region,
            city=organisation.city,
            size_class=organisation.size_class,
            org_type=organisation.org_type,
            description=dict(organisation.description or {}),
            is_office=organisation.is_office,
            vat_id=organisation.vat_id,
            register_id=organisation.register_id,
            domains=list(organisation.domains) or None,
            ceiling=organisation.ceiling,
            created_at=now,
            updated_at=now,
        )
    )
    await note_organisation(tx, organisation)


async def update_organisation(
    tx: Transaction, organisation_id: str, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Change columns of one organisation."""
    changed = dict(values)
    if "description" in changed:
        changed["description"] = dict(changed["description"] or {})
    if "domains" in changed:
        changed["domains"] = list(changed["domains"] or ()) or None
    await tx.execute(
        update(organisations)
        .where(organisations.c.id == organisation_id)
        .values(**changed, updated_at=now)
    )
    if changed.keys() & _IDENTIFYING:
        organisation = await load_organisation(tx, organisation_id)
        if organisation is not None:
            await note_organisation(tx, organisation)


async def load_organisation(
    tx: Transaction, organisation_id: str
) -> Organisation | None:
    """Load an organisation by its id."""
    row = await tx.one_or_none(
        select(organisations).where(organisations.c.id == organisation_id)
    )
    return None if row is None else _organisation(row)


async def find_organisation(tx: Transaction, reference: str) -> Organisation | None:
    """Load an organisation by its id, external id or name, in this order.

    A name that two organisations share finds none of them: a guess would put
    something under the wrong member.
    """
    for column in (organisations.c.id, organisations.c.external_id):
        row = await tx.one_or_none(select(organisations).where(column == reference))
        if row is not None:
            return _organisation(row)
    found = await tx.all(
        select(organisations)
        .where(
            or_(
                organisations.c.name == reference,
                func.lower(organisations.c.name) == reference.lower(),
            )
        )
        .limit(2)
    )
    return _organisation(found[0]) if len(found) == 1 else None


async def list_organisations(tx: Transaction) -> list[Organisation]:
    """Load all organisations by name."""
    rows = await tx.all(
        select(organisations).order_by(
            func.lower(organisations.c.name), organisations.c.id
        )
    )
    return [_organisation(row) for row in rows]


# Persons


async def insert_person(tx: Transaction, person: Person, *, now: datetime) -> None:
    """Insert a new person, without a password."""
    await tx.execute(
        insert(persons).values(
            id=person.id,
            external_id=person.external_id,
            organisation_id=person.organisation_id,
            email=person.email,
            name=person.name,
            role=person.role.value,
            function=person.function,
            language=person.language,
            phone=person.phone,
            consent_on=person.consent_on,
            consent_source=person.consent_source,
            left_at=person.left_at,
            created_at=now,
            updated_at=now,
        )
    )
    said = {
        "left_at": person.left_at,
        "consent_on": person.consent_on,
        "role": person.role,
    }
    tx.decide(of_person(person.id, said, at=now))


async def update_person(
    tx: Transaction, person_id: str, values: Mapping[str, Any], *, now: datetime
) -> None:
    """Change columns of one person."""
    await tx.execute(
        update(persons)
        .where(persons.c.id == person_id)
        .values(**values, updated_at=now)
    )
    tx.decide(of_person(person_id, values, at=now))


_BY_ID = Prepared(_selection().where(persons.c.id == bindparam("person_id")))


async def load_person(tx: Transaction, person_id: str) -> Person | None:
    """Load a person by id, also one who has left."""
    row = await tx.record(_BY_ID, {"person_id": person_id})
    return None if row is None else _person(row)


async def hold_person(tx: Transaction, person_id: str) -> bool:
    """Keep others from changing a person until the commit; many may hold one.

    Returns:
        Whether a lock was taken, so that the person has to be read again: SQLite has
        a single writer and needs none.
    """
    if tx.dialect_name != "postgresql":
        return False
    await tx.execute(
        select(persons.c.id).where(persons.c.id == person_id).with_for_update(read=True)
    )
    return True


async def find_person_by_email(tx: Transaction, email: str) -> Person | None:
    """Load a person by mail address, also one who has left.

    Addresses are stored in lower case, see `node.members.fields.read_email`.
    """
    row = await tx.one_or_none(
        _selection().where(persons.c.email == email.strip().lower())
    )
    return None if row is None else _person(row)


async def list_persons(
    tx: Transaction,
    *,
    organisation_id: str | None = None,
    roles: frozenset[Role] | None = None,
    with_left: bool = True,
) -> list[Person]:
    """Load persons by organisation and name.

    Args:
        tx: The transaction.
        organisation_id: Only those of one organisation.
        roles: Only those with one of these roles.
        with_left: Also those who no longer belong.
    """
    where: list[ColumnElement[bool]] = []
    if organisation_id is not None:
        where.append(persons.c.organisation_id == organisation_id)
    if roles is not None:
        where.append(persons.c.role.in_([role.value for role in roles]))
    if not with_left:
        where.append(persons.c.left_at.is_(None))
    rows = await tx.all(
        _selection()
        .where(*where)
        .order_by(
            func.lower(organisations.c.name), func.lower(persons.c.name), persons.c.id
        )
    )
    return [_person(row) for row in rows]


async def office_persons(tx: Transaction) -> list[Person]:
    """Load who acts for the office; node administrators first, then by age."""
    rows = await tx.all(
        _selection()
        .where(persons.c.role.in_(_OFFICE), persons.c.left_at.is_(None))
        .order_by(
            (persons.c.role == Role.NODE_ADMIN.value).desc(),
            persons.c.created_at,
            persons.c.id,
        )
    )
    return [_person(row) for row in rows]


async def load_password_hash(tx: Transaction, person_id: str) -> str | None:
    """Load the argon2 hash of a person's password, None without one."""
    found: str | None = await tx.scalar(
        select(persons.c.password_hash).where(persons.c.id == person_id)
    )
    return found
