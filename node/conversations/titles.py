"""What a conversation may still call the entry that it is about.

A conversation keeps the title under which it began, for the two people who talk.
An entry that its origin deleted has no title any more, here or anywhere; and a
mail, which nobody can take back, names only what its reader may see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Final

from federation.ids import NodeAddress
from node.catalogue.model import Entry, EntryState
from node.conversations.entries import find_received
from node.conversations.model import Conversation, UnansweredThread
from node.members.model import Person
from node.storage.conversations import list_deleted
from node.storage.database import Transaction
from node.storage.partners import load_partner
from node.visibility import decide_entry, decide_received

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
    today: date,
) -> str:
    """Return what a mail to a member calls the entry, in the member's language.

    Args:
        tx: The caller's transaction.
        address: Our own address.
        conversation: What the mail is about.
        own: Its entry as it is now, None if it is a partner's.
        reader: Who gets the mail.
        today: For what has expired.
    """
    titles = conversation.entry_title
    if own is not None:
        if own.state is EntryState.DELETED:
            titles = DELETED_TITLE
        elif not decide_entry(own, reader, today).visible:
            titles = UNSEEN_TITLE
    elif await list_deleted(tx, address, [conversation.entry_uri]):
        titles = DELETED_TITLE
    elif not await _may_see_received(tx, conversation, reader=reader, today=today):
        titles = UNSEEN_TITLE
    return titles.get(reader.language) or titles[min(titles)]


async def _may_see_received(
    tx: Transaction, conversation: Conversation, *, reader: Person, today: date
) -> bool:
    if conversation.partner_id is None:
        return False
    partner = await load_partner(tx, conversation.partner_id)
    received = await find_received(tx, conversation.entry_uri)
    return (
        partner is not None
        and received is not None
        and decide_received(received, partner.state, reader, today).visible
    )
