"""Between aiohttp and the protocol: raw requests in, documents and problems out.

The adapter decides nothing. It keeps the bytes and every header line, takes the
target from our own configured address, and refuses only what would make the
request ambiguous before anybody can look at its signature.

Source: SPEC.md PRT-003, PRT-010.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Final

from aiohttp import web

from federation.canonical import canonical_bytes
from federation.documents.partner_request import new_nonce
from federation.errors import (
    BusyError,
    LimitExceededError,
    MalformedError,
    MethodNotAllowedError,
    PeerError,
    SlowRequestError,
    UnsupportedMediaError,
)
from federation.ids import BaseUrl, authority_of
from federation.inbox import (
    ACTIVITY_JSON,
    AdmittedHead,
    ReceivedRequest,
    RequestHead,
)
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    PAGE_BYTES_MAX,
    REQUEST_BODY_TIMEOUT,
)
from federation.signatures.http import sign_answer
from federation.transport.problems import PROBLEM_JSON, problem_document

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

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
_ROOM_RETRY_SECONDS: Final = 2
_PRIVATE: Final = {"Cache-Control": "private, no-store"}


def request_head(
    request: web.Request, *, base_url: BaseUrl, sender: str, clock: Clock
) -> RequestHead:
    """Return the first lines of a request as they are; refuses nothing.

    Args:
        request: The request, its body not read yet.
        base_url: Our own address. Behind a proxy scheme and Host are the proxy's,
            so the signed target is rebuilt from this and never from them.
        sender: Key of the sender's network address.
        clock: For the time of arrival.
    """
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in request.raw_headers
    )
    return RequestHead(
        method=request.method,
        target_uri=f"{base_url}{request.raw_path}",
        headers=headers,
        sender=sender,
        received_at=clock.now(),
    )


class BodyRoom:
    """Memory for bodies that are still being received: together, and of one sender.

    Args:
        total: Bytes of all senders.
        per_sender: Bytes of one network address.
        per_peer: Bytes of all requests that name the keys of one peer.
    """

    def __init__(
        self, *, total: int, per_sender: int, per_peer: int | None = None
    ) -> None:
        self._total = total
        self._per_sender = per_sender
        self._per_peer = total if per_peer is None else per_peer
        self._held: Counter[str] = Counter()
        self._of_peers: Counter[str] = Counter()

    @property
    def held(self) -> int:
        """Bytes that are held now."""
        return self._held.total()

    def take(self, sender: str, count: int, *, peer: str = "") -> None:
        """Count bytes in.

        Raises:
            BusyError: There is no room; none was counted.
        """
        if (
            self.held + count > self._total
            or self._held[sender] + count > self._per_sender
            or self._of_peers[peer] + count > self._per_peer
        ):
            raise BusyError(
                "Too much is being sent at once.",
                members={"retry_after": _ROOM_RETRY_SECONDS},
            )
        self._held[sender] += count
        self._of_peers[peer] += count

    def give_back(self, sender: str, count: int, *, peer: str = "") -> None:
        """Count bytes out, when their body is complete or given up."""
        for held, key in ((self._held, sender), (self._of_peers, peer)):
            held[key] -= count
            if held[key] <= 0:
                del held[key]


async def read_request(
    admitted: AdmittedHead,
    request: web.Request,
    *,
    base_url: BaseUrl,
    clock: Clock,
    bytes_max: int = PAGE_BYTES_MAX,
    before_long_body: Callable[[AdmittedHead], Awaitable[object]] | None = None,
    room: BodyRoom | None = None,
    peer: str = "",
) -> ReceivedRequest:
    """Read a request to its end and keep it as it is.

    Args:
        admitted: The request's head.
        request: The same request, its body not read yet.
        base_url: Our own address.
        clock: For the time of arrival.
        bytes_max: Longest body.
        before_long_body: Looks at the request without its body before more than
            `ACTIVITY_BYTES_MAX` of it is read; raises what refuses it.
        room: Memory for what is still arriving; without bound if left out.
        peer: Whose key the request names, for the room.

    Raises:
        PeerError: 400 for another host, an absolute target, a doubled field or a
            GET with a body, 408 too slow, 413 too long, 415 with a content coding,
            503 without room.
    """
    head = admitted.head
    _require_unambiguous(head, request, base_url=base_url)

    async def before_more() -> None:
        if before_long_body is not None:
            await before_long_body(admitted)

    held = 0

    def make_room(count: int) -> None:
        nonlocal held
        if room is not None:
            room.take(head.sender, count, peer=peer)
            held += count

    try:
        body = await _read_body(
            request, bytes_max=bytes_max, before_more=before_more, make_room=make_room
        )
    finally:
        if room is not None:
            room.give_back(head.sender, held, peer=peer)
    return ReceivedRequest(
        method=head.method,
        target_uri=head.target_uri,
        headers=head.headers,
        body=body,
        received_at=clock.now(),
    )


def _require_unambiguous(
    head: RequestHead, request: web.Request, *, base_url: BaseUrl
) -> None:
    path = request.raw_path
    if not path.startswith("/") or path.startswith("//"):
        raise MalformedError("The request's target must be a path.")
    names = [name.lower() for name, _ in head.headers]
    for name in _SINGLE_FIELDS:
        if names.count(name) > 1:
            raise MalformedError(f"The field {name} stands there twice.")
    codings = request.headers.getall("Transfer-Encoding", [])
    if codings and [each.strip().lower() for each in codings] != ["chunked"]:
        raise MalformedError("The only transfer coding taken is chunked.")
    if request.headers.get("Host", "").lower() != authority_of(base_url):
        raise MalformedError("The request is for another host.", code="wrong-host")
    # aiohttp would unpack it while reading; a bomb must not get so far.
    if "content-encoding" in names:
        raise UnsupportedMediaError("Send the body without a content coding.")
    if head.method in {"GET", "HEAD"} and request.body_exists:
        raise MalformedError("A GET has no body.")


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
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> web.Response:
    """Return a document as an answer that is signed for its request.

    Used for what has no proof of its own: pulled pages, tombstones.

    Args:
        document: The answer.
        request: What it answers.
        signer: Our key.
        clock: For the time of the signature.
        random: For its nonce.
        status: HTTP status, which the signature covers.
        headers: Further fields.
    """
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    body = text.encode("utf-8")
    signature = sign_answer(
        status,
        body,
        request=request.as_message(),
        signer=signer,
        created=clock.now(),
        nonce=new_nonce(random),
    )
    return document_response(
        body, status=status, headers={**(headers or {}), **signature}
    )


def problem_response(error: PeerError) -> web.Response:
    """Return the answer for a refusal.

    A 401 names in `Accept-Signature` what we accept (RFC 9421 §5.2).
    """
    headers = dict(_PRIVATE)
    if error.challenge is not None:
        headers["Accept-Signature"] = error.challenge
        headers["WWW-Authenticate"] = "Signature"
    if isinstance(error, MethodNotAllowedError):
        headers["Allow"] = ", ".join(error.allowed)
    if "retry_after" in error.members:
        headers["Retry-After"] = str(error.members["retry_after"])
    return web.Response(
        body=canonical_bytes(problem_document(error)),
        status=error.status,
        headers={**headers, "Content-Type": PROBLEM_JSON},
    )


async def _read_body(
    request: web.Request,
    *,
    bytes_max: int,
    before_more: Callable[[], Awaitable[None]],
    make_room: Callable[[int], None],
) -> bytes:
    announced = request.content_length or 0
    if announced > bytes_max:
        raise LimitExceededError(f"The body is longer than {bytes_max} bytes.")
    is_vouched_for = announced > ACTIVITY_BYTES_MAX
    if is_vouched_for:
        await before_more()
    parts = bytearray()
    try:
        async with asyncio.timeout(REQUEST_BODY_TIMEOUT.total_seconds()):
            async for chunk in request.content.iter_chunked(_CHUNK_BYTES):
                make_room(len(chunk))
                parts += chunk
                if len(parts) > bytes_max:
                    raise LimitExceededError(
                        f"The body is longer than {bytes_max} bytes."
                    )
                if len(parts) > ACTIVITY_BYTES_MAX and not is_vouched_for:
                    # Its length was not announced.
                    await before_more()
                    is_vouched_for = True
    except TimeoutError as error:
        raise SlowRequestError("The body did not arrive in time.") from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise MalformedError("The body is broken off, or no HTTP.") from error
    return bytes(parts)
