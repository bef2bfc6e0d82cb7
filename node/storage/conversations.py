"""Conversations and their messages in the database."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    func,
    insert,
    not_,
    or_,
    select,
)
from sqlalchemy import update as update_rows

from federation.ids import NodeAddress
from node.catalogue.model import EntryState, HiddenOwner, ReceivedState
from node.conversations.model import Conversation, Message, UnansweredThread
from node.members.model import Person
from node.storage.database import Transaction
from node.storage.prepared import Prepared, Record
from node.storage.tables import (
    chiffre_owners,
    conversations,
    entries,
    messages,
    organisations,
    outgoing_activities,
    partners,
    persons,
    received_entries,
)

_IDS_AT_ONCE = 500  # in one query


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message as it is stored.

    Attributes:
        activity_id: Id of the activity that carries it, also inside one node.
        in_reply_to: Id of the entry or of the message that it answers.
        author_id: The writing member if ours, None for a partner's member.
    """

    id: str
    conversation_id: str
    activity_id: str
    in_reply_to: str | None
    author_id: str | None
    author_name: str
    author_organisation: str
    from_owner: bool
    text: str
    sent_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class MessageToSend:
    """What has to be known of a message to put it on the wire."""

    message: NewMessage
    thread_uri: str
    entry_uri: str


def _selection() -> Select[Any]:
    return select(conversations, partners.c.name.label("partner_name")).outerjoin(
        partners, partners.c.id == conversations.c.partner_id
    )


def _conversation(row: Record) -> Conversation:
    return Conversation(
        id=row.id,
        thread_uri=row.thread_uri,
        entry_uri=row.entry_uri,
        entry_title=row.entry_title,
        partner_id=row.partner_id,
        partner_name=row.partner_name,
        owner_side=row.owner_side,
        asker_id=row.asker_id,
        owner_organisation_id=row.owner_organisation_id,
        owner_id=row.owner_id,
        other_name=row.other_name,
        other_organisation=row.other_organisation,
        created_at=row.created_at,
        last_message_at=row.last_message_at,
        answered_at=row.answered_at,
        chiffre_of=row.chiffre_of,
        asker_hidden=row.asker_hidden,
        revealed_at=row.revealed_at,
    )


_BY_ID = Prepared(
    _selection().where(conversations.c.id == bindparam("conversation_id"))
)
_BY_THREAD = Prepared(
    _selection().where(conversations.c.thread_uri == bindparam("thread"))
)
_CHANGE = Prepared(
    update_rows(conversations).where(conversations.c.id == bindparam("changed_id"))
)
_INSERT_MESSAGE = Prepared(insert(messages))
_LAST_ACTIVITY = Prepared(
    select(messages.c.activity_id)
    .where(messages.c.conversation_id == bindparam("of_conversation"))
    .order_by(messages.c.sent_at.desc(), messages.c.id.desc())
    .limit(1)
)
_OWN_DELETED = select(entries.c.id).where(
    entries.c.id.in_(bindparam("ids", expanding=True)),
    entries.c.state == EntryState.DELETED.value,
)
_RECEIVED_DELETED = select(received_entries.c.entry_uri).where(
    received_entries.c.entry_uri.in_(bindparam("uris", expanding=True)),
    received_entries.c.state == ReceivedState.DELETED.value,
)


async def load_conversation(
    tx: Transaction, conversation_id: str
) -> Conversation | None:
    """Load one conversation without its messages."""
    row = await tx.record(_BY_ID, {"conversation_id": conversation_id})
    return None if row is None else _conversation(row)


async def find_thread(tx: Transaction, thread_uri: str) -> Conversation | None:
    """Load the conversation that a thread on the wire belongs to."""
    row = await tx.record(_BY_THREAD, {"thread": thread_uri})
    return None if row is None else _conversation(row)


async def find_of_asker(
    tx: Transaction, *, asker_id: str, entry_uri: str
) -> Conversation | None:
    """Load the conversation that a member of ours opened about an entry."""
    row = await tx.one_or_none(
        _selection()
        .where(
            conversations.c.asker_id == asker_id,
            conversations.c.entry_uri == entry_uri,
        )
        .order_by(conversations.c.created_at)
        .limit(1)
    )
    return None if row is None else _conversation(row)


