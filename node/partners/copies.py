"""What our office does with the copies of a partner's entries: hide, purge, undo.

To stop a partnership (pause), to hide its entries and to purge them are three
actions (SPEC EXC-017). A purged copy is kept out like any entry that a receiver
refuses by a rule of its own (FED-065): id and version stay, so that both sides
still agree what is held, and the same version may come again.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from federation.exchange import ViewDigest
from federation.trust import ESTABLISHED, TrustState
from node.erasure.decisions import PartnerDecision
from node.errors import ConflictError, NotFoundError
from node.mail.entry_titles import take_back_titles
from node.members.model import Person
from node.partners.history import add_step, describe_state
from node.partners.model import Partner
from node.partners.ports import Waker
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.mail import named_entries_of
from node.storage.partners import lock_partner, update_partner
from node.storage.received import (
    count_purged,
    forget_partner,
    present_elements,
    purge_partner,
)
from node.storage.views import store_view

PURGEABLE = ESTABLISHED - {TrustState.ACTIVE}
"""Where a partnership stands while its copies may be purged: nothing comes in."""
_HINT_SENTENCES: Mapping[TrustState, str] = {
    TrustState.ACTIVE: "Pause the partnership first; then nothing new comes.",
    TrustState.PAUSED: "Resume the partnership first.",
    TrustState.SUSPENDED: "Compare the key of the partner first.",
    TrustState.ENDING: "Its end has removed everything.",
    TrustState.ENDED: "Its end has removed everything.",
}


class Copies:
    """Steps with what a partner told us; the caller has checked who acts."""

    def __init__(self, context: NodeContext, *, waker: Waker) -> None:
        self._context = context
        self._waker = waker

    async def hide(self, person: Person | None, partner_id: str) -> Partner:
        """Keep a partner's entries from our members' eyes; the copies stay.

        Raises:
            ConflictError: There is no partnership, or they are hidden already.
        """

        async def work(tx: Transaction) -> Partner:
            partner = await self._locked(tx, partner_id)
            if partner.state not in ESTABLISHED:
                raise _not_now(partner)
            if partner.hidden_at is not None:
                raise ConflictError(
                    Sentence("{name} is hidden already.", name=partner.name),
                    code="partner-hidden",
                )
            now = self._context.clock.now()
            by = None if person is None else person.id
            await update_partner(tx, partner.id, hidden_at=now, hidden_by=by)
            await self._add_step(tx, partner, "we_hid", person)
            await self._rename(tx, partner.id)
            return replace(partner, hidden_at=now, hidden_by=by)

        return await self._context.database.write(work)

    async def show_again(self, person: Person | None, partner_id: str) -> Partner:
        """Show a hidden partner's entries again.

        Raises:
            ConflictError: They are not hidden.
        """

        async def work(tx: Transaction) -> Partner:
            partner = await self._locked(tx, partner_id)
            if partner.hidden_at is None:
                raise ConflictError(
                    Sentence("{name} is not hidden.", name=partner.name),
                    code="partner-not-hidden",
                )
            await update_partner(tx, partner.id, hidden_at=None, hidden_by=None)
            await self._add_step(tx, partner, "we_showed", person)
            return replace(partner, hidden_at=None, hidden_by=None)

        return await self._context.database.write(work)

    async def purge(self, person: Person | None, partner_id: str) -> int:
        """Remove the copies of a partner's entries while nothing comes in.

        Returns:
            Number of copies removed.

        Raises:
            ConflictError: The partnership is active, or there is none; its end has
                removed everything.
        """

        async def work(tx: Transaction) -> int:
            partner = await self._locked(tx, partner_id)
            if partner.state not in PURGEABLE:
                raise _not_now(partner)
            now = self._context.clock.now()
            removed = await purge_received(tx, self._context, partner.id, at=now)
            tx.decide(PartnerDecision(id=partner.id, purged=True, purged_at=now))
            await self._add_step(tx, partner, "we_purged", person, note=str(removed))
            return removed

        return await self._context.database.write(work)

    async def fetch_again(self, person: Person | None, partner_id: str) -> int:
        """Undo a purge: forget how far we have read, so that everything comes again.

        Returns:
            Number of entries that were purged.

        Raises:
            ConflictError: Nothing was purged, or nothing comes in at the moment.
        """

        async def work(tx: Transaction) -> int:
            partner = await self._locked(tx, partner_id)
            if partner.state is not TrustState.ACTIVE:
                raise _not_now(partner)
            purged = await count_purged(tx, partner.id)
            if not purged:
                raise ConflictError(
                    Sentence("No copies of {name} were removed.", name=partner.name),
                    code="nothing-purged",
                )
            await update_partner(
                tx,
                partner.id,
                in_position=0,
                refetch_since=self._context.clock.now(),
                next_attempt_at=None,
            )
            tx.decide(PartnerDecision(id=partner.id, purged=False))
            await self._add_step(tx, partner, "we_fetched", person, note=str(purged))
            tx.after_commit(lambda: self._waker.poke(partner.id))
            return purged

        return await self._context.database.write(work)

    async def forget(self, tx: Transaction, partner_id: str) -> int:
        """Remove what a former partner told us, and start its view's digest anew.

        Returns:
            Number of copies removed.
        """
        return await forget_received(tx, self._context, partner_id)

    # Inside

    async def _rename(self, tx: Transaction, partner_id: str) -> None:
        await take_back_titles(
            tx, self._context, await named_entries_of(tx, partner_id)
        )

    async def _add_step(
        self,
        tx: Transaction,
        partner: Partner,
        event: str,
        person: Person | None,
        note: str | None = None,
    ) -> None:
        await add_step(
            tx, self._context, partner.id, event=event, person=person, note=note
        )

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            raise NotFoundError("This partner no longer exists.")
        return partner


def _not_now(partner: Partner) -> ConflictError:
    return ConflictError(
        Sentence("{state}.", state=describe_state(partner)),
        code=f"partner-{partner.state.value}",
        hint=_HINT_SENTENCES.get(partner.state, ""),
    )


async def purge_received(
    tx: Transaction,
    context: NodeContext,
    partner_id: str,
    *,
    at: datetime,
    until: datetime | None = None,
) -> int:
    """Remove the copies of a partner's entries, and their titles from our own texts.

    Args:
        tx: The transaction.
        context: The node.
        partner_id: The partner.
        at: When they are removed.
        until: Those that came later stay; by default all go.

    Returns:
        Number of copies removed.
    """
    named = await named_entries_of(tx, partner_id)
    removed = await purge_partner(tx, partner_id, at=at, until=until)
    left = ViewDigest()
    for element in await present_elements(tx, partner_id):
        left.add(*element)
    await store_view(tx, partner_id, "in", left)
    await take_back_titles(tx, context, named)
    return removed


async def forget_received(
    tx: Transaction, context: NodeContext, partner_id: str
) -> int:
    """Remove what a former partner told us, and its titles from our own texts.

    Returns:
        Number of copies removed.
    """
    named = await named_entries_of(tx, partner_id)
    removed = await forget_partner(tx, partner_id)
    await store_view(tx, partner_id, "in", ViewDigest())
    await take_back_titles(tx, context, named)
    return removed
