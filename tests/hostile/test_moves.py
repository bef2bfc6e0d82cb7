"""E: an announcement that a node has moved, by somebody who has its key."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation.documents import parse_actor
from federation.documents.actor import build_actor
from federation.documents.actor_update import ActorUpdate, build_actor_update
from federation.documents.entry import EntryDocument, build_entry
from federation.documents.move import Move, build_move
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.keys import Signer
from federation.moving import move_number
from federation.ownership import PUBLIC
from federation.peers import renamed_keys
from federation.version import Version
from node.errors import NodeError
from node.partners.own_actor import own_actor
from tests.hostile.evil_server import EvilServer, reply
from tests.hostile.world import World, held
from tests.http.nodes import OFFER

NOWHERE = BaseUrl("http://127.0.0.1:9")


def announcement(
    world: World, place: str = NOWHERE, *, ahead: int = 0, **changes: Any
) -> Any:
    """A signed `Move` of Nord to Süd; other members are signed, too."""
    address = world.nord.node.context.address
    now = world.clock.now().replace(microsecond=0)
    move = Move(
        id=address.activity(random_id(world.nord.node.context.random)),
        target=BaseUrl(place),
        recipient=world.sued.node.context.address.actor,
        published=now + timedelta(seconds=ahead),
    )
    document = build_move(move, signer=world.signer(), created=now).document
    return world.resigned({**document, **changes})


async def test_an_announcement_moves_nothing_and_connects_nowhere(
    fresh_world: World,
) -> None:
    world = fresh_world
    theirs = await world.entry()
    await world.nord.settle()
    before = await world.partner_of(world.sued, world.nord)
    copies = held(world)
    mark = len(world.witness.outbound.attempts)
    taken = await world.post(announcement(world))
    assert taken.status == 202
    assert world.witness.outbound.attempts[mark:] == []
    after = await world.partner_of(world.sued, world.nord)
    for name in ("base_url", "actor_id", "keys", "state", "former_urls", "known_as"):
        assert getattr(after, name) == getattr(before, name)
    assert held(world) == copies
    # The old name goes on, the new one opens nothing.
    assert (await world.get("/outbox?after=0")).status == 200
    renamed = Signer(NodeAddress(NOWHERE), world.signer().key, 1)
    asked = await world.get("/outbox?after=0", key_id=renamed.key_id)
    assert asked.refusal == (401, "unknown-key")
    moved = {**theirs, "id": f"{NOWHERE}/entries/{'a' * 26}"}
    page = world.page_of([world.upsert(world.resigned(moved))])
    assert (await world.post(page)).refusal == (403, "origin-mismatch")


async def test_announcements_that_are_refused(world: World) -> None:
    own, other = world.nord.base_url, world.ost.base_url
    cases: dict[str, tuple[Any, set[tuple[int, str]]]] = {}
    misplaced = {(403, "origin-mismatch")}
    formless = {(422, "schema-invalid")}
    members: dict[str, tuple[dict[str, Any], set[tuple[int, str]]]] = {
        "of another actor": ({"object": f"{other}/actor"}, misplaced),
        "by another actor": ({"actor": f"{other}/actor"}, misplaced),
        "for another node": ({"to": [f"{other}/actor"]}, misplaced),
        "for everybody": ({"to": [PUBLIC]}, misplaced),
        "id of another": ({"id": f"{other}/activities/{'a' * 26}"}, misplaced),
        "two targets": ({"target": [f"{NOWHERE}/actor"] * 2}, formless),
        "target inside": ({"target": {"id": f"{NOWHERE}/actor"}}, formless),
        "no target": ({"target": None}, formless),
        "target with a path": ({"target": f"{NOWHERE}/users/a"}, formless),
        "to itself, signed": ({"target": f"{own}/actor"}, misplaced),
        "inner network": ({"target": "http://169.254.169.254/actor"}, misplaced),
        "other spelling": ({"target": "https://Netz.example/actor"}, formless),
        "origin beside": ({"origin": f"{other}/actor"}, formless),
        "keys beside": ({"assertionMethod": []}, formless),
        "no time": ({"published": "gestern"}, formless),
    }
    for label, (changes, wanted) in members.items():
        cases[label] = (announcement(world, **changes), wanted)
    taken = {(409, "address-taken")}
    cases["to us"] = (announcement(world, world.sued.base_url), taken)
    cases["to another partner"] = (announcement(world, other), taken)
    cases["of the future"] = (announcement(world, ahead=3600), formless)
    async with world.untouched() as untouched:
        for label, (document, wanted) in cases.items():
            answer = await world.post(document)
            untouched.expect(label, got=answer.refusal, wanted=wanted)
        # Ost announces Nord's move, and delivers what Nord has signed.
        for document in (
            announcement(world),
            world.resigned(announcement(world), world.ost),
        ):
            answer = await world.post(document, by=world.ost)
            untouched.expect(
                "by a third", got=answer.refusal, wanted={(403, "origin-mismatch")}
            )


async def test_nothing_at_a_new_address_moves_a_partner_without_its_office(
    fresh_world: World, evil: EvilServer
) -> None:
    """The thief has the key, the address, and answers as it likes."""
    world = fresh_world
    target = BaseUrl(evil.base_url)
    assert (await world.post(announcement(world, target))).status == 202
    office = world.offices[world.sued.base_url]
    async with world.nord.node.context.database.read() as tx:
        mine = await own_actor(tx, world.nord.node.context)
    stolen = renamed_keys(mine.keys, actor_id=NodeAddress(target).actor)
    complete = replace(
        mine, base_url=target, keys=stolen, former=(BaseUrl(world.nord.base_url),)
    )
    right = build_actor(complete)
    assert parse_actor(right, base_url=target).former == (world.nord.base_url,)
    number = move_number(
        old=BaseUrl(world.nord.base_url), new=target, key=mine.keys[0].public_key
    )
    wrong = number.translate(str.maketrans("0123456789", "1234567890"))
    half = {
        "no old name": {k: v for k, v in right.items() if k != "alsoKnownAs"},
        "another old name": {**right, "alsoKnownAs": [f"{world.ost.base_url}/actor"]},
        "another key": build_actor(
            replace(
                complete,
                keys=renamed_keys(
                    world.ost.node.context.keys.published(),
                    actor_id=NodeAddress(target).actor,
                ),
            )
        ),
        "another actor": build_actor(mine),
        "nothing": {},
    }
    before = await world.partner_of(world.sued, world.nord)
    for answer, typed in [(right, wrong), *((each, number) for each in half.values())]:
        evil.says(reply(answer))
        with pytest.raises(NodeError):
            await world.sued.node.partners.confirm_move(
                office, world.nord.base_url, number=typed
            )
    for answer in (
        reply(b"", status="302 X", headers=(("Location", world.nord.base_url),)),
        reply(b"", status="500 X"),
        reply(b"<html>", media_type="text/html"),
    ):
        evil.says(answer)
        with pytest.raises(NodeError):
            await world.sued.node.partners.confirm_move(
                office, world.nord.base_url, number=number
            )
    after = await world.partner_of(world.sued, world.nord)
    assert (after.base_url, after.keys) == (before.base_url, before.keys)
    # What an office that was called and has compared would do works all the same.
    evil.says(reply(right))
    moved = await world.sued.node.partners.confirm_move(
        office, world.nord.base_url, number=number
    )
    assert moved.base_url == target


async def test_former_names_of_others_open_nothing(world: World) -> None:
    """An entry below a name that the partner never had is forged."""
    content = {k: v for k, v in OFFER.items() if k != "audience"}
    now = world.clock.now().replace(microsecond=0)
    async with world.untouched() as untouched:
        for name in (world.ost.base_url, world.sued.base_url, NOWHERE):
            entry = EntryDocument.from_content(
                content,
                id=f"{name}/entries/{'a' * 26}",
                version=Version(1, 1),
                published=now,
                updated=now,
                owner=None,
            )
            by = Signer(NodeAddress(BaseUrl(name)), world.signer().key, 1)
            signed = json.loads(build_entry(entry, signer=by, created=now).raw)
            page = world.page_of([world.upsert(signed)])
            reply_ = await world.post(page)
            untouched.expect(
                name, got=reply_.refusal, wanted={(403, "origin-mismatch")}
            )


async def test_an_update_brings_no_names(fresh_world: World) -> None:
    """`alsoKnownAs` in an update is read, and counts for nothing."""
    world = fresh_world
    context = world.nord.node.context
    async with context.database.read() as tx:
        mine = await own_actor(tx, context)
    now = world.clock.now().replace(microsecond=0)
    told = ActorUpdate(
        id=context.address.activity(random_id(context.random)),
        actor=replace(mine, former=(BaseUrl(world.ost.base_url),), updated=now),
        recipient=world.sued.node.context.address.actor,
        published=now,
    )
    document = build_actor_update(told, signer=context.signer, created=now).document
    assert (await world.post(json.loads(json.dumps(document)))).status == 202
    partner = await world.partner_of(world.sued, world.nord)
    assert partner.former_urls == ()
    theirs = await world.publish(world.ost)
    assert theirs.document is not None
    page = world.page_of([world.upsert(json.loads(theirs.document))])
    assert (await world.post(page)).refusal == (403, "origin-mismatch")
