"""The node moves to another address, and tells its partners.

The order is one transaction: from then on the node is at the new address, what it has
named keeps its name, and every partner knows it by the old one until its office has
confirmed (SPEC FED-160 to FED-169). The settings are a file and follow afterwards;
whoever is interrupted in between repeats the order.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from federation.errors import IdentifierError
from federation.ids import BaseUrl, NodeAddress, parse_base_url, random_id
from federation.limits import FORMER_ADDRESSES_MAX
from federation.moving import move_number
from federation.negotiation import Capability
from federation.trust import TrustState
from node.audit.noting import note_decision
from node.config import CONFIG_FILE
from node.durable_files import replace_file
from node.errors import ConflictError, InvalidInputError, NotAuthorisedError
from node.exchange.delivery import PROBLEM_UNKNOWN_KEY
from node.keys.rules import require_admin
from node.members.model import Person
from node.partners.finding import find_partner
from node.partners.history import add_step
from node.partners.model import Partner
from node.partners.moving import OURS_REFUSED
from node.partners.ports import Waker
from node.ports import NodeContext
from node.sentence import Sentence, sentence_of
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.node_state import (
    change_address,
    list_former_addresses,
    require_node_state,
    require_not_closing,
)
from node.storage.outgoing import (
    ActivityKind,
    OutgoingActivity,
    give_up,
    latest_of_kind,
    queue_activity,
)

WE_MOVED = "we_moved"
NODE_MOVED = "node_moved"

_TOLD: Final = frozenset({TrustState.ACTIVE, TrustState.PAUSED})
_OVER: Final = frozenset({TrustState.REFUSED, TrustState.ENDED})
_SETTING: Final = re.compile(r'^(\s*base_url\s*=\s*")([^"]*)(".*)$', re.MULTILINE)


class MoveStanding(StrEnum):
    """How far a partner is with our move."""

    CONFIRMED = "confirmed"
    """It knows us by the present address."""
    ANNOUNCED = "announced"
    """Its node has the announcement; its office has not answered."""
    WAITING = "waiting"
    """The announcement has not left yet."""
    UNREACHABLE = "unreachable"
    """The announcement cannot be delivered."""
    REFUSED = "refused"
    """Its office, or its node, has refused it."""
    NOT_TOLD = "not_told"
    """It cannot be told: its software does not know moves, or it is no partner now."""


@dataclass(frozen=True, slots=True)
class PartnerMove:
    """One partner and our move.

    Attributes:
        reason: What the other side wrote or answered when it refused.
    """

    partner: Partner
    standing: MoveStanding
    reason: str | None = None

    @property
    def may_be_told_again(self) -> bool:
        """Whether another announcement makes sense."""
        told = {MoveStanding.ANNOUNCED, MoveStanding.REFUSED}
        return self.standing in told or self.is_forgotten

    @property
    def is_forgotten(self) -> bool:
        """Whether the partner knew the present address, and does not any more."""
        return _has_forgotten(self.partner)


@dataclass(frozen=True, slots=True)
class OwnMoveStatus:
    """Our latest move, and who has confirmed it.

    Attributes:
        number: The eight digits to be read to every partner's office.
        partners: Everybody with whom it is not over.
    """

    old: BaseUrl
    new: BaseUrl
    moved_at: datetime
    number: str
    partners: Sequence[PartnerMove]

    @property
    def open(self) -> int:
        """How many partners have not confirmed."""
        return sum(
            each.standing is not MoveStanding.CONFIRMED or each.is_forgotten
            for each in self.partners
        )


@dataclass(frozen=True, slots=True)
class OpenMove:
    """That partners have not confirmed our latest move.

    Attributes:
        open: How many.
        number: The eight digits to be read to their offices.
    """

    open: int
    number: str
    moved_at: datetime


class OwnMove:
    """The node's own way to another address."""

    def __init__(self, context: NodeContext, *, waker: Waker) -> None:
        self._context = context
        self._waker = waker

    async def order(
        self, actor: Person | None, new_url: str, *, leave_unconfirmed: bool = False
    ) -> BaseUrl:
        """Move the node; only while nobody serves it.

        This process still has the old address: it has to end afterwards.

        Args:
            actor: A node administrator; None for somebody on the server itself.
            new_url: `https://HOST` or `https://HOST:PORT`.
            leave_unconfirmed: Also if partners have not confirmed the last move.
                They know the node by an older address then.

        Returns:
            The new address.

        Raises:
            NotAuthorisedError: The actor does not administer the node.
            InvalidInputError: It is no address of a node.
            ConflictError: It is the present one, a partner's, there were too many
                moves, partners have not confirmed the last one, or the cluster
                closes down.
        """
        require_admin(actor)
        new = self._parsed(new_url)

        async def work(tx: Transaction) -> None:
            await require_not_closing(tx)
            old = BaseUrl((await require_node_state(tx)).base_url)
            await self._require_free(tx, old, new)
            everybody = await rows.list_partners(tx)
            behind = [
                each.name
                for each in everybody
                if each.known_as not in {None, new} and each.state not in _OVER
            ]
            if behind and not leave_unconfirmed:
                raise ConflictError(
                    Sentence(
                        "These have not confirmed the last move: {names}.",
                        names=", ".join(behind),
                    ),
                    code="move-open",
                    hint="Wait for them, end these partnerships, or move with "
                    "--leave-unconfirmed.",
                )
            await change_address(tx, new, at=self._context.clock.now())
            note_decision(
                tx,
                self._context,
                NODE_MOVED,
                actor=actor,
                before={"base_url": old},
                after={"base_url": new},
            )
            await _tell(tx, self._context, NodeAddress(new), waker=None)

        await self._context.database.write(work)
        return new

    async def tell_due(self) -> int:
        """Announce the move to whoever has become a partner that can be told.

        Returns:
            How many announcements were queued.
        """
        async with self._context.database.read() as tx:
            partners = await rows.list_partners(tx, _TOLD)
        if all(each.known_as is None for each in partners):
            return 0

        async def work(tx: Transaction) -> int:
            return await _tell(
                tx, self._context, self._context.address, waker=self._waker
            )

        return await self._context.database.write(work)

    async def announce_again(self, actor: Person | None, ref: str) -> Partner:
        """Announce the move anew to a partner that was told and has not confirmed.

        Or that has forgotten it: it knew the present address and does not know our
        key any more, so it was put back from a backup of before.

        Raises:
            NotAuthorisedError: The actor is not of the office.
            ConflictError: The partner has confirmed, or is being told.
        """
        if actor is not None and not actor.is_office:
            raise NotAuthorisedError("Only the office may announce the move.")

        async def work(tx: Transaction) -> Partner:
            partner = await find_partner(tx, ref)
            sent = (await latest_of_kind(tx, ActivityKind.MOVE)).get(partner.id)
            found = await _standing(tx, partner, sent)
            if not found.may_be_told_again:
                raise ConflictError(
                    Sentence(
                        "There is nothing to announce to {name} again now.",
                        name=partner.name,
                    ),
                    code="move-not-open",
                )
            if found.is_forgotten:
                known_as = self._context.address.former[-1]
                await rows.update_partner(
                    tx, partner.id, known_as=known_as, next_attempt_at=None
                )
                partner = replace(partner, known_as=known_as)
            await _announce(
                tx,
                self._context,
                partner,
                self._context.address,
                waker=self._waker,
                actor=actor,
            )
            return partner

        return await self._context.database.write(work)

    async def missing(self) -> OpenMove | None:
        """Count who has not confirmed, for every page of the office; None if nobody."""
        if not self._context.address.former:
            return None
        async with self._context.database.read() as tx:
            former = await list_former_addresses(tx)
            partners = await rows.list_partners(tx, frozenset(TrustState) - _OVER)
        missing = [
            each
            for each in partners
            if each.known_as is not None or _has_forgotten(each)
        ]
        if not missing or not former:
            return None
        latest = former[-1]
        return OpenMove(len(missing), self.number_for(latest.base_url), latest.left_at)

    async def status(self) -> OwnMoveStatus | None:
        """Say who has confirmed our latest move; None if the node never moved."""
        async with self._context.database.read() as tx:
            former = await list_former_addresses(tx)
            if not former:
                return None
            sent = await latest_of_kind(tx, ActivityKind.MOVE)
            partners = [
                await _standing(tx, each, sent.get(each.id))
                for each in await rows.list_partners(tx)
                if each.state not in _OVER
            ]
        address = self._context.address
        return OwnMoveStatus(
            old=former[-1].base_url,
            new=address.base_url,
            moved_at=former[-1].left_at,
            number=self.number_for(former[-1].base_url),
            partners=partners,
        )

    def number_for(self, known_as: BaseUrl) -> str:
        """Return the digits for a partner that knows us by a former address."""
        return move_number(
            old=known_as,
            new=self._context.address.base_url,
            key=self._context.keys.active.public_key,
        )

    # -- inside -----------------------------------------------------------------

    def _parsed(self, new_url: str) -> BaseUrl:
        try:
            return parse_base_url(
                new_url,
                allow_loopback_http=self._context.config.network.allow_loopback_http,
            )
        except IdentifierError as error:
            raise InvalidInputError(sentence_of(error), path="new_url") from error

    async def _require_free(self, tx: Transaction, old: BaseUrl, new: BaseUrl) -> None:
        if new == old:
            raise ConflictError(
                Sentence("The node is at {url} already.", url=new), code="not-moved"
            )
        for each in await rows.list_partners(tx):
            if new in {each.base_url, *each.former_urls}:
                raise ConflictError(
                    Sentence(
                        "{url} is the address of {name}.", url=new, name=each.name
                    ),
                    code="address-taken",
                )
        kept = [
            each
            for each in await list_former_addresses(tx)
            if each.base_url not in {old, new}
        ]
        if len(kept) + 1 > FORMER_ADDRESSES_MAX:
            raise ConflictError(
                Sentence(
                    "A node has at most {limit} former addresses.",
                    limit=FORMER_ADDRESSES_MAX,
                ),
                code="too-many-moves",
            )


