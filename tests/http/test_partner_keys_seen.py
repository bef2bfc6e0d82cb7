"""Another key at a partner's address: nothing flows until the office confirms."""

from typing import Any

import pytest

from federation.documents import ActorDocument
from federation.documents.page import build_page
from federation.key_changes import SuspensionReason
from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, NotAuthorisedError
from node.keys.model import KeyState
from node.partners.model import KeyOrigin
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, START, MovableClock, RunningNode
from tests.http.partner_key_world import (
    Pair,
    confirm,
    entry_page,
    listed,
    post,
    show,
    signer,
    suspend,
    titles,
    update,
)
from tests.http.sender import Sender, Untouched

# -- seen at the address ----------------------------------------------------------


async def test_other_key_at_the_address_stops_the_flow_until_the_office_confirms(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Vorher"}})
    await nord.settle()
    assert await titles(sued) == ["Vorher"]
    one = signer(sued, 1)
    two = await suspend(nord, sued)
    partner = await nord.partner(sued)
    assert partner.suspended_because is SuspensionReason.NOT_LISTED
    assert len(await nord.mails("partner-key-changed")) == 1
    assert (await nord.partners.events(partner))[-1].note == (
        two.key.public_key.fingerprint
    )
    # Nothing leaves, and what comes is refused.
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Dabei"}})
    before = list(sued.reached)
    await nord.settle()
    assert sued.reached == before
    for by, status, code in (
        (one, 403, "partnership-suspended"),
        (two, 401, "unknown-key"),
    ):
        page = entry_page(sued, by, created=START)
        async with Untouched(nord, sued):
            answer = await post(sender, nord, page, by=by)
        assert (answer.status, answer.code) == (status, code)
    # The same look again asks nobody twice.
    await nord.partners.keys.look(partner)
    assert len(await nord.mails("partner-key-changed")) == 1
    await refused_confirmations(nord, sued)
    active = await confirm(nord, sued, two, (two, KeyState.ACTIVE))
    assert (active.state, active.offered_multibase) == (TrustState.ACTIVE, None)
    assert active.key.origin is KeyOrigin.CONFIRMED
    earlier = await nord.partners.keys.history(active)
    assert [(key.key_id, key.replaced_at is None) for key in earlier] == [
        (two.key_id, True),
        (one.key_id, False),
    ]
    await nord.settle()
    assert await titles(sued) == ["Dabei", "Vorher"]
    assert (await nord.partner(sued)).digest_equal
    page = entry_page(sued, two, created=START)
    assert (await post(sender, nord, page, by=two)).status == 200
    async with Untouched(nord, sued):
        answer = await post(sender, nord, page, by=one)
    assert (answer.status, answer.code) == (401, "unknown-key")


async def refused_confirmations(nord: RunningNode, sued: RunningNode) -> None:
    """Whatever is not the key that the address shows now is not confirmed."""
    before = await nord.tables()
    for typed, error, code in (
        ("3BA2 8CBD DB7C 2559", ConflictError, "fingerprint-differs"),
        ("3BA2 8CBD", InvalidInputError, "fingerprint-mistyped"),
        ("", InvalidInputError, "fingerprint-mistyped"),
    ):
        with pytest.raises(error) as caught:
            await nord.partners.confirm_key(nord.office, "sued", fingerprint=typed)
        assert caught.value.code == code
    member = await nord.add_person("anna@nord.example", organisation="Firma")
    before = await nord.tables()
    with pytest.raises(NotAuthorisedError):
        await nord.partners.confirm_key(member, "sued", fingerprint="x")
    assert await nord.tables() == before


async def test_paused_before_is_paused_afterwards(partners: Pair) -> None:
    nord, sued = partners
    await nord.partners.pause(nord.office, sued.base_url)
    two = await suspend(nord, sued)
    back = await confirm(nord, sued, two, (two, KeyState.ACTIVE))
    assert (back.state, back.suspended_from) == (TrustState.PAUSED, None)
    assert (await nord.partner(sued)).state is TrustState.PAUSED


async def test_nothing_to_confirm_while_the_key_is_in_order(partners: Pair) -> None:
    nord, sued = partners
    with pytest.raises(ConflictError) as caught:
        await nord.partners.confirm_key(
            nord.office, sued.base_url, fingerprint="3BA2 8CBD DB7C 2559"
        )
    assert caught.value.code == "partner-active"


async def test_nothing_that_is_signed_ends_a_suspension(
    partners: Pair, sender: Sender
) -> None:
    """The pinned key may be what was stolen, and the shown one is public."""
    nord, sued = partners
    one, evil = signer(sued, 1), signer(sued, 77, seed="evil")
    two = signer(sued, 2)
    show(sued, (two, KeyState.ACTIVE), (one, KeyState.REVOKED))
    await nord.partners.keys.look(await nord.partner(sued))
    before = await nord.partner(sued)
    assert before.suspended_because is SuspensionReason.DISOWNED
    for keys in (
        (listed(one),),
        (listed(one), listed(two)),
        (listed(one), listed(two), listed(evil)),
        (listed(two), listed(one, expires=START)),
    ):
        document = await update(sued, nord, *keys, by=one)
        async with Untouched(nord, sued):
            answer = await post(sender, nord, document, by=one)
        assert (answer.status, answer.code) == (403, "partnership-suspended")
        assert await nord.partner(sued) == before
    # That the key itself counts no more is heard.
    revoked = await update(sued, nord, listed(two), listed(one, revoked=START), by=one)
    assert (await post(sender, nord, revoked, by=one)).status == 202
    partner = await nord.partner(sued)
    assert partner.suspended_because is SuspensionReason.REVOKED_ITSELF
    active = await confirm(
        nord, sued, two, (two, KeyState.ACTIVE), (one, KeyState.REVOKED)
    )
    assert active.state is TrustState.ACTIVE


async def test_partnership_that_ends_while_the_key_is_compared(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    two = await suspend(nord, sued)
    fetch = nord.client.fetch_actor

    async def overtaken(base_url: Any) -> ActorDocument:
        found = await fetch(base_url)
        await nord.partners.end(nord.office, "sued")
        return found

    with monkeypatch.context() as patched:
        patched.setattr(nord.client, "fetch_actor", overtaken)
        with pytest.raises(ConflictError) as caught:
            await nord.partners.confirm_key(
                nord.office, "sued", fingerprint=two.key.public_key.fingerprint
            )
    assert caught.value.code == "partner-ending"
    partner = await nord.partner(sued)
    assert partner.state is TrustState.ENDING
    assert [key.key_id for key in partner.keys] == [one.key_id]


async def test_announcement_that_arrives_during_a_look(
    partners: Pair, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched before says nothing about what was announced after."""
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    fetch = nord.client.fetch_actor

    async def overtaken(base_url: Any) -> ActorDocument:
        found = await fetch(base_url)
        document = await update(sued, nord, listed(one), listed(two), by=one)
        assert (await post(sender, nord, document, by=one)).status == 202
        return found

    with monkeypatch.context() as patched:
        patched.setattr(nord.client, "fetch_actor", overtaken)
        await nord.partners.keys.look(await nord.partner(sued))
    partner = await nord.partner(sued)
    assert (partner.state, len(partner.keys)) == (TrustState.ACTIVE, 2)
    # Now it lists one of them alone.
    await nord.partners.keys.look(partner)
    now = await nord.partner(sued)
    assert (now.state, now.suspended_because) == (
        TrustState.SUSPENDED,
        SuspensionReason.DISOWNED,
    )


async def test_known_key_that_is_shown_again_still_needs_the_office(
    partners: Pair,
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    await suspend(nord, sued)
    show(sued, (one, KeyState.ACTIVE))
    await nord.partners.keys.look(await nord.partner(sued))
    partner = await nord.partner(sued)
    assert (partner.state, partner.offered_multibase) == (TrustState.SUSPENDED, None)
    back = await confirm(nord, sued, one, (one, KeyState.ACTIVE))
    assert (back.state, back.key) == (TrustState.ACTIVE, partner.key)


async def test_further_keys_at_the_address_change_nothing(partners: Pair) -> None:
    nord, sued = partners
    before = await nord.partner(sued)
    show(
        sued,
        (signer(sued, 1), KeyState.ACTIVE),
        (signer(sued, 2), KeyState.ANNOUNCED),
    )
    await nord.partners.keys.look(before)
    now = await nord.partner(sued)
    assert (now.state, now.keys) == (TrustState.ACTIVE, before.keys)


async def test_withdrawals_and_leave_are_taken_while_suspended_and_it_can_end(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    await suspend(nord, sued)
    empty = build_page(
        [],
        address=sued.context.address,
        epoch="0123456789abcdef" * 2,
        first=1,
        last=0,
        head=0,
    )
    assert (await post(sender, nord, dict(empty), by=one)).status == 200
    ended = await nord.partners.end(nord.office, sued.base_url)
    assert ended.state is TrustState.ENDING


# -- when it is looked at ---------------------------------------------------------


async def test_every_partner_is_looked_at_once_a_day(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners

    def looks() -> int:
        return sued.reached.count("GET /actor")

    before = looks()
    assert await nord.partners.keys.look_at_due() == 0
    clock.advance(hours=19)
    assert await nord.partners.keys.look_at_due() == 0
    clock.advance(hours=9, minutes=1)
    assert await nord.partners.keys.look_at_due() == 1
    assert await nord.partners.keys.look_at_due() == 0
    assert looks() == before + 1
    assert (await nord.partner(sued)).looked_at == clock.now()


async def test_partner_that_does_not_answer_is_not_suspended(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await sued.stop()
    clock.advance(hours=29)
    assert await nord.partners.keys.look_at_due() == 1
    partner = await nord.partner(sued)
    assert (partner.state, partner.looked_at) == (TrustState.ACTIVE, clock.now())


@pytest.mark.parametrize("number", [1, 2], ids=["same id", "other id"])
async def test_answer_with_an_unknown_key_is_looked_into_once_an_hour(
    partners: Pair, clock: MovableClock, number: int
) -> None:
    """Süd was set up anew and signs its receipts with a key that is not pinned."""
    nord, sued = partners
    clock.advance(minutes=61)
    show(sued, (signer(sued, number, seed="anew"), KeyState.ACTIVE))
    before = sued.reached.count("GET /actor")
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert sued.reached.count("GET /actor") == before + 1
    partner = await nord.partner(sued)
    assert partner.state is TrustState.SUSPENDED
    await nord.partners.keys.foreign_key_seen(partner)
    assert sued.reached.count("GET /actor") == before + 1
    clock.advance(minutes=61)
    await nord.partners.keys.foreign_key_seen(partner)
    assert sued.reached.count("GET /actor") == before + 2


# -- later partners ---------------------------------------------------------------


async def test_partner_that_joins_after_a_rotation_verifies_old_entries(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    """Both ways of learning the keys: the request, and the host's actor."""
    one, two = signer(sued, 1), signer(sued, 2)
    show(sued, (two, KeyState.ACTIVE), (one, KeyState.RETIRED))
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await nord.partners.confirm(nord.office, sued.base_url, compared=True)
    partner = await nord.partner(sued)
    assert [key.key_id for key in partner.keys] == [two.key_id, one.key_id]
    assert partner.keys[1].expires == START
    old = entry_page(sued, one, created=START)
    assert (await post(sender, nord, old, by=two)).status == 200
    assert await titles(nord) == ["Prüfung von Linsen"]


async def test_guest_pins_the_hosts_retired_keys_and_no_second_current_one(
    nord: RunningNode, sued: RunningNode
) -> None:
    one, two, three = (signer(sued, number) for number in (1, 2, 3))
    show(
        sued,
        (two, KeyState.ACTIVE),
        (one, KeyState.RETIRED),
        (three, KeyState.ANNOUNCED),
    )
    created = await sued.partners.invite(sued.office)
    await nord.partners.accept(nord.office, created.code)
    partner = await nord.partner(sued)
    assert [key.key_id for key in partner.keys] == [two.key_id, one.key_id]


async def test_key_that_was_revoked_cannot_begin_a_new_partnership(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    revoked = listed(one, revoked=START)
    document = await update(sued, nord, listed(two), revoked, by=one)
    await post(sender, nord, document, by=one)
    await nord.partners.end(nord.office, sued.base_url)
    await nord.partners.close_unconfirmed(nord.office, sued.base_url)
    await sued.partners.end(sued.office, nord.base_url)
    await sued.partners.close_unconfirmed(sued.office, nord.base_url)
    created = await nord.partners.invite(nord.office)
    with pytest.raises(ConflictError) as caught:
        await sued.partners.accept(sued.office, created.code)
    assert caught.value.code == "guest-key-ended"
    assert (await nord.partner(sued)).state is TrustState.ENDED
    invitation = await sued.partners.invite(sued.office)
    with pytest.raises(ConflictError) as caught:
        await nord.partners.preview(nord.office, invitation.code)
    assert caught.value.code == "partner-key-ended"


# -- nothing is lost --------------------------------------------------------------


async def test_withdrawals_arrive_meanwhile_and_entries_afterwards(
    partners: Pair, clock: MovableClock
) -> None:
    """Süd knows nothing of the suspension: what it sends waits by itself."""
    nord, sued = partners
    one = signer(sued, 1)
    first = await sued.catalogue.publish(sued.office, OFFER)
    await sued.settle()
    assert await titles(nord) == ["Prüfung von Linsen"]
    await suspend(nord, sued)
    show(sued, (one, KeyState.ACTIVE))
    await sued.catalogue.publish(sued.office, {**OFFER, "title": {"de": "Dabei"}})
    await sued.catalogue.withdraw(sued.office, first.id)
    await sued.settle()
    assert await titles(nord) == []
    stuck = await sued.partner(nord)
    assert (stuck.state, stuck.attempts) == (TrustState.ACTIVE, 1)
    assert "partnership-suspended" in (stuck.last_error or "")
    await nord.partners.keys.look(await nord.partner(sued))
    await confirm(nord, sued, one, (one, KeyState.ACTIVE))
    clock.advance(minutes=1)
    await sued.settle()
    assert await titles(nord) == ["Dabei"]
    assert (await sued.partner(nord)).digest_equal


async def test_messages_wait_while_suspended(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    await sued.catalogue.publish(sued.office, OFFER)
    await sued.settle()
    anna = await nord.add_person("anna@nord.example", organisation="Firma")
    async with nord.database.read() as tx:
        (entry,) = await list_received(tx, where=received_entries.c.state == "present")
    await suspend(nord, sued)
    await nord.conversations.answer(anna, entry.uri, "Ist das noch frei?")
    before = list(sued.reached)
    await nord.settle()
    assert sued.reached == before
    await confirm(nord, sued, one, (one, KeyState.ACTIVE))
    await nord.settle()
    # The message, and a page to compare both sides after the pause.
    assert sued.reached[len(before) :] == ["GET /actor", "POST /inbox", "POST /inbox"]
    (thread,) = await sued.conversations.list_for(sued.office)
    assert thread.messages[0].text == "Ist das noch frei?"
