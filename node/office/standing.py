"""How far both sides of a partnership agree, in numbers that one line can say.

"In sync: 415 sent = 412 held + 3 refused by their rules, digests equal, checked 14:02",
and everything that has to be known if it is not so. Read in a few grouped queries,
however many partners and entries there are. Source: SPEC.md EXC-027.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum

from sqlalchemy import func, select

from node.limits import PARTNER_DAYS_SHOWN
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.ledger_pages import LedgerCounts, counts_by_partner
from node.storage.node_state import NodeState, require_node_state
from node.storage.outgoing import undelivered_by_partner
from node.storage.partner_days import PartnerDay, days_since
from node.storage.tables import received_entries
from node.storage.unaccounted import open_by_partner


class Agreement(Enum):
    """Whether both sides hold the same, by the last receipt."""

    NOTHING = "nothing"  # nothing was exchanged yet
    WAITING = "waiting"  # something is not confirmed
    DIFFERS = "differs"  # all is confirmed, and the digests are not equal
    IN_SYNC = "in-sync"


@dataclass(frozen=True, slots=True)
class PartnerStanding:
    """One partner, as both sides' numbers show it.

    Attributes:
        ledger: What we told it, as our own ledger has it.
        messages_waiting: Messages and notices that it has not taken.
        held_of_it: Its entries that we hold.
        kept_out_of_it: Its entries that a rule of ours keeps out.
        unaccounted: What it says it holds and nobody has decided about.
        restored_at: When our database was put back last; None if it never was.
        compared_since: Whether it was asked since then what it holds.
        shown_since: Whether what we hold of it was confirmed since then.
        days: Each of the last days, today last; also those without any event.
    """

    partner: Partner
    ledger: LedgerCounts
    messages_waiting: int
    held_of_it: int
    kept_out_of_it: int
    unaccounted: int
    restored_at: datetime | None
    compared_since: bool
    shown_since: bool
    days: tuple[PartnerDay, ...]

    @property
    def held(self) -> int:
        """Our entries that it holds, by its last receipt."""
        return self.partner.receipt_held or 0

    @property
    def refused(self) -> int:
        """Our entries that it keeps out, by its last receipt."""
        return self.partner.receipt_refused or 0

    @property
    def adds_up(self) -> bool:
        """Whether sent = held + refused."""
        return self.ledger.sent == self.held + self.refused

    @property
    def agreement(self) -> Agreement:
        """Whether both sides hold the same."""
        if self.partner.checked_at is None:
            return Agreement.NOTHING
        if self.ledger.waiting:
            return Agreement.WAITING
        if self.partner.digest_equal is not True:
            return Agreement.DIFFERS
        return Agreement.IN_SYNC

    @property
    def waiting(self) -> int:
        """Everything that waits for the partner."""
        return self.ledger.waiting + self.messages_waiting

    @property
    def last_exchange(self) -> datetime | None:
        """When anything last passed in either direction."""
        each = self.partner
        moments = (each.last_sent_at, each.checked_at, each.last_received_at)
        return max((moment for moment in moments if moment is not None), default=None)


async def read_standings(
    context: NodeContext, partners: Sequence[Partner]
) -> list[PartnerStanding]:
    """Read how far some partners agree with us, in their order."""
    today = context.clock.now().date()
    async with context.database.read() as tx:
        return await standings_of(tx, partners, today=today)


async def standings_of(
    tx: Transaction, partners: Sequence[Partner], *, today: date
) -> list[PartnerStanding]:
    """Do the same in the caller's transaction."""
    only = partners[0].id if len(partners) == 1 else None
    state = await require_node_state(tx)
    ledgers = await counts_by_partner(tx, partner_id=only)
    messages = await undelivered_by_partner(tx)
    received = await _received(tx)
    unaccounted = await open_by_partner(tx)
    first = today - timedelta(days=PARTNER_DAYS_SHOWN - 1)
    days = await days_since(tx, first, partner_id=only)
    return [
        PartnerStanding(
            partner=each,
            ledger=ledgers.get(each.id, LedgerCounts()),
            messages_waiting=messages.get(each.id, 0),
            held_of_it=received.get((each.id, "present"), 0),
            kept_out_of_it=received.get((each.id, "quarantined"), 0),
            unaccounted=unaccounted.get(each.id, 0),
            restored_at=_restored(state, each),
            compared_since=each.compared_epoch == state.epoch,
            shown_since=each.to_verify_since is None,
            days=_every_day(first, today, days.get(each.id, ())),
        )
        for each in partners
    ]


def _restored(state: NodeState, partner: Partner) -> datetime | None:
    """Return the last restore, unless the partnership is younger."""
    since = partner.active_since
    if state.restored_at is None or since is None or since > state.restored_at:
        return None
    return state.restored_at


def _every_day(
    first: date, last: date, known: Sequence[PartnerDay]
) -> tuple[PartnerDay, ...]:
    by_day: Mapping[date, PartnerDay] = {each.day: each for each in known}
    every = (first + timedelta(days=each) for each in range((last - first).days + 1))
    return tuple(by_day.get(day, PartnerDay(day, 0, 0)) for day in every)


async def _received(tx: Transaction) -> dict[tuple[str, str], int]:
    rows = await tx.all(
        select(
            received_entries.c.partner_id,
            received_entries.c.state,
            func.count().label("number"),
        ).group_by(received_entries.c.partner_id, received_entries.c.state)
    )
    return {(row.partner_id, row.state): row.number for row in rows}
