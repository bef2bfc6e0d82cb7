"""One visit at a node: how to ask it, and what was noticed on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from federation.canonical import canonical_bytes
from federation.errors import PeerError
from federation.inbox import ACTIVITY_JSON
from federation.limits import PROBLEM_BYTES_MAX
from federation.strict_json import loads_object
from federation.transport.problems import PROBLEM_JSON, PROBLEM_TYPE_PREFIX
from node.conform.checks import Finding, SkipError
from node.conform.http_exchange import Answer, Exchange, Fields, Letter
from node.conform.signing import Signing, signature_fields
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Callable

    from federation.documents.actor import ActorDocument
    from federation.ids import NodeAddress
    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.ports import Clock, RandomSource
    from node.conform.guest import Guest

WAIT_MAX: Final = timedelta(minutes=5)
"""Longest Retry-After that is waited for."""
_WAIT_UNNAMED: Final = timedelta(seconds=2)
_ATTEMPTS: Final = 8
_UNAUTHORISED: Final = 401
_TOO_MANY: Final = 429
_SERVER_FAULT: Final = 500
_UNAVAILABLE: Final = 503


@dataclass(slots=True)
class Noticed:
    """What the answers told besides their own check.

    Args:
        faults: Requests that were answered with 5xx.
        limits: Whether each 429 named a time to wait.
        waited: Seconds that were waited because of them.
        cookies: Requests whose answer set a cookie.
        mute: Requests that were answered with nothing at all.
    """

    faults: list[str] = field(default_factory=list)
    limits: list[bool] = field(default_factory=list)
    waited: float = 0.0
    cookies: list[str] = field(default_factory=list)
    mute: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Visit:
    """Everything that a check needs.

    Args:
        address: The other node's.
        exchange: Sends letters to it.
        clock: Ours.
        random: Ours.
        stranger: A key and an address that the other node has never seen.
        tell: Shows people what is going on.
        guest: Our temporary node, None without an invitation.
        secret: The invitation's secret, None without one.
        confirm_within: How long the other office gets to confirm.
        message_about: Entry of the other node that may get a test message.
        actor: The other node's actor, once it was read.
        offset: What the other node's clock is ahead of ours.
        read: Documents that were fetched, by their path.
    """

    address: NodeAddress
    exchange: Exchange
    clock: Clock
    random: RandomSource
    stranger: Signer
    tell: Callable[[Sentence], None]
    guest: Guest | None = None
    secret: bytes | None = None
    confirm_within: timedelta = timedelta(minutes=10)
    message_about: str | None = None
    actor: ActorDocument | None = None
    offset: timedelta | None = None
    read: dict[str, Answer] = field(default_factory=dict)
    noticed: Noticed = field(default_factory=Noticed)

    def partner(self) -> Guest:
        """Return our node, once it is a partner.

        Raises:
            SkipError: It is not.
        """
        if self.guest is None:
            raise SkipError(Sentence("No invitation was given (--code)."))
        if not self.guest.is_confirmed:
            raise SkipError(Sentence("The partnership was not confirmed."))
        return self.guest

    def host(self) -> ActorDocument:
        """Return the other node's actor.

        Raises:
            SkipError: It could not be read.
        """
        if self.actor is None:
            raise SkipError(Sentence("The other node's actor cannot be read."))
        return self.actor

    # -- writing ----------------------------------------------------------------

    def get(
        self,
        path: str,
        *,
        signing: Signing | None = None,
        fields: Fields = (),
        method: str = "GET",
        sent: str = "",
    ) -> Letter:
        """Return a request without body."""
        signed = self._signed(method, path, None, fields, signing)
        return Letter(
            method, path, (*self._first(), *fields, *signed, *_LAST), sent=sent
        )

    def post(
        self,
        path: str,
        body: bytes | JsonObject,
        *,
        signing: Signing | None = None,
        media_type: str | None = ACTIVITY_JSON,
        fields: Fields = (),
        sent: str = "",
    ) -> Letter:
        """Return a request with a body."""
        data = body if isinstance(body, bytes) else canonical_bytes(body)
        typed = () if media_type is None else (("Content-Type", media_type),)
        signed = self._signed("POST", path, data, (*typed, *fields), signing)
        length = (("Content-Length", str(len(data))),)
        return Letter(
            "POST",
            path,
            (*self._first(), *typed, *fields, *signed, *length, *_LAST),
            data,
            sent=sent,
        )

    def by_stranger(self, **changes: Any) -> Signing:
        """Return how somebody signs whom the other node does not know."""
        return Signing(signer=self.stranger, **changes)

    def _first(self) -> Fields:
        return (("Host", self.address.authority), ("User-Agent", "spalier-conform"))

    def _signed(
        self,
        method: str,
        path: str,
        body: bytes | None,
        fields: Fields,
        signing: Signing | None,
    ) -> Fields:
        if signing is None:
            return ()
        return signature_fields(
            method,
            f"{self.address.base_url}{path}",
            body=body,
            fields=(*self._first(), *fields),
            signing=signing,
            now=self.their_now(),
            random=self.random,
        )

    def their_now(self) -> datetime:
        """Return the time by the other node's clock, as far as it is known."""
        return self.clock.now() + (self.offset or timedelta())

    # -- asking -----------------------------------------------------------------

    async def ask(self, write: Callable[[], Letter]) -> Answer:
        """Send what `write` returns; wait and write anew while we are too fast.

        Args:
            write: Called again after each wait, so that signatures are fresh.

        Raises:
            UnavailableError: The node cannot be reached.
        """
        for _ in range(_ATTEMPTS):
            letter = write()
            answer = await self.exchange.send(letter)
            wait = retry_after(answer)
            is_busy = answer.status == _UNAVAILABLE and wait is not None
            self._note(letter, answer, is_busy=is_busy)
            if answer.status != _TOO_MANY and not is_busy:
                return answer
            self.noticed.limits.append(wait is not None)
            wait = _WAIT_UNNAMED if wait is None else wait
            if wait > WAIT_MAX:
                raise SkipError(
                    Sentence(
                        "The other node asks to wait {seconds} seconds.",
                        seconds=round(wait.total_seconds()),
                    )
                )
            self.tell(
                Sentence(
                    "The other node limits requests; waiting {seconds} s.",
                    seconds=round(wait.total_seconds()),
                )
            )
            self.noticed.waited += wait.total_seconds()
            await asyncio.sleep(wait.total_seconds())
        raise SkipError(Sentence("The other node limits requests and does not stop."))

    async def fetch(self, path: str) -> Answer:
        """Get a public document once, without a signature."""
        if path not in self.read:
            self.read[path] = await self.ask(lambda: self.get(path))
        return self.read[path]

    def _note(self, letter: Letter, answer: Answer, *, is_busy: bool) -> None:
        told = letter.told
        if answer.status >= _SERVER_FAULT and not is_busy:
            self.noticed.faults.append(f"{told} -> {answer.status}")
        if answer.status == 0:
            self.noticed.mute.append(told)
        if answer.field("Set-Cookie"):
            self.noticed.cookies.append(told)
        sent = answer.field("Date")
        if self.offset is None and sent:
            try:
                theirs = parsedate_to_datetime(sent)
            except ValueError:
                return
            # The field has whole seconds: on average half a second is cut off.
            self.offset = theirs + timedelta(seconds=0.5) - self.clock.now()


