"""Our own requests to other nodes.

Signed here, carried by a `Wire`: https and public addresses only, no redirect, no
proxy or cookie from the surroundings, a total time and a byte limit for every answer.
Every answer is checked before it is returned; every failure is a `FetchError`.

Source: SPEC.md FED-095 to FED-097, PRT-013.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, Self, TypeVar

from federation import strict_json
from federation.documents.actor import ActorDocument, parse_actor
from federation.documents.holdings import parse_holdings, parse_holdings_page
from federation.documents.page import Page, parse_page
from federation.documents.partner_request import new_nonce
from federation.documents.receipt import Receipt, SentRange, parse_receipt
from federation.errors import (
    ForeignKeyError,
    LocalError,
    PeerError,
    PermanentFetchError,
    SignatureInvalidError,
    TemporaryFetchError,
)
from federation.ids import NodeAddress
from federation.inbox import ACTIVITY_JSON, LD_JSON, is_activity_media_type
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    KIB,
    PAGE_BYTES_MAX,
    PAGE_NODES_MAX,
    PROBLEM_BYTES_MAX,
)
from federation.signatures.http import (
    HttpMessage,
    claim_answer,
    sign_request,
    verify_claim,
)
from federation.transport.problems import PROBLEM_TYPE_PREFIX
from federation.transport.threads import StepThreads
from federation.transport.wire import GuardedSession, WireRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from types import TracebackType

    from federation.documents.holdings import Holdings, HoldingsPage, HoldingsScope
    from federation.documents.signed import SignedDocument
    from federation.ids import BaseUrl
    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer
    from federation.ports import Clock, RandomSource
    from federation.transport.wire import Wire

T = TypeVar("T")

_ACCEPT: Final = f"{ACTIVITY_JSON}, {LD_JSON}"
_OK: Final = 200
_ACCEPTED: Final = 202
_TEMPORARY: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_READ_AT_ONCE_MAX: Final = 2
# Nobody waits for so short an answer to be read.
_INLINE_BYTES_MAX: Final = 8 * KIB
_MEMBER_CHARACTERS_MAX: Final = 120
# Whoever was set up anew has another key under the same id.
_FOREIGN_KEY: Final = frozenset({"unknown-key", "proof-invalid", "signature-invalid"})


@dataclass(frozen=True, slots=True)
class _Answer:
    """A finished exchange."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    request: HttpMessage


