"""What has to be known of a partner to decide about one of its pages."""

from federation.decisions import Standing, needs_known_entries
from federation.documents.page import Page
from federation.exchange import HeldState
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.quotas import count_remembered
from node.storage.received import held_versions


async def page_standing(tx: Transaction, partner: Partner, page: Page) -> Standing:
    """Load it in the transaction of the page's effect; the partner's row is locked."""
    peer = known_peer(partner)
    remembered = await count_remembered(tx, partner.id)
    if not needs_known_entries(page, remembered=remembered):
        return Standing(peer=peer, entries_remembered=remembered)
    held = await held_versions(tx, partner.id, [item.entry_id for item in page.items])
    return Standing(
        peer=peer,
        entries_remembered=remembered,
        known_entries=frozenset(held),
        kept_out=frozenset(
            uri
            for uri, version in held.items()
            if version.state is HeldState.QUARANTINED
        ),
    )
