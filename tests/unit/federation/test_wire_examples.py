"""The examples and vectors that a second implementation is given."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from typing import Any

import base58
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from jsonschema import Draft202012Validator

import schemas
from deploy.setup import wire_vectors
from deploy.setup.wire_examples import (
    GUEST,
    HOST,
    NEW_ADDRESS,
    SECRET,
    second_key,
)
from deploy.setup.wire_vectors import FOLDER, SPEC, block_names, files, with_blocks
from federation import handshake
from federation.documents import (
    SentRange,
    parse_actor,
    parse_actor_update,
    parse_entry,
    parse_message,
    parse_notice,
    parse_page,
    parse_partner_request,
    parse_receipt,
    parse_withdrawal,
    verify_invitation,
)
from federation.documents.holdings import (
    HoldingsScope,
    parse_holdings,
    parse_holdings_page,
)
from federation.documents.move import parse_move
from federation.errors import PeerError
from federation.exchange import digest_of
from federation.ids import NodeAddress
from federation.key_changes import RefusalReason
from federation.keys import PublicKey
from federation.peers import PinnedKey
from federation.strict_json import loads_object
from federation.version import Version
from tests.unit.federation.nodes import EPOCH

INDEX: dict[str, str] = json.loads((FOLDER / "index.json").read_text())
SIGNED = [
    name
    for name, schema in INDEX.items()
    if schema not in {"", "wire/actor", "wire/page", "wire/tombstone"}
    and not schema.startswith("wire/holdings")
]
HOST_PEER, GUEST_PEER = HOST.actor.as_peer(), GUEST.actor.as_peer()


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return found


def jcs(value: Any) -> bytes:
    """RFC 8785 for what occurs here, written without the product's code."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.encode()


def test_files_are_what_the_code_writes() -> None:
    written = {path.name: path.read_text("utf-8") for path in FOLDER.glob("*.json")}
    assert written == files(), "python -m deploy.setup.wire_vectors"


def test_blocks_of_the_specification_are_what_the_code_says() -> None:
    text = SPEC.read_text(encoding="utf-8")
    assert with_blocks(text) == text, "python -m deploy.setup.wire_vectors"
    assert block_names(text) == {*wire_vectors.blocks(), *wire_vectors.tables()}


@pytest.mark.parametrize("name", [name for name, schema in INDEX.items() if schema])
def test_example_fits_its_schema(name: str) -> None:
    schema = schemas.load_schema(INDEX[name])
    validator = Draft202012Validator(
        schema, registry=schemas.registry(), format_checker=schemas.FORMATS
    )
    validator.validate(read(name))


def test_every_schema_has_an_example() -> None:
    documents = {
        name
        for name in schemas.schema_names()
        if name.startswith("wire/") and name != "wire/values"
    }
    assert documents == set(INDEX.values()) - {""}


@pytest.mark.parametrize("name", sorted(INDEX))
def test_example_is_complete(name: str) -> None:
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert "…" not in text
    assert "..." not in text
    loads_object(text.encode())


@pytest.mark.parametrize("name", SIGNED)
def test_proof_verifies_without_our_code(name: str) -> None:
    document = read(name)
    proof = document.pop("proof")
    value = proof.pop("proofValue")
    seeds = {HOST.signer.key_id: HOST.seed, GUEST.signer.key_id: GUEST.seed}
    seeds[f"{HOST.address.actor}#key-2"] = bytes(range(64, 96))
    seed = seeds[proof["verificationMethod"]]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    hashed = (
        hashlib.sha256(jcs(proof)).digest() + hashlib.sha256(jcs(document)).digest()
    )
    public.verify(base58.b58decode(value[1:]), hashed)


@pytest.mark.parametrize("name", SIGNED)
def test_changed_example_is_not_proven(name: str) -> None:
    """The parsers refuse an example in which one character of a text differs."""
    document = read(name)
    document["published"] = "2026-11-21T10:00:01Z"
    with pytest.raises(PeerError):
        _parse(name, document)


@pytest.mark.parametrize("name", [name for name, schema in INDEX.items() if schema])
def test_example_is_accepted_by_its_receiver(name: str) -> None:
    _parse(name, read(name))


def _parse_unsigned(schema: str, document: dict[str, Any]) -> None:
    if schema == "wire/page":
        parse_page(document, peer=HOST_PEER)
        return
    if schema == "wire/holdings":
        told = parse_holdings(document, peer=GUEST_PEER, address=HOST.address)
        assert told.view.hex() == read("page-empty.json")["digest"]
        return
    scope = HoldingsScope(document.get("bucket"))
    parse_holdings_page(document, scope=scope, peer=GUEST_PEER, address=HOST.address)


