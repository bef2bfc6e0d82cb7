"""Bytes and short texts: JSON, keys, addresses, codes, answers of other nodes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from urllib.parse import urlsplit

import base58
from yarl import URL

from federation import strict_json
from federation.canonical import canonical_bytes
from federation.discovery import webfinger
from federation.errors import (
    FetchError,
    IdentifierError,
    PeerError,
    PermanentFetchError,
    SchemaInvalidError,
)
from federation.handshake import InvitationCodeError, format_code, link, parse_code
from federation.ids import authority_of, is_local_id, origin_of, parse_base_url
from federation.keys import PublicKey
from federation.signatures.http import HttpMessage
from federation.transport import client
from federation.transport.problems import PROBLEM_TYPE_PREFIX
from tests.fuzz.partner import OURSELVES, PARTNER
from tests.fuzz.target import Target, law


def read_json(data: bytes) -> bool:
    """Read any bytes as JSON; the standard reader must agree with what passes."""
    try:
        value = strict_json.loads(data)
    except PeerError:
        return False
    law(json.loads(data) == value, "the standard reader sees another value")
    canonical = canonical_bytes(value)
    law(strict_json.loads(canonical) == value, "canonical bytes say something else")
    law(canonical_bytes(strict_json.loads(canonical)) == canonical, "two forms")
    return True


def read_multikey(data: bytes) -> bool:
    """Read 32 bytes as a key, anything else as a Multikey."""
    try:
        if len(data) == 32:
            key = PublicKey(data)
            law(key.raw == data, "another key")
        else:
            text = data.decode("utf-8", "surrogateescape")
            key = PublicKey.from_multibase(text)
            law(key.multibase == text, "two spellings of one key")
    except SchemaInvalidError as error:
        law(error.code == "key-unusable", "another code")
        return False
    law(PublicKey.from_multibase(key.multibase) == key, "read again, another key")
    law(len(key.fingerprint) == 19, "another fingerprint")
    return True


def read_address(data: bytes) -> bool:
    """Read a text as address and identifier; others must read the same in it."""
    text = data.decode("utf-8", "surrogateescape")
    is_local_id(text)
    OURSELVES.address.entry_local_id(text)
    try:
        origin = origin_of(text)
    except IdentifierError:
        origin = ""
    accepted = False
    for loopback in (False, True):
        try:
            base_url = parse_base_url(text, allow_loopback_http=loopback)
        except IdentifierError as error:
            law(str(error).isprintable(), "an error that cannot be shown")
            continue
        host = authority_of(base_url).partition(":")[0]
        seen = URL(text, encoded=True)  # as our client reads it
        law(urlsplit(text).hostname == host == seen.raw_host, "two hosts")
        law(str(seen) == text, "not in normal form")
        law(origin.startswith(text), "another origin")
        accepted = True
    with contextlib.suppress(PeerError):
        webfinger(text, address=OURSELVES.address)
        accepted = True
    return accepted


def read_code(data: bytes) -> bool:
    """Read a text as an invitation code or as the link that carries one."""
    text = data.decode("utf-8", "surrogateescape")
    accepted = False
    for loopback in (False, True):
        try:
            code = parse_code(text, allow_loopback_http=loopback)
        except InvitationCodeError as error:
            law(error.part in {"group", "host", "length"}, "another part")
            continue
        accepted = True
        written = format_code(code.base_url, code.secret)
        law(parse_code(written, allow_loopback_http=loopback) == code, "two codes")
        carried = link(code.base_url, written, PARTNER.key.public_key.fingerprint)
        if code.base_url.startswith("https"):
            law(parse_code(carried, allow_loopback_http=loopback) == code, "two links")
    return accepted


def read_answer(data: bytes) -> bool:
    """Read a refusal of another node: status, fields, an empty line, the body."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    status = int(first) if first.isascii() and first.isdigit() else 422
    answer = client._Answer(
        status=status % 600,
        headers=tuple(
            (name.strip(), value.strip())
            for name, _, value in (line.partition(":") for line in lines)
        ),
        body=body,
        request=HttpMessage("POST", PARTNER.address.inbox, ()),
    )
    try:
        client._require_status(answer, 200)
    except FetchError as error:
        law(len(str(error)) < 400, "a log line without bound")
        if isinstance(error, PermanentFetchError):
            law(all(len(str(x)) <= 120 for x in error.members.values()), "too long")
    else:
        law(answer.status == 200, "a refusal passes")
    try:
        client._activity_document(answer)
    except (FetchError, PeerError):
        return answer.status == 200
    return True


