"""Between aiohttp and the protocol: raw requests in, documents and problems out.

The adapter decides nothing. It keeps the bytes and every header line, takes the
target from our own configured address, and refuses only what would make the
request ambiguous before anybody can look at its signature.

Source: SPEC.md PRT-003, PRT-010.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

from aiohttp import web

from federation.canonical import canonical_bytes
from federation.documents.partner_request import new_nonce
from federation.errors import (
    LimitExceededError,
    MalformedError,
    PeerError,
    SlowRequestError,
    UnsupportedMediaError,
)
from federation.ids import BaseUrl, authority_of
from federation.inbox import ACTIVITY_JSON, ReceivedRequest
from federation.limits import PAGE_BYTES_MAX, REQUEST_BODY_TIMEOUT
from federation.signatures.http import sign_answer
from federation.transport.problems import PROBLEM_JSON, problem_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.ports import Clock, RandomSource

_CHUNK_BYTES: Final = 64 * 1024
_SINGLE_FIELDS: Final = (
    "signature",
    "signature-input",
    "content-digest",
    "content-type",
    "host",
)
_PRIVATE: Final = {"Cache-Control": "private, no-store"}


async def received_request(
    request: web.Request,
    *,
    base_url: BaseUrl,
    clock: Clock,
    bytes_max: int = PAGE_BYTES_MAX,
) -> ReceivedRequest:
    """Read a request to its end and keep it as it is.

    Args:
        request: The request, its body not read yet.
        base_url: Our own address. Behind a proxy scheme and Host are the proxy's,
            so the signed target is rebuilt from this and never from them.
        clock: For the time of arrival.
        bytes_max: Longest body.

    Raises:
        PeerError: 400 for another host, an absolute target or a doubled field,
            408 too slow, 413 too long, 415 with a content coding.
    """
    path = request.raw_path
    if not path.startswith("/") or path.startswith("//"):
        raise MalformedError("The request's target must be a path.")
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in request.raw_headers
    )
    names = [name.lower() for name, _ in headers]
    for name in _SINGLE_FIELDS:
        if names.count(name) > 1:
            raise MalformedError(f"The field {name} stands there twice.")
    if request.headers.get("Host", "").lower() != authority_of(base_url):
        raise MalformedError("The request is for another host.", code="wrong-host")
    # aiohttp would unpack it while reading; a bomb must not get so far.
    if "content-encoding" in names:
        raise UnsupportedMediaError("Send the body without a content coding.")
    body = await _read_body(request, bytes_max=bytes_max)
    return ReceivedRequest(
        method=request.method,
        target_uri=f"{base_url}{path}",
        headers=headers,
        body=body,
        received_at=clock.now(),
    )


def document_response(
    document: JsonObject | bytes,
    *,
    status: int = 200,
    content_type: str = ACTIVITY_JSON,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a document as an answer that no shared cache keeps.

    Args:
        document: A document, or the stored bytes of one.
        status: HTTP status.
        content_type: Media type with its parameters.
        headers: Further fields; they win over ours.
    """
    body = document if isinstance(document, bytes) else canonical_bytes(document)
    return web.Response(
        body=body,
        status=status,
        headers={**_PRIVATE, "Content-Type": content_type, **(headers or {})},
    )


def signed_response(
    document: JsonObject,
    *,
    request: ReceivedRequest,
    signer: Signer,
    clock: Clock,
    random: RandomSource,
) -> web.Response:
    """Return a document as an answer that is signed for its request.

    Used for pulled pages, which have no proof of their own.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8")
    signature = sign_answer(
        200,
        body,
        request=request.as_message(),
        signer=signer,
        created=clock.now(),
        nonce=new_nonce(random),
    )
    return document_response(body, headers=signature)


def problem_response(error: PeerError) -> web.Response:
    """Return the answer for a refusal.

    A 401 names in `Accept-Signature` what we accept (RFC 9421 §5.2).
    """
    headers = dict(_PRIVATE)
    if error.challenge is not None:
        headers["Accept-Signature"] = error.challenge
        headers["WWW-Authenticate"] = "Signature"
    if "retry_after" in error.members:
        headers["Retry-After"] = str(error.members["retry_after"])
    return web.Response(
        body=canonical_bytes(problem_document(error)),
        status=error.status,
        headers={**headers, "Content-Type": PROBLEM_JSON},
    )


async def _read_body(request: web.Request, *, bytes_max: int) -> bytes:
    if request.content_length is not None and request.content_length > bytes_max:
        raise LimitExceededError(f"The body is longer than {bytes_max} bytes.")
    parts = bytearray()
    try:
        async with asyncio.timeout(REQUEST_BODY_TIMEOUT.total_seconds()):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                parts += chunk
                if len(parts) > bytes_max:
                    raise LimitExceededError(
                        f"The body is longer than {bytes_max} bytes."
                    )
    except TimeoutError as error:
        raise SlowRequestError("The body did not arrive in time.") from error
    return bytes(parts)
