"""The office's three actions on a partnership, and their undoing, over real HTTP."""

import pytest

from federation.trust import TrustState
from node.catalogue.model import ReceivedState
from node.errors import ConflictError, NotAuthorisedError
from node.office import Overview
from node.office.partner_report import write_report
from node.partners.history import end_can_be_undone_until
from node.storage.received import PURGED_REASON, count_purged, count_received
from tests.http.nodes import OFFER, MovableClock, RunningNode, become_partners
from tests.http.test_partnership import received_titles

Pair = tuple[RunningNode, RunningNode]


async def steps_of(node: RunningNode, other: RunningNode) -> list[tuple[str, str]]:
    """History of a partnership: step and note."""
    partner = await node.partner(other)
    events = await node.partners.events(partner)
    return [(event.event, event.note or "") for event in events]


@pytest.fixture
async def told(partners: Pair) -> Pair:
    """Süd holds two entries of Nord."""
    nord, sued = partners
    for title in ("Prüfung von Linsen", "Freie Fräse"):
        await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": title}})
    await nord.settle()
    assert await received_titles(sued) == ["Freie Fräse", "Prüfung von Linsen"]
    return nord, sued


async def test_hiding_keeps_the_copies_and_says_who_did_it(told: Pair) -> None:
    nord, sued = told
    hidden = await sued.partners.hide(sued.office, "nord")
    assert hidden.hidden_at is not None
    assert hidden.hidden_by == sued.office.id
    assert await received_titles(sued) == ["Freie Fräse", "Prüfung von Linsen"]
    with pytest.raises(ConflictError, match="hidden already"):
        await sued.partners.hide(sued.office, "nord")
    shown = await sued.partners.show_again(sued.office, "nord")
    assert (shown.hidden_at, shown.hidden_by) == (None, None)
    with pytest.raises(ConflictError, match="not hidden"):
        await sued.partners.show_again(sued.office, "nord")
    steps = [step for step, _note in await steps_of(sued, nord)]
    assert steps[-2:] == ["we_hid", "we_showed"]
    # The partner learns nothing of it.
    assert (await nord.partner(sued)).digest_equal is True


async def test_a_new_partnership_begins_without_what_was_hidden(told: Pair) -> None:
    nord, sued = told
    await sued.partners.hide(sued.office, "nord")
    await sued.partners.end(sued.office, "nord")
    await sued.settle()
    await become_partners(nord, sued)
    assert (await sued.partner(nord)).hidden_at is None


async def test_purge_needs_a_stopped_partnership(told: Pair) -> None:
    nord, sued = told
    before = await sued.tables()
    with pytest.raises(ConflictError) as caught:
        await sued.partners.purge(sued.office, "nord")
    assert caught.value.code == "partner-active"
    member = await nord.add_person("max@firma.example", organisation="Firma")
    with pytest.raises(NotAuthorisedError):
        await nord.partners.purge(member, "sued")
    assert await sued.tables() == before


async def test_purged_copies_are_gone_and_come_back_whole(told: Pair) -> None:
    nord, sued = told
    await sued.partners.pause(sued.office, "nord")
    assert await sued.partners.purge(sued.office, "nord") == 2
    partner = await sued.partner(nord)
    effects = await Overview(sued.context).effects(partner)
    assert (effects.held, effects.purged) == (0, 2)
    assert "Fräse" not in repr(await sued.tables())
    with pytest.raises(ConflictError, match="paused"):
        await sued.partners.fetch_again(sued.office, "nord")

    await sued.partners.resume(sued.office, "nord")
    await sued.settle()
    assert await received_titles(sued) == []
    assert await sued.partners.fetch_again(sued.office, "nord") == 2
    await sued.settle()
    assert await received_titles(sued) == ["Freie Fräse", "Prüfung von Linsen"]
    assert (await sued.partner(nord)).refetch_since is None
    with pytest.raises(ConflictError, match="No copies"):
        await sued.partners.fetch_again(sued.office, "nord")
    assert (await steps_of(sued, nord))[-1] == ("we_fetched", "2")


