"""What a publication makes: an entry that is not stored yet."""

from dataclasses import replace
from datetime import datetime

from federation.version import Version
from node.catalogue.audiences import Chosen
from node.catalogue.model import Entry, EntryState
from node.catalogue.owners import Owner
from node.catalogue.publication import Publication
from schemas import KINDS


def new_entry(
    publication: Publication,
    chosen: Chosen,
    owner: Owner,
    *,
    entry_id: str,
    uri: str,
    at: datetime,
) -> Entry:
    """Return the entry that a publication describes, as a draft of version (1, 1)."""
    entry = Entry(
        id=entry_id,
        uri=uri,
        kind=publication.kind,
        state=EntryState.DRAFT,
        version=Version(1, 1),
        organisation_id=owner.organisation.id,
        organisation_name=owner.organisation.name,
        person_id=owner.person.id if owner.person else None,
        person_name=owner.person.name if owner.person else None,
        person_consented=bool(owner.person and owner.person.has_consented),
        personal=KINDS[publication.kind].personal,
        audience=chosen.audience,
        content=publication.content,
        valid_until=publication.valid_until,
        created_at=at,
        updated_at=at,
        external_id=publication.external_id,
    )
    return chosen.on(entry)


def in_state(entry: Entry, *, draft: bool, at: datetime) -> Entry:
    """Return an entry as a draft, or as published at a moment."""
    if draft:
        return replace(entry, state=EntryState.DRAFT)
    return replace(
        entry,
        state=EntryState.PUBLISHED,
        published_at=entry.published_at or at,
        confirmed_at=at,
    )
