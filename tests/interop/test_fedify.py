"""One proof and one signed request in each direction, with a real Fedify.

What is refused is refused for the reason that our profile states (SPEC.md FED-031,
FED-035); what is only refused for that reason verifies otherwise, byte for byte.
"""

import base64
import json
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typing_extensions import override

from federation.documents import (
    build_actor,
    build_message,
    build_notice,
    build_withdrawal,
)
from federation.documents.actor_update import ActorUpdate, build_actor_update
from federation.documents.notice import NoticeType
from federation.errors import FetchError, PeerError, ProofInvalidError
from federation.inbox import ACTIVITY_JSON
from federation.keys import PublicKey
from federation.peers import RemotePeer
from federation.signatures.http import (
    HttpMessage,
    claim_request,
    sign_request,
    signature_base,
)
from federation.signatures.proof import verify_proof
from federation.signatures.structured import (
    parse_byte_sequences,
    parse_signature_input,
)
from federation.strict_json import loads_object
from federation.transport.client import FederationClient
from tests.cli.conftest import TestNode, entry_file, make_node, serving
from tests.interop.conftest import ROOT, Counterpart
from tests.unit.federation.nodes import NOW, Bytes, FixedClock, Node

ACTOR = "http://127.0.0.1:9/actor"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A node as a process, with its own key."""
    node = make_node(tmp_path_factory.mktemp("interop") / "node", "Cluster Nord")
    with serving(node):
        yield node


@pytest.fixture(scope="module")
def signer() -> Iterator[Node]:
    """A node whose key the test has, and a server for its actor."""
    actor = b""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", ACTIVITY_JSON)
            self.send_header("Content-Length", str(len(actor)))
            self.end_headers()
            self.wfile.write(actor)

        @override
        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        base_url = f"http://127.0.0.1:{server.server_address[1]}"
        signer = Node("interop", base_url=base_url)
        actor = json.dumps(build_actor(signer.actor)).encode()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield signer
        finally:
            server.shutdown()
            thread.join()


def test_the_version_that_is_spoken_of(fedify_version: str) -> None:
    assert fedify_version == "2.3.6"
    text = (ROOT / "FEDERATION.md").read_text(encoding="utf-8")
    assert f"Fedify {fedify_version}" in text


# Our proofs, Fedify verifies


def test_fedify_verifies_a_published_entry(
    fedify: Counterpart, node: TestNode, tmp_path: Path
) -> None:
    """It fetches entry and actor from the node, and finds the key there."""
    file = entry_file(tmp_path, audience={"level": "public"})
    entry = node.json("entry", "publish", file)["id"]
    result = fedify.ask("/verify-object", url=entry)
    assert result["verified"]
    assert result["type"] == "Proposal"
    assert result["name"] == "Freie Stunden auf dem Interferometer"
    assert f"{node.base_url}/actor#key-1" in result["fetched"]


def test_fedify_verifies_each_kind_of_document(
    fedify: Counterpart, signer: Node
) -> None:
    partner = Node("spalier.swissmem.example")
    update = ActorUpdate(
        id=signer.activity_id(),
        actor=replace(signer.actor, updated=NOW),
        recipient=partner.address.actor,
        published=NOW,
    )
    documents = {
        "Document": signer.signed_entry("expert_profile"),
        "Proposal": signer.signed_entry("technology_request"),
        "Event": signer.signed_entry("event"),
        "Create": build_message(
            signer.message(partner), signer=signer.signer, created=NOW
        ),
        "Accept": build_notice(
            signer.notice(partner, NoticeType.ACCEPT),
            signer=signer.signer,
            created=NOW,
        ),
        "Delete": build_withdrawal(
            signer.withdrawal(), signer=signer.signer, created=NOW
        ),
        "Update": build_actor_update(update, signer=signer.signer, created=NOW),
    }
    for kind, signed in documents.items():
        result = fedify.ask("/verify-document", document=signed.document)
        assert result["verified"], kind
        assert result["type"] == kind
        changed = {**signed.document, "published": "2026-11-21T10:00:01Z"}
        assert not fedify.ask("/verify-document", document=changed)["verified"], kind


def notes(server: Counterpart) -> int:
    with urllib.request.urlopen(f"{server.base_url}/count", timeout=60) as answer:
        return int(json.loads(answer.read())["notes"])


async def test_a_fedify_server_takes_our_message_for_its_proof(
    fedify_server: Counterpart, signer: Node
) -> None:
    """It cannot read the request's signature, and needs none beside the proof."""
    before = notes(fedify_server)
    actor = f"{fedify_server.base_url}/users/cluster"
    message = replace(signer.message(Node("spalier.swissmem.example")), recipient=actor)
    signed = build_message(message, signer=signer.signer, created=NOW)
    client = FederationClient(
        clock=FixedClock(datetime.now(UTC)),
        random=Bytes("server"),
        allow_loopback_http=True,
    )
    async with client:
        await client.post_activity(remote(fedify_server), signed, signer=signer.signer)
        assert notes(fedify_server) == before + 1
        changed = replace(signed, raw=signed.raw.replace(b"Guten Tag", b"Guten Abend"))
        assert changed.raw != signed.raw
        with pytest.raises(FetchError) as refused:
            await client.post_activity(
                remote(fedify_server), changed, signer=signer.signer
            )
    assert refused.value.status == 401
    assert notes(fedify_server) == before + 1


