"""Whose entry it is: the organisation and, where there is one, the person."""

from dataclasses import dataclass

from node.catalogue.model import Entry
from node.catalogue.publication import Publication
from node.errors import InputFault, InvalidInputError, NotAuthorisedError
from node.members.model import Organisation, Person, Role
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.members import (
    find_organisation,
    find_person_by_email,
    hold_person,
    load_organisation,
    load_person,
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Organisation and person that an entry belongs to."""

    organisation: Organisation
    person: Person | None


async def resolve_owner(
    tx: Transaction, actor: Person | None, subject: Publication | Entry
) -> Owner:
    """Find the owner of a new publication, or of an entry that exists.

    An author publishes for the own organisation; the office may publish on
    behalf of any member (SPEC ENT, "On behalf of"). In the name of another person
    only the organisation's administrators and the office may.

    Raises:
        InvalidInputError: The organisation or person named does not exist.
        NotAuthorisedError: The actor may not act for that organisation or person.
    """
    if isinstance(subject, Entry):
        return await _owner_of_entry(tx, subject)
    if actor is None:
        msg = "a publication needs somebody who publishes it"
        raise ValueError(msg)
    actor = await _as_now(tx, actor)
    person = await _named_person(tx, actor, subject)
    organisation = await _named_organisation(tx, actor, subject, person)
    if not actor.may_act_for(organisation.id):
        raise NotAuthorisedError(
            Sentence(
                "Only {name} itself or the office may publish for it.",
                name=organisation.name,
            ),
            path="/on_behalf_of/organisation",
        )
    if person is not None and person.organisation_id != organisation.id:
        message = Sentence(
            "{person} does not belong to {organisation}.",
            person=person.name,
            organisation=organisation.name,
        )
        fault = InputFault("/on_behalf_of/person", message)
        raise InvalidInputError("The person and organisation differ.", faults=[fault])
    if person is not None and not _may_speak_for(actor, person):
        raise NotAuthorisedError(
            Sentence(
                "Only {person}, an administrator of {organisation} or the office may "
                "publish in the name of {person}.",
                person=person.name,
                organisation=organisation.name,
            ),
            path="/on_behalf_of/person",
        )
    return Owner(organisation, person)


async def hold_owner(tx: Transaction, actor: Person, publication: Publication) -> Owner:
    """Find the owner of a publication that is about to be written.

    The person's row stays as it is until the commit: whoever withdraws a consent on
    another connection comes before, and is seen, or after, and sees the entry.

    Raises:
        InvalidInputError: As `resolve_owner`.
        NotAuthorisedError: As `resolve_owner`.
    """
    owner = await resolve_owner(tx, actor, publication)
    if owner.person is not None and await hold_person(tx, owner.person.id):
        owner = await resolve_owner(tx, actor, publication)
    return owner


async def _as_now(tx: Transaction, actor: Person) -> Person:
    """Return who acts as the database knows them: role and consent may have gone."""
    present = await load_person(tx, actor.id)
    if present is None or present.left_at is not None:
        raise NotAuthorisedError(
            "Whoever has left the cluster publishes nothing.",
            hint="Ask your cluster's office.",
        )
    return present


def _may_speak_for(actor: Person, person: Person) -> bool:
    return (
        actor.id == person.id
        or actor.is_office
        or actor.role is Role.ORGANISATION_ADMIN
    )


async def _owner_of_entry(tx: Transaction, entry: Entry) -> Owner:
    organisation = await load_organisation(tx, entry.organisation_id)
    person = await load_person(tx, entry.person_id) if entry.person_id else None
    if organisation is None:
        msg = "an entry without an organisation"
        raise AssertionError(msg)
    return Owner(organisation, person)


async def _named_person(
    tx: Transaction, actor: Person, publication: Publication
) -> Person | None:
    if publication.person is None:
        return actor if publication.organisation is None else None
    person = await find_person_by_email(tx, publication.person)
    if person is None or person.left_at is not None:
        fault = InputFault(
            "/on_behalf_of/person",
            Sentence("No member has the e-mail {email}.", email=publication.person),
        )
        raise InvalidInputError("The person is not known.", faults=[fault])
    return person


async def _named_organisation(
    tx: Transaction, actor: Person, publication: Publication, person: Person | None
) -> Organisation:
    named = publication.organisation
    if named is None:
        organisation_id = (person or actor).organisation_id
        organisation = await load_organisation(tx, organisation_id)
    else:
        organisation = await find_organisation(tx, named)
    if organisation is None:
        fault = InputFault(
            "/on_behalf_of/organisation",
            Sentence("No member organisation is called {name}.", name=named),
        )
        raise InvalidInputError("The organisation is not known.", faults=[fault])
    return organisation
