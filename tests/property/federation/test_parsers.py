"""Whatever comes in, a reader returns or raises `PeerError`; nothing else."""

from __future__ import annotations

import contextlib
import copy
import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from federation.canonical import canonical_bytes
from federation.documents import (
    ActorUpdate,
    Removal,
    SentRange,
    build_actor,
    build_actor_update,
    build_message,
    build_notice,
    build_partner_request,
    build_receipt,
    build_withdrawal,
    parse_actor,
    parse_actor_update,
    parse_entry,
    parse_message,
    parse_notice,
    parse_page,
    parse_partner_request,
    parse_receipt,
)
from federation.documents.notice import NoticeType
from federation.documents.signed import sign
from federation.errors import IdentifierError, PeerError
from federation.handshake import InvitationCodeError, format_code, parse_code
from federation.ids import BaseUrl, origin_of, parse_base_url
from federation.keys import PublicKey
from federation.signatures.digest import verify_content_digest
from federation.signatures.http import HttpMessage, claim_request
from federation.signatures.structured import parse_signature_input
from federation.strict_json import loads
from tests.unit.federation.nodes import EPOCH, NOW, Bytes, Node

A = Node("spalier.optence.example")
B = Node("spalier.swissmem.example")
WITHDRAWAL = build_withdrawal(A.withdrawal(), signer=A.signer, created=NOW)

DOCUMENTS: dict[str, dict[str, Any]] = {
    "actor": build_actor(A.actor),
    "entry": A.signed_entry().document,
    "event": A.signed_entry("event").document,
    "page": A.page(A.signed_entry(), Removal(WITHDRAWAL.document)),
    "receipt": build_receipt(A.receipt(B), signer=A.signer, created=NOW).document,
    "message": build_message(A.message(B), signer=A.signer, created=NOW).document,
    "notice": build_notice(
        A.notice(B, NoticeType.ACCEPT), signer=A.signer, created=NOW
    ).document,
    "update": build_actor_update(
        ActorUpdate(
            id=A.activity_id(),
            actor=replace(A.actor, updated=NOW),
            recipient=B.address.actor,
            published=NOW,
        ),
        signer=A.signer,
        created=NOW,
    ).document,
    "request": build_partner_request(
        A.actor,
        host=B.actor,
        secret=b"0123456789",
        signer=A.signer,
        random=Bytes("x"),
        created=NOW,
    ).document,
}


def parse(name: str, document: dict[str, Any]) -> Any:
    match name:
        case "actor":
            return parse_actor(document, base_url=A.base_url)
        case "entry" | "event":
            return parse_entry(document, peer=A.peer)
        case "page":
            return parse_page(document, peer=A.peer)
        case "receipt":
            sent = SentRange(EPOCH, 1, 1)
            return parse_receipt(document, peer=A.peer, address=B.address, sent=sent)
        case "message":
            return parse_message(document, peer=A.peer, address=B.address)
        case "update":
            return parse_actor_update(document, peer=A.peer, address=B.address)
        case "notice":
            return parse_notice(document, peer=A.peer, address=B.address)
        case _:
            return parse_partner_request(
                document, address=B.address, allow_loopback_http=False
            )


def test_untouched_documents_are_read() -> None:
    for name, document in DOCUMENTS.items():
        assert parse(name, document) is not None


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=20)
    | st.sampled_from(["@graph", "https://evil.example/actor", "2026-02-31T00:00:00Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=8)
            | st.sampled_from(["@id", "@type", "@context", "@value"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@st.composite
def mutations(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """A document in which some value was replaced, removed or added."""
    name = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[name])
    for _ in range(draw(st.integers(1, 3))):
        node: Any = document
        while True:
            keys = list(node) if isinstance(node, dict) else list(range(len(node)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            inner = node[key]
            if isinstance(inner, dict | list) and inner and draw(st.booleans()):
                node = inner
                continue
            if draw(st.booleans()):
                node[key] = draw(json_values)
            elif isinstance(node, dict) and draw(st.booleans()):
                node[draw(st.text(max_size=8))] = draw(json_values)
            else:
                del node[key]
            break
    return name, document


@given(mutations())
def test_unsigned_changes(case: tuple[str, dict[str, Any]]) -> None:
    name, document = case
    with contextlib.suppress(PeerError):
        parse(name, document)


@given(mutations())
def test_changes_that_the_partner_itself_signed(
    case: tuple[str, dict[str, Any]],
) -> None:
    """A valid proof must not lead a malformed document past the other checks."""
    name, document = case
    document.pop("proof", None)
    if "@context" not in document:
        return
    signed = sign(document, signer=A.signer, created=NOW).document
    with contextlib.suppress(PeerError):
        parse(name, signed)


@given(st.binary(max_size=300))
def test_json_of_any_bytes(data: bytes) -> None:
    with contextlib.suppress(PeerError):
        loads(data)


@given(json_values)
def test_json_round_trip(value: Any) -> None:
    try:
        assert loads(json.dumps(value).encode()) == value
    except PeerError:
        assert "\x00" in json.dumps(value).replace("\\u0000", "\x00")
        return
    assert loads(canonical_bytes(value)) == value
    assert canonical_bytes(loads(canonical_bytes(value))) == canonical_bytes(value)


@given(st.text(max_size=60))
def test_addresses_of_any_text(text: str) -> None:
    for read in (
        lambda: parse_base_url(text, allow_loopback_http=True),
        lambda: origin_of(text),
    ):
        with contextlib.suppress(IdentifierError):
            read()


@given(
    st.from_regex(r"https?://[a-z0-9.@:\\/\[\]%-]{1,30}", fullmatch=True),
    st.booleans(),
)
def test_an_accepted_address_is_what_others_read(text: str, loopback: bool) -> None:
    """No other parser may find another host in what ours accepts."""
    from urllib.parse import urlsplit

    from yarl import URL

    try:
        base_url = parse_base_url(text, allow_loopback_http=loopback)
    except IdentifierError:
        return
    host = base_url.partition("://")[2].partition(":")[0]
    assert urlsplit(text).hostname == host
    assert URL(text).host == host
    assert str(URL(text).origin()) == text
    assert URL(text).user is None


@given(st.binary(min_size=10, max_size=10), st.booleans())
def test_codes_round_trip(secret: bytes, lower: bool) -> None:
    code = format_code(BaseUrl("https://a.example:8443"), secret)
    read = parse_code(code.lower() if lower else code, allow_loopback_http=False)
    assert (read.base_url, read.secret) == ("https://a.example:8443", secret)


@given(st.text(max_size=60) | st.from_regex(r"a\.example/[0-9A-Za-z -]{18,26}"))
def test_codes_of_any_text(text: str) -> None:
    with contextlib.suppress(InvitationCodeError):
        parse_code(text, allow_loopback_http=True)


@given(st.binary(min_size=32, max_size=32))
def test_keys_of_any_bytes(raw: bytes) -> None:
    with contextlib.suppress(PeerError):
        key = PublicKey(raw)
        assert PublicKey.from_multibase(key.multibase) == key


@given(st.text(max_size=200))
def test_signature_fields_of_any_text(text: str) -> None:
    for read in (
        lambda: parse_signature_input(text),
        lambda: verify_content_digest(text, b""),
        lambda: claim_request(
            HttpMessage(
                "POST",
                "https://a.example/inbox",
                [
                    ("Signature-Input", text),
                    ("Signature", text),
                    ("Content-Digest", text),
                ],
            ),
            body=b"",
            received_at=NOW,
        ),
    ):
        with contextlib.suppress(PeerError):
            read()
