"""Both sides hold the same, or find out and mend it (SPEC.md 9.13)."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update

from federation.exchange import HeldState
from federation.limits import CHECK_AFTER, CHECK_SPREAD, INCARNATION_LEAP_MAX
from federation.trust import TrustState
from federation.version import Version
from node.errors import ConflictError, NotAuthorisedError
from node.exchange.unaccounted import Settlement
from node.feed import Feed
from node.feed.feed import FeedQuery
from node.members.model import Role
from node.storage import tables
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from tests.http.comparing_scene import (
    DAY_OVER,
    change_copies,
    entry_row,
    held,
    invent_copy,
    ledger_of,
    published,
    restore,
    set_partner,
    snapshot,
)
from tests.http.nodes import OFFER, START, MovableClock, RunningNode

Pair = tuple[RunningNode, RunningNode]


def requests_to(node: RunningNode, other: RunningNode, what: str) -> list[str]:
    start = f"{what} {other.base_url}"
    return [each.removeprefix(start) for each in node.client.sent if start in each]


async def shown(node: RunningNode) -> list[str]:
    """Titles that a member of the node sees of partners."""
    person = await node.add_person(
        f"p{len(node.reached)}-{node.context.random.bytes(4).hex()}@x.example",
        organisation="Firma",
    )
    page = await Feed(node.context).feed(person, FeedQuery(only_partners=True))
    return sorted(item.title["de"] for item in page.items)


async def equal(origin: RunningNode, holder: RunningNode) -> bool | None:
    return (await origin.partner(holder)).digest_equal


async def compare_now(clock: MovableClock, node: RunningNode) -> None:
    clock.advance(**DAY_OVER)
    await node.settle()


async def states(node: RunningNode, other: RunningNode) -> dict[str, HeldState]:
    partner = await node.partner(other)
    listed = await node.unaccounted.listed(partner_id=partner.id)
    return {each.entry_id: each.held.state for each in listed}


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


# -- the office decides -------------------------------------------------------------


async def test_the_office_leaves_a_copy_and_both_are_equal(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 2)
    await nord.settle()
    invented = await invent_copy(sued, nord)
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    (listed,) = await nord.unaccounted.listed()
    assert (listed.partner_name, listed.title, listed.found_at) == (
        "Sued",
        None,
        clock.now(),
    )
    assert listed.choices == (Settlement.TAKEN_BACK, Settlement.LEFT)
    await nord.unaccounted.settle(nord.office, invented, partner.id, Settlement.LEFT)
    await nord.settle()
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()
    assert await nord.unaccounted.listed() == []
    # It stays so, also when something changes, and after the next comparison.
    await published(nord, 1)
    await nord.settle()
    await compare_now(clock, nord)
    assert await equal(nord, sued) is True
    assert (await sued.partner(nord)).verified_at == clock.now()
    assert await nord.unaccounted.listed() == []


async def test_the_office_takes_a_copy_back_for_ever(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    invented = await invent_copy(sued, nord, version=Version(3, 4))
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    await nord.unaccounted.settle(None, invented, partner.id, Settlement.TAKEN_BACK)
    await nord.settle()
    assert (await held(sued, nord))[invented] == "deleted"
    assert await equal(nord, sued) is True
    row = await entry_row(nord, invented)
    assert (row.state, row.incarnation, row.counter) == ("deleted", 3, 4)
    assert await nord.unaccounted.listed() == []
    await compare_now(clock, nord)
    assert await nord.unaccounted.listed() == []


async def test_the_office_publishes_our_own_anew(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    await change_copies(sued, nord, [entry], counter=40, content_hash="b" * 64)
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    (listed,) = await nord.unaccounted.listed()
    assert listed.choices == (Settlement.OURS, Settlement.LEFT)
    await nord.unaccounted.settle(nord.office, entry, partner.id, Settlement.OURS)
    assert (await entry_row(nord, entry)).counter == 41
    await nord.settle()
    assert await equal(nord, sued) is True


async def test_only_the_office_decides_and_only_what_can_be_chosen(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    invented = await invent_copy(sued, nord)
    await compare_now(clock, nord)
    partner = await nord.partner(sued)
    member = await nord.add_person(
        "m@nord.example", organisation="A", role=Role.ORGANISATION_ADMIN
    )
    before = await nord.tables()
    with pytest.raises(NotAuthorisedError):
        await nord.unaccounted.settle(member, invented, partner.id, Settlement.LEFT)
    with pytest.raises(ConflictError):
        await nord.unaccounted.settle(
            nord.office, invented, partner.id, Settlement.OURS
        )
    assert await nord.tables() == before


# -- restored -----------------------------------------------------------------------


async def test_restored_origin_compares_before_it_tells(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    kept, withdrawn, changed = await published(nord, 3)
    await nord.settle()
    backup = await snapshot(nord)
    clock.advance(hours=1)
    await nord.catalogue.withdraw(nord.office, withdrawn)
    await nord.catalogue.publish(nord.office, OFFER, entry_ref=changed)
    (lost,) = await published(nord, 1)
    await nord.settle()
    epoch = (await sued.partner(nord)).in_epoch

    clock.advance(hours=1)
    await restore(nord, backup)
    (fresh,) = await published(nord, 1)
    nord.client.sent.clear()
    await nord.settle()
    # Asked first, for everything; and only then told.
    sent = [each.split(" ")[1] for each in nord.client.sent]
    base = sued.base_url
    assert sent[:3] == [f"{base}/holdings", f"{base}/holdings?after=", f"{base}/inbox"]
    assert await held(sued, nord) == {
        kept: "present",
        withdrawn: "withdrawn",
        changed: "present",
        lost: "present",
        fresh: "present",
    }
    # What we took back and have forgotten is taken back here too, and listed.
    assert (await entry_row(nord, withdrawn)).state == "withdrawn"
    assert await states(nord, sued) == {
        withdrawn: HeldState.WITHDRAWN,
        changed: HeldState.PRESENT,
        lost: HeldState.PRESENT,
    }
    # What both hold alike was not sent again.
    ledger = await ledger_of(nord, sued)
    assert ledger[kept].seq == next(
        row["seq"] for row in backup["disclosures"] if row["entry_id"] == kept
    )
    after = await sued.partner(nord)
    assert after.in_epoch != epoch
    assert (await entry_row(nord, fresh)).incarnation == 2

    partner = await nord.partner(sued)
    for entry, decided in (
        (changed, Settlement.OURS),
        (lost, Settlement.TAKEN_BACK),
        (withdrawn, Settlement.LEFT),
    ):
        await nord.unaccounted.settle(nord.office, entry, partner.id, decided)
    await nord.settle()
    assert await equal(nord, sued) is True
    assert (await held(sued, nord))[lost] == "deleted"
    assert (await sued.partner(nord)).verified_at == clock.now()


async def test_restored_origin_shows_nothing_uncompared(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(sued, 2)
    await sued.settle()
    backup = await snapshot(nord)
    clock.advance(hours=2)
    await restore(nord, backup)
    assert await shown(nord) == []
    await compare_now(clock, sued)
    assert await shown(nord) == ["Eintrag 0", "Eintrag 1"]
    assert (await nord.partner(sued)).to_verify_since is None


async def test_restored_receiver_gets_what_it_lost(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    first, second = await published(nord, 2)
    await nord.settle()
    backup = await snapshot(sued)
    clock.advance(hours=1)
    await nord.catalogue.withdraw(nord.office, first)
    (third,) = await published(nord, 1)
    await nord.settle()
    await restore(sued, backup)
    assert (await held(sued, nord))[first] == "present"
    assert await shown(sued) == []  # it was taken back meanwhile
    await compare_now(clock, nord)
    assert await held(sued, nord) == {
        first: "withdrawn",
        second: "present",
        third: "present",
    }
    assert await equal(nord, sued) is True
    assert await shown(sued) == ["Eintrag 0", "Eintrag 1"]


async def test_both_are_restored(partners: Pair, clock: MovableClock) -> None:
    nord, sued = partners
    (mine,) = await published(nord, 1)
    (theirs,) = await published(sued, 1)
    await nord.settle()
    await sued.settle()
    backups = [await snapshot(node) for node in partners]
    clock.advance(hours=1)
    await nord.catalogue.withdraw(nord.office, mine)
    await nord.settle()
    for node, backup in zip(partners, backups, strict=True):
        await restore(node, backup)
    for _ in range(3):
        await compare_now(clock, nord)
        await sued.settle()
    # Nobody knows of the withdrawal any more: both show what the backups show.
    assert await held(sued, nord) == {mine: "present"}
    assert await held(nord, sued) == {theirs: "present"}
    for node, other in ((nord, sued), (sued, nord)):
        assert await equal(node, other) is True
        assert (await node.partner(other)).to_verify_since is None
    assert await shown(nord) == ["Eintrag 0"]


async def test_the_incarnation_rises_above_what_partners_hold(
    partners: Pair, clock: MovableClock
) -> None:
    """Restored twice from one backup: the first time has used incarnation 2."""
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    backup = await snapshot(nord)
    for _ in range(2):
        clock.advance(hours=2)
        await restore(nord, backup)
        await nord.settle()
        await nord.catalogue.publish(nord.office, OFFER, entry_ref=entry)
        await nord.settle()
    row = await entry_row(nord, entry)
    assert (row.incarnation, row.counter) == (3, 1)
    assert (await ledger_of(nord, sued))[entry].held_incarnation == 3
    assert await equal(nord, sued) is True


async def test_a_liar_does_not_use_up_the_incarnations(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    await invent_copy(sued, nord, version=Version(2**53 - 1, 1))
    await invent_copy(sued, nord, version=Version(9, 1))
    backup = await snapshot(nord)
    await restore(nord, backup)
    clock.advance(hours=2)
    await nord.settle()
    async with nord.database.read() as tx:
        assert (await require_node_state(tx)).incarnation == 10
    assert INCARNATION_LEAP_MAX > 8
    assert (await entry_row(nord, entry)).state == "published"


async def test_whoever_does_not_say_what_it_holds_gets_withdrawals_only(
    partners: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    one, other = await published(nord, 2)
    await nord.settle()
    backup = await snapshot(nord)
    await restore(nord, backup)
    plain = nord.client._send

    async def without_holdings(method: str, target: str, **settings: Any) -> Any:
        target = target.replace("/holdings", "/nothing-here")
        return await plain(method, target, **settings)

    monkeypatch.setattr(nord.client, "_send", without_holdings)
    await nord.catalogue.withdraw(nord.office, one)
    (fresh,) = await published(nord, 1)
    await nord.settle()
    assert await held(sued, nord) == {one: "withdrawn", other: "present"}
    clock.advance(hours=2)
    await nord.settle()
    assert fresh not in await held(sued, nord)
    partner = await nord.partner(sued)
    # Nor is it told when it asks.
    page = await nord.sending.next_page(partner.id, after=0)
    kinds = {item["type"] for item in page.document["orderedItems"]}
    assert kinds <= {"Delete"}
    await nord.comparing.tell_uncompared(partner.id)
    await nord.settle()
    assert await held(sued, nord) == {
        one: "withdrawn",
        other: "present",
        fresh: "present",
    }
    assert await equal(nord, sued) is True


async def test_an_older_database_without_a_restore_is_noticed(
    partners: Pair, clock: MovableClock, caplog: pytest.LogCaptureFixture
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await set_partner(sued, nord, in_position=90)
    await invent_copy(sued, nord)
    await compare_now(clock, nord)
    assert "spalier restore" in caplog.text


# -- leases -------------------------------------------------------------------------


async def test_copies_grey_vanish_and_come_back(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1, title={"de": "Für Partner"})
    await published(nord, 1, title={"de": "Öffentlich"}, audience={"level": "public"})
    await nord.settle()
    person = await sued.add_person("leser@sued.example", organisation="Leser")

    async def seen() -> dict[str, bool]:
        page = await Feed(sued.context).feed(person, FeedQuery(only_partners=True))
        return {
            item.title["de"]: item.unconfirmed_since is not None for item in page.items
        }

    confirmed = clock.now()
    clock.moment = confirmed + timedelta(days=14, seconds=-1)
    assert await seen() == {"Für Partner": False, "Öffentlich": False}
    clock.moment = confirmed + timedelta(days=14)
    assert await seen() == {"Für Partner": True, "Öffentlich": True}
    clock.moment = confirmed + timedelta(days=30)
    assert await seen() == {"Öffentlich": True}
    # Nothing was removed; the next comparison shows it again.
    assert set((await held(sued, nord)).values()) == {"present"}
    await nord.settle()
    assert await seen() == {"Für Partner": False, "Öffentlich": False}


async def test_what_names_a_person_is_hidden_after_fourteen_days(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    await change_copies(sued, nord, [entry], is_personal=True)
    clock.advance(days=13, hours=23)
    assert await shown(sued) == ["Eintrag 0"]
    clock.advance(hours=1)
    assert await shown(sued) == []


async def test_contact_alone_renews_nothing(
    partners: Pair, clock: MovableClock
) -> None:
    """An origin that is stuck may go on talking; only an equal page counts."""
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    for _ in range(31):
        clock.advance(days=1)
        await nord.delivery.pull((await nord.partner(sued)).id)
    assert (await sued.partner(nord)).last_received_at == clock.now()
    assert (await sued.partner(nord)).verified_at == START
    assert await shown(sued) == []


async def test_what_the_origin_hides_meanwhile_is_not_renewed(
    partners: Pair, clock: MovableClock
) -> None:
    """An origin whose clock's work stands still: the date alone ends an entry."""
    nord, sued = partners
    await published(nord, 1, valid_until="2026-11-30")
    await nord.settle()
    clock.moment = START + timedelta(days=10)  # nobody calls `expire_due`
    await published(nord, 1, title={"de": "Neu"})
    before = (await sued.partner(nord)).verified_at
    partner = await nord.partner(sued)
    page = await nord.sending.next_page(partner.id)
    assert page.verifying is None
    assert (await sued.partner(nord)).verified_at == before
    await nord.settle()  # now the rules are asked for every entry
    assert sorted((await held(sued, nord)).values()) == ["present", "withdrawn"]


