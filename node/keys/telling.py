"""Tell partners what has changed about our keys, and know who has taken it.

Each change is one activity for each partner, built when it is sent. A partner that
is away gets it first of all when it comes back, signed by a key that it knows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from federation.ids import random_id
from federation.negotiation import Capability
from federation.trust import TrustState
from node.keys.model import NodeKey
from node.partners.model import Partner
from node.partners.ports import Waker
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_keys import take_told_back
from node.storage.outgoing import (
    ActivityKind,
    queue_activity,
    undelivered_of_kind,
)
from node.storage.partners import list_partners
from node.storage.tables import partners

TOLD_STATES: Final = frozenset(TrustState) - {TrustState.REFUSED, TrustState.ENDED}
"""Who is told of our keys, and waited for: everybody with whom it is not over."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Which partners have confirmed to hold a key.

    Attributes:
        taken: Those that have, in the order of their names.
        waiting: Those that have not.
    """

    taken: Sequence[Partner] = ()
    waiting: Sequence[Partner] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nobody is waited for."""
        return not self.waiting

    def holds_up(self, *, late: bool) -> bool:
        """Whether somebody is waited for before the old key goes.

        Who understands no `Update`, and whose partnership we are ending, is waited
        for as long as for a new key to sign, not without end: the one cannot take
        it, the other may never come back.

        Args:
            late: Whether that time is over.
        """
        if not late:
            return not self.is_complete
        return any(
            _hears(each) and each.state is not TrustState.ENDING
            for each in self.waiting
        )


async def waited_for(tx: Transaction, key: NodeKey) -> list[Partner]:
    """List the partners that lack a key of ours."""
    lacking = partners.c.told_key_number < key.number
    return await list_partners(tx, TOLD_STATES, where=lacking)


async def progress_of(tx: Transaction, key: NodeKey) -> Progress:
    """Say which partners hold a key of ours."""
    found = await list_partners(tx, TOLD_STATES)
    return Progress(
        taken=[each for each in found if each.told_key_number >= key.number],
        waiting=[each for each in found if each.told_key_number < key.number],
    )


async def tell_everybody(tx: Transaction, context: NodeContext, waker: Waker) -> int:
    """Queue our actor, as it will be when it is sent, for every partner."""
    partners = [each for each in await list_partners(tx, TOLD_STATES) if _hears(each)]
    for partner in _in_locking_order(partners):
        await _queue(tx, context, partner, waker)
    return len(partners)


async def tell_the_rest(
    tx: Transaction, context: NodeContext, newest: NodeKey, waker: Waker
) -> int:
    """Queue our actor for partners that lack a key and have nothing queued.

    A partnership may have begun while a key was announced already.
    """
    queued = {
        activity.partner_id
        for activity in await undelivered_of_kind(tx, ActivityKind.ACTOR)
    }
    progress = await progress_of(tx, newest)
    lacking = [
        each for each in progress.waiting if each.id not in queued and _hears(each)
    ]
    for partner in _in_locking_order(lacking):
        await _queue(tx, context, partner, waker)
    return len(lacking)


async def tell_anew(
    tx: Transaction, context: NodeContext, partner: Partner, *, held: int
) -> None:
    """Note that a partner holds an older key than we thought, and tell it again.

    It gets the update at its next attempt, signed by that key.

    Args:
        tx: A transaction with the partner's row locked.
        context: The node.
        partner: As it stands in this transaction.
        held: The number of the key that it holds.
    """
    await take_told_back(tx, partner.id, number=held)
    queued = any(
        activity.partner_id == partner.id
        for activity in await undelivered_of_kind(tx, ActivityKind.ACTOR)
    )
    if not queued and _hears(partner) and partner.state in TOLD_STATES:
        await _queue(tx, context, partner, None)


async def let_keys_revoke_themselves(
    tx: Transaction,
    context: NodeContext,
    revoked: Iterable[NodeKey],
    waker: Waker,
    *,
    kept: Iterable[NodeKey] = (),
) -> int:
    """Queue, for each partner, that the newest key it holds says it is revoked.

    Args:
        tx: The transaction of the revocation.
        context: The node.
        revoked: Keys that were revoked now, and whose secrets are still there.
        waker: Starts the delivery after the commit.
        kept: Keys that still sign: whoever holds one of them is told by that.
    """
    numbers = {key.number for key in revoked}
    others = [key.number for key in kept]
    told = 0
    for partner in _in_locking_order(await list_partners(tx, TOLD_STATES)):
        held = [number for number in numbers if number <= partner.told_key_number]
        is_told = any(number <= partner.told_key_number for number in others)
        if held and not is_told and _hears(partner):
            await _queue(
                tx,
                context,
                partner,
                waker,
                kind=ActivityKind.REVOCATION,
                subject=context.address.key(max(held)),
            )
            told += 1
    return told


def _in_locking_order(partners: Iterable[Partner]) -> list[Partner]:
    """Sort like `lock_partners`, so that no two transactions wait for each other.

    Queueing locks the partner's row on PostgreSQL.
    """
    return sorted(partners, key=lambda partner: partner.id)


def _hears(partner: Partner) -> bool:
    """Whether a partner's node understands an `Update` of an actor (FED-124)."""
    return partner.has(Capability.ACTOR_UPDATES)


async def _queue(
    tx: Transaction,
    context: NodeContext,
    partner: Partner,
    waker: Waker | None,
    *,
    kind: ActivityKind = ActivityKind.ACTOR,
    subject: str | None = None,
) -> None:
    await queue_activity(
        tx,
        partner.id,
        kind=kind,
        subject=subject or context.address.actor,
        activity_id=context.address.activity(random_id(context.random)),
        at=context.clock.now(),
    )
    if waker is not None:
        tx.after_commit(lambda: waker.poke(partner.id))
