"""Figures about the exchange for whoever watches the machine.

Counted by the database in a few queries, however many partners there are; no title,
name or id of an entry is read. Source: SPEC.md WEB-008.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, FromClause, func, select

from federation.trust import TrustState
from node.office.overview import last_answer
from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.mail import MailCounts, count_mails
from node.storage.partners import list_partners
from node.storage.tables import (
    disclosures,
    entries,
    outgoing_activities,
    received_entries,
)

# Of these partners nothing is sent or received any more.
_OVER = frozenset({TrustState.ENDED, TrustState.REFUSED})


@dataclass(frozen=True, slots=True)
class PartnerFigures:
    """How the exchange with one partner stands.

    Attributes:
        waiting: Entries, withdrawals and activities that it has not confirmed.
        held_by_it: Our entries that it holds, by its last receipt.
        refused_by_it: Our entries that it keeps out, by its last receipt.
        held_of_it: Its entries that we hold.
        quarantined: Its entries that we keep out.
        last_exchange: When it last took something from us, or became a partner.
        failing: For how long it has not been reached; zero while it is.
        verified: When what we hold of it was last shown to be what it grants.
    """

    partner: Partner
    waiting: int
    held_by_it: int
    refused_by_it: int
    held_of_it: int
    quarantined: int
    last_exchange: datetime
    failing: timedelta
    verified: datetime | None


@dataclass(frozen=True, slots=True)
class Figures:
    """The node in numbers.

    Attributes:
        entries: Own entries by state.
        partners: Partners that something is exchanged with, or may be.
    """

    entries: Mapping[str, int]
    partners: tuple[PartnerFigures, ...]
    mails: MailCounts


async def read_figures(tx: Transaction, *, now: datetime) -> Figures:
    """Count what the node holds and what waits."""
    waiting = await _by_partner(
        tx, disclosures, disclosures.c.acknowledged_at.is_(None)
    )
    activities = await _by_partner(
        tx,
        outgoing_activities,
        outgoing_activities.c.delivered_at.is_(None)
        & outgoing_activities.c.refused_reason.is_(None),
    )
    held = await _by_partner(
        tx, received_entries, received_entries.c.state == "present"
    )
    quarantined = await _by_partner(
        tx, received_entries, received_entries.c.state == "quarantined"
    )
    by_state = await tx.all(
        select(entries.c.state, func.count().label("number")).group_by(entries.c.state)
    )
    return Figures(
        entries={row.state: row.number for row in by_state},
        partners=tuple(
            PartnerFigures(
                partner=partner,
                waiting=waiting.get(partner.id, 0) + activities.get(partner.id, 0),
                held_by_it=partner.receipt_held or 0,
                refused_by_it=partner.receipt_refused or 0,
                held_of_it=held.get(partner.id, 0),
                quarantined=quarantined.get(partner.id, 0),
                last_exchange=last_answer(partner),
                failing=timedelta()
                if partner.failing_since is None
                else max(now - partner.failing_since, timedelta()),
                verified=partner.verified_at,
            )
            for partner in await list_partners(tx)
            if partner.state not in _OVER
        ),
        mails=await count_mails(tx),
    )


async def _by_partner(
    tx: Transaction, table: FromClause, where: ColumnElement[bool]
) -> dict[str, int]:
    rows = await tx.all(
        select(table.c.partner_id, func.count().label("number"))
        .where(where)
        .group_by(table.c.partner_id)
    )
    return {row.partner_id: row.number for row in rows}
