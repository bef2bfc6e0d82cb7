"""A little node that can be made to behave wrongly, one behaviour at a time.

Built from `federation`, kept in memory. Without bugs every check has to pass; each
bug is one thing that a second implementation could get wrong.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from federation import discovery
from federation.canonical import canonical_bytes
from federation.decisions import AnsweredBefore, Standing, decide
from federation.documents import (
    ActorDocument,
    ActorUpdate,
    EntryDocument,
    Message,
    Notice,
    NoticeType,
    Page,
    PartnerRequest,
    Receipt,
    Refusal,
    Signer,
    Upsert,
    Verifying,
    WithdrawalMode,
    build_actor,
    build_entry,
    build_notice,
    build_page,
    build_receipt,
    verify_invitation,
)
from federation.documents.signed import SignedDocument
from federation.errors import (
    ConflictError,
    FederationError,
    NotFoundError,
    NotPermittedError,
    PeerError,
    SchemaInvalidError,
    SlowRequestError,
)
from federation.exchange import (
    Gap,
    HeldPosition,
    HeldState,
    HeldVersion,
    Quarantine,
    Remove,
    Store,
    decide_continuity,
    digest_of,
    position_gap,
)
from federation.handshake import format_code, invitation_id, invitation_refused
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.inbox import (
    ReceivedRequest,
    admit,
    admit_partner,
    authenticate,
    claim,
    name_invitation,
    permit,
    prove,
    prove_guest,
    read_pull,
)
from federation.key_changes import (
    KeyChangeIgnored,
    KeyChangeRefused,
    KeysAccepted,
    KeySuspended,
    decide_key_change,
)
from federation.keys import SigningKey
from federation.limits import ACTIVITY_BYTES_MAX, PAGE_BYTES_MAX
from federation.looks import read_holdings
from federation.peers import KnownPeer, PinnedKey
from federation.rates import DoorRates
from federation.signed_heads import require_signed_head
from federation.transport.client import FederationClient
from federation.transport.server import (
    document_response,
    problem_response,
    read_request,
    request_head,
    signed_response,
)
from federation.trust import TrustState
from federation.version import Version
from node.clock import SystemClock, SystemRandom
from tests.unit.node.conform.bugs import BUGS
from tests.unit.node.conform.little_holdings import told_of
from tests.unit.node.conform.little_mistakes import (
    decision_of,
    has_update,
    read_with,
)

SECRET = b"\x00\x11\x22\x33\x44\x55\x66\x77\x88\x99"
EPOCH = "0123456789abcdef" * 2
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def _what_arrives(request: web.Request) -> bytes:
    """Read a body, and wait for no more of it than comes at once."""
    if request.method == "GET":
        return b""
    try:
        async with asyncio.timeout(0.6):
            return await request.read()
    except TimeoutError:
        return b""


class LittleHost:
    """The node, at `base_url` while `serving`."""

    def __init__(self, port: int, *bugs: str) -> None:
        assert set(bugs) <= BUGS.keys()
        self.bugs = frozenset(bugs)
        self.clock, self.random = SystemClock(), SystemRandom()
        self.port = port
        self.address = NodeAddress(BaseUrl(f"http://127.0.0.1:{port}"))
        self.signer = Signer(self.address, SigningKey.generate(self.random), 1)
        self.actor = ActorDocument(
            base_url=self.address.base_url,
            name="Kleines Netz",
            keys=(PinnedKey(self.signer.key_id, self.signer.key.public_key),),
        )
        self.code = format_code(self.address.base_url, SECRET)
        self.entry = self._entry("Nur für Partner")
        self.other = self._entry("Ein anderer")
        self.guest: PartnerRequest | None = None
        self.peer: KnownPeer | None = None
        self.position: HeldPosition | None = None
        self.held: dict[str, HeldVersion] = {}
        self.reasons: dict[str, str] = {}
        self.seen: set[str] = set()
        self.nonces: set[tuple[str, str]] = set()
        self.rates = DoorRates(factor=1e6)
        self.tasks: set[asyncio.Task[None]] = set()
        self.updated: datetime | None = None
        self.count = 0

    def _entry(self, summary: str) -> SignedDocument:
        content: dict[str, Any] = {
            "kind": "technology_offer",
            "title": {"de": "Ein Angebot"},
            "summary": {"de": summary},
            "valid_until": "2030-01-01",
            "partnership_types": ["service"],
        }
        entry = EntryDocument.from_content(
            content,
            id=self.address.entry(random_id(self.random)),
            version=Version(1, 1),
            published=NOW,
            updated=NOW,
        )
        return build_entry(entry, signer=self.signer, created=NOW)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[LittleHost]:
        app = web.Application(client_max_size=2 * PAGE_BYTES_MAX)
        for method, path, handler in (
            ("*", "/actor", self.serve_actor),
            ("GET", "/.well-known/webfinger", self.webfinger),
            ("GET", "/.well-known/nodeinfo", self.nodeinfo_links),
            ("GET", "/nodeinfo/2.1", self.nodeinfo),
            ("*", "/partner-requests", self.partner_request),
            ("*", "/inbox", self.inbox),
            ("*", "/outbox", self.outbox),
            ("*", "/holdings", self.holdings),
            ("GET", "/entries/{id}", self.serve_entry),
        ):
            app.router.add_route(method, path, self._guarded(handler))
        app.on_response_prepare.append(self._finish)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", self.port).start()
        try:
            yield self
        finally:
            for task in self.tasks:
                task.cancel()
            await asyncio.gather(*self.tasks, return_exceptions=True)
            await runner.cleanup()

    async def _finish(self, _request: Any, response: web.StreamResponse) -> None:
        if "clock-off" in self.bugs:
            response.headers["Date"] = "Sat, 21 Nov 2020 10:00:00 GMT"
        if "faults" in self.bugs:
            response.headers.add("Set-Cookie", "seen=1")

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            self.count += 1
            if "faults" in self.bugs and self.count == 20:
                raise web.HTTPInternalServerError
            if "faults" in self.bugs and self.count == 22:
                return web.Response(status=429)
            if "mute" in self.bugs and self.count == 20:
                assert request.transport is not None
                request.transport.abort()
            try:
                return await handler(request)
            except PeerError as error:
                guest = request.path == "/partner-requests"
                bug = "forgives-guests" if guest else "forgives"
                if bug in self.bugs:
                    return web.Response(status=202 if guest else 200)
                return problem_response(error)

        return answer

    # -- what everybody may read ------------------------------------------------

    async def serve_actor(self, request: web.Request) -> web.Response:
        document = build_actor(self.actor)
        if "actor-odd" in self.bugs:
            odd: dict[str, Any] = {
                **document,
                "@context": "https://www.w3.org/ns/activitystreams",
                "webfinger": "cluster@elsewhere.example",
                "generator": {"type": "Application", "implements": []},
            }
            return web.Response(status=203, text=json.dumps(odd))
        if "actor-fraction" in self.bugs:
            return web.Response(text='{"founded": 1999.5}')
        if "actor-old" in self.bugs:
            return web.Response(
                status=200 if request.method == "GET" else 201,
                body=canonical_bytes(document),
                content_type="application/activity+json",
            )
        if request.method not in {"GET", "HEAD"}:
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
        headers = {"ETag": '"1"', "Cache-Control": "max-age=300"}
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304, headers=headers)
        return document_response(document, headers=headers)

    async def webfinger(self, request: web.Request) -> web.Response:
        if "discovery-odd" in self.bugs:
            return web.Response(text='{"links": [{"rel": "other"}]}')
        document = discovery.webfinger(
            request.query.get("resource"),
            address=self.address,
            rels=request.query.getall("rel", []),
        )
        headers = {"Access-Control-Allow-Origin": "*"}
        return document_response(
            document, content_type=discovery.JRD_JSON, headers=headers
        )

    async def nodeinfo_links(self, _request: web.Request) -> web.Response:
        links = discovery.nodeinfo_links(self.address)
        if "discovery-odd" in self.bugs:
            href = f"http://localhost:{self.port}/nodeinfo/2.1"
            links = {"links": [{"rel": discovery.NODEINFO_REL, "href": href}]}
            if self.count % 2:
                return web.Response(text="{}")
        return document_response(links, content_type="application/json")

    async def nodeinfo(self, _request: web.Request) -> web.Response:
        document = discovery.nodeinfo(
            address=self.address, version="1", name=self.actor.name, description=""
        )
        if "actor-old" in self.bugs:
            users = {"users": {"total": 12}}
            document |= {"usage": users, "version": "2.0", "metadata": {}}
        return document_response(document, content_type=discovery.NODEINFO_JSON)

    # -- the steps of the doors -------------------------------------------------

    async def _received(self, request: web.Request) -> ReceivedRequest:
        head = request_head(
            request, base_url=self.address.base_url, sender="", clock=self.clock
        )
        if "lax-http" in self.bugs:
            return ReceivedRequest(
                method=head.method,
                target_uri=f"{self.address.base_url}{request.rel_url}",
                headers=tuple(dict(head.headers).items()),
                body=await _what_arrives(request),
                received_at=self.clock.now(),
            )
        try:
            async with asyncio.timeout(1.5):
                return await read_request(
                    admit(head, rates=self.rates),
                    request,
                    base_url=self.address.base_url,
                    clock=self.clock,
                    bytes_max=(
                        ACTIVITY_BYTES_MAX
                        if request.path == "/partner-requests"
                        else PAGE_BYTES_MAX
                    ),
                    before_long_body=lambda head: require_signed_head(head, peers=self),
                )
        except TimeoutError:
            raise SlowRequestError("The body did not arrive in time.") from None

    async def find_by_key(self, key_id: str, /) -> KnownPeer | None:
        peer = self.peer
        if peer is None or all(key.key_id != key_id for key in peer.keys):
            if "fetches-keys" in self.bugs and "127.0.0.1" in key_id:
                async with FederationClient(
                    clock=self.clock, random=self.random, allow_loopback_http=True
                ) as client:
                    await client.fetch_actor(BaseUrl(key_id.partition("/actor")[0]))
            return None
        if "keeps-old-keys" in self.bugs:
            keys = [replace(key, expires=None) for key in peer.keys]
            return replace(peer, keys=tuple(keys))
        return peer

    async def remember(self, key_id: str, nonce: str, /, *, until: datetime) -> bool:
        known = (key_id, nonce) in self.nonces
        self.nonces.add((key_id, nonce))
        return not known or "forgets-nonces" in self.bugs

    async def _known(self, request: web.Request, method: str) -> Any:
        if request.method != method:
            if "actor-old" in self.bugs:
                return web.Response(status=404)
            raise web.HTTPMethodNotAllowed(request.method, [method])
        received = await self._received(request)
        known = await authenticate(received, peers=self, nonces=self)
        confirmed = known.peer.state is TrustState.ACTIVE
        if "refuses-partners" in self.bugs and confirmed:
            raise NotPermittedError("No.")
        return admit_partner(known, rates=self.rates)

    # -- becoming partners ------------------------------------------------------

    async def partner_request(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            if "actor-old" in self.bugs:
                return web.Response(status=404)
            raise web.HTTPMethodNotAllowed(request.method, ["POST"])
        if "refuses-guests" in self.bugs:
            return web.Response(status=503)
        named = name_invitation(claim(await self._received(request)))
        if named.invitation != invitation_id(SECRET):
            raise invitation_refused()
        asked = prove_guest(named, address=self.address, allow_loopback_http=True)
        verify_invitation(asked, secret=SECRET, own_key=self.signer.key.public_key)
        if self.guest is not None and self.guest.guest.keys != asked.guest.keys:
            raise NotPermittedError("Used.", code="invitation-used")
        if self.guest is not None and "once-only" in self.bugs:
            raise NotPermittedError("Again?", code="conflict")
        self.guest = asked
        self.peer = KnownPeer(
            base_url=asked.guest.base_url,
            actor_id=asked.guest.id,
            keys=asked.guest.keys,
            partner_id="guest",
            state=TrustState.ACTIVE if "hurries" in self.bugs else TrustState.REQUESTED,
        )
        return web.Response(status=202)

    def _confirm(self) -> None:
        if "never-confirms" not in self.bugs and not self.tasks:
            self.tasks.add(asyncio.create_task(self._confirmed()))

    async def _confirmed(self) -> None:
        assert self.guest is not None
        assert self.peer is not None
        asked = self.guest
        async with FederationClient(
            clock=self.clock, random=self.random, allow_loopback_http=True
        ) as client:
            if "trusts-addresses" not in self.bugs:
                await client.fetch_actor(asked.guest.base_url)
            self.peer = replace(self.peer, state=TrustState.ACTIVE)
            accept = Notice(
                id=self.address.activity(random_id(self.random)),
                type=NoticeType.ACCEPT,
                actor=self.address.actor,
                recipient=asked.guest.id,
                object=asked.id,
                published=NOW,
            )
            signed = build_notice(accept, signer=self.signer, created=NOW)
            await client.post_activity(self.peer, signed, signer=self.signer)
            rubbish = "sends-rubbish" in self.bugs
            stranger = replace(self.signer, key=SigningKey.generate(self.random))
            with suppress(FederationError):
                await client.push_page(
                    self.peer,
                    self._page(0),
                    signer=stranger if rubbish else self.signer,
                )

    # -- pages, messages, notices -----------------------------------------------

    async def inbox(self, request: web.Request) -> web.StreamResponse:
        admitted = await self._known(request, "POST")
        if isinstance(admitted, web.Response):
            return admitted
        if admitted.peer.state is TrustState.REQUESTED:
            asyncio.get_running_loop().call_later(0.05, self._confirm)
        if "hurries" in self.bugs:
            self._confirm()
        read = read_with(admitted, bugs=self.bugs)
        permitted = permit(read, rates=self.rates, now=self.clock.now())
        proven = prove(permitted, address=self.address)
        content = proven.content
        if "only-creates" in self.bugs and has_update(permitted.read.document):
            raise SchemaInvalidError("/orderedItems: This is no Create.")
        assert self.guest is not None
        decided = decide(
            proven,
            Standing(
                peer=admitted.peer,
                request_id="",
                answered_before=content.id in self.seen,
            ),
        )
        if isinstance(decided, AnsweredBefore):
            if "once-only" in self.bugs:
                raise NotPermittedError("Again?", code="conflict")
            return web.Response(status=202)
        if isinstance(content, Page):
            return document_response(self._receive(content).raw)
        self._take_activity(content)
        self.seen.add(content.id)
        return web.Response(status=202)

    def _take_activity(self, content: Any) -> None:
        assert self.peer is not None
        if isinstance(content, Message):
            if content.about != self.entry.document["id"]:
                raise NotFoundError("There is no such entry.")
        elif isinstance(content, Notice):
            if self.peer.state is TrustState.ENDED and "once-only" in self.bugs:
                raise NotPermittedError("Again?", code="conflict")
            self.peer = replace(self.peer, state=TrustState.ENDED)
        elif isinstance(content, ActorUpdate):
            if len(self.peer.keys) > 1 and "once-only" in self.bugs:
                raise NotPermittedError("Again?", code="conflict")
            self._take_update(self.peer, content)

    def _take_update(self, peer: KnownPeer, update: ActorUpdate) -> None:
        decided = decide_key_change(
            peer.keys,
            update.actor.keys,
            signed_by=update.signed_by,
            updated=update.actor.updated,
            last_updated=None if "forgets-times" in self.bugs else self.updated,
            now=self.clock.now(),
        )
        if isinstance(decided, KeyChangeRefused):
            raise ConflictError(decided.reason.value, code="key-conflict")
        if isinstance(decided, KeyChangeIgnored):
            raise ConflictError("A newer one counts.", code="update-older")
        if isinstance(decided, KeySuspended) and "ignores-missing" not in self.bugs:
            self.peer = replace(peer, state=TrustState.SUSPENDED)
            raise ConflictError("A key is missing.", code="keys-suspended")
        if isinstance(decided, KeysAccepted):
            self.peer = replace(peer, keys=decided.keys)
            self.updated = update.actor.updated

    def _receive(self, page: Page) -> SignedDocument:
        continuity = decide_continuity(page, self.position)
        if isinstance(continuity, Gap):
            if "vague-gap" in self.bugs:
                continuity = Gap("0" * 32, 99)
            raise position_gap(continuity)
        now_refused: list[Refusal] = []
        for item in page.items:
            held = self.held.get(item.entry_id)
            match decision_of(item, held, bugs=self.bugs):
                case Store(entry=received):
                    self.held[item.entry_id] = HeldVersion(
                        received.version,
                        HeldState.PRESENT,
                        received.signed.content_hash,
                    )
                case Remove(withdrawal=gone):
                    deleted = gone.mode is WithdrawalMode.DELETION
                    state = HeldState.DELETED if deleted else HeldState.WITHDRAWN
                    self.held[item.entry_id] = HeldVersion(gone.version, state)
                case Quarantine(entry_id=entry_id, version=version, reason=reason):
                    now_refused.append(Refusal(entry_id, version, reason))
                    if reason != "equivocation":
                        state = HeldState.QUARANTINED
                        self.held[entry_id] = HeldVersion(version, state)
        self.position = HeldPosition(page.epoch, page.last)
        present = [
            (entry_id, held.version, held.content_hash)
            for entry_id, held in self.held.items()
            if held.content_hash is not None
        ]
        wrong = "wrong-digest" in self.bugs
        receipt = Receipt(
            id=self.address.activity(random_id(self.random)),
            actor=self.address.actor,
            partner=page.actor,
            epoch=page.epoch,
            position=page.last,
            held=len(present),
            digest="0" * 64 if wrong else digest_of(present),
            published=NOW,
            refused=tuple(now_refused),
            refused_count=len(now_refused),
        )
        return build_receipt(receipt, signer=self.signer, created=NOW)

    # -- reading ----------------------------------------------------------------

    def _page(self, after: int) -> dict[str, Any]:
        told = [Upsert(self.entry.document, is_first=True)] if after == 0 else []
        held = (str(self.entry.document["id"]), Version(1, 1), self.entry.content_hash)
        silent = "says-nothing" in self.bugs
        now = self.clock.now().replace(microsecond=0)
        return build_page(
            told,
            address=self.address,
            epoch=EPOCH,
            first=after + 1,
            last=max(after, 1),
            head=max(after, 1),
            verifying=None if silent else Verifying(1, digest_of([held]), now),
        )

    async def holdings(self, request: web.Request) -> web.StreamResponse:
        if "holdings-open" in self.bugs and "Signature" not in request.headers:
            return web.json_response({"type": "Holdings"})
        admitted = await self._known(request, "GET")
        if isinstance(admitted, web.Response):
            return admitted
        if "holdings-open" in self.bugs and "256" in request.query_string:
            return web.json_response({"type": "HoldingsPage"})
        look = read_holdings(admitted, address=self.address)
        told = told_of(
            {} if "holdings-forgets" in self.bugs else self.held,
            look.scope,
            reached=self.position,
            address=self.address,
            partner=look.peer.actor_id,
            now=self.clock.now(),
        )
        return signed_response(
            told,
            request=look.request,
            signer=self.signer,
            clock=self.clock,
            random=self.random,
        )

    async def outbox(self, request: web.Request) -> web.StreamResponse:
        admitted = await self._known(request, "GET")
        if isinstance(admitted, web.Response):
            return admitted
        pull = read_pull(admitted, address=self.address)
        after = 0 if "gives-old-pages" in self.bugs else pull.after
        page = self._page(after)
        if "signs-nothing" in self.bugs:
            return document_response(page)
        return signed_response(
            page,
            request=pull.request,
            signer=self.signer,
            clock=self.clock,
            random=self.random,
        )

    async def serve_entry(self, request: web.Request) -> web.StreamResponse:
        received = await self._received(request)
        own = request.path == str(self.entry.document["id"]).removeprefix(
            self.address.base_url
        )
        if "Signature-Input" in request.headers:
            known = await authenticate(received, peers=self, nonces=self)
            if own and known.peer.state is TrustState.ACTIVE:
                other = "other-document" in self.bugs
                return document_response((self.other if other else self.entry).raw)
        if own and "tells-hidden" in self.bugs:
            raise NotPermittedError("Not for you.")
        if "tells-hidden" in self.bugs and not re.search("[a-z2-7]{26}", request.path):
            raise NotFoundError("This is no id.")
        raise NotFoundError("There is no such entry.")
