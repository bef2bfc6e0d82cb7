"""A withdrawal: asks to remove an entry, and says nothing but its id.

Source: SPEC.md FED-046.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof, sign
from federation.errors import LocalError
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire
from federation.version import Version

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer


class WithdrawalMode(Enum):
    """Whether the entry may come back."""

    WITHDRAWAL = "withdrawal"
    """Withdrawn, narrowed or expired: a later version may come."""
    DELETION = "deletion"
    """Deleted: no version will ever come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A withdrawal.

    Args:
        id: `<base_url>/activities/<id>`.
        entry_id: The entry to remove.
        version: The version that it takes away, with all before it.
        mode: Whether a later version may come.
        published: When it was made, aware UTC.
        signed: The document as received or built, None before it is signed.
    """

    id: str
    entry_id: str
    version: Version
    mode: WithdrawalMode
    published: datetime
    signed: SignedDocument | None = None


def build_withdrawal(
    withdrawal: Withdrawal, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign a withdrawal; one document serves every partner that was told.

    Raises:
        LocalError: Entry or activity is not ours.
    """
    signer = signer.called(withdrawal.entry_id)
    address = signer.address
    if (
        address.entry_local_id(withdrawal.entry_id) is None
        or address.activity_local_id(withdrawal.id) is None
    ):
        raise LocalError(f"{withdrawal.entry_id} cannot be withdrawn from here")
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": withdrawal.id,
        "type": "Delete",
        "actor": address.actor,
        "object": withdrawal.entry_id,
        "incarnation": withdrawal.version.incarnation,
        "version": withdrawal.version.counter,
        "mode": withdrawal.mode.value,
        "published": format_timestamp(withdrawal.published),
        "to": [address.partners_audience],
    }
    signed = sign(document, signer=signer, created=created)
    check_wire("delete", signed.document)
    return signed


def parse_withdrawal(document: JsonObject, *, peer: RemotePeer) -> Withdrawal:
    """Read a withdrawal of a peer, with every check.

    Raises:
        PeerError: Context, ownership, proof or schema is wrong.
    """
    jsonld.check_context(document)
    peer = peer.called(document.get("object"))
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("delete", document)
    require_ownership(document, OwnedType.DELETE, signer=peer.address)
    signed = require_proof(document, peer=peer)
    return Withdrawal(
        id=reading.text(document, "id"),
        entry_id=reading.text(document, "object"),
        version=Version(
            reading.integer(document, "incarnation"),
            reading.integer(document, "version"),
        ),
        mode=WithdrawalMode(reading.text(document, "mode")),
        published=reading.timestamp(document, "published"),
        signed=signed,
    )
