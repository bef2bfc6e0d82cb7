"""Signatures of a partner: the edges of what is accepted."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from federation.canonical import canonical_bytes
from federation.keys import SigningKey
from federation.signatures.digest import content_digest
from node.conform.checks import Check, Door, Finding, Severity
from node.conform.partner_requests import INBOX, send_page, written_page
from node.conform.signing import Signing
from node.conform.visit import refused_as
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.guest import Guest
    from node.conform.http_exchange import Letter
    from node.conform.visit import Visit

_OK: Final = 200


def _empty(guest: Guest) -> bytes:
    return canonical_bytes(written_page(guest, []))


def _sha512(body: bytes) -> str:
    value = base64.b64encode(hashlib.sha512(body).digest()).decode("ascii")
    return f"sha-512=:{value}:"


def _taken(**signing: Any) -> Callable[[Visit], Awaitable[Finding]]:
    """Return a run that sends an empty page which must be taken."""

    async def run(visit: Visit) -> Finding:
        guest = visit.partner()
        answer = await send_page(visit, guest, written_page(guest, []), **signing)
        sent = ", ".join(f"{name} {value}" for name, value in signing.items())
        return refused_as(f"POST {INBOX}: {sent}", answer, status=_OK, codes=())

    return run


def _digested(
    write: Callable[[bytes], str], *, sent: str, status: int, codes: tuple[str, ...]
) -> Callable[[Visit], Awaitable[Finding]]:
    async def run(visit: Visit) -> Finding:
        guest = visit.partner()
        digest = write(_empty(guest))
        page = written_page(guest, [])
        answer = await send_page(visit, guest, page, digest=digest)
        return refused_as(f"POST {INBOX}: {sent}", answer, status=status, codes=codes)

    return run


async def _replayed(visit: Visit) -> Finding:
    guest = visit.partner()
    letter = visit.post(INBOX, _empty(guest), signing=Signing(signer=guest.signer))
    await visit.ask(lambda: letter)
    answer = await visit.ask(lambda: letter)
    return refused_as(
        f"POST {INBOX}: the same request twice",
        answer,
        status=401,
        codes=("replayed",),
    )


async def _by_another_key(visit: Visit) -> Finding:
    guest = visit.partner()
    signer = replace(guest.signer, key=SigningKey.generate(visit.random))
    page = written_page(guest, [])
    answer = await send_page(visit, guest, page, signer=signer)
    return refused_as(
        f"POST {INBOX}: our key id, another key",
        answer,
        status=401,
        codes=("signature-invalid",),
    )


async def _for_another_target(visit: Visit) -> Finding:
    guest = visit.partner()

    def write() -> Letter:
        letter = visit.post(
            "/partner-requests", _empty(guest), signing=Signing(signer=guest.signer)
        )
        return replace(letter, target=INBOX, sent="signed for /partner-requests")

    answer = await visit.ask(write)
    return refused_as(write(), answer, status=401, codes=("signature-invalid",))


async def _equal_keys(visit: Visit) -> Finding:
    guest = visit.partner()
    body = _empty(guest)
    doubled = body[:-1] + b',"head":' + str(guest.position).encode() + b"}"
    signing = Signing(signer=guest.signer)
    answer = await visit.ask(lambda: visit.post(INBOX, doubled, signing=signing))
    return refused_as(
        f"POST {INBOX}: two equal keys", answer, status=400, codes=("malformed",)
    )


def _check(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.SIGNATURES, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _check(
        "signature-replayed",
        "FED-036",
        Sentence("The same request is taken once."),
        _replayed,
    ),
    _check(
        "signature-past",
        "FED-098",
        Sentence("A partner's signature of 285 seconds ago is taken."),
        _taken(offset=timedelta(seconds=-285)),
    ),
    _check(
        "signature-future",
        "FED-098",
        Sentence("A partner's signature 45 seconds ahead is taken."),
        _taken(offset=timedelta(seconds=45)),
    ),
    _check(
        "signature-covers-more",
        "FED-035",
        Sentence("A signature may cover more than it must."),
        _taken(more=("content-type", "@path")),
    ),
    _check(
        "signature-tag",
        "FED-035",
        Sentence("A signature may carry expires and tag."),
        _taken(parameters={"expires": "9999999999", "tag": '"spalier"'}),
    ),
    _check(
        "signature-other-key",
        "FED-034",
        Sentence("A signature by another key under our name is refused."),
        _by_another_key,
    ),
    _check(
        "signature-other-target",
        "FED-035, FED-038",
        Sentence("A signature for another door is refused."),
        _for_another_target,
    ),
    _check(
        "digest-sha-512",
        "FED-037",
        Sentence("A digest by SHA-512 is taken."),
        _digested(_sha512, sent="sha-512", status=_OK, codes=()),
    ),
    _check(
        "digest-one-wrong",
        "FED-037",
        Sentence("Of two digests both have to fit."),
        _digested(
            lambda body: f"{content_digest(body)}, {_sha512(b'another body')}",
            sent="a right sha-256, a wrong sha-512",
            status=401,
            codes=("digest-mismatch",),
        ),
    ),
    _check(
        "partner-equal-keys",
        "FED-020",
        Sentence("Two equal keys are refused also from a partner."),
        _equal_keys,
    ),
)
