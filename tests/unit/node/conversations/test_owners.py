"""An answer always reaches somebody who reads it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from node.conversations.owners import owners_of
from node.members.model import Organisation, Person, Role
from node.storage.database import Database, SqliteDatabase, Transaction
from node.storage.members import insert_organisation, insert_person, update_person
from node.storage.schema import migrate

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PEOPLE = {
    "olga": ("optik", Role.PERSON),
    "otto": ("optik", Role.ORGANISATION_ADMIN),
    "lars": ("laser", Role.PERSON),
    "büro": ("office", Role.OFFICE),
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = SqliteDatabase(tmp_path / "node.sqlite")
    await migrate(opened)

    async def work(tx: Transaction) -> None:
        for name in ("optik", "laser", "empty", "office"):
            organisation = Organisation(id=name, name=name, is_office=name == "office")
            await insert_organisation(tx, organisation, now=NOW)
        for name, (organisation_id, role) in PEOPLE.items():
            person = Person(
                id=name,
                organisation_id=organisation_id,
                organisation_name=organisation_id,
                email=f"{name}@x.example",
                name=name,
                role=role,
                language="de",
            )
            await insert_person(tx, person, now=NOW)

    await opened.write(work)
    yield opened
    await opened.close()


async def owners(
    database: Database, owner_id: str | None, organisation_id: str | None
) -> list[str]:
    async with database.read() as tx:
        found = await owners_of(tx, owner_id=owner_id, organisation_id=organisation_id)
    return [person.id for person in found]


@pytest.mark.parametrize(
    ("owner_id", "organisation_id", "expected"),
    [
        ("olga", "optik", ["olga"]),
        (None, "optik", ["otto"]),
        (None, "laser", ["lars"]),
        (None, "empty", ["büro"]),
        (None, None, ["büro"]),
    ],
)
async def test_who_answers(
    database: Database,
    owner_id: str | None,
    organisation_id: str | None,
    expected: list[str],
) -> None:
    assert await owners(database, owner_id, organisation_id) == expected


async def test_who_left_answers_no_more(database: Database) -> None:
    async def leave(tx: Transaction) -> None:
        for name in ("olga", "otto"):
            await update_person(tx, name, {"left_at": NOW}, now=NOW)

    assert await owners(database, "olga", "optik") == ["olga"]
    await database.write(leave)
    assert await owners(database, "olga", "optik") == ["büro"]
