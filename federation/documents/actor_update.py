"""A node tells a partner what has changed about itself: keys, name, card, version.

The proof is by a key that the partner has pinned and that may sign now. A key that
revokes itself signs this once more; what such an update may still say is decided
by `federation.key_changes`.

Source: SPEC.md FED-102, FED-105, PRT-034.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation import jsonld
from federation.documents import reading
from federation.documents.actor import ActorDocument, actor_body, read_actor
from federation.documents.signed import SignedDocument, require_proof_now, sign
from federation.errors import LocalError, SchemaInvalidError
from federation.ids import NodeAddress
from federation.negotiation import require_same_major
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer

UPDATE: Final = "Update"
"""The activity's type on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorUpdate:
    """What a node says about itself from now on.

    Args:
        id: `<base_url>/activities/<id>`.
        actor: The whole actor, with `updated`; what it does not say is gone.
        recipient: Actor of the node that it is for.
        published: When, aware UTC.
        signed_by: Id of the key of the proof, empty before it is signed.
        signed: The document as received, None before it is signed.
    """

    id: str
    actor: ActorDocument
    recipient: str
    published: datetime
    signed_by: str = ""
    signed: SignedDocument | None = None


def build_actor_update(
    update: ActorUpdate, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign an update.

    Args:
        update: Its actor is our own and has `updated`.
        signer: A key that the recipient has pinned.
        created: Time of signing, aware.

    Raises:
        LocalError: The actor is not the signer's, or breaks its schema.
    """
    if update.actor.id != signer.address.actor:
        raise LocalError("an actor update tells of the signer alone")
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": update.id,
        "type": UPDATE,
        "actor": signer.address.actor,
        "object": actor_body(update.actor),
        "published": format_timestamp(update.published),
        "to": [update.recipient],
    }
    signed = sign(document, signer=signer, created=created)
    try:
        check_wire("actor_update", signed.document)
    except SchemaInvalidError as error:
        raise LocalError(f"actor update: {error.safe_text}") from error
    return signed


def parse_actor_update(
    document: JsonObject, *, peer: RemotePeer, address: NodeAddress
) -> ActorUpdate:
    """Read an update of a peer about itself, with every check but that of its keys.

    Args:
        document: The parsed body.
        peer: The peer that must have signed it.
        address: Our own address; the update must be for us.

    Raises:
        PeerError: Context, schema, ownership or proof is wrong, or another major
            version of the protocol.
    """
    told = document.get("object")
    if isinstance(told, dict):
        require_same_major(told.get("spalierProtocol"))
    jsonld.check_context(document)
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("actor_update", document)
    require_ownership(
        document,
        OwnedType.ACTOR_UPDATE,
        signer=peer.address,
        receiver=address,
    )
    require_proof_now(document, peer=peer)
    jsonld.check_meaning(document, type_iri=jsonld.type_iri(UPDATE))
    return ActorUpdate(
        id=reading.text(document, "id"),
        actor=read_actor(reading.member(document, "object"), base_url=peer.base_url),
        recipient=address.actor,
        published=reading.timestamp(document, "published"),
        signed_by=reading.text(reading.member(document, "proof"), "verificationMethod"),
        signed=SignedDocument.of(document),
    )
