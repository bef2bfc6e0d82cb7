"""Try a partner again before its next planned attempt."""

from node.errors import NotAuthorisedError
from node.exchange.wakeup import WakeUp
from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.partners import update_partner


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
