"""Conversations and messages, on both engines."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from node.conversations.model import Conversation
from node.members.model import Organisation, Person, Role
from node.storage import conversations as rows
from node.storage import outgoing
from node.storage.conversations import NewMessage
from node.storage.database import Database, Transaction
from node.storage.members import insert_organisation, insert_person
from node.storage.outgoing import ActivityKind
from node.storage.partners import insert_partner
from tests.contract.test_partners import a_partner

ENTRY = "https://nord.example/entries/1"
THREAD = "https://sued.example/activities/1"


@pytest.fixture
def olga() -> Person:
    return Person(
        id="olga",
        organisation_id="optik",
        organisation_name="Optik",
        email="olga@optik.example",
        name="Olga",
        role=Role.PERSON,
        language="de",
    )


@pytest.fixture
async def conversation(database: Database, olga: Person, now: datetime) -> Conversation:
    """A thread that Süd opened about an entry of Olga's."""
    thread = Conversation(
        id="c1",
        thread_uri=THREAD,
        entry_uri=ENTRY,
        entry_title={"de": "Prüfung", "en": "Test"},
        partner_id="sued",
        partner_name="Sued",
        owner_side=True,
        asker_id=None,
        owner_organisation_id="optik",
        owner_id="olga",
        other_name="Adam",
        other_organisation="Laser",
        created_at=now,
        last_message_at=now,
        answered_at=None,
    )

    async def work(tx: Transaction) -> None:
        await insert_organisation(tx, Organisation(id="optik", name="Optik"), now=now)
        await insert_person(tx, olga, now=now)
        await insert_partner(tx, a_partner(now))
        await rows.insert_conversation(tx, thread)

    await database.write(work)
    return thread


def a_message(now: datetime, number: int, *, from_owner: bool) -> NewMessage:
    return NewMessage(
        id=f"m{number}",
        conversation_id="c1",
        activity_id=f"{THREAD}{number}",
        in_reply_to=ENTRY,
        author_id="olga" if from_owner else None,
        author_name="Olga" if from_owner else "Adam",
        author_organisation="Optik" if from_owner else "Laser",
        from_owner=from_owner,
        text=f"Text {number}",
        sent_at=now + timedelta(microseconds=number),
        delivered_at=None if from_owner else now,
    )


async def test_conversation_comes_back_as_it_was_stored(
    database: Database, conversation: Conversation
) -> None:
    async with database.read() as tx:
        assert await rows.load_conversation(tx, "c1") == conversation
        assert await rows.find_thread(tx, THREAD) == conversation
        assert await rows.find_thread(tx, ENTRY) is None


async def test_one_thread_is_one_conversation(
    database: Database, conversation: Conversation
) -> None:
    async def again(tx: Transaction) -> None:
        await rows.insert_conversation(tx, replace(conversation, id="c2"))

    with pytest.raises(IntegrityError):
        await database.write(again)


async def test_messages_in_order_with_what_became_of_them(
    database: Database, conversation: Conversation, now: datetime
) -> None:
    first = a_message(now, 1, from_owner=False)
    second = a_message(now, 2, from_owner=True)

    async def work(tx: Transaction) -> None:
        for message in (second, first):
            await rows.insert_message(tx, message)
        await outgoing.queue_activity(
            tx,
            "sued",
            kind=ActivityKind.MESSAGE,
            subject="m2",
            activity_id=second.activity_id,
            at=now,
        )
        await outgoing.mark_refused(tx, second.activity_id, reason="gone")
        await rows.mark_read(tx, "c1", from_owner=False, at=now)

    await database.write(work)
    async with database.read() as tx:
        stored = (await rows.list_messages(tx, ["c1", "none"]))["c1"]
        assert await rows.last_activity_id(tx, "c1") == second.activity_id
        to_send = await rows.load_message_to_send(tx, "m2")
    assert [message.text for message in stored] == ["Text 1", "Text 2"]
    assert [message.read_at for message in stored] == [now, None]
    assert [message.refused_reason for message in stored] == [None, "gone"]
    assert to_send is not None
    assert to_send.message == second
    assert (to_send.thread_uri, to_send.entry_uri) == (THREAD, ENTRY)


async def test_delivery_is_noted_once(
    database: Database, conversation: Conversation, now: datetime
) -> None:
    message = a_message(now, 1, from_owner=True)
    later = now + timedelta(hours=1)

    async def work(tx: Transaction) -> None:
        await rows.insert_message(tx, message)
        await rows.mark_delivered(tx, message.activity_id, at=now)
        await rows.mark_delivered(tx, message.activity_id, at=later)

    await database.write(work)
    async with database.read() as tx:
        (stored,) = (await rows.list_messages(tx, ["c1"]))["c1"]
    assert stored.delivered_at == now


async def test_what_waits_for_an_answer_shows_no_asker_and_no_text(
    database: Database, conversation: Conversation, now: datetime
) -> None:
    async with database.read() as tx:
        (waiting,) = await rows.list_unanswered(tx)
    assert (waiting.owner_organisation, waiting.owner_name) == ("Optik", "Olga")
    assert waiting.partner_name == "Sued"
    assert "Adam" not in repr(waiting)

    async def answer(tx: Transaction) -> None:
        await rows.update_conversation(tx, "c1", answered_at=now)

    await database.write(answer)
    async with database.read() as tx:
        assert await rows.list_unanswered(tx) == []


async def test_candidates_by_person(
    database: Database, conversation: Conversation, olga: Person
) -> None:
    stranger = replace(olga, id="eva", organisation_id="dritte")
    async with database.read() as tx:
        for person, found in ((olga, [conversation]), (stranger, [])):
            where = rows.possibly_of(person)
            assert await rows.list_conversations(tx, where=where) == found
