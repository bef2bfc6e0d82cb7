"""The key changes in stages, and partners notice nothing."""

import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from federation.documents import parse_page
from node.errors import ConflictError
from node.keys.model import KeyState
from node.keys.rules import OVERLAP, WAITING_DAYS
from node.partners.directory import known_peer
from node.storage.outgoing import ActivityKind, mark_refused, undelivered_of_kind
from node.storage.transaction import Transaction
from tests.http.nodes import MovableClock
from tests.http.whole_nodes import (
    WholeNode,
    advance,
    assert_equal,
    connect,
    settle,
    signed_by,
    states,
    whole_node,
)


@pytest.fixture
async def three(
    tmp_path: Path,
) -> AsyncIterator[tuple[WholeNode, WholeNode, WholeNode]]:
    """Nord is the partner of Süd and of West."""
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord, sued, west = [
            await stack.enter_async_context(
                whole_node(tmp_path / name, name, clock=clock)
            )
            for name in ("nord", "sued", "west")
        ]
        await connect(nord, sued)
        await connect(nord, west)
        yield nord, sued, west


@pytest.fixture
def refused(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], list[Any]]]:
    """What any door refused, or any delivery was refused, for lack of trust."""
    caplog.set_level(logging.INFO)
    words = ("401", "403", "unknown-key", "signature", "proof", "quarantine")
    with capture_logs() as events:

        def found() -> list[Any]:
            doors = [each for each in events if each.get("status") in {401, 403}]
            deliveries = [
                record.getMessage()
                for record in caplog.records
                if any(word in record.getMessage() for word in words)
            ]
            return [*doors, *deliveries]

        yield found


async def test_the_tests_would_see_a_refusal(
    three: tuple[WholeNode, WholeNode, WholeNode],
    refused: Callable[[], list[Any]],
) -> None:
    nord, _sued, _west = three
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await settle(nord)
    statuses = {each["status"] for each in refused() if isinstance(each, dict)}
    assert statuses == {401}
    said = [each for each in refused() if isinstance(each, str)]
    assert any("401 unknown-key" in each for each in said)


async def test_rotation_with_one_partner_away_all_the_time(
    three: tuple[WholeNode, WholeNode, WholeNode], refused: Callable[[], list[Any]]
) -> None:
    nord, sued, west = three
    clock = nord.clock
    await nord.publish("Vorher")
    await settle(*three)
    await west.stop()

    announced = await nord.node.own_keys.rotate(nord.office)
    assert (announced.number, states(nord)) == (2, {1: "active", 2: "announced"})
    await settle(nord, sued)
    assert (await nord.partner(sued)).told_key_number == 2
    assert (await nord.partner(west)).told_key_number == 1
    await nord.publish("Angekündigt")
    await sued.publish("Von Süd an Nord, angekündigt")
    await settle(nord, sued)
    await advance(nord)
    assert states(nord) == {1: "active", 2: "announced"}, "West is waited for"

    clock.advance(days=WAITING_DAYS, minutes=1)
    await advance(nord)
    assert states(nord) == {1: "active", 2: "active"}
    assert nord.node.context.keys.active.number == 2
    await nord.publish("Nachher")
    await sued.publish("Von Süd an Nord, danach")
    await settle(nord, sued)
    await assert_equal(nord, sued)
    clock.advance(days=30)
    await advance(nord)
    assert states(nord) == {1: "active", 2: "active"}, "kept for West"
    assert (nord.folder / "node.key").exists()

    # West comes back: first the announcement, by the key that it knows, then pages.
    await west.start()
    await west.publish("Von West an Nord")
    await settle(west, nord, sued)
    assert (await nord.partner(west)).told_key_number == 2
    await settle(*three)
    for other in (sued, west):
        held = await other.held_from(nord)
        assert {title: signed_by(row.document) for title, row in held.items()} == {
            "Vorher": 1,
            "Angekündigt": 1,
            "Nachher": 2,
        }
        await assert_equal(nord, other)
    assert set(await nord.held_from(west)) == {"Von West an Nord"}

    await advance(nord)
    assert states(nord) == {1: "retired", 2: "active"}
    assert not (nord.folder / "node.key").exists()
    await nord.publish("Am Ende")
    await settle(*three)
    for other in (sued, west):
        assert "Am Ende" in await other.held_from(nord)
        await assert_equal(nord, other)
        mine = known_peer(await other.partner(nord))
        assert {key.key_id.rpartition("-")[2]: key.is_current for key in mine.keys} == {
            "1": False,
            "2": True,
        }
    assert refused() == []


