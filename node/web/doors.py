"""The doors for other nodes: handshake, inbox, outbox; and where all doors open.

Each handler takes the steps of `federation.inbox` in their order, lets
`federation.decisions` say what follows, and applies it in one transaction together
with the nonce; the answer leaves after the commit. A refusal is a problem document
(RFC 9457) and leaves no row.

Source: SPEC.md PRT-001 to PRT-048, NOD-008.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeVar, assert_never

from aiohttp import web

from federation.handshake import invitation_refused
from federation.ids import NodeAddress
from federation.inbox import (
    AdmittedHead,
    AdmittedRequest,
    ProvenActivity,
    ReceivedRequest,
    claim,
    name_invitation,
    permit,
    prove,
    prove_guest,
    read_activity,
    read_pull,
    require_trust,
)
from federation.json_types import JsonObject
from federation.limits import ACTIVITY_BYTES_MAX
from federation.rates import DoorRates
from federation.transport.server import (
    BodyRoom,
    document_response,
    read_request,
    signed_response,
)
from federation.transport.threads import StepThreads
from federation.trust import TrustAction
from node.exchange.inbox_desk import (
    ActivityRefused,
    ActivityTaken,
    InboxDesk,
    Outcome,
    PageTaken,
)
from node.limits import (
    BODIES_BYTES_MAX,
    BODIES_BYTES_PER_ADDRESS_MAX,
    BODIES_BYTES_PER_PARTNER_MAX,
    INLINE_BODY_BYTES_MAX,
    PROVED_AT_ONCE_MAX,
    STRANGERS_BYTES_MAX,
    STRANGERS_BYTES_PER_ADDRESS_MAX,
)
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.partners.nonces import PendingNonce
from node.storage.database import Transaction
from node.storage.partners import find_invitation, lock_partner
from node.web.client_address import TrustedProxies
from node.web.discovery_doors import DiscoveryDoors
from node.web.door_guard import ASKED, DoorGuard
from node.web.entry_door import EntryDoor
from node.web.holdings_door import HoldingsDoor
from node.web.partner_addresses import PartnerAddresses
from node.web.partner_check import PartnerCheck
from node.web.probes import Probes

if TYPE_CHECKING:
    from node.app import Node

logger = logging.getLogger(__name__)

T = TypeVar("T")

_PRIVATE: Final = {"Cache-Control": "private, no-store"}


def register_doors(
    app: web.Application,
    node: "Node",
    *,
    rates: DoorRates | None = None,
    addresses: PartnerAddresses | None = None,
) -> None:
    """Add the doors of a node to its application.

    Args:
        app: The application.
        node: The node behind the doors.
        rates: How much may come, shared with whoever counts connections.
        addresses: Remembers from where partners come, for whoever counts
            connections.
    """
    context = node.context
    rates = rates or DoorRates(factor=context.config.limits.factor)
    check = PartnerCheck(
        context, rates=rates, addresses=addresses or PartnerAddresses()
    )
    guard = DoorGuard(
        context.address.base_url,
        context.clock,
        former=context.address.former,
        rates=rates,
        proxies=TrustedProxies.of(context.config),
        admit_signed=check.admit_signed,
    )
    DiscoveryDoors(context).register(app, guard)
    _PartnerDoors(node, rates=rates, check=check).register(app, guard)
    EntryDoor(context, check).register(app, guard)
    HoldingsDoor(context, check, copies=node.receiving).register(app, guard)
    Probes(context).register(app)


class _PartnerDoors:
    """The doors through which something comes in, and the pull."""

    def __init__(self, node: "Node", *, rates: DoorRates, check: PartnerCheck) -> None:
        self._node = node
        self._context = node.context
        self._address = node.context.address
        self._rates = rates
        self._check = check
        self._desk = InboxDesk(
            node.context,
            pages=node.receiving,
            notices=node.partners,
            messages=node.conversations,
        )
        self._room = BodyRoom(
            total=BODIES_BYTES_MAX,
            per_sender=BODIES_BYTES_PER_ADDRESS_MAX,
            per_peer=BODIES_BYTES_PER_PARTNER_MAX,
        )
        self._room_of_strangers = BodyRoom(
            total=STRANGERS_BYTES_MAX, per_sender=STRANGERS_BYTES_PER_ADDRESS_MAX
        )
        self._proving = StepThreads(
            PROVED_AT_ONCE_MAX, name="proofs", executor=self._context.threads
        )

    def register(self, app: web.Application, guard: DoorGuard) -> None:
        """Open the doors."""
        app.on_cleanup.append(self._close)
        guard.add(app, "/partner-requests", POST=self.partner_request)
        guard.add(app, "/inbox", POST=self.inbox)
        # A signature covers the method; HEAD would need its own.
        guard.add(app, "/outbox", GET=self.outbox)

    async def partner_request(
        self, request: web.Request, head: AdmittedHead
    ) -> web.Response:
        """Take the request of a guest with one of our invitations."""
        self._rates.admit_guest(head.head.sender, now=head.head.received_at)
        received = await read_request(
            head,
            request,
            base_url=self._address.base_url,
            clock=self._context.clock,
            bytes_max=ACTIVITY_BYTES_MAX,
            room=self._room_of_strangers,
        )
        claimed = claim(received)
        named = await self._beside(received, lambda: name_invitation(claimed))
        async with self._context.database.read() as tx:
            if await find_invitation(tx, named.invitation) is None:
                raise invitation_refused()
        allow_loopback = self._context.config.network.allow_loopback_http
        asked = await self._proving.run(
            lambda: prove_guest(
                named, address=self._address, allow_loopback_http=allow_loopback
            )
        )

        async def work(tx: Transaction) -> Partner:
            return await self._node.partners.receive_request(tx, asked)

        partner = await self._context.database.write(work)
        logger.info("partner request taken from %s", partner.id)
        answer: JsonObject = {"type": "PartnerRequestReceived", "object": asked.id}
        return document_response(answer, status=202)

    async def inbox(self, request: web.Request, head: AdmittedHead) -> web.Response:
        """Take a page, answered with a receipt, or a single activity."""
        signed = await self._check.signed_head(head)
        received = await read_request(
            head,
            request,
            base_url=request[ASKED],
            clock=self._context.clock,
            before_long_body=None if signed else self._check.require_signed_head,
            # Strangers who fill their room leave the partners' one free.
            room=self._room_of_strangers if signed is None else self._room,
            peer="" if signed is None else signed.peer.partner_id,
        )
        nonce = self._check.new_nonce()
        admitted = await self._check.admitted_with(
            request, received, nonce=nonce, signed=signed
        )
        async with self._check.turn(admitted):
            proven = await self._proven(admitted, self._named(request))
            present = request[ASKED] == self._address.base_url
            outcome = await self._apply(nonce, proven, present=present)
        match outcome:
            case PageTaken(receipt=receipt):
                return document_response(receipt.raw)
            case ActivityTaken():
                return web.Response(status=202, headers=_PRIVATE)
            case ActivityRefused(error=error):
                raise error
            case _:
                assert_never(outcome)

    async def outbox(self, request: web.Request, head: AdmittedHead) -> web.Response:
        """Answer a partner's pull with the page after its position, signed."""
        received = await read_request(
            head,
            request,
            base_url=request[ASKED],
            clock=self._context.clock,
        )
        nonce = self._check.new_nonce()
        admitted = await self._check.admitted_with(request, received, nonce=nonce)
        async with self._check.turn(admitted):
            pull = read_pull(admitted, address=self._named(request))

            async def work(tx: Transaction) -> Partner:
                await nonce.store(tx)
                partner = await lock_partner(tx, pull.peer.partner_id)
                if partner is None:
                    msg = f"no partner {pull.peer.partner_id}"
                    raise LookupError(msg)
                self._check.require_keys_still_count(pull.peer, partner)
                require_trust(known_peer(partner), TrustAction.PULL_PAGE)
                await self._node.receiving.note_contact(tx, partner)
                return partner

            partner = await self._check.challenged(work, has_body=False)
            page = await self._node.sending.next_page(
                pull.peer.partner_id, after=pull.after
            )
        return signed_response(
            page.document,
            request=received,
            signer=self._context.keys.signer_for(partner),
            clock=self._context.clock,
            random=self._context.random,
        )

    def _named(self, request: web.Request) -> NodeAddress:
        """Return our addresses as the one who asks knows them."""
        return self._address.as_known(request[ASKED])

    # -- steps ------------------------------------------------------------------

    async def _proven(
        self, admitted: AdmittedRequest, address: NodeAddress
    ) -> ProvenActivity:
        """Take the costly steps; two hundred proofs take a while."""
        request, sender = admitted.request, admitted.peer.partner_id
        read = await self._beside(
            request, lambda: read_activity(admitted), sender=sender
        )
        permitted = permit(read, rates=self._rates, now=self._context.clock.now())
        return await self._beside(
            request, lambda: prove(permitted, address=address), sender=sender
        )

    async def _apply(
        self, nonce: PendingNonce, proven: ProvenActivity, *, present: bool
    ) -> Outcome:
        async def work(tx: Transaction) -> Outcome:
            return await self._desk.take(tx, nonce, proven, present=present)

        return await self._check.challenged(work, has_body=True)

    async def _beside(
        self,
        request: ReceivedRequest,
        step: Callable[[], T],
        *,
        sender: str | None = None,
    ) -> T:
        """Run a step beside the event loop, unless it is short."""
        if len(request.body) <= INLINE_BODY_BYTES_MAX:
            return step()
        return await self._proving.run(step, sender=sender)

    async def _close(self, _app: web.Application) -> None:
        self._proving.close()
