"""What partners are said to hold of our keys, and what they really hold."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, func, select

from federation.documents.actor import ActorDocument
from federation.errors import TemporaryFetchError
from federation.ids import BaseUrl
from node.app import open_node
from node.errors import ConflictError
from node.partners.own_actor import own_actor
from node.storage.node_state import load_node_state, store_node_state
from node.storage.outgoing import (
    ActivityKind,
    OutgoingActivity,
    mark_delivered,
    undelivered_of_kind,
)
from node.storage.partners import update_partner
from node.storage.tables import outgoing_activities, partner_keys
from node.storage.transaction import Transaction
from tests.http.nodes import MovableClock
from tests.http.whole_nodes import (
    WholeNode,
    advance,
    assert_equal,
    connect,
    settle,
    states,
    whole_node,
)


@pytest.fixture
async def strangers(tmp_path: Path) -> AsyncIterator[tuple[WholeNode, WholeNode]]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord, sued = [
            await stack.enter_async_context(
                whole_node(tmp_path / name, name, clock=clock)
            )
            for name in ("Nord", "Sued")
        ]
        yield nord, sued


@pytest.fixture
async def two(strangers: tuple[WholeNode, WholeNode]) -> tuple[WholeNode, WholeNode]:
    await connect(*strangers)
    return strangers


async def pinned(holder: WholeNode, other: WholeNode) -> list[int]:
    """Numbers of the keys that a node knows as current of another."""
    partner = await holder.partner(other)
    return sorted(
        int(key.key_id.rpartition("-")[2])
        for key in partner.keys
        if key.pinned.is_current
    )


async def test_update_whose_answer_was_lost_says_later_what_is_new(
    two: tuple[WholeNode, WholeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the queue is the same; the partner must not take it as known."""
    nord, sued = two
    own, clock = nord.node.own_keys, nord.clock
    await own.rotate(nord.office)
    await settle(nord)
    await advance(nord)
    clock.advance(minutes=11)
    client = nord.node.delivery._client
    real = client.post_activity
    sent: list[str] = []

    async def lost(peer: Any, activity: Any, **named: Any) -> None:
        sent.append(activity.document["id"])
        await real(peer, activity, **named)
        raise TemporaryFetchError("the connection broke before the answer")

    async def seen(peer: Any, activity: Any, **named: Any) -> None:
        sent.append(activity.document["id"])
        await real(peer, activity, **named)

    monkeypatch.setattr(client, "post_activity", lost)
    await advance(nord)
    assert states(nord) == {1: "retired", 2: "active"}
    clock.advance(hours=2)
    await settle(nord)
    assert len(sent) == 2
    monkeypatch.setattr(client, "post_activity", seen)

    await own.rotate(nord.office)
    clock.advance(hours=2)
    await nord.publish("Danach")
    await settle(nord)
    assert len(set(sent)) == len(sent) > 2
    assert (await nord.partner(sued)).told_key_number == 3
    assert await pinned(sued, nord) == [2, 3]
    assert set(await sued.held_from(nord)) == {"Danach"}
    await assert_equal(nord, sued)


async def test_partner_without_our_newest_key_gets_it_again_by_an_older_one(
    two: tuple[WholeNode, WholeNode],
) -> None:
    """As after its database was put back."""
    nord, sued = two
    await nord.node.own_keys.rotate(nord.office)
    partner = await nord.partner(sued)

    async def say_it_was_told(tx: Transaction) -> None:
        for each in await nord_queue(tx):
            await mark_delivered(tx, each.activity_id, at=nord.clock.now())
        await update_partner(tx, partner.id, told_key_number=2)

    await nord.node.context.database.write(say_it_was_told)
    await nord.publish("Danach")
    await settle(nord)
    failed = await nord.partner(sued)
    assert failed.last_error is not None
    assert "unknown-key" in failed.last_error
    assert (failed.told_key_number, await pinned(sued, nord)) == (1, [1])
    nord.clock.advance(hours=2)
    await settle(nord)
    assert (await nord.partner(sued)).told_key_number == 2
    assert await pinned(sued, nord) == [1, 2]
    assert set(await sued.held_from(nord)) == {"Danach"}
    await assert_equal(nord, sued)


