"""Proofs inside documents: FEP-8b32 with cryptosuite eddsa-jcs-2022.

Every byte of a document is under its proof, because the canonical form has no
room for a field that is not. Verification works on the document as it was
received, before anything interprets it.

Source: W3C Data Integrity EdDSA Cryptosuites 1.0 "eddsa-jcs-2022", FEP-8b32,
SPEC.md FED-031.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import base58

from federation import base58btc
from federation.canonical import canonical_bytes, signed_forms
from federation.errors import (
    LocalError,
    ProofInvalidError,
    SchemaInvalidError,
    SignatureInvalidError,
)
from federation.timestamps import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import PublicKey, SigningKey

PROOF_TYPE: Final = "DataIntegrityProof"
CRYPTOSUITE: Final = "eddsa-jcs-2022"
PROOF_PURPOSE: Final = "assertionMethod"
_PROOF_FIELDS: Final = frozenset(
    {
        "@context",
        "type",
        "cryptosuite",
        "created",
        "verificationMethod",
        "proofPurpose",
        "proofValue",
    }
)
_SIGNATURE_BYTES: Final = 64
_PROOF_VALUE_CHARACTERS_MAX: Final = 90


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """What a proof that verified says about itself.

    Args:
        verification_method: Id of the key.
        created: When it was made, as it says.
        raw: Canonical bytes of the document with its proof.
    """

    verification_method: str
    created: datetime
    # Content stays out of `repr`, and with it out of logs.
    raw: bytes = field(repr=False)


def add_proof(
    document: JsonObject,
    *,
    key: SigningKey,
    verification_method: str,
    created: datetime,
) -> JsonObject:
    """Return the document with a proof; the argument stays unchanged.

    Args:
        document: With `@context`, without `proof`.
        key: The secret key.
        verification_method: Id under which the public half is listed.
        created: Time of signing, aware; seconds are kept.

    Raises:
        LocalError: The document has a proof, or no context.
    """
    if "proof" in document or "@context" not in document:
        raise LocalError("a document to be signed has a context and no proof")
    options: JsonObject = {
        "@context": document["@context"],
        "type": PROOF_TYPE,
        "cryptosuite": CRYPTOSUITE,
        "created": format_timestamp(created),
        "verificationMethod": verification_method,
        "proofPurpose": PROOF_PURPOSE,
    }
    signature = key.sign(hash_data(document, options))
    value = "z" + base58.b58encode(signature).decode("ascii")
    return {**document, "proof": {**options, "proofValue": value}}


def verify_proof(
    document: JsonObject, *, find_key: Callable[[str, datetime], PublicKey | None]
) -> VerifiedProof:
    """Check a document's only proof.

    The profile is narrower than the cryptosuite: `created` and the copy of the
    context are required, the copy equals the document's context, no other field
    is allowed. What stays ambiguous is refused.

    Args:
        document: As received, with `proof`.
        find_key: Returns the pinned key for a verification method and the time
            at which the proof says that it was made, None if there is none. It
            must not fetch.

    Raises:
        ProofInvalidError: Absent, of another kind, by an unknown key, or wrong.
    """
    proof = document.get("proof")
    if not isinstance(proof, dict):
        raise ProofInvalidError("The document has no proof.", code="proof-missing")
    texts = _proof_texts(proof)
    if (
        texts["type"] != PROOF_TYPE
        or texts["cryptosuite"] != CRYPTOSUITE
        or texts["proofPurpose"] != PROOF_PURPOSE
    ):
        raise ProofInvalidError(
            f"The proof is not a {PROOF_TYPE} of {CRYPTOSUITE} for {PROOF_PURPOSE}."
        )
    # eddsa-jcs-2022 "Verify Proof": the document's context starts with the
    # proof's; here they are equal, so nothing can be appended.
    if "@context" not in document or proof["@context"] != document["@context"]:
        raise ProofInvalidError("The proof's context is not the document's.")
    try:
        created = parse_timestamp(texts["created"])
    except SchemaInvalidError as error:
        raise ProofInvalidError("The proof's time is not valid.") from error
    key = find_key(texts["verificationMethod"], created)
    if key is None:
        raise ProofInvalidError(
            "The proof is by a key that is not known here.", code="unknown-key"
        )
    forms = signed_forms(document)
    try:
        key.verify(
            _proof_value(texts["proofValue"]), _hashes(forms.options, forms.document)
        )
    except SignatureInvalidError as error:
        raise ProofInvalidError("The proof does not verify.") from error
    return VerifiedProof(texts["verificationMethod"], created, forms.whole)


def hash_data(document: JsonObject, options: JsonObject) -> bytes:
    """Return the 64 bytes that are signed: hash of the options, then the document.

    Source: eddsa-jcs-2022 "Hashing".
    """
    return _hashes(canonical_bytes(options), canonical_bytes(document))


def _hashes(options: bytes, document: bytes) -> bytes:
    return hashlib.sha256(options).digest() + hashlib.sha256(document).digest()


def _proof_texts(proof: JsonObject) -> dict[str, str]:
    """Return the text fields of a proof with exactly the permitted fields."""
    if proof.keys() != _PROOF_FIELDS:
        raise ProofInvalidError("The proof has missing or unknown fields.")
    texts = {
        name: value
        for name, value in proof.items()
        if name != "@context" and isinstance(value, str)
    }
    if len(texts) != len(_PROOF_FIELDS) - 1:
        raise ProofInvalidError("The proof has a field that is not a text.")
    return texts


def _proof_value(text: str) -> bytes:
    if not text.startswith("z") or len(text) > _PROOF_VALUE_CHARACTERS_MAX:
        raise ProofInvalidError("The proof value is not base58btc.")
    try:
        signature = base58btc.decode(text[1:])
    except ValueError as error:
        raise ProofInvalidError("The proof value is not base58btc.") from error
    if len(signature) != _SIGNATURE_BYTES:
        raise ProofInvalidError("The proof value does not have 64 bytes.")
    return signature
