"""Our signatures against an independent implementation, in both directions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import http_message_signatures as oracle
import pytest
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from http_message_signatures.structures import CaseInsensitiveDict

from federation.errors import SignatureInvalidError
from federation.signatures.digest import content_digest
from federation.signatures.http import (
    HttpMessage,
    claim_request,
    sign_request,
    verify_claim,
)
from tests.unit.federation.nodes import Node

NONCE = "C" * 22
COMPONENTS = ("@method", "@target-uri", "@authority", "content-digest")


@dataclass
class Request:
    """The shape that the other implementation reads."""

    method: str
    url: str
    headers: Any = field(default_factory=CaseInsensitiveDict)
    body: bytes | None = None


class Keys(oracle.HTTPSignatureKeyResolver):
    def __init__(self, node: Node) -> None:
        self.private = node.key._private

    def resolve_private_key(self, key_id: str) -> bytes:
        return self.private.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        )

    def resolve_public_key(self, key_id: str) -> bytes:
        return self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )


@pytest.fixture
def now() -> datetime:
    # The other implementation reads the real clock.
    return datetime.now(UTC).replace(microsecond=0)


@pytest.mark.parametrize("body", [b'{"a":"\xc3\xa4"}', None])
def test_it_accepts_ours(optence: Node, now: datetime, body: bytes | None) -> None:
    method = "GET" if body is None else "POST"
    target = "https://b.example:8443/outbox?after=3"
    fields = sign_request(
        method, target, body=body, signer=optence.signer, created=now, nonce=NONCE
    )
    request = Request(method, target, CaseInsensitiveDict(fields), body)
    verifier = oracle.HTTPMessageVerifier(
        signature_algorithm=oracle.algorithms.ED25519, key_resolver=Keys(optence)
    )
    (result,) = verifier.verify(request, max_age=timedelta(minutes=5))
    covered = {name.strip('"') for name in result.covered_components}
    expected = set(COMPONENTS if body is not None else COMPONENTS[:3])
    assert covered >= expected
    assert result.parameters["keyid"] == optence.signer.key_id
    request.url = "https://b.example:8443/outbox?after=4"
    with pytest.raises(oracle.InvalidSignature):
        verifier.verify(request, max_age=timedelta(minutes=5))


@pytest.mark.parametrize("body", [b'{"a":1}', None])
def test_we_accept_its(optence: Node, now: datetime, body: bytes | None) -> None:
    method = "GET" if body is None else "POST"
    target = "https://b.example/inbox"
    headers = CaseInsensitiveDict()
    if body is not None:
        headers["Content-Digest"] = content_digest(body)
    request = Request(method, target, headers, body)
    signer = oracle.HTTPMessageSigner(
        signature_algorithm=oracle.algorithms.ED25519, key_resolver=Keys(optence)
    )
    signer.sign(
        request,
        key_id=optence.signer.key_id,
        created=now,
        nonce=NONCE,
        label="sig1",
        include_alg=True,
        use_existing_digest=body is not None,
        covered_component_ids=COMPONENTS if body is not None else COMPONENTS[:3],
    )
    message = HttpMessage(method, target, list(request.headers.items()))
    claim = claim_request(message, body=body, received_at=now)
    assert claim.nonce == NONCE
    verify_claim(claim, message=message, key=optence.key.public_key)
    elsewhere = HttpMessage(method, target + "x", list(request.headers.items()))
    with pytest.raises(SignatureInvalidError):
        verify_claim(claim, message=elsewhere, key=optence.key.public_key)
