"""`GET /holdings`: what we hold of the partner that asks, told to it alone.

Nothing is told but ids, versions and hashes that the partner itself has sent us.

Source: SPEC.md FED-155, PRT-054.
"""

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsScope,
    build_holdings,
    build_holdings_page,
)
from federation.exchange import ViewDigest
from federation.inbox import AdmittedHead, require_trust
from federation.json_types import JsonObject
from federation.limits import HOLDINGS_ITEMS_MAX
from federation.looks import PermittedLook, read_holdings
from federation.transport.server import read_request, signed_response
from federation.trust import TrustAction
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.partners.nonces import PendingNonce
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.partners import lock_partner
from node.storage.received import list_held
from node.web.door_guard import ASKED, DoorGuard
from node.web.partner_check import PartnerCheck


class Copies(Protocol):
    """What we hold of partners (node.exchange.receiving)."""

    async def held_view(self, tx: Transaction, partner: Partner) -> ViewDigest:
        """Count it."""
        ...

    async def note_contact(self, tx: Transaction, partner: Partner) -> None:
        """Note that the partner just reached us."""
        ...


@dataclass(frozen=True, slots=True)
class _Told:
    """The answer, and whom it is for."""

    partner: Partner
    document: JsonObject


class HoldingsDoor:
    """Answers with what is held."""

    def __init__(
        self, context: NodeContext, check: PartnerCheck, *, copies: Copies
    ) -> None:
        self._context = context
        self._check = check
        self._copies = copies

    def register(self, app: web.Application, guard: DoorGuard) -> None:
        """Open the door. A signature covers the method; HEAD would need its own."""
        guard.add(app, "/holdings", GET=self.holdings)

    async def holdings(self, request: web.Request, head: AdmittedHead) -> web.Response:
        """Answer with the whole in numbers, or with a part of the list."""
        received = await read_request(
            head,
            request,
            base_url=request[ASKED],
            clock=self._context.clock,
        )
        nonce = self._check.new_nonce()
        admitted = await self._check.admitted_with(request, received, nonce=nonce)
        async with self._check.turn(admitted):
            address = self._context.address.as_known(request[ASKED])
            look = read_holdings(admitted, address=address)
            told = await self._look(nonce, look)
        return signed_response(
            told.document,
            request=received,
            signer=self._context.keys.signer_for(told.partner),
            clock=self._context.clock,
            random=self._context.random,
        )

    async def _look(self, nonce: PendingNonce, look: PermittedLook) -> _Told:
        """Take position, digest and list from one moment."""

        async def work(tx: Transaction) -> _Told:
            await nonce.store(tx)
            partner = await lock_partner(tx, look.peer.partner_id)
            if partner is None:
                msg = f"no partner {look.peer.partner_id}"
                raise LookupError(msg)
            self._check.require_keys_still_count(look.peer, partner)
            require_trust(known_peer(partner), TrustAction.READ_HOLDINGS)
            await self._copies.note_contact(tx, partner)
            if look.scope is None:
                return _Told(partner, await self._whole(tx, partner))
            return _Told(partner, await self._list(tx, partner, look.scope))

        return await self._check.challenged(work, has_body=False)

    async def _whole(self, tx: Transaction, partner: Partner) -> JsonObject:
        return build_holdings(
            Holdings(
                partner.in_epoch,
                partner.in_position,
                await self._copies.held_view(tx, partner),
                self._context.clock.now().replace(microsecond=0),
            ),
            address=self._context.keys.address_for(partner),
            partner=partner.actor_id,
        )

    async def _list(
        self, tx: Transaction, partner: Partner, scope: HoldingsScope
    ) -> JsonObject:
        held: list[HeldEntry] = await list_held(
            tx,
            partner.id,
            bucket=scope.bucket,
            after=scope.after or "",
            limit=HOLDINGS_ITEMS_MAX + 1,
            prefix=None if partner.former_urls else f"{partner.base_url}/entries/",
        )
        return build_holdings_page(
            held[:HOLDINGS_ITEMS_MAX],
            scope=scope,
            more=len(held) > HOLDINGS_ITEMS_MAX,
            address=self._context.keys.address_for(partner),
            partner=partner.actor_id,
            published=self._context.clock.now().replace(microsecond=0),
        )
