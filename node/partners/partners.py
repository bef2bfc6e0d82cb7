"""Partnerships: from the invitation to the end, as both offices see them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, assert_never

from federation.documents.actor_update import ActorUpdate
from federation.documents.move import Move
from federation.documents.notice import Notice, NoticeType
from federation.documents.partner_request import PartnerRequest
from federation.ids import random_id
from federation.trust import TrustEvent, TrustState
from node.errors import (
    ConflictError,
    NotAuthorisedError,
    NotFoundError,
)
from node.members.model import Person
from node.partners.copies import Copies
from node.partners.directory import fingerprint
from node.partners.ending import Ending
from node.partners.finding import find_partner
from node.partners.history import (
    change_state,
    checked_reason,
    require_next,
)
from node.partners.inviting import InvitationCreated, Inviting
from node.partners.joining import Joining, PartnerPreview
from node.partners.knowing import Knowing
from node.partners.model import Invitation, Partner, PartnerEvent
from node.partners.moving import REFUSED as MOVE_REFUSED
from node.partners.moving import PartnerMoves
from node.partners.partner_keys import REQUEST_KEY_ENDED, PartnerKeys
from node.partners.policies import Policies
from node.partners.ports import (
    Disclosures,
    MailQueue,
    OwnEntries,
    PeerClient,
    Waker,
)
from node.partners.releasing import Releasing
from node.partners.update_answers import UpdateOutcome
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.node_state import require_not_closing
from node.storage.outgoing import ActivityKind, OutgoingActivity
from node.storage.tables import partners as partner_table
from node.visibility.policy import Preset

# Steps of the history whose note is the reason that the other office reads.
_REASON_STEPS = {
    ActivityKind.REJECT: TrustEvent.WE_REFUSED.value,
    ActivityKind.LEAVE: TrustEvent.WE_ENDED.value,
    ActivityKind.MOVE_REFUSED: MOVE_REFUSED,
}

# What a partnership that begins does not take over from an earlier one.
_FRESH: Mapping[str, Any] = {
    "attempts": 0,
    "next_attempt_at": None,
    "failing_since": None,
    "hidden_at": None,
    "hidden_by": None,
}


class Partners:
    """What offices do with partnerships, and what partners tell us about them."""

    def __init__(
        self,
        context: NodeContext,
        *,
        client: PeerClient,
        ledger: Disclosures,
        mail: MailQueue,
        waker: Waker,
        entries: OwnEntries,
    ) -> None:
        self._context = context
        self._client = client
        self._ledger = ledger
        self._mail = mail
        self._waker = waker
        self._inviting = Inviting(context, mail=mail)
        self._joining = Joining(context, client=client)
        self._entries = entries
        self.policies = Policies(
            context, ledger=ledger, entries=entries, mail=mail, waker=waker
        )
        self.knowing = Knowing(context, ledger=ledger, entries=entries, waker=waker)
        self.releasing = Releasing(context, ledger=ledger, entries=entries, waker=waker)
        self.keys = PartnerKeys(context, client=client, mail=mail, waker=waker)
        self.moves = PartnerMoves(context, client=client, mail=mail, waker=waker)
        self._copies = Copies(context, waker=waker)
        self._ending = Ending(context, ledger=ledger, copies=self._copies, waker=waker)

    # -- becoming partners ------------------------------------------------------

    async def invite(
        self,
        actor: Person | None,
        *,
        days: int = 7,
        note: str | None = None,
        preset: Preset = Preset.PARTNER,
    ) -> InvitationCreated:
        """Make an invitation code for one other office.

        Args:
            actor: Who invites; None for the node itself.
            days: Days that the code is valid, 1 to 60.
            note: For whom it is, for our own list.
            preset: What the partnership begins with, in both directions.
        """
        _require_office(actor)
        return await self._inviting.invite(actor, days=days, note=note, preset=preset)

    async def list_invitations(self) -> list[Invitation]:
        """List all invitations, newest first."""
        async with self._context.database.read() as tx:
            return await rows.list_invitations(tx)

    async def revoke_invitation(self, actor: Person | None, ref: str) -> Invitation:
        """Take an invitation back, named by its id or the first group of its code."""
        _require_office(actor)
        return await self._inviting.revoke(ref)

    async def preview(self, actor: Person | None, code: str) -> PartnerPreview:
        """Fetch the card of the node that a code names; changes nothing."""
        _require_office(actor)
        return await self._joining.preview(code)

    async def accept(
        self, actor: Person | None, code: str, *, release: bool = True
    ) -> Partner:
        """Accept another office's code; afterwards that office has to confirm.

        Args:
            actor: Who accepts.
            code: The code.
            release: Whether the partner gets what is for all partners as soon as
                it has confirmed (SPEC VIS-076).
        """
        _require_office(actor)
        return await self._joining.accept(actor, code, release=release)

    async def receive_request(
        self, tx: Transaction, request: PartnerRequest
    ) -> Partner:
        """Store what a guest with an invitation of ours asks.

        Raises:
            PeerError: The invitation does not fit, or the state does not permit it.
        """
        return await self._inviting.receive(tx, request)

    async def confirm(
        self,
        actor: Person | None,
        ref: str,
        *,
        compared: bool = False,
        release: bool = True,
        request_id: str | None = None,
        check_number: str | None = None,
    ) -> Partner:
        """Confirm a guest's request: entries and messages flow from now on.

        Args:
            actor: Who confirms.
            ref: Address, host or name.
            compared: Whether both offices have compared the check number.
            release: Whether the partner gets what is for all partners (SPEC VIS-076).
            request_id: The request that the office looked at; None for the present.
            check_number: The number that the office saw; None for the present.

        Raises:
            ConflictError: There is nothing to confirm, the request has changed, or
                the node at the partner's address shows another key than it.
            UnavailableError: The key at the partner's address cannot be read now.
        """
        _require_office(actor)
        partner = await self.find(ref)
        require_next(partner, TrustEvent.WE_CONFIRMED)
        if (request_id or partner.request_id, check_number or partner.check_number) != (
            partner.request_id,
            partner.check_number,
        ):
            raise _request_changed(partner)
        await self.keys.require_shown(partner)

        async def work(tx: Transaction) -> Partner:
            await require_not_closing(tx)
            current = await self._locked(tx, partner.id)
            require_next(current, TrustEvent.WE_CONFIRMED)
            # Another request may have arrived while the key was compared.
            if (current.request_id, current.key) != (partner.request_id, partner.key):
                raise _request_changed(current)
            now = self._context.clock.now()
            active = await change_state(
                tx,
                self._context,
                current,
                event=TrustEvent.WE_CONFIRMED,
                person=actor,
                note="check number compared" if compared else None,
                active_since=now,
                compared_at=now if compared else None,
                ended_at=None,
                released_at=now if release else None,
                released_by=actor.id if release and actor is not None else None,
                **_FRESH,
            )
            await self._queue(
                tx, active, kind=ActivityKind.ACCEPT, subject=active.request_id
            )
            await self._ledger.disclose_all(tx, active)
            return active

        return await self._context.database.write(work)

    async def confirm_key(
        self, actor: Person | None, ref: str, *, fingerprint: str
    ) -> Partner:
        """Accept a suspended partner's new key; see `PartnerKeys.confirm`."""
        _require_office(actor)
        return await self.keys.confirm(actor, ref, fingerprint=fingerprint)

    async def refuse(
        self, actor: Person | None, ref: str, *, reason: str | None = None
    ) -> Partner:
        """Refuse a guest's request; the guest is told, with the reason if given.

        Raises:
            ConflictError: There is nothing to refuse.
            InvalidInputError: The reason is too long.
        """
        _require_office(actor)
        told = checked_reason(reason)
        partner = await self.find(ref)

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner.id)
            refused = await change_state(
                tx,
                self._context,
                current,
                event=TrustEvent.WE_REFUSED,
                person=actor,
                note=told,
            )
            await self._queue(
                tx, refused, kind=ActivityKind.REJECT, subject=refused.request_id
            )
            return refused

        return await self._context.database.write(work)

    async def confirm_move(
        self, actor: Person | None, ref: str, *, number: str, target: str | None = None
    ) -> Partner:
        """Believe that a partner is at another address; see `PartnerMoves.confirm`."""
        _require_office(actor)
        return await self.moves.confirm(actor, ref, number=number, target=target)

    async def refuse_move(
        self, actor: Person | None, ref: str, *, reason: str | None = None
    ) -> Partner:
        """Answer that we do not believe it; see `PartnerMoves.refuse`."""
        _require_office(actor)
        return await self.moves.refuse(actor, ref, reason=reason)

    async def mark_compared(self, actor: Person | None, ref: str) -> Partner:
        """Note that both offices have compared it; see `Policies.note_compared`."""
        _require_office(actor)
        return await self.policies.note_compared(actor, ref)

    # -- while partners ---------------------------------------------------------

    async def pause(self, actor: Person | None, ref: str) -> Partner:
        """Stop the flow for now: nothing new in either direction, nothing is lost."""
        return await self._simple(actor, ref, TrustEvent.WE_PAUSED)

    async def resume(self, actor: Person | None, ref: str) -> Partner:
        """Let entries and messages flow again; both sides catch up.

        What was taken back for an end that was called off becomes a new version
        before: a withdrawal yields to nothing less (SPEC FED-053).
        """
        _require_office(actor)
        partner = await self.find(ref)
        require_next(partner, TrustEvent.WE_RESUMED)
        while await self._entries.renew_taken_back(partner.id):
            pass
        return await self._simple(actor, partner.id, TrustEvent.WE_RESUMED)

    async def end(
        self, actor: Person | None, ref: str, *, reason: str | None = None
    ) -> Partner:
        """End a partnership, or take our own request back; see `Ending.end`."""
        _require_office(actor)
        told = checked_reason(reason)
        return await self._ending.end(actor, await self.find(ref), reason=told)

    async def stay(self, actor: Person | None, ref: str) -> Partner:
        """Take an end back, before the partner was told; see `Ending.stay`."""
        _require_office(actor)
        return await self._ending.stay(actor, await self.find(ref))

    async def close_unconfirmed(self, actor: Person | None, ref: str) -> Partner:
        """Wait no longer for confirmations; see `Ending.close_unconfirmed`."""
        _require_office(actor)
        return await self._ending.close_unconfirmed(actor, await self.find(ref))

    async def hide(self, actor: Person | None, ref: str) -> Partner:
        """Keep a partner's entries from our members; see `Copies.hide`."""
        _require_office(actor)
        return await self._copies.hide(actor, (await self.find(ref)).id)

    async def show_again(self, actor: Person | None, ref: str) -> Partner:
        """Show a hidden partner's entries again; see `Copies.show_again`."""
        _require_office(actor)
        return await self._copies.show_again(actor, (await self.find(ref)).id)

    async def purge(self, actor: Person | None, ref: str) -> int:
        """Remove a stopped partner's copies; see `Copies.purge`."""
        _require_office(actor)
        return await self._copies.purge(actor, (await self.find(ref)).id)

    async def fetch_again(self, actor: Person | None, ref: str) -> int:
        """Fetch everything anew after a purge; see `Copies.fetch_again`."""
        _require_office(actor)
        return await self._copies.fetch_again(actor, (await self.find(ref)).id)

    # -- what the partner tells us ----------------------------------------------

    async def receive_notice(
        self, tx: Transaction, partner: Partner, notice: Notice
    ) -> Partner:
        """Apply a partner's signed notice, as `federation.decisions` decided."""
        match notice.type:
            case NoticeType.ACCEPT:
                return await self._receive_accept(tx, partner)
            case NoticeType.REJECT:
                return await self._receive_reject(tx, partner, notice.reason)
            case NoticeType.LEAVE:
                return await self.partner_has_left(tx, partner, note=notice.reason)
            case _:
                assert_never(notice.type)

    async def receive_update(
        self, tx: Transaction, partner: Partner, update: ActorUpdate
    ) -> UpdateOutcome:
        """Apply what a partner says about itself; see `PartnerKeys`."""
        return await self.keys.receive_update(tx, partner, update)

    async def receive_move(
        self, tx: Transaction, partner: Partner, move: Move
    ) -> Partner:
        """Show our office where a partner says to be; see `PartnerMoves.receive`."""
        return await self.moves.receive(tx, partner, move)

    async def knows_present_address(self, tx: Transaction, partner: Partner) -> Partner:
        """Note that a partner knows where we are; see `PartnerMoves`."""
        return await self.moves.knows_present_address(tx, partner)

    async def receive_move_answer(
        self, tx: Transaction, partner: Partner, notice: Notice
    ) -> Partner:
        """Take an answer to our own move; see `PartnerMoves.hear_answer`."""
        return await self.moves.hear_answer(tx, partner, notice)

    async def partner_has_left(
        self, tx: Transaction, partner: Partner, *, note: str | None = None
    ) -> Partner:
        """Close after the partner's notice; see `Ending.partner_has_left`."""
        return await self._ending.partner_has_left(tx, partner, note=note)

    async def leave_delivered(self, tx: Transaction, partner: Partner) -> Partner:
        """Close once the partner has our notice; see `Ending.leave_delivered`."""
        return await self._ending.leave_delivered(tx, partner)

    async def notice_reason(
        self, tx: Transaction, activity: OutgoingActivity
    ) -> str | None:
        """Return what our office wrote for the other one with a notice, if it did."""
        step = _REASON_STEPS.get(activity.kind)
        events = await rows.list_events(tx, activity.partner_id)
        notes = [event.note for event in events if event.event == step]
        return notes[-1] if notes else None

    # -- looking ----------------------------------------------------------------

    async def find(self, ref: str) -> Partner:
        """Find a partner by address, host or name; see `finding.find_partner`."""
        async with self._context.database.read() as tx:
            return await find_partner(tx, ref)

    async def list(
        self, *, states: Collection[TrustState] | None = None
    ) -> list[Partner]:
        """List partners in the order of their names."""
        async with self._context.database.read() as tx:
            return await rows.list_partners(tx, states)

    async def first(
        self, states: Collection[TrustState], *, limit: int
    ) -> tuple[int, Sequence[Partner]]:
        """Count partners in some states; load the first ones by their names."""
        async with self._context.database.read() as tx:
            number = await rows.count_partners(tx, states)
            return number, await rows.list_partners(tx, states, limit=limit)

    async def named(self, partner_ids: Collection[str]) -> Mapping[str, Partner]:
        """Load a few partners by our own ids of them."""
        async with self._context.database.read() as tx:
            found = await rows.load_partners(tx, partner_ids)
        return {partner.id: partner for partner in found}

    async def show(self, ref: str) -> Partner:
        """Return one partner, found like `find`."""
        return await self.find(ref)

    async def events(self, partner: Partner) -> Sequence[PartnerEvent]:
        """Return the history of a partnership, oldest first."""
        async with self._context.database.read() as tx:
            return await rows.list_events(tx, partner.id)

    async def open_requests(self) -> Sequence[Partner]:
        """List the guests that wait for our office."""
        return await self.list(states={TrustState.REQUESTED})

    async def unanswerable(self) -> Sequence[Partner]:
        """List the hosts whose answer to our request we could not believe."""
        waiting = await self.list(states={TrustState.WAITING})
        return [each for each in waiting if each.problem_code == REQUEST_KEY_ENDED]

    async def suspended(self) -> Sequence[Partner]:
        """List the partners whose key our office has to compare."""
        return await self.list(states={TrustState.SUSPENDED})

    async def uncompared(self) -> Sequence[Partner]:
        """List active partners whose check number nobody has compared yet."""
        async with self._context.database.read() as tx:
            return await rows.list_partners(
                tx,
                {TrustState.ACTIVE, TrustState.PAUSED},
                where=partner_table.c.compared_at.is_(None),
            )

    @staticmethod
    def fingerprint(partner: Partner) -> str:
        """Return the pinned key in the form that people compare."""
        return fingerprint(partner)

    # -- steps ------------------------------------------------------------------

    async def _simple(
        self, actor: Person | None, ref: str, event: TrustEvent
    ) -> Partner:
        _require_office(actor)
        partner = await self.find(ref)

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner.id)
            changed = await change_state(
                tx,
                self._context,
                current,
                event=event,
                person=actor,
                next_attempt_at=None,
            )
            self._poke_after_commit(tx, changed.id)
            return changed

        return await self._context.database.write(work)

    async def _receive_accept(self, tx: Transaction, partner: Partner) -> Partner:
        if partner.state is not TrustState.WAITING:
            return partner
        active = await change_state(
            tx,
            self._context,
            partner,
            event=TrustEvent.THEY_CONFIRMED,
            active_since=self._now(),
            ended_at=None,
            last_error=None,
            problem_code=None,
            **_FRESH,
        )
        await self._ledger.disclose_all(tx, active)
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="partner-active",
                language=person.language,
                partner=active.name,
                base_url=active.base_url,
            )
        self._poke_after_commit(tx, active.id)
        return active

    async def _receive_reject(
        self, tx: Transaction, partner: Partner, reason: str | None
    ) -> Partner:
        if partner.state is not TrustState.WAITING:
            return partner
        return await change_state(
            tx, self._context, partner, event=TrustEvent.THEY_REFUSED, note=reason
        )

    async def _queue(
        self,
        tx: Transaction,
        partner: Partner,
        *,
        kind: ActivityKind,
        subject: str,
    ) -> None:
        await outgoing.queue_activity(
            tx,
            partner.id,
            kind=kind,
            subject=subject,
            activity_id=self._context.address.activity(random_id(self._context.random)),
            at=self._now(),
        )
        self._poke_after_commit(tx, partner.id)

    def _poke_after_commit(self, tx: Transaction, partner_id: str) -> None:
        tx.after_commit(lambda: self._waker.poke(partner_id))

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await rows.lock_partner(tx, partner_id)
        if partner is None:
            raise NotFoundError("This partner no longer exists.")
        return partner

    def _now(self) -> datetime:
        return self._context.clock.now()


def _require_office(actor: Person | None) -> None:
    if actor is not None and not actor.is_office:
        raise NotAuthorisedError(
            "Only the office may change partnerships.",
            hint="Ask your cluster's office.",
        )


def _request_changed(partner: Partner) -> ConflictError:
    return ConflictError(
        Sentence("The request of {name} has changed.", name=partner.name),
        code="request-changed",
        hint="Look at it again, and compare the check number that it shows now.",
    )