async def test_rotation_causes_no_page_and_signs_no_entry_again(
    three: tuple[WholeNode, WholeNode, WholeNode],
) -> None:
    nord, sued, west = three
    entry = await nord.publish("Vorher")
    await settle(*three)
    before = [await nord.partner(other) for other in (sued, west)]
    held = {
        other.name: (await other.held_from(nord))["Vorher"] for other in (sued, west)
    }
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    await advance(nord)
    nord.clock.advance(seconds=OVERLAP.total_seconds() + 1)
    await advance(nord)
    assert states(nord) == {1: "retired", 2: "active"}
    after = [await nord.partner(other) for other in (sued, west)]
    assert [each.head_seq for each in after] == [each.head_seq for each in before]
    assert [each.in_position for each in after] == [each.in_position for each in before]
    for other in (sued, west):
        now = (await other.held_from(nord))["Vorher"]
        assert (now.counter, now.document) == (
            held[other.name].counter,
            held[other.name].document,
        )
        assert (now.changed_at, now.content_hash) == (
            held[other.name].changed_at,
            entry.content_hash,
        )


async def test_pull_is_answered_by_the_key_that_the_partner_knows(
    three: tuple[WholeNode, WholeNode, WholeNode], refused: Callable[[], list[Any]]
) -> None:
    nord, sued, _west = three
    await nord.publish("Vorher")
    await nord.node.own_keys.rotate(nord.office)
    # Süd was told nothing yet: nothing was delivered.
    assert (await nord.partner(sued)).told_key_number == 1
    assert await sued.node.delivery.pull((await sued.partner(nord)).id) == 1
    # The office does not wait: entries now have a proof that Süd cannot verify.
    await nord.node.own_keys.activate(nord.office)
    await nord.publish("Nachher")
    assert await sued.node.delivery.pull((await sued.partner(nord)).id) == 0
    assert set(await sued.held_from(nord)) == {"Vorher"}
    await settle(nord)
    assert set(await sued.held_from(nord)) == {"Vorher", "Nachher"}
    assert await sued.node.delivery.pull((await sued.partner(nord)).id) == 0
    assert refused() == []


async def test_withdrawal_reaches_a_partner_that_was_not_told(
    three: tuple[WholeNode, WholeNode, WholeNode],
) -> None:
    nord, sued, _west = three
    entry = await nord.publish("Vorher")
    await settle(nord)
    await nord.node.own_keys.rotate(nord.office)
    await nord.node.own_keys.activate(nord.office)
    await nord.publish("Nachher")
    await nord.node.catalogue.withdraw(nord.office, entry.id)
    page = await nord.node.sending.next_page((await nord.partner(sued)).id)
    assert [item["type"] for item in page.document["orderedItems"]] == ["Delete"]
    assert page.document["orderedItems"][0]["proof"]["verificationMethod"].endswith(
        "#key-1"
    )
    # Süd, which knows key 1 alone, can read it.
    parsed = parse_page(
        json.loads(json.dumps(page.document)),
        peer=known_peer(await sued.partner(nord)),
    )
    assert parsed.only_withdraws


