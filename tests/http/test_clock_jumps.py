"""A clock that jumps, far ahead or back, locks nothing up for longer than it is wrong.

Versions are numbers and positions are numbers; time decides about signatures, retries,
tries and mails. While a node's clock is wrong its partners refuse what it signs; as
soon as the clock is right everything goes on, whatever was noted meanwhile.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from node.signin.attempts import AttemptLimit, TooManyAttemptsError
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import (
    OFFER,
    MovableClock,
    RunningNode,
    become_partners,
    running_node,
)

JUMPS = [timedelta(days=150), timedelta(days=-1), timedelta(hours=2)]


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[RunningNode, RunningNode]]:
    """Two partners, each with a clock of its own."""
    async with (
        running_node(tmp_path / "nord", "Nord", clock=MovableClock()) as nord,
        running_node(tmp_path / "sued", "Sued", clock=MovableClock()) as sued,
    ):
        await become_partners(nord, sued)
        yield nord, sued


def clock_of(node: RunningNode) -> MovableClock:
    clock = node.context.clock
    assert isinstance(clock, MovableClock)
    return clock


async def versions(node: RunningNode) -> dict[str, int]:
    """What a node shows of its partner: the version's counter by address."""
    async with node.database.read() as tx:
        found = await list_received(tx, where=received_entries.c.state == "present")
    return {entry.uri: entry.version.counter for entry in found}


@pytest.mark.parametrize("jump", JUMPS, ids=str)
async def test_a_partner_is_tried_again_once_the_clock_is_right(
    pair: tuple[RunningNode, RunningNode], jump: timedelta
) -> None:
    nord, sued = pair
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    clock_of(nord).moment += jump
    changed = {**OFFER, "summary": {"de": "Geändert."}}
    await nord.catalogue.publish(nord.office, changed, entry_ref=entry.uri)
    for _ in range(3):
        await nord.settle()
        clock_of(nord).advance(seconds=5)
    assert await versions(sued) == {entry.uri: 1}, "signed at another time"
    waiting = await nord.partner(sued)
    assert waiting.next_attempt_at is not None
    assert waiting.attempts > 0
    clock_of(nord).moment = clock_of(sued).moment
    await nord.settle()
    assert await versions(sued) == {entry.uri: 2}
    partner = await nord.partner(sued)
    assert (partner.attempts, partner.next_attempt_at) == (0, None)
    assert partner.digest_equal


async def test_a_comparison_that_a_wrong_clock_has_put_off_comes_at_once(
    pair: tuple[RunningNode, RunningNode],
) -> None:
    """The office resumes while the clock is ahead; nothing changes afterwards."""
    nord, sued = pair
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await nord.partners.pause(nord.office, sued.base_url)
    clock_of(nord).moment += timedelta(days=150)
    await nord.partners.resume(nord.office, sued.base_url)
    clock_of(nord).moment = clock_of(sued).moment
    for node in (nord, sued):
        clock_of(node).advance(minutes=5)
    partner = await nord.partner(sued)
    assert await nord.delivery._due() == [partner.id]
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock_of(sued).now()
    assert await nord.delivery._due() == []


async def test_what_is_signed_after_the_jump_is_taken_and_newer(
    pair: tuple[RunningNode, RunningNode],
) -> None:
    """Both clocks jump back; nonces and times of before do not stand in the way."""
    nord, sued = pair
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    for node in pair:
        clock_of(node).advance(days=-1)
    changed = {**OFFER, "summary": {"de": "Später, und doch früher."}}
    await nord.catalogue.publish(nord.office, changed, entry_ref=entry.uri)
    await nord.settle()
    assert await versions(sued) == {entry.uri: 2}
    await nord.catalogue.withdraw(nord.office, entry.uri)
    await nord.settle()
    assert await versions(sued) == {}


def test_tries_that_lie_ahead_do_not_count() -> None:
    clock = MovableClock()
    limit = AttemptLimit(clock, tries=2, within=timedelta(minutes=15))
    for _ in range(2):
        limit.count("mo@firma.example")
    with pytest.raises(TooManyAttemptsError):
        limit.count("mo@firma.example")
    clock.advance(days=-1)
    limit.count("mo@firma.example")
