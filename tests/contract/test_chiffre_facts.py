"""What the node knows around an owner, on both engines."""

import pytest

from node.chiffre.facts import look_around
from node.chiffre.fitting import Traits, count_fitting
from node.chiffre.giveaways import find_giveaways
from node.members.model import Organisation, Person, Role
from node.storage.database import Database, Transaction
from node.storage.members import insert_organisation, insert_person
from tests.contract.member_world import NOW, World, capacity_offer, make_world


@pytest.fixture
async def world(database: Database) -> World:
    world = await make_world(database)

    async def add(tx: Transaction) -> None:
        for name, city, region in (
            ("Linsenwerk Alpha GmbH", "Wetzlar", "DE-HE"),
            ("Beta Messtechnik AG", "Jena", "DE-TH"),
            ("Gamma Optik", "Jena", "DE-TH"),
        ):
            await insert_organisation(
                tx,
                Organisation(
                    id=name.split()[0],
                    name=name,
                    website=f"https://www.{name.split()[0].lower()}.example/start",
                    city=city,
                    region=region,
                ),
                now=NOW,
            )
        await insert_person(
            tx,
            Person(
                id="erika",
                organisation_id="Linsenwerk",
                organisation_name="Linsenwerk Alpha GmbH",
                email="erika@alpha-linsen.example",
                name="Erika Mustermann",
                role=Role.PERSON,
                language="de",
            ),
            now=NOW,
        )

    await world.context.database.write(add)
    return world


async def publish(world: World, organisation: str, **more: object) -> str:
    entry = await world.catalogue.publish(
        world.admin,
        {**capacity_offer(), "on_behalf_of": {"organisation": organisation}, **more},
    )
    return entry.id


async def test_what_gives_the_owner_away(world: World) -> None:
    for member in ("Beta", "Gamma"):
        await publish(world, member, summary={"de": "Ein Linsenwerk misst."})
    own = await publish(
        world,
        "Linsenwerk",
        equipment={"name": "KMG", "manufacturer": "Zeissig", "model": "Q7"},
    )
    async with world.context.database.read() as tx:
        around = await look_around(tx, "Linsenwerk")
        without_itself = await look_around(tx, "Linsenwerk", entry_id=own)
    assert around.facts.names == {"Linsenwerk Alpha GmbH", "Erika Mustermann"}
    assert around.facts.products == {"Zeissig", "Q7"}
    assert without_itself.facts.products == frozenset()
    assert around.facts.domains == {"linsenwerk.example", "alpha-linsen.example"}
    assert around.facts.towns == {"Wetzlar", "Jena"}
    # Two others use it: alone it gives nobody away, in the name it does.
    assert "linsenwerk" in around.facts.usual_words
    text = {
        "kind": "capacity_offer",
        "summary": {"de": "Ein Linsenwerk. Zeissig. Das Linsenwerk Alpha in Wetzlar."},
    }
    assert [each.text for each in find_giveaways(text, around.facts)] == [
        "Zeissig",
        "Linsenwerk Alpha",
        "Wetzlar",
    ]


async def test_whom_an_entry_fits(world: World) -> None:
    await publish(world, "Linsenwerk", processes=["Schleifen"])
    await publish(world, "Beta", processes=["Schleifen", "Polieren"])
    async with world.context.database.read() as tx:
        around = await look_around(tx, "Linsenwerk")
    grinding = Traits(terms=frozenset({"schleifen"}))
    assert count_fitting(grinding, around.organisations) == 2
    here = Traits(terms=frozenset({"schleifen"}), regions=frozenset({"DE-HE"}))
    assert count_fitting(here, around.organisations) == 1
    assert count_fitting(Traits(), around.organisations) >= 3
