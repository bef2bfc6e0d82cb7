"""A: who is who. Keys, actors, owners and origins that do not fit together."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from federation.documents.notice import NoticeType
from federation.ids import NodeAddress, parse_base_url
from federation.keys import Signer, SigningKey
from tests.hostile import wire
from tests.hostile.spellings import foreign_spellings
from tests.hostile.world import World
from tests.http.nodes import SeededRandom

FOREIGN = (403, "origin-mismatch")
# Not an identifier at all: refused by form, before anybody asks whose it is.
FOREIGN_OR_NO_ID = {FOREIGN, (422, "schema-invalid")}


def at(document: Any, path: str) -> tuple[Any, str | int]:
    """The container and key that a JSON pointer names."""
    *steps, last = [
        int(step) if step.isdigit() else step for step in path[1:].split("/")
    ]
    for step in steps:
        document = document[step]
    return document, last


def with_value(document: Any, path: str, value: Any) -> Any:
    """A copy with another value at a JSON pointer."""
    copied = copy.deepcopy(document)
    container, key = at(copied, path)
    container[key] = value
    return copied


# Every identifier of a document that must be the signer's own.
OWNED: dict[str, tuple[str, ...]] = {
    "page": ("/id", "/partOf", "/actor"),
    "upsert": (
        "/orderedItems/0/actor",
        "/orderedItems/0/object/id",
        "/orderedItems/0/object/attributedTo",
    ),
    "delete": (
        "/orderedItems/0/actor",
        "/orderedItems/0/id",
        "/orderedItems/0/object",
    ),
    "message": ("/actor", "/id", "/object/id", "/object/attributedTo"),
    "accept": ("/actor", "/id"),
    "leave": ("/actor", "/id"),
}


async def documents(world: World) -> dict[str, Any]:
    """One right document of each sort that an inbox takes."""
    theirs = await world.publish(world.sued)
    entry = await world.entry()
    request = world.sued.node.context.address.activity("a" * 26)
    return {
        "page": world.page_of([]),
        "upsert": world.page_of([world.upsert(entry)]),
        "delete": world.page_of([world.withdrawal(entry["id"])]),
        "message": world.message(about=theirs.uri),
        "accept": world.notice(NoticeType.ACCEPT, about=request),
        "leave": world.notice(
            NoticeType.LEAVE, about=world.sued.node.context.address.actor
        ),
    }


def signed_again(world: World, kind: str, document: Any) -> Any:
    """With right proofs: what is wrong in it is nothing but the identifier."""
    document = copy.deepcopy(document)
    if kind == "upsert":
        item = document["orderedItems"][0]
        item["object"] = world.resigned(item["object"])
    elif kind == "delete":
        document["orderedItems"][0] = world.resigned(document["orderedItems"][0])
    elif kind != "page":
        document = world.resigned(document)
    return document


async def test_control_every_document_is_taken_as_it_is(fresh_world: World) -> None:
    """Without a fault each is accepted, so a refusal below shows the fault."""
    world = fresh_world
    for kind, document in (await documents(world)).items():
        reply = await world.post(document)
        # Süd invited Nord and asked for nothing: the Accept is proven, without effect.
        taken = {202, 403} if kind == "accept" else {200, 202}
        assert reply.status in taken, (kind, reply)


async def test_every_identifier_with_a_foreign_origin(world: World) -> None:
    """Rightly signed by Nord, but about another node: nobody may speak for it."""
    whole = await documents(world)
    async with world.untouched() as untouched:
        for kind, paths in OWNED.items():
            for path in paths:
                container, key = at(whole[kind], path)
                for spelled in foreign_spellings(
                    container[key], ours=world.sued.base_url
                ):
                    forged = with_value(whole[kind], path, spelled)
                    reply = await world.post(signed_again(world, kind, forged))
                    untouched.expect(
                        f"{kind}{path} {spelled!r}",
                        got=reply.refusal,
                        wanted=FOREIGN_OR_NO_ID,
                    )


async def test_answers_to_a_request_come_from_its_host_only(
    fresh_world: World,
) -> None:
    """While Ost waits for Nord's office: Accept and Reject in other names."""
    world = fresh_world
    code = await world.nord.node.partners.invite(world.offices[world.nord.base_url])
    waiting = await world.ost.node.partners.accept(
        world.offices[world.ost.base_url], code.code
    )
    async with world.untouched(world.ost) as untouched:
        for kind in (NoticeType.ACCEPT, NoticeType.REJECT):
            right = world.notice(kind, about=waiting.request_id, to=world.ost)
            for path in ("/actor", "/id"):
                for spelled in foreign_spellings(
                    right[path[1:]], ours=world.ost.base_url
                ):
                    forged = world.resigned(with_value(right, path, spelled))
                    reply = await world.post(forged, to=world.ost)
                    untouched.expect(
                        f"{kind}{path} {spelled!r}",
                        got=reply.refusal,
                        wanted=FOREIGN_OR_NO_ID,
                    )
            # Süd is Ost's partner, and not the one that was asked.
            by_sued = world.notice(
                kind, about=waiting.request_id, by=world.sued, to=world.ost
            )
            reply = await world.post(by_sued, to=world.ost, by=world.sued)
            untouched.expect(f"{kind} by Süd", got=reply.status, wanted={202, 403})


