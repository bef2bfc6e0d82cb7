"""Two offices become partners, exchange entries and part, over real HTTP."""

from dataclasses import replace

import pytest

from federation.trust import TrustState
from node.errors import ConflictError, InvalidInputError, NodeError, NotAuthorisedError
from node.storage.database import Transaction
from node.storage.outgoing import count_undelivered
from node.storage.partner_keys import store_keys
from node.storage.partners import update_partner
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, MovableClock, RunningNode, become_partners


async def received_titles(node: RunningNode) -> list[str]:
    async with node.database.read() as tx:
        found = await list_received(tx, where=received_entries.c.state == "present")
    return sorted(entry.title["de"] for entry in found)


async def test_invitation_leads_to_an_active_partnership_on_both_sides(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office, note="Süd")
    preview = await sued.partners.preview(sued.office, created.code)
    assert (preview.name, preview.base_url) == ("Nord", nord.base_url)
    waiting = await sued.partners.accept(sued.office, created.code.lower())
    assert waiting.state is TrustState.WAITING
    requested = await nord.partner(sued)
    assert requested.state is TrustState.REQUESTED
    assert requested.check_number == waiting.check_number == preview.check_number
    assert nord.partners.fingerprint(requested) != sued.partners.fingerprint(waiting)
    assert await nord.mails("partner-request") == [nord.office.email]

    active = await nord.partners.confirm(nord.office, "Sued", compared=True)
    assert active.state is TrustState.ACTIVE
    assert active.compared_at is not None
    assert (await sued.partner(nord)).state is TrustState.WAITING
    await nord.settle()
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    assert await sued.mails("partner-active") == [sued.office.email]
    events = [event.event for event in await nord.partners.events(active)]
    assert events == ["they_requested", "we_confirmed"]


async def test_entries_flow_after_the_confirmation_and_not_before(
    nord: RunningNode, sued: RunningNode
) -> None:
    await nord.catalogue.publish(nord.office, OFFER)
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await sued.partners.mark_compared(sued.office, nord.base_url)
    await nord.settle()
    assert await received_titles(sued) == []
    await nord.partners.confirm(nord.office, sued.base_url, compared=True)
    await nord.settle()
    assert await received_titles(sued) == ["Prüfung von Linsen"]