async def test_partner_that_knows_no_key_of_ours_is_left_as_it_is(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await nord.publish("Vorher")
    await sued.node.context.database.write(lambda tx: tx.execute(delete(partner_keys)))
    await settle(nord)
    failed = await nord.partner(sued)
    assert (failed.told_key_number, failed.attempts) == (1, 1)


async def test_old_key_does_not_go_while_the_new_one_is_missing(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, _sued = two
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    await advance(nord)
    assert states(nord) == {1: "active", 2: "active"}
    await nord.stop()
    (nord.folder / "node-2.key").rename(nord.folder / "away")
    nord.clock.advance(days=1)
    async with open_node(
        nord.folder, clock=nord.clock, random=nord.random, without_secrets=True
    ) as node:
        with pytest.raises(ConflictError) as caught:
            await node.own_keys.retire(None)
        assert caught.value.code == "key-missing"
        with pytest.raises(ConflictError) as caught:
            await node.own_keys.revoke(None, reason="Probe", number=1)
        assert caught.value.code == "key-missing"
        assert await node.own_keys.advance() == 0
        assert [key.state.value for key in node.context.keys.keys] == ["active"] * 2
    assert (nord.folder / "node.key").exists()
    # The other way round retiring is what mends it.
    (nord.folder / "away").rename(nord.folder / "node-2.key")
    (nord.folder / "node.key").unlink()
    async with open_node(
        nord.folder, clock=nord.clock, random=nord.random, without_secrets=True
    ) as node:
        assert await node.own_keys.advance() == 0, "nothing goes on with a fault"
        await node.own_keys.retire(None)
        assert node.context.keys.fault is None
    await nord.start()
    assert states(nord) == {1: "retired", 2: "active"}


async def test_key_does_not_become_active_without_its_secret(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, _sued = two
    await nord.node.own_keys.rotate(nord.office)
    await nord.stop()
    (nord.folder / "node-2.key").unlink()
    async with open_node(
        nord.folder, clock=nord.clock, random=nord.random, without_secrets=True
    ) as node:
        with pytest.raises(ConflictError) as caught:
            await node.own_keys.activate(None)
        assert caught.value.code == "key-missing"
        # It can be given up: the key that signs is there.
        await node.own_keys.revoke(None, reason="Datei verloren", number=2)
        assert node.context.keys.fault is None


async def test_key_that_becomes_active_while_the_host_is_asked(
    strangers: tuple[WholeNode, WholeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = strangers
    await nord.node.own_keys.rotate(nord.office)
    created = await sued.node.partners.invite(sued.office)
    change_after_fetching(nord, monkeypatch)
    partner = await nord.node.partners.accept(nord.office, created.code)
    seen = await sued.partner(nord)
    assert states(nord) == {1: "active", 2: "active"}
    assert [partner.told_key_number] == await pinned(sued, nord) == [2]
    assert partner.check_number == seen.check_number
    await nord.node.partners.mark_compared(nord.office, partner.id)
    await sued.node.partners.confirm(sued.office, nord.base_url, compared=True)
    await settle(sued, nord)
    await nord.publish("Danach")
    await settle(nord)
    assert set(await sued.held_from(nord)) == {"Danach"}


async def test_key_that_becomes_active_while_the_request_is_on_its_way(
    strangers: tuple[WholeNode, WholeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = strangers
    await nord.node.own_keys.rotate(nord.office)
    created = await sued.node.partners.invite(sued.office)
    joining = nord.node.partners._joining
    real = joining._write_down

    async def slow(*args: Any, **named: Any) -> Any:
        await nord.node.own_keys.advance()
        return await real(*args, **named)

    monkeypatch.setattr(joining, "_write_down", slow)
    partner = await nord.node.partners.accept(nord.office, created.code)
    assert states(nord) == {1: "active", 2: "active"}
    assert [partner.told_key_number] == await pinned(sued, nord) == [1]
    assert partner.check_number == (await sued.partner(nord)).check_number
    await sued.node.partners.confirm(sued.office, nord.base_url, compared=True)
    await settle(sued, nord)
    nord.clock.advance(hours=1)
    await advance(nord)
    assert (await nord.partner(sued)).told_key_number == 2
    assert await pinned(sued, nord) == [1, 2]


async def test_key_that_is_revoked_while_the_request_is_made(
    strangers: tuple[WholeNode, WholeNode], monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = strangers
    created = await sued.node.partners.invite(sued.office)
    joining = nord.node.partners._joining
    real = joining._write_down

    async def slow(*args: Any, **named: Any) -> Any:
        await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
        return await real(*args, **named)

    monkeypatch.setattr(joining, "_write_down", slow)
    with pytest.raises(ConflictError) as caught:
        await nord.node.partners.accept(nord.office, created.code)
    assert caught.value.code == "keys-changed"
    assert await nord.node.partners.list() == []
    assert await sued.node.partners.list() == []


async def test_name_and_card_are_told_when_they_change(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await advance(nord)
    told = await times_told(nord)
    assert told == 0
    before = await own(nord)

    async def another_card(tx: Transaction) -> None:
        state = await load_node_state(tx)
        assert state is not None
        card = {**state.card, "contact": "neu@nord.example"}
        await store_node_state(tx, replace(state, card=card))

    await nord.node.context.database.write(another_card)
    await nord.stop()
    settings = nord.folder / "node.toml"
    settings.write_text(
        settings.read_text("utf-8").replace('"Nord"', '"Nord e. V."'), "utf-8"
    )
    await nord.start()
    nord.clock.advance(days=1)
    await advance(nord)
    seen = await sued.partner(nord)
    assert (seen.name, seen.card["contact"]) == ("Nord e. V.", "neu@nord.example")
    after = await own(nord)
    assert before.updated is not None
    assert after.updated is not None
    assert after.updated > before.updated
    assert seen.actor_updated == after.updated
    # It is told once, and a change of keys afterwards is newer still.
    told = await times_told(nord)
    assert told == 1
    await nord.stop()
    await nord.start()
    await advance(nord)
    assert await times_told(nord) == told
    await nord.node.own_keys.rotate(nord.office)
    await advance(nord)
    assert await pinned(sued, nord) == [1, 2]


async def own(node: WholeNode) -> ActorDocument:
    async with node.node.context.database.read() as tx:
        return await own_actor(tx, node.node.context)


async def times_told(node: WholeNode) -> int:
    """How many updates of its actor a node has ever queued."""
    async with node.node.context.database.read() as tx:
        queued = outgoing_activities.c
        return int(
            await tx.scalar(
                select(func.count()).where(queued.kind == ActivityKind.ACTOR.value)
            )
            or 0
        )


async def nord_queue(tx: Transaction) -> list[OutgoingActivity]:
    return await undelivered_of_kind(tx, ActivityKind.ACTOR)


def change_after_fetching(guest: WholeNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clockwork runs while the guest reads the host's address."""
    client = guest.node.partners._joining._client
    real = client.fetch_actor

    async def slow(base_url: BaseUrl) -> ActorDocument:
        document = await real(base_url)
        await guest.node.own_keys.advance()
        return document

    monkeypatch.setattr(client, "fetch_actor", slow)