def _has_forgotten(partner: Partner) -> bool:
    return (
        partner.known_as is None
        and partner.state in _TOLD
        and partner.problem_code == PROBLEM_UNKNOWN_KEY
    )


def write_setting(folder: Path, *, old: str, new: str) -> bool:
    """Write the new address into the node's settings.

    Returns:
        Whether it stands there now; False if the file does not name the old one in
        a line of its own (it may come from the environment), and has not changed.
    """
    path = folder / CONFIG_FILE
    text = path.read_text(encoding="utf-8")
    named = [found for found in _SETTING.finditer(text) if found[2] in {old, new}]
    if len(named) != 1:
        return False
    found = named[0]
    line = f"{found[1]}{new}{found[3]}"
    replace_file(path, (text[: found.start()] + line + text[found.end() :]).encode())
    return True


async def _tell(
    tx: Transaction, context: NodeContext, address: NodeAddress, *, waker: Waker | None
) -> int:
    """Queue the announcement for partners that can be told and have none of it."""
    sent = await latest_of_kind(tx, ActivityKind.MOVE)
    told = 0
    for partner in sorted(
        await rows.list_partners(tx, _TOLD), key=lambda partner: partner.id
    ):
        before = sent.get(partner.id)
        is_told = before is not None and before.subject == address.actor
        if partner.known_as is None or is_told or not partner.has(Capability.MOVES):
            continue
        await _announce(tx, context, partner, address, waker=waker)
        told += 1
    return told


