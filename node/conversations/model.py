"""Conversations between two members, as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from node.chiffre.coarse import box_number

NUMBER_PREFIX: Final = "Chiffre "
"""What the name of somebody begins with who writes under a number (SPEC CHI-009)."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message.

    Attributes:
        from_owner: True if the entry's owner wrote it, False for the asker.
        delivered_at: When the other node confirmed it (its own commit); for a
            conversation inside one node the time of writing.
        read_at: When somebody on the receiving side opened it (this node only).
    """

    id: str
    activity_id: str
    author_name: str
    author_organisation: str
    from_owner: bool
    text: str
    sent_at: datetime
    delivered_at: datetime | None
    read_at: datetime | None
    refused_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread about one entry between an asker and the entry's owner.

    Attributes:
        thread_uri: Id of the first message's activity; the same on both nodes.
        owner_side: True if the entry is ours, False if we are asking.
        partner_id: The other node; None if both members are ours.
        other_name: The member on the other node, if there is one.
        answered_at: When the owner first answered.
        chiffre_of: Local id of our entry, if that is under Chiffre; then the owner is
            named in `chiffre_owners` alone, and here stands the office.
        asker_hidden: Whether our member asks without a name.
        revealed_at: Since when our side has told who it is; None for never, also
            where there is nothing to tell.
    """

    id: str
    thread_uri: str
    entry_uri: str
    entry_title: Mapping[str, str]
    partner_id: str | None
    partner_name: str | None
    owner_side: bool
    asker_id: str | None
    owner_organisation_id: str | None
    owner_id: str | None
    other_name: str | None
    other_organisation: str | None
    created_at: datetime
    last_message_at: datetime
    answered_at: datetime | None
    messages: tuple[Message, ...] = ()
    unread: int = 0
    chiffre_of: str | None = None
    asker_hidden: bool = False
    revealed_at: datetime | None = None

    def number(self, *, as_owner: bool) -> str:
        """Return what stands for a name: the number of the entry or of the thread."""
        uri = self.entry_uri if as_owner else self.thread_uri
        return f"{NUMBER_PREFIX}{box_number(uri)}"

    def hides(self, *, as_owner: bool) -> bool:
        """Whether our member on a side of it still writes without a name."""
        is_hidden = self.chiffre_of is not None if as_owner else self.asker_hidden
        return is_hidden and self.revealed_at is None


@dataclass(frozen=True, slots=True)
class UnansweredThread:
    """A thread in which the owner has not answered, as the office sees it.

    It holds neither the text nor the name of the one who asks.

    Attributes:
        owner_name: The person that the entry belongs to, if it names one.
        partner_name: The cluster that asks; None if the asker is a member.
    """

    conversation_id: str
    entry_uri: str
    entry_title: Mapping[str, str]
    owner_organisation: str
    owner_name: str | None
    partner_name: str | None
    since: datetime
