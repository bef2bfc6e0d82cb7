"""The states of an entry: how sentences name them, and what the last one leaves."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from federation.version import Version
from node.catalogue.model import Entry, EntryState, Kept
from node.errors import NotFoundError
from node.sentence import Sentence

_STATE_SENTENCES: Final[Mapping[EntryState, str]] = {
    EntryState.DRAFT: "a draft",
    EntryState.PUBLISHED: "published",
    EntryState.FULFILLED: "fulfilled",
    EntryState.EXPIRED: "expired",
    EntryState.WITHDRAWN: "withdrawn",
    EntryState.DELETED: "deleted",
}


def named_state(state: EntryState) -> Sentence:
    """Name a state as it stands in a sentence about an entry."""
    return Sentence(_STATE_SENTENCES[state])


_CLOSING_SENTENCES: Final[Mapping[EntryState, str]] = {
    EntryState.WITHDRAWN: "The entry cannot be withdrawn: it is {state}.",
    EntryState.FULFILLED: "The entry cannot be marked as fulfilled: it is {state}.",
}


def not_closable(state: EntryState, *, wanted: EntryState) -> Sentence:
    """Say that an entry in `state` cannot be closed in the way that is wanted."""
    return Sentence(_CLOSING_SENTENCES[wanted], state=named_state(state))


def erased(entry: Entry, version: Version, *, at: datetime) -> Entry:
    """Return what is left of a deleted entry: its id, its version and whose it was."""
    return replace(
        entry,
        state=EntryState.DELETED,
        version=version,
        content={"kind": entry.kind, "title": {}, "summary": {}},
        closed_at=at,
        updated_at=at,
        external_id=None,
        exclusions_id=None,
        kept=Kept(),
        home_fields=frozenset(),
        document=None,
        content_hash=None,
        key_number=None,
    )


def entry_not_found(reference: str) -> NotFoundError:
    """Say that there is no such entry; hidden and absent are the same."""
    return NotFoundError(
        Sentence("There is no entry {reference}.", reference=reference),
        code="entry-not-found",
        hint="Check the address, or look it up in the list of entries.",
    )
