"""A receipt: the receiver's signed word on how far it has come.

Source: SPEC.md PRT-026, PRT-027.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof_now, sign
from federation.errors import ConflictError, SchemaInvalidError
from federation.ids import NodeAddress
from federation.limits import REFUSALS_LISTED_MAX
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire
from federation.version import Version

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue
    from federation.keys import Signer
    from federation.peers import RemotePeer


@dataclass(frozen=True, slots=True)
class Refusal:
    """An entry that the receiver does not show.

    Args:
        entry_id: Its id.
        version: The version that was refused.
        reason: A code or JSON pointer with a sentence, at most 200 characters.
    """

    entry_id: str
    version: Version
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the receiver holds of the origin.

    Args:
        id: `<receiver>/activities/<id>`.
        actor: The receiver's actor.
        partner: The origin's actor.
        epoch: The origin's epoch.
        position: Everything up to here was applied or refused.
        held: Entries of the origin that the receiver holds, without refused ones.
        digest: Digest over those entries, 64 hex digits (`exchange.ViewDigest`).
        published: When it was made, aware UTC.
        refused: Entries refused now, at most `REFUSALS_LISTED_MAX` of them.
        refused_count: How many are refused altogether.
        audit_head: The newest row of the receiver's audit log, bound to `id`, 64 hex
            digits; None if the receiver tells none.
        signed: The document as received, None before it is signed.
    """

    id: str
    actor: str
    partner: str
    epoch: str
    position: int
    held: int
    digest: str
    published: datetime
    audit_head: str | None = None
    refused: tuple[Refusal, ...] = ()
    refused_count: int = 0
    signed: SignedDocument | None = None


@dataclass(frozen=True, slots=True)
class SentRange:
    """The page that a receipt has to answer."""

    epoch: str
    first: int
    last: int


def build_receipt(
    receipt: Receipt, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign a receipt."""
    refused: list[JsonValue] = [
        {
            "id": refusal.entry_id,
            "incarnation": refusal.version.incarnation,
            "version": refusal.version.counter,
            "reason": refusal.reason[:200],
        }
        for refusal in receipt.refused[:REFUSALS_LISTED_MAX]
    ]
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": receipt.id,
        "type": "Receipt",
        "actor": signer.address.actor,
        "partner": receipt.partner,
        "epoch": receipt.epoch,
        "position": receipt.position,
        "held": receipt.held,
        "refused": refused,
        "refusedCount": max(receipt.refused_count, len(refused)),
        "digest": receipt.digest,
        "published": format_timestamp(receipt.published),
    }
    if receipt.audit_head is not None:
        document["auditHead"] = receipt.audit_head
    signed = sign(document, signer=signer, created=created)
    check_wire("receipt", signed.document)
    return signed


def parse_receipt(
    document: JsonObject,
    *,
    peer: RemotePeer,
    address: NodeAddress,
    sent: SentRange,
) -> Receipt:
    """Read the receipt for a page that we sent.

    Args:
        document: The parsed answer.
        peer: The partner that must have signed it.
        address: Our own address; the receipt must be about us.
        sent: The page that it answers.

    Raises:
        PeerError: Context, schema, ownership or proof is wrong.
        ConflictError: Another epoch, or a position outside the page.
    """
    jsonld.check_context(document)
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("receipt", document)
    require_ownership(
        document,
        OwnedType.RECEIPT,
        signer=peer.address,
        receiver=address,
    )
    # An answer of this moment, and signed by nothing else.
    signed = require_proof_now(document, peer=peer)
    position = reading.integer(document, "position")
    epoch = reading.text(document, "epoch")
    if epoch != sent.epoch or not sent.first - 1 <= position <= sent.last:
        raise ConflictError(
            "The receipt does not fit the page.", code="receipt-out-of-range"
        )
    refused = _refusals(document)
    refused_count = reading.integer(document, "refusedCount")
    if refused_count < len(refused):
        raise SchemaInvalidError("/refusedCount: More are listed than counted.")
    return Receipt(
        id=reading.text(document, "id"),
        actor=peer.actor_id,
        partner=address.actor,
        epoch=epoch,
        position=position,
        held=reading.integer(document, "held"),
        digest=reading.text(document, "digest"),
        published=reading.timestamp(document, "published"),
        audit_head=reading.optional_text(document, "auditHead"),
        refused=refused,
        refused_count=refused_count,
        signed=signed,
    )


def _refusals(document: JsonObject) -> tuple[Refusal, ...]:
    refusals = []
    for item in reading.objects(document, "refused"):
        entry_id = reading.text(item, "id")
        version = Version(
            reading.integer(item, "incarnation"), reading.integer(item, "version")
        )
        refusals.append(Refusal(entry_id, version, reading.text(item, "reason")))
    return tuple(refusals)
