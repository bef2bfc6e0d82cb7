"""The key is stolen or lost: what partners believe, and how it goes on."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from federation.errors import PermanentFetchError
from federation.keys import Signer
from federation.transport.client import FederationClient
from federation.trust import TrustState
from node.app import open_node
from node.errors import ConfigInvalidError, ConflictError, InvalidInputError
from node.keys.rules import REVOCATION_DAYS
from node.partners.directory import known_peer
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
async def two(tmp_path: Path) -> AsyncIterator[tuple[WholeNode, WholeNode]]:
    """Nord is the partner of Süd and has told it one entry."""
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord, sued = [
            await stack.enter_async_context(
                whole_node(tmp_path / name, name, clock=clock)
            )
            for name in ("nord", "sued")
        ]
        await connect(nord, sued)
        await nord.publish("Vorher")
        await settle(nord, sued)
        yield nord, sued


def fingerprint(node: WholeNode) -> str:
    return node.node.context.keys.active.fingerprint


async def test_revocation_is_believed_only_after_the_office_has_compared(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    before = (await sued.held_from(nord))["Vorher"]
    old = nord.node.context.signer
    await nord.node.own_keys.revoke(nord.office, reason="Laptop gestohlen")
    assert states(nord) == {1: "revoked", 2: "active"}
    await settle(nord)
    suspended = await sued.partner(nord)
    assert suspended.state is TrustState.SUSPENDED
    assert "partner-key-changed" in [
        mail.kind for mail in await sued.node.mail.list_mails()
    ]
    # Nothing new flows, in neither direction; what Süd holds stays as it was.
    await nord.publish("Nach dem Diebstahl")
    await settle(nord, sued)
    assert list(await sued.held_from(nord)) == ["Vorher"]
    assert (await nord.partner(sued)).told_key_number == 1

    # The thief speaks with the old key: nobody listens any more.
    async with FederationClient(
        clock=nord.clock, random=nord.random, allow_loopback_http=True
    ) as thief:
        stolen = Signer(nord.node.context.address, old.key, 1)
        page = await nord.node.sending.next_page((await nord.partner(sued)).id)
        with pytest.raises(PermanentFetchError) as caught:
            await thief.push_page(
                known_peer(await nord.partner(sued)), page.document, signer=stolen
            )
    assert (caught.value.status, caught.value.problem_code) == (401, "unknown-key")

    with pytest.raises(ConflictError) as differs:
        await sued.node.partners.confirm_key(
            sued.office, nord.base_url, fingerprint=old.key.public_key.fingerprint
        )
    assert differs.value.code == "fingerprint-differs"
    await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=fingerprint(nord)
    )
    nord.clock.advance(hours=2)
    await settle(nord)
    held = await sued.held_from(nord)
    assert {title: signed_by(row.document) for title, row in held.items()} == {
        "Vorher": 2,
        "Nach dem Diebstahl": 2,
    }
    assert (held["Vorher"].counter, held["Vorher"].id) == (
        before.counter + 1,
        before.id,
    )
    assert (await nord.partner(sued)).told_key_number == 2
    await assert_equal(nord, sued)
    await advance(nord)
    assert not (nord.folder / "node.key").exists()
    assert (nord.folder / "node-2.key").exists()


async def test_partner_that_was_away_hears_it_from_the_revoked_key(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await sued.stop()
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await settle(nord)
    nord.clock.advance(days=3)
    await advance(nord)
    assert (nord.folder / "node.key").exists(), "it still has to say so"
    # Killed and started again: the revoked key goes on speaking.
    await nord.stop()
    await nord.start()
    await sued.start()
    nord.clock.advance(hours=2)
    await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    await advance(nord)
    assert not (nord.folder / "node.key").exists()


async def test_revoked_key_that_nobody_knows_any_more_holds_nothing_up(
    two: tuple[WholeNode, WholeNode],
) -> None:
    """Süd has looked and compared before the revoked key could say anything."""
    nord, sued = two
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    nord.clock.advance(days=2)
    await sued.node.partners.keys.look_at_due()
    await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=fingerprint(nord)
    )
    await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    assert (await nord.partner(sued)).told_key_number == 2
    await assert_equal(nord, sued)
    await advance(nord)
    assert not (nord.folder / "node.key").exists()


async def test_revoked_key_is_silent_after_a_month(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await sued.stop()
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    nord.clock.advance(days=REVOCATION_DAYS, minutes=1)
    await advance(nord)
    assert not (nord.folder / "node.key").exists()
    # Süd finds out by itself when it is back and looks.
    await sued.start()
    await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    nord.clock.advance(days=2)
    await sued.node.partners.keys.look_at_due()
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED


async def test_lost_key_is_replaced_without_a_signature(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await nord.stop()
    (nord.folder / "node.key").unlink()
    with pytest.raises(ConfigInvalidError) as caught:
        await nord.start()
    assert "spalier keys restore" in caught.value.faults[0].message
    await nord.stop()

    async with open_node(
        nord.folder, clock=nord.clock, random=nord.random, without_secrets=True
    ) as node:
        with pytest.raises(ConflictError) as cannot:
            await node.own_keys.revoke(None, reason="Verloren")
        assert cannot.value.code == "key-missing"
        assert await node.own_keys.advance() == 0
        await node.own_keys.replace_lost(None, reason="Platte defekt")
    await nord.start()
    assert states(nord) == {1: "revoked", 2: "active"}
    await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.ACTIVE, "nobody told it"
    nord.clock.advance(days=2)
    await sued.node.partners.keys.look_at_due()
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=fingerprint(nord)
    )
    nord.clock.advance(hours=2)
    await settle(nord)
    assert signed_by((await sued.held_from(nord))["Vorher"].document) == 2
    await assert_equal(nord, sued)


async def test_key_that_is_there_is_not_lost(two: tuple[WholeNode, WholeNode]) -> None:
    nord, _sued = two
    with pytest.raises(ConflictError) as caught:
        await nord.node.own_keys.replace_lost(nord.office, reason="Aus Versehen")
    assert caught.value.code == "key-present"
    assert states(nord) == {1: "active"}


@pytest.mark.parametrize("reason", ["", "  \n ", "x" * 301])
async def test_revocation_needs_a_reason(
    two: tuple[WholeNode, WholeNode], reason: str
) -> None:
    nord, _sued = two
    with pytest.raises(InvalidInputError) as caught:
        await nord.node.own_keys.revoke(nord.office, reason=reason)
    assert caught.value.code == "reason-missing"
    assert states(nord) == {1: "active"}


async def test_retired_and_announced_keys_are_revoked_without_noise(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    await nord.node.own_keys.activate(nord.office)
    await nord.node.own_keys.retire(nord.office)
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    assert states(nord) == {1: "retired", 2: "active", 3: "announced"}
    assert (await nord.partner(sued)).told_key_number == 3
    await nord.node.own_keys.revoke(
        nord.office, reason="Alter Sicherungsstift", number=1
    )
    await nord.node.own_keys.revoke(nord.office, reason="Doch nicht", number=3)
    await settle(nord)
    assert states(nord) == {1: "revoked", 2: "active", 3: "revoked"}
    partner = await sued.partner(nord)
    assert partner.state is TrustState.ACTIVE
    assert {
        key.key_id.rpartition("-")[2]
        for key in known_peer(partner).keys
        if key.revoked is not None
    } == {"1", "3"}
    held = (await sued.held_from(nord))["Vorher"]
    assert (signed_by(held.document), held.counter) == (2, 2), "signed anew"
    await assert_equal(nord, sued)
    await advance(nord)
    assert sorted(path.name for path in nord.folder.glob("*.key")) == ["node-2.key"]
    with pytest.raises(ConflictError) as caught:
        await nord.node.own_keys.revoke(nord.office, reason="Noch einmal", number=3)
    assert caught.value.code == "key-revoked"
    with pytest.raises(InvalidInputError):
        await nord.node.own_keys.revoke(nord.office, reason="Gibt es nicht", number=9)
    # The next key has a number that never was.
    await nord.node.own_keys.rotate(nord.office)
    assert states(nord)[4] == "announced"


async def test_waiting_messages_are_built_anew_with_the_new_key(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, sued = two
    await sued.publish("Von Süd")
    await settle(sued)
    (row,) = (await nord.held_from(sued)).values()
    await sued.stop()
    await nord.node.conversations.answer(nord.office, row.id, "Noch frei?")
    await settle(nord)
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await sued.start()
    nord.clock.advance(hours=2)
    await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=fingerprint(nord)
    )
    nord.clock.advance(hours=2)
    await settle(nord)
    (thread,) = await sued.node.conversations.list_for(sued.office)
    assert [message.text for message in thread.messages] == ["Noch frei?"]


async def test_end_stays_open_until_the_withdrawals_are_believed(
    two: tuple[WholeNode, WholeNode],
) -> None:
    """Not to know our new key does not mean that Süd has taken the end."""
    nord, sued = two
    await sued.stop()
    await nord.node.partners.end(nord.office, sued.base_url)
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await sued.start()
    for _ in range(3):
        nord.clock.advance(hours=2)
        await settle(nord)
    assert (await sued.partner(nord)).state is TrustState.SUSPENDED
    waiting = await nord.partner(sued)
    assert waiting.state is TrustState.ENDING
    assert waiting.acked_seq < waiting.head_seq
    await sued.node.partners.confirm_key(
        sued.office, nord.base_url, fingerprint=fingerprint(nord)
    )
    nord.clock.advance(hours=2)
    await settle(nord)
    assert (await nord.partner(sued)).state is TrustState.ENDED
    assert await sued.held_from(nord) == {}


async def test_actor_shows_the_new_key_first_and_the_revoked_one_as_such(
    two: tuple[WholeNode, WholeNode],
) -> None:
    nord, _sued = two
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    async with FederationClient(
        clock=nord.clock, random=nord.random, allow_loopback_http=True
    ) as client:
        actor = await client.fetch_actor(nord.node.context.address.base_url)
    first, second = actor.keys
    assert first.key_id.endswith("#key-2")
    assert first.is_current
    assert second.key_id.endswith("#key-1")
    assert second.revoked is not None
    assert actor.updated == second.revoked