@pytest.mark.parametrize("victim", ["ost", "sued"])
async def test_a_key_speaks_for_its_own_actor_only(world: World, victim: str) -> None:
    """Nord's request, Nord's proof, somebody else as actor of everything."""
    address = getattr(world, victim).node.context.address
    own = world.nord.node.context.address
    whole = await documents(world)
    async with world.untouched() as untouched:
        for kind, document in whole.items():
            text = wire.as_bytes(document).decode()
            theirs = json.loads(text.replace(own.base_url, address.base_url))
            for signed in (theirs, signed_again(world, kind, theirs)):
                reply = await world.post(signed)
                untouched.expect(kind, got=reply.refusal, wanted=FOREIGN)


async def test_a_document_that_another_partner_signed(world: World) -> None:
    """Ost's own documents, delivered by Nord: what is embedded is not believed."""
    entry = await world.publish(world.ost)
    assert entry.document is not None
    foreign = json.loads(entry.document)
    theirs = await world.publish(world.sued)
    cases = {
        "entry in Nord's page": world.page_of([world.upsert(foreign)]),
        "entry in an item that names Ost": world.page_of(
            [
                world.upsert(foreign, actor=world.ost.node.context.address.actor),
            ]
        ),
        "Ost's page": await world.page(world.ost),
        "Ost's message": world.message(about=theirs.uri, by=world.ost),
        "Ost's Leave": world.notice(
            NoticeType.LEAVE,
            about=world.sued.node.context.address.actor,
            by=world.ost,
        ),
    }
    async with world.untouched() as untouched:
        for label, document in cases.items():
            reply = await world.post(document)
            untouched.expect(label, got=reply.refusal, wanted=FOREIGN)


def forged_keys(world: World) -> Iterator[tuple[str, Signer, tuple[int, str]]]:
    """Signers whose key and key id do not belong together."""
    nord, ost = world.signer(world.nord), world.signer(world.ost)
    own = SigningKey.generate(SeededRandom("attacker"))
    invalid, unknown = (401, "signature-invalid"), (401, "unknown-key")
    elsewhere = NodeAddress(
        parse_base_url("https://angreifer.example", allow_loopback_http=False)
    )
    yield "Nord's key under Ost's name", Signer(ost.address, nord.key, 1), invalid
    yield "own key under Nord's name", Signer(nord.address, own, 1), invalid
    yield "Nord's key under another number", Signer(nord.address, nord.key, 2), unknown
    yield "Nord's key at a foreign address", Signer(elsewhere, nord.key, 1), unknown
    yield "a stranger with an own key", Signer(elsewhere, own, 1), unknown
    sued = world.signer(world.sued)
    yield "in the name of Süd itself", Signer(sued.address, nord.key, 1), unknown


async def test_key_and_key_id_that_do_not_belong_together(world: World) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for label, signer, wanted in forged_keys(world):
            changes: dict[str, Any] = {"key": signer.key, "key_id": signer.key_id}
            for reply in (
                await world.post(body, **changes),
                await world.get("/outbox?after=0", **changes),
            ):
                untouched.expect(label, got=reply.refusal, wanted=wanted)


def key_id_spellings(key_id: str) -> list[str]:
    """Other spellings of a pinned key's id."""
    bare, _, fragment = key_id.partition("#")
    return [
        bare,
        f"{bare}#",
        f"{bare}#{fragment} ",
        f" {bare}#{fragment}",
        f"{bare}#{fragment.upper()}",
        f"{bare}/#{fragment}",
        f"{bare}?#{fragment}",
        f"{bare}#{fragment}#{fragment}",
        f"{bare}%23{fragment}",
        f"{bare}/../actor#{fragment}",
        f"{bare}#{fragment}0",
        f"{bare}#{fragment[:-1]}01",
        key_id.replace("http:", "https:"),
        key_id.replace("http:", "HTTP:"),
        key_id.replace("127.0.0.1", "localhost"),
        key_id.replace("127.0.0.1", "127.1"),
        key_id.replace("127.0.0.1", "2130706433"),
        key_id.replace("127.0.0.1", "nord@127.0.0.1"),
        "",
        "key-1",
        "x" * 500,
    ]


async def test_other_spellings_of_a_pinned_key_are_unknown(world: World) -> None:
    body = wire.as_bytes(await world.page())
    async with world.untouched() as untouched:
        for spelled in key_id_spellings(world.signer().key_id):
            reply = await world.post(body, key_id=spelled)
            untouched.expect(
                repr(spelled), got=reply.refusal, wanted=(401, "unknown-key")
            )


