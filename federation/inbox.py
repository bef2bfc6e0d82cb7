"""The door for partners: from raw bytes to a proven activity, one type a step.

Each step takes only what the step before makes, so none can be left out and none
can be moved:

    RequestHead -> admit -> AdmittedHead          rates of the address
      -> transport: read_request -> ReceivedRequest     body, unambiguous fields
      -> claim -> ClaimedRequest                  signature as it says of itself
      -> authenticate_claim -> AuthenticatedRequest     pinned key, nonce
      -> admit_partner -> AdmittedRequest         rate of the partner
      -> read_activity -> ReadActivity            JSON, kind
      -> permit -> PermittedActivity              trust, rate by items
      -> prove -> ProvenActivity                  owner, schema, proofs
      -> decisions.decide -> Decision             effects and their reason

A pull leaves the row after `admit_partner` (`read_pull`), a look at what we hold
there too (`federation.looks`), a guest's request after
`claim` (`name_invitation`, `prove_guest`). Nothing is fetched and nothing is stored
here, except that a nonce is remembered. What a peer may do is `federation.trust`'s
to say; it is asked before the costly part, and `decide` asks it again in the
transaction of the effect.

Source: SPEC.md PRT-001 to PRT-012, PRT-044.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from federation import strict_json
from federation.documents.actor_update import (
    UPDATE,
    ActorUpdate,
    parse_actor_update,
)
from federation.documents.message import Message, parse_message
from federation.documents.move import MOVE, Move, parse_move
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
    ACTIVITY_NODES_MAX,
    JSON_INTEGER_MAX,
    PAGE_BYTES_MAX,
    PAGE_NODES_MAX,
)
from federation.signatures.http import (
    HttpMessage,
    SignatureClaim,
    accept_signature,
    claim_request,
    verify_claim,
)
from federation.trust import Refuse, TrustAction, decide_trust
from federation.wanted import wanted_by

if TYPE_CHECKING:
    from datetime import datetime

    from federation.ids import NodeAddress
    from federation.json_types import JsonObject
    from federation.keys import PublicKey
    from federation.peers import KnownPeer
    from federation.ports import NonceLog, PeerDirectory
    from federation.rates import DoorRates

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

Activity: TypeAlias = Page | Message | Notice | ActorUpdate | Move


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The first lines of a request; nothing about them is believed.

    Args:
        method: Upper case.
        target_uri: Our own `base_url` plus the path and query as received. Never
            rebuilt from the Host field.
        headers: Names and values in order, duplicates kept.
        sender: Key of the sender's network address, for its rates.
        received_at: When the head arrived, aware UTC.
    """

    method: str
    target_uri: str
    # Signatures stay out of `repr`, and with it out of logs.
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    sender: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class AdmittedHead:
    """A request whose sender's address has not sent too many. Made by `admit`."""

    head: RequestHead


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came in, to its end; nothing about it is believed.

    Made by `transport.server.read_request` only.

    Args:
        method: Upper case.
        target_uri: As in the head.
        headers: As in the head.
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
class SignedHead:
    """The first lines of a request, signed by a peer's current key.

    Made by `signed_heads.require_signed_head` only.
    """

    head: RequestHead
    peer: KnownPeer

    def is_of(self, request: ReceivedRequest) -> bool:
        """Tell whether a request begins with exactly these lines."""
        mine = (self.head.method, self.head.target_uri, self.head.headers)
        return mine == (request.method, request.target_uri, request.headers)


@dataclass(frozen=True, slots=True)
class ClaimedRequest:
    """A request with a signature of the right form, time and digest.

    Whose it is, is only what it says of itself. Made by `claim`.
    """

    request: ReceivedRequest
    claim: SignatureClaim


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request that a pinned key signed, in time and for the first time.

    Made by `authenticate_claim` only. It says who asks, not whether they may.
    """

    peer: KnownPeer
    request: ReceivedRequest


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request of a peer that has not sent too many. Made by `admit_partner`."""

    peer: KnownPeer
    request: ReceivedRequest


