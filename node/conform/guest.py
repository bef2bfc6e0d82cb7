"""Our temporary node: key, doors and what it has told; kept in memory alone.

Built from `federation`, so that it behaves as the specification asks. Everything that
it tells is a test entry, plainly named, valid for two days, and taken back at the end.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from aiohttp import web

from federation.documents import (
    ActorDocument,
    ActorUpdate,
    Card,
    EntryDocument,
    Message,
    Notice,
    NoticeType,
    Page,
    PageFault,
    Receipt,
    Refusal,
    Signer,
    Withdrawal,
    WithdrawalMode,
    build_actor,
    build_entry,
    build_page,
    build_receipt,
    build_withdrawal,
)
from federation.documents.move import Move
from federation.documents.page import EPOCH_BYTES
from federation.documents.signed import SignedDocument, sign
from federation.errors import PeerError
from federation.exchange import (
    HeldState,
    HeldVersion,
    Quarantine,
    Remove,
    Store,
    decide_item,
    digest_of,
)
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.inbox import (
    AdmittedRequest,
    admit,
    admit_partner,
    authenticate,
    permit,
    prove,
    read_activity,
    read_pull,
)
from federation.keys import SigningKey
from federation.negotiation import CAPABILITIES
from federation.peers import KnownPeer, PinnedKey
from federation.rates import DoorRates
from federation.transport.server import (
    document_response,
    problem_response,
    read_request,
    request_head,
    signed_response,
)
from federation.trust import TrustState
from federation.version import Version
from node.errors import UnavailableError
from node.sentence import Sentence, system_reason

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from federation.json_types import JsonObject
    from federation.ports import Clock, RandomSource

NAME: Final = "Spalier conformance test"
_NEWER: Final = "1.99"
_VALID_DAYS: Final = 2
_TITLE: Final = {
    "de": "Konformitätsprüfung, bitte nicht beachten",
    "en": "Conformance test, please ignore",
}
_SUMMARY: Final = {
    "de": "Ein Prüfeintrag, der nach wenigen Minuten wieder verschwindet.",
    "en": "A test entry that disappears after a few minutes.",
}
_ADMIN_SECONDS: Final = 2.0


@dataclass(slots=True)
class _Nonces:
    """Nonces of the other node; a run is too short to forget one."""

    seen: set[tuple[str, str]] = field(default_factory=set)

    async def remember(self, key_id: str, nonce: str, /, *, until: datetime) -> bool:
        del until
        if (key_id, nonce) in self.seen:
            return False
        self.seen.add((key_id, nonce))
        return True


@dataclass(slots=True)
class Arrivals:
    """What the other node sent to our doors.

    Args:
        pages: Pages that were in order.
        messages: Messages that were in order.
        notices: Notices that were in order.
        updates: What it told of itself, in order.
        faults: What it sent that was not in order, with the reason.
        count: All requests at our inbox.
        actor_reads: How often it read our actor.
    """

    pages: list[Page] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    updates: list[ActorUpdate] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    count: int = 0
    actor_reads: int = 0


class Guest:
    """The temporary node.

    Args:
        base_url: How the other node reaches it.
        clock: Ours.
        random: For its key and ids.
    """

    def __init__(
        self, base_url: BaseUrl, *, clock: Clock, random: RandomSource
    ) -> None:
        self.address = NodeAddress(base_url)
        self.clock = clock
        self.random = random
        self.signer = Signer(self.address, SigningKey.generate(random), 1)
        self.keys: tuple[PinnedKey, ...] = (
            PinnedKey(self.signer.key_id, self.signer.key.public_key),
        )
        self.updated = self.now()
        self.epoch = random.bytes(EPOCH_BYTES).hex()
        self.position = 0
        self.host: ActorDocument | None = None
        self.state = TrustState.WAITING
        self.request: SignedDocument | None = None
        self.arrivals = Arrivals()
        self.told: dict[str, Version] = {}
        self.held_there: dict[str, tuple[Version, str]] = {}
        self.has_asked = False
        self.was_taken = False
        self.left = False
        self.wrote_message = False
        self.faulty = ""
        self.message: SignedDocument | None = None
        self.pulled: Page | None = None
        self.next_signer: Signer | None = None
        self.retired_signer: Signer | None = None
        self._decided = asyncio.Event()
        self._nonces = _Nonces()
        self._rates = DoorRates()
        self._held: dict[str, HeldVersion] = {}

    # -- what it is -------------------------------------------------------------

    def now(self) -> datetime:
        """Return the time in whole seconds, as documents carry it."""
        return self.clock.now().replace(microsecond=0)

    @property
    def actor(self) -> ActorDocument:
        """Our actor."""
        return ActorDocument(
            base_url=self.address.base_url,
            name=NAME,
            keys=self.keys,
            card=Card(
                note="A test that ends by itself. Ein Test, der von selbst endet."
            ),
            # A newer minor version and a name that nobody knows do no harm.
            protocol=_NEWER,
            capabilities=(*CAPABILITIES, "conformance-test"),
            updated=self.updated,
        )

    @property
    def is_confirmed(self) -> bool:
        """Whether the other office has confirmed, and we have not left."""
        return self.state is TrustState.ACTIVE and not self.left

    async def wait_for_decision(self, within: timedelta) -> bool:
        """Wait until the other office has confirmed or refused.

        Returns:
            Whether it has.
        """
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self._decided.wait()
        except TimeoutError:
            return False
        return True

    def as_peer_of(self, host: ActorDocument) -> KnownPeer:
        """Return the other node as our partner."""
        return KnownPeer(
            base_url=host.base_url,
            actor_id=host.id,
            keys=host.keys,
            partner_id=host.base_url,
            state=self.state,
        )

    # -- what it tells ----------------------------------------------------------

    def entry_id(self) -> str:
        """Return the id of a new entry."""
        return self.address.entry(random_id(self.random))

    def activity_id(self) -> str:
        """Return the id of a new activity."""
        return self.address.activity(random_id(self.random))

    def entry(
        self,
        entry_id: str | None = None,
        *,
        counter: int = 1,
        summary: str = "",
        signer: Signer | None = None,
    ) -> SignedDocument:
        """Return a signed test entry.

        Args:
            entry_id: Its id; None for a new one.
            counter: Second part of its version.
            summary: A text that makes it another content.
            signer: Another key than our own.
        """
        now = self.now()
        document = EntryDocument.from_content(
            {
                "kind": "capacity_offer",
                "title": {**_TITLE},
                "summary": {"en": summary} if summary else {**_SUMMARY},
                "valid_until": (now + timedelta(days=_VALID_DAYS)).date().isoformat(),
                "equipment_class": "other",
                "availability": "on_request",
            },
            id=entry_id or self.entry_id(),
            version=Version(1, counter),
            published=now,
            updated=now,
        )
        return build_entry(document, signer=signer or self.signer, created=now)

    def changed(
        self, document: JsonObject, *, signer: Signer | None = None, **changes: object
    ) -> SignedDocument:
        """Return a document with other members, signed again.

        Args:
            document: With or without a proof.
            signer: Another key than our own.
            changes: New values; None takes a member out.
        """
        unsigned = {**document, **changes}
        wire: JsonObject = {
            name: value  # type: ignore[misc] # tests hand in JSON alone
            for name, value in unsigned.items()
            if name != "proof" and value is not None
        }
        return sign(wire, signer=signer or self.signer, created=self.now())

    def withdrawal(
        self, entry_id: str, *, counter: int = 1, deletes: bool = False
    ) -> SignedDocument:
        """Return a signed withdrawal or deletion."""
        withdrawal = Withdrawal(
            id=self.activity_id(),
            entry_id=entry_id,
            version=Version(1, counter),
            mode=WithdrawalMode.DELETION if deletes else WithdrawalMode.WITHDRAWAL,
            published=self.now(),
        )
        return build_withdrawal(withdrawal, signer=self.signer, created=self.now())

    def digest_there(self) -> str:
        """Return the digest of what the other node has to hold of us (FED-055)."""
        return digest_of(
            (entry_id, version, content_hash)
            for entry_id, (version, content_hash) in self.held_there.items()
        )

    # -- its doors --------------------------------------------------------------

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[None]:
        """Open our doors inside the block.

        Raises:
            UnavailableError: The port is taken.
        """
        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_get("/actor", self._guarded(self._serve_actor))
        app.router.add_post("/inbox", self._guarded(self._serve_inbox))
        app.router.add_get("/outbox", self._guarded(self._serve_outbox))
        runner = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_ADMIN_SECONDS
        )
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise UnavailableError(
                    Sentence(
                        "Port {port} on {host} cannot be opened: {reason}.",
                        port=port,
                        host=host,
                        reason=system_reason(error),
                    ),
                    code="port-in-use",
                    path="listen",
                ) from error
            yield
        finally:
            await runner.cleanup()

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            try:
                return await handler(request)
            except PeerError as error:
                self.arrivals.faults.append(f"{request.method} {request.path}: {error}")
                return problem_response(error)

        return answer

    async def find_by_key(self, key_id: str, /) -> KnownPeer | None:
        """Return the other node if the key is one of its own."""
        if self.host is None or all(key.key_id != key_id for key in self.host.keys):
            return None
        return self.as_peer_of(self.host)

    async def _serve_actor(self, _request: web.Request) -> web.Response:
        self.arrivals.actor_reads += 1
        return document_response(build_actor(self.actor))

    async def _admitted(self, request: web.Request) -> AdmittedRequest:
        head = request_head(
            request, base_url=self.address.base_url, sender="host", clock=self.clock
        )
        received = await read_request(
            admit(head, rates=self._rates),
            request,
            base_url=self.address.base_url,
            clock=self.clock,
        )
        known = await authenticate(received, peers=self, nonces=self._nonces)
        return admit_partner(known, rates=self._rates)

    async def _serve_inbox(self, request: web.Request) -> web.Response:
        self.arrivals.count += 1
        admitted = await self._admitted(request)
        permitted = permit(
            read_activity(admitted), rates=self._rates, now=self.clock.now()
        )
        content = prove(permitted, address=self.address).content
        match content:
            case Page():
                self.arrivals.pages.append(content)
                return document_response(self._receipt(content).raw)
            case Message():
                self.arrivals.messages.append(content)
            case Notice():
                self._take_notice(content)
            case ActorUpdate():
                self.arrivals.updates.append(content)
            case Move():
                pass  # a visitor has nobody who could confirm it
        return web.Response(status=202)

    async def _serve_outbox(self, request: web.Request) -> web.Response:
        pull = read_pull(await self._admitted(request), address=self.address)
        position = max(pull.after, self.position)
        page = build_page(
            [],
            address=self.address,
            epoch=self.epoch,
            first=pull.after + 1,
            last=position,
            head=position,
        )
        return signed_response(
            page,
            request=pull.request,
            signer=self.signer,
            clock=self.clock,
            random=self.random,
        )

    def _take_notice(self, notice: Notice) -> None:
        self.arrivals.notices.append(notice)
        request = "" if self.request is None else str(self.request.document["id"])
        if notice.type is NoticeType.ACCEPT and notice.object == request:
            self.state = TrustState.ACTIVE
        elif notice.type is NoticeType.REJECT and notice.object == request:
            self.state = TrustState.REFUSED
        elif notice.type is NoticeType.LEAVE:
            self.state = TrustState.ENDED
        else:
            self.arrivals.faults.append(f"{notice.type.value}: {notice.object}")
        self._decided.set()

    def _receipt(self, page: Page) -> SignedDocument:
        refused: list[Refusal] = []
        for item in page.items:
            held = self._held.get(item.entry_id)
            match decide_item(item, held):
                case Store(entry=received):
                    state = HeldState.PRESENT
                    content_hash: str | None = received.signed.content_hash
                case Remove(withdrawal=gone):
                    deleted = gone.mode is WithdrawalMode.DELETION
                    state = HeldState.DELETED if deleted else HeldState.WITHDRAWN
                    content_hash = None
                case Quarantine(reason=reason):
                    refused.append(Refusal(item.entry_id, item.version, reason))
                    state, content_hash = HeldState.QUARANTINED, None
                case _:
                    continue
            if isinstance(item.content, PageFault):
                self.arrivals.faults.append(f"{item.entry_id}: {item.content.reason}")
            self._held[item.entry_id] = HeldVersion(item.version, state, content_hash)
        present = {
            entry_id: (held.version, held.content_hash)
            for entry_id, held in self._held.items()
            if held.content_hash is not None
        }
        receipt = Receipt(
            id=self.activity_id(),
            actor=self.address.actor,
            partner=page.actor,
            epoch=page.epoch,
            position=page.last,
            held=len(present),
            digest=digest_of((name, *value) for name, value in present.items()),
            published=self.now(),
            refused=tuple(refused),
            refused_count=len(refused),
        )
        return build_receipt(receipt, signer=self.signer, created=self.now())

    def second_key(self) -> Signer:
        """Make another key of our own; it counts for nobody yet."""
        return replace(self.signer, key=SigningKey.generate(self.random), key_number=2)
