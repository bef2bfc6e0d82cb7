"""What counts as JSON: asked at the door where strangers get as far as that.

A partner request is read before its invitation is looked up, so whoever signs it with
a key of their own sees how the other node reads JSON.
"""

from __future__ import annotations

from typing import Final

from federation.limits import ACTIVITY_BYTES_MAX, ACTIVITY_NODES_MAX, JSON_DEPTH_MAX
from node.conform.checks import Check, Door, Finding, Severity
from node.conform.http_exchange import Letter
from node.conform.visit import Visit, refused_as
from node.sentence import Sentence

_PATH: Final = "/partner-requests"
_INVITATION: Final = b'"invitation":"aaaaaaaaaaaaaaaa"'


def _with(value: bytes) -> bytes:
    return b"{" + _INVITATION + b',"x":' + value + b"}"


_MALFORMED: Final[tuple[tuple[str, str, bytes, Sentence], ...]] = (
    ("not-json", "FED-020", b"<x/>", Sentence("Something that is no JSON is refused.")),
    (
        "cut-off",
        "FED-020",
        b"{" + _INVITATION,
        Sentence("Half a JSON text is refused."),
    ),
    ("array", "FED-020", b"[]", Sentence("A JSON text that is no object is refused.")),
    (
        "equal-keys",
        "FED-020",
        b"{" + _INVITATION + b"," + _INVITATION + b"}",
        Sentence("Two equal keys are refused."),
    ),
    (
        "equal-keys-escaped",
        "FED-020",
        b'{"x":1,"\\u0078":2,' + _INVITATION + b"}",
        Sentence("Two equal keys are refused, also if one is escaped."),
    ),
    ("fraction", "FED-020", _with(b"1.0"), Sentence("A fraction is refused.")),
    ("exponent", "FED-020", _with(b"1e2"), Sentence("An exponent is refused.")),
    ("not-a-number", "FED-020", _with(b"NaN"), Sentence("NaN is refused.")),
    ("minus-zero", "FED-020", _with(b"-0"), Sentence("Minus zero is refused.")),
    (
        "big-integer",
        "FED-020",
        _with(b"9007199254740992"),
        Sentence("An integer beyond 2^53-1 is refused."),
    ),
    (
        "nul",
        "FED-020",
        _with(b'"\\u0000"'),
        Sentence("A text with U+0000 is refused."),
    ),
    (
        "half-surrogate",
        "FED-020",
        _with(b'"\\ud800"'),
        Sentence("Half of a surrogate pair is refused."),
    ),
    (
        "byte-order-mark",
        "FED-020",
        b"\xef\xbb\xbf" + _with(b"1"),
        Sentence("A byte order mark is refused."),
    ),
    (
        "utf-16",
        "FED-020",
        _with(b"1").decode().encode("utf-16-le"),
        Sentence("Another encoding than UTF-8 is refused."),
    ),
    ("bad-utf-8", "FED-020", _with(b'"\xff"'), Sentence("Broken UTF-8 is refused.")),
)

_TOO_MUCH: Final[tuple[tuple[str, str, bytes, Sentence], ...]] = (
    (
        "too-deep",
        "FED-093",
        _with(b"[" * JSON_DEPTH_MAX + b"]" * JSON_DEPTH_MAX),
        Sentence("More than 32 levels are refused."),
    ),
    (
        "far-too-deep",
        "FED-093",
        _with(b"[" * 100_000),
        Sentence("A hundred thousand brackets are refused."),
    ),
    (
        "too-many-values",
        "FED-090",
        _with(b"[" + b"1," * ACTIVITY_NODES_MAX + b"1]"),
        Sentence("More than 10,000 values are refused."),
    ),
    (
        "too-long",
        "FED-090",
        _with(b'"' + b"x" * ACTIVITY_BYTES_MAX + b'"'),
        Sentence("More than 256 KiB are refused."),
    ),
)


def _refusal(
    name: str,
    clause: str,
    title: Sentence,
    body: bytes,
    *,
    status: int,
    codes: tuple[str, ...],
) -> Check:
    def write(visit: Visit) -> Letter:
        signing = visit.by_stranger()
        return visit.post(_PATH, body, signing=signing, sent=_shown(body))

    async def run(visit: Visit) -> Finding:
        answer = await visit.ask(lambda: write(visit))
        return refused_as(write(visit), answer, status=status, codes=codes)

    return Check(
        f"json-{name}", Door.PARTNER_REQUESTS, clause, Severity.MUST, title, run
    )


def _shown(body: bytes) -> str:
    text = body.decode("utf-8", "backslashreplace").encode("ascii", "backslashreplace")
    return text.decode("ascii").replace("\0", "\\0")[:70]


def _unsigned(visit: Visit) -> Letter:
    return visit.post(_PATH, _with(b"1"), sent="unsigned")


async def _unsigned_is_refused(visit: Visit) -> Finding:
    answer = await visit.ask(lambda: _unsigned(visit))
    return refused_as(
        _unsigned(visit), answer, status=401, codes=("signature-missing",)
    )


CHECKS: Final = (
    Check(
        "request-unsigned",
        Door.PARTNER_REQUESTS,
        "FED-082, PRT-010",
        Severity.MUST,
        Sentence("A partner request without signature is refused."),
        _unsigned_is_refused,
    ),
    *(
        _refusal(name, clause, title, body, status=400, codes=("malformed",))
        for name, clause, body, title in _MALFORMED
    ),
    *(
        _refusal(name, clause, title, body, status=413, codes=("too-large",))
        for name, clause, body, title in _TOO_MUCH
    ),
    _refusal(
        "no-invitation",
        "FED-082",
        Sentence("A partner request that names no invitation is refused."),
        b"{}",
        status=422,
        codes=("schema-invalid",),
    ),
    _refusal(
        "unknown-invitation",
        "FED-084, PRT-005",
        Sentence("An invitation that nobody gave is refused."),
        b"{" + _INVITATION + b"}",
        status=403,
        codes=("invitation-refused",),
    ),
)