@dataclass(frozen=True, slots=True)
class PermittedPull:
    """A signed request for our page by a peer that may ask. Made by `read_pull`.

    Args:
        peer: Who asks.
        after: The position that it has.
        request: For signing the answer.
    """

    peer: KnownPeer
    after: int
    request: ReceivedRequest


@dataclass(frozen=True, slots=True)
class ReadActivity:
    """A body that is JSON of a kind that this door takes. Made by `read_activity`.

    Args:
        peer: Who sent it.
        kind: The type on the wire.
        action: What the peer wants with it.
        items: How much it counts against the peer's rate.
        document: The body; untyped until `prove`.
    """

    peer: KnownPeer
    kind: str
    action: TrustAction
    items: int
    document: JsonObject = field(repr=False)


@dataclass(frozen=True, slots=True)
class PermittedActivity:
    """A body that this peer may send now, and not too many. Made by `permit`."""

    read: ReadActivity


@dataclass(frozen=True, slots=True)
class ProvenActivity:
    """What a peer said, with every owner, schema and proof checked.

    Made by `prove`. A page may hold faulty entries as `PageFault`.
    """

    peer: KnownPeer
    action: TrustAction
    content: Activity


@dataclass(frozen=True, slots=True)
class NamedInvitation:
    """A partner request that names an invitation. Made by `name_invitation`."""

    claimed: ClaimedRequest
    invitation: str
    document: JsonObject = field(repr=False)


# -- everybody ------------------------------------------------------------------


def admit(head: RequestHead, *, rates: DoorRates) -> AdmittedHead:
    """Let a request in, before anything but its first lines is read.

    Args:
        head: The request.
        rates: Of the addresses.

    Raises:
        RateLimitError: The address has sent too many, or too many with a wrong
            signature.
    """
    rates.admit_address(head.sender, now=head.received_at)
    return AdmittedHead(head)


def admit_key(head: RequestHead, key_id: str, *, rates: DoorRates) -> AdmittedHead:
    """Let a request in that a pinned key has signed (`federation.signed_heads`).

    Raises:
        RateLimitError: Too many requests of its address are signed by the key.

    Source: SPEC.md FED-138.
    """
    rates.admit_named(head.sender, key_id, now=head.received_at)
    return AdmittedHead(head)


def claim(request: ReceivedRequest) -> ClaimedRequest:
    """Check everything of a request's signature that needs no key.

    Raises:
        PeerError: 400 malformed, 401 not signed, too little covered, stale or
            another body, 413 too long, 415 another media type. A 401 carries what
            we accept.

    Source: SPEC.md FED-035 to FED-037.
    """
    body = _checked_body(request)
    try:
        found = claim_request(
            request.as_message(), body=body, received_at=request.received_at
        )
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=body is not None)
        raise
    return ClaimedRequest(request, found)


# -- partners -------------------------------------------------------------------


async def authenticate_claim(
    claimed: ClaimedRequest,
    *,
    peers: PeerDirectory,
    nonces: NonceLog,
    signed: SignedHead | None = None,
) -> AuthenticatedRequest:
    """Find out which peer signed a request.

    Args:
        claimed: The request.
        peers: The pinned keys. An unknown key id causes no request of ours.
        nonces: Remembers what was seen; asked last, so that only signatures that
            verify are kept.
        signed: The head of this request, if it was verified before the body was
            read; it is not verified twice.

    Raises:
        PeerError: 401 unknown key, wrong signature or seen before; it carries what
            we accept.

    Source: SPEC.md PRT-002, FED-035, FED-036.
    """
    request, found = claimed.request, claimed.claim
    try:
        if signed is not None and signed.is_of(request):
            peer = signed.peer
        else:
            peer, key = await pinned_key(found, peers=peers)
            verify_claim(found, message=request.as_message(), key=key)
        fresh = await nonces.remember(
            found.key_id, found.nonce, until=found.nonce_until
        )
        if not fresh:
            raise SignatureInvalidError(
                "The request was received before; sign it again with a new nonce.",
                code="replayed",
            )
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=request.method != "GET")
        raise
    return AuthenticatedRequest(peer, request)


