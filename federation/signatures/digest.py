"""Content-Digest: the hash that puts a body under a signature (RFC 9530)."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from federation.errors import SignatureInvalidError
from federation.signatures.structured import byte_sequence, parse_byte_sequences

if TYPE_CHECKING:
    from collections.abc import Callable

_ALGORITHMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    "sha-256": lambda body: hashlib.sha256(body).digest(),
    "sha-512": lambda body: hashlib.sha512(body).digest(),
}


def content_digest(body: bytes) -> str:
    """Return the value of a Content-Digest field with SHA-256."""
    return f"sha-256={byte_sequence(_ALGORITHMS['sha-256'](body))}"


def verify_content_digest(field: str, body: bytes) -> None:
    """Check a Content-Digest field against the bytes that arrived.

    Every algorithm that we know must match, and at least one must be known: a
    good hash beside a wrong one is not a good field (RFC 9530 §2).

    Raises:
        MalformedError: The field cannot be read.
        SignatureInvalidError: It does not fit the body, code `digest-mismatch`.
    """
    digests = parse_byte_sequences(field, name="Content-Digest")
    known = [name for name in digests if name in _ALGORITHMS]
    if not known:
        raise SignatureInvalidError(
            "The Content-Digest uses no algorithm that is supported.",
            code="digest-mismatch",
        )
    for name in known:
        if not hmac.compare_digest(digests[name], _ALGORITHMS[name](body)):
            raise SignatureInvalidError(
                "The Content-Digest does not fit the body.", code="digest-mismatch"
            )
