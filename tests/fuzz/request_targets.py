"""Signed requests: the fields one by one, and the door with them all."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from typing import Any

import http_sf

from federation import strict_json
from federation.canonical import canonical_bytes
from federation.errors import MalformedError, PeerError, SignatureInvalidError
from federation.inbox import (
    AdmittedHead,
    AdmittedRequest,
    ReceivedRequest,
    RequestHead,
    authenticate_claim,
    claim,
    name_invitation,
    prove_guest,
    read_pull,
)
from federation.signatures.digest import content_digest, verify_content_digest
from federation.signatures.http import (
    HttpMessage,
    accept_signature,
    claim_answer,
    signature_base,
    verify_claim,
)
from federation.signatures.structured import (
    byte_sequence,
    parse_byte_sequences,
    parse_signature_input,
)
from federation.signed_heads import require_signed_head
from tests.fuzz.document_targets import packed_request
from tests.fuzz.partner import OURSELVES, PARTNER, SIGNED_HERE, complete
from tests.fuzz.target import LawBrokenError, Target, law
from tests.unit.federation.nodes import NOW, Nonces, Peers

BODY = b'{"a":1}'
TARGET_URI = OURSELVES.address.inbox


def _as_others_read(field: str) -> dict[str, Any]:
    """Read a dictionary with an independent reader of structured fields."""
    value: Any = http_sf.parse(field.encode("latin-1"), tltype="dictionary")
    return dict(value)


def read_signature_input(data: bytes) -> bool:
    """Read a Signature-Input field; what passes has exactly one spelling."""
    text = data.decode("latin-1")
    try:
        parsed = parse_signature_input(text)
    except MalformedError:
        return False
    law(text == f"{parsed.label}={parsed.text}", "another text is signed")
    covered = " ".join(component.text for component in parsed.components)
    parameters = "".join(
        f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"'
        for name, value in parsed.parameters.items()
    )
    law(parsed.text == f"({covered}){parameters}", "another meaning is read")
    ((label, (items, read)),) = _as_others_read(text).items()
    law(label == parsed.label and read == parsed.parameters, "others read another one")
    law(
        [(item.name, item.of_request) for item in parsed.components]
        == [(name, parameters == {"req": True}) for name, parameters in items],
        "others see other components",
    )
    return True


def read_signature(data: bytes) -> bool:
    """Read a Signature field."""
    text = data.decode("latin-1")
    try:
        values = parse_byte_sequences(text, name="Signature")
    except MalformedError:
        return False
    members = [f"{key}={byte_sequence(value)}" for key, value in values.items()]
    law(", ".join(members) == text, "two spellings of one field")
    read = {key: value for key, (value, _) in _as_others_read(text).items()}
    law(read == values, "others read other bytes")
    return True


def read_content_digest(data: bytes) -> bool:
    """Check a Content-Digest field against a body; `*` stands for the right one."""
    text = data.decode("latin-1").replace(SIGNED_HERE, content_digest(BODY))
    try:
        verify_content_digest(text, BODY)
    except (MalformedError, SignatureInvalidError):
        return False
    try:
        verify_content_digest(text, BODY + b" ")
    except SignatureInvalidError:
        return True
    raise LawBrokenError("the digest fits two bodies")


def read_accept_signature(data: bytes) -> bool:
    """Sign what an Accept-Signature field asks for, as our own challenge may be read.

    We send the field and never read one, so this checks that what we send can be
    answered: the members of any challenge that our reader takes can be signed.
    """
    text = data.decode("latin-1")
    for has_body in (False, True):
        # `created` stands there without a value: the client is to fill it in.
        asked = accept_signature(has_body=has_body).replace(";created", ";created=1")
        law(f"sig1={parse_signature_input(asked).text}" == asked, "not our own form")
    try:
        parsed = parse_signature_input(text.replace(";created;", ";created=1;"))
        message = HttpMessage("POST", TARGET_URI, (("content-digest", "x"),))
        signature_base(message, parsed.components, parsed.text)
    except MalformedError:
        return False
    return True


def read_request(data: bytes) -> bool:
    """Take a request through the door: method, target, fields, empty line, body.

    `*` as the value of Signature is replaced by the partner's real signature over
    what Signature-Input asks for, `*` as Content-Digest by the right digest. A
    status in the place of the method makes it the answer to a request of ours.
    """
    first, fields, body = _parts(data)
    method, _, path = first.partition(" ")
    if path == "/partner-requests":
        body = _completed(body)
    if method.isascii() and method.isdigit() and len(method) < 5:
        return _read_answer(int(method) % 600, fields, body)
    request = ReceivedRequest(
        method=method,
        # The server refuses every other path before this step.
        target_uri=f"{OURSELVES.base_url}/{path.lstrip('/')}",
        headers=(),
        body=body,
        received_at=NOW,
    )
    request = replace(request, headers=_signed(request.as_message(), fields, body))
    _to_its_end(_known(request))
    if request.target_uri == OURSELVES.address.partner_requests:
        return _read_guest(request)
    try:
        _to_its_end(_authenticated(request))
    except PeerError as error:
        law(error.status in {400, 401, 413, 415}, "another status")
        law((error.status == 401) == (error.challenge is not None), "no challenge")
        return False
    changes = [
        replace(request, target_uri=request.target_uri + "x"),
        replace(request, method=request.method + "X"),
        replace(request, body=request.body + b" "),
    ]
    if method == "POST":
        changes.append(_with_other_body(request))
    for changed in changes:
        try:
            _to_its_end(_authenticated(changed))
        except PeerError:
            continue
        raise LawBrokenError("a changed request verifies")
    with contextlib.suppress(PeerError):
        pull = read_pull(
            AdmittedRequest(PARTNER.known(), request), address=OURSELVES.address
        )
        law(request.target_uri == OURSELVES.address.page(pull.after), "another page")
    return True


def _with_other_body(request: ReceivedRequest) -> ReceivedRequest:
    """Do what somebody between the two would do: change body and digest alike."""
    body = request.body + b" "
    headers = tuple(
        (name, content_digest(body) if name.lower() == "content-digest" else value)
        for name, value in request.headers
    )
    return replace(request, headers=headers, body=body)


def _read_guest(request: ReceivedRequest) -> bool:
    try:
        named = name_invitation(claim(request))
        guest = prove_guest(named, address=OURSELVES.address, allow_loopback_http=False)
    except PeerError as error:
        law(400 <= error.status < 500, "a guest's fault is never ours")
        return False
    law(guest.guest.base_url != OURSELVES.base_url, "we are our own guest")
    return True


def _completed(body: bytes) -> bytes:
    """Return a body with context and proof, if it is JSON."""
    try:
        return canonical_bytes(complete(strict_json.loads_object(body)))
    except PeerError:
        return body


def _read_answer(status: int, fields: list[tuple[str, str]], body: bytes) -> bool:
    asked = HttpMessage(
        "GET", OURSELVES.address.page(4), (("Signature", "sig1=:YQ==:"),)
    )
    message = HttpMessage("", asked.target_uri, (), status=status, request=asked)
    message = replace(message, fields=_signed(message, fields, body))
    key = PARTNER.key.public_key
    try:
        found = claim_answer(message, body=body, received_at=NOW)
        verify_claim(found, message=message, key=key)
    except PeerError:
        return False
    other = replace(asked, fields=(("Signature", "sig1=:YWE=:"),))
    try:
        verify_claim(found, message=replace(message, request=other), key=key)
    except PeerError:
        return True
    raise LawBrokenError("an answer fits two requests")


def _parts(data: bytes) -> tuple[str, list[tuple[str, str]], bytes]:
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    pairs = (line.partition(":") for line in lines)
    return first, [(name, value.strip()) for name, _, value in pairs], body


def _signed(
    message: HttpMessage, fields: list[tuple[str, str]], body: bytes
) -> tuple[tuple[str, str], ...]:
    """Return the fields with what the partner's key and the body give."""
    fields = [
        (name, content_digest(body))
        if name.lower() == "content-digest" and value == SIGNED_HERE
        else (name, value)
        for name, value in fields
    ]
    inputs = [value for name, value in fields if name.lower() == "signature-input"]
    try:
        parsed = parse_signature_input(inputs[0] if inputs else "")
        base = signature_base(
            replace(message, fields=fields), parsed.components, parsed.text
        )
    except MalformedError:
        return tuple(fields)
    signature = f"{parsed.label}={byte_sequence(PARTNER.key.sign(base))}"
    return tuple(
        (name, signature)
        if name.lower() == "signature" and value == SIGNED_HERE
        else (name, value)
        for name, value in fields
    )


