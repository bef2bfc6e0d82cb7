"""Take the title of an entry out of mails, once their reader must not see it.

A mail that has left cannot be called back. What has not left yet is reworded in the
transaction that takes the entry back, and looked at again before it leaves; so is
the copy in our outbox that the office reads.
"""

from collections.abc import Sequence

from node.conversations.entries import find_own
from node.conversations.titles import UNSEEN_TITLE, named_for, words_instead
from node.mail.model import Mail
from node.mail.texts import MailText, without_title
from node.ports import NodeContext
from node.storage import mail as rows
from node.storage.database import Transaction
from node.storage.members import load_person


async def take_back_titles(
    tx: Transaction, context: NodeContext, entry_uris: Sequence[str]
) -> int:
    """Reword the mails about some entries as the rules decide now.

    Returns:
        How many mails name an entry no more.
    """
    reworded = 0
    for mail in await rows.mails_that_name(tx, entry_uris):
        words = await _words_for(tx, context, mail)
        if words is not None:
            await _reword(tx, mail, words)
            reworded += 1
    return reworded


async def _words_for(tx: Transaction, context: NodeContext, mail: Mail) -> str | None:
    """Return what is said instead of the title; None if it may stay."""
    person = None if mail.person_id is None else await load_person(tx, mail.person_id)
    if person is None or mail.entry_uri is None:
        return named_for(UNSEEN_TITLE, mail.language)
    words = await words_instead(
        tx,
        context.address,
        mail.entry_uri,
        own=await find_own(tx, context.address, mail.entry_uri),
        reader=person,
        now=context.clock.now(),
    )
    return None if words is None else named_for(words, mail.language)


async def _reword(tx: Transaction, mail: Mail, words: str) -> None:
    if mail.entry_title is None:
        return
    text = without_title(MailText(mail.subject, mail.body), mail.entry_title, words)
    await rows.put_text(tx, mail.id, subject=text.subject, body=text.body)