def _parse(name: str, document: dict[str, Any]) -> None:
    schema = INDEX[name]
    if schema == "wire/actor":
        places = {"actor-guest.json": GUEST.address.base_url}
        places["actor-moved.json"] = NEW_ADDRESS
        parse_actor(document, base_url=places.get(name, HOST.address.base_url))
    elif schema == "wire/partner_request":
        asked = parse_partner_request(
            document, address=HOST.address, allow_loopback_http=False
        )
        own_key = HOST.signer.key.public_key
        verify_invitation(asked, secret=SECRET, own_key=own_key)
    elif schema == "wire/notice":
        _parse_notice(name, document)
    elif schema in {"wire/actor_update", "wire/move"}:
        _parse_about_itself(schema, document)
    elif schema == "wire/entry":
        parse_entry(document, peer=HOST_PEER)
    elif schema == "wire/delete":
        parse_withdrawal(document, peer=HOST_PEER)
    elif schema in {"wire/page", "wire/holdings", "wire/holdings_page"}:
        _parse_unsigned(schema, document)
    elif schema == "wire/receipt":
        parse_receipt(
            document,
            peer=GUEST_PEER,
            address=HOST.address,
            sent=SentRange(EPOCH, 41, 44),
        )
    elif schema == "wire/message":
        by_host = "answer" in name
        peer, receiver = (HOST_PEER, GUEST) if by_host else (GUEST_PEER, HOST)
        parse_message(document, peer=peer, address=receiver.address)
    else:
        assert schema == "wire/tombstone"


def _parse_notice(name: str, document: dict[str, Any]) -> None:
    if "move" in name:
        moved = NodeAddress(NEW_ADDRESS, (HOST.address.base_url,))
        parse_notice(document, peer=GUEST_PEER, address=moved)
        return
    parse_notice(document, peer=HOST_PEER, address=GUEST.address)


def _parse_about_itself(schema: str, document: dict[str, Any]) -> None:
    if schema == "wire/move":
        parse_move(document, peer=HOST_PEER, address=GUEST.address)
        return
    keys = (*HOST_PEER.keys, *_announced())
    peer = type(HOST_PEER)(
        base_url=HOST_PEER.base_url, actor_id=HOST_PEER.actor_id, keys=keys
    )
    parse_actor_update(document, peer=peer, address=GUEST.address)


def _announced() -> tuple[PinnedKey, ...]:
    return (PinnedKey(second_key().key_id, second_key().key.public_key),)


# -- vectors, recomputed with nothing but the standard library -----------------------


def test_proof_vector() -> None:
    vector, document = read("vector-proof.json"), read("withdrawal.json")
    proof = document.pop("proof")
    assert vector["proofValue"] == proof["proofValue"]
    assert (
        vector["contentHash"]
        == hashlib.sha256(jcs({**document, "proof": {**proof}})).hexdigest()
    )
    del proof["proofValue"]
    assert vector["canonicalOptions"].encode() == jcs(proof)
    assert vector["canonicalDocument"].encode() == jcs(document)
    for name in ("Options", "Document"):
        raw = vector[f"canonical{name}"].encode()
        assert vector[f"hashOf{name}"] == hashlib.sha256(raw).hexdigest()
    hashed = bytes.fromhex(vector["hashOfOptions"] + vector["hashOfDocument"])
    secret = Ed25519PrivateKey.from_private_bytes(HOST.seed)
    assert secret.sign(hashed).hex() == vector["signature"]
    raw = base58.b58decode(vector["proofValue"][1:])
    assert raw.hex() == vector["signature"]


def test_key_vector() -> None:
    for key in read("vector-keys.json").values():
        secret = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"]))
        raw = secret.public_key().public_bytes_raw()
        assert raw.hex() == key["publicKey"]
        multibase = "z" + base58.b58encode(b"\xed\x01" + raw).decode()
        assert multibase == key["publicKeyMultibase"]
        digits = hashlib.sha256(raw).hexdigest()[:16].upper()
        assert key["fingerprint"].replace(" ", "") == digits


def test_request_and_answer_vectors() -> None:
    request, pull = read("vector-request.json"), read("vector-pull.json")
    body = jcs(read("message.json"))
    answer = jcs(read("page-empty.json"))
    for fields, base, node, content in (
        (request["fields"], request["signatureBase"], GUEST, body),
        (pull["fields"], pull["signatureBase"], GUEST, None),
        (pull["answerFields"], pull["answerSignatureBase"], HOST, answer),
    ):
        if content is not None:
            digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
            assert fields["Content-Digest"] == f"sha-256=:{digest}:"
            assert f'"content-digest": sha-256=:{digest}:' in base
        given = fields["Signature-Input"].removeprefix("sig1=")
        assert base.endswith(f'"@signature-params": {given}')
        raw = base64.b64decode(fields["Signature"].removeprefix("sig1=:")[:-1])
        secret = Ed25519PrivateKey.from_private_bytes(node.seed)
        public: Ed25519PublicKey = secret.public_key()
        public.verify(raw, base.encode("ascii"))
    lines = pull["answerSignatureBase"].split("\n")
    assert f'"signature";req: {pull["fields"]["Signature"]}' in lines


