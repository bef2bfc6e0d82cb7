"""What our policy sheet does with a partner's entries: keep out, and fetch anew.

What a sheet does not take is kept out like any entry that a receiver refuses by a
rule of its own (SPEC FED-065): id and version stay, so that both sides agree what is
held, and the same version may come again. The partner reads one sentence that is the
same for everything.

Source: SPEC.md VIS-083, VIS-085.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, true

from federation.documents.entry import ReceivedEntry as SentEntry
from federation.documents.page import PageFault, PageItem
from federation.lease import LeaseState, lease_begin, lease_state
from node.catalogue.model import ReceivedEntry, ReceivedState
from node.catalogue.publication import last_day
from node.chiffre.form import is_chiffre
from node.mail.entry_titles import take_back_titles
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.partners import update_partner
from node.storage.received import (
    NOT_TAKEN_REASON,
    count_not_taken,
    keep_out,
    list_received,
    present_elements,
)
from node.storage.tables import received_entries
from node.storage.views import load_view, store_view
from node.visibility.policy import PolicySheet, effective, lets_more_pass, takes


@dataclass(frozen=True, slots=True)
class Taken:
    """What followed from a sheet.

    Attributes:
        removed: Copies that are kept out from now on.
        is_fetching: Whether everything comes anew, because more may be taken.
    """

    removed: int
    is_fetching: bool


def sheet_of(partner: Partner, today: date) -> PolicySheet:
    """Return what counts today of the sheet by which we take."""
    compared = partner.compared_at is not None
    return effective(partner.policy_in, compared=compared, today=today)


def as_taken(
    items: Sequence[PageItem], partner: Partner, today: date
) -> tuple[PageItem, ...]:
    """Return a page's items as they take effect: kept out what we do not take."""
    sheet = sheet_of(partner, today)
    return tuple(_as_taken(item, sheet, today) for item in items)


def _as_taken(item: PageItem, sheet: PolicySheet, today: date) -> PageItem:
    sent = item.content
    if not isinstance(sent, SentEntry):
        return item
    entry, ends = sent.entry, sent.entry.valid_until
    content: Mapping[str, Any] = {}
    if _asks_for_content(sheet):
        content = entry.content()
        ends = last_day(content) if entry.known_kind else ends
    is_taken = takes(
        sheet,
        is_public=entry.public,
        kind=entry.kind,
        content=content,
        is_chiffre=is_chiffre(content),
        last_day=ends,
        today=today,
    )
    if is_taken:
        return item
    return PageItem(PageFault(item.entry_id, item.version, NOT_TAKEN_REASON))


async def not_taken(
    tx: Transaction,
    partner: Partner,
    sheet: PolicySheet,
    *,
    now: datetime,
    where: ColumnElement[bool] | None = None,
) -> list[ReceivedEntry]:
    """List the copies of a partner that a sheet does not take; changes nothing.

    Args:
        tx: The caller's transaction.
        partner: Whose copies they are.
        sheet: What counts of it today (`effective`).
        now: The time.
        where: Only among these of `received_entries`; by default all.
    """
    held = await list_received(
        tx,
        where=and_(
            received_entries.c.partner_id == partner.id,
            received_entries.c.state == ReceivedState.PRESENT.value,
            true() if where is None else where,
        ),
    )
    return [
        each
        for each in held
        if _is_lapsed(each, partner, sheet, now)
        or not takes(
            sheet,
            is_public=each.is_public,
            kind=each.kind,
            content=each.content,
            is_chiffre=is_chiffre(each.content),
            last_day=each.valid_until,
            today=now.date(),
        )
    ]


async def follow_sheet(
    tx: Transaction, context: NodeContext, partner: Partner, *, before: PolicySheet
) -> Taken:
    """Keep out what is no longer taken, and have fetched what may be taken again.

    Args:
        tx: The caller's transaction, with the partner's row locked.
        context: The node.
        partner: The partner with the sheet that counts from now on.
        before: What counted of the sheet so far.
    """
    now = context.clock.now()
    sheet = sheet_of(partner, now.date())
    gone = await not_taken(tx, partner, sheet, now=now)
    await remove(tx, context, partner, gone)
    waits = lets_more_pass(sheet, before) and await count_not_taken(
        tx, partner.id
    ) > len(gone)
    if waits:
        await update_partner(
            tx, partner.id, in_position=0, refetch_since=now, next_attempt_at=None
        )
    return Taken(len(gone), is_fetching=waits)


async def drop_what_is_over(
    tx: Transaction, context: NodeContext, partner: Partner
) -> int:
    """Remove the content of copies that has not been shown for too long.

    What only lapsed, because its origin was away, comes anew with it.

    Returns:
        Number of copies removed.
    """
    now = context.clock.now()
    sheet = sheet_of(partner, now.date())
    if sheet.retention_days is None:
        return 0
    cutoff = now - timedelta(days=sheet.retention_days)
    over = or_(
        received_entries.c.valid_until < cutoff.date(),
        received_entries.c.changed_at < cutoff,
    )
    gone = await not_taken(tx, partner, sheet, now=now, where=over)
    await remove(tx, context, partner, gone)
    if any(_is_lapsed(each, partner, sheet, now) for each in gone):
        await update_partner(tx, partner.id, in_position=0, refetch_since=now)
    return len(gone)


async def remove(
    tx: Transaction,
    context: NodeContext,
    partner: Partner,
    gone: Sequence[ReceivedEntry],
) -> None:
    """Remove copies that are not taken, and their titles from our own texts."""
    if not gone:
        return
    uris = [each.uri for each in gone]
    wanted = set(uris)
    view = await load_view(tx, partner.id, "in")
    for element in await present_elements(tx, partner.id):
        if element[0] in wanted:
            view.remove(*element)
    await keep_out(tx, partner.id, uris, at=context.clock.now())
    await store_view(tx, partner.id, "in", view)
    await take_back_titles(tx, context, uris)


def _asks_for_content(sheet: PolicySheet) -> bool:
    """Whether more than kind and audience decides; to read the rest takes longer."""
    return (
        bool(sheet.closed_topics)
        or sheet.retention_days is not None
        or not sheet.chiffre_passes
    )


def _is_lapsed(
    entry: ReceivedEntry, partner: Partner, sheet: PolicySheet, now: datetime
) -> bool:
    """Whether a copy has not been shown for longer than its content may stay."""
    days = sheet.retention_days
    if days is None:
        return False
    shorter = None if sheet.lease_days is None else timedelta(days=sheet.lease_days)
    state = lease_state(
        lease_begin(entry.changed_at, partner.verified_at),
        now=now - timedelta(days=days),
        public=entry.is_public,
        personal=entry.is_personal,
        at_most=shorter,
    )
    return state is LeaseState.LAPSED
