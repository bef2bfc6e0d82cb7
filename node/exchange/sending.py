"""The sending half of the exchange: build a page, take in the receipt.

Both are one transaction each; what happens between them (the network) may fail
at any point and is simply done again: a page is built anew from the ledger, and
a receipt for a row that moved on in the meantime changes nothing.
"""

import json
from dataclasses import dataclass, replace
from datetime import date, datetime

from federation.documents import (
    Receipt,
    Refusal,
    Removal,
    SentRange,
    Upsert,
    Verifying,
    Withdrawal,
    WithdrawalMode,
    build_page,
    build_withdrawal,
)
from federation.errors import PermanentFetchError
from federation.exchange import ViewDigest
from federation.ids import random_id
from federation.json_types import JsonObject
from federation.limits import ENTRY_BYTES_MAX, PAGE_BYTES_MAX, PAGE_ITEMS_MAX
from federation.retry import next_check
from federation.trust import Allow, TrustAction, TrustState, decide_trust
from federation.version import Version
from node.catalogue.model import AudienceLevel, Entry
from node.exchange.verifying import Sent, Verification
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage.database import Transaction
from node.storage.ledger import DELETE, UPSERT, WITHDRAW, Confirmed, Disclosure
from node.storage.ledger_changes import write_row
from node.storage.node_state import require_node_state
from node.storage.partner_days import count_exchange
from node.storage.partners import REACHED, lock_partner, update_partner
from node.storage.tables import entries
from node.storage.unaccounted import UnaccountedRow, drop_explained, left_with
from node.storage.views import load_view, store_view
from node.visibility import RULE_PUBLIC, Form, PartnerViewer, decide_entry

# Room for the wrapper of each item and the page's own fields.
_ITEM_OVERHEAD_BYTES = 512
_FILL_BYTES_MAX = PAGE_BYTES_MAX - ENTRY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class OutgoingPage:
    """A page ready to be sent, and what its receipt has to fit.

    Attributes:
        verifying: What it says that the partner must hold afterwards, if it does.
    """

    document: JsonObject
    sent: SentRange
    verifying: Verifying | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.document["orderedItems"]


