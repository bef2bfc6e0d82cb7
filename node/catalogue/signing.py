"""Sign an entry: once for each version, then sent unchanged to everyone."""

from dataclasses import replace
from datetime import datetime

from federation.documents.entry import (
    EntryDocument,
    EntryOwner,
    OwnerOrganisation,
    OwnerPerson,
    build_entry,
)
from federation.errors import LocalError
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.catalogue.owners import Owner
from node.chiffre.coarse import begin_of_day
from node.errors import InputFault, InvalidInputError
from node.ports import NodeContext
from node.sentence import Sentence
from node.visibility.fields import leaving_content


def sign_entry(entry: Entry, owner: Owner, context: NodeContext) -> Entry:
    """Return the entry with the signed document of its version.

    A draft is not signed: nothing of it may leave the node.

    Raises:
        InvalidInputError: The entry is too long to travel.
    """
    if entry.state is not EntryState.PUBLISHED or entry.published_at is None:
        return replace(entry, document=None, content_hash=None, key_number=None)
    document = EntryDocument.from_content(
        dict(leaving_content(entry)),
        id=entry.uri,
        version=entry.version,
        published=_told(entry, entry.published_at),
        updated=_told(entry, entry.updated_at),
        owner=None if entry.is_chiffre else _owner(entry, owner),
        public=entry.open_level is AudienceLevel.PUBLIC,
    )
    signer = context.signer
    try:
        created = _told(entry, context.clock.now())
        signed = build_entry(document, signer=signer, created=created)
    except LocalError as error:
        reason = Sentence(
            "The protocol does not permit it: {reason}.", reason=str(error)
        )
        fault = InputFault("", reason)
        raise InvalidInputError(
            "The entry cannot be signed in this form.", faults=[fault]
        ) from error
    return replace(
        entry,
        document=signed.raw,
        content_hash=signed.content_hash,
        key_number=signer.key_number,
    )


def _owner(entry: Entry, owner: Owner) -> EntryOwner:
    organisation = OwnerOrganisation(
        name=owner.organisation.name,
        website=owner.organisation.website,
        region=owner.organisation.region,
    )
    person = owner.person
    if person is None or not _may_be_named(entry, owner):
        return EntryOwner(organisation)
    return EntryOwner(organisation, OwnerPerson(person.name, person.function))


def _may_be_named(entry: Entry, owner: Owner) -> bool:
    """Name a person outside only with the consent recorded for it (GDPR Art. 6).

    A profile without consent stays home as a whole (VIS-013); any other entry
    travels under the organisation's name alone.
    """
    return entry.personal or bool(owner.person and owner.person.has_consented)


def _told(entry: Entry, moment: datetime) -> datetime:
    """Return a time as it is told: to the second, under Chiffre only its day."""
    if entry.is_chiffre:
        return begin_of_day(moment)
    return moment.replace(microsecond=0)
