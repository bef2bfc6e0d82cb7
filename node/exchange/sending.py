"""The sending half of the exchange: build a page, take in the receipt.

Both are one transaction each; what happens between them (the network) may fail
at any point and is simply done again: a page is built anew from the ledger, and
a receipt for a row that moved on in the meantime changes nothing.
"""

import json
from dataclasses import dataclass, replace

from federation.documents import (
    Receipt,
    Refusal,
    Removal,
    SentRange,
    Upsert,
    Withdrawal,
    WithdrawalMode,
    build_page,
    build_withdrawal,
)
from federation.exchange import ViewDigest
from federation.ids import random_id
from federation.json_types import JsonObject
from federation.limits import ENTRY_BYTES_MAX, PAGE_BYTES_MAX, PAGE_ITEMS_MAX
from federation.trust import Allow, TrustAction, TrustState, decide_trust
from node.catalogue.model import Entry
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage.database import Transaction
from node.storage.ledger import DELETE, UPSERT, Disclosure
from node.storage.node_state import require_node_state
from node.storage.partners import lock_partner, update_partner
from node.storage.tables import entries
from node.storage.views import load_view, store_view
from node.visibility import PartnerViewer, decide_entry

# Room for the wrapper of each item and the page's own fields.
_ITEM_OVERHEAD_BYTES = 512
_FILL_BYTES_MAX = PAGE_BYTES_MAX - ENTRY_BYTES_MAX


@dataclass(frozen=True, slots=True)
class OutgoingPage:
    """A page ready to be sent, and what its receipt has to fit."""

    document: JsonObject
    sent: SentRange

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.document["orderedItems"]


