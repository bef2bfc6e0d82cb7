from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from federation.errors import MalformedError, PeerError, SignatureInvalidError
from federation.keys import PublicKey, SigningKey
from federation.signatures.http import (
    HttpMessage,
    accept_signature,
    claim_answer,
    claim_request,
    sign_answer,
    sign_request,
    signature_base,
    verify_claim,
)
from federation.signatures.structured import (
    parse_byte_sequences,
    parse_signature_input,
)
from tests.unit.federation.nodes import NOW, Node

NONCE = "AAAAAAAAAAAAAAAAAAAAAA"
BODY = b'{"a":1}'


def ed25519(keys: list[dict[str, Any]]) -> SigningKey:
    (pem,) = [k["private_pem"] for k in keys if k["keyid"] == "test-key-ed25519"]
    private = load_pem_private_key(pem.encode(), password=None)
    return SigningKey.from_bytes(private.private_bytes_raw())  # type: ignore[union-attr]


def test_rfc9421_b26_byte_for_byte(vectors: Any) -> None:
    data = vectors("rfc9421-b2-requests")
    key = ed25519(data["keys"])
    (case,) = [c for c in data["cases"] if c["section"] == "B.2.6"]
    request = data["request"]
    fields = [tuple(pair) for pair in request["headers"]]
    message = HttpMessage(request["method"], request["target_uri"], fields)
    parsed = parse_signature_input(case["signature_input"])
    base = signature_base(message, parsed.components, parsed.text)
    assert base.decode() == case["signature_base"]
    signature = parse_byte_sequences(case["signature"], name="Signature")["sig-b26"]
    assert key.sign(base) == signature
    key.public_key.verify(signature, base)
    signed = dataclasses.replace(
        message,
        fields=[
            *fields,
            ("Signature-Input", case["signature_input"]),
            ("Signature", case["signature"]),
        ],
    )
    # The profile refuses it all the same: it covers no target.
    with pytest.raises(SignatureInvalidError) as caught:
        claim_request(signed, body=request["body"].encode(), received_at=NOW)
    assert caught.value.code == "signature-coverage"


def test_rfc9421_b2_other_algorithms_are_refused(vectors: Any) -> None:
    data = vectors("rfc9421-b2-requests")
    request = data["request"]
    for case in data["cases"]:
        fields = [tuple(pair) for pair in request["headers"]]
        message = HttpMessage(
            request["method"],
            request["target_uri"],
            [
                *fields,
                ("Signature-Input", case["signature_input"]),
                ("Signature", case["signature"]),
            ],
        )
        with pytest.raises(PeerError) as caught:
            claim_request(message, body=request["body"].encode(), received_at=NOW)
        # B.2.2 covers a query parameter by name, which has no reading here.
        expected = "malformed" if case["section"] == "B.2.2" else "coverage"
        assert caught.value.code == f"signature-{expected}"


def test_rfc9421_b4_transformations(vectors: Any) -> None:
    data = vectors("rfc9421-b4-transformations")
    key = ed25519(data["keys"]).public_key
    outcomes = []
    for case in data["cases"]:
        fields = [tuple(pair) for pair in case["headers"]]
        message = HttpMessage(case["method"], case["target_uri"], fields)
        parsed = parse_signature_input(message.values("signature-input")[0])
        signature = parse_byte_sequences(
            message.values("signature")[0], name="Signature"
        )[parsed.label]
        base = signature_base(message, parsed.components, parsed.text)
        try:
            key.verify(signature, base)
            outcomes.append(True)
        except SignatureInvalidError:
            outcomes.append(False)
    assert outcomes == [case["valid"] for case in data["cases"]]


def test_requests_of_other_servers_are_refused_for_their_reason(vectors: Any) -> None:
    data = vectors("activitypub-request-profile")
    now = datetime.fromtimestamp(data["clock_unix"], UTC)
    reasons = {}
    for case in data["cases"]:
        message = HttpMessage(
            case["method"],
            case["target_uri"],
            [tuple(pair) for pair in case["headers"]],
        )
        body = case["body"].encode() if case.get("body") else None
        with pytest.raises(SignatureInvalidError) as caught:
            claim_request(message, body=body, received_at=now)
        reasons[case["name"]] = caught.value.code
    assert reasons == {
        "POST inbox, rsa-v1_5-sha256, Mastodon 4.5 minimum": "signature-coverage",
        "POST inbox, ed25519": "signature-parameters",
        "POST inbox, content-digest not covered": "signature-coverage",
        "POST inbox, @target-uri not covered": "signature-coverage",
        "GET actor, signed fetch": "signature-coverage",
        "POST inbox, cavage rsa-sha256": "signature-missing",
        "POST inbox, cavage hs2019 label (GoToSocial style)": "signature-missing",
        "POST inbox, cavage without digest": "signature-missing",
        "GET actor, cavage signed fetch": "signature-missing",
    }


