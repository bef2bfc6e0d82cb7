"""Policy sheets of partners in a database that was put back (SPEC NOD-071).

A sheet that was narrowed after the backup is as narrow again; one that was widened
since stays as it was in the backup, until the office widens it anew.
"""

from node.erasure.decisions import PartnerDecision, policy_in
from node.ledger import Ledger
from node.partners.model import Partner
from node.partners.policies import current_sheet, with_sheet
from node.partners.taking import follow_sheet, sheet_of
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.partners import update_partner
from node.storage.policies import add_version
from node.visibility.policy import Direction, narrower
from node.visibility.rules import ENTITLED_STATES


async def keep_back_again(
    tx: Transaction,
    context: NodeContext,
    ledger: Ledger,
    partner: Partner,
    decision: PartnerDecision,
) -> bool:
    """Let the sheets keep back what they did last, besides what they do now.

    Returns:
        Whether that changed anything.
    """
    now = context.clock.now()
    before = sheet_of(partner, now.date())
    changed = partner
    for direction, line in (
        (Direction.OUT, decision.given),
        (Direction.IN, decision.taken),
    ):
        current = current_sheet(partner, direction)
        both = current if line is None else narrower(current, policy_in(line))
        if both != current:
            changed = with_sheet(changed, direction, both)
            await add_version(
                tx, partner.id, direction, both, at=now, author_id=None, reason=None
            )
    if changed == partner:
        return False
    await update_partner(
        tx, partner.id, policy_out=changed.policy_out, policy_in=changed.policy_in
    )
    if changed.state in ENTITLED_STATES:
        await ledger.follow_rules(tx, changed)
        await follow_sheet(tx, context, changed, before=before)
    return True
