"""Try a partner again before its next planned attempt."""

from node.errors import NotAuthorisedError
from node.exchange.wakeup import WakeUp
from node.members.model import Person
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.partners import list_partners, update_partner


async def deliver_now(
    context: NodeContext, wakeup: WakeUp, *, actor: Person, partner_id: str
) -> None:
    """Forget the pause after failed attempts and wake the delivery.

    The number of failed attempts stays, so that the next pause is as long as it
    would have been.

    Raises:
        NotAuthorisedError: The actor does not act for the office.
    """
    if not actor.is_office:
        raise NotAuthorisedError("Only the office may start a delivery.")

    async def work(tx: Transaction) -> None:
        await update_partner(tx, partner_id, next_attempt_at=None)
        tx.after_commit(lambda: wakeup.poke(partner_id))

    await context.database.write(work)


async def deliver_to_all_now(
    context: NodeContext, wakeup: WakeUp, *, actor: Person
) -> list[Partner]:
    """Do the same for every partner that something waits for.

    Returns:
        The partners that are tried.

    Raises:
        NotAuthorisedError: The actor does not act for the office.
    """
    async with context.database.read() as tx:
        tried = [each for each in await list_partners(tx) if each.attempts]
    for partner in tried:
        await deliver_now(context, wakeup, actor=actor, partner_id=partner.id)
    return tried
