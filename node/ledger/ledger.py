"""Write the ledger in the transaction of the change that it belongs to.

A row says that a partner is to be told something; it carries no content. The
rule decides here, when the row is written, and again in `node.exchange.pages`
with the entry as it is when the page is built (SPEC EXC-003).
"""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from federation.retry import is_due, next_check
from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import Entry, EntryState
from node.erasure.decisions import of_entry
from node.ledger.lapse import Lapse, lapse_of
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage.database import Transaction
from node.storage.ledger import (
    DELETE,
    UPSERT,
    WITHDRAW,
    Disclosure,
)
from node.storage.ledger_changes import Change, write_rows
from node.storage.ledger_pages import (
    Confirmation,
    EntryHead,
    LedgerCounts,
    LineState,
    StoredReceipt,
    counts,
    counts_by_partner,
    heads_of,
    history_of_entry,
    load_receipt,
    page_of_rows,
    removals_waiting,
)
from node.storage.node_state import hold_partnerships, require_node_state
from node.storage.partners import (
    close_position,
    list_partners,
    lock_partners,
    update_partner,
)
from node.storage.received import forget_partner
from node.storage.removals import Removals, count_removals
from node.storage.tables import entries
from node.storage.unaccounted import forget_unaccounted
from node.storage.views import drop_views
from node.visibility import Form, PartnerViewer, Verdict, decide_entry, visible_entries
from schemas import KINDS

# Partners that may be told something new, now or once it flows again.
_TELLABLE = ESTABLISHED


