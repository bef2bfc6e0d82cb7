"""The states of an entry, as sentences name them."""

from collections.abc import Mapping
from typing import Final

from node.catalogue.model import EntryState
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
