"""The link with which a new member chooses a password."""

from node.mail.model import MailKind
from node.mail.outbox import MailOutbox
from node.members.model import Person
from node.ports import NodeContext
from node.signin.links import LIFETIMES, LinkPurpose, issue_link
from node.storage.database import Transaction
from node.storage.sign_in import drop_links


async def issue_first_password(
    tx: Transaction,
    context: NodeContext,
    mail: MailOutbox,
    person: Person,
    *,
    by_mail: bool,
) -> str:
    """Make the link and return its address; earlier ones of the person are void.

    Args:
        tx: The caller's transaction; the person exists in it.
        context: The node.
        mail: Where the invitation is written.
        person: Whose link.
        by_mail: Also mail it; otherwise the caller hands it over.
    """
    purpose = LinkPurpose.FIRST_PASSWORD
    await drop_links(tx, person.id, purposes=frozenset({purpose.value}))
    link = await issue_link(tx, context, person_id=person.id, purpose=purpose)
    if by_mail:
        await mail.queue(
            tx,
            recipient=person,
            kind=MailKind.FIRST_PASSWORD.value,
            language=person.language,
            link=link,
            days=LIFETIMES[purpose].days,
        )
    return link