_ENTRIES_AT_ONCE = 500  # ids in one query


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of "what went to whom" for the office and the owner.

    Attributes:
        held: The version that the partner's receipts prove it to hold; None for none.
        receipt_id: The signed receipt that confirms the line.
        failing_since: Since when the partner is not reached; None if it is.
        lapse: What becomes of a copy whose removal is not confirmed; None if
            nothing has to be removed, or if it is confirmed.
    """

    partner_id: str
    partner_name: str
    partner_base_url: str
    entry_id: str
    entry_uri: str
    entry_kind: str
    entry_title: dict[str, str]
    op: str
    version: tuple[int, int]
    form: str
    reason: str
    recorded_at: datetime
    told_at: datetime | None
    acknowledged_at: datetime | None
    refused_reason: str | None
    held: tuple[int, int] | None
    receipt_id: str | None
    partner_state: TrustState
    failing_since: datetime | None
    lapse: Lapse | None


class Ledger:
    """All disclosures of this node."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def record_change(self, tx: Transaction, entry: Entry) -> list[str]:
        """Write what every partner has to be told after a change of `entry`.

        Asked are the partners of now, and everybody who was ever told it: what is
        taken back from a partner of before stands in the ledger, too, and is told
        as soon as it may be (SPEC EXC-016).

        Returns:
            Ids of the partners that have something new to be sent now.
        """
        tx.decide(of_entry(entry))
        # Locked before anything is read that another transaction (a page being
        # built, a receipt, the end of a partnership) may be changing.
        await hold_partnerships(tx, alone=False)
        partners = await lock_partners(tx, _TELLABLE, or_told=entry.id)
        known = await rows.rows_of_entry(tx, entry.id)
        changes: list[Change] = []
        untold: list[tuple[str, str]] = []
        for partner in partners:
            viewer = PartnerViewer.of(partner)
            verdict = decide_entry(entry, viewer, self._today())
            change = self._change(entry, partner.id, verdict, known, untold)
            if change is not None:
                changes.append(change)
        now = self._context.clock.now()
        await rows.drop_rows(tx, untold)
        await write_rows(tx, changes, at=now)
        changed = {change.partner_id for change in changes}
        for partner in partners:
            if partner.id in changed and partner.state is TrustState.ENDED:
                # Nothing may be told now. The row stays unconfirmed; our
                # `Leave` must not wait for it.
                await close_position(tx, partner.id)
        # Whoever does not answer is tried again when its time has come, and costs
        # nothing meanwhile but its line.
        return [
            partner.id
            for partner in partners
            if partner.id in changed and is_due(partner.next_attempt_at, now)
        ]

    async def disclose_all(self, tx: Transaction, partner: Partner) -> int:
        """Write a row for everything that a newly active partner may see.

        What an earlier partnership left behind is cleared first: both sides
        removed their copies when it ended, so neither holds anything now.

        Returns:
            Number of entries.
        """
        await hold_partnerships(tx, alone=True)
        await rows.forget_held(tx, partner.id)
        await drop_views(tx, partner.id)
        await forget_partner(tx, partner.id)
        await forget_unaccounted(tx, partner.id)
        await update_partner(
            tx,
            partner.id,
            compared_epoch=(await require_node_state(tx)).epoch,
            next_check_at=next_check(
                self._context.clock.now(), jitter=self._context.random
            ),
            renewed_at=None,
            verified_at=None,
            to_verify_since=None,
        )
        viewer = replace(PartnerViewer.of(partner), state=TrustState.ACTIVE)
        visible = await entry_rows.list_entries(
            tx, self._context.address, where=visible_entries(viewer, self._today())
        )
        known = {row.entry_id: row for row in await self._rows_of(tx, partner.id)}
        changes: list[Change] = []
        untold: list[tuple[str, str]] = []
        for entry in visible:
            verdict = decide_entry(entry, viewer, self._today())
            row = known.get(entry.id)
            by_partner = {partner.id: row} if row is not None else {}
            change = self._change(entry, partner.id, verdict, by_partner, untold)
            if change is not None:
                changes.append(change)
        told_anew = {change.entry_id for change in changes}
        for row in known.values():
            # Nobody has confirmed these in the partnership before: they come first.
            open_removal = row.op != UPSERT and row.acknowledged_at is None
            if open_removal and row.told_at and row.entry_id not in told_anew:
                await rows.move_unconfirmed(tx, row)
        await rows.drop_rows(tx, untold)
        await write_rows(tx, changes, at=self._context.clock.now())
        return len(changes)

    async def follow_rules(self, tx: Transaction, partner: Partner) -> int:
        """Write the difference between what a partner was told and what it may see.

        After a rule about this partner has changed. What was taken back before and
        may be seen again needs a higher version (SPEC FED-063) and is left to
        `Catalogue.renew_taken_back`.

        Args:
            tx: The caller's transaction; nobody publishes meanwhile
                (`hold_partnerships`), and the partner's row is locked.
            partner: The partner as it is from now on.

        Returns:
            Number of lines written.
        """
        viewer, today = PartnerViewer.of(partner), self._today()
        shown = await entry_rows.versions_where(tx, visible_entries(viewer, today))
        known = {row.entry_id: row for row in await self._rows_of(tx, partner.id)}
        differing = [
            entry_id
            for entry_id, version in shown.items()
            if (row := known.get(entry_id)) is None
            or (row.op != DELETE and row.version < version)
        ]
        differing += [
            entry_id
            for entry_id, row in known.items()
            if row.op == UPSERT and entry_id not in shown
        ]
        changes: list[Change] = []
        untold: list[tuple[str, str]] = []
        for start in range(0, len(differing), _ENTRIES_AT_ONCE):
            chunk = differing[start : start + _ENTRIES_AT_ONCE]
            for entry in await entry_rows.list_entries(
                tx, self._context.address, where=entries.c.id.in_(chunk)
            ):
                verdict = decide_entry(entry, viewer, today)
                row = known.get(entry.id)
                by_partner = {} if row is None else {partner.id: row}
                change = self._change(entry, partner.id, verdict, by_partner, untold)
                if change is not None:
                    changes.append(change)
        await rows.drop_rows(tx, untold)
        await write_rows(tx, changes, at=self._context.clock.now())
        return len(changes)

    async def withdraw_all(self, tx: Transaction, partner: Partner) -> int:
        """Take back everything the partner was told; for the end of a partnership.

        Returns:
            Number of withdrawals written.
        """
        changes: list[Change] = []
        untold: list[tuple[str, str]] = []
        for row in await self._rows_of(tx, partner.id):
            if row.op != UPSERT:
                continue
            if row.told_at is None:
                untold.append((partner.id, row.entry_id))
                continue
            changes.append(
                Change(
                    partner_id=partner.id,
                    entry_id=row.entry_id,
                    op=WITHDRAW,
                    version=row.version,
                    form=Form.HIDDEN,
                    reason="VIS-030",
                    is_new=False,
                )
            )
        await rows.drop_rows(tx, untold)
        await write_rows(tx, changes, at=self._context.clock.now())
        return len(changes)

    async def removals(self, tx: Transaction, partner_id: str) -> Removals:
        """Count what a partner was asked to remove, and how much it confirmed."""
        return await count_removals(tx, partner_id)

    async def counts(self, tx: Transaction, partner_id: str) -> LedgerCounts:
        """Count sent, held, refused and waiting entries of a partner."""
        return await counts(tx, partner_id)

    async def counts_by_partner(self) -> dict[str, LedgerCounts]:
        """Count the ledger of every partner that has a line, in one query."""
        async with self._context.database.read() as tx:
            return await counts_by_partner(tx)

    async def entry(self, reference: str) -> Entry | None:
        """Load an entry of ours by its address or id, also one that was deleted.

        For whoever may read the ledger of it; no rule is asked here.
        """
        local_id = self._context.address.entry_local_id(reference) or reference
        async with self._context.database.read() as tx:
            return await entry_rows.load_entry(tx, self._context.address, local_id)

    async def lines_of_entry(self, entry_id: str) -> list[LedgerLine]:
        """Who was told of one entry, the latest change first."""
        async with self._context.database.read() as tx:
            partners = {each.id: each for each in await list_partners(tx)}
            found = await rows.rows_of_entry(tx, entry_id)
            return await self._lines(tx, found.values(), partners)

    async def page(
        self,
        *,
        limit: int,
        offset: int = 0,
        partner_id: str | None = None,
        state: LineState | None = None,
    ) -> list[LedgerLine]:
        """Read one page of what went to whom, the latest change first.

        Args:
            limit: Lines of the page.
            offset: Lines before it.
            partner_id: Only what went to one partner.
            state: Only what is so far.
        """
        async with self._context.database.read() as tx:
            partners = {each.id: each for each in await list_partners(tx)}
            found = await page_of_rows(
                tx, partner_id=partner_id, state=state, limit=limit, offset=offset
            )
            return await self._lines(tx, found, partners)

    async def each_line(
        self, *, partner_id: str | None = None
    ) -> AsyncIterator[LedgerLine]:
        """Go through the ledger as it is now, a stretch of one partner at a time."""
        async with self._context.database.read() as tx:
            partners = {each.id: each for each in await list_partners(tx)}
            for each in partners:
                if partner_id not in {None, each}:
                    continue
                after = 0
                while found := await rows.rows_after(
                    tx, each, after=after, limit=_ENTRIES_AT_ONCE
                ):
                    for line in await self._lines(tx, found, partners):
                        yield line
                    after = found[-1].seq

    async def unconfirmed_removals(
        self, partner_id: str | None = None
    ) -> list[LedgerLine]:
        """Withdrawals and deletions that one partner, or any, has not confirmed."""
        async with self._context.database.read() as tx:
            partners = {each.id: each for each in await list_partners(tx)}
            found = await removals_waiting(tx, partner_id=partner_id)
            return await self._lines(tx, found, partners)

    async def history(self, entry_id: str) -> list[Confirmation]:
        """Read what partners ever confirmed of an entry, the latest first."""
        async with self._context.database.read() as tx:
            return await history_of_entry(tx, entry_id)

    async def receipt(self, receipt_id: str) -> StoredReceipt | None:
        """Load a partner's signed receipt, as it came."""
        async with self._context.database.read() as tx:
            return await load_receipt(tx, receipt_id)

    async def open_deletions(self, organisation_id: str | None) -> list[LedgerLine]:
        """Deletions that a partner has not confirmed; of one organisation or of all.

        The entries themselves are gone for everybody; only this is left to be seen.
        """
        where = entries.c.state == EntryState.DELETED.value
        if organisation_id is not None:
            where &= entries.c.organisation_id == organisation_id
        async with self._context.database.read() as tx:
            partners = {each.id: each for each in await list_partners(tx)}
            found = await rows.open_removals(tx, where=where)
            return await self._lines(tx, found, partners)

    async def _lines(
        self,
        tx: Transaction,
        found: Iterable[Disclosure],
        partners: dict[str, Partner],
    ) -> list[LedgerLine]:
        rows_found = list(found)
        known = await _heads_of(tx, rows_found)
        lines = []
        for row in rows_found:
            entry = known.get(row.entry_id)
            if entry is None:
                continue
            partner = partners[row.partner_id]
            lines.append(
                LedgerLine(
                    partner_id=partner.id,
                    partner_name=partner.name,
                    partner_base_url=partner.base_url,
                    entry_id=entry.id,
                    entry_uri=self._context.address.entry(entry.id),
                    entry_kind=entry.kind,
                    entry_title=dict(entry.title),
                    op=row.op,
                    version=(row.version.incarnation, row.version.counter),
                    form=row.form,
                    reason=row.reason,
                    recorded_at=row.recorded_at,
                    told_at=row.told_at,
                    acknowledged_at=row.acknowledged_at,
                    refused_reason=row.refused_reason,
                    held=None
                    if row.held is None
                    else (row.held.incarnation, row.held.counter),
                    receipt_id=row.receipt_id,
                    partner_state=partner.state,
                    failing_since=partner.failing_since,
                    lapse=lapse_of(row, partner, personal=KINDS[entry.kind].personal),
                )
            )
        return sorted(lines, key=lambda line: line.recorded_at, reverse=True)

    @staticmethod
    def _change(
        entry: Entry,
        partner_id: str,
        verdict: Verdict,
        known: dict[str, Disclosure],
        untold: list[tuple[str, str]],
    ) -> Change | None:
        """Return the line that has to be written for a partner, None for none.

        A line that has to go because nobody was told is added to `untold`.
        """
        row = known.get(partner_id)
        op = _operation(entry, verdict)
        if row is None and op != UPSERT:
            return None
        if row is not None and (row.op, row.version) == (op, entry.version):
            return None
        if row is not None and row.op == DELETE:
            return None
        if row is not None and row.op == WITHDRAW == op:
            return None
        if row is not None and op != UPSERT and row.told_at is None:
            untold.append((partner_id, entry.id))
            return None
        return Change(
            partner_id=partner_id,
            entry_id=entry.id,
            op=op,
            version=entry.version,
            form=verdict.form,
            reason=verdict.rule,
            is_new=row is None,
        )

    async def _rows_of(self, tx: Transaction, partner_id: str) -> list[Disclosure]:
        return await rows.rows_of_partner(tx, partner_id)

    def _today(self) -> date:
        return self._context.clock.now().date()


async def _heads_of(tx: Transaction, found: list[Disclosure]) -> dict[str, EntryHead]:
    ids = sorted({row.entry_id for row in found})
    known: dict[str, EntryHead] = {}
    for start in range(0, len(ids), _ENTRIES_AT_ONCE):
        known |= await heads_of(tx, ids[start : start + _ENTRIES_AT_ONCE])
    return known


def _operation(entry: Entry, verdict: Verdict) -> str:
    if entry.state is EntryState.DELETED:
        return DELETE
    return UPSERT if verdict.visible else WITHDRAW