def _json_seeds() -> Iterable[bytes]:
    yield b'{"a":[1,-2,9007199254740991,"x",null,true,{"b":""}]}'
    yield '{"ä":"\\u00e4\\ud83d\\ude00\\u0000","a\\u0301":"\\"\\\\/\\b\\n"}'.encode()
    yield b'{"a":1,"\\u0061":2}'
    yield b"[" * 40 + b"]" * 40
    yield b'[-0,1e5,0.1,NaN,"\\ud800"]'


def _key_seeds() -> Iterable[bytes]:
    for node in (PARTNER, OURSELVES):
        yield node.key.public_key.raw
        yield node.key.public_key.multibase.encode()
    yield bytes(32)
    yield b"\x01" + bytes(31)
    yield b"z" + base58.b58encode(b"\x85\x24" + bytes(270))
    yield b"z" + base58.b58encode(b"\xed\x01" + bytes(32))


def _address_seeds() -> Iterable[bytes]:
    for text in (
        "https://spalier.optence.example",
        "https://spalier.optence.example:8443",
        "http://127.0.0.1:8100",
        "https://[::1]:8443",
        "https://a.example@b.example",
        "https://0x7f.1",
        "acct:cluster@spalier.swissmem.example",
        OURSELVES.address.entry("a" * 26),
        OURSELVES.address.page(40),
    ):
        yield text.encode()


def _code_seeds() -> Iterable[bytes]:
    code = format_code(PARTNER.base_url, bytes.fromhex("00112233445566778899"))
    yield code.encode()
    yield code.lower().replace("-", " ").encode()
    yield link(PARTNER.base_url, code, "3BA2 8CBD DB7C 2559").encode()
    yield b"127.0.0.1:8100/" + code.partition("/")[2].encode()


def _answer_seeds() -> Iterable[bytes]:
    problem = {
        "type": f"{PROBLEM_TYPE_PREFIX}position-gap",
        "title": "Conflict",
        "status": 409,
        "detail": "There are pages in between.",
        "position": 12,
        "epoch": "0123456789abcdef" * 2,
    }
    body = json.dumps(problem).encode()
    yield b"409\nContent-Type: application/problem+json\n\n" + body
    yield b"503\nRetry-After: 120\n\n"
    yield (
        b"429\nRetry-After: Sat, 21 Nov 2026 10:00:30 GMT\n"
        b"Date: Sat, 21 Nov 2026 10:00:00 GMT\n\n"
    )
    yield b'200\nContent-Type: application/activity+json\n\n{"a":1}'


TEXT_TARGETS = (
    Target("strict_json", read_json, _json_seeds, is_json=True),
    Target("multikey", read_multikey, _key_seeds, tokens=("z6Mk", "z4MX")),
    Target(
        "address",
        read_address,
        _address_seeds,
        tokens=("https://", "http://", "127.0.0.1", ":443", ":65536", "xn--", "@", "%"),
    ),
    Target(
        "invitation_code",
        read_code,
        _code_seeds,
        tokens=(
            "https://",
            "/kopplung",
            "#code=",
            "&key=",
            "%2D",
            "\u2013",
            "127.0.0.1:",
        ),
    ),
    Target(
        "answer",
        read_answer,
        _answer_seeds,
        tokens=(
            "Retry-After: ",
            "Date: ",
            "Content-Type: application/problem+json",
            PROBLEM_TYPE_PREFIX,
            "99999999999999999999",
            "+9999",
            '"position":',
            "\n",
        ),
    ),
)