async def test_both_sides_agree_after_a_purge_and_after_its_undoing(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await sued.partners.pause(sued.office, "nord")
    await sued.partners.purge(sued.office, "nord")
    await sued.partners.resume(sued.office, "nord")
    await compare(nord, sued, clock)
    held = (await nord.partner(sued)).receipt_held
    async with nord.database.read() as tx:
        counts = await nord.ledger.counts(tx, (await nord.partner(sued)).id)
    assert (held, counts.sent, counts.held, counts.refused) == (0, 2, 0, 2)

    await sued.partners.fetch_again(sued.office, "nord")
    await sued.settle()
    await compare(nord, sued, clock)
    assert (await nord.partner(sued)).receipt_held == 2


async def compare(nord: RunningNode, sued: RunningNode, clock: MovableClock) -> None:
    """Let a day pass, and both sides compare and repair; then they are equal."""
    for _round in range(3):
        clock.advance(hours=29)
        await nord.settle()
        await sued.settle()
    assert (await nord.partner(sued)).digest_equal is True
    assert (await nord.partner(sued)).attempts == 0


async def test_withdrawals_reach_purged_copies_and_new_versions_come(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    fraese, linsen = await nord.catalogue.mine(nord.office)
    await sued.partners.pause(sued.office, "nord")
    await sued.partners.purge(sued.office, "nord")
    await nord.catalogue.withdraw(nord.office, fraese.id)
    await nord.settle()
    partner = await sued.partner(nord)
    async with sued.database.read() as tx:
        assert await count_received(tx, partner.id, ReceivedState.WITHDRAWN) == 1
        assert await count_purged(tx, partner.id) == 1
    await sued.partners.resume(sued.office, "nord")
    new = {**OFFER, "title": {"de": "Prüfung von Spiegeln"}}
    await nord.catalogue.publish(nord.office, new, entry_ref=linsen.id)
    clock.advance(hours=2)
    await nord.settle()
    assert await received_titles(sued) == ["Prüfung von Spiegeln"]


async def test_partner_reads_why_its_entries_are_kept_out(told: Pair) -> None:
    nord, sued = told
    await sued.partners.pause(sued.office, "nord")
    await sued.partners.purge(sued.office, "nord")
    await sued.partners.resume(sued.office, "nord")
    partner = await nord.partner(sued)
    await nord.sending.rewind(partner.id, 0)
    await nord.settle()
    # The same versions come again, so the purge is over for them.
    lines = [line async for line in nord.ledger.each_line(partner_id=partner.id)]
    assert {line.refused_reason for line in lines} == {None}
    assert PURGED_REASON not in repr(await sued.tables())


# -- the end and its undoing ----------------------------------------------------


async def test_end_is_taken_back_while_the_partner_was_not_told(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    other = {**OFFER, "title": {"de": "Laser von Süd"}}
    await sued.catalogue.publish(sued.office, other)
    await sued.settle()
    await nord.partners.end(nord.office, "sued")
    assert await received_titles(nord) == []
    back = await nord.partners.stay(nord.office, "sued")
    assert back.state is TrustState.PAUSED
    await nord.settle()
    # The withdrawals of the end have arrived; `Leave` never does.
    assert await received_titles(sued) == []
    assert (await sued.partner(nord)).state is TrustState.ACTIVE

    await nord.partners.resume(nord.office, "sued")
    clock.advance(hours=2)
    await nord.settle()
    await sued.settle()
    assert await received_titles(sued) == ["Freie Fräse", "Prüfung von Linsen"]
    assert await received_titles(nord) == ["Laser von Süd"]
    assert (await nord.partner(sued)).digest_equal is True
    steps = [step for step, _note in await steps_of(nord, sued)]
    assert steps[-4:] == ["we_ended", "copies_removed", "we_stayed", "we_resumed"]


async def test_end_that_the_partner_knows_of_stays(told: Pair) -> None:
    nord, sued = told
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    with pytest.raises(ConflictError, match="has ended"):
        await nord.partners.stay(nord.office, "sued")
    assert (await sued.partner(nord)).state is TrustState.ENDED


async def test_end_is_not_taken_back_after_thirty_days(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await sued.stop()
    ending = await nord.partners.end(nord.office, "sued")
    last = end_can_be_undone_until(
        ending, await nord.partners.events(ending), now=clock.now()
    )
    assert last is None or last > clock.now()
    clock.advance(days=31)
    with pytest.raises(ConflictError) as caught:
        await nord.partners.stay(nord.office, "sued")
    assert caught.value.code == "end-is-told"


async def test_report_on_both_sides_says_what_is_confirmed_and_what_is_not(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await sued.stop()
    await nord.partners.end(nord.office, "sued", reason="merger")
    await nord.settle()
    report = await write_report(nord.context, nord.ledger, await nord.partner(sued))
    assert (report.told, report.removed, len(report.open)) == (2, 0, 2)
    assert (report.by_us, report.ended_by) == (True, nord.office.name)
    assert report.reason == "merger"
    assert report.undo_until is not None
    assert all(line.lapse and line.lapse.at for line in report.open)
    await nord.partners.close_unconfirmed(nord.office, "sued")
    report = await write_report(nord.context, nord.ledger, await nord.partner(sued))
    assert (report.removed, len(report.open)) == (0, 2)
    assert report.undo_until is None


async def test_history_says_no_more_than_was_confirmed(told: Pair) -> None:
    nord, sued = told
    other = {**OFFER, "title": {"de": "Laser von Süd"}}
    await sued.catalogue.publish(sued.office, other)
    await sued.settle()
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    assert ("withdrawals_done", "2/2") in await steps_of(nord, sued)
    # Süd was left: nothing that it told Nord was ever confirmed as removed.
    assert ("withdrawals_done", "0/1") in await steps_of(sued, nord)
    assert ("copies_removed", "1") in await steps_of(nord, sued)
    theirs = await write_report(sued.context, sued.ledger, await sued.partner(nord))
    assert (theirs.by_us, theirs.told, theirs.removed) == (False, 1, 0)
    assert len(theirs.open) == 1