class Sending:
    """Pages for partners, from the ledger."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def next_page(
        self, partner_id: str, *, after: int | None = None
    ) -> OutgoingPage:
        """Build the next page for a partner.

        The rule decides again, with the entry as it is now: what the partner may
        no longer see becomes a withdrawal, or is dropped if it was never told.

        Args:
            partner_id: The partner.
            after: Position to continue from; by default the acknowledged one. A
                partner that pulls names its own, and thereby confirms nothing.
        """

        async def work(tx: Transaction) -> OutgoingPage:
            partner = await self._locked(tx, partner_id)
            await self._let_withdrawals_pass(tx, partner)
            start = partner.acked_seq if after is None else after
            waiting = await rows.rows_after(
                tx, partner_id, after=start, limit=PAGE_ITEMS_MAX
            )
            page = await self._build(tx, partner, start, waiting)
            if after is None and page.is_empty and page.sent.last > start:
                # All of it was dropped before it ever left.
                await update_partner(tx, partner_id, acked_seq=page.sent.last)
            return page

        return await self._context.database.write(work)

    async def take_receipt(self, partner_id: str, receipt: Receipt) -> bool:
        """Record a partner's receipt; its signature and range were checked.

        Returns:
            Whether the partner's digest agrees with our ledger.
        """

        async def work(tx: Transaction) -> bool:
            partner = await self._locked(tx, partner_id)
            return await self._apply_receipt(tx, partner, receipt)

        return await self._context.database.write(work)

    async def rewind(self, partner_id: str, position: int) -> None:
        """Go back to the position that the partner says it has reached."""

        async def work(tx: Transaction) -> None:
            partner = await self._locked(tx, partner_id)
            if position < partner.acked_seq:
                await update_partner(tx, partner_id, acked_seq=position)

        await self._context.database.write(work)

    # Inside

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            msg = f"no partner {partner_id}"
            raise LookupError(msg)
        return partner

    async def _let_withdrawals_pass(self, tx: Transaction, partner: Partner) -> None:
        """While a partner is paused, move waiting entries behind the withdrawals.

        Positions are confirmed cumulatively, so an entry that must not leave now
        would hold up a withdrawal behind it.
        """
        if _may(partner.state, TrustAction.BE_TOLD):
            return
        waiting = await rows.rows_after(
            tx, partner.id, after=partner.acked_seq, limit=PAGE_ITEMS_MAX
        )
        last_withdrawal = max(
            (row.seq for row in waiting if row.op != UPSERT), default=0
        )
        for row in waiting:
            if row.op == UPSERT and row.seq < last_withdrawal:
                await rows.move_to_head(tx, row)

    async def _build(
        self,
        tx: Transaction,
        partner: Partner,
        start: int,
        waiting: list[Disclosure],
    ) -> OutgoingPage:
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
        last, size = start, 0
        for row in waiting:
            item = await self._item(tx, partner, row, known[row.entry_id])
            if (
                item is None
                and row.op == UPSERT
                and not _may(partner.state, TrustAction.BE_TOLD)
            ):
                break  # paused: what follows waits until the office resumes
            if item is not None:
                change, length = item
                if size + length > _FILL_BYTES_MAX:
                    break
                items.append(change)
                told.append(row.entry_id)
                size += length
            last = row.seq
        # Read again: `move_to_head` may have raised it.
        head = (await self._locked(tx, partner.id)).head_seq
        if not waiting:
            last = max(start, head)
        await rows.mark_told(tx, partner.id, told, self._context.clock.now())
        epoch = (await require_node_state(tx)).epoch
        document = build_page(
            items,
            address=self._context.address,
            epoch=epoch,
            first=start + 1,
            last=last,
            head=max(head, last),
        )
        return OutgoingPage(document, SentRange(epoch, start + 1, last))

    async def _item(
        self, tx: Transaction, partner: Partner, row: Disclosure, entry: Entry
    ) -> tuple[Upsert | Removal, int] | None:
        if row.op == UPSERT:
            viewer = PartnerViewer(partner.id, partner.state)
            today = self._context.clock.now().date()
            if decide_entry(entry, viewer, today).visible and entry.document:
                if not _may(partner.state, TrustAction.BE_TOLD):
                    return None
                size = len(entry.document) + _ITEM_OVERHEAD_BYTES
                document = json.loads(entry.document)
                return Upsert(document, is_first=row.told_at is None), size
            if row.told_at is None:
                await rows.drop_row(tx, partner.id, entry.id)
                return None
            row = await rows.turn_into_withdrawal(tx, row, entry.version)
        return self._removal(row, entry), _ITEM_OVERHEAD_BYTES * 4

    def _removal(self, row: Disclosure, entry: Entry) -> Removal:
        now = self._context.clock.now()
        deletion = row.op == DELETE
        withdrawal = Withdrawal(
            id=self._context.address.activity(random_id(self._context.random)),
            entry_id=entry.uri,
            version=row.version,
            mode=WithdrawalMode.DELETION if deletion else WithdrawalMode.WITHDRAWAL,
            published=now.replace(microsecond=0),
        )
        signed = build_withdrawal(withdrawal, signer=self._context.signer, created=now)
        return Removal(signed.document)

    async def _apply_receipt(
        self, tx: Transaction, partner: Partner, receipt: Receipt
    ) -> bool:
        now = self._context.clock.now()
        if receipt.signed is None:
            msg = "a receipt without its document"
            raise ValueError(msg)
        await rows.store_receipt(
            tx,
            receipt_id=receipt.id,
            partner_id=partner.id,
            position=receipt.position,
            at=now,
            document=receipt.signed.raw,
        )
        refused = {
            self._context.address.entry_local_id(refusal.entry_id): refusal
            for refusal in receipt.refused
        }
        view = await load_view(tx, partner.id, "out")
        for row in await rows.rows_between(
            tx, partner.id, after=partner.acked_seq, through=receipt.position
        ):
            await self._acknowledge(tx, row, refused.get(row.entry_id), receipt, view)
        await store_view(tx, partner.id, "out", view)
        equal: bool | None = view.hex() == receipt.digest
        if receipt.position < partner.head_seq and not equal:
            # More is on its way, or a row moved on while the page travelled.
            equal = partner.digest_equal
        await update_partner(
            tx,
            partner.id,
            acked_seq=max(partner.acked_seq, receipt.position),
            attempts=0,
            next_attempt_at=None,
            last_error=None,
            last_sent_at=now,
            receipt_digest=receipt.digest,
            receipt_held=receipt.held,
            receipt_refused=receipt.refused_count,
            digest_equal=equal,
            checked_at=now,
        )
        return bool(equal)

    async def _acknowledge(
        self,
        tx: Transaction,
        row: Disclosure,
        refusal: Refusal | None,
        receipt: Receipt,
        view: ViewDigest,
    ) -> None:
        uri = self._context.address.entry(row.entry_id)
        if row.held is not None and row.held_hash is not None:
            view.remove(uri, row.held, row.held_hash)
        held: Disclosure = replace(row, held=None, held_hash=None)
        if row.op == UPSERT and refusal is None:
            entry = await entry_rows.load_entry(tx, self._context.address, row.entry_id)
            if entry is not None and entry.content_hash is not None:
                held = replace(row, held=row.version, held_hash=entry.content_hash)
                view.add(uri, row.version, entry.content_hash)
        await rows.acknowledge(
            tx,
            row,
            values={
                "acknowledged_at": self._context.clock.now(),
                "refused_reason": refusal.reason if refusal else None,
                "held_incarnation": held.held.incarnation if held.held else None,
                "held_counter": held.held.counter if held.held else None,
                "held_hash": held.held_hash,
                "receipt_id": receipt.id,
            },
        )


def _may(state: TrustState, action: TrustAction) -> bool:
    return isinstance(decide_trust(state, action), Allow)
