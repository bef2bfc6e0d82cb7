"""Somebody has copied a key: what the thief can say, and that its owner is heard."""

import shutil
from datetime import timedelta

import pytest

from federation.documents.actor import ActorDocument
from federation.documents.actor_update import ActorUpdate, build_actor_update
from federation.errors import PermanentFetchError
from federation.ids import random_id
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from federation.transport.client import FederationClient
from federation.trust import TrustState
from node.app import open_node
from node.partners.directory import known_peer
from tests.http.whole_nodes import (
    WholeNode,
    advance,
    settle,
    states,
)

Two = tuple[WholeNode, WholeNode]


async def announce(
    nord: WholeNode, sued: WholeNode, thief: Signer, *others: PinnedKey, ahead: int = 0
) -> None:
    """Tell Süd of further keys in Nord's name."""
    clock = nord.clock
    actor = ActorDocument(
        base_url=thief.address.base_url,
        name="nord",
        keys=(PinnedKey(thief.key_id, thief.key.public_key), *others),
        updated=clock.now() + timedelta(seconds=ahead),
    )
    peer = known_peer(await nord.partner(sued))
    update = ActorUpdate(
        id=thief.address.activity(random_id(nord.random)),
        actor=actor,
        recipient=peer.actor_id,
        published=clock.now(),
    )
    async with FederationClient(
        clock=clock, random=nord.random, allow_loopback_http=True
    ) as client:
        document = build_actor_update(update, signer=thief, created=clock.now())
        await client.post_activity(peer, document, signer=thief)


def slipped_in(nord: WholeNode) -> PinnedKey:
    evil = SigningKey.generate(nord.random)
    return PinnedKey(nord.node.context.address.key(77), evil.public_key)


async def current_keys(sued: WholeNode, nord: WholeNode) -> list[str]:
    partner = await sued.partner(nord)
    return [key.multibase for key in partner.keys if key.pinned.is_current]


async def test_thief_does_not_lift_the_suspension(two: Two) -> None:
    nord, sued = two
    old = nord.node.context.signer
    thief = Signer(nord.node.context.address, old.key, 1)
    await nord.stop()
    (nord.folder / "node.key").unlink()
    async with open_node(
        nord.folder, clock=nord.clock, random=nord.random, without_secrets=True
    ) as node:
        await node.own_keys.replace_lost(None, reason="Rechner gestohlen")
    await nord.start()
    nord.clock.advance(days=2)
    await sued.node.partners.keys.look_at_due()
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    before = await current_keys(sued, nord)
    new = nord.node.context.keys.active.public_key
    shown = PinnedKey(thief.address.key(2), new)
    with pytest.raises(PermanentFetchError) as caught:
        await announce(nord, sued, thief, shown, slipped_in(nord))
    assert caught.value.problem_code == "partnership-suspended"
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    assert await current_keys(sued, nord) == before
    active = await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=new.fingerprint
    )
    assert active.state is TrustState.ACTIVE
    assert await current_keys(sued, nord) == [new.multibase]
    with pytest.raises(PermanentFetchError) as caught:
        await announce(nord, sued, thief, slipped_in(nord))
    assert caught.value.problem_code == "unknown-key"


async def test_owner_is_heard_after_the_thief_has_announced_something_newer(
    two: Two,
) -> None:
    nord, sued = two
    await announce(nord, sued, nord.node.context.signer, slipped_in(nord), ahead=60)
    await nord.node.own_keys.rotate(nord.office)
    await nord.settle()
    partner = await nord.partner(sued)
    assert "update-older" in (partner.last_error or "")
    assert partner.told_key_number == 1
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    nord.clock.advance(hours=2)
    await nord.settle()
    suspended = await sued.partner(nord)
    assert suspended.state is TrustState.SUSPENDED
    refused = await nord.partner(sued)
    assert refused.problem_code == "keys-suspended"
    assert refused.told_key_number == 1, "it was not told"
    active = await sued.node.partners.confirm_key(
        sued.office,
        nord.base_url,
        fingerprint=nord.node.context.keys.active.fingerprint,
    )
    assert [key.key_id.rpartition("-")[2] for key in active.keys] == ["1"]
    nord.clock.advance(hours=2)
    await nord.settle()
    assert (await nord.partner(sued)).told_key_number == 2


async def test_announced_key_is_told_anew_after_the_office_has_compared(
    two: Two,
) -> None:
    """What the office confirms is the key that signs now, and no other."""
    nord, sued = two
    await nord.node.own_keys.rotate(nord.office)
    await nord.settle()
    assert (await nord.partner(sued)).told_key_number == 2
    with pytest.raises(PermanentFetchError) as caught:
        await announce(nord, sued, nord.node.context.signer, slipped_in(nord))
    assert caught.value.problem_code == "keys-suspended"
    await nord.publish("Danach")
    await nord.settle()
    assert (await nord.partner(sued)).told_key_number == 1
    await sued.node.partners.confirm_key(
        sued.office,
        nord.base_url,
        fingerprint=nord.node.context.keys.active.fingerprint,
    )
    for _ in range(4):
        nord.clock.advance(hours=2)
        await advance(nord)
    assert states(nord) == {1: "retired", 2: "active"}
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    assert set(await sued.held_from(nord)) == {"Danach"}


async def test_announcing_every_day_does_not_hide_the_address(two: Two) -> None:
    nord, sued = two
    nord.clock.advance(days=1)
    await announce(nord, sued, nord.node.context.signer, slipped_in(nord))
    nord.clock.advance(days=2)
    await sued.node.partners.keys.look_at_due()
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED


async def test_key_retires_once_more_after_a_backup_was_put_back(two: Two) -> None:
    nord, sued = two
    await nord.node.own_keys.rotate(nord.office)
    await nord.settle()
    await advance(nord)
    await nord.stop()
    shutil.copytree(nord.folder, nord.folder.parent / "backup")
    await nord.start()
    nord.clock.advance(minutes=11)
    await advance(nord)
    assert states(nord) == {1: "retired", 2: "active"}
    ended = (await sued.partner(nord)).keys[1].expires
    await nord.stop()
    shutil.rmtree(nord.folder)
    shutil.copytree(nord.folder.parent / "backup", nord.folder)
    await nord.start()
    for _ in range(3):
        nord.clock.advance(hours=2)
        await advance(nord)
        await settle(sued, nord)
    assert states(nord) == {1: "retired", 2: "active"}
    assert (await nord.partner(sued)).last_error is None
    partner = await sued.partner(nord)
    assert partner.state is TrustState.ACTIVE
    assert ended is not None
    assert partner.keys[1].expires == ended