async def authenticate(
    request: ReceivedRequest, *, peers: PeerDirectory, nonces: NonceLog
) -> AuthenticatedRequest:
    """Take the steps `claim` and `authenticate_claim`.

    Raises:
        PeerError: As both.
    """
    return await authenticate_claim(claim(request), peers=peers, nonces=nonces)


def admit_partner(
    authenticated: AuthenticatedRequest, *, rates: DoorRates
) -> AdmittedRequest:
    """Let a peer's request in, before anything costly is done for it.

    Raises:
        RateLimitError: The peer has sent too many.
    """
    rates.admit_partner(
        authenticated.peer.partner_id, now=authenticated.request.received_at
    )
    return AdmittedRequest(authenticated.peer, authenticated.request)


def read_pull(admitted: AdmittedRequest, *, address: NodeAddress) -> PermittedPull:
    """Read from which position a peer pulls, and whether it may.

    Args:
        admitted: The request.
        address: Our own address.

    Raises:
        PeerError: 400 without a position, 403 if the trust state does not permit
            it.
    """
    request = admitted.request
    require_trust(admitted.peer, TrustAction.PULL_PAGE)
    prefix, query = request.target_uri[: len(address.outbox)], None
    if request.method == "GET" and prefix == address.outbox:
        query = _AFTER.match(request.target_uri[len(prefix) :])
    if query is None or int(query[1]) > JSON_INTEGER_MAX:
        raise MalformedError("Ask for /outbox?after=POSITION.")
    return PermittedPull(admitted.peer, int(query[1]), request)


def read_activity(admitted: AdmittedRequest) -> ReadActivity:
    """Read a body as JSON, and of which kind it is.

    Args:
        admitted: The request.

    Raises:
        PeerError: 400 not JSON as in FED-020, 413 too large, 422 another kind.
    """
    peer, body = admitted.peer, admitted.request.body
    document = strict_json.loads_object(
        body, bytes_max=PAGE_BYTES_MAX, nodes_max=PAGE_NODES_MAX
    )
    kind = document.get("type")
    if kind == _PAGE:
        action = TrustAction.PUSH_PAGE
        if is_withdrawals_only(document):
            action = TrustAction.PUSH_WITHDRAWALS
        items = document.get("orderedItems")
        count = len(items) if isinstance(items, list) else 0
        return ReadActivity(peer, _PAGE, action, max(count, 1), document)
    if len(body) > ACTIVITY_BYTES_MAX:
        raise LimitExceededError(
            f"An activity is longer than {ACTIVITY_BYTES_MAX} bytes."
        )
    # Only a page may hold more values than one activity needs.
    strict_json.check_size(body, nodes_max=ACTIVITY_NODES_MAX)
    wanted = wanted_by(kind, state=peer.state)
    if not isinstance(kind, str) or wanted is None:
        raise SchemaInvalidError(
            "/type: This activity is not known here.", code="unsupported-type"
        )
    return ReadActivity(peer, kind, wanted, 1, document)


def permit(read: ReadActivity, *, rates: DoorRates, now: datetime) -> PermittedActivity:
    """Ask whether the peer may do this now, before its proofs are verified.

    Args:
        read: What it sent.
        rates: Of the partners, counted by items.
        now: The time, aware UTC.

    Raises:
        PeerError: 403 by its trust state, 429 too many items.
    """
    require_trust(read.peer, read.action)
    rates.admit_items(read.peer.partner_id, read.items, now=now)
    return PermittedActivity(read)


