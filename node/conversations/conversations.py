"""Answers to entries: between two members, on two nodes or on the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from federation.documents.message import Message as WireMessage
from federation.errors import ConflictError as PeerConflictError
from federation.ids import random_id
from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.catalogue.model import Entry, EntryState, ReceivedEntry
from node.conversations.entries import find_own, find_received
from node.conversations.model import Conversation, UnansweredThread
from node.conversations.owners import answers_for, owners_in, owners_of
from node.conversations.refusing import (
    checked_text,
    no_entry,
    nothing_for_partner,
    require_open,
)
from node.conversations.titles import title_for_mail, titled_now, unanswered_now
from node.errors import (
    ConflictError,
    NotFoundError,
    UnavailableError,
)
from node.members.model import Person
from node.partners.model import Partner
from node.partners.ports import MailQueue, Waker
from node.ports import NodeContext
from node.storage import conversations as rows
from node.storage import outgoing
from node.storage.conversations import NewMessage
from node.storage.database import Transaction
from node.storage.members import load_person
from node.storage.outgoing import ActivityKind
from node.storage.partners import load_partner
from node.visibility import (
    Origin,
    PartnerViewer,
    decide_entry,
    decide_received,
)

_MICROSECOND = timedelta(microseconds=1)
_NAME_MAX = 200  # characters of a partner's member as we keep them


@dataclass(frozen=True, slots=True)
class _Author:
    """Who writes a message: one of our members, or a partner's."""

    id: str | None
    name: str
    organisation: str


