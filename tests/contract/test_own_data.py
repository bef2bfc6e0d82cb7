"""What a person takes away: everything of its own, nothing of others."""

import io
import json
import zipfile

import pytest

from node.conversations.conversations import Conversations
from node.errors import NotAuthorisedError
from node.exchange.wakeup import WakeUp
from node.members.model import Person
from node.privacy.own_data import OwnData
from node.storage.database import Database
from tests.contract.member_world import World, capacity_offer, make_world


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


async def member(world: World, name: str, organisation: str) -> Person:
    person, _link = await world.members.add_person(
        world.admin,
        email=f"{name.lower()}@{organisation.lower()}.example",
        name=f"{name} Geheimname",
        organisation=organisation,
    )
    return person


async def test_everything_of_the_person_and_nothing_of_others(world: World) -> None:
    anna = await member(world, "Anna", "Optik")
    bert = await member(world, "Bert", "Laser")
    talks = Conversations(world.context, mail=world.mail, waker=WakeUp())
    mine = await world.catalogue.publish(anna, capacity_offer())
    theirs = await world.catalogue.publish(
        bert, capacity_offer(title={"de": "Berts Angebot"})
    )
    opened = await talks.answer(bert, mine.uri, "Text von Bert")
    await talks.reply(anna, opened.id, "Antwort von Anna")
    world.clock.advance(minutes=1)
    await talks.answer(anna, theirs.uri, "Frage von Anna")

    own_data = OwnData(world.context, world.ledger)
    with zipfile.ZipFile(io.BytesIO(await own_data.archive(anna, anna))) as archive:
        assert set(archive.namelist()) == {
            "LIESMICH.txt",
            "daten.json",
            "eintraege.csv",
        }
        whole = {name: archive.read(name).decode() for name in archive.namelist()}
    document = json.loads(whole["daten.json"])
    assert (document["format"], document["version"]) == ("spalier-personal-data", 1)
    assert document["person"]["name"] == "Anna Geheimname"
    assert document["person"]["organisation"] == "Optik"
    assert [each["id"] for each in document["entries"]] == [mine.uri]
    assert [
        [message.get("text") for message in thread["messages"]]
        for thread in document["conversations"]
    ] == [[None, "Antwort von Anna"], ["Frage von Anna"]]
    assert document["conversations"][0]["messages"][0]["organisation"] == "Laser"
    assert {mail["recipient"] for mail in document["mails"]} == {anna.email}
    assert [each["event"] for each in document["decisions"]] == ["person_added"]
    for others in ("Bert Geheimname", bert.email, "Text von Bert", bert.id):
        assert all(others not in text for text in whole.values())
    # Neither may what opens an account be in it.
    for secret in ("token", "password_hash", "/anmelden/"):
        assert secret not in whole["daten.json"]


async def test_the_office_may_and_the_log_says_so(world: World) -> None:
    anna = await member(world, "Anna", "Optik")
    bert = await member(world, "Bert", "Optik")
    own_data = OwnData(world.context, world.ledger)
    with pytest.raises(NotAuthorisedError):
        await own_data.collect(bert, anna)
    await own_data.collect(world.admin, anna)
    document = await own_data.collect(anna, anna)
    events = [each["event"] for each in document["decisions"]]
    assert events == ["person_added", "personal_data_exported"]


async def test_also_of_somebody_who_has_left(world: World) -> None:
    anna = await member(world, "Anna", "Optik")
    gone = await world.members.mark_left(world.admin, anna.id)
    document = await OwnData(world.context, world.ledger).collect(world.admin, gone)
    assert document["person"]["left_at"] is not None
