"""B: signatures of requests. What is not proven has no effect at all."""

import asyncio
import base64
import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from federation.keys import SigningKey
from tests.hostile import wire
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
    bodies = {
        f"byte {at}": flipped(body, at) for at in chance.sample(range(len(body)), 60)
    }
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


def digests(body: bytes) -> dict[str, str]:
    """Digest fields that do not say what the body is, or not clearly."""
    right, wrong = wire.digest_field(body), wire.digest_field(b"x")
    return {
        "of another body": wrong,
        "sha-512 of another": wire.digest_field(b"x", "sha-512"),
        "right and wrong": f"{right}, {wire.digest_field(b'x', 'sha-512')}",
        "wrong and right": f"{wrong}, {wire.digest_field(body, 'sha-512')}",
        "md5 alone": "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:",
        "unknown algorithm": "sha-1024=:AAAA:",
        "empty": "",
        "sha-256 empty": "sha-256=::",
        "truncated": f"sha-256=:{'A' * 42}=:",
        "the old Digest form": right.replace(":", ""),
        "twice the same key": f"{wrong}, {right}",
        "upper case": right.replace("sha", "SHA"),
    }


@pytest.mark.parametrize("label", digests(b""))
async def test_digests_that_do_not_fit(world: World, label: str) -> None:
    """The signature over the digest field is right each time."""
    body = wire.as_bytes(await world.page())
    field = ("Content-Digest", digests(body)[label])
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
        untouched.expect(covered, got=reply.refusal, wanted=(401, "signature-coverage"))


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
            untouched.expect(offset, got=reply.refusal, wanted=(401, "signature-stale"))
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
    assert differing <= {"partners", "partner_days", "seen_nonces"}


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
