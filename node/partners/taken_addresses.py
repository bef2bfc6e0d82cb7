"""Which addresses belong to somebody already: nobody else may be called by them.

What is below an address that a partner had before it moved stays this partner's
(SPEC FED-161), so it is as taken as its present one.
"""

from collections.abc import Iterable

from federation.documents.actor import ActorDocument
from federation.ids import BaseUrl
from federation.trust import TrustState
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import partners as rows
from node.storage.database import Transaction

_OVER = frozenset({TrustState.ENDED, TrustState.REFUSED})


async def addresses_of_others(tx: Transaction, partner: Partner) -> set[BaseUrl]:
    """Return every address that another partner has, or had and is known by.

    A partnership that is over leaves its present address to nobody else: its row is
    found again by it. Former ones are free then.
    """
    taken: set[BaseUrl] = set()
    for each in await rows.list_partners(tx):
        if each.id == partner.id:
            continue
        taken.add(BaseUrl(each.base_url))
        if each.state not in _OVER:
            taken.update(each.former_urls)
    return taken


async def who_is_called_so(
    tx: Transaction, context: NodeContext, actor: ActorDocument
) -> str | None:
    """Return whose name an actor has taken on, None if all its addresses are its own.

    Args:
        tx: A transaction.
        context: The node.
        actor: Of a node that wants to become a partner, with where it says that it
            was; nobody has proven that.

    Returns:
        The name of a partner with whom it is not over, or our own.

    Source: SPEC.md FED-170.
    """
    said = {actor.base_url, *actor.former}
    if said & set(context.address.names):
        return context.config.name
    for each in await rows.list_partners(tx):
        if each.state in _OVER or each.base_url == actor.base_url:
            continue
        if said & _names(each):
            return each.name
    return None


def _names(partner: Partner) -> set[BaseUrl]:
    names: Iterable[BaseUrl] = (BaseUrl(partner.base_url), *partner.former_urls)
    return set(names)
