"""The door for partners: from raw bytes to a typed, proven activity.

Each step takes only what the step before makes, so none can be left out:

    ReceivedRequest -> authenticate -> AuthenticatedRequest -> parse_inbox
                                       -> Page | Message | Notice

Nothing is fetched and nothing is stored here, except that a nonce is remembered.
What a peer may do is `federation.trust`'s to say; it is asked before the costly
part, and the node asks again in its transaction.

Source: SPEC.md PRT-001 to PRT-012.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from federation import strict_json
from federation.documents.message import Message, parse_message
from federation.documents.notice import Notice, parse_notice
from federation.documents.page import Page, is_withdrawals_only, parse_page
from federation.documents.partner_request import (
    PartnerRequest,
    parse_partner_request,
)
from federation.errors import (
    LimitExceededError,
    MalformedError,
    NotPermittedError,
    SchemaInvalidError,
    SignatureInvalidError,
    UnsupportedMediaError,
)
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    JSON_INTEGER_MAX,
    PAGE_BYTES_MAX,
    PAGE_NODES_MAX,
)
from federation.signatures.http import (
    HttpMessage,
    SignatureClaim,
    accept_signature,
    claim_before_body,
    claim_request,
    verify_claim,
)
from federation.trust import Refuse, TrustAction, decide_trust

if TYPE_CHECKING:
    from datetime import datetime

    from federation.ids import NodeAddress
    from federation.json_types import JsonObject
    from federation.keys import PublicKey
    from federation.peers import KnownPeer
    from federation.ports import NonceLog, PeerDirectory

ACTIVITY_JSON: Final = "application/activity+json"
LD_JSON: Final = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'

_MEDIA_TYPE: Final = re.compile(
    r"application/activity\+json(?: *; *charset=utf-8)?"
    r"|application/ld\+json *; *"
    r'profile="https://www\.w3\.org/ns/activitystreams"(?: *; *charset=utf-8)?',
    re.IGNORECASE,
)
_PAGE: Final = "OrderedCollectionPage"
_AFTER: Final = re.compile(r"\?after=(0|[1-9][0-9]{0,15})\Z")
_ACTIONS: Final = {
    "Create": TrustAction.MESSAGE,
    "Accept": TrustAction.NOTICE_ACCEPT,
    "Reject": TrustAction.NOTICE_REJECT,
    "Leave": TrustAction.NOTICE_LEAVE,
}


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came in; nothing about it is believed.

    Args:
        method: Upper case.
        target_uri: Our own `base_url` plus the path and query as received. Never
            rebuilt from the Host field.
        headers: Names and values in order, duplicates kept.
        body: The raw bytes; empty without a body.
        received_at: When the last byte arrived, aware UTC.
    """

    method: str
    target_uri: str
    # Signatures and content stay out of `repr`, and with it out of logs.
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes = field(repr=False)
    received_at: datetime

    def as_message(self) -> HttpMessage:
        """Return what a signature can cover."""
        return HttpMessage(self.method, self.target_uri, self.headers)


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request that a pinned key signed, in time and for the first time.

    Made by `authenticate` only. It says who asks, not whether they may.
    """

    peer: KnownPeer
    request: ReceivedRequest


@dataclass(frozen=True, slots=True)
class AuthenticatedPull:
    """A signed request for our page by a peer that may ask.

    Args:
        peer: Who asks.
        after: The position that it has.
        request: For signing the answer.
    """

    peer: KnownPeer
    after: int
    request: ReceivedRequest


async def authenticate(
    request: ReceivedRequest, *, peers: PeerDirectory, nonces: NonceLog
) -> AuthenticatedRequest:
    """Find out which peer signed a request.

    Args:
        request: The raw request.
        peers: The pinned keys. An unknown key id causes no request of ours.
        nonces: Remembers what was seen; asked last, so that only signatures that
            verify are kept.

    Raises:
        PeerError: 400 malformed, 401 not signed, wrong, stale, unknown key or
            seen before, 413 too long, 415 another media type. A 401 carries what
            we accept.

    Source: SPEC.md PRT-002, FED-035 to FED-039.
    """
    body = _checked_body(request)
    try:
        return await _authenticate(request, body, peers=peers, nonces=nonces)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=body is not None)
        raise


async def require_known_key(request: ReceivedRequest, *, peers: PeerDirectory) -> None:
    """Refuse a request whose signature cannot be a peer's, before its body is read.

    Nothing is proven by it; `authenticate` follows with the body.

    Args:
        request: The request, its body empty.
        peers: The pinned keys.

    Raises:
        PeerError: 400 malformed, 401 not signed, stale or unknown key.
    """
    message = request.as_message()
    try:
        claim = claim_before_body(message, received_at=request.received_at)
        await _pinned(claim, peers=peers)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=True)
        raise


async def authenticate_get(
    request: ReceivedRequest,
    *,
    peers: PeerDirectory,
    nonces: NonceLog,
    address: NodeAddress,
) -> AuthenticatedPull:
    """Find out which peer pulls, from which position, and whether it may.

    Args:
        request: The raw request.
        peers: The pinned keys.
        nonces: Remembers what was seen.
        address: Our own address.

    Raises:
        PeerError: As `authenticate`; 400 without a position, 403 if the trust
            state does not permit it.
    """
    authenticated = await authenticate(request, peers=peers, nonces=nonces)
    require_trust(authenticated.peer, TrustAction.PULL_PAGE)
    prefix, query = request.target_uri[: len(address.outbox)], None
    if request.method == "GET" and prefix == address.outbox:
        query = _AFTER.match(request.target_uri[len(prefix) :])
    if query is None or int(query[1]) > JSON_INTEGER_MAX:
        raise MalformedError("Ask for /outbox?after=POSITION.")
    return AuthenticatedPull(authenticated.peer, int(query[1]), request)


def parse_inbox(
    authenticated: AuthenticatedRequest, *, address: NodeAddress
) -> Page | Message | Notice:
    """Read what an authenticated peer delivered.

    Args:
        authenticated: From `authenticate`.
        address: Our own address.

    Returns:
        The typed document. All proofs, owners, origins and schemas are checked;
        a page may hold faulty entries as `PageFault`.

    Raises:
        PeerError: 400 JSON or context, 401 proof, 403 origin, owner or trust
            state, 413 size, 422 schema.
    """
    peer, body = authenticated.peer, authenticated.request.body
    document = strict_json.loads_object(
        body, bytes_max=PAGE_BYTES_MAX, nodes_max=PAGE_NODES_MAX
    )
    kind = document.get("type")
    if kind == _PAGE:
        only_withdraws = is_withdrawals_only(document)
        require_trust(
            peer,
            TrustAction.PUSH_WITHDRAWALS if only_withdraws else TrustAction.PUSH_PAGE,
        )
        return parse_page(document, peer=peer)
    if len(body) > ACTIVITY_BYTES_MAX:
        raise LimitExceededError(
            f"An activity is longer than {ACTIVITY_BYTES_MAX} bytes."
        )
    # Only a page may hold more values than one activity needs.
    document = _activity(body)
    if not isinstance(kind, str) or kind not in _ACTIONS:
        raise SchemaInvalidError(
            "/type: This activity is not known here.", code="unsupported-type"
        )
    require_trust(peer, _ACTIONS[kind])
    if kind == "Create":
        return parse_message(document, peer=peer, address=address)
    return parse_notice(document, peer=peer, address=address)


def named_invitation(request: ReceivedRequest) -> str:
    """Return the invitation that a partner request names, before it is proven.

    Whoever has no invitation is refused before anything costly is done.

    Args:
        request: The raw request.

    Raises:
        PeerError: 400, 401, 413, 415 or 422; without a look at any key.
    """
    body = _checked_body(request)
    if body is None:
        raise MalformedError("A partner request is a POST with a body.")
    try:
        claim_request(request.as_message(), body=body, received_at=request.received_at)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=True)
        raise
    named = _activity(body).get("invitation")
    if not isinstance(named, str):
        raise SchemaInvalidError("/invitation: The request names no invitation.")
    return named


def receive_partner_request(
    request: ReceivedRequest, *, address: NodeAddress, allow_loopback_http: bool
) -> PartnerRequest:
    """Read a partner request, signed by the key that it brings along.

    The nonce is not remembered: who is not invited must not be able to fill our
    memory, and the invitation itself can be used only once.

    Args:
        request: The raw request.
        address: Our own address.
        allow_loopback_http: True on nodes of the demo and of tests only.

    Returns:
        The request. Whether it was invited is shown by
        `documents.verify_invitation`.

    Raises:
        PeerError: 400, 401, 403, 413, 415 or 422 as at the inbox.
    """
    body = _checked_body(request)
    if body is None:
        raise MalformedError("A partner request is a POST with a body.")
    message = request.as_message()
    try:
        claim = claim_request(message, body=body, received_at=request.received_at)
        parsed = parse_partner_request(
            _activity(body), address=address, allow_loopback_http=allow_loopback_http
        )
        key = parsed.guest.as_peer().key(claim.key_id)
        if key is None:
            raise SignatureInvalidError(
                "The request is signed by another key than the guest's.",
                code="unknown-key",
            )
        verify_claim(claim, message=message, key=key)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=True)
        raise
    return parsed


def require_trust(peer: KnownPeer, action: TrustAction) -> None:
    """Require that a peer's trust state permits an action.

    Raises:
        NotPermittedError: With the reason of `federation.trust`.
    """
    decision = decide_trust(peer.state, action)
    if isinstance(decision, Refuse):
        raise NotPermittedError(decision.reason, code=decision.code)


async def _authenticate(
    request: ReceivedRequest,
    body: bytes | None,
    *,
    peers: PeerDirectory,
    nonces: NonceLog,
) -> AuthenticatedRequest:
    message = request.as_message()
    claim = claim_request(message, body=body, received_at=request.received_at)
    peer, key = await _pinned(claim, peers=peers)
    verify_claim(claim, message=message, key=key)
    fresh = await nonces.remember(claim.key_id, claim.nonce, until=claim.nonce_until)
    if not fresh:
        raise SignatureInvalidError(
            "The request was received before; sign it again with a new nonce.",
            code="replayed",
        )
    return AuthenticatedRequest(peer, request)


async def _pinned(
    claim: SignatureClaim, *, peers: PeerDirectory
) -> tuple[KnownPeer, PublicKey]:
    peer = await peers.find_by_key(claim.key_id)
    key = None if peer is None else peer.key(claim.key_id)
    if peer is None or key is None:
        raise SignatureInvalidError(
            "The key is not known here. Partners get to know each other's keys "
            "through an invitation.",
            code="unknown-key",
        )
    return peer, key


def _checked_body(request: ReceivedRequest) -> bytes | None:
    """Return the body of a POST, None for a GET; check what needs no key."""
    message = request.as_message()
    if message.values("content-encoding"):
        raise UnsupportedMediaError("Send the body without a content coding.")
    if request.method == "GET":
        if request.body:
            raise MalformedError("A GET has no body.")
        return None
    if len(request.body) > PAGE_BYTES_MAX:
        raise LimitExceededError(f"The body is longer than {PAGE_BYTES_MAX} bytes.")
    media_types = message.values("content-type")
    if len(media_types) != 1 or not _MEDIA_TYPE.fullmatch(media_types[0].strip()):
        raise UnsupportedMediaError(f"The media type must be {ACTIVITY_JSON}.")
    return request.body


def is_activity_media_type(text: str) -> bool:
    """Tell whether a Content-Type names one of the two ActivityPub types."""
    return _MEDIA_TYPE.fullmatch(text.strip()) is not None


def _activity(body: bytes) -> JsonObject:
    return strict_json.loads_object(body)


__all__ = [
    "ACTIVITY_JSON",
    "LD_JSON",
    "AuthenticatedPull",
    "AuthenticatedRequest",
    "ReceivedRequest",
    "authenticate",
    "authenticate_get",
    "is_activity_media_type",
    "named_invitation",
    "parse_inbox",
    "receive_partner_request",
    "require_known_key",
    "require_trust",
]
