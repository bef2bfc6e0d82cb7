"""B: keys. None that fits every message, none of another sort, none of strangers."""

import base64
import random

import base58
import pytest

from federation.errors import SchemaInvalidError
from federation.keys import PublicKey, SigningKey
from tests.hostile import wire
from tests.hostile.curve import NON_CANONICAL, NOT_ON_CURVE, SMALL_ORDER
from tests.hostile.partner_requests import world_request
from tests.hostile.wire import changed
from tests.hostile.world import World
from tests.http.nodes import SeededRandom

SEED = 20261121
DOORS = (("POST", "/inbox"), ("POST", "/partner-requests"), ("GET", "/outbox?after=0"))


# -- keys -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw", [*SMALL_ORDER, *NON_CANONICAL, *NOT_ON_CURVE], ids=bytes.hex
)
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
    headers = changed(signed, "Signature", f"sig1=:{base64.b64encode(wrong).decode()}:")
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