def possibly_of(person: Person) -> ColumnElement[bool]:
    """Conversations that may be a person's; the rule decides in the service.

    Without a person as owner an organisation's admins answer, and the office
    where an organisation has nobody.
    """
    mine = conversations.c
    return or_(
        mine.asker_id == person.id,
        and_(
            mine.owner_side.is_(True),
            or_(
                mine.owner_organisation_id == person.organisation_id,
                mine.owner_id == person.id,
                mine.chiffre_of.in_(
                    select(chiffre_owners.c.entry_id).where(
                        chiffre_owners.c.organisation_id == person.organisation_id
                    )
                ),
                *([mine.id.is_not(None)] if person.is_office else []),
            ),
        ),
    )


@dataclass(frozen=True, slots=True)
class UnreadOfOwner:
    """Unread messages of all threads with the same owner.

    Attributes:
        of_asker: Whether the person has asked in them, and does not answer.
        some: Id of one of the conversations.
    """

    of_asker: bool
    some: str
    number: int


async def unread_by_owner(tx: Transaction, person: Person) -> list[UnreadOfOwner]:
    """Count what waits in threads that may be a person's; see `possibly_of`."""
    mine = conversations.c
    asks = mine.asker_id.is_not_distinct_from(person.id)
    as_owner = and_(mine.owner_side.is_(True), not_(asks))
    from_other_side = or_(
        and_(as_owner, messages.c.from_owner.is_(False)),
        and_(not_(as_owner), messages.c.from_owner.is_(True)),
    )
    rows = await tx.all(
        select(
            asks.label("of_asker"),
            mine.owner_id,
            mine.owner_organisation_id,
            func.min(mine.id).label("some"),
            func.count().label("number"),
        )
        .join(messages, messages.c.conversation_id == mine.id)
        .where(messages.c.read_at.is_(None), from_other_side, possibly_of(person))
        .group_by(
            asks,
            mine.owner_side,
            mine.owner_id,
            mine.owner_organisation_id,
            mine.chiffre_of,
        )
    )
    return [
        UnreadOfOwner(bool(row.of_asker), row.some, int(row.number)) for row in rows
    ]


async def hidden_owner(tx: Transaction, entry_id: str) -> HiddenOwner | None:
    """Load whose an entry under Chiffre is; None if that was erased."""
    row = await tx.one_or_none(
        select(chiffre_owners).where(chiffre_owners.c.entry_id == entry_id)
    )
    if row is None:
        return None
    return HiddenOwner(row.organisation_id, row.person_id, row.author_id)


async def list_conversations(
    tx: Transaction, *, where: ColumnElement[bool]
) -> list[Conversation]:
    """Load conversations without messages, the most recent first."""
    rows = await tx.all(
        _selection()
        .where(where)
        .order_by(conversations.c.last_message_at.desc(), conversations.c.id)
    )
    return [_conversation(row) for row in rows]


async def insert_conversation(tx: Transaction, conversation: Conversation) -> None:
    """Insert a new conversation."""
    names = [column.name for column in conversations.c]
    values = {name: getattr(conversation, name) for name in names}
    values["entry_title"] = dict(conversation.entry_title)
    await tx.execute(insert(conversations).values(**values))


async def update_conversation(
    tx: Transaction,
    conversation_id: str,
    **values: Any,
) -> None:
    """Change columns of one conversation."""
    await tx.change(_CHANGE, {"changed_id": conversation_id, **values})


async def insert_message(tx: Transaction, message: NewMessage) -> None:
    """Insert a new message."""
    await tx.change(
        _INSERT_MESSAGE,
        {
            "id": message.id,
            "conversation_id": message.conversation_id,
            "activity_id": message.activity_id,
            "in_reply_to": message.in_reply_to,
            "author_id": message.author_id,
            "author_name": message.author_name,
            "author_organisation": message.author_organisation,
            "from_owner": message.from_owner,
            "text": message.text,
            "sent_at": message.sent_at,
            "delivered_at": message.delivered_at,
        },
    )


async def list_messages(
    tx: Transaction, conversation_ids: Iterable[str]
) -> Mapping[str, tuple[Message, ...]]:
    """Load the messages of some conversations, oldest first."""
    rows = await tx.all(
        select(messages, outgoing_activities.c.refused_reason)
        .outerjoin(
            outgoing_activities,
            outgoing_activities.c.activity_id == messages.c.activity_id,
        )
        .where(messages.c.conversation_id.in_(list(conversation_ids)))
        .order_by(messages.c.sent_at, messages.c.id)
    )
    found: dict[str, list[Message]] = {}
    for row in rows:
        found.setdefault(row.conversation_id, []).append(
            Message(
                id=row.id,
                activity_id=row.activity_id,
                author_name=row.author_name,
                author_organisation=row.author_organisation,
                from_owner=row.from_owner,
                text=row.text,
                sent_at=row.sent_at,
                delivered_at=row.delivered_at,
                read_at=row.read_at,
                refused_reason=row.refused_reason,
            )
        )
    return {key: tuple(value) for key, value in found.items()}


