"""Notices: an office confirmed, refused or ended a partnership.

Source: SPEC.md PRT-033.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof, sign
from federation.ids import NodeAddress
from federation.ownership import OwnedType, require_ownership, require_signer
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


_OWNED_TYPES: Final = {
    NoticeType.ACCEPT: OwnedType.ACCEPT,
    NoticeType.REJECT: OwnedType.REJECT,
    NoticeType.LEAVE: OwnedType.LEAVE,
}


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
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("notice", document)
    kind = NoticeType(reading.text(document, "type"))
    require_ownership(
        document,
        _OWNED_TYPES[kind],
        signer=peer.address,
        receiver=address,
    )
    signed = require_proof(document, peer=peer)
    return Notice(
        id=reading.text(document, "id"),
        type=kind,
        actor=peer.actor_id,
        recipient=address.actor,
        object=reading.text(document, "object"),
        published=reading.timestamp(document, "published"),
        reason=reading.optional_text(document, "reason"),
        signed=signed,
    )
