"""B: signatures and cryptography. What is not proven has no effect at all."""

import asyncio
import base64
import copy
import random
import time
from collections.abc import Iterator
from typing import Any

import base58
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.errors import SchemaInvalidError
from federation.keys import PublicKey, SigningKey
from tests.hostile import wire
from tests.hostile.curve import NON_CANONICAL, NOT_ON_CURVE, SMALL_ORDER
from tests.hostile.json_paths import changed_everywhere, paths_of
from tests.hostile.wire import changed
from tests.hostile.world import World
from tests.http.nodes import SeededRandom

SEED = 20261121
DOORS = (("POST", "/inbox"), ("POST", "/partner-requests"), ("GET", "/outbox?after=0"))


# -- absent, empty, garbage -----------------------------------------------------


@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_no_signature(world: World, method: str, path: str) -> None:
    body = wire.as_bytes(await world.page()) if method == "POST" else None
    signed = world.signed(method, path, body)
    async with world.untouched() as untouched:
        for dropped in (
            ("Signature", "Signature-Input"),
            ("Signature",),
            ("Signature-Input",),
        ):
            headers = signed
            for name in dropped:
                headers = changed(headers, name)
            reply = await world.send(method, path, headers=headers, body=body)
            untouched.expect(
                dropped, got=reply.refusal, wanted=(401, "signature-missing")
            )
            assert "@target-uri" in reply.field("Accept-Signature")
            assert reply.field("WWW-Authenticate") == "Signature"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "sig1",
        "sig1=",
        "sig1=::",
        "sig1=:AAAA:",
        "sig1=:" + "A" * 86 + "==:",
        "sig1=:" + "A" * 85 + "B=:",
        "sig1=:" + "/" * 86 + "==:",
        "sig1=:!!!!:",
        "sig1=AAAA",
        'sig1="AAAA"',
        "sig1=:" + "A" * 100_000 + ":",
        "sig2=:" + "A" * 86 + "==:",
        "sig1=:" + "A" * 86 + "==:, sig2=:" + "A" * 86 + "==:",
        "sig1=:" + "A" * 86 + "==:;x=1",
        "sig1=:" + "A" * 86 + "==:,",
        " , ",
        "sig1=?1",
        'keyId="x",algorithm="hs2019",headers="date",signature="AAAA"',
    ],
)
async def test_signatures_of_any_other_form(world: World, value: str) -> None:
    body = wire.as_bytes(await world.page())
    headers = changed(world.signed("POST", "/inbox", body), "Signature", value)
    async with world.untouched() as untouched:
        reply = await world.send("POST", "/inbox", headers=headers, body=body)
        untouched.expect(value[:40], got=reply.status, wanted={400, 401, 431})


@settings(max_examples=60)
@given(signature=st.binary(max_size=100))
async def test_random_bytes_as_signature(world: World, signature: bytes) -> None:
    """The verifier raises; there is no result that could be taken for yes."""
    body = b'{"type":"Create"}'
    value = f"sig1=:{base64.b64encode(signature).decode()}:"
    headers = changed(world.signed("POST", "/inbox", body), "Signature", value)
    async with world.untouched() as untouched:
        reply = await world.send("POST", "/inbox", headers=headers, body=body)
        untouched.expect(value, got=reply.refusal, wanted=(401, "signature-invalid"))


@settings(max_examples=60)
@given(signature=st.binary(max_size=100))
def test_no_result_of_the_verifier_can_be_ignored(signature: bytes) -> None:
    from federation.errors import SignatureInvalidError

    key = SigningKey.generate(SeededRandom("verifier")).public_key
    with pytest.raises(SignatureInvalidError):
        key.verify(signature, b"message")


