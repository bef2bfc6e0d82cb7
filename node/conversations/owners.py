"""Who answers for an entry of ours."""

from collections.abc import Sequence

from node.conversations.model import Conversation
from node.members.model import Person, Role
from node.storage.conversations import hidden_owner
from node.storage.database import Transaction
from node.storage.members import list_persons, load_person, office_persons


async def owners_of(
    tx: Transaction,
    *,
    owner_id: str | None,
    organisation_id: str | None,
    hidden: bool = False,
) -> Sequence[Person]:
    """Return the members who read and write for the owner of an entry.

    The person the entry names; if it names none, or that person has left, the
    organisation's admins; if it has none, all its persons; if there is nobody, the
    office, so that no answer reaches a place where no one reads it. Under a box number
    colleagues without that role are not asked: they do not know of it (CHI-002).
    """
    if owner_id is not None:
        person = await load_person(tx, owner_id)
        if person is not None and person.left_at is None:
            return [person]
    colleagues: Sequence[Person] = ()
    if organisation_id is not None:
        colleagues = await list_persons(
            tx, organisation_id=organisation_id, with_left=False
        )
    admins = [each for each in colleagues if each.role is not Role.PERSON]
    return admins or ([] if hidden else colleagues) or await office_persons(tx)


async def owners_in(tx: Transaction, conversation: Conversation) -> Sequence[Person]:
    """Return the members on the owner's side; none if the entry is a partner's."""
    if not conversation.owner_side:
        return ()
    if conversation.chiffre_of is not None:
        hidden = await hidden_owner(tx, conversation.chiffre_of)
        return await owners_of(
            tx,
            owner_id=None if hidden is None else hidden.person_id,
            organisation_id=None if hidden is None else hidden.organisation_id,
            hidden=True,
        )
    return await owners_of(
        tx,
        owner_id=conversation.owner_id,
        organisation_id=conversation.owner_organisation_id,
    )


async def answers_for(
    tx: Transaction, person: Person, conversation: Conversation
) -> bool:
    """Whether a member reads and writes on the owner's side of a thread."""
    owners = await owners_in(tx, conversation)
    return any(owner.id == person.id for owner in owners)
