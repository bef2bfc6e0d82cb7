"""Answers that a reader may keep and ask about again: ETag and 304 (RFC 9110 §13).

The tag is a hash of the very bytes that are answered. Whether the asker may have
them is decided before, for a 304 as for a 200.

Source: SPEC.md PRT-047.
"""

import hashlib
from collections.abc import Mapping

from aiohttp import web


def conditional_response(
    request: web.Request, body: bytes, *, content_type: str, headers: Mapping[str, str]
) -> web.Response:
    """Answer 200 with the body, or 304 if the asker has these very bytes.

    Args:
        request: Its `If-None-Match` is compared.
        body: What it may have.
        content_type: Media type with its parameters.
        headers: Fields that both answers carry.
    """
    tag = hashlib.sha256(body).hexdigest()
    kept = {**headers, "ETag": f'"{tag}"'}
    if _has(request, tag):
        return web.Response(status=304, headers=kept)
    return web.Response(body=body, headers={**kept, "Content-Type": content_type})


def _has(request: web.Request, tag: str) -> bool:
    """Compare weakly, as If-None-Match does (RFC 9110 §13.1.2)."""
    named = request.if_none_match or ()
    return any(each.value in {tag, "*"} for each in named)
