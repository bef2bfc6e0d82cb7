"""Deliver what waits: single activities in their order, then pages.

State is kept for a partner, never for a message. A partner that does not answer
is tried again later and costs nothing meanwhile; one that contacts us is tried
at once. Nothing is given up. A partner that answers, and takes no activities for
now, is told of entries and withdrawals meanwhile: activities rest by themselves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from federation.documents import SignedDocument
from federation.errors import (
    FederationError,
    ForeignKeyError,
    LocalError,
    PeerError,
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.keys import Signer
from federation.negotiation import Capability
from federation.peers import RemotePeer
from federation.retry import is_due, next_attempt
from federation.trust import Allow, TrustAction, TrustState, decide_trust
from node.errors import UnavailableError
from node.exchange.activities import BuiltActivity
from node.exchange.comparing import Comparing
from node.exchange.page_delivery import PageClient, PageDelivery
from node.exchange.problems import problem_of
from node.exchange.receiving import Receiving
from node.exchange.sending import Sending
from node.exchange.shared_work import OwnWork, SharedWork
from node.exchange.wakeup import WakeUp
from node.keys.model import NodeKey
from node.limits import PARTNERS_AT_ONCE_MAX, ROUNDS_IN_A_TURN
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import outgoing
from node.storage import partners as partner_rows
from node.storage.database import Transaction
from node.storage.leases import LeaseLostError
from node.storage.node_state import require_node_state
from node.storage.outgoing import ActivityKind, OutgoingActivity
from node.storage.partner_days import count_exchange, count_failure

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0  # how often due retries are looked for
PROBLEM_UNKNOWN_KEY = "unknown-key"
_UNREADABLE = 422
# What a partner answers whose office has to compare our key.
PROBLEMS_SUSPENDED = frozenset({"partnership-suspended", "keys-suspended"})
# What a partner answers when it knows no partnership with us (any more). The
# answer is not signed, so it ends nothing; but once our own office has ended the
# partnership there is nobody left to tell.
_OVER_FOR_US = frozenset({TrustState.ENDING, TrustState.ENDED, TrustState.REFUSED})
PROBLEMS_OVER = frozenset(
    {"partnership-ended", "partnership-refused", PROBLEM_UNKNOWN_KEY}
)


class DeliveryClient(PageClient, Protocol):
    """Requests to partners (federation.transport)."""

    async def post_activity(
        self, peer: RemotePeer, activity: SignedDocument, *, signer: Signer
    ) -> None:
        """Deliver a single activity; return when the partner has stored it."""
        ...


class ActivityDesk(Protocol):
    """Builds single activities and hears what became of them."""

    async def build(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> BuiltActivity:
        """Sign the document of a queued activity."""
        ...

    async def delivered(
        self,
        tx: Transaction,
        partner: Partner,
        activity: OutgoingActivity,
        built: BuiltActivity,
    ) -> None:
        """Note that the partner has stored it."""
        ...

    async def partner_has_left(self, tx: Transaction, partner: Partner) -> None:
        """Close a partnership that the partner does not know any more."""
        ...

    async def key_unknown(self, tx: Transaction, partner: Partner) -> bool:
        """Go back to an older key of ours with a partner that lacks a newer one."""
        ...

    async def keys_in_question(self, tx: Transaction, partner: Partner) -> None:
        """Note that a partner's office has to compare our key."""
        ...

    async def foreign_key_seen(self, partner: Partner) -> None:
        """Look at the keys of a partner whose answer had an unknown one."""
        ...


@dataclass(frozen=True, slots=True)
class _Rest:
    """A partner takes no activity of a kind until then, though it may take pages.

    Another kind is still tried, and what we say about ourselves once our keys have
    changed: no quota holds up the end of a key. Kept in memory: after a restart the
    partner is asked once more, and says it again.
    """

    kind: ActivityKind
    keys: tuple[NodeKey, ...]
    attempts: int
    until: datetime
    error: TemporaryFetchError