class Sending:
    """Pages for partners, from the ledger."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._verification = Verification(context)
        self._pulled: dict[str, _Pulled] = {}

    async def next_page(
        self,
        partner_id: str,
        *,
        after: int | None = None,
        withdrawals_only: bool = False,
        compare: bool = False,
    ) -> OutgoingPage:
        """Build the next page for a partner.

        The rule decides again, with the entry as it is now: what the partner may
        no longer see becomes a withdrawal, or is dropped if it was never told.

        Args:
            partner_id: The partner.
            after: Position to continue from; by default the acknowledged one. A
                partner that pulls names its own, and thereby confirms nothing.
            withdrawals_only: The partner takes nothing else now: it has paused us.
            compare: Ask the rules for every entry; a comparison is due.
        """

        async def work(tx: Transaction) -> OutgoingPage:
            partner = await self._locked(tx, partner_id)
            epoch = (await require_node_state(tx)).epoch
            start = partner.acked_seq if after is None else after
            if not is_told(partner.state):
                # The partnership was closed, or its key came into question, since the
                # caller has looked.
                return self._nothing(partner, epoch, start)
            tellable = not withdrawals_only and self.may_tell(partner, epoch=epoch)
            if not tellable:
                await self._let_withdrawals_pass(tx, partner)
            granted = None
            if compare and tellable:
                granted = await self._verification.granted(tx, partner)
            waiting = await rows.rows_after(
                tx,
                partner_id,
                after=start,
                limit=PAGE_ITEMS_MAX,
                unconfirmed=after is None,
            )
            page = await self._build(
                tx,
                partner,
                _Stretch(epoch, start, waiting, pulled=after is not None),
                tellable=tellable,
                granted=granted,
            )
            leaves = not page.is_empty or (
                page.verifying is not None and (compare or after is not None)
            )
            if leaves:
                now = self._context.clock.now()
                await update_partner(tx, partner_id, renewed_at=now)
            elif after is None and page.sent.last > start:
                # All of it was dropped before it ever left.
                await update_partner(tx, partner_id, acked_seq=page.sent.last)
            return page

        return await self._context.database.write(work)

    def may_tell(self, partner: Partner, *, epoch: str) -> bool:
        """Tell whether entries may go to a partner now.

        A partner that does not know the key of our entries could not verify them: it
        is told of the key first. After a restore it is asked first what it holds.

        Args:
            partner: The partner.
            epoch: Our present epoch.
        """
        return (
            _may(partner.state, TrustAction.BE_TOLD)
            and self._context.keys.can_verify_entries(partner)
            and partner.compared_epoch == epoch
        )

    async def take_receipt(
        self, partner_id: str, receipt: Receipt, *, compared: bool = False
    ) -> bool:
        """Record a partner's receipt; its signature and range were checked.

        Args:
            partner_id: The partner.
            receipt: Its answer.
            compared: Whether the rules were asked for every entry; the next
                comparison is due a day later then.

        Returns:
            Whether the partner's digest agrees with our ledger.
        """

        async def work(tx: Transaction) -> bool:
            partner = await self._locked(tx, partner_id)
            return await self._apply_receipt(tx, partner, receipt, compared=compared)

        return await self._context.database.write(work)

    async def rewind(
        self, partner_id: str, position: int, *, may_lose: bool = True
    ) -> int | None:
        """Go back to the position that the partner says it has reached.

        Args:
            partner_id: The partner.
            position: The position.
            may_lose: Whether to go back also if the partner has confirmed something
                behind it, which is told once more then.

        Returns:
            How much it had confirmed; None if that forbids to go back.
        """

        async def work(tx: Transaction) -> int | None:
            partner = await self._locked(tx, partner_id)
            if position >= partner.acked_seq or not is_told(partner.state):
                return 0  # or our office has closed it meanwhile
            gone = await rows.count_confirmed(tx, partner_id, after=position)
            if gone and not may_lose:
                return None
            await update_partner(tx, partner_id, acked_seq=position)
            await rows.unconfirm(tx, partner_id, after=position)
            return gone

        return await self._context.database.write(work)

    # Inside

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            msg = f"no partner {partner_id}"
            raise LookupError(msg)
        return partner

    async def _let_withdrawals_pass(self, tx: Transaction, partner: Partner) -> None:
        """While a partner takes no entries, move those behind the withdrawals.

        Positions are confirmed cumulatively, so an entry that must not leave now
        would hold up a withdrawal behind it.
        """
        for row in await rows.upserts_before_withdrawals(
            tx, partner.id, after=partner.acked_seq
        ):
            await rows.move_to_head(tx, row)

    async def _build(
        self,
        tx: Transaction,
        partner: Partner,
        stretch: "_Stretch",
        *,
        tellable: bool,
        granted: ViewDigest | None,
    ) -> OutgoingPage:
        start, waiting = stretch.start, stretch.waiting
        known = {
            entry.id: entry
            for entry in await entry_rows.list_entries(
                tx,
                self._context.address,
                where=entries.c.id.in_([row.entry_id for row in waiting]),
            )
        }
        items: list[Upsert | Removal] = []
        told: list[str] = []
        public: list[str] = []
        sent: list[Sent] = []
        last, size = start, 0
        for row in waiting:
            entry = known[row.entry_id]
            shown = row.op == UPSERT and self._may_see(partner, entry)
            sent.append(
                Sent(row, entry.version, entry.content_hash)
                if shown
                else Sent(row, None, None)
            )
            if shown and (
                not tellable or self._context.keys.is_revoked(entry.key_number)
            ):
                break  # waits until entries may flow again, or it is signed anew
            item = await self._item(tx, partner, row, entry, shown=shown)
            if item is not None:
                change, length = item
                if size + length > _FILL_BYTES_MAX:
                    break
                items.append(change)
                told.append(row.entry_id)
                if shown and entry.open_level is AudienceLevel.PUBLIC:
                    public.append(row.entry_id)
                size += length
            last = row.seq
        else:
            if len(waiting) < PAGE_ITEMS_MAX:
                last = max(last, partner.head_seq)  # nothing else follows
        # Read again: moved and rewritten rows may have raised it.
        head = max((await self._locked(tx, partner.id)).head_seq, last)
        await rows.mark_told(tx, partner.id, told, self._context.clock.now())
        await rows.mark_told_publicly(tx, partner.id, public)
        verifying = None
        if tellable and last == head:
            view = granted or await self._expected(tx, partner, stretch, sent)
            verifying = self._verifying(view)
        document = build_page(
            items,
            address=self._context.keys.address_for(partner),
            epoch=stretch.epoch,
            first=start + 1,
            last=last,
            head=head,
            verifying=verifying,
        )
        page = SentRange(stretch.epoch, start + 1, last)
        return OutgoingPage(document, page, verifying)

    def _nothing(self, partner: Partner, epoch: str, start: int) -> OutgoingPage:
        """Return a page that says nothing and confirms nothing."""
        document = build_page(
            [],
            address=self._context.keys.address_for(partner),
            epoch=epoch,
            first=start + 1,
            last=start,
            head=max(partner.head_seq, start),
        )
        return OutgoingPage(document, SentRange(epoch, start + 1, start))

    def _verifying(self, view: ViewDigest | None) -> Verifying | None:
        if view is None:
            return None
        now = self._context.clock.now().replace(microsecond=0)
        return Verifying(view.count, view.hex(), now)

    async def _expected(
        self,
        tx: Transaction,
        partner: Partner,
        stretch: "_Stretch",
        sent: list[Sent],
    ) -> ViewDigest | None:
        """Return what the partner holds after a page up to the head."""
        if not stretch.pulled:
            return await self._verification.expected_after(tx, partner, sent)
        # Whoever pulls confirms nothing, so everything may wait. The same question
        # has the same answer until something is written, the office settles what is
        # unaccounted, or the day is over.
        moment = _Pulled(
            stretch.epoch,
            partner.head_seq,
            partner.acked_seq,
            partner.checked_at,
            self._context.clock.now().date(),
            frozenset(await left_with(tx, partner.id)),
        )
        known = self._pulled.get(partner.id)
        if known is not None and replace(known, view=None) == moment:
            return known.view
        view = await self._verification.granted(tx, partner)
        self._pulled[partner.id] = replace(moment, view=view)
        return view

    def _may_see(self, partner: Partner, entry: Entry) -> bool:
        viewer = PartnerViewer.of(partner)
        today = self._context.clock.now().date()
        return decide_entry(entry, viewer, today).visible and bool(entry.document)

    async def _item(
        self,
        tx: Transaction,
        partner: Partner,
        row: Disclosure,
        entry: Entry,
        *,
        shown: bool,
    ) -> tuple[Upsert | Removal, int] | None:
        """Return the change that a row stands for, None if it has left its place."""
        if row.op != UPSERT:
            return self._removal(partner, row, entry)
        if shown and entry.document is not None:
            size = len(entry.document) + _ITEM_OVERHEAD_BYTES
            document = json.loads(entry.document)
            return Upsert(document, is_first=row.told_at is None), size
        if row.told_at is None:
            await rows.drop_row(tx, partner.id, entry.id)
        else:
            # A position of its own: an answer to this one must not confirm it.
            await write_row(
                tx,
                partner_id=partner.id,
                entry_id=entry.id,
                op=WITHDRAW,
                version=entry.version,
                form=Form.HIDDEN,
                reason="VIS-012",
                at=self._context.clock.now(),
                known=row,
            )
        return None

    def _removal(
        self, partner: Partner, row: Disclosure, entry: Entry
    ) -> tuple[Removal, int]:
        now = self._context.clock.now()
        deletion = row.op == DELETE
        withdrawal = Withdrawal(
            # All of it has the name of its entry (SPEC FED-162).
            id=self._context.address.called(entry.uri).activity(
                random_id(self._context.random)
            ),
            entry_id=entry.uri,
            version=row.version,
            mode=WithdrawalMode.DELETION if deletion else WithdrawalMode.WITHDRAWAL,
            published=now.replace(microsecond=0),
        )
        signer = self._context.keys.signer_for(partner)
        signed = build_withdrawal(withdrawal, signer=signer, created=now)
        return Removal(signed.document), len(signed.raw) + _ITEM_OVERHEAD_BYTES

    async def _apply_receipt(
        self,
        tx: Transaction,
        partner: Partner,
        receipt: Receipt,
        *,
        compared: bool,
    ) -> bool:
        now = self._context.clock.now()
        if receipt.signed is None:
            msg = "a receipt without its document"
            raise ValueError(msg)
        if not await rows.store_receipt(
            tx,
            receipt_id=receipt.id,
            partner_id=partner.id,
            position=receipt.position,
            at=now,
            document=receipt.signed.raw,
        ):
            raise PermanentFetchError(
                "The partner's receipt has the id of another one.",
                problem_code="receipt-reused",
            )
        refused = {
            self._context.address.entry_local_id(refusal.entry_id): refusal
            for refusal in receipt.refused
        }
        view = await load_view(tx, partner.id, "out")
        confirmed = await rows.rows_between(
            tx, partner.id, after=partner.acked_seq, through=receipt.position
        )
        hashes = {
            entry.id: entry.content_hash
            for entry in await entry_rows.list_entries(
                tx,
                self._context.address,
                where=entries.c.id.in_([row.entry_id for row in confirmed]),
            )
        }
        await rows.confirm(
            tx,
            [
                self._confirmed(
                    row,
                    refused.get(row.entry_id),
                    view,
                    content_hash=hashes.get(row.entry_id),
                )
                for row in confirmed
            ],
            receipt_id=receipt.id,
            at=now,
        )
        await store_view(tx, partner.id, "out", view)
        held = await self._verification.as_confirmed(tx, partner, view)
        equal: bool | None = held.hex() == receipt.digest
        if equal and compared:
            await drop_explained(tx, partner.id)
        if receipt.position < partner.head_seq and not equal:
            # More is on its way, or a row moved on while the page travelled.
            equal = partner.digest_equal
        await count_exchange(tx, partner, now)
        await update_partner(
            tx,
            partner.id,
            acked_seq=max(partner.acked_seq, receipt.position),
            **REACHED,
            last_sent_at=now,
            receipt_digest=receipt.digest,
            receipt_held=receipt.held,
            receipt_refused=receipt.refused_count,
            digest_equal=equal,
            checked_at=now,
            **self._next_check(
                compared=compared,
                is_refused=any(row.entry_id in refused for row in confirmed),
            ),
        )
        return bool(equal)

    def _next_check(self, *, compared: bool, is_refused: bool) -> dict[str, datetime]:
        """Return when a comparison is due, if a receipt changes that."""
        now = self._context.clock.now()
        if is_refused:
            # What is kept out was counted, so that nothing was renewed.
            return {"next_check_at": now}
        if compared:
            return {"next_check_at": next_check(now, jitter=self._context.random)}
        return {}

    def _confirmed(
        self,
        row: Disclosure,
        refusal: Refusal | None,
        view: ViewDigest,
        *,
        content_hash: str | None,
    ) -> Confirmed:
        uri = self._context.address.entry(row.entry_id)
        if row.held is not None and row.held_hash is not None:
            view.discard(uri, row.held, row.held_hash)
        held: Version | None = None
        if row.op == UPSERT and refusal is None and content_hash is not None:
            held = row.version
            view.add(uri, held, content_hash)
        return Confirmed(
            row,
            held,
            content_hash if held else None,
            refusal.reason if refusal else None,
            told_public=row.told_public and row.reason == RULE_PUBLIC,
        )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The part of a partner's ledger that a page is made of.

    Attributes:
        start: The position before the first.
        waiting: Its rows in order, at most a page full.
        pulled: Whether the partner asked for it.
    """

    epoch: str
    start: int
    waiting: list[Disclosure]
    pulled: bool


@dataclass(frozen=True, slots=True)
class _Pulled:
    """What a partner was told at a pull that it must hold, and on what that rests."""

    epoch: str
    head: int
    acked: int
    checked_at: datetime | None
    day: date
    left: frozenset[UnaccountedRow]
    view: ViewDigest | None = None


def is_told(state: TrustState) -> bool:
    """Tell whether anything may be told to a partner, be it withdrawals only."""
    return _may(state, TrustAction.BE_TOLD_WITHDRAWALS)


def _may(state: TrustState, action: TrustAction) -> bool:
    return isinstance(decide_trust(state, action), Allow)
