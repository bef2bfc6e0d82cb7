"""Handshakes that go wrong halfway, and partnerships that start again."""

from typing import Any

import pytest
from sqlalchemy import select

from federation.documents.actor import ActorDocument
from federation.documents.partner_request import build_partner_request
from federation.errors import PermanentFetchError, TemporaryFetchError
from federation.handshake import parse_code
from federation.ids import NodeAddress, parse_base_url
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, NodeError, UnavailableError
from node.keys.model import KeyState
from node.storage import tables
from node.storage.database import Transaction
from node.storage.ledger import rows_of_partner
from node.storage.outgoing import count_undelivered
from tests.http.nodes import OFFER, MovableClock, RunningNode, SeededRandom
from tests.http.partner_key_world import show, signer

OF_PARTNERSHIPS = (
    "received_entries",
    "partner_views",
    "partner_events",
    "outgoing_activities",
    "disclosures",
    "disclosure_history",
    "partner_days",
    "partner_policies",
    "unaccounted_entries",
    "receipts",
    "partner_keys",
    "processed_activities",
)


async def impostor_asks(
    host: RunningNode, code: str, claimed: RunningNode, clock: MovableClock
) -> None:
    """Whoever has an invitation names another node's address with an own key."""
    random = SeededRandom("impostor")
    key = SigningKey.generate(random)
    base_url = parse_base_url(claimed.base_url, allow_loopback_http=True)
    signer = Signer(NodeAddress(base_url), key, 1)
    actor = ActorDocument(
        base_url=base_url,
        name=claimed.name,
        keys=(PinnedKey(signer.key_id, key.public_key),),
    )
    seen = await claimed.client.fetch_actor(
        parse_base_url(host.base_url, allow_loopback_http=True)
    )
    request = build_partner_request(
        actor,
        host=seen,
        secret=parse_code(code, allow_loopback_http=True).secret,
        signer=signer,
        random=random,
        created=clock.now(),
    )
    await claimed.client.post_partner_request(seen.base_url, request, signer=signer)


async def forget_everybody(node: RunningNode) -> None:
    """The node was set up anew: it knows no partner any more."""

    async def work(tx: Transaction) -> None:
        for name in OF_PARTNERSHIPS:
            await tx.execute(getattr(tables, name).delete())
        await tx.execute(tables.invitations.update().values(partner_id=None))
        await tx.execute(tables.partners.delete())

    await node.database.write(work)


async def states_received(node: RunningNode) -> list[str]:
    async with node.database.read() as tx:
        rows = await tx.all(select(tables.received_entries.c.state))
    return [row.state for row in rows]


async def settle(*nodes: RunningNode, clock: MovableClock) -> None:
    for _ in range(4):
        for node in nodes:
            await node.settle()
        clock.advance(hours=2)


# -- confirming -----------------------------------------------------------------


