"""Problem documents (RFC 9457): how a refusal looks on the wire."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from federation.errors import PeerError
    from federation.json_types import JsonObject

PROBLEM_TYPE_PREFIX: Final = "https://w3id.org/spalier/problems#"
PROBLEM_JSON: Final = "application/problem+json"


def problem_document(error: PeerError) -> JsonObject:
    """Return the body for a refusal: nothing but what may be told."""
    return {
        **error.members,
        "type": PROBLEM_TYPE_PREFIX + error.code,
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.safe_text,
    }