async def _announce(
    tx: Transaction,
    context: NodeContext,
    partner: Partner,
    address: NodeAddress,
    *,
    waker: Waker | None,
    actor: Person | None = None,
) -> None:
    await give_up(
        tx, partner.id, kind=ActivityKind.MOVE, reason="The node has moved again."
    )
    await queue_activity(
        tx,
        partner.id,
        kind=ActivityKind.MOVE,
        subject=address.actor,
        # By the name that the partner knows.
        activity_id=NodeAddress(partner.known_as or address.base_url).activity(
            random_id(context.random)
        ),
        at=context.clock.now(),
    )
    await add_step(
        tx,
        context,
        partner.id,
        event=WE_MOVED,
        person=actor,
        note=f"{partner.known_as} → {address.base_url}",
    )
    if waker is not None:
        tx.after_commit(lambda: waker.poke(partner.id))


async def _standing(
    tx: Transaction, partner: Partner, sent: OutgoingActivity | None
) -> PartnerMove:
    if partner.known_as is None:
        return PartnerMove(partner, MoveStanding.CONFIRMED)
    if partner.state not in _TOLD or sent is None:
        cannot = partner.state not in _TOLD or not partner.has(Capability.MOVES)
        return PartnerMove(
            partner, MoveStanding.NOT_TOLD if cannot else MoveStanding.WAITING
        )
    if sent.delivered_at is None:
        if sent.refused_reason is not None:
            return PartnerMove(partner, MoveStanding.REFUSED, sent.refused_reason)
        late = partner.failing_since is not None
        return PartnerMove(
            partner, MoveStanding.UNREACHABLE if late else MoveStanding.WAITING
        )
    answers = [
        event
        for event in await rows.list_events(tx, partner.id)
        if event.event in {WE_MOVED, OURS_REFUSED}
    ]
    if answers and answers[-1].event == OURS_REFUSED:
        return PartnerMove(partner, MoveStanding.REFUSED, answers[-1].note)
    return PartnerMove(partner, MoveStanding.ANNOUNCED)