async def test_nobody_is_confirmed_whose_key_cannot_be_compared(
    nord: RunningNode, sued: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    before = await nord.partnership_tables()

    async def down(_base_url: str) -> ActorDocument:
        raise TemporaryFetchError("no connection")

    with monkeypatch.context() as patched:
        patched.setattr(nord.client, "fetch_actor", down)
        with pytest.raises(UnavailableError) as caught:
            await nord.partners.confirm(nord.office, "sued")
    assert caught.value.code == "partner-unreachable"
    assert await nord.partnership_tables() == before
    confirmed = await nord.partners.confirm(nord.office, "sued")
    assert confirmed.state is TrustState.ACTIVE


async def test_request_that_arrives_while_the_office_confirms_another(
    nord: RunningNode,
    sued: RunningNode,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await nord.partners.invite(nord.office)
    second = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, first.code)
    fetch = nord.client.fetch_actor

    async def overtaken(base_url: Any) -> ActorDocument:
        found = await fetch(base_url)
        await impostor_asks(nord, second.code, sued, clock)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(nord.client, "fetch_actor", overtaken)
        with pytest.raises(ConflictError) as caught:
            await nord.partners.confirm(nord.office, "sued", compared=True)
    assert caught.value.code == "request-changed"
    partner = await nord.partner(sued)
    assert (partner.state, partner.compared_at) == (TrustState.REQUESTED, None)


async def test_form_about_an_earlier_request_confirms_nothing(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    seen = await nord.partner(sued)
    for other in ({"request_id": f"{seen.request_id}x"}, {"check_number": "0000 0000"}):
        with pytest.raises(ConflictError) as caught:
            await nord.partners.confirm(nord.office, "sued", **other)
        assert caught.value.code == "request-changed"
    confirmed = await nord.partners.confirm(
        nord.office,
        "sued",
        request_id=seen.request_id,
        check_number=seen.check_number,
    )
    assert confirmed.state is TrustState.ACTIVE


@pytest.mark.parametrize("state", [TrustState.WAITING, TrustState.ENDING])
async def test_third_party_does_not_replace_the_key_that_is_awaited(
    partners: tuple[RunningNode, RunningNode],
    clock: MovableClock,
    state: TrustState,
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await nord.partners.end(nord.office, "sued")
    if state is TrustState.WAITING:
        await settle(nord, sued, clock=clock)
        created = await sued.partners.invite(sued.office)
        await nord.partners.accept(nord.office, created.code)
    before = await nord.partner(sued)
    assert before.state is state
    invitation = await nord.partners.invite(nord.office)
    tables_before = await nord.partnership_tables()
    with pytest.raises(PermanentFetchError) as caught:
        await impostor_asks(nord, invitation.code, sued, clock)
    assert caught.value.problem_code == "guest-key-mismatch"
    assert await nord.partnership_tables() == tables_before
    if state is TrustState.WAITING:
        await sued.partners.confirm(sued.office, "nord")
        await sued.settle()
        assert (await nord.partner(sued)).state is TrustState.ACTIVE


async def test_refusal_after_the_confirmation_takes_nothing_back(
    partners: tuple[RunningNode, RunningNode],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The host's signed Accept overtakes an answer that refuses the request."""
    nord, sued = partners
    await nord.partners.end(nord.office, "sued")
    await settle(nord, sued, clock=clock)
    created = await sued.partners.invite(sued.office)
    post = nord.client.post_partner_request

    async def late_refusal(base_url: Any, request: Any, *, signer: Signer) -> None:
        await post(base_url, request, signer=signer)
        await sued.partners.confirm(sued.office, "nord")
        await sued.settle()
        raise PermanentFetchError("403", status=403, problem_code="invitation-refused")

    monkeypatch.setattr(nord.client, "post_partner_request", late_refusal)
    with pytest.raises(NodeError):
        await nord.partners.accept(nord.office, created.code)
    assert (await nord.partner(sued)).state is TrustState.ACTIVE


# -- a partnership that does not end by itself -----------------------------------


async def test_close_without_confirmation_keeps_what_is_open_and_tells_it_later(
    partners: tuple[RunningNode, RunningNode],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    with pytest.raises(ConflictError):
        await nord.partners.close_unconfirmed(nord.office, "sued")

    async def down(*_: object, **__: object) -> None:
        raise TemporaryFetchError("no connection")

    await nord.partners.end(nord.office, "sued")
    with monkeypatch.context() as patched:
        patched.setattr(nord.client, "push_page", down)
        patched.setattr(nord.client, "post_activity", down)
        await settle(nord, clock=clock)
        assert (await nord.partner(sued)).state is TrustState.ENDING
        closed = await nord.partners.close_unconfirmed(nord.office, "sued")
        await nord.settle()
    assert closed.state is TrustState.ENDED
    assert closed.ended_at is not None
    async with nord.database.read() as tx:
        (row,) = await rows_of_partner(tx, closed.id)
        assert (await nord.ledger.counts(tx, closed.id)).waiting == 1
    assert (row.op, row.acknowledged_at) == ("withdraw", None)
    events = [event.event for event in await nord.partners.events(closed)]
    assert events[-2:] == ["we_ended", "we_closed"]

    # It comes back after all, and learns that it is over.
    assert await states_received(sued) == ["present"]
    await settle(nord, clock=clock)
    assert (await sued.partner(nord)).state is TrustState.ENDED
    assert "present" not in await states_received(sued)


async def test_partner_that_was_set_up_anew_becomes_one_again(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await forget_everybody(sued)
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    created = await sued.partners.invite(sued.office)
    waiting = await nord.partners.accept(nord.office, created.code)
    assert waiting.state is TrustState.WAITING
    async with nord.database.read() as tx:
        assert await count_undelivered(tx, waiting.id) == 0
    await nord.partners.mark_compared(nord.office, waiting.id)
    await sued.partners.confirm(sued.office, "nord", compared=True)
    await settle(sued, nord, clock=clock)
    assert (await nord.partner(sued)).state is TrustState.ACTIVE
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    assert await states_received(sued) == ["present"]


async def test_partner_that_is_left_asks_again_with_the_key_we_know(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await forget_everybody(sued)
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.partners.end(nord.office, "sued")
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    assert (await nord.partner(sued)).state is TrustState.REQUESTED


async def test_refused_request_leaves_a_partnership_that_is_being_ended_as_it_was(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    """The withdrawals and the notice still go out."""
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    created = await sued.partners.invite(sued.office)
    await sued.partners.revoke_invitation(sued.office, created.invitation.id)
    await nord.partners.end(nord.office, "sued")
    before = await nord.partnership_tables()
    with pytest.raises(NodeError):
        await nord.partners.accept(nord.office, created.code)
    assert await nord.partnership_tables() == before
    await settle(nord, clock=clock)
    assert (await nord.partner(sued)).state is TrustState.ENDED
    assert (await sued.partner(nord)).state is TrustState.ENDED
    assert "present" not in await states_received(sued)


async def test_refused_request_leaves_the_keys_that_counted_before(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    """Süd was set up anew meanwhile, and does not take Nord's request."""
    nord, sued = partners
    await nord.partners.end(nord.office, "sued")
    await nord.partners.close_unconfirmed(nord.office, "sued")
    before = await nord.partnership_tables()
    known = await nord.partner(sued)
    await forget_everybody(sued)
    show(sued, (signer(sued, 2), KeyState.ACTIVE))
    created = await sued.partners.invite(sued.office)
    await sued.partners.revoke_invitation(sued.office, created.invitation.id)
    with pytest.raises(NodeError):
        await nord.partners.accept(nord.office, created.code)
    assert (await nord.partner(sued)).keys == known.keys
    assert await nord.partnership_tables() == before


async def test_request_taken_back_is_told_though_an_old_withdrawal_is_open(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await sued.partners.end(sued.office, "nord")
    await settle(sued, nord, clock=clock)
    created = await sued.partners.invite(sued.office)
    await nord.partners.accept(nord.office, created.code)
    await nord.partners.end(nord.office, "sued")
    await settle(nord, clock=clock)
    assert (await sued.partner(nord)).state is TrustState.ENDED


# -- what an office writes --------------------------------------------------------


async def test_reason_of_several_lines_arrives_as_one(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    reason = "Danke.\r\nBis\u202e bald."
    await nord.partners.end(nord.office, "sued", reason=reason)
    await settle(nord, clock=clock)
    assert (await nord.partner(sued)).state is TrustState.ENDED
    notes = [each.note for each in await sued.partners.events(await sued.partner(nord))]
    assert "Danke. Bis bald." in notes


async def test_reason_that_is_too_long_changes_nothing(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, _ = partners
    before = await nord.partnership_tables()
    with pytest.raises(InvalidInputError) as caught:
        await nord.partners.end(nord.office, "sued", reason="x" * 301)
    assert caught.value.path == "reason"
    assert await nord.partnership_tables() == before


async def test_invitation_notes_hold_no_unseen_characters(nord: RunningNode) -> None:
    created = await nord.partners.invite(nord.office, note="f\x00ür\r\nSüd")
    assert created.invitation.note == "für Süd"
