"""Answers between members of two nodes, over real HTTP."""

import pytest

from node.catalogue.model import Entry
from node.conversations.model import Conversation
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.members.model import Person, Role
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, MovableClock, RunningNode


@pytest.fixture
async def owner(partners: tuple[RunningNode, RunningNode]) -> Person:
    """A member of Nord who publishes."""
    return await partners[0].add_person(
        "olga@optik.example", organisation="Optik GmbH", role=Role.ORGANISATION_ADMIN
    )


@pytest.fixture
async def asker(partners: tuple[RunningNode, RunningNode]) -> Person:
    """A member of Süd who answers."""
    return await partners[1].add_person("adam@laser.example", organisation="Laser AG")


@pytest.fixture
async def entry(partners: tuple[RunningNode, RunningNode], owner: Person) -> Entry:
    """An offer of Nord that Süd has received."""
    nord, _ = partners
    published = await nord.catalogue.publish(owner, OFFER)
    await nord.settle()
    return published


async def only(node: RunningNode, person: Person) -> Conversation:
    (conversation,) = await node.conversations.list_for(person)
    return conversation


async def test_answer_reaches_the_owner_and_the_reply_comes_back(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    asked = await sued.conversations.answer(asker, entry.uri, "Ab wann?")
    assert asked.messages[0].delivered_at is None
    assert asked.other_organisation == "Optik GmbH"
    await sued.settle()
    assert (await only(sued, asker)).messages[0].delivered_at is not None

    arrived = await only(nord, owner)
    assert (arrived.owner_side, arrived.unread, arrived.answered_at) == (True, 1, None)
    assert arrived.thread_uri == asked.thread_uri
    assert (arrived.other_name, arrived.other_organisation) == ("Adam", "Laser AG")
    assert [message.text for message in arrived.messages] == ["Ab wann?"]
    assert await nord.mails("new-answer") == [owner.email]
    (waiting,) = await nord.conversations.unanswered()
    assert (waiting.owner_organisation, waiting.partner_name) == ("Optik GmbH", "Sued")
    assert not any("Ab wann" in mail.body for mail in await nord.mail.list_mails())

    assert (await nord.conversations.show(owner, arrived.id)).unread == 0
    await nord.conversations.reply(owner, arrived.id, "Ab Montag.")
    await nord.settle()
    back = await only(sued, asker)
    assert [message.text for message in back.messages] == ["Ab wann?", "Ab Montag."]
    assert back.unread == 1
    assert await sued.mails("new-message") == [asker.email]
    assert await nord.conversations.unanswered() == []


async def test_who_writes_on_has_read_what_came_before(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    await sued.conversations.answer(asker, entry.uri, "Ab wann?")
    await sued.settle()
    arrived = await only(nord, owner)
    assert arrived.unread == 1
    await nord.conversations.reply(owner, arrived.id, "Ab Montag.")
    assert (await only(nord, owner)).unread == 0


async def test_second_answer_of_the_same_member_continues_the_thread(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    first = await sued.conversations.answer(asker, entry.uri, "eins")
    second = await sued.conversations.answer(asker, entry.uri, "zwei")
    assert first.id == second.id
    await sued.settle()
    arrived = await only(nord, owner)
    assert [message.text for message in arrived.messages] == ["eins", "zwei"]


async def test_answer_by_the_id_of_the_copy(
    partners: tuple[RunningNode, RunningNode], asker: Person, entry: Entry
) -> None:
    _, sued = partners
    async with sued.database.read() as tx:
        (copy,) = await list_received(tx, where=received_entries.c.id.is_not(None))
    answered = await sued.conversations.answer(asker, copy.id, "Hallo")
    assert answered.entry_uri == entry.uri


async def test_messages_wait_in_order_while_the_other_node_is_down(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
    clock: MovableClock,
) -> None:
    nord, sued = partners
    await nord.partners.pause(nord.office, "sued")
    for text in ("eins", "zwei", "drei"):
        await sued.conversations.answer(asker, entry.uri, text)
        await sued.settle()
    assert await nord.conversations.list_for(owner) == []
    await nord.partners.resume(nord.office, "sued")
    clock.advance(hours=2)
    await sued.settle()
    texts = [message.text for message in (await only(nord, owner)).messages]
    assert texts == ["eins", "zwei", "drei"]


async def test_members_of_one_node_talk_without_the_network(
    nord: RunningNode,
) -> None:
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    asker = await nord.add_person("adam@laser.example", organisation="Laser")
    entry = await nord.catalogue.publish(owner, OFFER)
    asked = await nord.conversations.answer(asker, entry.id, "Ab wann?")
    assert asked.messages[0].delivered_at is not None
    assert asked.unread == 0
    arrived = await only(nord, owner)
    assert (arrived.id, arrived.unread) == (asked.id, 1)
    replied = await nord.conversations.reply(owner, arrived.id, "Montag")
    assert replied.answered_at is not None
    assert (await only(nord, asker)).unread == 1


async def test_own_entry_cannot_be_answered(nord: RunningNode) -> None:
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    entry = await nord.catalogue.publish(owner, OFFER)
    with pytest.raises(ConflictError) as caught:
        await nord.conversations.answer(owner, entry.id, "Hallo")
    assert caught.value.code == "own-entry"


async def test_hidden_and_absent_entries_are_answered_alike(
    nord: RunningNode,
) -> None:
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    asker = await nord.add_person("adam@laser.example", organisation="Laser")
    entry = await nord.catalogue.publish(owner, OFFER, draft=True)
    absent = entry.id[:-1] + ("a" if entry.id[-1] != "a" else "b")
    texts = []
    for entry_id in (entry.id, absent):
        with pytest.raises(NotFoundError) as caught:
            await nord.conversations.answer(asker, entry_id, "Hallo")
        texts.append((caught.value.code, caught.value.message.replace(entry_id, "")))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("text", ["", "  \n ", "x" * 8001])
async def test_empty_and_too_long_texts_are_refused(
    nord: RunningNode, text: str
) -> None:
    with pytest.raises(InvalidInputError):
        await nord.conversations.answer(nord.office, "a" * 26, text)


async def test_nobody_else_reads_a_conversation(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    asked = await sued.conversations.answer(asker, entry.uri, "geheim")
    await sued.settle()
    arrived = await only(nord, owner)
    stranger = await nord.add_person("eva@dritte.example", organisation="Dritte")
    for node, person, conversation in (
        (nord, stranger, arrived.id),
        (nord, nord.office, arrived.id),
        (sued, sued.office, asked.id),
    ):
        assert await node.conversations.list_for(person) == []
        with pytest.raises(NotFoundError):
            await node.conversations.show(person, conversation)
        with pytest.raises(NotFoundError):
            await node.conversations.reply(person, conversation, "x")


async def test_answer_to_an_entry_withdrawn_meanwhile_is_marked_refused(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    await nord.catalogue.withdraw(owner, entry.id)
    await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    assert await nord.conversations.list_for(owner) == []
    (message,) = (await only(sued, asker)).messages
    assert message.delivered_at is None
    assert message.refused_reason


async def test_conversation_goes_on_after_the_entry_was_withdrawn(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    asked = await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    await nord.catalogue.withdraw(owner, entry.id)
    await nord.settle()
    await sued.conversations.reply(asker, asked.id, "Noch da?")
    await sued.settle()
    assert len((await only(nord, owner)).messages) == 2


async def titles_in_mails(node: RunningNode, title: str) -> list[bool]:
    """Whether the mails about messages name the title; the first answer's first."""
    mails = await node.mail.list_mails()
    return [
        title in mail.subject + mail.body
        for mail in sorted(mails, key=lambda mail: mail.kind)
        if mail.kind in {"new-answer", "new-message"}
    ]


async def test_deleted_entry_has_no_title_any_more(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
) -> None:
    nord, sued = partners
    title = OFFER["title"]["de"]
    asked = await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    assert (await only(nord, owner)).entry_title["de"] == title
    assert await titles_in_mails(nord, title) == [True]
    await nord.catalogue.delete(owner, entry.id)
    await nord.settle()
    (waiting,) = await nord.conversations.unanswered()
    assert title not in str(waiting)
    await nord.conversations.reply(owner, (await only(nord, owner)).id, "Leider nein")
    await nord.settle()
    await sued.conversations.reply(asker, asked.id, "Schade")
    await sued.settle()
    for node, person in ((nord, owner), (sued, asker)):
        shown = (await only(node, person)).entry_title
        assert shown == {"de": "gelöschter Eintrag", "en": "deleted entry"}
    assert await titles_in_mails(sued, title) == [False]
    # Also the copy of the mail that was sent before says so now.
    assert await titles_in_mails(nord, title) == [False, False]


@pytest.mark.parametrize("change", ["withdrawn", "narrowed"])
async def test_entry_taken_back_keeps_its_title_for_the_two_but_not_in_mails(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
    change: str,
) -> None:
    nord, sued = partners
    title = OFFER["title"]["de"]
    asked = await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    if change == "withdrawn":
        await nord.catalogue.withdraw(owner, entry.id)
    else:
        narrow = {**OFFER, "audience": {"level": "cluster"}}
        await nord.catalogue.publish(owner, narrow, entry_ref=entry.id)
    await nord.settle()
    await nord.conversations.reply(owner, (await only(nord, owner)).id, "Ja")
    await nord.settle()
    await sued.conversations.reply(asker, asked.id, "Gut")
    await sued.settle()
    for node, person in ((nord, owner), (sued, asker)):
        assert (await only(node, person)).entry_title["de"] == title
    # The owner may still see the entry, the asker may not.
    assert await titles_in_mails(sued, title) == [False]
    assert await titles_in_mails(nord, title) == [True, True]


async def test_conversation_inside_one_node_about_a_deleted_entry(
    nord: RunningNode,
) -> None:
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    asker = await nord.add_person("adam@laser.example", organisation="Laser")
    entry = await nord.catalogue.publish(owner, OFFER)
    asked = await nord.conversations.answer(asker, entry.id, "Ab wann?")
    await nord.catalogue.delete(owner, entry.id)
    await nord.conversations.reply(owner, asked.id, "Nicht mehr")
    for person in (owner, asker):
        assert (await only(nord, person)).entry_title["de"] == "gelöschter Eintrag"
    assert await titles_in_mails(nord, OFFER["title"]["de"]) == [False, False]


@pytest.mark.parametrize(
    "text", ["eins\x0bzwei", "Tel. \u202a+49 30 123\u202c", "eins\rzwei"]
)
async def test_pasted_text_arrives_and_holds_up_no_withdrawal(
    partners: tuple[RunningNode, RunningNode],
    owner: Person,
    asker: Person,
    entry: Entry,
    text: str,
) -> None:
    nord, sued = partners
    own = await sued.catalogue.publish(asker, OFFER)
    await sued.settle()
    await sued.conversations.answer(asker, entry.uri, text)
    await sued.catalogue.withdraw(asker, own.id)
    await sued.settle()
    (message,) = (await only(nord, owner)).messages
    assert message.text in {"eins\nzwei", "Tel. +49 30 123"}
    async with nord.database.read() as tx:
        (copy,) = await list_received(tx, where=received_entries.c.id.is_not(None))
    assert copy.state == "withdrawn"


async def test_ended_partnership_takes_no_messages(
    partners: tuple[RunningNode, RunningNode], asker: Person, entry: Entry
) -> None:
    _, sued = partners
    asked = await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    await sued.partners.end(sued.office, "nord")
    before = await sued.tables()
    with pytest.raises(ConflictError):
        await sued.conversations.reply(asker, asked.id, "Noch etwas")
    assert await sued.tables() == before


async def test_owner_who_left_is_followed_by_the_organisations_admins(
    partners: tuple[RunningNode, RunningNode], asker: Person, entry: Entry
) -> None:
    nord, sued = partners
    await sued.conversations.answer(asker, entry.uri, "Hallo")
    await sued.settle()
    (waiting,) = await nord.conversations.unanswered()
    from node.storage.members import update_person
    from node.storage.tables import persons

    async with nord.database.read() as tx:
        (olga,) = await tx.all(
            persons.select().where(persons.c.email == "olga@optik.example")
        )
    assert waiting.owner_organisation == "Optik GmbH"
    now = nord.context.clock.now()

    async def leave(tx: object) -> None:
        await update_person(tx, olga.id, {"left_at": now}, now=now)  # type: ignore[arg-type]

    await nord.database.write(leave)
    # The organisation has nobody left, so the office reads what arrived.
    conversation = await only(nord, nord.office)
    assert [message.text for message in conversation.messages] == ["Hallo"]