async def _authenticated(request: ReceivedRequest) -> Any:
    peers = Peers({PARTNER.signer.key_id: PARTNER.known()})
    return await authenticate_claim(claim(request), peers=peers, nonces=Nonces())


async def _known(request: ReceivedRequest) -> None:
    peers = Peers({PARTNER.signer.key_id: PARTNER.known()})
    head = RequestHead(
        request.method, request.target_uri, request.headers, "sender", NOW
    )
    with contextlib.suppress(PeerError):
        await require_signed_head(AdmittedHead(head), peers=peers)


def _to_its_end(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine that waits for nothing; a loop would cost more than it."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise LawBrokenError("it waits")


def _request_seeds() -> Iterable[bytes]:
    covered = '"@method" "@target-uri" "@authority"'
    parameters = (
        f';created={int(NOW.timestamp())};nonce="AAAAAAAAAAAAAAAAAAAAAA"'
        f';keyid="{PARTNER.signer.key_id}";alg="ed25519"'
    )
    yield (
        f"POST /inbox\nContent-Type: application/activity+json\nContent-Digest: *\n"
        f'Signature-Input: sig1=({covered} "content-digest"){parameters}\n'
        "Signature: *\n\n{}"
    ).encode()
    # Near misses, which must be refused: a required component is not covered.
    required = ('"@method"', '"@target-uri"', '"@authority"', '"content-digest"')
    for missing in required:
        rest = " ".join(name for name in required if name != missing)
        yield (
            "POST /inbox\nContent-Type: application/activity+json\n"
            f"Content-Digest: *\nSignature-Input: sig1=({rest}){parameters}\n"
            "Signature: *\n\n{}"
        ).encode()
    yield (
        "POST /partner-requests\nContent-Type: application/activity+json\n"
        f'Content-Digest: *\nSignature-Input: sig1=({covered} "content-digest")'
        f"{parameters}\nSignature: *\n\n"
    ).encode() + packed_request()
    yield (
        f"GET /outbox?after=4\nAccept: application/activity+json\n"
        f'Signature-Input: s=({covered} "@path" "@query" "accept"){parameters}'
        ';expires=1795255260;tag="x"\nSignature: *\n\n'
    ).encode()
    yield (
        "200\nContent-Digest: *\nSignature-Input: sig1="
        '("@status" "content-digest" "@method";req "@target-uri";req "signature";req)'
        f"{parameters}\nSignature: *\n\n{{}}"
    ).encode()


def _input_seeds() -> Iterable[bytes]:
    yield (
        b'sig1=("@method" "@target-uri" "content-digest";req);created=1618884473'
        b';nonce="AAAAAAAAAAAAAAAAAAAAAA";keyid="https://a.example/actor#key-1"'
        b';alg="ed25519"'
    )
    yield b"a=()"
    yield b'a=("b"), c=("d")'


def _signature_seeds() -> Iterable[bytes]:
    yield b"sig1=:" + b"QUFB" * 21 + b"QQ==:"
    yield b"a=::, b=:YQ==:"


def _digest_seeds() -> Iterable[bytes]:
    yield b"*"
    yield b"*, sha-512=:YQ==:"
    yield b"unixsum=:AAA=:, *"


REQUEST_TARGETS = (
    Target(
        "signature_input",
        read_signature_input,
        _input_seeds,
        tokens=('"@method"', ";req", ";sf", ";created=", ';alg="', ", ", ")", "\\"),
    ),
    Target(
        "signature",
        read_signature,
        _signature_seeds,
        tokens=("=:", ":, ", "YQ==", "YR==", "AA=A", ";a=1", "?1"),
    ),
    Target(
        "content_digest",
        read_content_digest,
        _digest_seeds,
        tokens=("sha-256=:", "sha-512=:", "SHA-256=", ", ", "*"),
    ),
    Target(
        "accept_signature",
        read_accept_signature,
        lambda: [accept_signature(has_body=True).encode()],
        tokens=('"@status"', '"@query-param";name="a"', ";created;", '"@path"'),
    ),
    Target(
        "http_message",
        read_request,
        _request_seeds,
        tokens=(
            '"@path" ',
            '"@query" ',
            '"@status" ',
            '"signature-input" ',
            '"signature" ',
            '"accept";req ',
            "Signature: *\n",
            "Content-Digest: *\n",
            "Content-Encoding: gzip\n",
            ";expires=1795255200",
            ";created=1795255200",
            ";created=999999999999999",
            ';alg="rsa-v1_5-sha256"',
            "HEAD ",
            "\u212a",
        ),
    ),
)
