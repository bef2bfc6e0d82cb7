"""What a conversation may still call the entry that it is about.

A conversation keeps the title under which it began, for the two people who talk.
An entry that its origin deleted has no title any more, here or anywhere; and a
mail, which nobody can take back, names only what its reader may see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from federation.ids import NodeAddress
from node.catalogue.model import Entry, EntryState
from node.conversations.entries import find_received
from node.conversations.model import Conversation, UnansweredThread
from node.members.model import Person
from node.storage.conversations import list_deleted
from node.storage.database import Transaction
from node.storage.partners import load_partner
from node.visibility import Origin, decide_entry, decide_received

DELETED_TITLE: Final[Mapping[str, str]] = {
    "de": "gelöschter Eintrag",
    "en": "deleted entry",
}
UNSEEN_TITLE: Final[Mapping[str, str]] = {
    "de": "nicht mehr gezeigter Eintrag",
    "en": "entry that is no longer shown",
}


async def titled_now(
    tx: Transaction, address: NodeAddress, found: Sequence[Conversation]
) -> list[Conversation]:
    """Return conversations without the titles of entries that were deleted."""
    deleted = await list_deleted(tx, address, [each.entry_uri for each in found])
    return [
        replace(each, entry_title=DELETED_TITLE) if each.entry_uri in deleted else each
        for each in found
    ]


async def unanswered_now(
    tx: Transaction, address: NodeAddress, found: Sequence[UnansweredThread]
) -> list[UnansweredThread]:
    """Return unanswered threads without the titles of entries that were deleted."""
    deleted = await list_deleted(tx, address, [each.entry_uri for each in found])
    return [
        replace(each, entry_title=DELETED_TITLE) if each.entry_uri in deleted else each
        for each in found
    ]


async def title_for_mail(
    tx: Transaction,
    address: NodeAddress,
    conversation: Conversation,
    *,
    own: Entry | None,
    reader: Person,
    now: datetime,
) -> str:
    """Return what a mail to a member calls the entry, in the member's language.

    Args:
        tx: The caller's transaction.
        address: Our own address.
        conversation: What the mail is about.
        own: Its entry as it is now, None if it is a partner's.
        reader: Who gets the mail.
        now: For what has expired.
    """
    words = await words_instead(
        tx, address, conversation.entry_uri, own=own, reader=reader, now=now
    )
    return named_for(words or conversation.entry_title, reader.language)


def named_for(titles: Mapping[str, str], language: str) -> str:
    """Return a title in somebody's language, or in one that there is."""
    return titles.get(language) or titles[min(titles)]


async def words_instead(
    tx: Transaction,
    address: NodeAddress,
    entry_uri: str,
    *,
    own: Entry | None,
    reader: Person,
    now: datetime,
) -> Mapping[str, str] | None:
    """Return what is said to a member instead of an entry's title.

    Args:
        tx: The caller's transaction.
        address: Our own address.
        entry_uri: The entry, ours or a partner's.
        own: It as it is now, None if it is a partner's.
        reader: Who reads.
        now: For what has expired.

    Returns:
        None if the member may see the entry now.
    """
    if own is not None:
        if own.state is EntryState.DELETED:
            return DELETED_TITLE
        return None if decide_entry(own, reader, now.date()).visible else UNSEEN_TITLE
    if await list_deleted(tx, address, [entry_uri]):
        return DELETED_TITLE
    seen = await _may_see_received(tx, entry_uri, reader=reader, now=now)
    return None if seen else UNSEEN_TITLE


async def _may_see_received(
    tx: Transaction, entry_uri: str, *, reader: Person, now: datetime
) -> bool:
    received = await find_received(tx, entry_uri)
    if received is None:
        return False
    partner = await load_partner(tx, received.partner_id)
    return (
        partner is not None
        and decide_received(received, Origin.of(partner), reader, now).visible
    )
