"""A second implementation, written from SPEC.md chapters 9 and 10.

It imports nothing of Spalier. What it needs besides the text are the files that the
text names: `schemas/contexts/spalier-terms.json`. It is as small as a node can be:
it becomes a partner, tells one entry, takes it back, holds what it is told.
"""

import base64
import hashlib
import hmac
import json
import re
import threading
import urllib.error
import urllib.request
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from secrets import token_bytes
from typing import Any

import base58
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

_FILES = Path(__file__).parents[2] / "schemas" / "contexts"
# FED-021
CONTEXT = [
    "https://www.w3.org/ns/activitystreams",
    "https://www.w3.org/ns/cid/v1",
    "https://w3id.org/security/data-integrity/v2",
    json.loads((_FILES / "spalier-terms.json").read_text()),
]
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MEDIA = "application/activity+json"


def jcs(value: Any) -> bytes:
    """FED-027, for names in ASCII."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode()


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def now() -> str:
    """FED-006"""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new_id() -> str:
    """FED-003"""
    return base64.b32encode(token_bytes(16)).decode().rstrip("=").lower()


def read_code(code: str) -> tuple[str, bytes]:
    """FED-080; the check letters are for people who type."""
    host, _, letters = code.partition("/")
    data = [letters.replace("-", "")[i] for i in range(20) if i % 5 != 4]
    number = 0
    for letter in data:
        number = number * 32 + CROCKFORD.index(letter)
    scheme = "http" if host.startswith("127.0.0.1") else "https"
    return f"{scheme}://{host}", number.to_bytes(10, "big")


def key_of(multibase: str) -> Ed25519PublicKey:
    """FED-030"""
    raw = base58.b58decode(multibase[1:])
    assert raw[:2] == b"\xed\x01"
    return Ed25519PublicKey.from_public_bytes(raw[2:])


def digest_of(view: dict[str, tuple[int, int, str]]) -> str:
    """FED-055"""
    counts, sums = [0] * 256, [0] * 256
    for entry_id, (incarnation, counter, content_hash) in view.items():
        bucket = sha(entry_id.encode())[0]
        element = sha(jcs([entry_id, incarnation, counter, content_hash]))
        counts[bucket] += 1
        sums[bucket] = (sums[bucket] + int.from_bytes(element, "big")) % 2**256
    buckets = b"".join(
        count.to_bytes(8, "big") + total.to_bytes(32, "big")
        for count, total in zip(counts, sums, strict=True)
    )
    return sha(buckets).hex()


class SecondNode:
    """The node."""

    def __init__(self, port: int, name: str) -> None:
        self.base_url = f"http://127.0.0.1:{port}"
        self.actor_id = f"{self.base_url}/actor"
        self.key_id = f"{self.actor_id}#key-1"
        self.name = name
        self.key = Ed25519PrivateKey.generate()
        self.raw_key = self.key.public_key().public_bytes_raw()
        self.epoch = token_bytes(16).hex()
        self.position = 0
        self.told: dict[str, tuple[int, int, str]] = {}
        self.held: dict[str, tuple[int, int, str]] = {}
        self.verified_at = ""
        self.documents: dict[str, dict[str, Any]] = {}
        self.notices: list[dict[str, Any]] = []
        self.host: dict[str, Any] = {}
        self.host_url = ""
        self.check_number = ""
        self.confirmed = threading.Event()
        self.refused: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    # -- documents --------------------------------------------------------------

    def actor(self) -> dict[str, Any]:
        """FED-032"""
        authority = self.base_url.partition("://")[2]
        multibase = "z" + base58.b58encode(b"\xed\x01" + self.raw_key).decode()
        return {
            "id": self.actor_id,
            "type": "Application",
            "preferredUsername": "cluster",
            "webfinger": f"cluster@{authority}",
            "name": self.name,
            "inbox": f"{self.base_url}/inbox",
            "outbox": f"{self.base_url}/outbox",
            "partnerRequests": f"{self.base_url}/partner-requests",
            "manuallyApprovesFollowers": True,
            "assertionMethod": [
                {
                    "id": self.key_id,
                    "type": "Multikey",
                    "controller": self.actor_id,
                    "publicKeyMultibase": multibase,
                }
            ],
            "generator": {"type": "Application", "implements": []},
            "spalierProtocol": "1.0",
            "capabilities": ["pages"],
            "card": {},
        }

    def proven(self, document: dict[str, Any]) -> dict[str, Any]:
        """FED-031, "Making a proof"."""
        document = {"@context": CONTEXT, **document}
        options = {
            "@context": CONTEXT,
            "type": "DataIntegrityProof",
            "cryptosuite": "eddsa-jcs-2022",
            "created": now(),
            "verificationMethod": self.key_id,
            "proofPurpose": "assertionMethod",
        }
        signature = self.key.sign(sha(jcs(options)) + sha(jcs(document)))
        value = "z" + base58.b58encode(signature).decode()
        return {**document, "proof": {**options, "proofValue": value}}

    def check_proof(self, document: dict[str, Any]) -> None:
        """FED-031, "Checking it"."""
        unsigned = {name: each for name, each in document.items() if name != "proof"}
        options = dict(document["proof"])
        signature = base58.b58decode(options.pop("proofValue")[1:])
        assert options["@context"] == document["@context"] == CONTEXT
        assert options["proofPurpose"] == "assertionMethod"
        key = self.host_key(options["verificationMethod"])
        key.verify(signature, sha(jcs(options)) + sha(jcs(unsigned)))

    def host_key(self, key_id: str) -> Ed25519PublicKey:
        (found,) = [
            each for each in self.host["assertionMethod"] if each["id"] == key_id
        ]
        return key_of(found["publicKeyMultibase"])

    # -- requests ---------------------------------------------------------------

    def send(
        self, method: str, path: str, body: bytes | None = None
    ) -> tuple[int, dict[str, str], bytes, dict[str, str]]:
        """FED-035, "Signing a request". Returns status, fields, body, our fields."""
        target = f"{self.host_url}{path}"
        authority = self.host_url.partition("://")[2]
        lines = {"@method": method, "@target-uri": target, "@authority": authority}
        fields = {"Accept": MEDIA}
        if body is not None:
            digest = f"sha-256=:{base64.b64encode(sha(body)).decode()}:"
            lines["content-digest"] = digest
            fields |= {"Content-Type": MEDIA, "Content-Digest": digest}
        nonce = base64.urlsafe_b64encode(token_bytes(16)).decode().rstrip("=")
        covered = " ".join(f'"{name}"' for name in lines)
        created = int(datetime.now(UTC).timestamp())
        parameters = (
            f'({covered});created={created};nonce="{nonce}"'
            f';keyid="{self.key_id}";alg="ed25519"'
        )
        base = "".join(f'"{name}": {value}\n' for name, value in lines.items())
        base += f'"@signature-params": {parameters}'
        signature = base64.b64encode(self.key.sign(base.encode())).decode()
        fields["Signature-Input"] = f"sig1={parameters}"
        fields["Signature"] = f"sig1=:{signature}:"
        request = urllib.request.Request(
            target, data=body, headers=fields, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                got = {name.lower(): value for name, value in answer.headers.items()}
                return answer.status, got, answer.read(), fields
        except urllib.error.HTTPError as error:
            return error.code, {}, error.read(), fields

    # -- handshake --------------------------------------------------------------

    def join(self, code: str) -> None:
        """FED-087, as the guest."""
        self.host_url, secret = read_code(code)
        with urllib.request.urlopen(f"{self.host_url}/actor", timeout=30) as answer:
            self.host = json.loads(answer.read())
        assert self.host["id"] == f"{self.host_url}/actor"
        host_key = self.host["assertionMethod"][0]["publicKeyMultibase"]
        name = sha(b"spalier invitation 1\0" + secret)[:10]
        self.request_id = f"{self.base_url}/activities/{new_id()}"
        document: dict[str, Any] = {
            "@context": CONTEXT,
            "id": self.request_id,
            "type": "PartnerRequest",
            "actor": self.actor(),
            "target": self.host_url,
            "hostKey": host_key,
            "invitation": base64.b32encode(name).decode().lower(),
            "nonce": base64.urlsafe_b64encode(token_bytes(16)).decode().rstrip("="),
            "published": now(),
        }
        mac = hmac.digest(secret, jcs(document), "sha256")
        document["mac"] = base64.urlsafe_b64encode(mac).decode().rstrip("=")
        request = self.proven(document)
        status, _, body, _ = self.send("POST", "/partner-requests", jcs(request))
        assert status == 202, body
        keys = sorted([self.raw_key, key_of(host_key).public_bytes_raw()])
        hashed = sha(b"spalier check number 1\0" + secret + b"".join(keys))
        number = f"{int.from_bytes(hashed[:16], 'big') % 10**8:08d}"
        self.check_number = f"{number[:4]} {number[4:]}"

    # -- pages ------------------------------------------------------------------

    def offer(self, content: dict[str, Any]) -> dict[str, Any]:
        """FED-047: the wire form of an offer of capacity."""
        entry_id = f"{self.base_url}/entries/{new_id()}"
        envelope = {"kind", "title", "summary", "valid_until"}
        return self.proven(
            {
                "id": entry_id,
                "type": "Proposal",
                "kind": content["kind"],
                "attributedTo": self.actor_id,
                "incarnation": 1,
                "version": 1,
                "name": content["title"][min(content["title"])],
                "nameMap": content["title"],
                "summaryMap": content["summary"],
                "mediaType": "text/plain",
                "published": now(),
                "updated": now(),
                "endTime": f"{content['valid_until']}T23:59:59Z",
                "details": {
                    name: value
                    for name, value in content.items()
                    if name not in envelope
                },
                "purpose": "offer",
                "publishes": {
                    "type": "Intent",
                    "id": f"{entry_id}#primary",
                    "action": "deliverService",
                    "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1"},
                },
                "unitBased": False,
                "to": [f"{self.actor_id}/partners"],
            }
        )

    def withdrawal(self, entry_id: str) -> dict[str, Any]:
        """FED-046"""
        return self.proven(
            {
                "id": f"{self.base_url}/activities/{new_id()}",
                "type": "Delete",
                "actor": self.actor_id,
                "object": entry_id,
                "incarnation": 1,
                "version": 1,
                "mode": "withdrawal",
                "published": now(),
                "to": [f"{self.actor_id}/partners"],
            }
        )

    def push(self, item: dict[str, Any]) -> dict[str, Any]:
        """PRT-028 with one item; returns the receipt."""
        first = self.position + 1
        is_entry = item["type"] != "Delete"
        wrapped = {"type": "Create", "actor": self.actor_id, "object": item}
        page = {
            "@context": CONTEXT,
            "id": f"{self.base_url}/outbox?after={first - 1}",
            "type": "OrderedCollectionPage",
            "partOf": f"{self.base_url}/outbox",
            "actor": self.actor_id,
            "epoch": self.epoch,
            "from": first,
            "through": first,
            "head": first,
            "orderedItems": [wrapped if is_entry else item],
        }
        if is_entry:
            self.told[item["id"]] = (1, 1, sha(jcs(item)).hex())
        else:
            del self.told[item["object"]]
        # FED-150: what must be held once the page is applied.
        page |= {
            "held": len(self.told),
            "digest": digest_of(self.told),
            "published": now(),
        }
        status, _, body, _ = self.send("POST", "/inbox", jcs(page))
        assert status == 200, body
        receipt = json.loads(body)
        self.check_proof(receipt)
        assert receipt["partner"] == self.actor_id
        assert (receipt["epoch"], receipt["position"]) == (self.epoch, first)
        self.position = first
        assert receipt["held"] == len(self.told)
        assert receipt["digest"] == digest_of(self.told)
        return dict(receipt)

    def look(self, query: str = "") -> dict[str, Any]:
        """FED-155: what the other node says that it holds of us."""
        document = self.get_signed(f"/holdings{query}")
        assert document["actor"] == self.host["id"]
        assert document["partner"] == self.actor_id
        assert document["id"] == f"{self.host_url}/holdings{query}"
        return document

    def pull(self, after: int) -> dict[str, Any]:
        """PRT-015: a page, whose answer is signed for our request."""
        page = self.get_signed(f"/outbox?after={after}")
        assert page["from"] == after + 1
        return page

    def get_signed(self, path: str) -> dict[str, Any]:
        """FED-039: an answer that is signed for our request."""
        status, fields, body, sent = self.send("GET", path)
        assert status == 200, body
        digest = f"sha-256=:{base64.b64encode(sha(body)).decode()}:"
        assert fields["content-digest"] == digest
        parameters = fields["signature-input"].removeprefix("sig1=")
        key_id = re.search(r'keyid="([^"]+)"', parameters)
        assert key_id is not None
        base = (
            f'"@status": 200\n"content-digest": {digest}\n"@method";req: GET\n'
            f'"@target-uri";req: {self.host_url}{path}\n'
            f'"signature";req: {sent["Signature"]}\n"@signature-params": {parameters}'
        )
        signature = base64.b64decode(fields["signature"].removeprefix("sig1=:")[:-1])
        self.host_key(key_id[1]).verify(signature, base.encode())
        return dict(json.loads(body))

    def leave(self) -> None:
        """PRT-033"""
        notice = self.proven(
            {
                "id": f"{self.base_url}/activities/{new_id()}",
                "type": "Leave",
                "actor": self.actor_id,
                "object": self.host["id"],
                "published": now(),
                "to": [self.host["id"]],
            }
        )
        status, _, body, _ = self.send("POST", "/inbox", jcs(notice))
        assert status == 202, body

    # -- what comes in ----------------------------------------------------------

    def take(self, document: dict[str, Any]) -> dict[str, Any] | None:
        """PRT-029 and PRT-033; returns a receipt for a page."""
        assert document["@context"] == CONTEXT
        assert document["actor"] == self.host["id"]
        if document["type"] != "OrderedCollectionPage":
            self.check_proof(document)
            self.notices.append(document)
            if document["type"] == "Accept" and document["object"] == self.request_id:
                self.confirmed.set()
            return None
        for item in document["orderedItems"]:
            if item["type"] == "Delete":
                self.check_proof(item)
                self.held.pop(item["object"], None)
                continue
            entry = item["object"]
            self.check_proof(entry)
            assert entry["attributedTo"] == self.host["id"]
            version = (entry["incarnation"], entry["version"])
            self.held[entry["id"]] = (*version, sha(jcs(entry)).hex())
            self.documents[entry["id"]] = entry
        if "held" in document:  # FED-152
            assert document["through"] == document["head"]
            told = (document["held"], document["digest"])
            if told == (len(self.held), digest_of(self.held)):
                self.verified_at = document["published"]
        return self.proven(
            {
                "id": f"{self.base_url}/activities/{new_id()}",
                "type": "Receipt",
                "actor": self.actor_id,
                "partner": self.host["id"],
                "epoch": document["epoch"],
                "position": document["through"],
                "held": len(self.held),
                "refused": [],
                "refusedCount": 0,
                "digest": digest_of(self.held),
                "published": now(),
            }
        )

    def check_request(self, path: str, fields: dict[str, str], body: bytes) -> None:
        """FED-035, FED-037 of a request to our inbox."""
        digest = f"sha-256=:{base64.b64encode(sha(body)).decode()}:"
        assert fields["content-digest"] == digest
        parameters = fields["signature-input"].removeprefix("sig1=")
        values = {
            "@method": "POST",
            "@target-uri": f"{self.base_url}{path}",
            "@authority": self.base_url.partition("://")[2],
            "content-digest": digest,
        }
        covered = re.findall(r'"([^"]+)"', parameters.partition(")")[0])
        assert set(covered) >= set(values)
        key_id = re.search(r'keyid="([^"]+)"', parameters)
        created = re.search(r"created=(\d+)", parameters)
        assert key_id is not None
        assert created is not None
        assert abs(int(created[1]) - datetime.now(UTC).timestamp()) < 60
        base = "".join(f'"{name}": {values[name]}\n' for name in covered)
        base += f'"@signature-params": {parameters}'
        signature = base64.b64decode(fields["signature"].removeprefix("sig1=:")[:-1])
        self.host_key(key_id[1]).verify(signature, base.encode())


def _handler(node: SecondNode) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            self._answer(200, {"@context": CONTEXT, **node.actor()})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Transfer-Encoding"):
                body = self._chunks()
            fields = {name.lower(): value for name, value in self.headers.items()}
            try:
                node.check_request(self.path, fields, body)
                receipt = node.take(json.loads(body))
            except Exception as error:  # noqa: BLE001 - told to the test
                node.refused.append(repr(error))
                self._answer(400, None)
                return
            self._answer(202 if receipt is None else 200, receipt)

        def _chunks(self) -> bytes:
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _answer(self, status: int, document: dict[str, Any] | None) -> None:
            data = b"" if document is None else jcs(document)
            self.send_response(status)
            self.send_header("Content-Type", MEDIA)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    return Handler
