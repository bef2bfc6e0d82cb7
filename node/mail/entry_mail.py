"""Mails about the life of an entry: it ends soon, it has ended."""

from node.catalogue.model import Entry
from node.catalogue.publication import may_be_confirmed
from node.mail.entry_titles import take_back_titles
from node.mail.model import MailKind
from node.mail.outbox import MailOutbox
from node.members.model import Person, Role
from node.ports import NodeContext
from node.signin.links import LinkPurpose, issue_link
from node.storage.database import Transaction
from node.storage.members import list_persons, load_person, office_persons
from node.storage.sign_in import drop_links_for


class EntryMailer:
    """The catalogue's `EntryMail`: writes to whoever is responsible for an entry."""

    def __init__(self, context: NodeContext, outbox: MailOutbox) -> None:
        self._context = context
        self._outbox = outbox

    async def entry_expires(self, tx: Transaction, entry: Entry) -> None:
        """Ask whether the entry still holds, with a link that extends it."""
        await self._tell(tx, entry, MailKind.ENTRY_EXPIRES)

    async def entry_expired(self, tx: Transaction, entry: Entry) -> None:
        """Tell that the entry is no longer shown; the link brings it back."""
        await self.cancel_for_entry(tx, entry.id)
        await self._tell(tx, entry, MailKind.ENTRY_EXPIRED)

    async def cancel_for_entry(self, tx: Transaction, entry_id: str) -> None:
        """Cancel what has not left yet, and the links that were sent."""
        await self._outbox.cancel_for_entry(tx, entry_id)
        await drop_links_for(
            tx, purpose=LinkPurpose.CONFIRM_ENTRY.value, subject=entry_id
        )

    async def entry_changed(self, tx: Transaction, entry: Entry) -> None:
        """Take its title out of mails to whoever must not see it any more."""
        await take_back_titles(tx, self._context, [entry.uri])

    async def _tell(self, tx: Transaction, entry: Entry, kind: MailKind) -> None:
        for person in await responsible_persons(tx, entry):
            link = None
            if may_be_confirmed(entry.kind, entry.state):
                link = await issue_link(
                    tx,
                    self._context,
                    person_id=person.id,
                    purpose=LinkPurpose.CONFIRM_ENTRY,
                    subject=entry.id,
                )
            await self._outbox.queue(
                tx,
                recipient=person,
                kind=kind.value,
                language=person.language,
                entry_id=entry.id,
                title=_title(entry, person.language),
                last_day=entry.valid_until or entry.updated_at.date(),
                confirm_link=link,
            )


async def responsible_persons(tx: Transaction, entry: Entry) -> list[Person]:
    """Find who is asked about an entry; somebody always is.

    The person it belongs to; else its author, if that is somebody of the same
    organisation; else the organisation's administrators; else the office.
    """
    behind = entry.answerable
    for person_id in (behind.person_id, behind.author_id):
        person = None if person_id is None else await load_person(tx, person_id)
        if (
            person is not None
            and person.left_at is None
            and person.organisation_id == behind.organisation_id
        ):
            return [person]
    admins = await list_persons(
        tx,
        organisation_id=behind.organisation_id,
        roles=frozenset({Role.ORGANISATION_ADMIN}),
        with_left=False,
    )
    return admins or (await office_persons(tx))[:1]


def _title(entry: Entry, language: str) -> str:
    title = entry.title
    return title.get(language) or next(iter(title.values()))