async def test_nothing_is_renewed_while_a_key_has_to_be_compared(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await set_partner(sued, nord, state=TrustState.SUSPENDED)
    await compare_now(clock, nord)
    assert (await sued.partner(nord)).verified_at == START
    await set_partner(sued, nord, state=TrustState.PAUSED)
    await set_partner(nord, sued, next_check_at=None, next_attempt_at=None)
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock.now()


async def test_nothing_is_compared_while_paused_and_soon_after(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await nord.partners.pause(nord.office, sued.base_url)
    nord.client.sent.clear()
    await compare_now(clock, nord)
    assert nord.client.sent == []
    clock.advance(seconds=1)
    await nord.partners.resume(nord.office, sued.base_url)
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock.now()


# -- behind a wall ------------------------------------------------------------------


async def test_whoever_cannot_be_reached_pulls(
    partners: Pair, clock: MovableClock
) -> None:
    """Sued answers nobody; it asks itself, and its copies stay."""
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await sued.stop()
    for _ in range(20):
        clock.advance(**DAY_OVER)
        await sued.settle()
    assert clock.now() - START > timedelta(days=20)
    verified = (await sued.partner(nord)).verified_at
    assert verified is not None
    assert clock.now() - verified < timedelta(days=3)
    assert await shown(sued) == ["Eintrag 0"]
    # To pull confirms nothing, but it may have renewed: an owner is told so.
    assert (await nord.partner(sued)).renewed_at == verified


async def test_a_pull_tells_what_must_be_held(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    ids = await published(nord, 3)
    partner = await sued.partner(nord)
    assert await sued.delivery.pull(partner.id) == 3
    assert (await sued.partner(nord)).verified_at == START
    clock.advance(hours=1)
    await nord.catalogue.withdraw(nord.office, ids[0])
    assert await sued.delivery.pull(partner.id) == 1
    assert (await sued.partner(nord)).verified_at == clock.now()
    clock.advance(hours=1)
    assert await sued.delivery.pull(partner.id) == 0
    assert (await sued.partner(nord)).verified_at == clock.now()