def test_handshake_vector() -> None:
    vector, document = read("vector-handshake.json"), read("partner_request.json")
    covered = {
        name: value for name, value in document.items() if name not in {"mac", "proof"}
    }
    assert vector["macInput"].encode() == jcs(covered)
    mac = hmac.digest(bytes.fromhex(vector["secret"]), jcs(covered), "sha256")
    assert base64.urlsafe_b64encode(mac).decode().rstrip("=") == vector["mac"]
    assert vector["mac"] == document["mac"]
    keys = sorted(
        bytes.fromhex(key["publicKey"]) for key in read("vector-keys.json").values()
    )
    hashed = hashlib.sha256(
        b"spalier check number 1\0" + bytes.fromhex(vector["secret"]) + b"".join(keys)
    ).digest()
    number = int.from_bytes(hashed[:16], "big") % 10**8
    assert vector["checkNumber"].replace(" ", "") == f"{number:08d}"


def test_digest_vector() -> None:
    counts, sums = [0] * 256, [0] * 256
    for step in read("vector-digest.json")["steps"]:
        if "adds" in step:
            document = read(step["adds"])
            entry_id = document["id"]
            content_hash = hashlib.sha256(jcs(document)).hexdigest()
            assert (step["id"], step["contentHash"]) == (entry_id, content_hash)
            element = hashlib.sha256(jcs([entry_id, 1, 1, content_hash])).digest()
            bucket = hashlib.sha256(entry_id.encode()).digest()[0]
            assert (step["element"], step["bucket"]) == (element.hex(), bucket)
            counts[bucket] += 1
            sums[bucket] = (sums[bucket] + int.from_bytes(element, "big")) % 2**256
        told = b"".join(
            count.to_bytes(8, "big") + total.to_bytes(32, "big")
            for count, total in zip(counts, sums, strict=True)
        )
        assert len(told) == 10_240
        assert step["digest"] == hashlib.sha256(told).hexdigest()


def test_vectors_in_the_running_text() -> None:
    """The older lines of SPEC.md that begin with "Test vector"."""
    text = SPEC.read_text(encoding="utf-8")
    single = re.search(
        r"single entry `(\S+)`, version \(1, 2\), hash of 64 zeros lies in bucket "
        r"(\d+) and has the digest `(\w+)`; the empty view has `(\w+)`",
        text,
    )
    assert single is not None
    entry_id, bucket, digest, empty = single.groups()
    assert digest_of([(entry_id, Version(1, 2), "0" * 64)]) == digest
    assert digest_of([]) == empty
    assert hashlib.sha256(entry_id.encode()).digest()[0] == int(bucket)
    found = re.search(
        r"secret `(\w+)`, host `(\S+)`: code `(\S+)`, invitation `(\w+)`", text
    )
    assert found is not None
    secret, host, code, invitation = found.groups()
    raw = bytes.fromhex(secret)
    assert handshake.invitation_id(raw) == invitation
    parsed = handshake.parse_code(code, allow_loopback_http=False)
    assert (parsed.base_url, parsed.secret) == (f"https://{host}", raw)
    keys = re.search(
        r"With the keys `(\w+)` \(fingerprint `([\w ]+)`\) and `(\w+)` "
        r"\(`([\w ]+)`\) the check number is `([\d ]+)`",
        text,
    )
    assert keys is not None
    first, second = (PublicKey.from_multibase(keys[number]) for number in (1, 3))
    assert (first.fingerprint, second.fingerprint) == (keys[2], keys[4])
    assert handshake.check_number(raw, first, second) == keys[5]
    mac = re.search(r"The MAC over `(.+?)` is `(\S+)`", text)
    assert mac is not None
    assert handshake.request_mac(raw, json.loads(mac[1])) == mac[2]


def test_codes_of_the_protocol_stand_in_the_specification() -> None:
    text = SPEC.read_text(encoding="utf-8")
    assert all(f"`{reason.name}`" in text for reason in RefusalReason)
    root = SPEC.parent
    sources = [*(root / "federation").rglob("*.py")]
    sources += [*(root / "node" / "partners").glob("inviting.py")]
    sources += [*(root / "node" / "web").glob("door*.py")]
    # Codes that only we ourselves see: of answers that we did not accept.
    own = {
        *("address-not-public", "connection", "content-coding", "wrong-page"),
        *("receipt-out-of-range", "invitation-codes-exhausted", "invitation-unknown"),
    }
    codes = {
        code
        for path in sources
        for code in re.findall(
            r'(?:\bcode|default_code[^=\n]*) ?= ?"([a-z-]+)"', path.read_text("utf-8")
        )
    }
    assert len(codes) > 30
    missing = {code for code in codes - own if f"`{code}`" not in text}
    assert missing == set()


def test_move_vector() -> None:
    vector, move = read("vector-move.json"), read("move.json")
    assert move["target"] == f"{vector['new']}/actor"
    assert move["object"] == f"{vector['old']}/actor"
    raw = base58.b58decode(vector["key"][1:])[2:]
    covered = b"\0".join(
        [b"spalier move number 1", vector["old"].encode(), vector["new"].encode(), raw]
    )
    number = int.from_bytes(hashlib.sha256(covered).digest()[:16], "big") % 10**8
    assert vector["checkNumber"].replace(" ", "") == f"{number:08}"
