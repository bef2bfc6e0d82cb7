"""`GET /entries/ID`: an entry's signed document for whoever may see it now.

Hidden and absent are the same answer, byte for byte. A partner gets the version
that the ledger says it is told, and only while it may be told anything, so that no
copy exists that we could not take back. Where an entry was that it was told, it
finds a tombstone; nobody else does.

Source: SPEC.md PRT-007, PRT-047, PRT-048.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from federation.documents.tombstone import build_tombstone
from federation.errors import NotFoundError
from federation.ids import is_local_id
from federation.inbox import ACTIVITY_JSON, AdmittedHead, ReceivedRequest
from federation.peers import KnownPeer
from federation.transport.server import read_request, signed_response
from federation.trust import Refuse, TrustAction, decide_trust
from node.catalogue.model import Entry
from node.limits import PUBLIC_CACHE
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage.entries import load_entry
from node.storage.ledger import UPSERT, Disclosure, row_of
from node.storage.partners import load_partner
from node.visibility import PartnerViewer, PublicViewer, decide_entry
from node.web.conditional import conditional_response
from node.web.door_guard import DoorGuard
from node.web.partner_check import PartnerCheck

_VARY: Final = {"Vary": "Accept, Signature, Signature-Input"}
_PRIVATE: Final = {**_VARY, "Cache-Control": "private, no-store"}
_PUBLIC: Final = {
    **_VARY,
    "Cache-Control": f"public, max-age={int(PUBLIC_CACHE.total_seconds())}",
}


@dataclass(frozen=True, slots=True)
class _Shown:
    """The asker may have this document."""

    document: bytes
    is_public: bool


@dataclass(frozen=True, slots=True)
class _Gone:
    """The asker was told the entry, and it was taken back."""

    partner: Partner


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Hidden or absent."""


_Found: TypeAlias = _Shown | _Gone | _Nothing


class EntryDoor:
    """Answers with single entries."""

    def __init__(self, context: NodeContext, check: PartnerCheck) -> None:
        self._context = context
        self._check = check

    def register(self, app: web.Application, guard: DoorGuard) -> None:
        """Open the door for every path below it, so that all absent ones are alike.

        A signature covers the method, so HEAD would need its own.
        """
        guard.add(app, "/entries/{id:.*}", GET=self.entry)

    async def entry(self, request: web.Request, head: AdmittedHead) -> web.Response:
        """Answer with an entry, a tombstone, or that there is nothing."""
        local_id = request.match_info["id"]
        if _wants_page(request) and is_local_id(local_id):
            # The same for every id, so it says nothing about any.
            return web.Response(
                status=303, headers={**_VARY, "Location": f"/e/{local_id}"}
            )
        received = await read_request(
            head,
            request,
            base_url=self._context.address.base_url,
            clock=self._context.clock,
        )
        peer = None
        if "Signature-Input" in request.headers or "Signature" in request.headers:
            admitted = await self._check.admitted(request, received)
            peer = admitted.peer
        found = await self._find(local_id, peer=peer)
        match found:
            case _Shown(document=document, is_public=is_public):
                return conditional_response(
                    request,
                    document,
                    content_type=ACTIVITY_JSON,
                    headers=_PUBLIC if is_public else _PRIVATE,
                )
            case _Gone(partner=partner):
                return self._tombstone(received, local_id, partner)
            case _Nothing():
                raise NotFoundError("There is no such entry.")

    def _tombstone(
        self, received: ReceivedRequest, local_id: str, partner: Partner
    ) -> web.Response:
        address = self._context.address
        return signed_response(
            build_tombstone(address.entry(local_id), address=address),
            request=received,
            signer=self._context.keys.signer_for(partner),
            clock=self._context.clock,
            random=self._context.random,
            status=410,
            headers=_PRIVATE,
        )

    async def _find(self, local_id: str, *, peer: KnownPeer | None) -> _Found:
        if not is_local_id(local_id):
            return _Nothing()
        partner, told = None, None
        async with self._context.database.read() as tx:
            if peer is not None:
                # Before the entry: a refusal must not say that there is one.
                partner = await load_partner(tx, peer.partner_id)
                if partner is not None:
                    self._check.require_keys_still_count(peer, partner)
            entry = await load_entry(tx, self._context.address, local_id)
            if partner is not None:
                told = await row_of(tx, partner.id, local_id)
        if entry is None:
            return _Nothing()
        today = self._context.clock.now().date()
        shown = entry.document
        if shown is not None and decide_entry(entry, PublicViewer(), today).visible:
            return _Shown(shown, is_public=True)
        if partner is None or told is None or told.told_at is None:
            return _Nothing()
        if told.op != UPSERT:
            may_know = _may(partner, TrustAction.BE_TOLD_WITHDRAWALS)
            return _Gone(partner) if may_know else _Nothing()
        viewer = PartnerViewer.of(partner)
        if (
            shown is not None
            and _is_current(entry, told)
            and _may(partner, TrustAction.BE_TOLD)
            and decide_entry(entry, viewer, today).visible
        ):
            return _Shown(shown, is_public=False)
        return _Nothing()


def _is_current(entry: Entry, told: Disclosure) -> bool:
    return told.version == entry.version


def _may(partner: Partner, action: TrustAction) -> bool:
    return not isinstance(decide_trust(partner.state, action), Refuse)


def _wants_page(request: web.Request) -> bool:
    return "text/html" in request.headers.get("Accept", "")
