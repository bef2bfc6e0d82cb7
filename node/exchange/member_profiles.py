"""Learn from a partner's profiles who its members are (SPEC VIS-072, VIS-073).

A profile may show that the partner has a member that entries of ours exclude. They
are taken back in the transaction that stores the profile.
"""

from collections.abc import Mapping
from typing import Any, Final

from federation.ids import random_id
from node.catalogue.model import ReceivedState
from node.ledger import Ledger
from node.partners.known_members import KnownMember, of_profile
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.exclusions import note_hosting
from node.storage.node_state import hold_partnerships
from node.storage.partner_members import forget_profiles, put_member

_KIND: Final = "organisation_profile"


async def learn_members(
    tx: Transaction,
    context: NodeContext,
    partner: Partner,
    changes: Mapping[str, Mapping[str, Any]],
) -> bool:
    """Write down the members that changed copies of a partner's entries name.

    Args:
        tx: The caller's transaction, with the partner's row locked.
        context: The node.
        partner: Whose entries they are.
        changes: Columns of `received_entries` by the entry's id on the wire.

    Returns:
        Whether the partner has to be told that entries are taken back.
    """
    profiles = {
        uri: of_profile(columns["content"])
        for uri, columns in changes.items()
        if columns["state"] == ReceivedState.PRESENT.value and columns["kind"] == _KIND
    }
    if changes.keys() - profiles.keys():
        await forget_profiles(tx, partner.id)
    if not profiles:
        return False
    # Whoever publishes an entry that excludes somebody looks at the members that are
    # known: one of the two sees what the other has written.
    await hold_partnerships(tx, alone=True)
    found: set[str] = set()
    for uri, known in sorted(profiles.items()):
        member = KnownMember(
            random_id(context.random), partner.id, known, uri, context.clock.now()
        )
        await put_member(tx, member)
        found |= set(
            await note_hosting(tx, partner.id, known.identifiers, context.random)
        )
    return bool(found) and await Ledger(context).follow_rules(tx, partner) > 0
