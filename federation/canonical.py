"""The bytes that are signed and hashed: JSON Canonicalization (RFC 8785)."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import rfc8785

from federation.errors import LocalError

if TYPE_CHECKING:
    from federation.json_types import JsonValue


def canonical_bytes(value: JsonValue) -> bytes:
    """Return the canonical form of a JSON value (RFC 8785).

    Raises:
        LocalError: A number out of range or half a surrogate pair. What
            `strict_json` has read never causes it.
    """
    try:
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeError) as error:
        raise LocalError(f"no canonical form: {error}") from error


def content_hash(value: JsonValue) -> str:
    """Return SHA-256 over the canonical bytes, proof included, as 64 hex digits.

    Source: SPEC.md FED-051.
    """
    return hashlib.sha256(canonical_bytes(value)).hexdigest()
