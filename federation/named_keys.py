"""Whose key a request names, before its body is read.

Anybody can name a key: nothing is proven by it, and every step of `federation.inbox`
follows. It only says which share of what is scarce a request may use.

Source: SPEC.md FED-138, NOD-043.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import PeerError, RateLimitError, SignatureInvalidError
from federation.inbox import AdmittedHead, RequestHead, admit_key, pinned_key
from federation.signatures.http import (
    HttpMessage,
    SignatureClaim,
    claim_before_body,
    claim_request,
)

if TYPE_CHECKING:
    from federation.peers import KnownPeer
    from federation.ports import PeerDirectory
    from federation.rates import DoorRates


async def admit_named(
    head: RequestHead, *, peers: PeerDirectory, rates: DoorRates
) -> AdmittedHead | None:
    """Let a request in although its address has sent too many: it names a peer's key.

    Whoever shares an address with a stranger is not locked out by what the stranger
    sends. Nothing is proven by the name, so these have small rates of their own.

    Args:
        head: The request.
        peers: The pinned keys.
        rates: Of the addresses.

    Returns:
        None if it names none, or too many do.

    Source: SPEC.md FED-138.
    """
    found = _claimed_before_body(head)
    if found is None:
        return None
    try:
        rates.admit_lookup(head.sender, now=head.received_at)
        await pinned_key(found, peers=peers)
        return admit_key(head, found.key_id, rates=rates)
    except (RateLimitError, SignatureInvalidError):
        return None


async def named_peer(head: AdmittedHead, *, peers: PeerDirectory) -> KnownPeer | None:
    """Return whose key a request names before its body is read; nothing is proven."""
    found = _claimed_before_body(head.head)
    if found is None:
        return None
    try:
        peer, _ = await pinned_key(found, peers=peers)
    except SignatureInvalidError:
        return None
    return peer


def _claimed_before_body(head: RequestHead) -> SignatureClaim | None:
    message = HttpMessage(head.method, head.target_uri, head.headers)
    try:
        if head.method == "GET":
            return claim_request(message, body=None, received_at=head.received_at)
        return claim_before_body(message, received_at=head.received_at)
    except PeerError:
        return None
