"""Deliver pages to a partner, fetch its own, and compare where that is due.

Source: SPEC.md PRT-028, PRT-015, FED-151, FED-156 to FED-158.
"""

import logging
from typing import Final, Protocol

from federation.decisions import decide_pulled
from federation.documents import Page, Receipt
from federation.errors import FederationError, FetchError, PermanentFetchError
from federation.json_types import JsonObject
from federation.keys import Signer
from federation.limits import CHECK_AFTER, CHECK_SPREAD
from federation.negotiation import Capability
from federation.peers import KnownPeer, RemotePeer
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

UNVERIFIED_MAX: Final = 2 * (CHECK_AFTER + CHECK_SPREAD)
PROBLEM_GAP: Final = "position-gap"
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
        due = partner.next_check_at
        return (
            (due is None or due <= self._context.clock.now())
            and partner.has(Capability.PAGES)
            and self._sending.may_tell(partner, epoch=epoch)
        )

    async def deliver(self, partner: Partner) -> bool:
        """Deliver one page, or compare; say whether that brought us further.

        Raises:
            FederationError: The partner has not taken it.
        """
        await self._compare_first(partner)
        partner = await self._load(partner.id) or partner  # as it was compared
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
                await self._pull_unverified(partner)
            return progress
        except PermanentFetchError as error:
            if error.problem_code == PROBLEM_GAP:
                await self._rewind(partner, page, error)
                return not compare or await self._compare_from_there(partner)
            if error.problem_code not in PROBLEMS_HELD:
                raise
            await self._push_withdrawals(partner)
            raise

    async def pull(self, partner_id: str, *, anew: bool = False) -> int:
        """Fetch and apply what a partner has for us; return how many changes.

        Args:
            partner_id: The partner.
            anew: Fetch everything once more, from the beginning.
        """
        changes, begin = 0, 0 if anew else None
        for _ in range(PULLED_PAGES_MAX):
            partner = await self._load(partner_id)
            if partner is None:
                return changes
            after = partner.in_position if begin is None else begin
            page = await self._fetch(partner, after=after)
            if partner.in_epoch is not None and page.epoch != partner.in_epoch:
                page = await self._fetch(partner, after=0)
            if not page.items and page.verifying is None:
                return changes
            await self._apply(page, known_peer(partner))
            changes += len(page.items)
            if not page.items:
                return changes
            begin = page.last if anew else None
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
            not self._may_be_asked(partner)
            or partner.compared_epoch == await self._epoch()
        ):
            return
        try:
            await self._comparing.compare(partner.id)
        except PermanentFetchError as error:
            logger.warning("%s does not say what it holds: %s", partner.id, error)

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

    async def _pull_unverified(self, partner: Partner) -> None:
        """Fetch from a partner of whom nothing was confirmed for long.

        It may not reach us, behind a wall that lets only our requests through; then
        it cannot mend what differs either, and everything is fetched once more.
        """
        since = partner.verified_at or partner.active_since
        if since is None or self._context.clock.now() - since < UNVERIFIED_MAX:
            return
        try:
            await self.pull(partner.id)
            current = await self._load(partner.id)
            if current is not None and current.verified_at == partner.verified_at:
                await self.pull(partner.id, anew=True)
        except FederationError as error:
            logger.info("nothing pulled from %s: %s", partner.id, error)

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
        if error.position is None or not 0 <= error.position < page.sent.first - 1:
            raise error
        await self._sending.rewind(partner.id, error.position)

    async def _push_withdrawals(self, partner: Partner) -> None:
        """Deliver withdrawals to a partner that takes nothing else now."""
        while True:
            page = await self._sending.next_page(partner.id, withdrawals_only=True)
            if page.is_empty:
                return
            await self._push(partner, page)

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
