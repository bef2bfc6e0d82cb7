"""What became of a partnership, for both offices to keep: told, removed, left open.

Each side writes its own: what it told the other and what that has confirmed, with
the signed receipts in the ledger, and what it removed of the other's itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from federation.trust import TrustEvent
from node.catalogue.model import ReceivedState
from node.ledger import Ledger, LedgerLine
from node.partners.history import COPIES_REMOVED, end_can_be_undone_until
from node.partners.model import Partner, PartnerEvent
from node.ports import NodeContext
from node.storage.ledger_pages import counts
from node.storage.partners import list_events
from node.storage.received import count_received

_ENDS = {TrustEvent.WE_ENDED.value: True, TrustEvent.THEY_LEFT.value: False}


@dataclass(frozen=True, slots=True)
class PartnerReport:
    """One side's account of a partnership.

    Attributes:
        by_us: Whether our office ended it; None while nobody has.
        ended_by: The person of our office who did.
        end_asked_at: When it was ended, before everything was confirmed.
        told: Our entries that the partner was ever told.
        removed: How many of them it has confirmed to have removed.
        standing: How many it was not asked to remove.
        open: Those whose removal it has not confirmed.
        copies_removed: Entries of the partner that we have removed at the end.
        copies_held: Entries of the partner that we hold now.
        undo_until: Until when the end can be taken back; None if it cannot.
    """

    partner: Partner
    written_at: datetime
    by_us: bool | None
    ended_by: str | None
    end_asked_at: datetime | None
    reason: str | None
    told: int
    removed: int
    standing: int
    open: tuple[LedgerLine, ...]
    copies_removed: int
    copies_removed_at: datetime | None
    copies_held: int
    undo_until: datetime | None


async def write_report(
    context: NodeContext, ledger: Ledger, partner: Partner
) -> PartnerReport:
    """Write the report on a partnership as it stands now; changes nothing."""
    open_lines = tuple(await ledger.unconfirmed_removals(partner.id))
    async with context.database.read() as tx:
        events = await list_events(tx, partner.id)
        held = await count_received(tx, partner.id, ReceivedState.PRESENT)
        told = await counts(tx, partner.id, is_told=True)
    now = context.clock.now()
    end = _last_end(events)
    copies = [] if end is None else [e for e in events if e.event == COPIES_REMOVED]
    return PartnerReport(
        partner=partner,
        written_at=now,
        by_us=None if end is None else _ENDS[end.event],
        ended_by=None if end is None else end.person_name,
        end_asked_at=None if end is None else end.at,
        reason=None if end is None else end.note,
        told=told.lines,
        removed=told.removed,
        standing=told.held + told.refused + told.waiting_entries,
        open=open_lines,
        copies_removed=int(copies[-1].note or 0) if copies else 0,
        copies_removed_at=copies[-1].at if copies else None,
        copies_held=held,
        undo_until=end_can_be_undone_until(partner, events, now=now),
    )


def _last_end(events: Sequence[PartnerEvent]) -> PartnerEvent | None:
    """Return the step that ended the present partnership, if one did."""
    end = None
    for event in events:
        if event.event in _ENDS:
            # Whoever takes our `Leave` answers with one: the first end counts.
            end = end or event
        elif event.event in _BEGINS:
            end = None
    return end


_BEGINS = frozenset(
    {
        TrustEvent.WE_STAYED.value,
        TrustEvent.THEY_REQUESTED.value,
        TrustEvent.WE_REQUESTED.value,
    }
)
