"""The receiving half of the exchange: apply a page and answer with a receipt.

Effect, position and receipt are one transaction. A page may come twice, late or
after a crash: versions decide what it still changes (federation.exchange).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, assert_never

from federation.documents import (
    Page,
    PageFault,
    PageItem,
    Receipt,
    ReceivedEntry,
    Refusal,
    SignedDocument,
    Withdrawal,
    WithdrawalMode,
    build_receipt,
)
from federation.documents.entry import EntryOwner
from federation.exchange import (
    Gap,
    HeldPosition,
    HeldState,
    HeldVersion,
    Ignore,
    Quarantine,
    Remove,
    Store,
    ViewDigest,
    decide_continuity,
    decide_item,
    position_gap,
)
from federation.ids import random_id
from federation.limits import (
    REPAIR_AGAIN,
    SIGNATURE_AGE_MAX,
    SIGNATURE_AHEAD_MAX,
)
from federation.trust import TrustState
from federation.version import Version
from node.audit.chain import told_as
from node.catalogue.model import ReceivedState
from node.catalogue.publication import last_day
from node.conversations.titles import DELETED_TITLE
from node.exchange.member_profiles import learn_members
from node.exchange.wakeup import WakeUp
from node.feed.folding import searchable_text
from node.mail.entry_titles import take_back_titles
from node.partners.model import Partner
from node.partners.taking import as_taken
from node.ports import NodeContext
from node.storage import received as rows
from node.storage.audit import load_head
from node.storage.conversations import forget_titles
from node.storage.database import Transaction
from node.storage.partner_days import count_exchange
from node.storage.partners import lock_partner, update_partner
from node.storage.views import load_view, store_view

logger = logging.getLogger(__name__)

EQUIVOCATION = "equivocation"
_CONTACT_HOLDS = timedelta(seconds=1)
_RENEWED_WHILE = frozenset({TrustState.ACTIVE, TrustState.PAUSED})


@dataclass(frozen=True, slots=True)
class _State:
    """What one page changes while it is applied.

    Attributes:
        held: What we hold of each of its entries, kept up to date.
        puts: Columns to be written, by entry; the last change of one counts.
    """

    partner: Partner
    held: dict[str, HeldVersion]
    view: ViewDigest
    now: datetime
    refused: list[Refusal] = field(default_factory=list)
    puts: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class Receiving:
    """Pages from partners, into our copies."""

    def __init__(self, context: NodeContext, wakeup: WakeUp) -> None:
        self._context = context
        self._wakeup = wakeup
        self._recounted: dict[str, datetime] = {}

    async def receive_page(
        self,
        tx: Transaction,
        partner_id: str,
        page: Page,
        *,
        not_remembered: Sequence[PageFault] = (),
    ) -> SignedDocument:
        """Apply a checked page inside the caller's transaction.

        Args:
            tx: The transaction.
            partner_id: Whose page it is.
            page: The page.
            not_remembered: Entries of it that leave no row, for the receipt.

        Returns:
            The signed receipt, to be sent after the commit.

        Raises:
            ConflictError: Pages in between are missing; names our position.
        """
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            msg = f"no partner {partner_id}"
            raise LookupError(msg)
        position = _position(partner)
        continuity = decide_continuity(page, position)
        if isinstance(continuity, Gap):
            raise position_gap(continuity)
        # What our own rules do not take is kept out like what is faulty (FED-065).
        items = as_taken(page.items, partner, self._context.clock.now().date())
        state = _State(
            partner=partner,
            held=await rows.held_versions(
                tx, partner.id, [item.entry_id for item in page.items]
            ),
            view=await self._view_for(tx, partner, page),
            now=self._context.clock.now(),
        )
        for item in items:
            self._apply(state, item)
        beyond = [Refusal(x.entry_id, x.version, x.reason) for x in not_remembered]
        await self._store(tx, state)
        await self._forget_names(tx, state)
        await store_view(tx, partner.id, "in", state.view)
        reached = page.last
        if position is not None and position.epoch == page.epoch:
            reached = max(reached, position.position)
        await self._note_contact(
            tx,
            partner,
            state.now,
            in_epoch=page.epoch,
            in_position=reached,
            **_verified(state, page),
        )
        return await self._receipt(tx, state, page, beyond)

    async def held_view(self, tx: Transaction, partner: Partner) -> ViewDigest:
        """Return the digest of what we hold of a partner, from the copies themselves.

        The stored one is kept up to date entry by entry; once an hour at most it is
        counted anew, so that copies which somebody has lost are not vouched for.
        """
        now = self._context.clock.now()
        stored = await load_view(tx, partner.id, "in")
        last = self._recounted.get(partner.id)
        if last is not None and timedelta() <= now - last < REPAIR_AGAIN:
            return stored
        self._recounted[partner.id] = now
        counted = ViewDigest()
        for element in await rows.present_elements(tx, partner.id):
            counted.add(*element)
        if counted.to_bytes() != stored.to_bytes():
            logger.error(
                "%d copies of %s are there, %d were counted",
                counted.count,
                partner.id,
                stored.count,
            )
            await store_view(tx, partner.id, "in", counted)
        return counted

    async def _view_for(
        self, tx: Transaction, partner: Partner, page: Page
    ) -> ViewDigest:
        """An empty page asks for nothing but whether both sides hold the same."""
        if page.verifying is not None and not page.items:
            return await self.held_view(tx, partner)
        return await load_view(tx, partner.id, "in")

    async def note_contact(self, tx: Transaction, partner: Partner) -> None:
        """Note that the partner just reached us: what waits for it is tried now."""
        await self._note_contact(tx, partner, self._context.clock.now())

    async def _note_contact(
        self,
        tx: Transaction,
        partner: Partner,
        now: datetime,
        **position: Any,
    ) -> None:
        last = partner.last_received_at
        is_told = last is not None and timedelta() <= now - last < _CONTACT_HOLDS
        if is_told and partner.attempts == 0 and not position:
            return  # in a burst the same second is not written again and again
        values: dict[str, Any] = {"last_received_at": now, **position}
        if partner.attempts > 0:
            values["next_attempt_at"] = None
            tx.after_commit(lambda: self._wakeup.poke(partner.id))
        await count_exchange(tx, partner, now)
        await update_partner(tx, partner.id, **values)

    def _apply(self, state: _State, item: PageItem) -> None:
        held = state.held.get(item.entry_id)
        decision = decide_item(item, held)
        match decision:
            case Ignore():
                return
            case Store(entry=received):
                self._uncount(state, item.entry_id, held)
                state.view.add(
                    item.entry_id, received.version, received.signed.content_hash
                )
                state.puts[item.entry_id] = _copy(received)
                new = HeldVersion(
                    received.version, HeldState.PRESENT, received.signed.content_hash
                )
            case Remove(withdrawal=withdrawal):
                if held is None and state.partner.state is not TrustState.ACTIVE:
                    return  # nothing to remove, and no reason to remember it
                self._uncount(state, item.entry_id, held)
                state.puts[item.entry_id] = _tombstone(withdrawal)
                gone = (
                    HeldState.DELETED
                    if withdrawal.mode is WithdrawalMode.DELETION
                    else HeldState.WITHDRAWN
                )
                new = HeldVersion(withdrawal.version, gone)
            case Quarantine(entry_id=entry_id, version=version, reason=reason):
                if reason == EQUIVOCATION:
                    state.refused.append(Refusal(entry_id, version, reason))
                    return  # the version that came first stays
                self._uncount(state, entry_id, held)
                state.puts[entry_id] = _kept_out(version, reason)
                new = HeldVersion(version, HeldState.QUARANTINED)
            case _:
                assert_never(decision)
        state.held[item.entry_id] = new

    def _uncount(self, state: _State, uri: str, held: HeldVersion | None) -> None:
        if held is None or held.content_hash is None:
            return
        if held.state is HeldState.PRESENT:
            state.view.discard(uri, held.version, held.content_hash)

    async def _store(self, tx: Transaction, state: _State) -> None:
        values = [
            {
                **columns,
                "id": random_id(self._context.random),
                "entry_uri": uri,
                "changed_at": state.now,
            }
            for uri, columns in state.puts.items()
        ]
        if not values:
            return
        partner = state.partner
        await rows.put_received(tx, partner.id, values)
        if await learn_members(tx, self._context, partner, state.puts):
            tx.after_commit(lambda: self._wakeup.poke(partner.id))

    async def _forget_names(self, tx: Transaction, state: _State) -> None:
        """Take the titles of what is gone out of our own texts, too."""
        gone = {
            uri: columns["state"]
            for uri, columns in state.puts.items()
            if columns["state"] != ReceivedState.PRESENT.value
        }
        if gone:
            await take_back_titles(tx, self._context, sorted(gone))
            deleted = [
                uri for uri, at in gone.items() if at == ReceivedState.DELETED.value
            ]
            await forget_titles(tx, deleted, instead=DELETED_TITLE)

    async def _receipt(
        self, tx: Transaction, state: _State, page: Page, beyond: list[Refusal]
    ) -> SignedDocument:
        partner = state.partner
        # From what is stored, not from what this page changed: the answer to an
        # earlier one may have been lost.
        kept_out = [
            Refusal(uri, version, reason)
            for uri, version, reason in await rows.quarantined(
                tx, partner.id, [item.entry_id for item in page.items]
            )
        ]
        signer = self._context.keys.signer_for(partner)
        receipt_id = signer.address.activity(random_id(self._context.random))
        receipt = Receipt(
            id=receipt_id,
            actor=signer.address.actor,
            partner=partner.actor_id,
            epoch=page.epoch,
            position=page.last,
            held=state.view.count,
            digest=state.view.hex(),
            published=state.now.replace(microsecond=0),
            audit_head=told_as(await load_head(tx), receipt_id),
            refused=(*state.refused, *kept_out, *beyond),
            refused_count=len(beyond)
            + await rows.count_received(tx, partner.id, ReceivedState.QUARANTINED),
        )
        return build_receipt(receipt, signer=signer, created=state.now)


def _verified(state: _State, page: Page) -> dict[str, datetime | None]:
    """Return what changes if a page says what we hold, and we do (SPEC FED-152).

    Not while the partner's key has to be compared: whoever has stolen it could keep
    alive what its owner would take back.
    """
    told, partner = page.verifying, state.partner
    if told is None or partner.state not in _RENEWED_WHILE:
        return {}
    if not -SIGNATURE_AHEAD_MAX <= state.now - told.published <= SIGNATURE_AGE_MAX:
        return {}
    if (told.held, told.digest) != (state.view.count, state.view.hex()):
        return {}
    before = partner.verified_at
    newest = told.published if before is None else max(before, told.published)
    return {"verified_at": newest, "to_verify_since": None}


def _position(partner: Partner) -> HeldPosition | None:
    if partner.in_epoch is None:
        return None
    return HeldPosition(partner.in_epoch, partner.in_position)


def _copy(received: ReceivedEntry) -> dict[str, Any]:
    entry = received.entry
    content = entry.content()
    owner = _owner(entry.owner)
    return {
        "state": ReceivedState.PRESENT.value,
        "kind": entry.kind,
        "known_kind": entry.known_kind,
        "incarnation": entry.version.incarnation,
        "counter": entry.version.counter,
        "content": content,
        "owner": owner or None,
        "is_public": entry.public,
        "is_personal": entry.owner is not None and entry.owner.person is not None,
        "search_text": searchable_text(content, _names(owner)),
        "valid_until": last_day(content) if entry.known_kind else entry.valid_until,
        "document": received.signed.raw,
        "content_hash": received.signed.content_hash,
        "reason": None,
        "published_at": entry.published,
        "updated_at": entry.updated,
    }


def _emptied(version: Version) -> dict[str, Any]:
    """Id and version stay, everything else goes."""
    return {
        "kind": "",
        "known_kind": False,
        "incarnation": version.incarnation,
        "counter": version.counter,
        "content": None,
        "owner": None,
        "is_public": False,
        "is_personal": False,
        "search_text": "",
        "valid_until": None,
        "document": None,
        "content_hash": None,
        "reason": None,
        "published_at": None,
        "updated_at": None,
    }


def _tombstone(withdrawal: Withdrawal) -> dict[str, Any]:
    deletion = withdrawal.mode is WithdrawalMode.DELETION
    gone = ReceivedState.DELETED if deletion else ReceivedState.WITHDRAWN
    return {**_emptied(withdrawal.version), "state": gone.value}


def _kept_out(version: Version, reason: str) -> dict[str, Any]:
    return {
        **_emptied(version),
        "state": ReceivedState.QUARANTINED.value,
        "reason": reason[:300],
    }


def _owner(owner: EntryOwner | None) -> dict[str, Any]:
    if owner is None:
        return {}
    told: dict[str, Any] = {}
    for name, part in (("organisation", owner.organisation), ("person", owner.person)):
        if part is not None:
            fields = {field: getattr(part, field) for field in part.__slots__}
            told[name] = {key: value for key, value in fields.items() if value}
    return told


def _names(owner: Mapping[str, Any]) -> list[str]:
    return [part["name"] for part in owner.values()]
