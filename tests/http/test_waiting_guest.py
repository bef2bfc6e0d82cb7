"""The host revokes its key between its confirmation and the guest's hearing of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from federation.trust import TrustState
from node.errors import ConflictError
from node.keys.rules import REVOCATION_DAYS
from tests.http.nodes import MovableClock
from tests.http.whole_nodes import WholeNode, advance, settle, whole_node

WholePair = tuple[WholeNode, WholeNode]


@pytest.fixture
async def apart(tmp_path: Path, clock: MovableClock) -> AsyncIterator[WholePair]:
    async with (
        whole_node(tmp_path / "nord", "nord", clock=clock) as host,
        whole_node(tmp_path / "sued", "sued", clock=clock) as guest,
    ):
        yield host, guest


async def confirmed_but_unheard(host: WholeNode, guest: WholeNode) -> str:
    """Let the host confirm, and revoke its key before it can say so."""
    created = await host.node.partners.invite(host.office)
    await guest.node.partners.accept(guest.office, created.code)
    await host.node.partners.confirm(host.office, guest.base_url, compared=True)
    await host.node.own_keys.revoke(host.office, reason="Laptop gestohlen")
    return created.code


async def assert_partners_anew(host: WholeNode, guest: WholeNode) -> None:
    """They see the same new number, compare it, and everything flows."""
    await settle(host, guest)
    here, there = await host.partner(guest), await guest.partner(host)
    assert (here.state, there.state) == (TrustState.ACTIVE, TrustState.ACTIVE)
    assert here.check_number == there.check_number
    assert here.compared_at is None
    assert there.problem_code is None
    for node, other in ((host, guest), (guest, host)):
        await node.node.partners.mark_compared(node.office, other.base_url)
        await node.publish(f"von {node.name}")
    await settle(host, guest)
    await settle(host, guest)
    assert set(await guest.held_from(host)) == {f"von {host.name}"}
    assert set(await host.held_from(guest)) == {f"von {guest.name}"}


async def test_guest_is_told_to_ask_again_and_becomes_a_partner(
    apart: WholePair,
) -> None:
    host, guest = apart
    code = await confirmed_but_unheard(host, guest)
    number = (await guest.partner(host)).check_number
    await settle(host, guest)
    waiting = await guest.partner(host)
    assert waiting.state is TrustState.WAITING
    assert not waiting.key.pinned.is_current
    assert waiting.problem_code == "request-key-ended"
    assert [each.id for each in await guest.node.partners.unanswerable()] == [
        waiting.id
    ]
    # The host cannot make itself heard, and goes on trying.
    assert (await host.partner(guest)).problem_code == "unknown-key"

    again = await guest.node.partners.accept(guest.office, code)
    assert again.check_number != number
    assert await guest.node.partners.unanswerable() == []
    await assert_partners_anew(host, guest)


async def test_guest_that_heard_nothing_at_all_may_ask_again(apart: WholePair) -> None:
    """It was away until the revoked key had fallen silent."""
    host, guest = apart
    code = await confirmed_but_unheard(host, guest)
    await guest.stop()
    host.clock.advance(days=REVOCATION_DAYS + 1)
    await advance(host)
    await guest.start()
    host.clock.advance(hours=2)
    await settle(host, guest)
    waiting = await guest.partner(host)
    assert (waiting.state, waiting.problem_code) == (TrustState.WAITING, None)
    await guest.node.partners.accept(guest.office, code)
    await assert_partners_anew(host, guest)


async def test_guest_whose_host_can_still_answer_waits(apart: WholePair) -> None:
    host, guest = apart
    created = await host.node.partners.invite(host.office)
    await guest.node.partners.accept(guest.office, created.code)
    before = await guest.partner(host)
    for step in (guest.node.partners.accept, guest.node.partners.preview):
        with pytest.raises(ConflictError) as caught:
            await step(guest.office, created.code)
        assert caught.value.code == "partner-waiting"
    assert await guest.partner(host) == before
