"""A document with its proof, and the bytes that stand for it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from federation.canonical import canonical_bytes
from federation.errors import ProofInvalidError
from federation.signatures.proof import add_proof, verify_proof

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import PublicKey, Signer
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
        return cls.from_raw(document, canonical_bytes(document))

    @classmethod
    def from_raw(cls, document: JsonObject, raw: bytes) -> Self:
        """Compute the hash of a document whose canonical bytes are known."""
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


def require_proof(document: JsonObject, *, peer: RemotePeer) -> SignedDocument:
    """Require a proof by a pinned key of a peer, made while the key was valid.

    Returns:
        The document with its bytes and hash, which the check has computed anyway.

    Raises:
        ProofInvalidError: There is none, or it does not verify.
    """
    return _require_proof_of(
        document,
        peer,
        find_key=lambda key_id, created: peer.proof_key(key_id, created=created),
    )


def require_proof_now(document: JsonObject, *, peer: RemotePeer) -> SignedDocument:
    """Require a proof by a key of a peer that may sign now, retired ones excluded.

    Returns:
        As `require_proof`.

    Raises:
        ProofInvalidError: There is none, or it does not verify.
    """
    return _require_proof_of(
        document, peer, find_key=lambda key_id, _created: peer.request_key(key_id)
    )


def _require_proof_of(
    document: JsonObject,
    peer: RemotePeer,
    *,
    find_key: Callable[[str, datetime], PublicKey | None],
) -> SignedDocument:
    proven = verify_proof(document, find_key=find_key)
    # A key may be pinned under another peer's name; the owner must be this actor.
    if proven.verification_method.partition("#")[0] != peer.actor_id:
        raise ProofInvalidError("The proof is by another actor's key.")
    return SignedDocument.from_raw(document, proven.raw)