_LAST: Final = (("Connection", "close"),)


def retry_after(answer: Answer) -> timedelta | None:
    """Return how long a 429 asks to wait, None if it does not say."""
    text = answer.field("Retry-After").strip()
    if text.isascii() and text.isdigit() and len(text) <= 6:  # noqa: PLR2004 - 11 days
        return timedelta(seconds=int(text))
    try:
        moment = parsedate_to_datetime(text)
        sent = parsedate_to_datetime(answer.field("Date"))
    except ValueError:
        return None
    return max(moment - sent, timedelta())


# -- reading ------------------------------------------------------------------------


def code_of(answer: Answer) -> str:
    """Return the code of a problem document of this protocol, else an empty text."""
    problem = problem_of(answer)
    kind = problem.get("type")
    if not isinstance(kind, str) or not kind.startswith(PROBLEM_TYPE_PREFIX):
        return ""
    return kind.removeprefix(PROBLEM_TYPE_PREFIX)


def problem_of(answer: Answer) -> JsonObject:
    """Return a problem document (RFC 9457), empty if the answer is none."""
    if answer.field("Content-Type").partition(";")[0].strip() != PROBLEM_JSON:
        return {}
    try:
        return loads_object(answer.body, bytes_max=PROBLEM_BYTES_MAX)
    except PeerError:
        return {}


def shown(answer: Answer) -> str:
    """Tell an answer in one line: status, and code or media type."""
    if answer.status == 0:
        return "no answer"
    what = code_of(answer) or answer.field("Content-Type").partition(";")[0]
    return f"{answer.status} {what}".strip()


def refused_as(
    letter: Letter | str,
    answer: Answer,
    *,
    status: int,
    codes: tuple[str, ...],
    or_else: tuple[int, str] | None = None,
) -> Finding:
    """Return whether an answer is the refusal that the specification names.

    Args:
        letter: What was sent.
        answer: What came.
        status: The status.
        codes: Problem codes, one of which must stand there; with none the form of
            the answer does not matter.
        or_else: Another status and code that are permitted.
    """
    told = letter if isinstance(letter, str) else letter.told
    expected = f"{status} {' / '.join(codes)}".strip()
    found = shown(answer)
    if or_else is not None:
        expected += f", or {or_else[0]} {or_else[1]}"
        if (answer.status, code_of(answer)) == or_else:
            status, codes = answer.status, (or_else[1],)
    if answer.status != status or (codes and code_of(answer) not in codes):
        return Finding(ok=False, sent=told, expected=expected, found=found)
    wrong = _broken_problem(answer) if codes else ""
    return Finding(not wrong, told, expected, f"{found}{wrong}")


def _broken_problem(answer: Answer) -> str:
    """Return what is wrong with a problem document, empty if nothing is."""
    problem = problem_of(answer)
    if problem.get("status") != answer.status:
        return ", /status differs"
    for name in ("title", "detail"):
        if not isinstance(problem.get(name), str) or not problem[name]:
            return f", /{name} is missing"
    # A 401 for a proof inside a document needs no challenge.
    by_request = code_of(answer).startswith(("signature-", "digest-"))
    challenged = "@target-uri" in answer.field("Accept-Signature")
    if answer.status == _UNAUTHORISED and by_request and not challenged:
        return ", Accept-Signature is missing"
    return ""


def json_of(answer: Answer) -> Any:
    """Return an answer's JSON, None if it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
