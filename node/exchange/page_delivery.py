"""Deliver pages to a partner, fetch its own, and compare where that is due.

Source: SPEC.md PRT-028, PRT-015, FED-151, FED-156 to FED-158.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from federation.decisions import decide_pulled
from federation.documents import Page, Receipt
from federation.errors import (
    ConflictError,
    FetchError,
    PermanentFetchError,
    TemporaryFetchError,
)
from federation.json_types import JsonObject
from federation.keys import Signer
from federation.limits import REPAIR_AGAIN, REWINDS_MAX
from federation.negotiation import Capability
from federation.peers import KnownPeer, RemotePeer
from federation.retry import CHECK_WAIT_MAX, is_check_due
from federation.trust import Allow, TrustAction, TrustState, decide_trust
from node.exchange.comparing import Comparing
from node.exchange.page_standing import page_standing
from node.exchange.receiving import Receiving
from node.exchange.sending import OutgoingPage, Sending
from node.limits import PULLED_PAGES_MAX
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import partners as partner_rows
from node.storage.database import Transaction
from node.storage.node_state import require_node_state

logger = logging.getLogger(__name__)

UNVERIFIED_MAX: Final = 2 * CHECK_WAIT_MAX
PROBLEM_GAP: Final = "position-gap"
PROBLEM_LOST_AGAIN: Final = "position-lost-again"
# What a partner answers that takes withdrawals only.
PROBLEMS_HELD: Final = frozenset({"partnership-paused", "partnership-suspended"})


class PageClient(Protocol):
    """Requests with pages (federation.transport)."""

    async def push_page(
        self, peer: RemotePeer, page: JsonObject, *, signer: Signer
    ) -> Receipt:
        """Deliver a page; return the partner's checked receipt."""
        ...

    async def pull_page(self, peer: RemotePeer, *, after: int, signer: Signer) -> Page:
        """Fetch the partner's page after a position, checked."""
        ...


@dataclass(slots=True)
class _Reading:
    """A partner's pages that we are reading, some of them at a time.

    Attributes:
        after: Where everything is read once more, whatever we know; None to go on
            behind the position that we know.
        unverified: Read all of it once more if this brings no newer confirmation
            than that of `verified_at`.
        pages: How many were read.
    """

    after: int | None = None
    unverified: bool = False
    verified_at: datetime | None = None
    pages: int = 0


