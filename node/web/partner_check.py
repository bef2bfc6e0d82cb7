"""Which partner asks, at any door, and whether it has asked too much."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar
from weakref import WeakValueDictionary

from aiohttp import web

from federation.decisions import require_keys_still_count
from federation.errors import SignatureInvalidError
from federation.inbox import (
    AdmittedHead,
    AdmittedRequest,
    ReceivedRequest,
    RequestHead,
    SignedHead,
    admit_partner,
    authenticate_claim,
    claim,
)
from federation.peers import KnownPeer
from federation.rates import DoorRates, too_many
from federation.signatures.http import accept_signature
from federation.signed_heads import admit_signed, require_signed_head, signed_head
from node.limits import PARTNER_REQUESTS_AT_ONCE_MAX, RETRY_SOON
from node.partners.directory import PinnedPeers, known_peer
from node.partners.model import Partner
from node.partners.nonces import PendingNonce
from node.ports import NodeContext
from node.storage.database import Work
from node.web.door_guard import VISIT
from node.web.partner_addresses import PartnerAddresses

T = TypeVar("T")


class PartnerCheck:
    """The steps from a received request to an admitted partner's.

    Args:
        context: The node.
        rates: How much may come.
        addresses: Remembers from where partners come.
    """

    def __init__(
        self, context: NodeContext, *, rates: DoorRates, addresses: PartnerAddresses
    ) -> None:
        self._context = context
        self._peers = PinnedPeers(context.database)
        self._rates = rates
        self._addresses = addresses
        self._present: dict[str, int] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def new_nonce(self) -> PendingNonce:
        """Return what remembers the nonce of one request."""
        return PendingNonce(
            self._context.database, restored_at=self._context.restored_at
        )

    async def require_signed_head(self, head: AdmittedHead) -> None:
        """Refuse a request that no partner has signed, before its body is read."""
        await require_signed_head(head, peers=self._peers)

    async def signed_head(self, head: AdmittedHead) -> SignedHead | None:
        """Return which partner has signed a request's head, None if none has."""
        return await signed_head(head, peers=self._peers)

    async def admit_signed(self, head: RequestHead) -> AdmittedHead | None:
        """Let a partner's request in although its address has sent too many."""
        return await admit_signed(head, peers=self._peers, rates=self._rates)

    async def admitted(
        self, request: web.Request, received: ReceivedRequest
    ) -> AdmittedRequest:
        """Find out who asks, and use up the nonce at once.

        Raises:
            PeerError: 401 as `claim` and `authenticate_claim`, 429 too many.
        """
        nonce = self.new_nonce()
        admitted = await self.admitted_with(request, received, nonce=nonce)
        await self.challenged(nonce.store, has_body=False)
        return admitted

    async def admitted_with(
        self,
        request: web.Request,
        received: ReceivedRequest,
        *,
        nonce: PendingNonce,
        signed: SignedHead | None = None,
    ) -> AdmittedRequest:
        """Find out who asks; the caller stores the nonce with the effect.

        Args:
            request: At the door.
            received: The same, read to its end.
            nonce: Of the request.
            signed: From `signed_head`, so that it is not verified twice.

        Raises:
            PeerError: 401 as `claim` and `authenticate_claim`, 429 too many.
        """
        known = await authenticate_claim(
            claim(received), peers=self._peers, nonces=nonce, signed=signed
        )
        visit = request[VISIT]
        visit.peer = known.peer.partner_id
        if visit.is_direct:
            self._addresses.note(visit.key, now=self._context.clock.now())
        return admit_partner(known, rates=self._rates)

    def require_keys_still_count(self, then: KnownPeer, now: Partner) -> None:
        """Refuse a GET whose key has ended since it was admitted.

        Args:
            then: Who was admitted.
            now: The same partner in the transaction of the answer.

        Raises:
            SignatureInvalidError: One of its keys has ended meanwhile.
        """
        try:
            require_keys_still_count(then, known_peer(now))
        except SignatureInvalidError as error:
            error.challenge = accept_signature(has_body=False)
            raise

    @contextmanager
    def one_of_few(self, partner_id: str) -> Iterator[None]:
        """Count a partner's requests that are being handled.

        Raises:
            RateLimitError: There are too many at once.
        """
        if self._present.get(partner_id, 0) >= PARTNER_REQUESTS_AT_ONCE_MAX:
            raise too_many(RETRY_SOON, text="Too many requests at once.")
        self._present[partner_id] = self._present.get(partner_id, 0) + 1
        try:
            yield
        finally:
            self._present[partner_id] -= 1
            if not self._present[partner_id]:
                del self._present[partner_id]

    @asynccontextmanager
    async def turn(self, admitted: AdmittedRequest) -> AsyncIterator[None]:
        """Handle one request of a partner after the other.

        So a partner that sends without end waits for itself, and others do not.

        Raises:
            RateLimitError: There are too many at once.
        """
        partner_id = admitted.peer.partner_id
        with self.one_of_few(partner_id):
            turn = self._turns.setdefault(partner_id, asyncio.Lock())
            async with turn:
                yield

    async def challenged(self, work: Work[T], *, has_body: bool) -> T:
        """Run work in a transaction; a 401 out of it says what we accept."""
        try:
            return await self._context.database.write(work)
        except SignatureInvalidError as error:
            error.challenge = accept_signature(has_body=has_body)
            raise