def signed_message(
    node: Node, *, body: bytes | None = BODY, **changes: Any
) -> HttpMessage:
    method = "GET" if body is None else "POST"
    target = "https://b.example/inbox?x=1"
    values: dict[str, Any] = {"created": NOW, "nonce": NONCE, **changes}
    fields = sign_request(method, target, body=body, signer=node.signer, **values)
    return HttpMessage(method, target, list(fields.items()))


def check(
    message: HttpMessage,
    key: PublicKey,
    *,
    body: bytes | None = BODY,
    now: datetime = NOW,
) -> None:
    claim = claim_request(message, body=body, received_at=now)
    verify_claim(claim, message=message, key=key)


def replaced(message: HttpMessage, name: str, value: str) -> HttpMessage:
    fields = [(k, value if k.lower() == name else v) for k, v in message.fields]
    return dataclasses.replace(message, fields=fields)


def test_what_is_signed_verifies(optence: Node) -> None:
    key = optence.key.public_key
    check(signed_message(optence), key)
    check(signed_message(optence, body=None), key, body=None)


def test_method_target_and_body_are_covered(optence: Node, laser: Node) -> None:
    message, key = signed_message(optence), optence.key.public_key
    for changed in (
        dataclasses.replace(message, method="PUT"),
        dataclasses.replace(message, target_uri="https://b.example/inbox?x=2"),
        dataclasses.replace(message, target_uri="https://c.example/inbox?x=1"),
        dataclasses.replace(message, target_uri="http://b.example/inbox?x=1"),
    ):
        with pytest.raises(SignatureInvalidError):
            check(changed, key)
    with pytest.raises(SignatureInvalidError):
        check(message, key, body=b'{"a":2}')
    with pytest.raises(SignatureInvalidError):
        check(message, laser.key.public_key)


@pytest.mark.parametrize(
    ("shift", "accepted"),
    [(-301, False), (-300, True), (0, True), (60, True), (61, False)],
)
def test_the_window(optence: Node, shift: int, accepted: bool) -> None:
    message = signed_message(optence, created=NOW + timedelta(seconds=shift))
    if accepted:
        check(message, optence.key.public_key)
        return
    with pytest.raises(SignatureInvalidError) as caught:
        check(message, optence.key.public_key)
    assert caught.value.code == "signature-stale"


def test_leaving_out_any_component_is_refused(optence: Node) -> None:
    message = signed_message(optence)
    (field,) = message.values("signature-input")
    for name in ("@method", "@target-uri", "@authority", "content-digest"):
        shorter = field.replace(f'"{name}" ', "").replace(f' "{name}"', "")
        assert shorter != field
        with pytest.raises(SignatureInvalidError) as caught:
            check(replaced(message, "signature-input", shorter), optence.key.public_key)
        assert caught.value.code == "signature-coverage"
        assert name in caught.value.safe_text


@pytest.mark.parametrize(
    "algorithm", ["hmac-sha256", "rsa-sha1", "none", "ED25519", "", "hs2019"]
)
def test_another_algorithm_is_refused(optence: Node, algorithm: str) -> None:
    message = signed_message(optence)
    (field,) = message.values("signature-input")
    changed = field.replace('alg="ed25519"', f'alg="{algorithm}"')
    with pytest.raises(SignatureInvalidError) as caught:
        check(replaced(message, "signature-input", changed), optence.key.public_key)
    assert caught.value.code == "signature-algorithm"


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (";created=1795255200", "", "signature-parameters"),
        (f';nonce="{NONCE}"', "", "signature-parameters"),
        (NONCE, "short", "signature-parameters"),
        (NONCE, "A" * 65, "signature-parameters"),
        (";created=1795255200", ";created=999999999999999", "signature-stale"),
        (';alg="ed25519"', ';alg="ed25519";unknown=1', "signature-parameters"),
        (';alg="ed25519"', ';alg="ed25519";expires=1', "signature-stale"),
        (';alg="ed25519"', ';alg="ed25519";alg="ed25519"', "signature-malformed"),
        ('"@method" ', '"@method"  ', "signature-malformed"),
        ('"@method" ', '"@method" "@method" ', "signature-malformed"),
        ('"@method" ', '"@Method" ', "signature-malformed"),
        ('"@method" ', "@method ", "signature-malformed"),
        ('"@method" ', '"@method";sf ', "signature-malformed"),
        ("sig1=", "Sig1=", "signature-malformed"),
        ("sig1=", "sig2=", "signature-malformed"),
        ("sig1=(", "sig1=", "signature-malformed"),
        (';alg="ed25519"', ';alg="ed25519", sig2=()', "signature-malformed"),
        (";created=1795255200", ";created=01795255200", "signature-malformed"),
        (";created=1795255200", ";created=-1", "signature-malformed"),
        (";created=1795255200", ';created="1795255200"', "signature-parameters"),
        (";created=1795255200", "; created=1795255200", "signature-malformed"),
    ],
)
def test_parameters_and_form(optence: Node, old: str, new: str, code: str) -> None:
    message = signed_message(optence)
    (field,) = message.values("signature-input")
    assert old in field
    changed = replaced(message, "signature-input", field.replace(old, new))
    with pytest.raises(PeerError) as caught:
        check(changed, optence.key.public_key)
    assert caught.value.code == code


