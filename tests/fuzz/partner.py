"""A partner that signs whatever the fuzzer invents.

Without it every changed document would end at its proof. Inputs are documents
without `@context` and `proof`; both are put in here, the proof by the partner's
real key. A document that brings its own keeps it, so wrong ones are tried as well:

- `"proof": false` leaves the document without a proof,
- `"proofValue": "*"` in a proof of any form is replaced by a valid signature.
"""

from __future__ import annotations

import copy
from typing import Any

import base58

from federation import jsonld
from federation.canonical import canonical_bytes
from federation.errors import LocalError
from federation.signatures.proof import add_proof, hash_data
from tests.unit.federation.nodes import NOW, Node

PARTNER = Node("spalier.optence.example")
"""Signs and sends."""
OURSELVES = Node("spalier.swissmem.example")
"""Receives."""
SIGNED_HERE = "*"
_WRAPPERS = ("Create", "Update")


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document with context and proof put in.

    Raises:
        LocalError: It cannot be signed; the strict reader refuses such input.
    """
    completed = dict(document)
    completed.setdefault("@context", jsonld.context_copy())
    proof = completed.get("proof")
    if proof is False:
        del completed["proof"]
    elif "proof" not in completed:
        return add_proof(
            completed,
            key=PARTNER.key,
            verification_method=PARTNER.signer.key_id,
            created=NOW,
        )
    elif isinstance(proof, dict) and proof.get("proofValue") == SIGNED_HERE:
        unsigned = {key: completed[key] for key in completed if key != "proof"}
        options = {key: proof[key] for key in proof if key != "proofValue"}
        signature = PARTNER.key.sign(hash_data(unsigned, options))
        value = "z" + base58.b58encode(signature).decode("ascii")
        completed["proof"] = {**options, "proofValue": value}
    return completed


def complete_page(document: dict[str, Any]) -> dict[str, Any]:
    """Return a page with its context, and its items completed."""
    page = {"@context": jsonld.context_copy(), **document}
    items = page.get("orderedItems")
    if isinstance(items, list):
        page["orderedItems"] = [_complete_item(item) for item in items]
    return page


def complete_delivery(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a partner delivers to an inbox, completed by its type."""
    if document.get("type") == "OrderedCollectionPage":
        return complete_page(document)
    return complete(document)


def stripped(document: dict[str, Any]) -> dict[str, Any]:
    """Return a document as an input: the inverse of completing."""
    result = copy.deepcopy(document)
    for part in _parts(result):
        part.pop("@context", None)
        part.pop("proof", None)
    return result


def can_be_signed(value: Any) -> bool:
    """Tell whether a value has a canonical form at all."""
    try:
        canonical_bytes(value)
    except (LocalError, RecursionError):
        return False
    return True


def _complete_item(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if item.get("type") in _WRAPPERS and isinstance(item.get("object"), dict):
        return {**item, "object": complete(item["object"])}
    return complete(item)


def _parts(document: dict[str, Any]) -> list[dict[str, Any]]:
    parts = [document]
    items = document.get("orderedItems")
    for item in items if isinstance(items, list) else []:
        parts.append(item)
        if isinstance(item.get("object"), dict):
            parts.append(item["object"])
    return parts