class FederationClient:
    """Sends requests to other nodes; an asynchronous context manager.

    Args:
        clock: For the time of signatures.
        random: For nonces.
        allow_loopback_http: True on nodes of the demo and of tests only; opens
            exactly 127.0.0.1.
        user_agent: What others see in their logs.
        wire: Carries the bytes; left out, real connections.
        threads: Where long answers are read; left out, threads of its own.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: RandomSource,
        allow_loopback_http: bool = False,
        user_agent: str = "spalier",
        wire: Wire | None = None,
        threads: Executor | None = None,
    ) -> None:
        self._clock = clock
        self._random = random
        self._wire: Wire = wire or GuardedSession(
            allow_loopback=allow_loopback_http,
            headers={
                "User-Agent": user_agent,
                "Accept": _ACCEPT,
                "Accept-Encoding": "identity",
            },
        )
        self._executor = threads
        self._threads: StepThreads | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._threads = StepThreads(
            _READ_AT_ONCE_MAX, name="answers", executor=self._executor
        )
        await self._wire.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the session."""
        await self._wire.__aexit__(kind, error, traceback)
        if self._threads is not None:
            self._threads.close()
            self._threads = None

    async def fetch_actor(self, base_url: BaseUrl) -> ActorDocument:
        """Fetch the actor of a node whose address somebody gave us.

        Raises:
            FetchError: No answer, or one that is not this node's actor.
        """
        answer = await self._send("GET", NodeAddress(base_url).actor, signer=None)
        _require_status(answer, _OK)
        try:
            return await self._read_beside(
                answer,
                lambda: parse_actor(_activity_document(answer), base_url=base_url),
            )
        except PeerError as error:
            raise _broken(answer, error) from error

    async def post_partner_request(
        self, base_url: BaseUrl, request: SignedDocument, *, signer: Signer
    ) -> None:
        """Deliver a partner request to the host of an invitation.

        Raises:
            FetchError: It was not taken; `problem_code` says why.
        """
        answer = await self._send(
            "POST",
            NodeAddress(base_url).partner_requests,
            signer=signer,
            body=request.raw,
        )
        _require_status(answer, _ACCEPTED)

    async def push_page(
        self, peer: RemotePeer, page: JsonObject, *, signer: Signer
    ) -> Receipt:
        """Deliver a page and return the partner's receipt for it.

        Args:
            peer: The partner.
            page: From `documents.build_page`.
            signer: Our key.

        Raises:
            FetchError: Not delivered, or the receipt is not the partner's or does
                not fit. On 409 `position-gap` it says where to continue.
            LocalError: The page is longer than `PAGE_BYTES_MAX`.
        """
        body = _page_bytes(page)
        address = peer.address
        answer = await self._send("POST", address.inbox, signer=signer, body=body)
        _require_status(answer, _OK)
        try:
            return await self._read_beside(
                answer,
                lambda: parse_receipt(
                    _activity_document(answer),
                    peer=peer,
                    address=signer.address,
                    sent=_sent_range(page),
                ),
            )
        except PeerError as error:
            raise _broken(answer, error) from error

    async def pull_page(self, peer: RemotePeer, *, after: int, signer: Signer) -> Page:
        """Ask a partner for what follows a position.

        The answer must be signed by the partner and for this very request.

        Raises:
            FetchError: No answer, or one that is not the partner's.
        """
        target = peer.address.page(after)
        answer = await self._send(
            "GET", target, signer=signer, bytes_max=PAGE_BYTES_MAX
        )
        _require_status(answer, _OK)

        def read() -> Page:
            self._verify_answer(answer, peer=peer)
            _require_media_type(answer)
            document = strict_json.loads_object(
                answer.body, bytes_max=PAGE_BYTES_MAX, nodes_max=PAGE_NODES_MAX
            )
            return parse_page(document, peer=peer)

        try:
            page = await self._read_beside(answer, read)
        except PeerError as error:
            raise _broken(answer, error) from error
        if page.first != after + 1:
            raise PermanentFetchError(
                f"{target}: the page starts at {page.first}", problem_code="wrong-page"
            )
        return page

    async def fetch_holdings(self, peer: RemotePeer, *, signer: Signer) -> Holdings:
        """Ask a partner what it holds of us, in numbers.

        Raises:
            FetchError: No answer, or one that is not the partner's; status 404 or
                405 from a node that tells nobody.
        """
        target = peer.address.holdings
        return await self._read_signed(
            target,
            peer,
            lambda document: parse_holdings(
                document, peer=peer, address=signer.address
            ),
            signer=signer,
        )

    async def fetch_holdings_page(
        self, peer: RemotePeer, scope: HoldingsScope, *, signer: Signer
    ) -> HoldingsPage:
        """Ask a partner which entries of ours it holds.

        Raises:
            FetchError: No answer, or one that is not the partner's.
        """
        target = peer.address.holdings_page(bucket=scope.bucket, after=scope.after)
        return await self._read_signed(
            target,
            peer,
            lambda document: parse_holdings_page(
                document, scope=scope, peer=peer, address=signer.address
            ),
            signer=signer,
        )

    async def post_activity(
        self, peer: RemotePeer, activity: SignedDocument, *, signer: Signer
    ) -> None:
        """Deliver a message or notice.

        Raises:
            FetchError: It was not taken.
        """
        answer = await self._send(
            "POST", peer.address.inbox, signer=signer, body=activity.raw
        )
        _require_status(answer, _ACCEPTED)

    async def _read_signed(
        self,
        target: str,
        peer: RemotePeer,
        parse: Callable[[JsonObject], T],
        *,
        signer: Signer,
    ) -> T:
        """Get a document whose answer the partner signs for this very request."""
        answer = await self._send("GET", target, signer=signer)
        _require_status(answer, _OK)

        def read() -> T:
            self._verify_answer(answer, peer=peer)
            return parse(_activity_document(answer))

        try:
            return await self._read_beside(answer, read)
        except PeerError as error:
            raise _broken(answer, error) from error

    async def _read_beside(self, answer: _Answer, read: Callable[[], T]) -> T:
        """Read an answer beside the event loop, unless it is short."""
        if self._threads is None or len(answer.body) <= _INLINE_BYTES_MAX:
            return read()
        return await self._threads.run(read)

    def _verify_answer(self, answer: _Answer, *, peer: RemotePeer) -> None:
        message = HttpMessage(
            "",
            answer.request.target_uri,
            answer.headers,
            status=answer.status,
            request=answer.request,
        )
        claim = claim_answer(message, body=answer.body, received_at=self._clock.now())
        key = peer.request_key(claim.key_id)
        if key is None:
            raise SignatureInvalidError(
                "The answer is signed by a key that is not known here.",
                code="unknown-key",
            )
        verify_claim(claim, message=message, key=key)

    async def _send(
        self,
        method: str,
        target: str,
        *,
        signer: Signer | None,
        body: bytes | None = None,
        bytes_max: int = ACTIVITY_BYTES_MAX,
    ) -> _Answer:
        """Send one request and read the answer to its end."""
        if self._threads is None:
            raise LocalError("the client is not open")
        headers = {} if body is None else {"Content-Type": ACTIVITY_JSON}
        if signer is not None:
            headers |= sign_request(
                method,
                target,
                body=body,
                signer=signer,
                created=self._clock.now(),
                nonce=new_nonce(self._random),
            )
        fields = tuple(headers.items())
        answer = await self._wire.exchange(
            WireRequest(method, target, fields, body, bytes_max)
        )
        request = HttpMessage(method, target, fields)
        return _Answer(answer.status, answer.headers, answer.body, request)