async def test_proof_by_the_key_of_another_partner(world: World) -> None:
    """Request by Nord; the entry is attributed to Nord and signed by Ost."""
    entry = await world.entry()
    ost = world.signer(world.ost)
    cases: dict[str, Callable[[], Any]] = {
        "Ost's key under its own id": lambda: world.resigned(entry, world.ost),
        "Ost's key under Nord's id": lambda: renamed_proof(
            world.resigned(entry, world.ost), world.signer().key_id
        ),
        "Nord's key under Ost's id": lambda: renamed_proof(entry, ost.key_id),
    }
    async with world.untouched() as untouched:
        for label, make in cases.items():
            reply = await world.post(world.page_of([world.upsert(make())]))
            untouched.expect(
                label,
                got=reply.refusal,
                wanted={(401, "proof-invalid"), (401, "unknown-key")},
            )


def renamed_proof(entry: Any, key_id: str) -> Any:
    return {**entry, "proof": {**entry["proof"], "verificationMethod": key_id}}


OTHER_OWNERS = [
    "{base}/actor/",
    "{base}/actor#main",
    "{base}/actor?x",
    "{base}/Actor",
    "{base}/actor/partners",
    "{base}/users/alice",
    "{base}/",
    "{base}",
]


@pytest.mark.parametrize("owner", OTHER_OWNERS)
async def test_another_owner_of_the_same_origin(world: World, owner: str) -> None:
    """Owners are compared exactly: sharing a host gives no right (FEP-fe34)."""
    spelled = owner.format(base=world.nord.base_url)
    whole = await documents(world)
    async with world.untouched() as untouched:
        for kind, path in (
            ("page", "/actor"),
            ("upsert", "/orderedItems/0/actor"),
            ("upsert", "/orderedItems/0/object/attributedTo"),
            ("delete", "/orderedItems/0/actor"),
            ("message", "/actor"),
            ("message", "/object/attributedTo"),
            ("leave", "/actor"),
        ):
            forged = signed_again(world, kind, with_value(whole[kind], path, spelled))
            reply = await world.post(forged)
            untouched.expect(
                f"{kind}{path}", got=reply.refusal, wanted=FOREIGN_OR_NO_ID
            )


async def test_a_partner_cannot_withdraw_anothers_entry(world: World) -> None:
    """Each actor against each owner: Delete by Nord of entries of Ost and of Süd."""
    of_ost = await world.publish(world.ost)
    await world.ost.settle()
    of_sued = await world.publish(world.sued)
    assert of_ost.uri in world.witness.rows[world.sued.base_url].dump()
    async with world.untouched() as untouched:
        for entry in (of_ost, of_sued):
            forged = {
                **world.withdrawal(world.nord.node.context.address.entry("a" * 26)),
                "object": entry.uri,
            }
            for document in (forged, world.resigned(forged)):
                reply = await world.post(world.page_of([document]))
                untouched.expect(entry.uri, got=reply.refusal, wanted=FOREIGN)


async def test_new_keys_without_the_old_ones_word_are_not_believed(
    world: World,
) -> None:
    """An Update of the actor, by whom ever, whose request the new key signs."""
    own = world.nord.node.context.address
    new = SigningKey.generate(SeededRandom("stolen"))
    actor = json.loads((await world.get("/actor", to=world.nord, unsigned=True)).text)
    actor.pop("@context")
    for method in actor["assertionMethod"]:
        method["publicKeyMultibase"] = new.public_key.multibase
    update = {
        "@context": world.context(),
        "id": own.activity("b" * 26),
        "type": "Update",
        "actor": own.actor,
        "object": actor,
        "published": "2026-11-21T10:00:00Z",
        "to": [world.sued.node.context.address.actor],
    }
    forged = Signer(own, new, 1)
    async with world.untouched() as untouched:
        # Request and proof by the new key under the old id, then under a new one.
        for key_id in (own.key(1), own.key(2)):
            reply = await world.post(
                proven_by(world, update, forged, key_id), key=new, key_id=key_id
            )
            untouched.expect(
                key_id,
                got=reply.refusal,
                wanted={(401, "signature-invalid"), (401, "unknown-key")},
            )
        # The request by the pinned key, the proof by the new one.
        for key_id in (own.key(1), own.key(2)):
            reply = await world.post(proven_by(world, update, forged, key_id))
            untouched.expect(
                f"proof {key_id}", got=reply.status, wanted={401, 403, 422}
            )


def proven_by(world: World, document: Any, signer: Signer, key_id: str) -> Any:
    from federation.signatures.proof import add_proof

    return add_proof(
        document, key=signer.key, verification_method=key_id, created=world.clock.now()
    )
