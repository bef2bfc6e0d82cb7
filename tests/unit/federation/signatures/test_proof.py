from __future__ import annotations

import copy
import json
from typing import Any

import base58
import pytest

from federation.errors import LocalError, MalformedError, ProofInvalidError
from federation.keys import PublicKey, SigningKey
from federation.signatures.proof import add_proof, hash_data, verify_proof
from federation.strict_json import loads
from federation.timestamps import parse_timestamp
from tests.unit.federation.nodes import NOW, Bytes

METHOD = "https://a.example/actor#key-1"


def secret(multibase: str) -> SigningKey:
    return SigningKey.from_bytes(base58.b58decode(multibase[1:])[2:])


def test_w3c_vector_with_every_intermediate_value(vectors: Any) -> None:
    vector = vectors("eddsa-jcs-2022-w3c-vc-di-eddsa")
    data = hash_data(vector["unsigned"], vector["proof_config"])
    assert data.hex() == vector["hash_data_hex"]
    signed = add_proof(
        vector["unsigned"],
        key=secret(vector["secret_key_multibase"]),
        verification_method=vector["proof_config"]["verificationMethod"],
        created=parse_timestamp(vector["proof_config"]["created"]),
    )
    assert signed == vector["signed"]
    key = PublicKey.from_multibase(vector["public_key_multibase"])
    proven = verify_proof(vector["signed"], find_key=lambda *_: key)
    assert proven.verification_method == vector["proof_config"]["verificationMethod"]


def test_fep_8b32_vector(vectors: Any) -> None:
    vector = vectors("eddsa-jcs-2022-fep-8b32")
    signed = add_proof(
        vector["unsigned"],
        key=secret(vector["secret_key_multibase"]),
        verification_method=vector["verification_method"],
        created=parse_timestamp(vector["created"]),
    )
    assert signed == vector["signed"]
    (method,) = vector["actor"]["assertionMethod"]
    keys = {method["id"]: PublicKey.from_multibase(method["publicKeyMultibase"])}
    verify_proof(vector["signed"], find_key=lambda key_id, _: keys.get(key_id))
    # Its coordinates are fractions, which no document of this protocol has.
    with pytest.raises(MalformedError, match="fraction"):
        loads(json.dumps(vector["signed"]).encode())


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.generate(Bytes("proof"))


@pytest.fixture
def signed(key: SigningKey) -> dict[str, Any]:
    document = {"@context": ["https://a.example/c"], "id": "x", "list": [1, {"a": "b"}]}
    return add_proof(document, key=key, verification_method=METHOD, created=NOW)


def verify(document: dict[str, Any], key: SigningKey) -> None:
    keys = {METHOD: key.public_key}
    verify_proof(document, find_key=lambda key_id, _: keys.get(key_id))


def test_the_argument_stays_unchanged(key: SigningKey) -> None:
    document = {"@context": "c", "a": 1}
    add_proof(document, key=key, verification_method=METHOD, created=NOW)
    assert document == {"@context": "c", "a": 1}


@pytest.mark.parametrize("document", [{"a": 1}, {"@context": "c", "proof": {}}])
def test_what_cannot_be_signed(key: SigningKey, document: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        add_proof(document, key=key, verification_method=METHOD, created=NOW)


def test_every_field_is_covered(key: SigningKey, signed: dict[str, Any]) -> None:
    verify(signed, key)
    changes: list[dict[str, Any]] = [
        {**signed, "id": "y"},
        {**signed, "new": 1},
        {**signed, "list": [1]},
        {**signed, "@context": ["https://a.example/d"]},
        {name: value for name, value in signed.items() if name != "list"},
    ]
    for changed in changes:
        with pytest.raises(ProofInvalidError):
            verify(changed, key)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("type", "Ed25519Signature2020"),
        ("type", ["DataIntegrityProof"]),
        ("cryptosuite", "eddsa-rdfc-2022"),
        ("proofPurpose", "authentication"),
        ("created", "2026-11-21T10:00:01Z"),
        ("created", "2026-11-21T10:00:00+00:00"),
        ("created", {"@value": "2026-11-21T10:00:00Z"}),
        ("created", None),
        ("verificationMethod", METHOD + "0"),
        ("verificationMethod", 7),
        ("@context", []),
        ("@context", ["https://a.example/c", "https://a.example/d"]),
        ("proofValue", ""),
        ("proofValue", "z"),
        ("proofValue", "z0OIl"),
        ("proofValue", "u" + "A" * 86),
        ("proofValue", "z" + "1" * 64),
        ("proofValue", "z" + "2" * 88),
        ("proofValue", "z" + "2" * 100_000),
        ("domain", "a.example"),
        ("previousProof", "x"),
    ],
)
def test_any_other_proof_is_refused(
    key: SigningKey, signed: dict[str, Any], name: str, value: Any
) -> None:
    changed = copy.deepcopy(signed)
    changed["proof"][name] = value
    with pytest.raises(ProofInvalidError) as caught:
        verify(changed, key)
    assert caught.value.status == 401


def test_white_space_in_the_value_is_refused(
    key: SigningKey, signed: dict[str, Any]
) -> None:
    signed["proof"]["proofValue"] += " "
    with pytest.raises(ProofInvalidError):
        verify(signed, key)


@pytest.mark.parametrize("proof", [None, "x", [], {}, [{"type": "x"}]])
def test_a_proof_must_be_one_object(
    key: SigningKey, signed: dict[str, Any], proof: Any
) -> None:
    with pytest.raises(ProofInvalidError):
        verify({**signed, "proof": proof}, key)


def test_a_proof_set_is_refused(key: SigningKey, signed: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalidError) as caught:
        verify({**signed, "proof": [signed["proof"]]}, key)
    assert caught.value.code == "proof-missing"


def test_an_unknown_key_is_named_so(signed: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalidError) as caught:
        verify_proof(signed, find_key=lambda *_: None)
    assert caught.value.code == "unknown-key"
