"""Orders of an office that follow what its pages show."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from federation.trust import ESTABLISHED, TrustState
from node.app import Node
from node.members.model import Person

_TELEPHONED: Final = ESTABLISHED | {TrustState.WAITING}


def settling(
    partner_id: str, entry_id: str, chosen: float
) -> Callable[[Node, Person], Awaitable[Any]]:
    """Decide about an entry that nothing explains.

    Args:
        partner_id: Who says that it holds it.
        entry_id: The entry.
        chosen: From 0 to 1, which of the choices.
    """

    async def work(node: Node, office: Person) -> None:
        for each in await node.unaccounted.listed(partner_id=partner_id):
            if each.entry_id == entry_id:
                choice = each.choices[int(chosen * len(each.choices))]
                await node.unaccounted.settle(office, entry_id, partner_id, choice)

    return work


async def compare_numbers(node: Node, office: Person) -> None:
    """Compare the check numbers that nobody has compared."""
    for partner in await node.partners.list():
        if partner.compared_at is None and partner.state in _TELEPHONED:
            await node.partners.mark_compared(office, partner.id)


def comparing(url: str, fingerprint: str) -> Callable[[Node, Person], Awaitable[Any]]:
    """Confirm a partner's key by telephone."""
    return lambda node, office: node.partners.confirm_key(
        office, url, fingerprint=fingerprint
    )
