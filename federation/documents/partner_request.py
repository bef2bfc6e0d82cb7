"""A partner request: a node with an invitation asks to become a partner.

It carries the guest's actor, so that the host need not fetch anything of a node
that it does not know. Its proof shows that the guest owns the key, its MAC that
the guest was invited and which keys both sides saw.

Source: SPEC.md FED-082 to FED-084.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation import handshake, jsonld
from federation.documents import reading
from federation.documents.actor import ActorDocument, actor_body, read_actor
from federation.documents.signed import SignedDocument, require_proof_now, sign
from federation.errors import (
    IdentifierError,
    NotPermittedError,
    SchemaInvalidError,
)
from federation.ids import BaseUrl, NodeAddress, parse_base_url, random_id
from federation.keys import PublicKey
from federation.limits import NONCE_BYTES
from federation.negotiation import require_same_major
from federation.ownership import OwnedType, require_ownership
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue
    from federation.keys import Signer
    from federation.ports import RandomSource


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerRequest:
    """A request that is proven to come from the owner of the guest's key.

    Whether the guest was invited is shown by `verify_invitation`, with the secret.

    Args:
        id: `<guest>/activities/<id>`.
        guest: The guest's actor, with the key to pin.
        target: The host's address, as the guest wrote it.
        host_key: The host's key, as the guest saw it.
        invitation: `handshake.invitation_id` of the secret.
        nonce: The request's own random text.
        published: When it was made, aware UTC.
        signed: The document.
    """

    id: str
    guest: ActorDocument
    target: BaseUrl
    host_key: PublicKey
    invitation: str
    nonce: str
    published: datetime
    signed: SignedDocument


def build_partner_request(
    guest: ActorDocument,
    *,
    host: ActorDocument,
    secret: bytes,
    signer: Signer,
    random: RandomSource,
    created: datetime,
) -> SignedDocument:
    """Write and sign a request to the node that gave us a code.

    Args:
        guest: Our own actor.
        host: The host's actor, as fetched from the address in the code.
        secret: The secret of the code.
        signer: Our key.
        random: For id and nonce.
        created: Time of signing, aware.
    """
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": signer.address.activity(random_id(random)),
        "type": "PartnerRequest",
        "actor": actor_body(guest),
        "target": host.base_url,
        "hostKey": host.keys[0].public_key.multibase,
        "invitation": handshake.invitation_id(secret),
        "nonce": new_nonce(random),
        "published": format_timestamp(created),
    }
    document["mac"] = handshake.request_mac(secret, document)
    signed = sign(document, signer=signer, created=created)
    check_wire("partner_request", signed.document)
    return signed


def new_nonce(random: RandomSource) -> str:
    """Make 128 random bits in base64url without padding."""
    raw = base64.urlsafe_b64encode(random.bytes(NONCE_BYTES))
    return raw.decode("ascii").rstrip("=")


def parse_partner_request(
    document: JsonObject, *, address: NodeAddress, allow_loopback_http: bool
) -> PartnerRequest:
    """Read a request and check that its guest owns the key that it names.

    Args:
        document: The parsed body.
        address: Our own address; the request must be for us.
        allow_loopback_http: True on nodes of the demo and of tests only.

    Raises:
        PeerError: Context, schema, ownership or proof is wrong, or the guest
            speaks another major version.
    """
    require_same_major(_offered_version(document))
    jsonld.check_context(document)
    check_wire("partner_request", document)
    body = reading.member(document, "actor")
    base_url = _base_url(
        reading.text(body, "id").removesuffix("/actor"),
        allow_loopback_http=allow_loopback_http,
    )
    guest = read_actor(body, base_url=base_url)
    require_ownership(
        document,
        OwnedType.PARTNER_REQUEST,
        signer=NodeAddress(base_url),
        receiver=address,
    )
    require_proof_now(document, peer=guest.as_peer())
    jsonld.check_meaning(document, type_iri=jsonld.type_iri("PartnerRequest"))
    if base_url == address.base_url:
        raise NotPermittedError("A node cannot be its own partner.", code="own-node")
    return PartnerRequest(
        id=reading.text(document, "id"),
        guest=guest,
        target=address.base_url,
        host_key=PublicKey.from_multibase(reading.text(document, "hostKey")),
        invitation=reading.text(document, "invitation"),
        nonce=reading.text(document, "nonce"),
        published=reading.timestamp(document, "published"),
        signed=SignedDocument.of(document),
    )


def verify_invitation(
    request: PartnerRequest, *, secret: bytes, own_key: PublicKey
) -> None:
    """Check that the guest knows the secret and saw our real key.

    Args:
        request: The parsed request.
        secret: Secret of the invitation that `request.invitation` names.
        own_key: Our public key.

    Raises:
        NotPermittedError: The MAC is wrong (`invitation-refused`), or the guest
            saw another key than ours (`host-key-mismatch`): somebody is between.
    """
    handshake.verify_request_mac(secret, request.signed.document)
    if request.host_key != own_key:
        raise NotPermittedError(
            "The guest saw another key than this node's; somebody may be in between.",
            code="host-key-mismatch",
        )


def _offered_version(document: JsonObject) -> JsonValue:
    actor = document.get("actor")
    return actor.get("spalierProtocol") if isinstance(actor, dict) else None


def _base_url(text: str, *, allow_loopback_http: bool) -> BaseUrl:
    try:
        return parse_base_url(text, allow_loopback_http=allow_loopback_http)
    except IdentifierError as error:
        raise SchemaInvalidError("/actor/id: This is not a node's actor.") from error
