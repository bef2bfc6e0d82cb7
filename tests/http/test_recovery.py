"""After a restore, and what the office decides (SPEC.md FED-156 to FED-158)."""

from typing import Any

import pytest

from federation.exchange import HeldState
from federation.limits import INCARNATION_LEAP_MAX
from federation.version import Version
from node.errors import ConflictError, NotAuthorisedError
from node.exchange.unaccounted import Settlement
from node.members.model import Role
from node.storage.node_state import require_node_state
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
    restore,
    set_partner,
    shown,
    snapshot,
    states,
)
from tests.http.nodes import OFFER, MovableClock

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
    member = await nord.add_person("m@nord.example", organisation="A")
    with pytest.raises(NotAuthorisedError):
        await nord.comparing.tell_uncompared(member, partner.id)
    await nord.comparing.tell_uncompared(nord.office, partner.id)
    with pytest.raises(ConflictError):
        await nord.comparing.tell_uncompared(nord.office, partner.id)
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
