"""A document with its proof, and the bytes that stand for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from federation.canonical import canonical_bytes
from federation.errors import ProofInvalidError
from federation.signatures.proof import add_proof, verify_proof

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer


@dataclass(frozen=True, slots=True)
class SignedDocument:
    """A document with its proof.

    Args:
        document: The parsed document; not to be changed.
        raw: Its canonical bytes, proof included. This is what is stored and sent.
        content_hash: SHA-256 over `raw`, 64 hex digits.
    """

    # Content stays out of `repr`, and with it out of logs.
    document: JsonObject = field(repr=False)
    raw: bytes = field(repr=False)
    content_hash: str

    @classmethod
    def of(cls, document: JsonObject) -> Self:
        """Compute bytes and hash of a document that carries its proof."""
        raw = canonical_bytes(document)
        return cls(document, raw, hashlib.sha256(raw).hexdigest())


def sign(document: JsonObject, *, signer: Signer, created: datetime) -> SignedDocument:
    """Sign a document with the node's key."""
    return SignedDocument.of(
        add_proof(
            document,
            key=signer.key,
            verification_method=signer.key_id,
            created=created,
        )
    )


def require_proof(document: JsonObject, *, peer: RemotePeer) -> None:
    """Require a proof by one of a peer's pinned keys.

    Raises:
        ProofInvalidError: There is none, or it does not verify.
    """
    proven = verify_proof(document, find_key=peer.key)
    # A key may be pinned under another peer's name; the owner must be this actor.
    if proven.verification_method.partition("#")[0] != peer.actor_id:
        raise ProofInvalidError("The proof is by another actor's key.")
