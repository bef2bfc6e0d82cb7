"""Both sides hold the same, or find out and mend it (SPEC.md 9.13)."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from federation.exchange import HeldState
from federation.limits import CHECK_AFTER, CHECK_SPREAD
from federation.version import Version
from node.storage import tables
from node.storage.database import Transaction
from tests.http.comparing_scene import (
    DAY_OVER,
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
    shown,
    states,
)
from tests.http.nodes import OFFER, START, MovableClock

# -- equal --------------------------------------------------------------------------


async def test_a_page_up_to_the_head_says_what_is_held(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 3)
    clock.advance(minutes=5)
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock.now()
    assert await equal(nord, sued) is True


async def test_nothing_new_is_said_once_a_day(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    due = (await nord.partner(sued)).next_check_at
    assert due is not None
    assert START + CHECK_AFTER <= due <= START + CHECK_AFTER + CHECK_SPREAD
    nord.client.sent.clear()
    clock.moment = due - timedelta(seconds=1)
    await nord.settle()
    assert nord.client.sent == []
    clock.moment = due
    await nord.settle()
    assert requests_to(nord, sued, "POST") == ["/inbox"]
    assert (await sued.partner(nord)).verified_at == due.replace(microsecond=0)
    await nord.settle()
    assert len(nord.client.sent) == 1  # not again before the next day
    again = (await nord.partner(sued)).next_check_at
    assert again is not None
    assert CHECK_AFTER <= again - due <= CHECK_AFTER + CHECK_SPREAD


async def test_whoever_is_not_reached_costs_one_attempt_an_hour(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await sued.stop()
    nord.client.sent.clear()
    clock.advance(**DAY_OVER)
    for _ in range(24 * 12):
        clock.advance(minutes=5)
        await nord.settle()
    assert len(nord.client.sent) <= 24 + 10
    assert await equal(nord, sued) is True  # nothing is known to differ


async def test_what_the_partner_keeps_out_does_not_count(
    partners: Pair, clock: MovableClock
) -> None:
    """An entry that it refuses; both sides are equal without it, and at once."""
    nord, sued = partners
    good, bad = await published(nord, 2)
    await nord.settle()
    version = await entry_row(nord, bad)
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
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()
    row = (await ledger_of(nord, sued))[bad]
    assert row.refused_reason
    assert row.held_hash is None
    assert version.counter == row.counter
    assert (await held(sued, nord))[good] == "present"


async def test_an_entry_of_our_own_that_was_forgotten_is_told(
    partners: Pair, clock: MovableClock
) -> None:
    """EXC-019: the rules are asked, not the ledger."""
    nord, sued = partners
    told, hidden, changed = await published(nord, 3)
    await nord.settle()

    async def work(tx: Transaction) -> None:  # behind the catalogue's back
        mine = tables.disclosures.c.entry_id == told
        await tx.execute(delete(tables.disclosures).where(mine))
        await tx.execute(
            update(tables.entries)
            .where(tables.entries.c.id == hidden)
            .values(audience_level="cluster")
        )

    await nord.database.write(work)
    await compare_now(clock, nord)
    assert await held(sued, nord) == {
        told: "present",
        hidden: "withdrawn",
        changed: "present",
    }
    await compare_now(clock, nord)
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()


# -- unequal ------------------------------------------------------------------------


async def test_lost_copies_come_again_and_nothing_else(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    ids = await published(nord, 30)
    await nord.settle()
    lost = ids[3:6]
    await change_copies(sued, nord, lost)
    before = await ledger_of(nord, sued)
    nord.client.sent.clear()
    await compare_now(clock, nord)
    after = await ledger_of(nord, sued)
    moved = {each for each in after if after[each].seq != before[each].seq}
    assert moved == set(lost)
    assert set((await held(sued, nord)).values()) == {"present"}
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()
    asked = requests_to(nord, sued, "GET")
    assert asked[0] == "/holdings"
    assert 2 <= len(asked) <= 4  # only the buckets of what is lost


async def test_altered_copies_are_sent_again(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    older, gone = await published(nord, 2)
    await nord.catalogue.publish(nord.office, OFFER, entry_ref=older)
    await nord.settle()
    await change_copies(sued, nord, [older], counter=1, content_hash="e" * 64)
    await change_copies(
        sued, nord, [gone], state="withdrawn", content_hash=None, counter=1
    )
    await compare_now(clock, nord)
    assert (await held(sued, nord))[older] == "present"
    assert await states(nord, sued) == {gone: HeldState.WITHDRAWN}
    assert (await entry_row(nord, gone)).state == "published"


async def test_what_came_back_is_withdrawn_again(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    one, other = await published(nord, 2)
    await nord.settle()
    await nord.catalogue.withdraw(nord.office, one)
    await nord.catalogue.delete(nord.office, other)
    await nord.settle()
    for entry, counter in ((one, 7), (other, 1)):
        await change_copies(
            sued,
            nord,
            [entry],
            state="present",
            counter=counter,
            content={"title": {"de": "Alt"}, "summary": {"de": "x"}},
            content_hash="d" * 64,
        )
    await compare_now(clock, nord)
    assert await held(sued, nord) == {one: "withdrawn", other: "deleted"}
    assert await equal(nord, sued) is True
    assert await states(nord, sued) == {}


async def test_both_sides_are_not_compared_more_than_once_an_hour(
    partners: Pair, clock: MovableClock
) -> None:
    """A partner that never becomes equal is a bounded nuisance."""
    nord, sued = partners
    await published(nord, 3)
    await nord.settle()
    await invent_copy(sued, nord)
    await compare_now(clock, nord)
    nord.client.sent.clear()
    for _ in range(12):
        clock.advance(minutes=4)
        await published(nord, 1)
        await nord.settle()
    assert requests_to(nord, sued, "GET") == []
    clock.advance(minutes=20)
    await published(nord, 1)
    await nord.settle()
    assert len(requests_to(nord, sued, "GET")) == 2


# -- partners that lie --------------------------------------------------------------


async def test_it_says_that_it_holds_nothing(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    ids = await published(nord, 25)
    await nord.settle()
    await change_copies(sued, nord, ids)
    nord.client.sent.clear()
    await compare_now(clock, nord)
    assert requests_to(nord, sued, "GET") == ["/holdings", "/holdings?after="]
    assert len(requests_to(nord, sued, "POST")) <= 4
    assert set(await held(sued, nord)) == set(ids)
    for each in ids:
        assert (await entry_row(nord, each)).state == "published"


async def test_it_says_that_it_holds_what_nobody_told(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    (told,) = await published(nord, 1)
    (home,) = await published(nord, 1, audience={"level": "cluster"})
    await nord.settle()
    invented = [await invent_copy(sued, nord) for _ in range(3)]
    await invent_copy(sued, nord, entry_id=home, version=Version(1, 99))
    before = await nord.tables()
    await compare_now(clock, nord)
    assert await states(nord, sued) == dict.fromkeys(
        [*invented, home], HeldState.PRESENT
    )
    # Nothing is sent about it: that there is such an entry would be an answer.
    ledger = await ledger_of(nord, sued)
    assert set(ledger) == {told}
    after = await nord.tables()
    assert before["entries"] == after["entries"]
    assert await equal(nord, sued) is False
    assert (await sued.partner(nord)).verified_at == START


@pytest.mark.parametrize("state", ["present", "withdrawn", "deleted", "quarantined"])
async def test_it_says_that_versions_are_higher_than_ours(
    partners: Pair, clock: MovableClock, state: str
) -> None:
    nord, sued = partners
    ids = await published(nord, 3)
    await nord.settle()
    await change_copies(
        sued,
        nord,
        ids,
        state=state,
        incarnation=2**53 - 1,
        counter=2**53 - 1,
        content_hash="a" * 64 if state == "present" else None,
    )
    before = await nord.tables()
    await compare_now(clock, nord)
    after = await nord.tables()
    assert before["entries"] == after["entries"]
    assert before["node_state"] == after["node_state"]
    assert await states(nord, sued) == dict.fromkeys(ids, HeldState(state))


async def test_copies_are_not_renewed_by_whoever_is_not_equal(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    await invent_copy(sued, nord)
    for _ in range(31):
        await compare_now(clock, nord)
    assert (await sued.partner(nord)).verified_at == START
    assert await shown(sued) == []
