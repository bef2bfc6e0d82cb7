"""Partners that move, and what a partner's office answers to our own move.

What is believed is decided by `federation.moving`; here it is applied, in one
transaction with the history of the partnership and the mail to the office. Nothing
changes before our office has confirmed: SPEC FED-164 to FED-168.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from federation.documents.actor import ActorDocument
from federation.documents.move import Move
from federation.documents.notice import Notice, NoticeType
from federation.errors import FetchError, PermanentFetchError
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.limits import FORMER_ADDRESSES_MAX, MOVES_DAILY_MAX, QUOTA_WAIT
from federation.moving import (
    MoveFault,
    fault_of_new_address,
    move_number,
    require_announceable,
)
from federation.peers import renamed_keys
from federation.rates import too_many
from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, UnavailableError
from node.members.model import Person
from node.partners.directory import known_peer
from node.partners.finding import find_partner
from node.partners.history import add_step, checked_reason, describe_state
from node.partners.model import Partner, PartnerKey
from node.partners.ports import MailQueue, PeerClient, Waker
from node.partners.taken_addresses import addresses_of_others
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.outgoing import ActivityKind, find_own_activity, queue_activity
from node.storage.partner_keys import store_keys

logger = logging.getLogger(__name__)

ANNOUNCED = "move_announced"
CONFIRMED = "move_confirmed"
REFUSED = "move_refused"
OURS_CONFIRMED = "our_move_confirmed"
OURS_REFUSED = "our_move_refused"

_DIGITS = 8
_STANDING = frozenset({TrustState.ACTIVE, TrustState.PAUSED})
_SETTLED: dict[str, Any] = {"moving_to": None, "moving_id": None, "moving_since": None}
_FAULT_SENTENCES = {
    MoveFault.NOT_NAMED: "The node at {new} does not say that it was at {old}.",
    MoveFault.OTHER_KEY: (
        "The node at {new} shows another key than the one of {name} that we know."
    ),
}
_FAULT_CODES = {
    MoveFault.NOT_NAMED: "move-not-named",
    MoveFault.OTHER_KEY: "move-other-key",
}


@dataclass(frozen=True, slots=True)
class AnnouncedMove:
    """Where a partner says to be now.

    Attributes:
        partner: As it is known; nothing of it has changed.
        old: Its address so far.
        new: The one that was announced.
        since: When we heard of it.
    """

    partner: Partner
    old: str
    new: str
    since: datetime | None


class PartnerMoves:
    """What partners say of where they are, and what our office says to it."""

    def __init__(
        self,
        context: NodeContext,
        *,
        client: PeerClient,
        mail: MailQueue,
        waker: Waker,
    ) -> None:
        self._context = context
        self._client = client
        self._mail = mail
        self._waker = waker

    # -- what the partner says ---------------------------------------------------

    async def receive(self, tx: Transaction, partner: Partner, move: Move) -> Partner:
        """Write down that a partner says to have moved, and ask our office.

        A later announcement takes the place of an earlier one that our office has
        not answered. Nothing else changes.

        Args:
            tx: The partner is locked in it, and permitted to say this.
            partner: The partner.
            move: Proven to be by a key of it that may sign.

        Raises:
            PeerError: 409 `address-taken` if it leads to us or to another partner,
                `update-older` if it is older than the newest one; 422 if it is of
                the future; 429 if there were too many; nothing is stored.
        """
        require_announceable(
            move,
            own=self._context.address,
            taken=await addresses_of_others(tx, partner),
            last_published=partner.move_published,
            now=self._now(),
        )
        await self._require_rare(tx, partner)
        is_new = partner.moving_to != move.target
        values: dict[str, Any] = {
            "moving_to": move.target,
            "moving_id": move.id,
            "moving_since": self._now() if is_new else partner.moving_since,
            "move_published": move.published,
        }
        await rows.update_partner(tx, partner.id, **values)
        await add_step(
            tx,
            self._context,
            partner.id,
            event=ANNOUNCED,
            person=None,
            note=f"{partner.base_url} → {move.target}",
            before={"base_url": partner.base_url},
            after={"base_url": move.target},
        )
        announced = replace(partner, **values)
        if is_new:
            await self._tell_office(tx, announced)
        logger.info("%s says that it has moved", partner.id)
        return announced

    async def hear_answer(
        self, tx: Transaction, partner: Partner, notice: Notice
    ) -> Partner:
        """Take what a partner's office says to our own move.

        Args:
            tx: The partner is locked in it.
            partner: The partner.
            notice: An `Accept` or `Reject` of an announcement of ours.
        """
        sent = await find_own_activity(tx, partner.id, notice.object)
        if (
            sent is None
            or partner.known_as is None
            or sent.subject != self._context.address.actor
        ):
            return partner  # known already, or about a move that was overtaken
        if notice.type is NoticeType.ACCEPT:
            return await self.knows_present_address(tx, partner)
        await add_step(
            tx,
            self._context,
            partner.id,
            event=OURS_REFUSED,
            person=None,
            note=notice.reason,
        )
        return partner

    async def knows_present_address(self, tx: Transaction, partner: Partner) -> Partner:
        """Note that a partner knows where we are, and let go what waited for that.

        It has said so, or it has signed a request for our present address, which
        nobody does who has not confirmed; that also counts where we have forgotten
        its answer in a restore (SPEC FED-169).
        """
        await add_step(
            tx,
            self._context,
            partner.id,
            event=OURS_CONFIRMED,
            person=None,
            note=None,
        )
        values: dict[str, Any] = {
            "known_as": None,
            "next_check_at": self._now(),
            **rows.REACHED,
        }
        await rows.update_partner(tx, partner.id, **values)
        tx.after_commit(lambda: self._waker.poke(partner.id))
        logger.info("%s knows that we have moved", partner.id)
        return replace(partner, **values)

    # -- what our office says ----------------------------------------------------

    async def announced(self) -> Sequence[AnnouncedMove]:
        """List the moves that our office has to answer, the oldest first."""
        async with self._context.database.read() as tx:
            partners = await rows.list_partners(tx, _STANDING)
        found = [
            move for each in partners if (move := announced_move(each)) is not None
        ]
        return sorted(found, key=lambda move: move.since or self._now())

    async def confirm(
        self, actor: Person | None, ref: str, *, number: str, target: str | None = None
    ) -> Partner:
        """Believe that a partner is at another address, as our office compared it.

        Args:
            actor: Who confirms; permitted to.
            ref: Address, host or name.
            number: The eight digits that the other office read out; spaces do not
                matter.
            target: The address that the office looked at; None for the present one.

        Raises:
            InvalidInputError: The text is no check number.
            ConflictError: Nothing is announced, or something else by now; the number
                differs; or the new address does not show the partner's node.
            UnavailableError: The new address cannot be reached now.
        """
        typed = number_digits(number)
        async with self._context.database.read() as tx:
            partner = await find_partner(tx, ref)
        announced = _require_announced(partner, target)
        shown = await self._shown(partner, announced)
        self._require_same_node(partner, shown)
        expected = move_number(
            old=BaseUrl(partner.base_url),
            new=announced,
            key=shown.keys[0].public_key,
        )
        if number_digits(expected) != typed:
            raise ConflictError(
                Sentence(
                    "{typed} is not the check number of this move.",
                    typed=f"{typed[:4]} {typed[4:]}",
                ),
                code="move-number-differs",
                path="number",
                hint="Do not confirm. Call the other office on the number that you "
                "have known so far.",
            )

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner)
            if (current.moving_id, current.moving_to, current.keys) != (
                partner.moving_id,
                partner.moving_to,
                partner.keys,
            ):
                raise _changed(current)
            _require_announced(current, announced)
            if announced in await addresses_of_others(tx, current):
                raise ConflictError(
                    Sentence("{new} is another partner's.", new=announced),
                    code="address-taken",
                )
            return await self._apply(tx, current, announced, person=actor)

        return await self._context.database.write(work)

    async def refuse(
        self, actor: Person | None, ref: str, *, reason: str | None = None
    ) -> Partner:
        """Answer that we do not believe it; the partner stays where it is known.

        Raises:
            ConflictError: Nothing is announced.
            InvalidInputError: The reason is too long.
        """
        told = checked_reason(reason)
        async with self._context.database.read() as tx:
            partner = await find_partner(tx, ref)

        async def work(tx: Transaction) -> Partner:
            current = await self._locked(tx, partner)
            _require_announced(current, None)
            await self._answer(tx, current, ActivityKind.MOVE_REFUSED)
            await rows.update_partner(tx, current.id, **_SETTLED)
            await add_step(
                tx,
                self._context,
                current.id,
                event=REFUSED,
                person=actor,
                note=told,
            )
            return replace(current, **_SETTLED)

        return await self._context.database.write(work)

    # -- steps -------------------------------------------------------------------

    async def _apply(
        self, tx: Transaction, partner: Partner, new: BaseUrl, *, person: Person | None
    ) -> Partner:
        """Write the new address; ids, positions, receipts and copies stay."""
        now = self._now()
        old = BaseUrl(partner.base_url)
        former = (*(each for each in partner.former_urls if each != new), old)
        await self._answer(tx, partner, ActivityKind.MOVE_CONFIRMED)
        keys = self._renamed(partner, NodeAddress(new).actor)
        await store_keys(tx, partner.id, keys, at=now)
        values: dict[str, Any] = {
            "base_url": new,
            "actor_id": NodeAddress(new).actor,
            "former_urls": former[-FORMER_ADDRESSES_MAX:],
            "looked_at": now,
            "offered_multibase": None,
            **_SETTLED,
            **rows.REACHED,
        }
        await rows.update_partner(tx, partner.id, **values)
        await add_step(
            tx,
            self._context,
            partner.id,
            event=CONFIRMED,
            person=person,
            note=f"{old} → {new}",
            before={"base_url": old},
            after={"base_url": new},
        )
        tx.after_commit(lambda: self._waker.poke(partner.id))
        logger.info("%s is at another address now", partner.id)
        return replace(partner, keys=keys, **values)

    def _renamed(self, partner: Partner, actor_id: str) -> tuple[PartnerKey, ...]:
        """Return the same keys under the new name, as they came to count."""
        pinned = renamed_keys(
            tuple(key.pinned for key in partner.keys), actor_id=actor_id
        )
        return tuple(
            replace(
                key,
                id=random_id(self._context.random),
                key_id=renamed.key_id,
            )
            for key, renamed in zip(partner.keys, pinned, strict=True)
        )

    async def _answer(
        self, tx: Transaction, partner: Partner, kind: ActivityKind
    ) -> None:
        await queue_activity(
            tx,
            partner.id,
            kind=kind,
            subject=partner.moving_id or "",
            activity_id=self._context.address.activity(random_id(self._context.random)),
            at=self._now(),
        )
        tx.after_commit(lambda: self._waker.poke(partner.id))

    async def _require_rare(self, tx: Transaction, partner: Partner) -> None:
        since = self._now() - timedelta(days=1)
        recent = sum(
            event.event == ANNOUNCED and event.at > since
            for event in await rows.list_events(tx, partner.id)
        )
        if recent >= MOVES_DAILY_MAX:
            raise too_many(
                QUOTA_WAIT, code="quota-exceeded", text="Too many moves in a day."
            )

    async def _tell_office(self, tx: Transaction, partner: Partner) -> None:
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="partner-moves",
                language=person.language,
                partner=partner.name,
                partner_id=partner.id,
                base_url=partner.base_url,
                new_url=partner.moving_to,
            )

    async def _shown(self, partner: Partner, new: BaseUrl) -> ActorDocument:
        try:
            return await self._client.fetch_actor(new)
        except PermanentFetchError as error:
            raise ConflictError(
                Sentence(
                    "{base_url} does not answer as a node: {reason}.",
                    base_url=new,
                    reason=str(error),
                ),
                code="partner-address-wrong",
                hint="Ask the other office whether the address is right.",
            ) from error
        except FetchError as error:
            raise UnavailableError(
                Sentence(
                    "{name} ({base_url}) cannot be reached now: {reason}.",
                    name=partner.name,
                    base_url=new,
                    reason=str(error),
                ),
                code="partner-unreachable",
                hint="Try again later.",
            ) from error

    def _require_same_node(self, partner: Partner, shown: ActorDocument) -> None:
        fault = fault_of_new_address(shown, peer=known_peer(partner), now=self._now())
        if fault is None:
            return
        raise ConflictError(
            Sentence(
                _FAULT_SENTENCES[fault],
                new=shown.base_url,
                old=partner.base_url,
                name=partner.name,
            ),
            code=_FAULT_CODES[fault],
            hint="Do not confirm. Call the other office on the number that you "
            "have known so far.",
        )

    async def _locked(self, tx: Transaction, partner: Partner) -> Partner:
        current = await rows.lock_partner(tx, partner.id)
        if current is None:
            raise ConflictError("This partner no longer exists.")
        return current

    def _now(self) -> datetime:
        return self._context.clock.now()


def announced_move(partner: Partner) -> AnnouncedMove | None:
    """Return the move of a partner that our office has to answer, if there is one."""
    if partner.moving_to is None or partner.state not in _STANDING:
        return None
    return AnnouncedMove(
        partner, partner.base_url, partner.moving_to, partner.moving_since
    )


def number_digits(number: str) -> str:
    """Return the eight digits of a check number that somebody typed.

    Raises:
        InvalidInputError: The text is something else.
    """
    digits = "".join(number.split()).replace("-", "")
    if len(digits) != _DIGITS or not (digits.isascii() and digits.isdigit()):
        raise InvalidInputError(
            "A check number has eight digits.",
            code="number-mistyped",
            path="number",
            hint="Let the other office read it out again.",
        )
    return digits


def _require_announced(partner: Partner, target: str | None) -> BaseUrl:
    if partner.moving_to is None:
        raise ConflictError(
            Sentence("{name} has not announced a move.", name=partner.name),
            code="no-move",
        )
    if partner.state not in _STANDING:
        raise ConflictError(
            Sentence("{state}.", state=describe_state(partner)),
            code=f"partner-{partner.state.value}",
            hint="Settle that first.",
        )
    if target is not None and target != partner.moving_to:
        raise _changed(partner)
    return partner.moving_to


def _changed(partner: Partner) -> ConflictError:
    return ConflictError(
        Sentence("{name} has announced something else meanwhile.", name=partner.name),
        code="move-changed",
        hint="Look at it again, and call the other office.",
    )
