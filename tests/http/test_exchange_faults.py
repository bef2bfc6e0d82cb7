"""What a partner, a restore or a race makes of the exchange, and what bounds it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from admin_ui.wording import plain_failure
from federation.errors import TemporaryFetchError
from federation.exchange import ViewDigest
from federation.limits import REWINDS_MAX
from federation.trust import TrustState
from federation.version import Version
from node.errors import ConflictError
from node.exchange.page_delivery import PageDelivery
from node.exchange.unaccounted import Settlement
from node.limits import ROUNDS_IN_A_TURN
from node.storage.database import Transaction
from node.storage.views import store_view
from tests.http.comparing_scene import (
    Pair,
    change_copies,
    compare_now,
    entry_row,
    equal,
    held,
    invent_copy,
    ledger_of,
    published,
    requests_to,
    restore,
    set_partner,
    snapshot,
)
from tests.http.nodes import OFFER, MovableClock

# -- after a restore ----------------------------------------------------------------


async def test_a_receipt_confirms_nothing_that_its_page_did_not_carry(
    partners: Pair, clock: MovableClock
) -> None:
    """In a new epoch the first page goes from 1 to the head with few items."""
    nord, sued = partners
    good, bad = await published(nord, 2)
    await nord.settle()
    await change_copies(
        sued,
        nord,
        [bad],
        state="quarantined",
        content=None,
        content_hash=None,
        reason="by a rule of its own",
    )
    await compare_now(clock, nord)
    before = await ledger_of(nord, sued)
    assert before[bad].refused_reason
    backup = await snapshot(nord)
    clock.advance(hours=2)
    await restore(nord, backup)
    (fresh,) = await published(nord, 1)
    await nord.settle()
    after = await ledger_of(nord, sued)
    assert after[fresh].held_hash
    assert (after[bad].held_hash, after[bad].refused_reason) == (
        None,
        before[bad].refused_reason,
    )
    # The receipt that confirmed it is another one.
    assert after[good].receipt_id == before[good].receipt_id
    assert after[good].acknowledged_at == before[good].acknowledged_at
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()


@pytest.mark.parametrize("status", [503, None])
async def test_withdrawals_do_not_wait_for_the_comparison(
    partners: Pair,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
    status: int | None,
) -> None:
    """After a restore a partner whose list cannot be had now gets withdrawals."""
    nord, sued = partners
    one, other = await published(nord, 2)
    await nord.settle()
    backup = await snapshot(nord)
    await restore(nord, backup)
    plain = nord.client._send

    async def without_holdings(method: str, target: str, **settings: Any) -> Any:
        if "/holdings" in target:
            raise TemporaryFetchError("no list", status=status)
        return await plain(method, target, **settings)

    monkeypatch.setattr(nord.client, "_send", without_holdings)
    await nord.catalogue.withdraw(nord.office, one)
    (fresh,) = await published(nord, 1)
    await nord.settle()
    assert await held(sued, nord) == {one: "withdrawn", other: "present"}
    # It is a failed attempt all the same: the list is asked for again soon.
    partner = await nord.partner(sued)
    assert (partner.attempts, partner.last_error) == (1, "no list")
    monkeypatch.setattr(nord.client, "_send", plain)
    clock.advance(minutes=1)
    await nord.settle()
    assert (await held(sued, nord))[fresh] == "present"
    assert (await nord.partner(sued)).attempts == 0


async def test_all_that_is_withdrawn_at_a_partners_word_is_listed(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inventions must not fill the list, so that the office misses what is ours."""
    monkeypatch.setattr("node.exchange.comparing.UNACCOUNTED_MAX", 3)
    monkeypatch.setattr("node.exchange.comparing.ENTRIES_AT_ONCE", 2)
    nord, sued = partners
    ids = await published(nord, 4)
    await nord.settle()
    for _ in range(12):
        await invent_copy(sued, nord)
    await change_copies(sued, nord, ids, state="withdrawn", content_hash=None)
    await restore(nord, await snapshot(nord))
    clock.advance(hours=2)
    await nord.settle()
    listed = {each.entry_id for each in await nord.unaccounted.listed()}
    for each in ids:
        assert (await entry_row(nord, each)).state == "withdrawn"
    assert set(ids) <= listed
    assert len(listed) <= 3 + len(ids)


