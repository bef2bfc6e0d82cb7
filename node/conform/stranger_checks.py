"""What a node refuses from somebody whom it does not know.

Every request here is right but for one thing, so that the answer shows which check
of the other node refused it. The order of checks is fixed (PRT-002).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final, TypeAlias

from federation.ids import random_id
from federation.inbox import LD_JSON
from federation.limits import ACTIVITY_BYTES_MAX, KIB, PAGE_BYTES_MAX
from node.conform.checks import Check, Door, Finding, Severity
from node.conform.http_exchange import Fields, Letter
from node.conform.visit import Visit, refused_as, shown
from node.sentence import Sentence

_MUST: Final = Severity.MUST
_INBOX: Final = "/inbox"
_OUTBOX: Final = "/outbox?after=0"
_REQUESTS: Final = "/partner-requests"
_BODY: Final = b'{"type":"OrderedCollectionPage"}'

Writer: TypeAlias = Callable[[Visit], Letter]


def _refusal(
    name: str,
    clause: str,
    title: Sentence,
    write: Writer,
    *,
    status: int,
    code: str | tuple[str, ...] = (),
    or_else: tuple[int, str] | None = None,
    door: Door = Door.INBOX,
) -> Check:
    """Return the check that a request is refused in one way."""
    codes = (code,) if isinstance(code, str) else code

    async def run(visit: Visit) -> Finding:
        answer = await visit.ask(lambda: write(visit))
        return refused_as(
            write(visit), answer, status=status, codes=codes, or_else=or_else
        )

    return Check(name, door, clause, _MUST, title, run)


def _signed(sent: str, **changes: object) -> Writer:
    """Return a page for the inbox, signed by the stranger with changes."""
    return lambda visit: visit.post(
        _INBOX, _BODY, signing=visit.by_stranger(**changes), sent=sent
    )


def _without(parameter: str) -> Writer:
    return _signed(f"without {parameter}", parameters={parameter: None})


def _typed(media_type: str | None) -> Writer:
    return lambda visit: visit.post(
        _INBOX,
        _BODY,
        signing=visit.by_stranger(),
        media_type=media_type,
        sent=f"Content-Type: {media_type}",
    )


def _doubled(name: str) -> Writer:
    """Return a request in which one field stands twice."""

    def write(visit: Visit) -> Letter:
        letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
        again: Fields = tuple(each for each in letter.fields if each[0] == name)
        return Letter(
            letter.method,
            letter.target,
            (*again, *letter.fields),
            letter.body,
            sent=f"{name} twice",
        )

    return write


def _replaced(letter: Letter, values: Mapping[str, str], **changes: object) -> Letter:
    fields = tuple((name, values.get(name, value)) for name, value in letter.fields)
    told = {
        "method": letter.method,
        "target": letter.target,
        "body": letter.body,
        **changes,
    }
    return Letter(fields=fields, **told)  # type: ignore[arg-type] # as Letter's


def _foreign_host(visit: Visit) -> Letter:
    letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
    return _replaced(letter, {"Host": "elsewhere.example"}, sent="Host: elsewhere")


def _absolute_target(visit: Visit) -> Letter:
    letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
    target = f"{visit.address.base_url}{_INBOX}"
    return _replaced(letter, {}, target=target, sent="absolute target")


def _announced(path: str, length: int) -> Writer:
    """Return a request that announces a long body and sends none of it."""

    def write(visit: Visit) -> Letter:
        letter = visit.post(path, _BODY, signing=visit.by_stranger())
        return _replaced(
            letter,
            {"Content-Length": str(length)},
            body=b"",
            ends=False,
            sent=f"Content-Length: {length}",
        )

    return write


def _unfinished(visit: Visit) -> Letter:
    letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
    return _replaced(letter, {}, body=_BODY[:5], ends=False, sent="5 bytes, then none")


def _garbled(visit: Visit) -> Letter:
    letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
    return _replaced(letter, {"Signature-Input": "sig1=("}, sent="sig1=(")


def _two_signatures(visit: Visit) -> Letter:
    letter = visit.post(_INBOX, _BODY, signing=visit.by_stranger())
    values = dict(letter.fields)
    return _replaced(
        letter,
        {
            name: f"{values[name]}, {values[name].replace('sig1', 'sig2', 1)}"
            for name in ("Signature-Input", "Signature")
        },
        sent="sig1 and sig2",
    )


def _draft_signature(visit: Visit) -> Letter:
    value = (
        f'keyId="{visit.stranger.key_id}",algorithm="hs2019",'
        'headers="(request-target) host date digest",signature="AAAA"'
    )
    return visit.post(
        _INBOX, _BODY, fields=(("Signature", value),), sent="draft-cavage-12"
    )


def _long_and_unknown(visit: Visit) -> Letter:
    return _announced(_INBOX, ACTIVITY_BYTES_MAX + KIB)(visit)


def _get_with_body(path: str) -> Writer:
    def write(visit: Visit) -> Letter:
        letter = visit.get(path)
        fields = (("Content-Length", "4000000"),)
        return Letter(
            "GET", path, (*letter.fields, *fields), ends=False, sent="with a body"
        )

    return write


_SIGNATURE: Final = "FED-035, PRT-010"

INBOX_CHECKS: Final = (
    _refusal(
        "inbox-unsigned",
        "FED-035, FED-060, PRT-001",
        Sentence("A request without signature is refused, and told what is accepted."),
        lambda visit: visit.post(_INBOX, _BODY, sent="unsigned"),
        status=401,
        code="signature-missing",
    ),
    _refusal(
        "inbox-draft-cavage",
        _SIGNATURE,
        Sentence("A signature of the old draft counts as none."),
        _draft_signature,
        status=401,
        code="signature-missing",
    ),
    _refusal(
        "inbox-signature-garbled",
        _SIGNATURE,
        Sentence("A signature that cannot be read is refused."),
        _garbled,
        status=400,
        code="signature-malformed",
    ),
    _refusal(
        "inbox-signature-respelled",
        "FED-038",
        Sentence("A second spelling of a signature's parameters is refused."),
        _signed("two spaces", respelled=lambda text: text.replace(" ", "  ", 1)),
        status=400,
        code="signature-malformed",
    ),
    _refusal(
        "inbox-two-signatures",
        "FED-035",
        Sentence("Two signatures are refused."),
        _two_signatures,
        status=400,
        code="signature-malformed",
    ),
    *(
        _refusal(
            f"inbox-twice-{name.lower()}",
            "PRT-003",
            Sentence("A request with {field} twice is refused.", field=name),
            _doubled(name),
            status=400,
            code=("malformed", "signature-malformed"),
        )
        for name in ("Signature", "Signature-Input", "Content-Digest")
    ),
    *(
        # Many servers refuse these two before anybody can write a problem.
        _refusal(
            f"inbox-twice-{name.lower()}",
            "PRT-003",
            Sentence("A request with {field} twice is refused.", field=name),
            _doubled(name),
            status=400,
        )
        for name in ("Content-Type", "Host")
    ),
    *(
        _refusal(
            f"inbox-uncovered-{name.strip('@')}",
            _SIGNATURE,
            Sentence("A signature that does not cover {name} is refused.", name=name),
            _signed(f"{name} not covered", without=frozenset({name})),
            status=401,
            code="signature-coverage",
        )
        for name in ("@method", "@target-uri", "@authority", "content-digest")
    ),
    *(
        _refusal(
            f"inbox-without-{name}",
            _SIGNATURE,
            Sentence("A signature without {name} is refused.", name=name),
            _without(name),
            status=401,
            code="signature-parameters",
        )
        for name in ("created", "nonce", "keyid")
    ),
    _refusal(
        "inbox-short-nonce",
        _SIGNATURE,
        Sentence("A nonce of less than 128 bits is refused."),
        _signed("nonce of 8 letters", nonce="AAAAAAAA"),
        status=401,
        code="signature-parameters",
    ),
    _refusal(
        "inbox-unknown-parameter",
        _SIGNATURE,
        Sentence("An unknown parameter of a signature is refused."),
        _signed("parameter x", parameters={"x": "1"}),
        status=401,
        code="signature-parameters",
    ),
    _refusal(
        "inbox-without-algorithm",
        _SIGNATURE,
        Sentence("A signature that names no algorithm is refused."),
        _without("alg"),
        status=401,
        code="signature-algorithm",
    ),
    _refusal(
        "inbox-other-algorithm",
        _SIGNATURE,
        Sentence("Another algorithm than Ed25519 is refused."),
        _signed("hmac-sha256", parameters={"alg": '"hmac-sha256"'}),
        status=401,
        code="signature-algorithm",
    ),
    _refusal(
        "inbox-stale",
        "FED-036, FED-098",
        Sentence("A signature older than 300 seconds is refused."),
        _signed("created 330 s ago", offset=timedelta(seconds=-330)),
        status=401,
        code="signature-stale",
    ),
    _refusal(
        "inbox-future",
        "FED-036, FED-098",
        Sentence("A signature more than 60 seconds ahead is refused."),
        _signed("created in 90 s", offset=timedelta(seconds=90)),
        status=401,
        code="signature-stale",
    ),
    _refusal(
        "inbox-expired",
        "FED-036",
        Sentence("A signature that has expired by its own word is refused."),
        _signed("expires in 1970", parameters={"expires": "1"}),
        status=401,
        code="signature-stale",
    ),
    _refusal(
        "inbox-digest-wrong",
        "FED-037",
        Sentence("A body that does not fit its digest is refused."),
        _signed("digest of something else", digest=f"sha-256=:{'A' * 43}=:"),
        status=401,
        code="digest-mismatch",
    ),
    _refusal(
        "inbox-digest-unknown",
        "FED-037",
        Sentence("A digest by an algorithm that nobody knows is refused."),
        _signed("only sha-1", digest="sha-1=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
        status=401,
        code="digest-mismatch",
    ),
    _refusal(
        "inbox-unknown-key",
        "FED-073",
        Sentence("A key that nobody has pinned is refused, and not looked up."),
        _signed("by a stranger"),
        status=401,
        code="unknown-key",
    ),
    _refusal(
        "inbox-window-past",
        "FED-036",
        Sentence("A signature of 285 seconds ago is still in time."),
        _signed("created 285 s ago", offset=timedelta(seconds=-285)),
        status=401,
        code="unknown-key",
    ),
    _refusal(
        "inbox-window-future",
        "FED-036",
        Sentence("A signature 45 seconds ahead is in time."),
        _signed("created in 45 s", offset=timedelta(seconds=45)),
        status=401,
        code="unknown-key",
    ),
    _refusal(
        "inbox-ld-json",
        "PRT-006",
        Sentence("Both media types of ActivityPub are taken."),
        _typed(LD_JSON),
        status=401,
        code="unknown-key",
    ),
    *(
        _refusal(
            f"inbox-media-{name}",
            "PRT-006, PRT-010",
            Sentence("The media type {name} is refused.", name=str(media_type)),
            _typed(media_type),
            status=415,
            code="unsupported-media-type",
        )
        for name, media_type in (
            ("json", "application/json"),
            ("text", "text/plain"),
            ("ld-bare", "application/ld+json"),
            ("none", None),
        )
    ),
    _refusal(
        "inbox-content-coding",
        "PRT-003",
        Sentence("A body with a content coding is refused."),
        lambda visit: visit.post(
            _INBOX,
            _BODY,
            signing=visit.by_stranger(),
            fields=(("Content-Encoding", "gzip"),),
            sent="Content-Encoding: gzip",
        ),
        status=415,
        code="unsupported-media-type",
    ),
    _refusal(
        "inbox-too-large",
        "FED-092",
        Sentence("A body longer than a page may be is refused before it is sent."),
        _announced(_INBOX, PAGE_BYTES_MAX + 1),
        status=413,
        code="too-large",
    ),
    _refusal(
        "inbox-long-and-unknown",
        "PRT-001",
        Sentence("A long body is read only from a key that is pinned."),
        _long_and_unknown,
        status=401,
        code="unknown-key",
    ),
    _refusal(
        "inbox-foreign-host",
        "PRT-003",
        Sentence("A request for another host is refused."),
        _foreign_host,
        status=400,
        code="wrong-host",
        or_else=(421, "misdirected-request"),
    ),
    _refusal(
        "inbox-absolute-target",
        "PRT-003",
        Sentence("A request with an absolute target is refused."),
        _absolute_target,
        status=400,
    ),
)


async def _stranger_at_entry(visit: Visit) -> Finding:
    path = f"/entries/{random_id(visit.random)}"
    signing = visit.by_stranger()
    answer = await visit.ask(lambda: visit.get(path, signing=signing))
    letter = visit.get(path, signing=signing, sent="by a stranger")
    return refused_as(letter, answer, status=401, codes=("unknown-key",))


async def _absent_entries_look_alike(visit: Visit) -> Finding:
    paths = (
        f"/entries/{random_id(visit.random)}",
        f"/entries/{random_id(visit.random)}",
        "/entries/x",
    )
    told = []
    for path in paths:
        answer = await visit.ask(lambda path=path: visit.get(path))  # type: ignore[misc]
        fields = sorted(
            (name.lower(), value)
            for name, value in answer.fields
            if name.lower() not in {"date", "x-request-id"}
        )
        told.append((shown(answer), fields, answer.body))
    same = all(each == told[0] for each in told)
    ok = same and told[0][0] == "404 not-found"
    found = told[0][0] if same else " / ".join(each[0] for each in told)
    return Finding(
        ok,
        "GET /entries/{random}, /entries/{random}, /entries/x",
        "404 not-found, equal bytes",
        f"{found}, {'equal' if same else 'different'} bytes",
    )


READING_CHECKS: Final = (
    _refusal(
        "outbox-unsigned",
        "PRT-004",
        Sentence("Nobody pulls a page without a signature."),
        lambda visit: visit.get(_OUTBOX, sent="unsigned"),
        status=401,
        code="signature-missing",
        door=Door.OUTBOX,
    ),
    _refusal(
        "outbox-unknown-key",
        "PRT-004, FED-073",
        Sentence("No stranger pulls a page."),
        lambda visit: visit.get(
            _OUTBOX, signing=visit.by_stranger(), sent="by a stranger"
        ),
        status=401,
        code="unknown-key",
        door=Door.OUTBOX,
    ),
    _refusal(
        "outbox-body",
        "PRT-003",
        Sentence("A GET with a body is refused unread."),
        _get_with_body(_OUTBOX),
        status=400,
        door=Door.OUTBOX,
    ),
    Check(
        "entries-absent",
        Door.ENTRIES,
        "PRT-007, VIS-003",
        _MUST,
        Sentence("Entries that do not exist are answered alike."),
        _absent_entries_look_alike,
    ),
    Check(
        "entries-unknown-key",
        Door.ENTRIES,
        "FED-073",
        _MUST,
        Sentence("A stranger's signature is not ignored."),
        _stranger_at_entry,
    ),
    _refusal(
        "entries-body",
        "PRT-003",
        Sentence("A GET with a body is refused unread."),
        _get_with_body(f"/entries/{'a' * 26}"),
        status=400,
        door=Door.ENTRIES,
    ),
)

# Waits for the other node's time limit, beside all others.
SLOW_CHECKS: Final = (
    replace(
        _refusal(
            "inbox-slow",
            "FED-099",
            Sentence("A body that does not arrive is waited for 15 seconds."),
            _unfinished,
            status=408,
            code="too-slow",
        ),
        takes_long=True,
    ),
)