def test_the_server_for_comparisons_counts_signed_notes(
    fedify: Counterpart, fedify_server: Counterpart
) -> None:
    before = notes(fedify_server)
    actor = f"{fedify.base_url}/actor"
    activity = {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{fedify.base_url}/activities/1",
        "type": "Create",
        "actor": actor,
        "object": {
            "id": f"{fedify.base_url}/notes/1",
            "type": "Note",
            "attributedTo": actor,
            "content": "Guten Tag",
        },
    }
    sent = fedify.ask(
        "/send",
        url=f"{fedify_server.base_url}/users/cluster/inbox",
        body=json.dumps(activity),
        keyId=f"{actor}#main-key",
    )
    assert sent["status"] == 202, sent["answer"]
    assert notes(fedify_server) == before + 1


# Fedify's proofs, we verify


def fedify_proof(fedify: Counterpart, **values: Any) -> tuple[Any, Any]:
    """Let Fedify sign, and return the document as read and a finder of its key."""
    signed = fedify.ask(
        "/signed-object", id="http://127.0.0.1:9/activities/x", actor=ACTOR, **values
    )
    key = PublicKey.from_multibase(signed["multibase"])
    text = json.dumps(signed["document"], ensure_ascii=False)

    def find_key(key_id: str, _created: datetime) -> PublicKey | None:
        return key if key_id == f"{ACTOR}#key" else None

    return loads_object(text.encode()), find_key


def test_we_verify_a_proof_by_fedify(fedify: Counterpart) -> None:
    document, find_key = fedify_proof(fedify, created="2026-11-21T10:00:00Z")
    proven = verify_proof(document, find_key=find_key)
    assert proven.verification_method == f"{ACTOR}#key"
    assert proven.created == NOW
    document["object"]["content"] += "!"
    with pytest.raises(ProofInvalidError, match="does not verify"):
        verify_proof(document, find_key=find_key)


def test_fractions_of_a_second_are_outside_our_profile(fedify: Counterpart) -> None:
    """Fedify's default; SPEC.md FED-031 has one spelling of a time."""
    document, find_key = fedify_proof(fedify)
    assert "." in document["proof"]["created"]
    with pytest.raises(ProofInvalidError, match="time"):
        verify_proof(document, find_key=find_key)


# Our requests, Fedify verifies


def remote(fedify: Counterpart) -> RemotePeer:
    peer = Node("fedify", base_url=fedify.base_url).peer
    assert peer.base_url == fedify.base_url
    return peer


