"""The end of a partnership: orderly, taken back, or without the other node.

Everything that the partner was told is taken back first, and only then it learns
of the end; what it told us goes at once (SPEC EXC-009).
"""

from dataclasses import replace
from datetime import datetime

from federation.ids import random_id
from federation.trust import TrustEvent, TrustState
from node.errors import ConflictError, NotFoundError
from node.members.model import Person
from node.partners.copies import Copies
from node.partners.history import (
    COPIES_REMOVED,
    add_step,
    change_state,
    end_can_be_undone_until,
    require_next,
)
from node.partners.model import Partner
from node.partners.ports import Disclosures, Waker
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.outgoing import ActivityKind


class Ending:
    """Steps to and after the end; the caller has checked who acts."""

    def __init__(
        self,
        context: NodeContext,
        *,
        ledger: Disclosures,
        copies: Copies,
        waker: Waker,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._copies = copies
        self._waker = waker

    async def end(
        self, actor: Person | None, partner: Partner, *, reason: str | None = None
    ) -> Partner:
        """End a partnership, or take our own request back.

        Everything the partner was told is withdrawn; when it has confirmed that,
        it gets our notice and the partnership has ended. What it told us
        disappears from our pages at once.

        Raises:
            ConflictError: There is nothing to end.
        """

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner.id)
            state = require_next(current, TrustEvent.WE_ENDED)
            over = {"ended_at": self._now()} if state is TrustState.ENDED else {}
            leaving = await change_state(
                tx,
                self._context,
                current,
                event=TrustEvent.WE_ENDED,
                person=actor,
                note=reason,
                next_attempt_at=None,
                **over,
            )
            await self._ledger.withdraw_all(tx, leaving)
            if state is TrustState.ENDED:
                await rows.close_position(tx, leaving.id)
            await self._remove_copies(tx, leaving)
            await outgoing.give_up(
                tx,
                leaving.id,
                kind=ActivityKind.MESSAGE,
                reason="The partnership has been ended.",
            )
            await outgoing.queue_activity(
                tx,
                leaving.id,
                kind=ActivityKind.LEAVE,
                subject=leaving.actor_id,
                activity_id=self._context.address.activity(
                    random_id(self._context.random)
                ),
                at=self._now(),
            )
            self._poke_after_commit(tx, leaving.id)
            return leaving

        return await self._context.database.write(work)

    async def stay(self, actor: Person | None, partner: Partner) -> Partner:
        """Take an end back, before the partner was told of it.

        The partnership is paused afterwards; what was taken back, on both sides,
        comes again once it is resumed.

        Raises:
            ConflictError: The partner has confirmed everything, so that our notice
                has left or may leave now; the end is too long ago; or its key had
                to be compared when it was ended.
        """

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner.id)
            require_next(current, TrustEvent.WE_STAYED)
            events = await rows.list_events(tx, current.id)
            if end_can_be_undone_until(current, events, now=self._now()) is None:
                raise ConflictError(
                    Sentence(
                        "The end of the partnership with {name} can no longer be"
                        " taken back.",
                        name=current.name,
                    ),
                    code="end-is-told",
                    hint="A new invitation code starts again; the history stays.",
                )
            await outgoing.give_up(
                tx,
                current.id,
                kind=ActivityKind.LEAVE,
                reason="The end was taken back.",
            )
            return await change_state(
                tx,
                self._context,
                current,
                event=TrustEvent.WE_STAYED,
                person=actor,
                # Our copies went with the end, so nothing of it is known any more.
                in_epoch=None,
                in_position=0,
                refetch_since=self._now(),
                ended_at=None,
            )

        return await self._context.database.write(work)

    async def close_unconfirmed(
        self, actor: Person | None, partner: Partner
    ) -> Partner:
        """Wait no longer for a partner that does not confirm the withdrawals.

        For one that cannot be reached any more, or was set up anew. What it has
        not confirmed stays listed as unconfirmed. Our notice stays queued: if the
        partner comes back, it learns that the partnership has ended.

        Raises:
            ConflictError: The partnership is not being ended.
        """

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner.id)
            closed = await change_state(
                tx,
                self._context,
                current,
                event=TrustEvent.WE_CLOSED,
                person=actor,
                ended_at=self._now(),
                next_attempt_at=None,
            )
            await rows.close_position(tx, closed.id)
            self._poke_after_commit(tx, closed.id)
            return closed

        return await self._context.database.write(work)

    async def partner_has_left(
        self, tx: Transaction, partner: Partner, *, note: str | None = None
    ) -> Partner:
        """Close the partnership after the partner's notice, or an answer that says so.

        What it told us leaves every page in this transaction. What we told it is
        written down as withdrawn and stays listed as unconfirmed: it takes
        nothing from us any more.
        """
        if partner.state in {TrustState.ENDED, TrustState.REFUSED}:
            # Nothing more can be told, and nobody waits for it.
            await outgoing.drop_undelivered(tx, partner.id)
            return partner
        left = await change_state(
            tx, self._context, partner, event=TrustEvent.THEY_LEFT, note=note
        )
        if left.state is TrustState.ENDING:
            await self._ledger.withdraw_all(tx, left)
        return await self._close(tx, left)

    async def leave_delivered(self, tx: Transaction, partner: Partner) -> Partner:
        """Close the partnership that we ended, once the partner has our notice."""
        current = await self._locked(tx, partner.id)
        if current.state not in {TrustState.ENDING, TrustState.ENDED}:
            # A new handshake has begun while the notice was under way.
            return current
        return await self._close(tx, current)

    # Inside

    async def _close(self, tx: Transaction, partner: Partner) -> Partner:
        now = self._now()
        closed = partner
        if partner.state is TrustState.ENDING:
            closed = await change_state(
                tx,
                self._context,
                partner,
                event=TrustEvent.WITHDRAWALS_DONE,
                note=(await self._ledger.removals(tx, partner.id)).written(),
                ended_at=now,
                next_attempt_at=None,
            )
        elif partner.state is TrustState.ENDED and partner.ended_at is None:
            await rows.update_partner(tx, partner.id, ended_at=now)
            closed = replace(partner, ended_at=now)
        await rows.close_position(tx, partner.id)
        await self._remove_copies(tx, partner)
        await outgoing.drop_undelivered(tx, partner.id)
        return closed

    async def _remove_copies(self, tx: Transaction, partner: Partner) -> None:
        removed = await self._copies.forget(tx, partner.id)
        if removed:
            await add_step(
                tx,
                self._context,
                partner.id,
                event=COPIES_REMOVED,
                person=None,
                note=str(removed),
            )

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await rows.lock_partner(tx, partner_id)
        if partner is None:
            raise NotFoundError("This partner no longer exists.")
        return partner

    def _poke_after_commit(self, tx: Transaction, partner_id: str) -> None:
        tx.after_commit(lambda: self._waker.poke(partner_id))

    def _now(self) -> datetime:
        return self._context.clock.now()