def prove(permitted: PermittedActivity, *, address: NodeAddress) -> ProvenActivity:
    """Make a typed, proven activity of a body: the edge of untyped JSON.

    Args:
        permitted: From `permit`.
        address: Our own address.

    Raises:
        PeerError: 400 context, 401 proof, 403 origin or owner, 413 size, 422
            schema.
    """
    read = permitted.read
    return ProvenActivity(read.peer, read.action, _parsed(read, address=address))


def _parsed(read: ReadActivity, *, address: NodeAddress) -> Activity:
    peer, document = read.peer, read.document
    if read.kind == _PAGE:
        return parse_page(document, peer=peer)
    if read.kind == "Create":
        return parse_message(document, peer=peer, address=address)
    if read.kind == UPDATE:
        return parse_actor_update(document, peer=peer, address=address)
    if read.kind == MOVE:
        return parse_move(document, peer=peer, address=address)
    return parse_notice(document, peer=peer, address=address)


# -- guests ---------------------------------------------------------------------


def name_invitation(claimed: ClaimedRequest) -> NamedInvitation:
    """Read which invitation a partner request names, before it is proven.

    Whoever has no invitation is refused before anything costly is done.

    Args:
        claimed: The request.

    Raises:
        PeerError: 400, 413 or 422; without a look at any key.
    """
    if claimed.request.method != "POST":
        raise MalformedError("A partner request is a POST with a body.")
    document = _activity(claimed.request.body)
    named = document.get("invitation")
    if not isinstance(named, str):
        raise SchemaInvalidError("/invitation: The request names no invitation.")
    return NamedInvitation(claimed, named, document)


def prove_guest(
    named: NamedInvitation, *, address: NodeAddress, allow_loopback_http: bool
) -> PartnerRequest:
    """Read a partner request, signed by the key that it brings along.

    The nonce is not remembered: who is not invited must not be able to fill our
    memory, and the invitation itself can be used only once.

    Args:
        named: The request; the caller has found the invitation that it names.
        address: Our own address.
        allow_loopback_http: True on nodes of the demo and of tests only.

    Returns:
        The request. Whether it was invited is shown by
        `documents.verify_invitation`.

    Raises:
        PeerError: 400, 401, 403 or 422 as at the inbox.
    """
    found = named.claimed.claim
    try:
        parsed = parse_partner_request(
            named.document, address=address, allow_loopback_http=allow_loopback_http
        )
        key = parsed.guest.as_peer().request_key(found.key_id)
        if key is None:
            raise SignatureInvalidError(
                "The request is signed by another key than the guest's.",
                code="unknown-key",
            )
        verify_claim(found, message=named.claimed.request.as_message(), key=key)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=True)
        raise
    return parsed


# -- shared ---------------------------------------------------------------------


def require_trust(peer: KnownPeer, action: TrustAction) -> None:
    """Require that a peer's trust state permits an action.

    Raises:
        NotPermittedError: With the reason of `federation.trust`.
    """
    decision = decide_trust(peer.state, action)
    if isinstance(decision, Refuse):
        raise NotPermittedError(decision.reason, code=decision.code)


def is_activity_media_type(text: str) -> bool:
    """Tell whether a Content-Type names one of the two ActivityPub types."""
    return _MEDIA_TYPE.fullmatch(text.strip()) is not None


async def pinned_key(
    found: SignatureClaim, *, peers: PeerDirectory
) -> tuple[KnownPeer, PublicKey]:
    """Return the peer and the key that a signature names; nothing is proven by it.

    Raises:
        SignatureInvalidError: The key is not pinned, or signs no request any more.
    """
    peer = await peers.find_by_key(found.key_id)
    key = None if peer is None else peer.request_key(found.key_id)
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
    if len(media_types) != 1 or not is_activity_media_type(media_types[0]):
        raise UnsupportedMediaError(f"The media type must be {ACTIVITY_JSON}.")
    return request.body


def _activity(body: bytes) -> JsonObject:
    return strict_json.loads_object(body)