def test_more_may_be_covered_but_must_exist(optence: Node) -> None:
    message = signed_message(optence)
    (field,) = message.values("signature-input")
    for name in ("x-absent", "@status", "@query-param", "@unknown"):
        changed = field.replace('"@method"', f'"@method" "{name}"')
        with pytest.raises(MalformedError):
            check(replaced(message, "signature-input", changed), optence.key.public_key)


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
def test_a_field_twice_is_ambiguous(optence: Node, name: str) -> None:
    message = signed_message(optence)
    (value,) = message.values(name.lower())
    doubled = dataclasses.replace(message, fields=[*message.fields, (name, value)])
    with pytest.raises(MalformedError):
        check(doubled, optence.key.public_key)


def test_missing_fields(optence: Node) -> None:
    message = signed_message(optence)
    for name in ("Signature", "Signature-Input"):
        fields = [pair for pair in message.fields if pair[0] != name]
        with pytest.raises(SignatureInvalidError) as caught:
            check(dataclasses.replace(message, fields=fields), optence.key.public_key)
        assert caught.value.code == "signature-missing"


def test_an_answer_fits_its_request_only(optence: Node, swissmem: Node) -> None:
    request = signed_message(optence, body=None)
    other = signed_message(optence, body=None, nonce="B" * 22)
    fields = sign_answer(
        200,
        b"page",
        request=request,
        signer=swissmem.signer,
        created=NOW,
        nonce=NONCE,
    )

    def answer(to: HttpMessage, status: int = 200) -> HttpMessage:
        return HttpMessage(
            "", to.target_uri, list(fields.items()), status=status, request=to
        )

    key = swissmem.key.public_key
    good = answer(request)
    claim = claim_answer(good, body=b"page", received_at=NOW)
    verify_claim(claim, message=good, key=key)
    for bad in (answer(other), answer(request, 404)):
        with pytest.raises(SignatureInvalidError):
            verify_claim(claim, message=bad, key=key)
    with pytest.raises(SignatureInvalidError):
        claim_answer(good, body=b"other", received_at=NOW)
    with pytest.raises(SignatureInvalidError):
        claim_answer(request, body=b"page", received_at=NOW)


def test_the_challenge_names_what_we_accept() -> None:
    assert accept_signature(has_body=True) == (
        'sig1=("@method" "@target-uri" "@authority" "content-digest")'
        ';created;alg="ed25519"'
    )
    assert "content-digest" not in accept_signature(has_body=False)


def test_authority_is_lower_case_without_default_port() -> None:
    for target, expected in (
        ("https://A.example:443/x", "a.example"),
        ("http://a.example:80/", "a.example"),
        ("https://a.example:8443/", "a.example:8443"),
    ):
        parsed = parse_signature_input('sig1=("@authority");created=1')
        base = signature_base(
            HttpMessage("GET", target, []), parsed.components, parsed.text
        )
        assert base.decode().splitlines()[0] == f'"@authority": {expected}'


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "\x00", "ä", "\u2028"])
def test_a_value_cannot_pass_for_a_line_of_its_own(value: str) -> None:
    parsed = parse_signature_input('sig1=("x-field");created=1')
    message = HttpMessage("GET", "https://a.example/", [("X-Field", value)])
    with pytest.raises(MalformedError):
        signature_base(message, parsed.components, parsed.text)