def _require_status(answer: _Answer, expected: int) -> None:
    """Raise the fetch error that an unexpected status stands for."""
    if answer.status == expected:
        return
    code, members = _problem(answer)
    target = answer.request.target_uri
    shown = f"{target}: {answer.status} {code or ''}".rstrip()
    if answer.status in _TEMPORARY:
        raise TemporaryFetchError(
            shown,
            retry_after=_retry_after(answer),
            status=answer.status,
            problem_code=code,
        )
    position, epoch = members.get("position"), members.get("epoch")
    is_position = isinstance(position, int) and not isinstance(position, bool)
    raise PermanentFetchError(
        shown,
        status=answer.status,
        problem_code=code,
        position=position if is_position and isinstance(position, int) else None,
        epoch=epoch if isinstance(epoch, str) else None,
        members={
            name: value
            for name, value in members.items()
            if isinstance(value, str | int)
            and not isinstance(value, bool)
            and len(str(value)) <= _MEMBER_CHARACTERS_MAX
        },
    )


def _problem(answer: _Answer) -> tuple[str | None, JsonObject]:
    """Return code and members of a problem document, nothing if it is none."""
    media_type = _field(answer.headers, "content-type").partition(";")[0].strip()
    if media_type != "application/problem+json":
        return None, {}
    try:
        problem = strict_json.loads_object(answer.body, bytes_max=PROBLEM_BYTES_MAX)
    except PeerError:
        return None, {}
    kind = problem.get("type")
    if not isinstance(kind, str) or not kind.startswith(PROBLEM_TYPE_PREFIX):
        return None, problem
    return kind.removeprefix(PROBLEM_TYPE_PREFIX)[:60], problem


def _retry_after(answer: _Answer) -> timedelta | None:
    """Read Retry-After: seconds or a date (RFC 9110 §10.2.3)."""
    text = _field(answer.headers, "retry-after").strip()
    if text.isascii() and text.isdigit() and len(text) < 8:  # noqa: PLR2004 - 115 days
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
        sent = parsedate_to_datetime(_field(answer.headers, "date"))
    except (ValueError, OverflowError):  # the latter for a year of twenty digits
        return None
    # Both times are by the partner's clock, so ours does not matter.
    if moment.tzinfo is None or sent.tzinfo is None:
        moment, sent = moment.replace(tzinfo=UTC), sent.replace(tzinfo=UTC)
    return max(moment - sent, timedelta(0))


def _field(headers: tuple[tuple[str, str], ...], name: str) -> str:
    return next((value for key, value in headers if key.lower() == name), "")


def _require_media_type(answer: _Answer) -> None:
    media_type = _field(answer.headers, "content-type")
    if not is_activity_media_type(media_type):
        raise PermanentFetchError(
            f"{answer.request.target_uri}: the answer is {media_type[:80]!r}",
            status=answer.status,
            problem_code="unsupported-media-type",
        )


def _activity_document(answer: _Answer) -> JsonObject:
    _require_media_type(answer)
    return strict_json.loads_object(answer.body)


def _broken(answer: _Answer, error: PeerError) -> PermanentFetchError:
    kind = ForeignKeyError if error.code in _FOREIGN_KEY else PermanentFetchError
    return kind(
        f"{answer.request.target_uri}: {error}",
        status=answer.status,
        problem_code=error.code,
        members=error.members,
    )


def _page_bytes(page: JsonObject) -> bytes:
    text = json.dumps(page, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    body = text.encode("utf-8")
    if len(body) > PAGE_BYTES_MAX:
        raise LocalError(f"a page of {len(body)} bytes, {PAGE_BYTES_MAX} are permitted")
    return body


def _sent_range(page: Mapping[str, object]) -> SentRange:
    epoch, first, last = page.get("epoch"), page.get("from"), page.get("through")
    if (
        not isinstance(epoch, str)
        or not isinstance(first, int)
        or not isinstance(last, int)
    ):
        raise LocalError("this is not a page")
    return SentRange(epoch, first, last)