async def test_refusal_reaches_the_guest_with_its_reason(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await nord.partners.refuse(nord.office, "sued", reason="not this year")
    await nord.settle()
    partner = await sued.partner(nord)
    assert partner.state is TrustState.REFUSED
    assert (await nord.partner(sued)).state is TrustState.REFUSED
    assert (await sued.partners.events(partner))[-1].note == "not this year"


async def test_end_withdraws_everything_on_both_sides(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    other = {**OFFER, "title": {"de": "Freie Fräse"}}
    await sued.catalogue.publish(sued.office, other)
    await nord.settle()
    await sued.settle()
    assert await received_titles(sued) == ["Prüfung von Linsen"]
    assert await received_titles(nord) == ["Freie Fräse"]

    ending = await nord.partners.end(nord.office, "sued", reason="merger")
    assert ending.state is TrustState.ENDING
    assert await received_titles(nord) == []
    await nord.settle()
    for node, other_node in ((nord, sued), (sued, nord)):
        partner = await node.partner(other_node)
        assert partner.state is TrustState.ENDED
        assert partner.ended_at is not None
        assert await received_titles(node) == []
    async with nord.database.read() as tx:
        counts = await nord.ledger.counts(tx, ending.id)
    assert counts.waiting == 0


async def test_leave_waits_until_the_withdrawals_are_confirmed(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await nord.partners.end(nord.office, "sued")
    steps: list[str] = []
    await sued.stop()
    await nord.settle()
    partner = await nord.partner(sued)
    steps.append(partner.state.value)
    assert steps == ["ending"]
    assert partner.acked_seq < partner.head_seq


async def test_partners_again_after_the_end(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    await become_partners(sued, nord)
    assert (await nord.partner(sued)).state is TrustState.ACTIVE
    assert (await sued.partner(nord)).state is TrustState.ACTIVE
    assert await received_titles(sued) == ["Prüfung von Linsen"]


async def test_paused_partner_keeps_trying_and_nothing_is_lost(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    await sued.partners.pause(sued.office, "nord")
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert await received_titles(sued) == []
    behind = await nord.partner(sued)
    assert behind.acked_seq < behind.head_seq
    assert "partnership-paused" in str(behind.last_error)
    await sued.partners.resume(sued.office, "nord")
    clock.advance(hours=2)
    await nord.settle()
    assert await received_titles(sued) == ["Prüfung von Linsen"]


async def test_guest_takes_its_request_back(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await sued.partners.end(sued.office, "nord")
    await sued.settle()
    assert (await nord.partner(sued)).state is TrustState.ENDED
    with pytest.raises(ConflictError, match="has ended"):
        await nord.partners.confirm(nord.office, "sued")


async def test_both_invite_each_other(nord: RunningNode, sued: RunningNode) -> None:
    first = await nord.partners.invite(nord.office)
    second = await sued.partners.invite(sued.office)
    await sued.partners.accept(sued.office, first.code)
    with pytest.raises(ConflictError) as caught:
        await nord.partners.accept(nord.office, second.code)
    assert caught.value.code == "partner-requested"


async def test_lost_answer_to_the_request_is_repaired_by_accepting_again(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    waiting = await sued.partners.accept(sued.office, created.code)

    async def forget(tx: Transaction) -> None:
        await update_partner(tx, waiting.id, last_error="no answer")

    await sued.database.write(forget)
    again = await sued.partners.accept(sued.office, created.code)
    assert again.state is TrustState.WAITING
    assert (await nord.partner(sued)).request_id == again.request_id
    await nord.partners.confirm(nord.office, "sued")
    await nord.settle()
    assert (await sued.partner(nord)).state is TrustState.ACTIVE


async def test_host_that_refused_a_request_taken_back_has_nothing_left_to_send(
    nord: RunningNode, sued: RunningNode, clock: MovableClock
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await nord.partners.refuse(nord.office, "sued")
    await sued.partners.end(sued.office, "nord")
    await nord.settle()
    partner = await nord.partner(sued)
    async with nord.database.read() as tx:
        assert await count_undelivered(tx, partner.id) == 0
    assert partner.state is TrustState.REFUSED


# -- codes that do not work -----------------------------------------------------


async def refused(host: RunningNode, guest: RunningNode, code: str) -> NodeError:
    """Accept a code that fails; both nodes must stay as they are."""
    before = [await host.partnership_tables(), await guest.partnership_tables()]
    with pytest.raises(NodeError) as caught:
        await guest.partners.accept(guest.office, code)
    assert [await host.partnership_tables(), await guest.partnership_tables()] == before
    return caught.value


async def test_mistyped_code_names_the_group(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    groups = created.code.split("-")
    last = groups[2][-1]
    groups[2] = groups[2][:-1] + ("A" if last != "A" else "B")
    error = await refused(nord, sued, "-".join(groups))
    assert isinstance(error, InvalidInputError)
    assert (error.code, error.path) == ("invitation-mistyped", "code/3")
    assert "Group 3" in error.message


async def test_expired_code(
    nord: RunningNode, sued: RunningNode, clock: MovableClock
) -> None:
    created = await nord.partners.invite(nord.office, days=2)
    clock.advance(days=2, seconds=1)
    error = await refused(nord, sued, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "invitation-expired"


async def test_used_code(
    nord: RunningNode, sued: RunningNode, ost: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    error = await refused(nord, ost, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "invitation-used"


async def test_second_accept_by_the_same_guest(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    error = await refused(nord, sued, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "partner-waiting"


async def test_code_of_an_existing_partner(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    created = await nord.partners.invite(nord.office)
    error = await refused(nord, sued, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "partner-active"
    assert "2026-11-21" in error.message


async def test_revoked_code(nord: RunningNode, sued: RunningNode) -> None:
    created = await nord.partners.invite(nord.office)
    await nord.partners.revoke_invitation(nord.office, created.code.split("/")[1][:5])
    error = await refused(nord, sued, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "invitation-revoked"


async def test_own_code(nord: RunningNode) -> None:
    created = await nord.partners.invite(nord.office)
    error = await refused(nord, nord, created.code)
    assert isinstance(error, ConflictError)
    assert error.code == "invitation-own"


async def test_code_with_another_secret_is_not_told_from_an_unknown_one(
    nord: RunningNode, sued: RunningNode
) -> None:
    from federation.handshake import format_code

    code = format_code(nord.context.address.base_url, b"0123456789")
    error = await refused(nord, sued, code)
    assert error.code == "invitation-refused"


async def test_host_that_is_down(nord: RunningNode, sued: RunningNode) -> None:
    created = await nord.partners.invite(nord.office)
    await nord.stop()
    error = await refused(nord, sued, created.code)
    assert error.code == "partner-unreachable"


async def test_only_the_office_changes_partnerships(nord: RunningNode) -> None:
    member = await nord.add_person("max@firma.example", organisation="Firma")
    with pytest.raises(NotAuthorisedError, match="Only the office"):
        await nord.partners.invite(member)


async def test_request_whose_address_shows_another_key_is_not_confirmed(
    nord: RunningNode, sued: RunningNode, ost: RunningNode
) -> None:
    """An invited node that names somebody else's address stays unconfirmed."""
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    partner = await nord.partner(sued)
    other_key = ost.context.signer.key.public_key.multibase
    changed = replace(partner.key, id="changed", multibase=other_key)

    async def exchange_key(tx: Transaction) -> None:
        await store_keys(tx, partner.id, [changed], at=partner.created_at)

    await nord.database.write(exchange_key)
    before = await nord.partnership_tables()
    with pytest.raises(ConflictError) as caught:
        await nord.partners.confirm(nord.office, "sued")
    assert caught.value.code == "partner-key-differs"
    assert await nord.partnership_tables() == before