class Conversations:
    """Threads about entries, ours and partners'."""

    def __init__(
        self,
        context: NodeContext,
        *,
        mail: MailQueue,
        waker: Waker,
    ) -> None:
        self._context = context
        self._mail = mail
        self._waker = waker

    # -- writing ----------------------------------------------------------------

    async def answer(
        self, actor: Person, entry_ref: str, text: str, *, hidden: bool = False
    ) -> Conversation:
        """Answer an entry: opens a conversation with its owner, or continues it.

        Args:
            actor: The member who asks.
            entry_ref: The entry's URI, or its id in this node.
            text: Plain text.
            hidden: Without the asker's name, until `reveal` (SPEC CHI-010); counts
                for the first message.

        Raises:
            NotFoundError: There is no such entry for this member.
            ConflictError: It is the member's own, no longer open, or the
                partnership with its origin is not active.
            InvalidInputError: The text is empty or too long.
        """
        checked = checked_text(text)

        async def work(tx: Transaction) -> Conversation:
            own = await find_own(tx, self._context.address, entry_ref)
            if own is not None:
                opened = await self._thread_about_own(
                    tx, actor, own, ref=entry_ref, hidden=hidden
                )
            else:
                received = await find_received(tx, entry_ref)
                if received is None:
                    raise no_entry(entry_ref)
                opened = await self._thread_about_received(
                    tx, actor, received, ref=entry_ref, hidden=hidden
                )
            return await self._write(tx, opened, author=actor, text=checked)

        return await self._context.database.write(work)

    async def reply(
        self, actor: Person, conversation_id: str, text: str
    ) -> Conversation:
        """Write a further message into a conversation.

        Raises:
            NotFoundError: There is no such conversation for this member.
            ConflictError: The partnership with the other node is not active.
            InvalidInputError: The text is empty or too long.
        """
        checked = checked_text(text)

        async def work(tx: Transaction) -> Conversation:
            conversation = await self._for_person(tx, actor, conversation_id)
            return await self._write(tx, conversation, author=actor, text=checked)

        return await self._context.database.write(work)

    async def reveal(
        self, actor: Person, conversation_id: str, text: str
    ) -> Conversation:
        """Write a message with the own name, and all further ones of the thread.

        It cannot be taken back: what the other side has read it knows.

        Raises:
            NotFoundError: There is no such conversation for this member.
            ConflictError: The member writes with the own name already.
            InvalidInputError: The text is empty or too long.
        """
        checked = checked_text(text)

        async def work(tx: Transaction) -> Conversation:
            conversation = await self._for_person(tx, actor, conversation_id)
            as_owner = _writes_as_owner(actor, conversation)
            if not conversation.hides(as_owner=as_owner):
                raise ConflictError(
                    "Your name is known in this conversation.", code="not-hidden"
                )
            now = self._context.clock.now()
            await rows.update_conversation(tx, conversation.id, revealed_at=now)
            note_decision(
                tx,
                self._context,
                "identity_revealed",
                actor=None if as_owner else actor,
                about=None
                if conversation.chiffre_of is None
                else (SubjectKind.ENTRY, conversation.chiffre_of),
            )
            revealed = replace(conversation, revealed_at=now)
            return await self._write(tx, revealed, author=actor, text=checked)

        return await self._context.database.write(work)

    # -- reading ----------------------------------------------------------------

    async def list_for(self, person: Person) -> Sequence[Conversation]:
        """List a member's conversations with their messages, the latest first."""
        async with self._context.database.read() as tx:
            candidates = await rows.list_conversations(
                tx, where=rows.possibly_of(person)
            )
            mine = await self._of_person(tx, person, candidates)
            return await self._filled(tx, person, mine)

    async def page_for(
        self, person: Person, *, limit: int, offset: int
    ) -> tuple[int, Sequence[Conversation]]:
        """Count a member's conversations; load some with messages, the latest first."""
        async with self._context.database.read() as tx:
            candidates = await rows.list_conversations(
                tx, where=rows.possibly_of(person)
            )
            mine = await self._of_person(tx, person, candidates)
            shown = mine[offset : offset + limit]
            return len(mine), await self._filled(tx, person, shown)

    async def count_unread(self, person: Person) -> int:
        """Count the messages to a member that nobody on that side has opened."""
        async with self._context.database.read() as tx:
            number = 0
            if person.left_at is not None:
                return number
            for waiting in await rows.unread_by_owner(tx, person):
                some = None
                if not waiting.of_asker:
                    some = await rows.load_conversation(tx, waiting.some)
                if some is None or await self._takes_part(tx, person, some):
                    number += waiting.number
        return number

    async def show(self, person: Person, conversation_id: str) -> Conversation:
        """Return one conversation and note that the member has read it.

        Raises:
            NotFoundError: There is none, or it is not this member's.
        """

        async def opened(tx: Transaction) -> Conversation:
            conversation = await self._for_person(tx, person, conversation_id)
            (filled,) = await self._filled(tx, person, [conversation])
            return filled

        async def work(tx: Transaction) -> Conversation:
            conversation = await self._for_person(tx, person, conversation_id)
            from_owner = not _writes_as_owner(person, conversation)
            await rows.mark_read(
                tx,
                conversation.id,
                from_owner=from_owner,
                at=self._context.clock.now(),
            )
            return await opened(tx)

        try:
            return await self._context.database.write(work)
        except UnavailableError:
            # Who reads goes on reading while nothing can be written.
            async with self._context.database.read() as tx:
                return await opened(tx)

    async def unanswered(self) -> Sequence[UnansweredThread]:
        """List, for the office, threads in which our member has not answered."""
        async with self._context.database.read() as tx:
            found = await rows.list_unanswered(tx)
            return await unanswered_now(tx, self._context.address, found)

    # -- from a partner ---------------------------------------------------------

    async def receive_message(
        self, tx: Transaction, partner: Partner, message: WireMessage
    ) -> Conversation:
        """Store a message of a partner's member.

        The caller has checked signature, proof and that the partner may write.

        Raises:
            NotFoundError: Of `federation.errors`: the thread or the entry does not
                exist for this partner; both look the same.
        """
        conversation = await rows.find_thread(tx, message.thread)
        is_first = conversation is None
        if conversation is None:
            conversation = await self._open_for_partner(tx, partner, message)
        elif conversation.partner_id != partner.id:
            raise nothing_for_partner()
        elif conversation.entry_uri != message.about:
            raise PeerConflictError("The thread is about another entry.")
        author = _Author(
            None,
            message.author.name[:_NAME_MAX],
            message.author.organisation[:_NAME_MAX],
        )
        now = self._context.clock.now()
        stored = NewMessage(
            id=random_id(self._context.random),
            conversation_id=conversation.id,
            activity_id=message.id,
            in_reply_to=message.in_reply_to,
            author_id=None,
            author_name=author.name,
            author_organisation=author.organisation,
            from_owner=not conversation.owner_side,
            text=message.text,
            # Our own clock: the other one orders its thread by its own.
            sent_at=now,
            delivered_at=now,
        )
        return await self._store(tx, conversation, stored, is_first=is_first)

    async def _thread_about_own(
        self, tx: Transaction, actor: Person, entry: Entry, *, ref: str, hidden: bool
    ) -> Conversation:
        today = self._context.clock.now().date()
        if not decide_entry(entry, actor, today).visible:
            raise no_entry(ref)
        if entry.state is not EntryState.PUBLISHED or (
            entry.valid_until is not None and entry.valid_until < today
        ):
            raise ConflictError(
                "The entry is no longer open for answers.", code="entry-closed"
            )
        owners = await owners_of(
            tx,
            owner_id=entry.answerable.person_id,
            organisation_id=entry.answerable.organisation_id,
            hidden=entry.is_chiffre,
        )
        if any(owner.id == actor.id for owner in owners):
            raise ConflictError(
                "This is your own entry.",
                code="own-entry",
                hint="Answers of others appear in your messages.",
            )
        known = await rows.find_of_asker(tx, asker_id=actor.id, entry_uri=entry.uri)
        if known is not None:
            return known
        return await self._open(
            tx,
            entry_uri=entry.uri,
            entry_title=entry.title,
            owner_side=True,
            asker_id=actor.id,
            owner_organisation_id=entry.organisation_id,
            owner_id=entry.person_id,
            chiffre_of=entry.id if entry.is_chiffre else None,
            asker_hidden=hidden,
        )

    async def _thread_about_received(
        self,
        tx: Transaction,
        actor: Person,
        entry: ReceivedEntry,
        *,
        ref: str,
        hidden: bool,
    ) -> Conversation:
        partner = await load_partner(tx, entry.partner_id)
        now = self._context.clock.now()
        if (
            partner is None
            or not decide_received(entry, Origin.of(partner), actor, now).visible
        ):
            raise no_entry(ref)
        known = await rows.find_of_asker(tx, asker_id=actor.id, entry_uri=entry.uri)
        if known is not None:
            return known
        owner = entry.owner or {}
        return await self._open(
            tx,
            entry_uri=entry.uri,
            entry_title=entry.title,
            owner_side=False,
            partner=partner,
            asker_id=actor.id,
            other_name=owner.get("person", {}).get("name"),
            other_organisation=owner.get("organisation", {}).get("name"),
            asker_hidden=hidden,
        )

    async def _open_for_partner(
        self, tx: Transaction, partner: Partner, message: WireMessage
    ) -> Conversation:
        if message.thread != message.id:
            raise nothing_for_partner()
        entry = await find_own(tx, self._context.address, message.about)
        viewer = PartnerViewer.of(partner)
        today = self._context.clock.now().date()
        if entry is None or not decide_entry(entry, viewer, today).visible:
            raise nothing_for_partner()
        return await self._open(
            tx,
            thread_uri=message.thread,
            entry_uri=entry.uri,
            entry_title=entry.title,
            owner_side=True,
            partner=partner,
            owner_organisation_id=entry.organisation_id,
            owner_id=entry.person_id,
            other_name=message.author.name[:_NAME_MAX],
            other_organisation=message.author.organisation[:_NAME_MAX],
            chiffre_of=entry.id if entry.is_chiffre else None,
        )

    async def _open(  # noqa: PLR0913 - the two sides of a thread
        self,
        tx: Transaction,
        *,
        entry_uri: str,
        entry_title: Mapping[str, str],
        owner_side: bool,
        thread_uri: str | None = None,
        partner: Partner | None = None,
        asker_id: str | None = None,
        owner_organisation_id: str | None = None,
        owner_id: str | None = None,
        other_name: str | None = None,
        other_organisation: str | None = None,
        chiffre_of: str | None = None,
        asker_hidden: bool = False,
    ) -> Conversation:
        now = self._context.clock.now()
        conversation = Conversation(
            id=random_id(self._context.random),
            thread_uri=thread_uri or self._new_activity(),
            entry_uri=entry_uri,
            entry_title=entry_title,
            partner_id=None if partner is None else partner.id,
            partner_name=None if partner is None else partner.name,
            owner_side=owner_side,
            asker_id=asker_id,
            owner_organisation_id=owner_organisation_id,
            owner_id=owner_id,
            other_name=other_name,
            other_organisation=other_organisation,
            created_at=now,
            last_message_at=now,
            answered_at=None,
            chiffre_of=chiffre_of,
            asker_hidden=asker_hidden,
        )
        await rows.insert_conversation(tx, conversation)
        return conversation

    async def _write(
        self, tx: Transaction, conversation: Conversation, *, author: Person, text: str
    ) -> Conversation:
        """Store a message of one of our members and queue it for the other node."""
        partner = None
        if conversation.partner_id is not None:
            partner = await load_partner(tx, conversation.partner_id)
            require_open(partner)
        last = await rows.last_activity_id(tx, conversation.id)
        now = self._context.clock.now()
        name, organisation = self._signature(author, conversation)
        message = NewMessage(
            id=random_id(self._context.random),
            conversation_id=conversation.id,
            # The first message is the thread: its id names both.
            activity_id=conversation.thread_uri
            if last is None
            else self._new_activity(),
            in_reply_to=conversation.entry_uri if last is None else f"{last}#note",
            author_id=author.id,
            author_name=name,
            author_organisation=organisation,
            from_owner=_writes_as_owner(author, conversation),
            text=text,
            sent_at=now,
            delivered_at=None if partner is not None else now,
        )
        if partner is not None:
            partner_id = partner.id
            await outgoing.queue_activity(
                tx,
                partner_id,
                kind=ActivityKind.MESSAGE,
                subject=message.id,
                activity_id=message.activity_id,
                at=now,
            )
            tx.after_commit(lambda: self._waker.poke(partner_id))
        stored = await self._store(tx, conversation, message, is_first=last is None)
        # Who writes on has read what came before.
        await rows.mark_read(
            tx, conversation.id, from_owner=not message.from_owner, at=now
        )
        (filled,) = await self._filled(tx, author, [stored])
        return filled

    def _signature(self, author: Person, conversation: Conversation) -> tuple[str, str]:
        """Return the name and organisation under which a member writes.

        Whoever hides writes as a number, of the entry or of the thread, for the
        cluster (SPEC CHI-009, CHI-010).
        """
        as_owner = _writes_as_owner(author, conversation)
        if not conversation.hides(as_owner=as_owner):
            return author.name, author.organisation_name
        return conversation.number(as_owner=as_owner), self._context.config.name

    async def _store(
        self,
        tx: Transaction,
        conversation: Conversation,
        message: NewMessage,
        *,
        is_first: bool,
    ) -> Conversation:
        if not is_first and message.sent_at <= conversation.last_message_at:
            # Two messages of one moment keep the order in which they were stored.
            after = conversation.last_message_at + _MICROSECOND
            message = replace(message, sent_at=after)
        await rows.insert_message(tx, message)
        changes: dict[str, Any] = {"last_message_at": message.sent_at}
        if message.from_owner and conversation.answered_at is None:
            changes["answered_at"] = message.sent_at
        if message.author_id is None:
            changes["other_name"] = message.author_name
            changes["other_organisation"] = message.author_organisation
        await rows.update_conversation(tx, conversation.id, **changes)
        await self._tell_reader(tx, conversation, message, is_first=is_first)
        return replace(conversation, **changes)

    async def _tell_reader(
        self,
        tx: Transaction,
        conversation: Conversation,
        message: NewMessage,
        *,
        is_first: bool,
    ) -> None:
        """Write a mail to our members on the other side of a message, if any."""
        if message.from_owner:
            asker = (
                None
                if conversation.asker_id is None
                else await load_person(tx, conversation.asker_id)
            )
            readers: Sequence[Person] = [] if asker is None else [asker]
        else:
            readers = await owners_in(tx, conversation)
        own = await find_own(tx, self._context.address, conversation.entry_uri)
        for reader in readers:
            if reader.left_at is not None:
                continue
            await self._mail.queue(
                tx,
                recipient=reader,
                kind="new-answer" if is_first else "new-message",
                language=reader.language,
                entry_id=None if own is None else own.id,
                entry_uri=conversation.entry_uri,
                title=await title_for_mail(
                    tx,
                    self._context.address,
                    conversation,
                    own=own,
                    reader=reader,
                    now=self._context.clock.now(),
                ),
                who=f"{message.author_name}, {message.author_organisation}",
                conversation_id=conversation.id,
            )

    async def _for_person(
        self, tx: Transaction, person: Person, conversation_id: str
    ) -> Conversation:
        conversation = await rows.load_conversation(tx, conversation_id)
        if conversation is None:
            conversation = await rows.find_thread(tx, conversation_id)
        if conversation is None or not await self._takes_part(tx, person, conversation):
            raise NotFoundError(
                "There is no such conversation.", code="conversation-unknown"
            )
        return conversation

    async def _of_person(
        self, tx: Transaction, person: Person, candidates: Sequence[Conversation]
    ) -> Sequence[Conversation]:
        """Keep the conversations in which a member takes part."""
        if person.left_at is not None:
            return []
        # Many threads have the same owner: each is looked up once.
        answers: dict[tuple[str | None, ...], bool] = {}
        mine = []
        for each in candidates:
            key = (each.owner_id, each.owner_organisation_id, each.chiffre_of)
            if each.owner_side and key not in answers:
                answers[key] = await answers_for(tx, person, each)
            if each.asker_id == person.id or (each.owner_side and answers[key]):
                mine.append(each)
        return mine

    async def _takes_part(
        self, tx: Transaction, person: Person, conversation: Conversation
    ) -> bool:
        if person.left_at is not None:
            return False
        if conversation.asker_id == person.id:
            return True
        return await answers_for(tx, person, conversation)

    async def _filled(
        self, tx: Transaction, person: Person, found: Sequence[Conversation]
    ) -> Sequence[Conversation]:
        messages = await rows.list_messages(tx, [each.id for each in found])
        filled = []
        for each in await titled_now(tx, self._context.address, found):
            theirs = not _writes_as_owner(person, each)
            mine = messages.get(each.id, ())
            unread = sum(
                1
                for message in mine
                if message.from_owner is theirs and message.read_at is None
            )
            filled.append(replace(each, messages=mine, unread=unread))
        return filled

    def _new_activity(self) -> str:
        return self._context.address.activity(random_id(self._context.random))


def _writes_as_owner(person: Person, conversation: Conversation) -> bool:
    return conversation.owner_side and conversation.asker_id != person.id
