"""A node tells a partner that it is at another address now (ActivityStreams `Move`).

The announcement is by the old name and by a key that the partner has pinned. It
changes nothing by itself: `federation.moving` says what an office has to see first.

Source: SPEC.md FED-163, PRT-057; https://www.w3.org/TR/activitystreams-vocabulary/#dfn-move;
FEP-7628.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof_now, sign
from federation.errors import LocalError, OriginMismatchError
from federation.ids import BaseUrl, NodeAddress, base_url_of_actor
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer

MOVE: Final = "Move"
"""The activity's type on the wire."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a node is from now on.

    Args:
        id: `<old base_url>/activities/<id>`.
        target: The new address.
        recipient: Actor of the node that it is for.
        published: When it was ordered, aware UTC with whole seconds.
        signed: The document as received, None before it is signed.
    """

    id: str
    target: BaseUrl
    recipient: str
    published: datetime
    signed: SignedDocument | None = None


def build_move(move: Move, *, signer: Signer, created: datetime) -> SignedDocument:
    """Sign an announcement.

    Args:
        move: Its target is another address than the signer's.
        signer: The name and a key by which the recipient knows us.
        created: Time of signing, aware.

    Raises:
        LocalError: It leads to where the recipient knows us to be.
    """
    address = signer.address
    if move.target == address.base_url:
        raise LocalError(f"{move.target} is where the node is known to be")
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": move.id,
        "type": MOVE,
        "actor": address.actor,
        "object": address.actor,
        "target": NodeAddress(move.target).actor,
        "published": format_timestamp(move.published),
        "to": [move.recipient],
    }
    signed = sign(document, signer=signer, created=created)
    check_wire("move", signed.document)
    return signed


def parse_move(document: JsonObject, *, peer: RemotePeer, address: NodeAddress) -> Move:
    """Read an announcement of a peer to us, with every check that needs no office.

    Args:
        document: The parsed body.
        peer: The peer that must have signed it, by the name that we know.
        address: Our own address; the announcement must be for us.

    Raises:
        PeerError: Context, schema, ownership or proof is wrong.
    """
    jsonld.check_context(document)
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("move", document)
    require_ownership(document, OwnedType.MOVE, signer=peer.address, receiver=address)
    signed = require_proof_now(document, peer=peer)
    jsonld.check_meaning(document, type_iri=jsonld.type_iri(MOVE))
    target = base_url_of_actor(reading.text(document, "target"), like=address.base_url)
    if target is None:
        raise OriginMismatchError("/target: This must be an address of a node.")
    return Move(
        id=reading.text(document, "id"),
        target=target,
        recipient=address.actor,
        published=reading.timestamp(document, "published"),
        signed=signed,
    )