async def last_activity_id(tx: Transaction, conversation_id: str) -> str | None:
    """Return the id of the latest message's activity."""
    found = await tx.record(_LAST_ACTIVITY, {"of_conversation": conversation_id})
    return None if found is None else str(found.activity_id)


async def mark_read(
    tx: Transaction, conversation_id: str, *, from_owner: bool, at: datetime
) -> None:
    """Note that one side has opened what the other side wrote."""
    await tx.execute(
        update_rows(messages)
        .where(
            messages.c.conversation_id == conversation_id,
            messages.c.from_owner.is_(from_owner),
            messages.c.read_at.is_(None),
        )
        .values(read_at=at)
    )


async def mark_delivered(tx: Transaction, activity_id: str, *, at: datetime) -> None:
    """Note that the other node has stored a message of ours."""
    await tx.execute(
        update_rows(messages)
        .where(messages.c.activity_id == activity_id, messages.c.delivered_at.is_(None))
        .values(delivered_at=at)
    )


async def load_message_to_send(
    tx: Transaction, message_id: str
) -> MessageToSend | None:
    """Load a message with what its activity names."""
    row = await tx.one_or_none(
        select(messages, conversations.c.thread_uri, conversations.c.entry_uri)
        .join(conversations, conversations.c.id == messages.c.conversation_id)
        .where(messages.c.id == message_id)
    )
    if row is None:
        return None
    message = NewMessage(
        id=row.id,
        conversation_id=row.conversation_id,
        activity_id=row.activity_id,
        in_reply_to=row.in_reply_to,
        author_id=row.author_id,
        author_name=row.author_name,
        author_organisation=row.author_organisation,
        from_owner=row.from_owner,
        text=row.text,
        sent_at=row.sent_at,
        delivered_at=row.delivered_at,
    )
    return MessageToSend(message, row.thread_uri, row.entry_uri)


async def list_unanswered(tx: Transaction) -> list[UnansweredThread]:
    """List threads about our entries to which the owner has not answered.

    No text and no name of the one who asks: the office sees that somebody waits.
    """
    rows = await tx.all(
        select(
            conversations.c.id,
            conversations.c.entry_uri,
            conversations.c.entry_title,
            conversations.c.created_at,
            organisations.c.name.label("organisation_name"),
            persons.c.name.label("person_name"),
            partners.c.name.label("partner_name"),
        )
        .outerjoin(
            organisations, organisations.c.id == conversations.c.owner_organisation_id
        )
        .outerjoin(persons, persons.c.id == conversations.c.owner_id)
        .outerjoin(partners, partners.c.id == conversations.c.partner_id)
        .where(
            conversations.c.owner_side.is_(True),
            conversations.c.answered_at.is_(None),
        )
        .order_by(conversations.c.created_at, conversations.c.id)
    )
    return [
        UnansweredThread(
            conversation_id=row.id,
            entry_uri=row.entry_uri,
            entry_title=row.entry_title,
            owner_organisation=row.organisation_name or "",
            owner_name=row.person_name,
            partner_name=row.partner_name,
            since=row.created_at,
        )
        for row in rows
    ]


async def forget_titles(
    tx: Transaction, entry_uris: Collection[str], *, instead: Mapping[str, str]
) -> None:
    """Erase the titles of deleted entries from the conversations about them."""
    if not entry_uris:
        return
    await tx.execute(
        update_rows(conversations)
        .where(conversations.c.entry_uri.in_(sorted(entry_uris)))
        .values(entry_title=dict(instead))
    )


async def list_deleted(
    tx: Transaction, address: NodeAddress, entry_uris: Collection[str]
) -> set[str]:
    """Return which of these entries, ours or partners', their origin deleted."""
    uris = sorted(set(entry_uris))
    deleted: set[str] = set()
    for start in range(0, len(uris), _IDS_AT_ONCE):
        chunk = uris[start : start + _IDS_AT_ONCE]
        own = {address.entry_local_id(uri): uri for uri in chunk}
        ids = [each for each in own if each is not None]
        ours = await tx.all(_OWN_DELETED, {"ids": ids})
        theirs = await tx.all(_RECEIVED_DELETED, {"uris": chunk})
        deleted.update(own[row.id] for row in ours)
        deleted.update(row.entry_uri for row in theirs)
    return deleted
