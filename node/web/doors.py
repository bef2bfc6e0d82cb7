"""The doors for other nodes: discovery, handshake, inbox, outbox, entries.

Each handler reads the raw bytes, lets `federation` prove who sent what, and
applies it in one transaction together with the nonce; the answer leaves after
the commit. A refusal is a problem document (RFC 9457) and leaves no row.

Source: SPEC.md PRT-001 to PRT-043, NOD-008.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias, TypeVar, assert_never

from aiohttp import web

from federation import discovery
from federation.documents.actor import build_actor
from federation.documents.message import Message
from federation.documents.notice import Notice, NoticeType
from federation.documents.page import Page
from federation.documents.signed import SignedDocument
from federation.errors import (
    MalformedError,
    NotFoundError,
    PeerError,
    SignatureInvalidError,
)
from federation.handshake import invitation_refused
from federation.ids import is_local_id
from federation.inbox import (
    AuthenticatedRequest,
    ReceivedRequest,
    authenticate,
    authenticate_get,
    named_invitation,
    parse_inbox,
    receive_partner_request,
    require_known_key,
    require_trust,
)
from federation.json_types import JsonObject
from federation.limits import ACTIVITY_BYTES_MAX
from federation.signatures.http import accept_signature
from federation.transport.server import (
    document_response,
    problem_response,
    received_request,
    signed_response,
)
from federation.trust import Refuse, TrustAction, decide_trust
from node.errors import NodeError
from node.partners.directory import PinnedPeers, known_peer
from node.partners.model import Partner
from node.partners.nonces import PendingNonce
from node.partners.own_actor import own_actor
from node.storage.database import Transaction, Work
from node.storage.entries import load_entry
from node.storage.ledger import UPSERT, rows_of_entry
from node.storage.node_state import load_node_state
from node.storage.nonces import add_processed
from node.storage.partners import find_invitation, load_partner, lock_partner
from node.visibility import PartnerViewer, PublicViewer, decide_entry

if TYPE_CHECKING:
    from node.app import Node

logger = logging.getLogger(__name__)

T = TypeVar("T")
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]

_PROBE_HOLDS = timedelta(seconds=1)
_VARY = {"Vary": "Accept, Signature, Signature-Input"}
_FOR_EVERYBODY = {"Access-Control-Allow-Origin": "*", "Cache-Control": "max-age=300"}
_NOTICE_ACTIONS = {
    NoticeType.ACCEPT: TrustAction.NOTICE_ACCEPT,
    NoticeType.REJECT: TrustAction.NOTICE_REJECT,
    NoticeType.LEAVE: TrustAction.NOTICE_LEAVE,
}


def register_doors(app: web.Application, node: "Node") -> None:
    """Add the doors of a node to its application."""
    doors = _Doors(node)
    router = app.router
    router.add_get("/actor", _guarded(doors.actor))
    router.add_get("/.well-known/webfinger", _guarded(doors.webfinger))
    router.add_get("/.well-known/nodeinfo", _guarded(doors.nodeinfo_links))
    router.add_get("/nodeinfo/2.1", _guarded(doors.nodeinfo))
    router.add_post("/partner-requests", _guarded(doors.partner_request))
    router.add_post("/inbox", _guarded(doors.inbox))
    # A signature covers the method; HEAD would need its own.
    router.add_get("/outbox", _guarded(doors.outbox), allow_head=False)
    router.add_get("/entries/{id}", _guarded(doors.entry), allow_head=False)
    router.add_get("/livez", doors.livez)
    router.add_get("/readyz", doors.readyz)


def _guarded(handler: Handler) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except PeerError as error:
            logger.info("refused %s: %d %s", request.path, error.status, error.code)
            return problem_response(error)

    return answer


@dataclass(frozen=True, slots=True)
class _Probe:
    """What a look at the database found, and when."""

    at: datetime
    trouble: str | None


class _Doors:
    """The handlers, with the node behind them."""

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._context = node.context
        self._address = node.context.address
        self._peers = PinnedPeers(node.context.database)
        self._probing = asyncio.Lock()
        self._probed: _Probe | None = None

    # -- for everybody ----------------------------------------------------------

    async def actor(self, _request: web.Request) -> web.Response:
        """Answer with our actor document; readable without a signature."""
        async with self._context.database.read() as tx:
            actor = await own_actor(tx, self._context)
        return document_response(build_actor(actor), headers=_FOR_EVERYBODY)

    async def webfinger(self, request: web.Request) -> web.Response:
        """Answer a WebFinger query about the node."""
        resources = request.query.getall("resource", [])
        if len(resources) > 1:
            raise MalformedError("Name one resource only.")
        document = discovery.webfinger(
            resources[0] if resources else None,
            address=self._address,
            rels=request.query.getall("rel", []),
        )
        return document_response(
            document, content_type=discovery.JRD_JSON, headers=_FOR_EVERYBODY
        )

    async def nodeinfo_links(self, _request: web.Request) -> web.Response:
        """Answer where our NodeInfo document is."""
        return document_response(
            discovery.nodeinfo_links(self._address),
            content_type="application/json",
            headers=_FOR_EVERYBODY,
        )

    async def nodeinfo(self, _request: web.Request) -> web.Response:
        """Answer with our NodeInfo document; it holds no statistics."""
        async with self._context.database.read() as tx:
            actor = await own_actor(tx, self._context)
        document = discovery.nodeinfo(
            address=self._address,
            version=version("spalier"),
            name=actor.name,
            description=actor.card.field or "",
        )
        return document_response(
            document, content_type=discovery.NODEINFO_JSON, headers=_FOR_EVERYBODY
        )

    async def livez(self, _request: web.Request) -> web.Response:
        """Answer while the process lives."""
        return web.Response(text="ok\n")

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 only while the database can be read and written.

        The finding holds for a second: whoever asks without end, waits without
        keeping the node from writing.
        """
        async with self._probing:
            now = self._context.clock.now()
            if self._probed is None or not (
                timedelta() <= now - self._probed.at < _PROBE_HOLDS
            ):
                self._probed = _Probe(now, await self._probe())
        return web.Response(
            status=503 if self._probed.trouble else 200,
            text=f"{self._probed.trouble or 'ready'}\n",
        )

    async def _probe(self) -> str | None:
        """Return the code of what keeps the node from working, if anything does."""
        try:
            await self._context.database.write(_readable)
        except NodeError as error:
            return error.code
        except Exception:
            logger.exception("the node is not ready")
            return "storage-unavailable"
        return None

    # -- for other nodes --------------------------------------------------------

    async def partner_request(self, request: web.Request) -> web.Response:
        """Take the request of a guest with one of our invitations."""
        received = await received_request(
            request,
            base_url=self._address.base_url,
            clock=self._context.clock,
            bytes_max=ACTIVITY_BYTES_MAX,
        )
        invitation = await asyncio.to_thread(named_invitation, received)
        async with self._context.database.read() as tx:
            if await find_invitation(tx, invitation) is None:
                raise invitation_refused()
        asked = await asyncio.to_thread(
            receive_partner_request,
            received,
            address=self._address,
            allow_loopback_http=self._context.config.network.allow_loopback_http,
        )

        async def work(tx: Transaction) -> Partner:
            return await self._node.partners.receive_request(tx, asked)

        partner = await self._context.database.write(work)
        logger.info("partner request taken from %s", partner.id)
        answer: JsonObject = {"type": "PartnerRequestReceived", "object": asked.id}
        return document_response(answer, status=202)

    async def inbox(self, request: web.Request) -> web.Response:
        """Take a page, answered with a receipt, or a single activity."""

        async def require_peer(head: ReceivedRequest) -> None:
            await require_known_key(head, peers=self._peers)

        received = await received_request(
            request,
            base_url=self._address.base_url,
            clock=self._context.clock,
            before_long_body=require_peer,
        )
        nonce = PendingNonce(self._context.database)
        authenticated = await authenticate(received, peers=self._peers, nonces=nonce)
        # Two hundred proofs take a while; other requests go on meanwhile.
        content = await asyncio.to_thread(
            parse_inbox, authenticated, address=self._address
        )
        if isinstance(content, Page):
            receipt = await self._take_page(authenticated, nonce, content)
            return document_response(receipt.raw)
        await self._take_activity(authenticated, nonce, content)
        return web.Response(status=202, headers={"Cache-Control": "private, no-store"})

    async def outbox(self, request: web.Request) -> web.Response:
        """Answer a partner's pull with the page after its position, signed."""
        received = await received_request(
            request, base_url=self._address.base_url, clock=self._context.clock
        )
        nonce = PendingNonce(self._context.database)
        pull = await authenticate_get(
            received, peers=self._peers, nonces=nonce, address=self._address
        )

        async def work(tx: Transaction) -> None:
            await nonce.store(tx)
            partner = await self._partner(tx, pull.peer.partner_id)
            require_trust(known_peer(partner), TrustAction.PULL_PAGE)
            await self._node.receiving.note_contact(tx, partner)

        await self._challenged(work, has_body=False)
        page = await self._node.sending.next_page(
            pull.peer.partner_id, after=pull.after
        )
        return signed_response(
            page.document,
            request=received,
            signer=self._context.signer,
            clock=self._context.clock,
            random=self._context.random,
        )

    async def entry(self, request: web.Request) -> web.Response:
        """Answer with an entry's signed document to whoever may see it now.

        Hidden and absent are the same answer. A partner gets the version that the
        ledger says it is told, and only while it may be told anything, so that no
        copy exists that we could not take back.
        """
        local_id = request.match_info["id"]
        if _wants_page(request) and is_local_id(local_id):
            # The same for every id, so it says nothing about any.
            raise web.HTTPSeeOther(f"/e/{local_id}")
        received = await received_request(
            request, base_url=self._address.base_url, clock=self._context.clock
        )
        partner_id = None
        if "Signature-Input" in request.headers:
            nonce = PendingNonce(self._context.database)
            known = await authenticate(received, peers=self._peers, nonces=nonce)
            await self._challenged(nonce.store, has_body=False)
            partner_id = known.peer.partner_id
        document = await self._visible_document(local_id, partner_id=partner_id)
        if document is None:
            raise NotFoundError("There is no such entry.")
        return document_response(document, headers=_VARY)

    # -- steps ------------------------------------------------------------------

    async def _take_page(
        self, authenticated: AuthenticatedRequest, nonce: PendingNonce, page: Page
    ) -> SignedDocument:
        action = (
            TrustAction.PUSH_WITHDRAWALS
            if page.only_withdraws
            else TrustAction.PUSH_PAGE
        )

        async def work(tx: Transaction) -> SignedDocument:
            await nonce.store(tx)
            partner = await self._partner(tx, authenticated.peer.partner_id)
            require_trust(known_peer(partner), action)
            return await self._node.receiving.receive_page(tx, partner.id, page)

        return await self._challenged(work, has_body=True)

    async def _take_activity(
        self,
        authenticated: AuthenticatedRequest,
        nonce: PendingNonce,
        activity: Message | Notice,
    ) -> None:
        async def work(tx: Transaction) -> None:
            await nonce.store(tx)
            partner = await self._partner(tx, authenticated.peer.partner_id)
            is_new = await add_processed(
                tx,
                activity.id,
                partner_id=partner.id,
                at=self._context.clock.now(),
            )
            if is_new:
                require_trust(known_peer(partner), _action_of(activity))
                await self._apply(tx, partner, activity)
            # Answered as before, without effect, if it came again.
            await self._node.receiving.note_contact(tx, partner)

        await self._challenged(work, has_body=True)

    async def _apply(
        self, tx: Transaction, partner: Partner, activity: Message | Notice
    ) -> None:
        match activity:
            case Message():
                await self._node.conversations.receive_message(tx, partner, activity)
            case Notice():
                await self._node.partners.receive_notice(tx, partner, activity)
            case _:
                assert_never(activity)

    async def _partner(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            raise SignatureInvalidError(
                "The key is not known here.", code="unknown-key"
            )
        return partner

    async def _visible_document(
        self, local_id: str, *, partner_id: str | None
    ) -> bytes | None:
        if not is_local_id(local_id):
            return None
        today = self._context.clock.now().date()
        async with self._context.database.read() as tx:
            entry = await load_entry(tx, self._address, local_id)
            if entry is None or entry.document is None:
                return None
            if decide_entry(entry, PublicViewer(), today).visible:
                return entry.document
            if partner_id is None:
                return None
            partner = await load_partner(tx, partner_id)
            told = (await rows_of_entry(tx, entry.id)).get(partner_id)
        if partner is None or told is None:
            return None
        if isinstance(decide_trust(partner.state, TrustAction.BE_TOLD), Refuse):
            return None
        viewer = PartnerViewer(partner.id, partner.state)
        was_told = (
            told.op == UPSERT
            and told.told_at is not None
            and told.version == entry.version
        )
        if was_told and decide_entry(entry, viewer, today).visible:
            return entry.document
        return None

    async def _challenged(self, work: Work[T], *, has_body: bool) -> T:
        """Run work in a transaction; a 401 out of it says what we accept."""
        try:
            return await self._context.database.write(work)
        except SignatureInvalidError as error:
            error.challenge = accept_signature(has_body=has_body)
            raise


def _action_of(activity: Message | Notice) -> TrustAction:
    if isinstance(activity, Message):
        return TrustAction.MESSAGE
    return _NOTICE_ACTIONS[activity.type]


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")


async def _readable(tx: Transaction) -> None:
    """Take the write lock and read the node's own row: both have to work."""
    if await load_node_state(tx) is None:
        msg = "the database belongs to no node"
        raise LookupError(msg)
