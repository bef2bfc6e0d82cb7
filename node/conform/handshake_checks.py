"""From the invitation to the other office's confirmation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from federation import handshake
from federation.documents import build_partner_request
from federation.documents.actor import actor_body
from federation.documents.signed import SignedDocument
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from federation.trust import TrustState
from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
    failed,
    passed,
)
from node.conform.guest import NAME, Guest
from node.conform.partner_requests import send_page, written_page
from node.conform.signing import Signing
from node.conform.visit import refused_as, shown
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.json_types import JsonObject
    from node.conform.visit import Visit

_PATH: Final = "/partner-requests"
_ACCEPTED: Final = 202
_LOOK_SECONDS: Final = 0.3


def _invited(visit: Visit) -> tuple[Guest, bytes]:
    if visit.guest is None or visit.secret is None:
        raise SkipError(Sentence("No invitation was given (--code)."))
    return visit.guest, visit.secret


def _written(visit: Visit, guest: Guest, secret: bytes) -> SignedDocument:
    """Return a partner request that is right."""
    return build_partner_request(
        guest.actor,
        host=visit.host(),
        secret=secret,
        signer=guest.signer,
        random=visit.random,
        created=guest.now(),
    )


def _changed(
    visit: Visit, *, secret: bytes | None = None, **changes: Any
) -> SignedDocument:
    """Return a partner request with other members, its MAC and proof made anew."""
    guest, own_secret = _invited(visit)
    document: JsonObject = {
        **_written(visit, guest, own_secret).document,
        **changes,
    }
    document["mac"] = handshake.request_mac(secret or own_secret, document)
    return guest.changed(document)


def _refusal(
    name: str,
    clause: str,
    title: Sentence,
    write: Callable[[Visit], SignedDocument],
    *,
    status: int,
    code: str,
    sent: str,
    signer: Callable[[Visit], Signer] | None = None,
) -> Check:
    async def run(visit: Visit) -> Finding:
        guest, _secret = _invited(visit)
        request = write(visit)
        by = guest.signer if signer is None else signer(visit)
        guest.has_asked = True
        answer = await visit.ask(
            lambda: visit.post(_PATH, request.raw, signing=Signing(signer=by))
        )
        # Whoever takes it all the same has a request of ours to be taken back.
        guest.was_taken = guest.was_taken or answer.status == _ACCEPTED
        if guest.was_taken and guest.request is None:
            guest.request = request
        return refused_as(f"POST {_PATH}: {sent}", answer, status=status, codes=(code,))

    return Check(name, Door.HANDSHAKE, clause, Severity.MUST, title, run)


def _elsewhere(visit: Visit) -> SignedDocument:
    guest, _secret = _invited(visit)
    actor = {**actor_body(guest.actor), "inbox": "https://elsewhere.example/inbox"}
    return _changed(visit, actor=actor)


def _foreign_context(visit: Visit) -> SignedDocument:
    context: dict[str, Any] = {"@context": ["https://www.w3.org/ns/activitystreams"]}
    return _changed(visit, **context)


def _broken_proof(visit: Visit) -> SignedDocument:
    guest, secret = _invited(visit)
    document = _written(visit, guest, secret).document
    proof = document["proof"]
    other = guest.changed({**document, "nonce": "B" * 22}).document["proof"]
    if not isinstance(proof, dict) or not isinstance(other, dict):
        msg = "a signed document has a proof"
        raise TypeError(msg)
    return SignedDocument.of(
        {**document, "proof": {**proof, "proofValue": other["proofValue"]}}
    )


def _other_key(visit: Visit) -> Signer:
    guest, _secret = _invited(visit)
    return replace(guest.signer, key=SigningKey.generate(visit.random))


def _actor_changed(**changes: Any) -> Callable[[Visit], SignedDocument]:
    def write(visit: Visit) -> SignedDocument:
        guest, _secret = _invited(visit)
        return _changed(visit, actor={**actor_body(guest.actor), **changes})

    return write


async def _unknown_key_is_not_fetched(visit: Visit) -> Finding:
    guest, _secret = _invited(visit)
    page = written_page(guest, [])
    answer = await send_page(visit, guest, page)
    # Whoever looks a key up does it at once, or not at all.
    await asyncio.sleep(_LOOK_SECONDS)
    reads = guest.arrivals.actor_reads
    return compared(
        "POST /inbox: signed by our key, which nobody there knows",
        expected="401 unknown-key, 0 x GET /actor",
        found=f"{shown(answer)}, {reads} x GET /actor",
    )


async def _is_taken(visit: Visit) -> Finding:
    guest, secret = _invited(visit)
    guest.host = visit.host()
    guest.request = _written(visit, guest, secret)
    guest.has_asked = True
    sent = f"POST {_PATH}"
    answer = await _post_request(visit, guest)
    guest.was_taken = guest.was_taken or answer.status == _ACCEPTED
    if answer.status != _ACCEPTED:
        return failed(sent, expected="202", found=shown(answer))
    return passed(sent, expected="202")


async def _post_request(visit: Visit, guest: Guest) -> Any:
    request = guest.request
    if request is None:
        raise SkipError(Sentence("The request was not taken."))
    signing = Signing(signer=guest.signer)
    return await visit.ask(lambda: visit.post(_PATH, request.raw, signing=signing))


def _taken(visit: Visit) -> tuple[Guest, bytes]:
    guest, secret = _invited(visit)
    if not guest.was_taken:
        raise SkipError(Sentence("The request was not taken."))
    return guest, secret


async def _newer_is_taken(visit: Visit) -> Finding:
    guest, _secret = _invited(visit)
    actor = guest.actor
    sent = f"spalierProtocol {actor.protocol}, {', '.join(actor.capabilities)}"
    found = "202" if guest.was_taken else "not taken"
    return Finding(guest.was_taken, sent, "202", found)


async def _repeated(visit: Visit) -> Finding:
    guest, _secret = _taken(visit)
    answer = await _post_request(visit, guest)
    return refused_as(f"POST {_PATH}: again", answer, status=_ACCEPTED, codes=())


async def _used_by_another(visit: Visit) -> Finding:
    guest, secret = _taken(visit)
    key = SigningKey.generate(visit.random)
    signer = replace(guest.signer, key=key)
    actor = replace(guest.actor, keys=(PinnedKey(signer.key_id, key.public_key),))
    request = build_partner_request(
        actor,
        host=visit.host(),
        secret=secret,
        signer=signer,
        random=visit.random,
        created=guest.now(),
    )
    answer = await visit.ask(
        lambda: visit.post(_PATH, request.raw, signing=Signing(signer=signer))
    )
    return refused_as(
        f"POST {_PATH}: by another key",
        answer,
        status=403,
        codes=("invitation-used",),
    )


async def _nothing_before_confirmation(visit: Visit) -> Finding:
    guest, _secret = _taken(visit)
    if guest.is_confirmed:
        raise SkipError(Sentence("The other office has confirmed already."))
    page = written_page(guest, [guest.entry().document])
    answer = await send_page(visit, guest, page)
    return refused_as(
        "POST /inbox: a page before the confirmation",
        answer,
        status=403,
        codes=("partnership-not-confirmed",),
    )


async def _is_confirmed(visit: Visit) -> Finding:
    guest, secret = _taken(visit)
    number = handshake.check_number(
        secret, guest.signer.key.public_key, visit.host().keys[0].public_key
    )
    visit.tell(
        Sentence(
            "Check number {number}. Now the other office has to confirm “{name}” "
            "({address}).",
            number=number,
            name=NAME,
            address=guest.address.base_url,
        )
    )
    expected = "Accept of our request, signed and proven"
    sent = f"check number {number}"
    if not await guest.wait_for_decision(visit.confirm_within):
        waited = round(visit.confirm_within.total_seconds())
        found = "; ".join(guest.arrivals.faults) or f"nothing within {waited} s"
        return failed(sent, expected=expected, found=found)
    if guest.state is not TrustState.ACTIVE:
        return failed(sent, expected=expected, found=guest.state.value)
    return passed(sent, expected=expected)


async def _actor_was_read(visit: Visit) -> Finding:
    guest = visit.partner()
    reads = guest.arrivals.actor_reads
    found = f"{reads} x GET /actor"
    return Finding(reads > 0, "the confirmation", "1 x GET /actor or more", found)


def _step(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
    *,
    severity: Severity = Severity.MUST,
) -> Check:
    return Check(name, Door.HANDSHAKE, clause, severity, title, run)


CHECKS: Final = (
    _step(
        "unknown-key-not-fetched",
        "FED-073, PRT-053",
        Sentence("A key that nobody knows is not looked up at its address."),
        _unknown_key_is_not_fetched,
    ),
    _refusal(
        "handshake-wrong-secret",
        "FED-084",
        Sentence("A request without the invitation's secret is refused."),
        lambda visit: _changed(visit, secret=b"0123456789"),
        status=403,
        code="invitation-refused",
        sent="MAC by another secret",
    ),
    _refusal(
        "handshake-host-key",
        "FED-084",
        Sentence("A guest that saw another key of the host is refused."),
        lambda visit: _changed(
            visit, hostKey=SigningKey.generate(visit.random).public_key.multibase
        ),
        status=403,
        code="host-key-mismatch",
        sent="another hostKey",
    ),
    _refusal(
        "handshake-target",
        "FED-082, FED-140",
        Sentence("A request to another host is refused."),
        lambda visit: _changed(visit, target="https://elsewhere.example"),
        status=403,
        code="origin-mismatch",
        sent="another target",
    ),
    _refusal(
        "handshake-actor",
        "FED-033, FED-140",
        Sentence("A guest with an inbox of somebody else is refused."),
        _elsewhere,
        status=403,
        code="origin-mismatch",
        sent="an actor with a foreign inbox",
    ),
    _refusal(
        "handshake-context",
        "FED-021",
        Sentence("A request with another context is refused."),
        _foreign_context,
        status=400,
        code="context-not-allowed",
        sent="another @context",
    ),
    _refusal(
        "handshake-unknown-field",
        "FED-024",
        Sentence("A request with an unknown field is refused."),
        lambda visit: _changed(visit, comment="x"),
        status=422,
        code="schema-invalid",
        sent="an unknown field",
    ),
    _refusal(
        "handshake-proof",
        "FED-082, FED-031",
        Sentence("A request with a proof of something else is refused."),
        _broken_proof,
        status=401,
        code="proof-invalid",
        sent="the proof of another document",
    ),
    _refusal(
        "handshake-other-key",
        "FED-082",
        Sentence("A request that another key has signed is refused."),
        lambda visit: _written(visit, *_invited(visit)),
        status=401,
        code="signature-invalid",
        sent="signed by another key",
        signer=_other_key,
    ),
    _refusal(
        "handshake-version",
        "FED-121",
        Sentence("A guest of another major version is refused."),
        _actor_changed(spalierProtocol="2.0"),
        status=422,
        code="protocol-unsupported",
        sent="spalierProtocol 2.0",
    ),
    _step(
        "handshake-taken",
        "FED-082, PRT-005",
        Sentence("A request with everything right is taken."),
        _is_taken,
    ),
    _step(
        "handshake-newer",
        "FED-121, FED-123",
        Sentence("A newer minor version with unknown capabilities is taken."),
        _newer_is_taken,
    ),
    _step(
        "handshake-repeated",
        "PRT-011",
        Sentence("The same request may come again."),
        _repeated,
    ),
    _step(
        "handshake-used",
        "FED-084",
        Sentence("An invitation is used once."),
        _used_by_another,
    ),
    _step(
        "handshake-waits",
        "FED-071, FED-073",
        Sentence("Nothing flows before the office has confirmed."),
        _nothing_before_confirmation,
    ),
    _step(
        "handshake-confirmed",
        "FED-071, PRT-033",
        Sentence("The host tells the guest that its office has confirmed."),
        _is_confirmed,
    ),
    _step(
        "handshake-key-compared",
        "FED-076",
        Sentence("Before it confirms, the host reads the guest's key at its address."),
        _actor_was_read,
    ),
)