async def test_fedify_verifies_our_request(fedify: Counterpart, signer: Node) -> None:
    """Fedify's own verifier, with our Ed25519 key in its key cache.

    It would not find the key in our actor by itself: for requests it looks for a
    `publicKey` in PEM, which a node does not have.
    """
    message = build_message(
        signer.message(Node("spalier.swissmem.example")),
        signer=signer.signer,
        created=NOW,
    )
    clock = FixedClock(datetime.now(UTC))
    async with FederationClient(
        clock=clock, random=Bytes("interop"), allow_loopback_http=True
    ) as client:
        with pytest.raises(FetchError) as refused:
            await client.post_activity(remote(fedify), message, signer=signer.signer)
        assert refused.value.status == 401
        fedify.ask(
            "/keys",
            id=signer.signer.key_id,
            owner=signer.address.actor,
            raw=_base64(signer.key.public_key.raw),
        )
        await client.post_activity(remote(fedify), message, signer=signer.signer)


async def test_fedify_refuses_a_changed_request(
    fedify: Counterpart, signer: Node
) -> None:
    other = Node("interop-2", base_url=signer.base_url)
    fedify.ask(
        "/keys",
        id=signer.signer.key_id,
        owner=signer.address.actor,
        raw=_base64(signer.key.public_key.raw),
    )
    target, body = f"{fedify.base_url}/inbox", b'{"a":"\xc3\xa4"}'
    cases: list[tuple[Node, bytes, str, int]] = [
        (signer, body, target, 202),
        (signer, body + b" ", target, 401),
        (signer, body, f"{target}?x=1", 401),
        (other, body, target, 401),
    ]
    async with aiohttp.ClientSession() as session:
        for by, sent, where, status in cases:
            fields = sign_request(
                *("POST", target),
                body=body,
                signer=by.signer,
                created=datetime.now(UTC),
                nonce=NONCE,
            )
            fields["Content-Type"] = ACTIVITY_JSON
            async with session.post(where, data=sent, headers=fields) as answer:
                assert answer.status == status, (where, await answer.text())


# Fedify's requests, we verify


def sent_by_fedify(fedify: Counterpart, node: TestNode, **values: Any) -> Any:
    return fedify.ask(
        "/send",
        url=f"{node.base_url}/inbox",
        body='{"type":"Create"}',
        keyId=f"{ACTOR}#main-key",
        **values,
    )


def test_the_signature_base_of_fedify_is_ours(
    fedify: Counterpart, node: TestNode
) -> None:
    """Its RSA signature verifies over the bytes that we compute."""
    sent = sent_by_fedify(fedify, node, nonce=NONCE)
    headers = [(name, value) for name, value in sent["headers"]]
    message = HttpMessage("POST", f"{node.base_url}/inbox", headers)
    parsed = parse_signature_input(dict(headers)["signature-input"])
    assert [component.name for component in parsed.components] == [
        *("@method", "@target-uri", "@authority", "host", "date", "content-digest")
    ]
    signature = parse_byte_sequences(dict(headers)["signature"], name="Signature")
    key = load_pem_public_key(sent["publicKeyPem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    base = signature_base(message, parsed.components, parsed.text)
    value = signature[parsed.label]
    key.verify(value, base, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        key.verify(value, base + b" ", padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize(
    ("values", "code"),
    [({"nonce": NONCE}, "signature-algorithm"), ({}, "signature-parameters")],
)
def test_a_request_by_fedify_is_refused_for_our_reason(
    fedify: Counterpart, node: TestNode, values: dict[str, Any], code: str
) -> None:
    """RSA, and by default no nonce; the answer says what we take."""
    sent = sent_by_fedify(fedify, node, **values)
    assert sent["status"] == 401
    assert json.loads(sent["answer"])["type"].endswith(f"#{code}")
    assert 'alg="ed25519"' in sent["challenge"]
    headers = [(name, value) for name, value in sent["headers"]]
    with pytest.raises(PeerError) as refused:
        claim_request(
            HttpMessage("POST", f"{node.base_url}/inbox", headers),
            body=b'{"type":"Create"}',
            received_at=datetime.now(UTC),
        )
    assert refused.value.code == code


def test_fedify_has_no_ed25519_for_requests(fedify: Counterpart) -> None:
    """So it cannot answer our challenge; when it can, the profile is met."""
    refusal = fedify.ask("/sign-with-ed25519")["error"]
    assert refusal == "TypeError: Unsupported algorithm: Ed25519"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
