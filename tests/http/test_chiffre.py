"""An offer under Chiffre between two real nodes: what the other one never learns."""

import pytest

from node.chiffre.appearing import show_due
from node.chiffre.coarse import box_number
from node.errors import ConflictError
from node.members.model import Person
from node.storage.tables import metadata
from tests.http.nodes import OFFER, MovableClock, RunningNode

CHIFFRE = {**OFFER, "contact": {"mode": "chiffre"}, "publish_anyway": True}
FIRM = "Zwetschgenwerk"


async def appear(node: RunningNode, clock: MovableClock) -> None:
    clock.advance(hours=4)
    await show_due(node.context, node.catalogue)


async def everything(node: RunningNode) -> str:
    return repr(await node.tables())


def secrets(person: Person) -> tuple[str, ...]:
    return (
        FIRM,
        person.name,
        person.email,
        person.id,
        person.organisation_id,
    )


async def test_the_partner_learns_nothing_until_the_owner_gives_the_name(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    owner = await nord.add_person("zenobia@zwetschge.example", organisation=FIRM)
    asker = await sued.add_person("fritz@sued.example", organisation="Südfirma")
    entry = await nord.catalogue.publish(owner, CHIFFRE)
    await nord.settle()
    assert entry.uri not in await everything(sued), "it waits for its hour"
    await appear(nord, clock)
    await nord.settle()
    assert entry.uri in await everything(sued)

    number = f"Chiffre {box_number(entry.uri)}"
    thread = await sued.conversations.answer(asker, entry.uri, "Wie gross?")
    await sued.settle()
    (mine,) = await nord.conversations.list_for(owner)
    await nord.conversations.reply(owner, mine.id, "Bis 300 mm.")
    await nord.settle()
    seen = await sued.conversations.show(asker, thread.id)
    assert [(m.author_name, m.author_organisation) for m in seen.messages] == [
        ("Fritz", "Südfirma"),
        (number, "Nord"),
    ]
    known = await everything(sued)
    for secret in secrets(owner):
        assert secret not in known
    # The office of the own node sees that somebody waits, not who.
    assert FIRM not in repr(await nord.conversations.unanswered())

    await nord.conversations.reveal(owner, mine.id, "Wir sind es.")
    await nord.settle()
    seen = await sued.conversations.show(asker, thread.id)
    assert (seen.messages[-1].author_name, seen.messages[-1].author_organisation) == (
        "Zenobia",
        FIRM,
    )
    # To this asker only, and for good.
    with pytest.raises(ConflictError, match="known"):
        await nord.conversations.reveal(owner, mine.id, "Noch einmal.")
    other = await sued.add_person("otto@sued.example", organisation="Zweite")
    await sued.conversations.answer(other, entry.uri, "Noch frei?")
    await sued.settle()
    threads = await nord.conversations.list_for(owner)
    fresh = next(each for each in threads if each.id != mine.id)
    await nord.conversations.reply(owner, fresh.id, "Ja.")
    await nord.settle()
    answered = await sued.conversations.list_for(other)
    assert answered[0].messages[-1].author_name == number


async def test_the_asker_may_stay_hidden_too(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    owner = await nord.add_person("zenobia@zwetschge.example", organisation=FIRM)
    asker = await sued.add_person("fritz@sued.example", organisation="Südfirma")
    entry = await nord.catalogue.publish(owner, OFFER)
    await nord.settle()
    thread = await sued.conversations.answer(
        asker, entry.uri, "Eine Frage", hidden=True
    )
    await sued.settle()
    known = await everything(nord)
    for secret in ("Südfirma", "Fritz", asker.email, asker.id, asker.organisation_id):
        assert secret not in known
    (mine,) = await nord.conversations.list_for(owner)
    first = mine.messages[0]
    assert first.author_name == f"Chiffre {box_number(thread.thread_uri)}"
    assert first.author_organisation == "Sued"
    await sued.conversations.reveal(asker, thread.id, "Wir heissen Südfirma.")
    await sued.settle()
    (mine,) = await nord.conversations.list_for(owner)
    assert mine.messages[-1].author_name == "Fritz"


async def test_only_who_stands_behind_it_reads_the_answers(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    owner = await nord.add_person("zenobia@zwetschge.example", organisation=FIRM)
    asker = await sued.add_person("fritz@sued.example", organisation="Südfirma")
    entry = await nord.catalogue.publish(owner, CHIFFRE)
    await appear(nord, clock)
    await nord.settle()
    await sued.conversations.answer(asker, entry.uri, "Wie gross?")
    await sued.settle()
    assert await nord.conversations.count_unread(owner) == 1
    assert len(await nord.conversations.list_for(owner)) == 1
    assert await nord.conversations.list_for(nord.office) == []
    assert await nord.conversations.count_unread(nord.office) == 0
    assert await nord.mails("new-answer") == [owner.email]
    # In its own conversation table stands the office, nobody else.
    rows = (await nord.tables())["conversations"]
    names = [column.name for column in metadata.tables["conversations"].columns]
    (row,) = (dict(zip(names, each, strict=True)) for each in rows)
    assert row["owner_id"] is None
    assert row["owner_organisation_id"] == nord.office.organisation_id
