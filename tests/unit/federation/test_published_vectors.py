"""Published vectors of what other servers speak: our bytes equal, our profile refuses.

The vectors of what is spoken here stand beside the modules that speak it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from federation.errors import MalformedError, PeerError, SignatureInvalidError
from federation.exchange import ViewDigest
from federation.signatures.digest import verify_content_digest
from federation.signatures.http import HttpMessage, claim_request, signature_base
from federation.signatures.structured import (
    parse_byte_sequences,
    parse_signature_input,
)
from federation.version import Version
from tests.unit.federation.nodes import NOW

FOLDER = Path(__file__).parents[2] / "vectors"
RSA_PSS = padding.PSS(padding.MGF1(hashes.SHA512()), 64)


def message_of(request: Any, **fields: str) -> HttpMessage:
    headers = [(name, value) for name, value in request["headers"]]
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return HttpMessage(request["method"], request["target_uri"], headers + named)


def rsa_key(data: Any, key_id: str) -> rsa.RSAPublicKey:
    (pem,) = [key["public_pem"] for key in data["keys"] if key["keyid"] == key_id]
    key = load_pem_public_key(pem.encode())
    assert isinstance(key, rsa.RSAPublicKey)
    return key


def test_every_file_is_read_by_a_test_and_named_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    tests = "".join(path.read_text() for path in Path(__file__).parent.rglob("*.py"))
    read = set(re.findall(r'vectors\("([\w-]+)"\)', tests))
    files = {path.stem for path in FOLDER.glob("*.json")}
    assert len(files) == 12
    assert read == files
    assert all(f"`{name}.json`" in readme for name in files)


def test_rfc9421_b2_bases_verify_with_rsa_pss(vectors: Any) -> None:
    """The bytes are right for algorithms as well that the profile refuses."""
    data = vectors("rfc9421-b2-requests")
    checked = []
    for case in data["cases"]:
        if case["alg"] != "rsa-pss-sha512" or case["section"] == "B.2.2":
            continue
        parsed = parse_signature_input(case["signature_input"])
        base = signature_base(
            message_of(data["request"]), parsed.components, parsed.text
        )
        assert base.decode() == case["signature_base"]
        value = parse_byte_sequences(case["signature"], name="Signature")[case["label"]]
        key = rsa_key(data, case["keyid"])
        key.verify(value, base, RSA_PSS, hashes.SHA512())
        checked.append(case["section"])
    assert checked == ["B.2.3", "B.2.1"]


def test_rfc9421_b22_component_parameters_have_no_reading_here(vectors: Any) -> None:
    data = vectors("rfc9421-b2-requests")
    (case,) = [case for case in data["cases"] if case["section"] == "B.2.2"]
    with pytest.raises(MalformedError):
        parse_signature_input(case["signature_input"])


def members(field: str) -> dict[str, str]:
    """The two members of the field in RFC 9421 §4.3, each by itself."""
    first, second = field.split(", proxy_sig=")
    return {"sig1": first, "proxy_sig": f"proxy_sig={second}"}


def test_rfc9421_s43_base_verifies_and_is_refused(vectors: Any) -> None:
    data = vectors("rfc9421-s43-rsa-v1_5")
    inputs = members(data["signature_input_header"])
    signatures = members(data["signature_header"])
    proxy = data["cases"][0]
    parsed = parse_signature_input(inputs["proxy_sig"])
    base = signature_base(message_of(data["request"]), parsed.components, parsed.text)
    assert base.decode() == proxy["signature_base"]
    value = parse_byte_sequences(signatures["proxy_sig"], name="Signature")
    assert base64.b64encode(value["proxy_sig"]).decode() == proxy["signature_base64"]
    rsa_key(data, "test-key-rsa").verify(
        value["proxy_sig"], base, padding.PKCS1v15(), hashes.SHA256()
    )
    # Both labels together: which one counts would be the attacker's choice.
    both = message_of(
        data["request"],
        signature_input=data["signature_input_header"],
        signature=data["signature_header"],
    )
    # The proxy's alone: it covers no whole target.
    alone = message_of(
        data["request"],
        signature_input=inputs["proxy_sig"],
        signature=signatures["proxy_sig"],
    )
    # And with everything covered, the algorithm remains.
    covered = '"@method" "@target-uri" "@authority" "content-digest"'
    complete = message_of(
        data["request"],
        signature_input=f'proxy_sig=({covered});created=1618884480;nonce="{"A" * 22}"'
        ';keyid="test-key-rsa";alg="rsa-v1_5-sha256"',
        signature=signatures["proxy_sig"],
    )
    received = datetime.fromtimestamp(proxy["created"], UTC)
    for message, code in (
        (both, "signature-malformed"),
        (alone, "signature-coverage"),
        (complete, "signature-algorithm"),
    ):
        with pytest.raises(PeerError) as caught:
            claim_request(
                message, body=data["request"]["body"].encode(), received_at=received
            )
        assert caught.value.code == code


def test_draft_cavage_counts_as_no_signature(vectors: Any) -> None:
    """Whether it verifies or not: it covers no nonce, and often no body."""
    data = vectors("cavage-12-appendix-c")
    request = {**data["request"], "target_uri": "https://example.com/foo"}
    key = load_pem_public_key(data["key"]["public_pem"].encode())
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == data["key"]["bits"] == 1024
    for case in data["cases"]:
        if case["valid"]:
            key.verify(
                base64.b64decode(case["signature"]),
                case["signing_string"].encode(),
                padding.PKCS1v15(),
                hashes.SHA256(),
            )
        listed = f',headers="{case["headers"]}"' if case["headers"] else ""
        field = (
            f'keyId="Test",algorithm="{case["algorithm"]}"{listed},'
            f'signature="{case["signature"]}"'
        )
        with pytest.raises(SignatureInvalidError) as caught:
            claim_request(
                message_of(request, Signature=field),
                body=request["body"].encode(),
                received_at=NOW,
            )
        assert caught.value.code == "signature-missing"


def test_the_older_digest_field_is_not_read(vectors: Any) -> None:
    """RFC 9530 obsoletes it; a right one does not stand in for Content-Digest."""
    cases = [
        case for case in vectors("http-digest-headers")["cases"] if "digest" in case
    ]
    assert len(cases) == 2
    for case in cases:
        body = case["body"].encode()
        assert hashlib.sha256(body).digest() == base64.b64decode(
            case["digest"].partition("=")[2]
        )
        with pytest.raises(MalformedError):
            verify_content_digest(case["digest"], body)
        signature_input = (
            'a=("@method" "@target-uri" "@authority" "digest")'
            f';created={int(NOW.timestamp())};nonce="{"A" * 22}"'
            ';keyid="k";alg="ed25519"'
        )
        message = HttpMessage(
            "POST",
            "https://b.example/inbox",
            [
                ("Digest", case["digest"]),
                ("Signature-Input", signature_input),
                ("Signature", "a=:AAAA:"),
            ],
        )
        with pytest.raises(SignatureInvalidError) as caught:
            claim_request(message, body=body, received_at=NOW)
        assert caught.value.code == "signature-coverage"


def exclusive_or(ids: list[str]) -> str:
    """The digest of FEP-8fcf."""
    total = 0
    for each in ids:
        total ^= int.from_bytes(hashlib.sha256(each.encode()).digest(), "big")
    return f"{total:064x}"


def test_fep_8fcf_is_not_used_because_it_misses_what_is_there_twice(
    vectors: Any,
) -> None:
    """SPEC.md FED-055 adds, with counts, over content; FEP-8fcf XORs names."""
    data = vectors("fep-8fcf-collection-digest")
    origin = data["receiving_origin"]
    partial = [each for each in data["followers"] if each.startswith(f"{origin}/")]
    assert partial == data["partial"]
    assert exclusive_or(partial) == data["digest_hex"]
    assert exclusive_or([]) == data["empty_digest_hex"]
    twice = [*partial, partial[0], partial[0]]
    assert exclusive_or(twice) == exclusive_or(partial)
    digests = []
    for ids in (partial, twice):
        view = ViewDigest()
        for each in ids:
            view.add(each, Version(1, 1), "0" * 64)
        digests.append(view.to_bytes())
    assert digests[0] != digests[1]