class DeliveryWorker:
    """One loop that starts a task for each partner with something waiting."""

    def __init__(
        self,
        context: NodeContext,
        *,
        sending: Sending,
        receiving: Receiving,
        activities: ActivityDesk,
        client: DeliveryClient,
        comparing: Comparing,
        wakeup: WakeUp,
        shared_work: SharedWork | None = None,
    ) -> None:
        self._context = context
        self._shared_work = shared_work or OwnWork()
        self._activities = activities
        self._client = client
        self._pages = PageDelivery(
            context,
            sending=sending,
            receiving=receiving,
            comparing=comparing,
            client=client,
        )
        self._wakeup = wakeup
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()
        self._rests: dict[str, _Rest] = {}
        self._slots = asyncio.Semaphore(PARTNERS_AT_ONCE_MAX)

    async def run(self) -> None:
        """Deliver until cancelled; a delivery under way is cut off and repeated."""
        caught_up = False
        try:
            while True:
                try:
                    if not caught_up:
                        await self._start_catching_up()
                        caught_up = True
                    await self._start_due()
                except UnavailableError as error:
                    # The database comes back; who waits for it is still due then.
                    logger.warning("deliveries wait: %s", error)
                for partner_id in await self._wakeup.wait(POLL_SECONDS):
                    self._start(partner_id, self.deliver)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def deliver(self, partner_id: str) -> None:
        """Deliver everything that waits for a partner, as far as it answers.

        One for whom there is always more, or who answers slowly, takes turns with
        the others: it stands behind them again after some rounds.
        """
        rounds = 0
        while True:
            partner = await self._load(partner_id)
            if partner is None or not self._is_due(partner):
                return
            if rounds >= ROUNDS_IN_A_TURN and self._slots.locked():
                self._wakeup.hear(partner_id)
                return
            rounds += 1
            progress, failure = await self._one_round(partner)
            if failure is None and not progress:
                # Last of all: it holds up nothing that has to be told.
                progress, failure = await self._read_on(partner)
            if failure is not None:
                await self._failed(partner, failure)
                return
            if not progress:
                await self._tell_rest(partner)
                return

    async def _read_on(self, partner: Partner) -> tuple[bool, FederationError | None]:
        """Read a page of the partner, if there is reason to, and say how it went."""
        since = partner.refetch_since if _has_to_fetch(partner) else None
        if since is None and not self._pages.is_reading(partner.id):
            return False, None
        try:
            await self._pages.read_on(partner.id)
        except FederationError as error:
            if since is not None:
                return False, error
            logger.info("nothing read of %s: %s", partner.id, error)
            return False, None
        if self._pages.is_reading(partner.id):
            return True, None
        if since is not None:
            await self._fetched(partner, since)
        return False, None

    async def _fetched(self, partner: Partner, since: datetime) -> None:
        """Note that everything came once more after a purge, or an end, was undone."""

        async def work(tx: Transaction) -> None:
            current = await partner_rows.lock_partner(tx, partner.id)
            # Our office may have ordered it again meanwhile.
            if current is not None and current.refetch_since == since:
                await partner_rows.update_partner(tx, partner.id, refetch_since=None)

        await self._context.database.write(work)

    async def _one_round(self, partner: Partner) -> tuple[bool, FederationError | None]:
        """Deliver one activity or one page.

        Activities come first: the notice that makes us partners must arrive before
        the first page. But one that the partner does not take now holds up no
        withdrawal: of two requests at most the second one is a page.
        """
        failure: FederationError | None = None
        try:
            if await self._deliver_activity(partner):
                return True, None
        except TemporaryFetchError as error:
            return False, error  # the partner's node is not there
        except FederationError as error:
            failure = error
        try:
            progress = await self._pages.deliver(partner)
        except FederationError as error:
            return False, failure or error
        return progress and failure is None, failure

    def _is_resting(self, partner: Partner, kind: ActivityKind | None = None) -> bool:
        rest = self._rests.get(partner.id)
        if rest is None or (kind is not None and kind is not rest.kind):
            return False
        if rest.kind is ActivityKind.ACTOR and rest.keys != self._context.keys.keys:
            return False
        return not is_due(rest.until, self._context.clock.now())

    def _let_rest(
        self, partner: Partner, kind: ActivityKind, error: TemporaryFetchError
    ) -> None:
        before = self._rests.get(partner.id)
        attempts = (
            1 if before is None or before.kind is not kind else before.attempts + 1
        )
        until = next_attempt(
            attempts,
            self._context.clock.now(),
            jitter=self._context.random,
            retry_after=error.retry_after,
        )
        keys = self._context.keys.keys
        self._rests[partner.id] = _Rest(kind, keys, attempts, until, error)
        logger.warning("activities for %s rest: %s", partner.id, error)

    async def _tell_rest(self, partner: Partner) -> None:
        """Let the office see why activities wait, though pages may arrive."""
        rest = self._rests.get(partner.id)
        if rest is None or not self._is_resting(partner):
            return
        sentence = _sentence(rest.error)

        async def work(tx: Transaction) -> None:
            current = await partner_rows.lock_partner(tx, partner.id)
            if current is not None and current.last_error != sentence:
                await partner_rows.update_partner(
                    tx,
                    partner.id,
                    last_error=sentence,
                    problem_code=problem_of(rest.error),
                    last_failure_at=self._context.clock.now(),
                )

        await self._context.database.write(work)

    async def pull(self, partner_id: str) -> int:
        """Fetch and apply what a partner has for us; return how many changes."""
        return await self._pages.pull(partner_id)

    # Inside

    def _start(self, partner_id: str, job: Callable[[str], Awaitable[None]]) -> None:
        if partner_id in self._tasks:
            self._again.add(partner_id)
            return

        async def run() -> None:
            try:
                async with self._slots:
                    await self._shared_work.deliver(partner_id, self._watched(job))
            except UnavailableError as error:
                logger.warning("delivery to %s waits: %s", partner_id, error)
            except Exception:
                # One partner's trouble (or our disk) must not end the others' loop.
                logger.exception("delivery to %s failed", partner_id)

        task = asyncio.create_task(run(), name=f"deliver-{partner_id}")
        self._tasks[partner_id] = task
        task.add_done_callback(lambda _: self._ended(partner_id))

    def _watched(
        self, job: Callable[[str], Awaitable[None]]
    ) -> Callable[[str], Awaitable[None]]:
        """Return the job with a pause after a fault of our own.

        It would come again at once, and again; the partner would get the same page
        every two seconds. So it counts as a failed attempt, which the office sees.
        """

        async def watched(partner_id: str) -> None:
            try:
                await job(partner_id)
            except (UnavailableError, LeaseLostError):
                raise  # the database is away, or another process is at it
            except Exception as error:
                logger.exception("delivery to %s failed", partner_id)
                partner = await self._load(partner_id)
                if partner is not None:
                    await self._failed(partner, LocalError(type(error).__name__))

        return watched

    def _ended(self, partner_id: str) -> None:
        del self._tasks[partner_id]
        if partner_id in self._again:
            self._again.discard(partner_id)
            self._wakeup.hear(partner_id)

    async def _catch_up(self, partner_id: str) -> None:
        """After a start: fetch what the partner could not deliver meanwhile.

        Whatever is more than a turn's worth comes when others have had theirs.
        """
        self._pages.begin_reading(partner_id)
        try:
            for _ in range(ROUNDS_IN_A_TURN):
                if self._pages.is_reading(partner_id):
                    await self._pages.read_on(partner_id)
        except FederationError as error:
            logger.info("no catch-up with %s: %s", partner_id, error)
            partner = await self._load(partner_id)
            if isinstance(error, ForeignKeyError) and partner is not None:
                await self._activities.foreign_key_seen(partner)
        await self.deliver(partner_id)

    async def _start_catching_up(self) -> None:
        for partner in await self._partners():
            if partner.state is TrustState.ACTIVE:
                self._start(partner.id, self._catch_up)

    async def _start_due(self) -> None:
        for partner_id in await self._due():
            # Whoever is being delivered to is not asked for once more: a partner
            # with what must not leave now would be due for ever.
            if partner_id not in self._tasks:
                self._start(partner_id, self.deliver)

    async def _partners(self) -> list[Partner]:
        async with self._context.database.read() as tx:
            return await partner_rows.list_partners(tx)

    async def _load(self, partner_id: str) -> Partner | None:
        async with self._context.database.read() as tx:
            return await partner_rows.load_partner(tx, partner_id)

    async def _due(self) -> list[str]:
        async with self._context.database.read() as tx:
            epoch = (await require_node_state(tx)).epoch
            perhaps = await partner_rows.list_perhaps_due(
                tx, _TOLD, now=self._context.clock.now(), epoch=epoch
            )
            if not perhaps:
                return []
            with_activities = set(await outgoing.partners_with_undelivered(tx))
        return [
            partner.id
            for partner in perhaps
            if (
                partner.id in with_activities
                or partner.head_seq > partner.acked_seq
                or self._pages.is_due(partner, epoch)
                or _has_to_fetch(partner)
            )
            and self._is_due(partner)
        ]

    def _is_due(self, partner: Partner) -> bool:
        return is_due(partner.next_attempt_at, self._context.clock.now())

    async def _deliver_activity(self, partner: Partner) -> bool:
        async with self._context.database.read() as tx:
            activity = await outgoing.next_undelivered(tx, partner.id)
            if activity is None or not _may_leave(partner, activity):
                return False
            if self._is_resting(partner, activity.kind):
                return False
            built = await self._built(tx, partner, activity)
        if isinstance(built, LocalError):
            # Ours is the fault, and trying again would not mend it.
            await self._refused(activity, built)
            return True
        try:
            await self._client.post_activity(
                known_peer(partner), built.document, signer=built.signer
            )
        except TemporaryFetchError as error:
            if error.status is None or error.problem_code is None:
                raise
            self._let_rest(partner, activity.kind, error)
            return False
        except PermanentFetchError as error:
            if not _refuses_this(activity, error):
                raise
            await self._refused(activity, error)
            return True
        await self._delivered(partner, activity, built)
        return True

    async def _built(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> BuiltActivity | LocalError:
        try:
            return await self._activities.build(tx, partner, activity)
        except LocalError as error:
            return error

    async def _delivered(
        self, partner: Partner, activity: OutgoingActivity, built: BuiltActivity
    ) -> None:
        self._rests.pop(partner.id, None)

        async def work(tx: Transaction) -> None:
            now = self._context.clock.now()
            await outgoing.mark_delivered(tx, activity.activity_id, at=now)
            await count_exchange(tx, partner, now)
            await partner_rows.update_partner(
                tx,
                partner.id,
                **partner_rows.REACHED,
                last_sent_at=now,
            )
            await self._activities.delivered(tx, partner, activity, built)

        await self._context.database.write(work)
        logger.info("delivered %s %s to %s", activity.kind, activity.seq, partner.id)

    async def _refused(
        self, activity: OutgoingActivity, error: FederationError
    ) -> None:
        async def work(tx: Transaction) -> None:
            await outgoing.mark_refused(tx, activity.activity_id, reason=str(error))

        await self._context.database.write(work)
        logger.warning("refused %s %s: %s", activity.kind, activity.seq, error)

    async def _failed(self, partner: Partner, error: FederationError) -> None:
        gone = (
            partner.state in _OVER_FOR_US
            and isinstance(error, PermanentFetchError)
            # Not to know the key of an answer is our trouble, not the partner's word.
            and not isinstance(error, ForeignKeyError)
            and error.problem_code in PROBLEMS_OVER
            # After our key was revoked, not to know us means nothing.
            and self._context.keys.is_known_to(partner)
        )
        now = self._context.clock.now()

        async def work(tx: Transaction) -> None:
            current = await partner_rows.lock_partner(tx, partner.id)
            if current is None:
                return
            older = (
                isinstance(error, PermanentFetchError)
                and not isinstance(error, ForeignKeyError)
                and error.problem_code == PROBLEM_UNKNOWN_KEY
                and current.told_key_number == partner.told_key_number
                and await self._activities.key_unknown(tx, current)
            )
            if gone and not older:
                await self._activities.partner_has_left(tx, current)
                return
            if (
                isinstance(error, PermanentFetchError)
                and error.problem_code in PROBLEMS_SUSPENDED
            ):
                await self._activities.keys_in_question(tx, current)
            await count_failure(tx, current, now)
            attempts = current.attempts + 1
            retry_after = (
                error.retry_after if isinstance(error, TemporaryFetchError) else None
            )
            await partner_rows.update_partner(
                tx,
                partner.id,
                attempts=attempts,
                next_attempt_at=next_attempt(
                    attempts,
                    now,
                    jitter=self._context.random,
                    retry_after=retry_after,
                ),
                failing_since=current.failing_since or now,
                last_error=_sentence(error),
                problem_code=problem_of(error),
                last_failure_at=now,
            )

        await self._context.database.write(work)
        logger.warning("delivery to %s failed: %s", partner.id, error)
        if isinstance(error, ForeignKeyError):
            await self._activities.foreign_key_seen(partner)


def _has_to_fetch(partner: Partner) -> bool:
    return partner.refetch_since is not None and partner.state is TrustState.ACTIVE


def _sentence(error: FederationError) -> str:
    text = error.safe_text if isinstance(error, PeerError) else str(error)
    return text[:300]


def _refuses_this(activity: OutgoingActivity, error: PermanentFetchError) -> bool:
    """Whether a partner's node, and not something in between, refuses one activity.

    400, 404, 409, 413 and 422 name the activity; 401, 403 and 410 name us. A plain
    answer without one of our problem types may come from a proxy. Notices are
    never given up: the state of the partnership hangs on them. What a revoked key
    says of itself is, once the partner answers that it trusts that key no more.
    """
    if error.problem_code is None:
        return False
    if activity.kind is ActivityKind.REVOCATION:
        return error.problem_code in PROBLEMS_OVER or error.status == _UNREADABLE
    names_it = error.status in {400, 404, 409, 413, 422}
    return activity.kind in {ActivityKind.MESSAGE, ActivityKind.MOVE} and names_it


def _may(state: TrustState, action: TrustAction) -> bool:
    return isinstance(decide_trust(state, action), Allow)


# Where anything but what waits may be due: a comparison, or everything once more.
_TOLD = frozenset(
    state
    for state in TrustState
    if _may(state, TrustAction.BE_TOLD) or _may(state, TrustAction.BE_TOLD_WITHDRAWALS)
)


def _may_leave(partner: Partner, activity: OutgoingActivity) -> bool:
    """Messages wait while the partnership is paused; all waits while suspended."""
    if activity.kind is ActivityKind.MESSAGE:
        may = _may(partner.state, TrustAction.BE_TOLD) and partner.known_as is None
        return may and partner.has(Capability.MESSAGES)
    if activity.kind is ActivityKind.MOVE and not partner.has(Capability.MOVES):
        return False
    return _may(partner.state, TrustAction.BE_NOTIFIED)