class PageDelivery:
    """Pages to partners, and from them."""

    def __init__(
        self,
        context: NodeContext,
        *,
        sending: Sending,
        receiving: Receiving,
        comparing: Comparing,
        client: PageClient,
    ) -> None:
        self._context = context
        self._sending = sending
        self._receiving = receiving
        self._comparing = comparing
        self._client = client
        self._readings: dict[str, _Reading] = {}
        # Why partners could not be asked what they hold, while they are told all else.
        self._unasked: dict[str, FetchError] = {}
        # Kept in memory: each process counts for itself.
        self._rewound: dict[str, list[datetime]] = {}

    def is_due(self, partner: Partner, epoch: str) -> bool:
        """Tell whether a partner is to be asked or told though nothing waits for it.

        Args:
            partner: The partner.
            epoch: Our present epoch.
        """
        return self._is_check_due(partner, epoch) or (
            partner.compared_epoch != epoch and self._may_be_asked(partner)
        )

    def _may_be_asked(self, partner: Partner) -> bool:
        return (
            _may(partner.state, TrustAction.BE_TOLD_WITHDRAWALS)
            and partner.has(Capability.PAGES)
            and self._comparing.may_ask(partner.id)
        )

    def _is_check_due(self, partner: Partner, epoch: str) -> bool:
        return (
            is_check_due(partner.next_check_at, self._context.clock.now())
            and partner.has(Capability.PAGES)
            and self._sending.may_tell(partner, epoch=epoch)
        )

    async def deliver(self, partner: Partner) -> bool:
        """Deliver one page, or compare; say whether that brought us further.

        Raises:
            FederationError: The partner has not taken it, or does not say now what
                it holds; then withdrawals were delivered all the same.
        """
        await self._compare_first(partner)
        partner = await self._load(partner.id) or partner  # as it was compared
        unasked = self._unasked.pop(partner.id, None)
        progress = await self._deliver_page(partner)
        if unasked is not None and progress:
            self._unasked[partner.id] = unasked
        elif unasked is not None:
            raise unasked
        return progress

    async def _deliver_page(self, partner: Partner) -> bool:
        settled = partner.head_seq <= partner.acked_seq
        # What waits goes first; it may be what differs.
        compare = settled and self._is_check_due(partner, await self._epoch())
        if settled and not compare:
            return False
        if not _may(partner.state, TrustAction.BE_TOLD_WITHDRAWALS):
            return False
        if not partner.has(Capability.PAGES):
            return False
        page = await self._sending.next_page(partner.id, compare=compare)
        if page.is_empty and (page.verifying is None or not compare):
            # Either everything was dropped (then we are done), or the office has
            # paused the partnership and only entries wait.
            return page.sent.last >= page.sent.first
        try:
            progress = await self._push(partner, page, compare=compare)
            if compare:
                self._read_unverified(partner)
            return progress
        except PermanentFetchError as error:
            if error.problem_code == PROBLEM_GAP:
                await self._rewind(partner, page, error)
                return not compare or await self._compare_from_there(partner)
            if error.problem_code not in PROBLEMS_HELD:
                raise
            if not await self._push_withdrawals(partner):
                raise
            return True

    def begin_reading(self, partner_id: str, *, anew: bool = False) -> None:
        """Read what a partner has for us with the next calls of `read_on`.

        Args:
            partner_id: The partner.
            anew: Read everything once more, from the beginning.
        """
        self._readings[partner_id] = _Reading(after=0 if anew else None)

    def is_reading(self, partner_id: str) -> bool:
        """Tell whether there may be more to be read of a partner."""
        return partner_id in self._readings

    async def read_on(self, partner_id: str) -> int:
        """Fetch and apply one page of a partner; return how many changes it had.

        A partner that always has more is read again later.

        Raises:
            FederationError: The partner does not give it. The reading has ended.
        """
        reading = self._readings.pop(partner_id, None) or _Reading()
        partner = await self._load(partner_id)
        if partner is None:
            return 0
        after = partner.in_position if reading.after is None else reading.after
        page = await self._fetch(partner, after=after)
        if partner.in_epoch is not None and page.epoch != partner.in_epoch:
            page = await self._fetch(partner, after=0)
        goes_on = bool(page.items)
        if page.items or page.verifying is not None:
            try:
                await self._apply(page, known_peer(partner))
            except ConflictError:
                goes_on = True  # meanwhile our office has ordered to begin anew
        reading.pages += 1
        if goes_on and reading.pages < PULLED_PAGES_MAX:
            if reading.after is not None:
                reading.after = page.last
            self._readings[partner_id] = reading
        elif reading.unverified:
            current = await self._load(partner_id)
            if current is not None and current.verified_at == reading.verified_at:
                self.begin_reading(partner_id, anew=True)
        return len(page.items)

    async def pull(self, partner_id: str, *, anew: bool = False) -> int:
        """Fetch and apply all that a partner has for us; return how many changes.

        Args:
            partner_id: The partner.
            anew: Fetch everything once more, from the beginning.

        Raises:
            FederationError: The partner does not give it.
        """
        self.begin_reading(partner_id, anew=anew)
        changes = 0
        while self.is_reading(partner_id):
            changes += await self.read_on(partner_id)
        return changes

    # Inside

    async def _load(self, partner_id: str) -> Partner | None:
        async with self._context.database.read() as tx:
            return await partner_rows.load_partner(tx, partner_id)

    async def _compare_first(self, partner: Partner) -> None:
        """After a restore, ask a partner what it holds before it is told anything.

        One that does not answer that gets its withdrawals all the same.
        """
        if (
            partner.id in self._unasked
            or not self._may_be_asked(partner)
            or partner.compared_epoch == await self._epoch()
        ):
            return
        try:
            await self._comparing.compare(partner.id)
        except FetchError as error:
            logger.warning("%s does not say what it holds: %s", partner.id, error)
            if not isinstance(error, PermanentFetchError):
                self._unasked[partner.id] = error

    async def _repair(self, partner: Partner) -> None:
        """Find out why both sides differ; whatever comes of it, delivery goes on."""
        current = await self._load(partner.id)
        if current is None or current.acked_seq < current.head_seq:
            return  # what waits may explain it
        if not self._comparing.may_ask(partner.id):
            return
        try:
            await self._comparing.compare(partner.id)
        except FetchError as error:
            logger.warning("no comparison with %s: %s", partner.id, error)

    def _read_unverified(self, partner: Partner) -> None:
        """Read what a partner has of whom nothing was confirmed for long.

        It may not reach us, behind a wall that lets only our requests through; then
        it cannot mend what differs either, and everything is fetched once more.
        """
        since = partner.verified_at or partner.active_since
        if since is None or self._context.clock.now() - since < UNVERIFIED_MAX:
            return
        self._readings.setdefault(
            partner.id, _Reading(unverified=True, verified_at=partner.verified_at)
        )

    async def _epoch(self) -> str:
        async with self._context.database.read() as tx:
            return (await require_node_state(tx)).epoch

    async def _compare_from_there(self, partner: Partner) -> bool:
        """Compare with a partner that knows less of our positions than we thought.

        Those in between may all have been dropped. The page has to cover them, or
        the partner would miss them again and again.
        """
        page = await self._sending.next_page(partner.id, compare=True)
        if page.is_empty and page.verifying is None:
            return False
        return await self._push(partner, page, compare=page.verifying is not None)

    async def _rewind(
        self, partner: Partner, page: OutgoingPage, error: PermanentFetchError
    ) -> None:
        """Go back to the position that a partner says it has reached.

        Raises:
            PermanentFetchError: Its position is not before ours.
            TemporaryFetchError: It has said so too often within an hour.
        """
        if error.position is None or not 0 <= error.position < page.sent.first - 1:
            raise error
        now = self._context.clock.now()
        recent = [
            each
            for each in self._rewound.get(partner.id, [])
            if now - REPAIR_AGAIN < each <= now
        ]
        self._rewound[partner.id] = recent
        gone = await self._sending.rewind(
            partner.id, error.position, may_lose=len(recent) < REWINDS_MAX
        )
        if gone is None:
            raise TemporaryFetchError(
                f"The partner has lost its position {REWINDS_MAX} times within an hour"
                " after it had confirmed it.",
                retry_after=recent[0] + REPAIR_AGAIN - now,
                status=error.status,
                problem_code=PROBLEM_LOST_AGAIN,
            )
        if gone:
            recent.append(now)

    async def _push_withdrawals(self, partner: Partner) -> bool:
        """Deliver a page of withdrawals to a partner that takes nothing else now."""
        page = await self._sending.next_page(partner.id, withdrawals_only=True)
        return not page.is_empty and await self._push(partner, page)

    async def _push(
        self, partner: Partner, page: OutgoingPage, *, compare: bool = False
    ) -> bool:
        receipt = await self._client.push_page(
            known_peer(partner),
            page.document,
            signer=self._context.keys.signer_for(partner),
        )
        if receipt.position < page.sent.first <= page.sent.last:
            raise PermanentFetchError(
                "The partner confirmed nothing of the page.",
                problem_code="no-progress",
            )
        equal = await self._sending.take_receipt(partner.id, receipt, compared=compare)
        logger.info(
            "page %d-%d confirmed by %s, digests %s",
            page.sent.first,
            receipt.position,
            partner.id,
            "equal" if equal else "differ",
        )
        if not equal and page.verifying is not None:
            await self._repair(partner)
        return True

    async def _apply(self, page: Page, peer: KnownPeer) -> None:
        """Apply a pulled page as one that was pushed, with the same decision."""

        async def work(tx: Transaction) -> None:
            # Asked again: the office may have paused or ended it meanwhile.
            partner = await partner_rows.lock_partner(tx, peer.partner_id)
            if partner is None:
                return
            standing = await page_standing(tx, partner, page)
            decided = decide_pulled(page, peer=peer, standing=standing)
            await self._receiving.receive_page(
                tx, partner.id, decided.page, not_remembered=decided.not_remembered
            )

        await self._context.database.write(work)

    async def _fetch(self, partner: Partner, *, after: int) -> Page:
        return await self._client.pull_page(
            known_peer(partner),
            after=after,
            signer=self._context.keys.signer_for(partner),
        )


def _may(state: TrustState, action: TrustAction) -> bool:
    return isinstance(decide_trust(state, action), Allow)
