"""The bytes that are signed and hashed: JSON Canonicalization (RFC 8785).

The encoder of the standard library writes a value of texts, integers, booleans and
nulls exactly as RFC 8785 wants it, several times faster than the library for it.
The two differ in three things only: fractions, integers that a double cannot hold,
and the order of names with letters from U+E000 on (RFC 8785 §3.2.3 orders by UTF-16
units, Python by code points). What could be one of these is looked for in the bytes,
and then `rfc8785` writes the value; that both agree is shown by a test.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import rfc8785

import schemas
from federation.errors import LocalError

if TYPE_CHECKING:
    from federation.json_types import JsonObject, JsonValue

_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False,
    check_circular=False,
    allow_nan=False,
    sort_keys=True,
    separators=(",", ":"),
)
# A number inside a list or an object stands after one of these. In a text the same
# letters are harmless: then the slower way is taken for nothing.
_FRACTION_OR_LONG: Final = re.compile(rb"[:\[,]-?[0-9](?:[0-9]{15}|[0-9]*[.eE])")
# First bytes of letters from U+E000 on, in UTF-8.
_AFTER_SURROGATES: Final = bytes(range(0xEE, 0xF5))

_CONTEXT: Final = "@context"
_PROOF: Final = "proof"
_PROOF_VALUE: Final = "proofValue"


def canonical_bytes(value: JsonValue) -> bytes:
    """Return the canonical form of a JSON value (RFC 8785).

    Raises:
        LocalError: A number out of range or half a surrogate pair. What
            `strict_json` has read never causes it.
    """
    try:
        if not isinstance(value, dict | list):
            return rfc8785.dumps(value)
        written = _ENCODER.encode(value).encode("utf-8")
        if (
            len(written.translate(None, _AFTER_SURROGATES)) != len(written)
            or _FRACTION_OR_LONG.search(written) is not None
        ):
            return rfc8785.dumps(value)
        return written
    except (rfc8785.CanonicalizationError, TypeError, ValueError) as error:
        raise LocalError(f"no canonical form: {error}") from error


def content_hash(value: JsonValue) -> str:
    """Return SHA-256 over the canonical bytes, proof included, as 64 hex digits.

    Source: SPEC.md FED-051.
    """
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


@dataclass(frozen=True, slots=True)
class SignedForms:
    """The canonical bytes of a document with a proof, and of its parts.

    Args:
        document: Without `proof`.
        options: `proof` without `proofValue`.
        whole: With everything.
    """

    # Content stays out of `repr`, and with it out of logs.
    document: bytes = field(repr=False)
    options: bytes = field(repr=False)
    whole: bytes = field(repr=False)


def signed_forms(document: JsonObject) -> SignedForms:
    """Return the three forms that verifying and storing a document take.

    They share nearly all their bytes. Each member is written once, and the house
    context, which stands there twice, not at all: its form is known.

    Args:
        document: With a `proof` that is an object.

    Raises:
        LocalError: As `canonical_bytes`.
    """
    proof = document[_PROOF]
    if not isinstance(proof, dict):
        raise LocalError("the document has no proof")
    if not (_is_usual(document) and _is_usual(proof)):
        return SignedForms(
            canonical_bytes(_without(document, _PROOF)),
            canonical_bytes(_without(proof, _PROOF_VALUE)),
            canonical_bytes(document),
        )
    first, last = _around(_PROOF, document)
    proof_first, proof_last = _around(_PROOF_VALUE, proof)
    options = _object(_HOUSE_MEMBER, proof_first, proof_last)
    value = b""
    if _PROOF_VALUE in proof:
        value = canonical_bytes({_PROOF_VALUE: proof[_PROOF_VALUE]})[1:-1]
    signed = b'"proof":' + _object(_HOUSE_MEMBER, proof_first, value, proof_last)
    return SignedForms(
        _object(_HOUSE_MEMBER, first, last),
        options,
        _object(_HOUSE_MEMBER, first, signed, last),
    )


def _is_usual(part: JsonObject) -> bool:
    """Tell whether the house context comes first when the names are in order."""
    # All its values are texts, so equal means the same bytes (True would equal 1).
    return part.get(_CONTEXT) == _HOUSE and all(name >= _CONTEXT for name in part)


def _without(part: JsonObject, name: str) -> JsonObject:
    return {key: value for key, value in part.items() if key != name}


def _around(name: str, part: JsonObject) -> tuple[bytes, bytes]:
    """Return the members before and after `name`, without braces and context."""
    first = {key: part[key] for key in part if key < name and key != _CONTEXT}
    last = {key: part[key] for key in part if key > name}
    return canonical_bytes(first)[1:-1], canonical_bytes(last)[1:-1]


def _object(*members: bytes) -> bytes:
    return b"{" + b",".join(filter(None, members)) + b"}"


_HOUSE: Final = schemas.house_context()
_HOUSE_MEMBER: Final = canonical_bytes({_CONTEXT: _HOUSE})[1:-1]