async def test_requests_of_ours_are_signed_by_the_key_that_the_partner_knows(
    three: tuple[WholeNode, WholeNode, WholeNode], refused: Callable[[], list[Any]]
) -> None:
    """Also pages and pulls, while no announcement gets through."""
    nord, sued, _west = three
    entry = await nord.publish("Vorher")
    await sued.publish("Von Süd")
    await settle(nord)
    await nord.node.own_keys.rotate(nord.office)
    await nord.node.own_keys.activate(nord.office)
    await nord.node.catalogue.withdraw(nord.office, entry.id)

    async def lose_announcements(tx: Transaction) -> None:
        for activity in await undelivered_of_kind(tx, ActivityKind.ACTOR):
            await mark_refused(tx, activity.activity_id, reason="lost")

    await nord.node.context.database.write(lose_announcements)
    assert await nord.node.delivery.pull((await nord.partner(sued)).id) == 1
    await settle(nord)
    partner = await nord.partner(sued)
    assert (partner.told_key_number, partner.digest_equal) == (1, True)
    assert await sued.held_from(nord) == {}
    # The clockwork notices that Süd lacks the key, and tells it.
    await advance(nord)
    assert (await nord.partner(sued)).told_key_number == 2
    assert refused() == []


async def test_partner_that_joins_later_verifies_entries_of_a_retired_key(
    three: tuple[WholeNode, WholeNode, WholeNode],
    tmp_path: Path,
    refused: Callable[[], list[Any]],
) -> None:
    nord, _sued, _west = three
    await nord.publish("Vorher")
    await settle(nord)
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    await nord.node.own_keys.activate(nord.office)
    await nord.node.own_keys.retire(nord.office)
    await nord.publish("Nachher")
    async with whole_node(tmp_path / "ost", "Ost", clock=nord.clock) as ost:
        await connect(nord, ost)
        await settle(nord, ost)
        held = await ost.held_from(nord)
        assert {title: signed_by(row.document) for title, row in held.items()} == {
            "Vorher": 1,
            "Nachher": 2,
        }
        await assert_equal(nord, ost)
    assert refused() == []


async def test_partnership_that_begins_while_a_key_is_announced(
    three: tuple[WholeNode, WholeNode, WholeNode],
    tmp_path: Path,
    refused: Callable[[], list[Any]],
) -> None:
    nord, _sued, _west = three
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    async with whole_node(tmp_path / "ost", "Ost", clock=nord.clock) as ost:
        await connect(nord, ost)
        assert (await nord.partner(ost)).told_key_number == 1
        await advance(nord)
        assert (await nord.partner(ost)).told_key_number == 2
        await advance(nord)
        assert states(nord) == {1: "active", 2: "active"}
        await nord.publish("Nachher")
        await settle(nord, ost)
        assert set(await ost.held_from(nord)) == {"Nachher"}
    assert refused() == []


async def test_messages_and_notices_survive_the_change(
    three: tuple[WholeNode, WholeNode, WholeNode],
) -> None:
    nord, sued, _west = three
    await nord.node.own_keys.rotate(nord.office)
    await nord.node.own_keys.activate(nord.office)
    # Süd is told first, then hears that it is over.
    await nord.node.partners.end(nord.office, sued.base_url)
    await settle(nord)
    assert (await sued.partner(nord)).state.value in {"ending", "ended"}
    assert (await nord.partner(sued)).state.value == "ended"


async def test_a_second_rotation_has_to_wait(
    three: tuple[WholeNode, WholeNode, WholeNode],
) -> None:
    nord, _sued, _west = three
    await nord.node.own_keys.rotate(nord.office)
    for _ in range(2):
        with pytest.raises(ConflictError) as caught:
            await nord.node.own_keys.rotate(nord.office)
        assert caught.value.code == "rotation-under-way"
        if nord.node.context.keys.announced is not None:
            await nord.node.own_keys.activate(nord.office)
    assert [key.state for key in nord.node.context.keys.keys] == [KeyState.ACTIVE] * 2
