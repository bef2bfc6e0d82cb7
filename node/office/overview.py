"""Counts and lists for the office's pages, each out of one place."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, func, select

from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import AudienceLevel, Entry, EntryState, ReceivedState
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import outgoing
from node.storage.database import Transaction
from node.storage.ledger_pages import counts, counts_by_partner
from node.storage.partners import list_partners
from node.storage.received import count_purged, count_received
from node.storage.tables import (
    conversations,
    entries,
    organisations,
    partners,
    persons,
    sessions,
)
from node.visibility import PartnerViewer, visible_entries
from schemas import KINDS

UNREACHABLE_AFTER: Final = timedelta(hours=24)
ENDING_WITHIN: Final = timedelta(days=7)
_TOLD_STATES: Final = frozenset(
    {TrustState.ACTIVE, TrustState.PAUSED, TrustState.ENDING}
)
_PARTNER_STATES: Final = ESTABLISHED
_PERSONAL_KINDS: Final = tuple(kind.name for kind in KINDS.values() if kind.personal)


@dataclass(frozen=True, slots=True)
class Counters:
    """Sizes of the cluster.

    Attributes:
        members: Persons who have not left.
        entries: Published entries of own members.
        partners: Clusters with a confirmed partnership, paused and suspended ones
            included.
        delivered: Entries that partners hold, each partner counted.
    """

    members: int
    organisations: int
    entries: int
    partners: int
    delivered: int


@dataclass(frozen=True, slots=True)
class Effects:
    """What a step with a partner concerns.

    Attributes:
        told: Our entries that the partner has been told about and not been asked
            to remove.
        held: The partner's entries that our members see.
        conversations: Conversations with the partner's members.
        would_see: Our entries that the partner sees while it is active.
        waiting_messages: Messages and notices that have not arrived yet.
        purged: The partner's entries whose copies our office has removed.
        members: Persons of our cluster who may see the partner's entries.
    """

    told: int
    held: int
    conversations: int
    would_see: int
    waiting_messages: int
    purged: int
    members: int


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A partner that has not answered for longer than a day.

    Attributes:
        since: When it last did, or when the partnership began.
        waiting: Changes that wait for it.
    """

    partner: Partner
    since: datetime
    waiting: int


class Overview:
    """Reads what the office's pages show beside the services' own lists."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def counters(self) -> Counters:
        """Count members, entries, partners and what they hold."""
        async with self._context.database.read() as tx:
            confirmed = await list_partners(tx, states=_PARTNER_STATES)
            ledgers = await counts_by_partner(tx)
            delivered = sum(
                ledgers[each.id].held for each in confirmed if each.id in ledgers
            )
            return Counters(
                members=await _count(tx, persons.c.left_at.is_(None)),
                organisations=await _count(tx, organisations.c.is_office.is_(False)),
                entries=await _count(tx, entries.c.state == EntryState.PUBLISHED.value),
                partners=len(confirmed),
                delivered=delivered,
            )

    async def effects(self, partner: Partner) -> Effects:
        """Count what ends, pauses or begins with a partner."""
        known = PartnerViewer.of(partner)
        # As if it was released to whoever is no partner yet.
        released = known.released or partner.state not in ESTABLISHED
        viewer = replace(known, state=TrustState.ACTIVE, released=released)
        if partner.state is TrustState.REQUESTED:
            # Whoever confirms compares the check number, and is asked to.
            viewer = replace(viewer, compared=True)
        today = self._today()
        async with self._context.database.read() as tx:
            told = await counts(tx, partner.id, is_told=True)
            return Effects(
                told=told.held + told.refused + told.waiting_entries,
                held=await count_received(tx, partner.id, ReceivedState.PRESENT),
                conversations=await _count(
                    tx, conversations.c.partner_id == partner.id
                ),
                would_see=await _count(tx, visible_entries(viewer, today)),
                waiting_messages=await outgoing.count_undelivered(tx, partner.id),
                purged=await count_purged(tx, partner.id),
                members=await _count(tx, persons.c.left_at.is_(None)),
            )

    async def unreachable(self) -> list[Unreachable]:
        """List partners that have not answered for more than a day."""
        now = self._context.clock.now()
        found = []
        async with self._context.database.read() as tx:
            for partner in await list_partners(
                tx, states=_TOLD_STATES, where=partners.c.attempts > 0
            ):
                since = last_answer(partner)
                if now - since <= UNREACHABLE_AFTER:
                    continue
                waiting = (await counts(tx, partner.id)).waiting
                waiting += await outgoing.count_undelivered(tx, partner.id)
                found.append(Unreachable(partner, since, waiting))
        return found

    async def staying_home(self) -> list[Entry]:
        """List profiles that are for partners but lack the person's consent."""
        where = (
            (entries.c.state == EntryState.PUBLISHED.value)
            & entries.c.kind.in_(_PERSONAL_KINDS)
            & entries.c.audience_level.not_in(
                [AudienceLevel.CLUSTER.value, AudienceLevel.GROUP.value]
            )
        )
        async with self._context.database.read() as tx:
            found = await entry_rows.list_entries(
                tx, self._context.address, where=where
            )
        return [entry for entry in found if not entry.person_consented]

    async def ending_soon(self) -> list[Entry]:
        """List published entries whose last day is within a week, soonest first."""
        last = self._today() + ENDING_WITHIN
        async with self._context.database.read() as tx:
            return await entry_rows.list_entries(
                tx,
                self._context.address,
                where=(entries.c.state == EntryState.PUBLISHED.value)
                & (entries.c.valid_until <= last),
                order_by=[entries.c.valid_until, entries.c.id],
            )

    async def last_visits(self) -> Mapping[str, datetime]:
        """Return when persons last used a page, by their id."""
        statement = select(
            sessions.c.person_id, func.max(sessions.c.seen_at).label("seen_at")
        ).group_by(sessions.c.person_id)
        async with self._context.database.read() as tx:
            rows = await tx.all(statement)
        return {row.person_id: row.seen_at for row in rows}

    def _today(self) -> date:
        return self._context.clock.now().date()


def last_answer(partner: Partner) -> datetime:
    """Return when a partner last took something from us, or began to be one."""
    answers = [
        moment
        for moment in (partner.checked_at, partner.last_sent_at)
        if moment is not None
    ]
    return max(answers, default=partner.active_since or partner.created_at)


async def _count(tx: Transaction, where: ColumnElement[bool]) -> int:
    number = await tx.scalar(select(func.count()).where(where))
    return int(number or 0)
