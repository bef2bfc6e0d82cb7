"""Who has signed a request's head, before its body is read.

A signature covers the digest of the body, so that it can be verified without it. It
says which share of what is scarce a request may use: whose room its body fills, and
whether it is let in beside a stranger at the same address. Every step of
`federation.inbox` follows; whether the body is the signed one, and whether the
request came before, is seen there.

Source: SPEC.md FED-138, NOD-043, PRT-001.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import PeerError, SignatureInvalidError
from federation.inbox import (
    AdmittedHead,
    RequestHead,
    SignedHead,
    admit_key,
    pinned_key,
)
from federation.signatures.http import (
    HttpMessage,
    SignatureClaim,
    accept_signature,
    claim_before_body,
    claim_request,
    verify_claim,
)

if TYPE_CHECKING:
    from federation.ports import PeerDirectory
    from federation.rates import DoorRates


async def require_signed_head(
    admitted: AdmittedHead, *, peers: PeerDirectory
) -> SignedHead:
    """Refuse a request that no peer has signed, before its body is read.

    Args:
        admitted: The request without its body.
        peers: The pinned keys.

    Raises:
        PeerError: 400 malformed, 401 not signed, stale, unknown key or wrong.
    """
    head = admitted.head
    try:
        return await _verified(head, _claimed(head), peers=peers)
    except SignatureInvalidError as error:
        error.challenge = accept_signature(has_body=head.method != "GET")
        raise


async def signed_head(
    admitted: AdmittedHead, *, peers: PeerDirectory
) -> SignedHead | None:
    """Return the head with the peer that has signed it; None if none has."""
    try:
        return await require_signed_head(admitted, peers=peers)
    except PeerError:
        return None


async def admit_signed(
    head: RequestHead, *, peers: PeerDirectory, rates: DoorRates
) -> AdmittedHead | None:
    """Let a request in although its address has sent too many: a peer has signed it.

    Whoever shares an address with a stranger is not locked out by what the stranger
    sends. The same head may come again, so these have small rates of their own.

    Args:
        head: The request.
        peers: The pinned keys.
        rates: Of the addresses.

    Returns:
        None if no peer has signed it, or too many come.

    Source: SPEC.md FED-138.
    """
    try:
        found = _claimed(head)
        rates.admit_lookup(head.sender, now=head.received_at)
        await _verified(head, found, peers=peers)
        return admit_key(head, found.key_id, rates=rates)
    except PeerError:
        return None


def _message(head: RequestHead) -> HttpMessage:
    return HttpMessage(head.method, head.target_uri, head.headers)


def _claimed(head: RequestHead) -> SignatureClaim:
    if head.method == "GET":
        return claim_request(_message(head), body=None, received_at=head.received_at)
    return claim_before_body(_message(head), received_at=head.received_at)


async def _verified(
    head: RequestHead, found: SignatureClaim, *, peers: PeerDirectory
) -> SignedHead:
    peer, key = await pinned_key(found, peers=peers)
    verify_claim(found, message=_message(head), key=key)
    return SignedHead(head, peer)