async def test_every_bit_of_the_signature_counts(world: World) -> None:
    body = wire.as_bytes(await world.page())
    signed = world.signed("POST", "/inbox", body)
    right = base64.b64decode(dict(signed)["Signature"].removeprefix("sig1=:")[:-1])
    async with world.untouched() as untouched:
        for bit in range(0, 512, 3):
            wrong = bytearray(right)
            wrong[bit // 8] ^= 1 << bit % 8
            value = f"sig1=:{base64.b64encode(wrong).decode()}:"
            reply = await wire.ask(
                world.sued.base_url,
                "POST",
                "/inbox",
                headers=changed(signed, "Signature", value),
                body=body,
            )
            untouched.expect(bit, got=reply.status, wanted={401, 429})


# -- what is covered ------------------------------------------------------------


async def test_body_that_was_replaced(world: World) -> None:
    """Each of many bytes changed, bytes added, taken away, another whole body."""
    body = wire.as_bytes(await world.page())
    chance = random.Random(SEED)
    bodies = {f"byte {at}": flipped(body, at) for at in chance.sample(range(len(body)), 60)}
    bodies |= {
        "first": flipped(body, 0),
        "last": flipped(body, len(body) - 1),
        "space after": body + b" ",
        "space before": b" " + body,
        "shorter": body[:-1],
        "empty": b"",
        "another": b"{}",
        "twice": body + body,
    }
    async with world.untouched() as untouched:
        for label, sent in bodies.items():
            headers = world.signed("POST", "/inbox", body)
            reply = await world.send("POST", "/inbox", headers=headers, body=sent)
            untouched.expect(label, got=reply.refusal, wanted=(401, "digest-mismatch"))


def flipped(body: bytes, at: int) -> bytes:
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


DIGESTS = {
    "of another body": lambda body: wire.digest_field(body + b"x"),
    "sha-512 of another": lambda body: wire.digest_field(b"x", "sha-512"),
    "right and wrong": lambda body: (
        wire.digest_field(body) + ", " + wire.digest_field(b"x", "sha-512")
    ),
    "wrong and right": lambda body: (
        wire.digest_field(b"x") + ", " + wire.digest_field(body, "sha-512")
    ),
    "md5 alone": lambda body: "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:",
    "unknown algorithm": lambda body: "sha-1024=:AAAA:",
    "empty": lambda body: "",
    "sha-256 empty": lambda body: "sha-256=::",
    "truncated": lambda body: f"sha-256=:{'A' * 42}=:",
    "the old Digest form": lambda body: wire.digest_field(body).replace(":", ""),
    "twice the same key": lambda body: (
        wire.digest_field(b"x") + ", " + wire.digest_field(body)
    ),
    "upper case": lambda body: wire.digest_field(body).replace("sha", "SHA"),
}


@pytest.mark.parametrize("label", DIGESTS)
async def test_digests_that_do_not_fit(world: World, label: str) -> None:
    """The signature over the digest field is right each time."""
    body = wire.as_bytes(await world.page())
    field = ("Content-Digest", DIGESTS[label](body))
    signer = world.signer()
    headers = [
        ("Content-Type", wire.ACTIVITY_JSON),
        *wire.sign(
            "POST",
            f"{world.sued.base_url}/inbox",
            None,
            key=signer.key,
            key_id=signer.key_id,
            created=world.now(),
            covered=wire.COVERED,
            fields=[field],
        ),
    ]
    async with world.untouched() as untouched:
        reply = await world.send("POST", "/inbox", headers=headers, body=body)
        untouched.expect(label, got=reply.status, wanted={400, 401})


def smaller_coverages() -> Iterator[tuple[str, ...]]:
    """Every subset of the required components that leaves one out."""
    for left_out in wire.COVERED:
        yield tuple(name for name in wire.COVERED if name != left_out)
    for kept in wire.COVERED:
        yield (kept,)
    yield ()
    yield ("date",)
    yield ("@method", "@path", "@authority", "content-digest")
    yield ("@method", "@request-target", "@authority", "content-digest")
    yield ("@method", "@target-uri", "host", "content-digest")


@pytest.mark.parametrize("covered", list(smaller_coverages()), ids=" ".join)
async def test_coverage_too_small(world: World, covered: tuple[str, ...]) -> None:
    body = wire.as_bytes(await world.page())
    fields = [("Date", "Sat, 21 Nov 2026 10:00:00 GMT")]
    async with world.untouched() as untouched:
        reply = await world.post(body, covered=covered, fields=fields)
        untouched.expect(
            covered, got=reply.refusal, wanted=(401, "signature-coverage")
        )


@pytest.mark.parametrize("left_out", ["@method", "@target-uri", "@authority"])
async def test_coverage_of_a_pull_too_small(world: World, left_out: str) -> None:
    covered = [name for name in wire.COVERED[:3] if name != left_out]
    async with world.untouched() as untouched:
        reply = await world.get("/outbox?after=0", covered=covered)
        untouched.expect(
            left_out, got=reply.refusal, wanted=(401, "signature-coverage")
        )


@pytest.mark.parametrize(
    "covered",
    [
        (*wire.COVERED, "@method"),
        (*wire.COVERED, "content-digest"),
        ("@method;req", *wire.COVERED[1:]),
        (*wire.COVERED, "@status"),
        (*wire.COVERED, "x-not-there"),
        (*wire.COVERED, "signature"),
        (*wire.COVERED, "@query-param"),
        (*wire.COVERED, "@signature-params"),
        (*wire.COVERED, "Content-Digest"),
        (*wire.COVERED[:3], "content-digest;sf"),
        (*wire.COVERED[:3], "content-digest;bs"),
        (*wire.COVERED[:3], 'content-digest;key="sha-256"'),
        tuple(f"x-{number}" for number in range(40)),
    ],
    ids=" ".join,
)
async def test_components_that_are_ambiguous(
    world: World, covered: tuple[str, ...]
) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        reply = await world.post(body, covered=covered)
        untouched.expect(covered, got=reply.status, wanted={400, 401})


async def test_request_for_something_else(world: World) -> None:
    """A right signature for another method, path, query, host or node."""
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for label, method, path, target in (
            ("method", "PUT", "/inbox", world.sued),
            ("path", "POST", "/outbox", world.sued),
            ("query", "POST", "/inbox?x=1", world.sued),
            ("slash", "POST", "/inbox/", world.sued),
            ("node", "POST", "/inbox", world.ost),
        ):
            headers = world.signed(method, path, body, to=target)
            reply = await world.send("POST", "/inbox", headers=headers, body=body)
            untouched.expect(
                label, got=reply.refusal, wanted=(401, "signature-invalid")
            )
        pull = world.signed("GET", "/outbox?after=0", None)
        for path in ("/outbox?after=1", "/outbox?after=0&x=1", "/outbox?after=00"):
            reply = await world.send("GET", path, headers=pull)
            untouched.expect(path, got=reply.status, wanted={400, 401})


# -- parameters -----------------------------------------------------------------


@pytest.mark.parametrize("name", ["created", "nonce", "keyid", "alg"])
async def test_parameter_left_out(world: World, name: str) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for reply in (
            await world.post(body, parameters={name: None}),
            await world.get("/outbox?after=0", parameters={name: None}),
        ):
            untouched.expect(
                name,
                got=reply.refusal,
                wanted={(401, "signature-parameters"), (401, "signature-algorithm")},
            )


@pytest.mark.parametrize(
    "parameters",
    [
        {"created": "1795255200"},
        {"created": -1},
        {"created": 0},
        {"created": 10**14},
        {"created": 10**17},
        {"nonce": "short"},
        {"nonce": "x" * 21},
        {"nonce": "x" * 65},
        {"nonce": ""},
        {"nonce": 7},
        {"keyid": 7},
        {"keyid": ""},
        {"expires": 1},
        {"expires": "soon"},
        {"created": 1795255200, "Created": 1795255200},
        {"unknown": 1},
        {"tag": "x", "unknown": "x"},
    ],
    ids=str,
)
async def test_parameters_of_another_form(
    world: World, parameters: dict[str, Any]
) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        reply = await world.post(body, parameters=parameters)
        untouched.expect(parameters, got=reply.status, wanted={400, 401})


ALGORITHMS = [
    "",
    "none",
    "NONE",
    "ED25519",
    "Ed25519",
    "ed25519ph",
    "ed25519 ",
    "ed448",
    "hs2019",
    "hmac-sha256",
    "hmac-sha512",
    "rsa-sha1",
    "rsa-sha256",
    "rsa-sha512",
    "rsa-pss-sha512",
    "rsa-v1_5-sha256",
    "ecdsa-p256-sha256",
    "ecdsa-p384-sha384",
    "eddsa-jcs-2022",
    "x" * 500,
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_algorithms(world: World, algorithm: str) -> None:
    """The pinned key decides; the parameter may only confirm it."""
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        reply = await world.post(body, parameters={"alg": algorithm})
        untouched.expect(
            algorithm,
            got=reply.refusal,
            wanted=(401, "signature-algorithm"),
        )


async def test_the_public_key_is_no_shared_secret(world: World) -> None:
    """HMAC keyed with the public key (CVE-2015-9235's pattern)."""
    import hashlib
    import hmac

    body = wire.as_bytes(await world.page())
    signed = world.signed("POST", "/inbox", body, parameters={"alg": "hmac-sha256"})
    tag = hmac.digest(world.signer().key.public_key.raw, body, hashlib.sha256)
    for value in (tag, tag + tag):
        field = f"sig1=:{base64.b64encode(value).decode()}:"
        headers = changed(signed, "Signature", field)
        async with world.untouched() as untouched:
            reply = await world.send("POST", "/inbox", headers=headers, body=body)
            untouched.expect(
                "hmac", got=reply.refusal, wanted=(401, "signature-algorithm")
            )


# -- doubled fields -------------------------------------------------------------


@pytest.mark.parametrize("name", ["Signature", "Signature-Input", "Content-Digest"])
async def test_doubled_fields(world: World, name: str) -> None:
    body = wire.as_bytes(await world.page())
    signed = world.signed("POST", "/inbox", body)
    value = dict(signed)[name]
    other = dict(world.signed("POST", "/inbox", body + b" "))[name]
    async with world.untouched() as untouched:
        for first, second in ((value, value), (value, other), (other, value)):
            headers = changed(signed, name, first, second)
            reply = await world.send("POST", "/inbox", headers=headers, body=body)
            untouched.expect(name, got=reply.status, wanted={400})
            headers = changed(signed, name, f"{first}, {second}")
            reply = await world.send("POST", "/inbox", headers=headers, body=body)
            untouched.expect(f"{name} in one line", got=reply.status, wanted={400, 401})


async def test_two_labels(world: World) -> None:
    """A right signature beside a second one, of whomever: which one is meant?"""
    body = wire.as_bytes(await world.page())
    first = dict(world.signed("POST", "/inbox", body))
    second = dict(world.signed("POST", "/inbox", body, by=world.ost, label="sig2"))
    headers = [
        ("Content-Type", wire.ACTIVITY_JSON),
        ("Content-Digest", first["Content-Digest"]),
        (
            "Signature-Input",
            f"{first['Signature-Input']}, {second['Signature-Input']}",
        ),
        ("Signature", f"{first['Signature']}, {second['Signature']}"),
    ]
    async with world.untouched() as untouched:
        reply = await world.send("POST", "/inbox", headers=headers, body=body)
        untouched.expect("two", got=reply.refusal, wanted=(400, "signature-malformed"))


# -- time and repetition --------------------------------------------------------


@pytest.mark.parametrize("offset", [-301, -302, -3600, -86_400, 61, 62, 3600, 86_400])
async def test_outside_the_window(world: World, offset: int) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for method, path, content in (
            ("POST", "/inbox", body),
            ("GET", "/outbox?after=0", None),
        ):
            world.clock.advance(seconds=5)
            headers = world.signed(method, path, content, created=world.now() + offset)
            reply = await wire.ask(
                world.sued.base_url, method, path, headers=headers, body=content
            )
            untouched.expect(
                offset, got=reply.refusal, wanted=(401, "signature-stale")
            )
            # So that whoever's clock is wrong can see it.
            assert reply.field("Date")


async def test_inside_the_window(fresh_world: World) -> None:
    """The control: a second earlier each is good."""
    world = fresh_world
    for offset in (-299, -300, 0, 59, 60):
        world.clock.advance(seconds=5)
        headers = world.signed(
            "GET", "/outbox?after=0", None, created=world.now() + offset
        )
        reply = await wire.ask(
            world.sued.base_url, "GET", "/outbox?after=0", headers=headers
        )
        assert reply.status == 200, offset


async def test_recorded_traffic_played_again_changes_nothing(
    fresh_world: World,
) -> None:
    """Every sort of request, taken once, then all of them again, in any order."""
    world = fresh_world
    theirs = await world.publish(world.sued)
    entry = await world.entry()
    recorded: list[tuple[str, str, wire.Headers, bytes | None]] = []
    for document in (
        world.page_of([world.upsert(entry)]),
        world.page_of([world.withdrawal(entry["id"])], first=2),
        world.message(about=theirs.uri),
    ):
        world.clock.advance(seconds=5)
        body = wire.as_bytes(document)
        recorded.append(("POST", "/inbox", world.signed("POST", "/inbox", body), body))
    pull = world.signed("GET", "/outbox?after=0", None)
    recorded.append(("GET", "/outbox?after=0", pull, None))
    for method, path, headers, content in recorded:
        reply = await wire.ask(
            world.sued.base_url, method, path, headers=headers, body=content
        )
        assert reply.status in {200, 202}, reply
    async with world.untouched() as untouched:
        for method, path, headers, content in [*recorded, *reversed(recorded)]:
            reply = await world.send(method, path, headers=headers, body=content)
            untouched.expect(path, got=reply.refusal, wanted=(401, "replayed"))
    # A day later they are too old, and their nonces may have been forgotten.
    world.clock.advance(days=1)
    async with world.untouched() as untouched:
        for method, path, headers, content in recorded:
            reply = await world.send(method, path, headers=headers, body=content)
            untouched.expect(path, got=reply.refusal, wanted=(401, "signature-stale"))


async def test_the_same_document_signed_anew_has_no_second_effect(
    fresh_world: World,
) -> None:
    world = fresh_world
    theirs = await world.publish(world.sued)
    entry = await world.entry()
    documents = [
        world.page_of([world.upsert(entry)]),
        world.message(about=theirs.uri),
    ]
    for document in documents:
        assert (await world.post(document)).status in {200, 202}
    rows = world.witness.rows[world.sued.base_url]
    before = rows.hashes()
    for document in documents * 3:
        assert (await world.post(document)).status in {200, 202}
    after = rows.hashes()
    differing = {name for name in before if before[name] != after[name]}
    assert differing <= {"partners", "seen_nonces"}


async def test_one_request_many_times_at_once(fresh_world: World) -> None:
    world = fresh_world
    body = wire.as_bytes(world.message(about=(await world.publish(world.sued)).uri))
    headers = world.signed("POST", "/inbox", body)
    replies = await asyncio.gather(
        *(
            wire.ask(world.sued.base_url, "POST", "/inbox", headers=headers, body=body)
            for _ in range(12)
        )
    )
    # The rest are seen to be the same, or are more than one partner may ask at once.
    statuses = sorted(reply.status for reply in replies)
    assert statuses[0] == 202
    assert set(statuses[1:]) <= {401, 429}
    assert len(world.witness.rows[world.sued.base_url].all("messages")) == 1


# -- keys -----------------------------------------------------------------------


@pytest.mark.parametrize("raw", [*SMALL_ORDER, *NON_CANONICAL, *NOT_ON_CURVE], ids=bytes.hex)
async def test_unusable_keys_cannot_be_brought_along(world: World, raw: bytes) -> None:
    """A stranger with a right invitation and a key for which any signature fits."""
    request = await world_request(world)
    multibase = "z" + base58.b58encode(b"\xed\x01" + raw).decode()
    request["actor"]["assertionMethod"][0]["publicKeyMultibase"] = multibase
    async with world.untouched() as untouched:
        reply = await world.post(request, path="/partner-requests")
        untouched.expect(raw.hex(), got=reply.refusal, wanted=(422, "key-unusable"))
    with pytest.raises(SchemaInvalidError):
        PublicKey(raw)


def multikey(prefix: bytes, raw: bytes) -> str:
    return "z" + base58.b58encode(prefix + raw).decode()


RIGHT = SigningKey.generate(SeededRandom("right")).public_key
OTHER_KEYS = {
    "RSA": multikey(b"\x85\x24", b"\x30\x82\x01\x0a" + b"\x01" * 266),
    "P-256": multikey(b"\x80\x24", b"\x02" + b"\x01" * 32),
    "P-384": multikey(b"\x81\x24", b"\x02" + b"\x01" * 48),
    "secp256k1": multikey(b"\xe7\x01", b"\x02" + b"\x01" * 32),
    "x25519": multikey(b"\xec\x01", RIGHT.raw),
    "ed448": multikey(b"\x83\x24", b"\x01" * 57),
    "secret ed25519": multikey(b"\x80\x26", RIGHT.raw),
    "no prefix": multikey(b"", RIGHT.raw),
    "31 bytes": multikey(b"\xed\x01", RIGHT.raw[:-1]),
    "33 bytes": multikey(b"\xed\x01", RIGHT.raw + b"\x00"),
    "base64url": "u" + base64.urlsafe_b64encode(b"\xed\x01" + RIGHT.raw).decode(),
    "hex": "f" + (b"\xed\x01" + RIGHT.raw).hex(),
    "space": RIGHT.multibase + " ",
    "leading one": "z1" + RIGHT.multibase[1:],
    "PEM": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
    "empty": "",
    "long": "z6Mk" + "1" * 100_000,
}


@pytest.mark.parametrize("label", OTHER_KEYS)
async def test_keys_of_other_sorts(world: World, label: str) -> None:
    request = await world_request(world)
    request["actor"]["assertionMethod"][0]["publicKeyMultibase"] = OTHER_KEYS[label]
    async with world.untouched() as untouched:
        reply = await world.post(request, path="/partner-requests")
        untouched.expect(label, got=reply.status, wanted={422})


async def world_request(world: World) -> Any:
    """The partner request of a guest with an open invitation of Süd."""
    from federation.documents.partner_request import build_partner_request
    from federation.handshake import parse_code
    from federation.ids import parse_base_url
    from node.partners.own_actor import own_actor

    office = world.offices[world.sued.base_url]
    invitation = await world.sued.node.partners.invite(office)
    code = parse_code(invitation.code, allow_loopback_http=True)
    context = world.nord.node.context
    async with context.database.read() as tx:
        guest = await own_actor(tx, context)
    host = await host_actor(world)
    request = build_partner_request(
        guest,
        host=host,
        secret=code.secret,
        signer=world.signer(),
        random=context.random,
        created=world.clock.now(),
    )
    assert parse_base_url(host.base_url, allow_loopback_http=True)
    return copy.deepcopy(request.document)


async def host_actor(world: World) -> Any:
    from federation.documents.actor import parse_actor

    reply = await world.get("/actor", unsigned=True)
    return parse_actor(
        wire.json.loads(reply.text), base_url=world.sued.node.context.address.base_url
    )


async def test_small_order_signature_fits_no_pinned_key(world: World) -> None:
    """R = neutral element, S = 0: right for every text under a small-order key."""
    body = wire.as_bytes(await world.page())
    signed = world.signed("POST", "/inbox", body)
    async with world.untouched() as untouched:
        for point in SMALL_ORDER:
            value = f"sig1=:{base64.b64encode(point + bytes(32)).decode()}:"
            headers = changed(signed, "Signature", value)
            reply = await world.send("POST", "/inbox", headers=headers, body=body)
            untouched.expect(
                point.hex(), got=reply.refusal, wanted=(401, "signature-invalid")
            )


async def test_malleable_signature(world: World) -> None:
    """S + L is refused (RFC 8032 §5.1.7): one signature has one form."""
    order = 2**252 + 27742317777372353535851937790883648493
    body = wire.as_bytes(await world.page())
    signed = world.signed("POST", "/inbox", body)
    right = base64.b64decode(dict(signed)["Signature"].removeprefix("sig1=:")[:-1])
    s = int.from_bytes(right[32:], "little") + order
    wrong = right[:32] + s.to_bytes(32, "little")
    headers = changed(
        signed, "Signature", f"sig1=:{base64.b64encode(wrong).decode()}:"
    )
    async with world.untouched() as untouched:
        reply = await world.send("POST", "/inbox", headers=headers, body=body)
        untouched.expect("S + L", got=reply.refusal, wanted=(401, "signature-invalid"))


async def test_unknown_keys_cause_no_request_of_ours(world: World) -> None:
    """Addresses of strangers, of internal services, of anything: nobody is asked."""
    chance = random.Random(SEED)
    print("seed", SEED)
    key = SigningKey.generate(SeededRandom("stranger"))
    hosts = [
        "https://169.254.169.254",
        "http://127.0.0.1:22",
        "http://[::1]:80",
        "https://localhost",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_",
        *(
            f"https://{chance.getrandbits(64):x}.example:{chance.randrange(1, 65535)}"
            for _ in range(40)
        ),
    ]
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for host in hosts:
            key_id = f"{host}/actor#key-1"
            for reply in (
                await world.post(body, key=key, key_id=key_id),
                await world.get("/outbox?after=0", key=key, key_id=key_id),
            ):
                untouched.expect(host, got=reply.refusal, wanted=(401, "unknown-key"))


# -- proofs in documents --------------------------------------------------------


async def entry_refusals(
    world: World, untouched: Any, label: object, entry: Any, wanted: set[Any]
) -> None:
    reply = await world.post(world.page_of([world.upsert(entry)]))
    untouched.expect(label, got=reply.refusal, wanted=wanted)


UNPROVEN: set[Any] = {
    (401, "proof-invalid"),
    (401, "proof-missing"),
    (400, "context-not-allowed"),
    (403, "origin-mismatch"),
    (422, "schema-invalid"),
}


async def test_each_key_deleted_changed_or_added(world: World) -> None:
    """Everything in a signed document is under its proof."""
    from federation.documents.notice import NoticeType

    entry = await world.entry(body={"de": "Einzelheiten"})
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    leave = world.notice(
        NoticeType.LEAVE, about=world.sued.node.context.address.actor
    )
    withdrawal = world.withdrawal(entry["id"])
    unproven = UNPROVEN | {(422, "unsupported-type"), (401, "unknown-key")}
    async with world.untouched() as untouched:
        for label, altered in changed_everywhere(entry):
            await entry_refusals(world, untouched, f"entry {label}", altered, unproven)
        for label, altered in changed_everywhere(withdrawal):
            reply = await world.post(world.page_of([altered]))
            untouched.expect(f"delete {label}", got=reply.refusal, wanted=unproven)
        for name, whole in (("message", message), ("leave", leave)):
            for label, altered in changed_everywhere(whole):
                reply = await world.post(altered)
                untouched.expect(f"{name} {label}", got=reply.refusal, wanted=unproven)


PROOF_VALUES: list[Any] = [
    None,
    True,
    0,
    7,
    -1,
    "",
    "x",
    "z",
    "z" + "1" * 88,
    "z0OIl",
    "u" + "A" * 86,
    "Z" + "1" * 80,
    "z" * 200,
    [],
    {},
    ["x"],
    {"@value": "x"},
    {"@id": "x"},
    {"@value": "2026-11-21T10:00:00Z", "@type": "xsd:dateTime"},
    [[]],
]


async def test_every_field_of_a_proof_with_every_sort_of_value(world: World) -> None:
    """400s and 401s for good: nothing that a peer would send again for ever."""
    entry = await world.entry()
    async with world.untouched() as untouched:
        for name in entry["proof"]:
            for value in PROOF_VALUES:
                altered = {**entry, "proof": {**entry["proof"], name: value}}
                await entry_refusals(
                    world,
                    untouched,
                    f"{name}={value!r}",
                    altered,
                    UNPROVEN | {(401, "unknown-key")},
                )
        for value in PROOF_VALUES + [[entry["proof"]], [entry["proof"]] * 2]:
            await entry_refusals(
                world, untouched, f"proof={value!r}", {**entry, "proof": value}, UNPROVEN
            )


@pytest.mark.parametrize(
    "created",
    [
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00+00:00",
        "2026-11-21T10:00:00.000Z",
        "2026-11-21 10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:00:60Z",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "tomorrow",
        "２０２６-11-21T10:00:00Z",
    ],
)
async def test_times_of_proofs_in_other_forms(world: World, created: str) -> None:
    """Rightly signed with that time."""
    from federation.signatures.proof import hash_data

    entry = await world.entry()
    options = {**entry["proof"], "created": created}
    options.pop("proofValue")
    bare = {name: value for name, value in entry.items() if name != "proof"}
    signature = world.signer().key.sign(hash_data(bare, options))
    value = "z" + base58.b58encode(signature).decode()
    forged = {**bare, "proof": {**options, "proofValue": value}}
    async with world.untouched() as untouched:
        await entry_refusals(world, untouched, created, forged, UNPROVEN)


async def test_linked_data_signature_beside_the_proof(world: World) -> None:
    """A `signature` of the older sort is neither looked at nor carried along."""
    entry = await world.entry()
    legacy = {
        "type": "RsaSignature2017",
        "creator": world.signer().key_id,
        "created": "2026-11-21T10:00:00Z",
        "signatureValue": "AAAA",
    }
    async with world.untouched() as untouched:
        await entry_refusals(
            world, untouched, "beside", {**entry, "signature": legacy}, UNPROVEN
        )
        bare = {name: value for name, value in entry.items() if name != "proof"}
        await entry_refusals(
            world, untouched, "instead", {**bare, "signature": legacy}, UNPROVEN
        )


# -- JSON-LD --------------------------------------------------------------------


REARRANGING = ("@graph", "@included", "@reverse", "@nest", "@import", "@propagate")


@pytest.mark.parametrize("keyword", REARRANGING)
async def test_rearranging_keywords(world: World, keyword: str) -> None:
    """A signed document wrapped, lifted or split by a keyword of JSON-LD."""
    entry = await world.entry()
    context = entry["@context"]
    bare = {name: value for name, value in entry.items() if name != "@context"}
    page = world.page_of([world.upsert(entry)])
    wrapped = [
        {"@context": context, keyword: [bare]},
        {"@context": context, keyword: bare},
        {**entry, keyword: []},
        {**entry, keyword: [bare]},
        {**entry, keyword: {"attributedTo": [bare]}},
        {**entry, "details": {**entry["details"], keyword: [bare]}},
    ]
    async with world.untouched() as untouched:
        for number, document in enumerate(wrapped):
            await entry_refusals(world, untouched, number, document, UNPROVEN)
            reply = await world.post(document)
            untouched.expect(
                f"alone {number}", got=reply.status, wanted={400, 401, 403, 422}
            )
        for document in (
            {"@context": context, keyword: [page]},
            {**page, keyword: [page]},
        ):
            reply = await world.post(document)
            untouched.expect("page", got=reply.status, wanted={400, 422})


def contexts(context: list[Any]) -> dict[str, Any]:
    """Contexts that say almost the same, or something else under the same names."""
    addresses, terms = context[:-1], context[-1]
    evil = "https://angreifer.example/context.jsonld"
    return {
        "absent": ...,
        "null": None,
        "empty list": [],
        "empty object": {},
        "a text": context[0],
        "only addresses": addresses,
        "only terms": [terms],
        "without the first": context[1:],
        "another order": [*reversed(addresses), terms],
        "terms first": [terms, *addresses],
        "doubled": [*context, *context],
        "one more address": [*context, evil],
        "one more before": [evil, *context],
        "only a foreign one": evil,
        "internal service": ["http://169.254.169.254/latest/meta-data", *context[1:]],
        "file": ["file:///etc/passwd", *context[1:]],
        "data": ["data:application/ld+json,{}", *context[1:]],
        "http instead of https": [
            context[0].replace("https", "http"),
            *context[1:],
        ],
        "slash at the end": [context[0] + "/", *context[1:]],
        "null inside": [*addresses, None, terms],
        "nested list": [context],
        "actor remapped": [*context, {"actor": "as:target"}],
        "id remapped": [*context, {"id": "as:url"}],
        "type remapped": [*context, {"type": "as:name"}],
        "alias of graph": [*context, {"g": "@graph"}],
        "alias of included": [*context, {"i": "@included"}],
        "alias of reverse": [*context, {"r": {"@reverse": "as:attributedTo"}}],
        "vocabulary": [*context, {"@vocab": "https://angreifer.example/#"}],
        "base": [*context, {"@base": "https://angreifer.example/"}],
        "term with a context": [
            *addresses,
            {**terms, "owner": {"@id": "as:actor", "@context": evil}},
        ],
        "one term more": [*addresses, {**terms, "extra": "as:content"}],
        "one term less": [*addresses, dict(list(terms.items())[1:])],
        "one term changed": [
            *addresses,
            {**terms, next(iter(terms)): "as:content"},
        ],
        "number": 7,
        "true": True,
    }


CONTEXT_NAMES = list(contexts(["a", "b", "c", {"x": "y"}]))


@pytest.mark.parametrize("label", CONTEXT_NAMES)
async def test_contexts(world: World, label: str) -> None:
    """Everywhere a context stands; where there is a proof, rightly signed with it."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    context = contexts(entry["@context"])[label]

    def swapped(document: Any) -> Any:
        rest = {name: value for name, value in document.items() if name != "@context"}
        return rest if context is ... else {**rest, "@context": context}

    page = world.page_of([world.upsert(entry)])
    cases = {
        "page": swapped(page),
        "entry": world.page_of([world.upsert(swapped(entry))]),
        "message": swapped(message),
        "delete": world.page_of([swapped(world.withdrawal(entry["id"]))]),
        "proof": world.page_of(
            [world.upsert({**entry, "proof": swapped(entry["proof"])})]
        ),
    }
    if context is not ... and label not in {"null", "number", "true"}:
        cases["entry signed so"] = world.page_of(
            [world.upsert(world.resigned(swapped(entry)))]
        )
        cases["message signed so"] = world.resigned(swapped(message))
    async with world.untouched() as untouched:
        for where, document in cases.items():
            reply = await world.post(document)
            wanted = {(400, "context-not-allowed")}
            if where == "proof":
                wanted = {(401, "proof-invalid")}
            elif label == "absent":
                wanted.add((422, "schema-invalid"))
            untouched.expect(where, got=reply.refusal, wanted=wanted)


async def test_contexts_deeper_inside(world: World) -> None:
    """A scoped context would change meanings below it: no schema has room for one."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    contexts_inside = ({"content": "as:actor"}, "https://angreifer.example/c", [])
    async with world.untouched() as untouched:
        for whole in (message, entry):
            for place in paths_of(whole):
                if not isinstance(place.value, dict) or not place.steps:
                    continue
                for context in contexts_inside:
                    altered = place.replaced({**place.value, "@context": context})
                    is_proof = place.steps[0] == "proof"
                    signed = altered if is_proof else world.resigned(altered)
                    if whole is entry and not is_proof:
                        continue  # one entry is faulty, not the page: see below
                    document = (
                        signed
                        if whole is message
                        else world.page_of([world.upsert(signed)])
                    )
                    reply = await world.post(document)
                    untouched.expect(place.steps, got=reply.refusal, wanted=UNPROVEN)


async def test_contexts_inside_an_entry_keep_it_out(fresh_world: World) -> None:
    world = fresh_world
    entry = await world.entry()
    for place in paths_of(entry):
        if (
            not isinstance(place.value, dict)
            or not place.steps
            or place.steps[0] == "proof"
        ):
            continue
        evil = {**place.value, "@context": {"title": "as:actor"}}
        forged = world.resigned(place.replaced(evil))
        reply = await world.post(world.page_of([world.upsert(forged)]))
        assert reply.status == 200, reply
        receipt = wire.json.loads(reply.text)
        assert (receipt["held"], receipt["refusedCount"]) == (0, 1), place.steps
    assert "as:actor" not in world.witness.rows[world.sued.base_url].dump()


def clique(size: int) -> list[Any]:
    """Blank nodes that all know each other: hard for RDF canonicalisation."""
    return [
        {
            "id": f"_:b{number}",
            "type": "Object",
            "tag": [f"_:b{other}" for other in range(size) if other != number],
        }
        for number in range(size)
    ]


@pytest.mark.parametrize("size", [4, 8, 16, 60])
async def test_blank_node_cliques_cost_nothing(world: World, size: int) -> None:
    """Eight such nodes keep URDNA2015 busy for a minute; it is never called."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    nodes = clique(size)
    cases = [
        world.page_of([world.upsert({**entry, "tag": nodes})]),
        world.page_of([world.upsert({**entry, "details": {"tag": nodes}})]),
        world.page_of(nodes),
        world.resigned({**message, "tag": nodes}),
        world.resigned({**message, "object": {**message["object"], "tag": nodes}}),
        {"@context": entry["@context"], "type": "Create", "object": nodes},
        {"@context": entry["@context"], "@graph": nodes},
    ]
    async with world.untouched() as untouched:
        for number, document in enumerate(cases):
            began = time.perf_counter()
            reply = await world.post(document)
            took = time.perf_counter() - began
            untouched.expect(
                number, got=reply.status, wanted={400, 401, 403, 422}
            )
            assert took < 0.5, took


@pytest.mark.parametrize(
    "name",
    [
        "bcc",
        "bto",
        "internal_note",
        "attributionDomains",
        "_:x",
        "as:actor",
        "@type",
        "@id",
        "@value",
        "https://w3id.org/spalier#owner",
        "__proto__",
        "constructor",
        "schema:x",
        "",
        "\u202eactor",
        "аctor",
    ],
)
async def test_fields_that_nobody_knows(world: World, name: str) -> None:
    """Closed schemas; rightly signed, so nothing else is wrong."""
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    withdrawal = world.withdrawal(world.nord.node.context.address.entry("c" * 26))
    page = world.page_of([])
    async with world.untouched() as untouched:
        for document in (
            {**page, name: "x"},
            world.resigned({**message, name: "x"}),
            world.resigned({**message, "object": {**message["object"], name: "x"}}),
            world.page_of([world.resigned({**withdrawal, name: "x"})]),
            world.page_of([{**world.upsert(await_free_entry(world)), name: "x"}]),
        ):
            reply = await world.post(document)
            untouched.expect(name, got=reply.refusal, wanted={(422, "schema-invalid")})


def await_free_entry(world: World) -> Any:
    """A small entry that is never published, rightly signed."""
    address = world.nord.node.context.address
    return world.resigned(
        {
            "@context": world.context(),
            "id": address.entry("d" * 26),
            "type": "Document",
            "kind": "newer_kind",
            "attributedTo": address.actor,
            "incarnation": 1,
            "version": 1,
            "name": "Neuer",
            "nameMap": {"de": "Neuer"},
            "summaryMap": {"de": "Etwas Neues"},
            "mediaType": "text/plain",
            "published": "2026-11-21T10:00:00Z",
            "updated": "2026-11-21T10:00:00Z",
            "details": {},
            "to": [address.partners_audience],
        }
    )
