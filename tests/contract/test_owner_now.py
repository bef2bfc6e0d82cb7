"""Whoever publishes counts as the database knows them at that moment."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from node.catalogue.model import Entry
from node.errors import NotAuthorisedError
from node.members.model import Person, Role
from node.storage.database import Database
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import migrate
from tests.contract.gates import while_held
from tests.contract.member_world import World, capacity_offer, make_world
from tests.contract.test_races import process

AGREED: dict[str, Any] = {"on": date(2026, 1, 5), "source": "Formular vom 5. Januar"}
REVOKED: dict[str, Any] = {"on": None, "source": None}


async def member(world: World, name: str = "Mia") -> Person:
    person, _ = await world.members.add_person(
        world.admin,
        email=f"{name.lower()}@optik.example",
        name=name,
        organisation="Optik GmbH",
    )
    return person


def named_in(entry: Entry) -> bool:
    assert entry.document is not None
    return "person" in json.loads(entry.document)["owner"]


async def test_a_consent_that_has_gone_names_nobody(database: Database) -> None:
    world = await make_world(database)
    mia = await member(world)
    agreed = await world.members.set_consent(world.admin, mia.id, **AGREED)
    assert named_in(await world.catalogue.publish(agreed, capacity_offer()))
    await world.members.set_consent(world.admin, mia.id, **REVOKED)
    # What a page has loaded a moment ago.
    entry = await world.catalogue.publish(agreed, capacity_offer())
    assert not named_in(entry)
    assert not entry.person_consented


async def test_whoever_has_left_or_has_another_role_publishes_as_such(
    database: Database,
) -> None:
    world = await make_world(database)
    mia = await member(world)
    colleague = await member(world, "Jan")
    in_name = capacity_offer(on_behalf_of={"person": colleague.email})
    stale = replace(mia, role=Role.ORGANISATION_ADMIN)
    with pytest.raises(NotAuthorisedError) as caught:
        await world.catalogue.publish(stale, in_name)
    assert caught.value.path == "/on_behalf_of/person"
    await world.members.mark_left(world.admin, mia.id)
    with pytest.raises(NotAuthorisedError):
        await world.catalogue.publish(mia, capacity_offer())
    assert await world.catalogue.mine(world.admin) == []


# -- at the same moment (PostgreSQL) ------------------------------------------------


@pytest.fixture
async def shared(postgres_url: str) -> AsyncIterator[PostgresDatabase]:
    opened = PostgresDatabase(postgres_url)
    await migrate(opened)
    yield opened
    await opened.close()


async def test_a_publication_and_the_end_of_a_consent(shared: Database) -> None:
    """Whoever is second sees the first: no entry names the person afterwards."""
    world = await make_world(shared)
    mia = await member(world)
    await world.members.set_consent(world.admin, mia.id, **AGREED)
    here = process(world, shared, world.context.signer.key.public_key)
    entry, _, waited = await while_held(
        here.database,
        lambda: here.world.catalogue.publish(mia, capacity_offer()),
        lambda: world.members.set_consent(world.admin, mia.id, **REVOKED),
    )
    assert waited, "the end of the consent does not see the entry"
    assert named_in(entry)
    (now,) = await world.catalogue.mine(world.admin)
    assert not named_in(now)