@pytest.mark.parametrize(
    "version", [Version(1, 2**53 - 2), Version(2**53 - 2, 1), Version(1, 2**40 + 1)]
)
async def test_an_invented_version_does_not_use_up_ours(
    partners: Pair, clock: MovableClock, version: Version
) -> None:
    """Published anew above it, an entry of ours could never change again."""
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    await change_copies(
        sued,
        nord,
        [entry],
        incarnation=version.incarnation,
        counter=version.counter,
        content_hash="b" * 64,
    )
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    (listed,) = await nord.unaccounted.listed()
    assert listed.held.version == version
    assert Settlement.OURS not in listed.choices
    with pytest.raises(ConflictError):
        await nord.unaccounted.settle(nord.office, entry, partner.id, Settlement.OURS)
    assert (await entry_row(nord, entry)).counter == 1


# -- positions ----------------------------------------------------------------------


async def test_a_partner_that_loses_its_position_again_and_again_has_to_wait(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes every page and says a moment later that it knows none."""
    nord, sued = partners
    (first,) = await published(nord, 1)
    await nord.settle()
    pushed, plain = 0, nord.client.push_page

    async def forgetful(*args: Any, **settings: Any) -> Any:
        nonlocal pushed
        pushed += 1
        assert pushed < 50, "pages are sent without end"
        receipt = await plain(*args, **settings)
        await set_partner(sued, nord, in_position=0)
        await published(nord, 1)
        return receipt

    monkeypatch.setattr(nord.client, "push_page", forgetful)
    await published(nord, 1)
    await nord.settle()
    # Taken, and then three times: refused, gone back, taken; and refused.
    assert pushed == 1 + 2 * REWINDS_MAX + 1
    partner = await nord.partner(sued)
    assert partner.attempts == 1
    assert partner.failing_since == clock.now()
    assert partner.problem_code == "position-lost-again"
    assert plain_failure(partner).startswith("The other node has confirmed")
    # Nothing is sent in vain; a withdrawal arrives as soon as we go back again.
    await nord.catalogue.withdraw(nord.office, first)
    pushed = 0
    clock.advance(minutes=59)
    await nord.settle()
    assert pushed == 0
    clock.advance(minutes=8)
    await nord.settle()
    assert (await held(sued, nord))[first] == "withdrawn"


async def test_positions_of_what_nobody_was_told_may_be_missing_at_any_time(
    partners: Pair, clock: MovableClock
) -> None:
    """An entry that never left leaves a gap; going back for it costs nothing."""
    nord, sued = partners
    for _ in range(2 * REWINDS_MAX):
        (gone,) = await published(nord, 1)
        await nord.catalogue.withdraw(nord.office, gone)
        await nord.settle()
        (entry,) = await published(nord, 1)
        await nord.settle()
        assert (await held(sued, nord))[entry] == "present"
    assert (await nord.partner(sued)).attempts == 0


async def test_a_fault_of_our_own_is_not_repeated_without_a_pause(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    (entry,) = await published(nord, 1)
    partner_id = (await nord.partner(sued)).id

    async def broken(*_: Any, **__: Any) -> Any:
        raise ValueError("no entry is counted in bucket 7")

    plain = nord.sending.take_receipt
    monkeypatch.setattr(nord.sending, "take_receipt", broken)
    nord.delivery._start(partner_id, nord.delivery.deliver)
    await asyncio.gather(*nord.delivery._tasks.values())
    partner = await nord.partner(sued)
    assert (partner.attempts, partner.problem_code) == (1, "own-fault")
    assert "fault of its own" in plain_failure(partner)
    assert partner.next_attempt_at is not None
    assert await nord.delivery._due() == []
    monkeypatch.setattr(nord.sending, "take_receipt", plain)
    clock.advance(minutes=1)
    assert await nord.delivery._due() == [partner_id]
    await nord.settle()
    assert (await nord.partner(sued)).attempts == 0
    assert (await held(sued, nord))[entry] == "present"


async def test_a_list_that_never_ends_holds_nobody_up(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    await change_copies(sued, nord, [(await published(nord, 1))[0]])
    monkeypatch.setattr(
        "node.exchange.comparing.COMPARISON_TIME_MAX", timedelta(seconds=0.2)
    )

    async def slow(*_: Any, **__: Any) -> Any:
        await asyncio.sleep(60)

    monkeypatch.setattr(nord.client, "fetch_holdings_page", slow)
    partner_id = (await nord.partner(sued)).id
    async with asyncio.timeout(20):
        await invent_copy(sued, nord)
        with pytest.raises(TemporaryFetchError, match="too long"):
            await nord.comparing.compare(partner_id)
    # Nor is it asked again within the hour.
    assert not nord.comparing.may_ask(partner_id)


async def test_closing_a_partnership_while_a_page_travels_is_not_undone(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer comes too late to make us go back: our `Leave` must not wait."""
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    await set_partner(sued, nord, in_position=0)
    await nord.partners.end(nord.office, sued.base_url)
    plain = nord.client.push_page

    async def late(*args: Any, **settings: Any) -> Any:
        try:
            return await plain(*args, **settings)
        finally:
            monkeypatch.setattr(nord.client, "push_page", plain)
            await nord.partners.close_unconfirmed(nord.office, sued.base_url)

    monkeypatch.setattr(nord.client, "push_page", late)
    await nord.settle()
    partner = await nord.partner(sued)
    assert partner.state is TrustState.ENDED
    assert partner.acked_seq == partner.head_seq
    await nord.settle()
    assert (await sued.partner(nord)).state is TrustState.ENDED


@pytest.mark.parametrize("state", [TrustState.SUSPENDED, TrustState.ENDED])
async def test_nothing_is_told_to_whom_nothing_may_be_told_any_more(
    partners: Pair, state: TrustState
) -> None:
    """The office, or a look at the keys, is faster than the page that is made."""
    nord, sued = partners
    told, other = await published(nord, 2)
    await nord.settle()
    await nord.catalogue.withdraw(nord.office, told)
    await nord.catalogue.publish(nord.office, OFFER, entry_ref=other)
    await set_partner(nord, sued, state=state)
    before = await nord.tables()
    partner = await nord.partner(sued)
    page = await nord.sending.next_page(partner.id)
    assert (page.is_empty, page.verifying) == (True, None)
    assert page.sent.last == partner.acked_seq < partner.head_seq
    assert await nord.tables() == before


async def test_what_is_left_with_a_partner_counts_when_it_pulls(
    partners: Pair, clock: MovableClock
) -> None:
    """What was answered before must not be answered again after a decision."""
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    invented = await invent_copy(sued, nord)
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    position = partner.head_seq
    before = (await nord.sending.next_page(partner.id, after=position)).verifying
    await nord.unaccounted.settle(nord.office, invented, partner.id, Settlement.LEFT)
    after = (await nord.sending.next_page(partner.id, after=position)).verifying
    assert before is not None
    assert after is not None
    assert (before.held, after.held) == (2, 3)


async def test_a_sum_that_has_lost_entries_holds_nothing_up_and_is_mended(
    partners: Pair, clock: MovableClock
) -> None:
    """On either side; it is put together anew at the next comparison."""
    nord, sued = partners
    first, second = await published(nord, 2)
    await nord.settle()
    for node, other, direction in ((sued, nord, "in"), (nord, sued, "out")):
        partner_id = (await node.partner(other)).id

        async def lose(
            tx: Transaction, partner_id: str = partner_id, direction: str = direction
        ) -> None:
            await store_view(tx, partner_id, direction, ViewDigest())

        await node.database.write(lose)
        await nord.catalogue.publish(nord.office, OFFER, entry_ref=first)
        await nord.catalogue.withdraw(nord.office, second)
        await nord.settle()
        assert (await nord.partner(sued)).attempts == 0
        assert (await held(sued, nord)) == {first: "present", second: "withdrawn"}
        await nord.catalogue.publish(nord.office, OFFER, entry_ref=second)
        await nord.settle()
        for _ in range(2):
            await compare_now(clock, nord)
        assert await equal(nord, sued) is True
        assert (await sued.partner(nord)).verified_at == clock.now()


# -- reading ------------------------------------------------------------------------


async def test_everything_is_read_anew_though_the_position_is_known(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Copies that were lost come again by a pull from the beginning alone."""
    monkeypatch.setattr("node.exchange.sending.PAGE_ITEMS_MAX", 3)
    nord, sued = partners
    ids = await published(nord, 8)
    await nord.settle()
    await change_copies(sued, nord, ids[2:5])
    position = (await sued.partner(nord)).in_position
    pages = PageDelivery(
        sued.context,
        sending=sued.sending,
        receiving=sued.receiving,
        comparing=sued.comparing,
        client=sued.client,
    )
    partner_id = (await sued.partner(nord)).id
    assert await pages.pull(partner_id) == 0
    assert set(await held(sued, nord)) == {*ids[:2], *ids[5:]}
    sued.client.sent.clear()
    assert await pages.pull(partner_id, anew=True) == len(ids)
    assert set(await held(sued, nord)) == set(ids)
    assert requests_to(sued, nord, "GET") == [
        f"/outbox?after={after}" for after in (0, 3, 6, 8)
    ]
    assert not pages.is_reading(partner_id)
    assert (await sued.partner(nord)).in_position == position


async def test_long_reading_takes_turns_and_ends_where_it_was_ordered_to(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.exchange.sending.PAGE_ITEMS_MAX", 1)
    nord, sued = partners
    ids = await published(nord, 9)
    await nord.settle()
    await sued.partners.pause(sued.office, nord.base_url)
    await sued.partners.purge(sued.office, nord.base_url)
    await sued.partners.resume(sued.office, nord.base_url)
    await sued.settle()
    await sued.partners.fetch_again(sued.office, nord.base_url)
    sued.client.sent.clear()
    partner_id = (await sued.partner(nord)).id
    monkeypatch.setattr(sued.delivery._slots, "locked", lambda: True)
    await sued.delivery.deliver(partner_id)
    # Others wait: it stands behind them again after its turn.
    assert len(requests_to(sued, nord, "GET")) == ROUNDS_IN_A_TURN
    assert (await sued.partner(nord)).refetch_since is not None
    await sued.delivery.deliver(partner_id)
    assert set((await held(sued, nord)).values()) == {"present"}
    assert len(await held(sued, nord)) == len(ids)
    assert (await sued.partner(nord)).refetch_since is None


async def test_what_is_ordered_while_the_last_page_comes_is_done(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page that is on its way does not fit any more, which is nobody's fault."""
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    await set_partner(sued, nord, refetch_since=clock.now(), in_position=0)
    plain, asked = sued.client.pull_page, []

    async def slow(peer: Any, *, after: int, signer: Any) -> Any:
        page = await plain(peer, after=after, signer=signer)
        asked.append(after)
        if asked == [0, 2]:
            await set_partner(sued, nord, refetch_since=clock.now(), in_position=0)
        return page

    monkeypatch.setattr(sued.client, "pull_page", slow)
    await sued.settle()
    assert asked == [0, 2, 0, 2]
    partner = await sued.partner(nord)
    assert (partner.refetch_since, partner.in_position) == (None, 2)
    assert partner.attempts == 0


async def test_what_is_ordered_after_the_last_page_stays_ordered(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of before must not be taken for the order of now."""
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    await set_partner(sued, nord, refetch_since=clock.now(), in_position=0)
    pages = sued.delivery._pages
    plain = pages.read_on

    async def then_ordered(partner_id: str) -> int:
        changes = await plain(partner_id)
        if not pages.is_reading(partner_id):
            clock.advance(seconds=1)
            now = clock.now()
            await set_partner(sued, nord, refetch_since=now, in_position=0)
        return changes

    monkeypatch.setattr(pages, "read_on", then_ordered)
    await sued.settle()
    partner = await sued.partner(nord)
    assert (partner.refetch_since, partner.in_position) == (clock.now(), 0)
    monkeypatch.setattr(pages, "read_on", plain)
    await sued.settle()
    partner = await sued.partner(nord)
    assert (partner.refetch_since, partner.in_position) == (None, 2)
