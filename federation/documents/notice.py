"""Notices: an office confirmed, refused or ended a partnership.

Source: SPEC.md PRT-033.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof, sign
from federation.errors import OriginMismatchError
from federation.ids import NodeAddress
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer


class NoticeType(Enum):
    """What happened; the value is the type on the wire."""

    ACCEPT = "Accept"
    """The host confirmed our partner request."""
    REJECT = "Reject"
    """The host refused our partner request."""
    LEAVE = "Leave"
    """The partner ended the partnership, or took its request back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """A notice.

    Args:
        id: `<base_url>/activities/<id>`.
        type: What happened.
        actor: Who says so.
        recipient: The node that it is for.
        object: Id of the partner request; for `LEAVE` the recipient's actor.
        published: When, aware UTC.
        reason: A sentence for the other office, if one was written.
        signed: The document as received, None before it is signed.
    """

    id: str
    type: NoticeType
    actor: str
    recipient: str
    object: str
    published: datetime
    reason: str | None = None
    signed: SignedDocument | None = None


def build_notice(
    notice: Notice, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign a notice."""
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": notice.id,
        "type": notice.type.value,
        "actor": signer.address.actor,
        "object": notice.object,
        "published": format_timestamp(notice.published),
        "to": [notice.recipient],
    }
    if notice.reason is not None:
        document["reason"] = notice.reason
    signed = sign(document, signer=signer, created=created)
    check_wire("notice", signed.document)
    return signed


def parse_notice(
    document: JsonObject, *, peer: RemotePeer, address: NodeAddress
) -> Notice:
    """Read a notice of a peer to us, with every check.

    Args:
        document: The parsed body.
        peer: The peer that must have signed it.
        address: Our own address; the notice must be about us.

    Raises:
        PeerError: Context, schema, ownership, proof or object is wrong.
    """
    jsonld.check_context(document)
    reading.require_owner(document, "actor", actor_id=peer.actor_id)
    check_wire("notice", document)
    notice_id = reading.text(document, "id")
    if NodeAddress(peer.base_url).activity_local_id(notice_id) is None:
        raise OriginMismatchError("The notice's id is not of the signer's node.")
    require_proof(document, peer=peer)
    kind = NoticeType(reading.text(document, "type"))
    jsonld.check_meaning(document, type_iri=jsonld.type_iri(kind.value))
    about = reading.text(document, "object")
    ours = (
        about == address.actor
        if kind is NoticeType.LEAVE
        else address.activity_local_id(about) is not None
    )
    if not ours or reading.texts(document, "to") != (address.actor,):
        raise OriginMismatchError("The notice is about another node.")
    return Notice(
        id=notice_id,
        type=kind,
        actor=peer.actor_id,
        recipient=address.actor,
        object=about,
        published=reading.timestamp(document, "published"),
        reason=reading.optional_text(document, "reason"),
        signed=SignedDocument.of(document),
    )
