"""Policy sheets in the database of either engine: set, told, ended, restored."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from federation.exchange import ViewDigest, bucket_of
from federation.version import Version
from node.catalogue.model import ReceivedState
from node.errors import ConflictError
from node.partners.model import Partner
from node.partners.policy_effect import foresee
from node.storage import received as received_rows
from node.storage.database import Transaction
from node.storage.entries import list_entries
from node.storage.ledger import UPSERT, WITHDRAW
from node.storage.partners import load_partner, update_partner
from node.storage.policies import partners_ending
from node.storage.tables import partner_policies, partners, received_entries
from node.storage.views import store_view
from node.visibility import (
    Origin,
    PartnerViewer,
    decide_entry,
    decide_received,
    visible_entries,
    visible_received,
)
from node.visibility.policy import (
    ACQUAINTANCE,
    Direction,
    PolicySheet,
    Preset,
    Profiles,
)
from tests.contract.backed_node import BackedNode

CLOSE = PolicySheet(Preset.CLOSE)
SHEETS = (
    ACQUAINTANCE,
    CLOSE,
    PolicySheet(Preset.CLOSE, closed_kinds=frozenset({"capacity_offer"})),
    PolicySheet(Preset.CLOSE, closed_topics=frozenset({"LASER"})),
    PolicySheet(Preset.CLOSE, closed_topics=frozenset({"La%er", "a|b"})),
    PolicySheet(Preset.CLOSE, profiles=Profiles.NONE, chiffre=False),
)


async def set_sheet(
    node: BackedNode, sheet: PolicySheet, *, direction: Direction = Direction.OUT
) -> int:
    """Let a sheet count for the partner “sued”; return how much goes there."""
    change = await node.node.partners.policies.set(
        await node.office(), "sued", direction, sheet, reason="a test"
    )
    return change.told


async def lines(node: BackedNode) -> dict[str, str]:
    """What is to be told to the partner: operation by title."""
    found = [line async for line in node.node.ledger.each_line(partner_id="sued")]
    return {line.entry_title["de"]: line.op for line in found}


async def told(node: BackedNode) -> None:
    """Let a page leave with everything that waits."""
    await node.node.sending.next_page("sued")


async def publish(node: BackedNode, title: str, level: str, **changes: Any) -> None:
    audience = {"level": level}
    await node.publish(title={"de": title}, audience=audience, **changes)


async def partner_of(node: BackedNode) -> Partner:
    async with node.node.context.database.read() as tx:
        found = await load_partner(tx, "sued")
    assert found is not None
    return found


async def test_rule_and_filter_agree_and_the_ledger_follows(node: BackedNode) -> None:
    await node.partner("sued")
    await publish(node, "Offen", "public")
    await publish(node, "Für alle", "trusted", topics=["Laser", "Optik"])
    await publish(node, "Seltsam", "trusted", topics=["La%er", "A|B"])
    await publish(node, "Daheim", "cluster")
    today = node.clock.now().date()
    await told(node)
    for sheet in (*SHEETS, CLOSE):
        partner = await partner_of(node)
        if partner.policy_out != sheet:
            effect = await foresee(node.node.context, partner, Direction.OUT, sheet)
            before = await lines(node)
            await set_sheet(node, sheet)
            after = await lines(node)
            hidden = [title for title, op in after.items() if op == WITHDRAW]
            were = [title for title, op in before.items() if op == WITHDRAW]
            assert len(set(hidden) - set(were)) == effect.hidden
            assert len(set(were) - set(hidden)) == effect.shown
        viewer = PartnerViewer.of(await partner_of(node))
        everything = (await node.entries()).values()
        decided = {
            entry.title["de"]
            for entry in everything
            if decide_entry(entry, viewer, today).visible
        }
        async with node.node.context.database.read() as tx:
            listed = await list_entries(
                tx, node.node.context.address, where=visible_entries(viewer, today)
            )
        assert {entry.title["de"] for entry in listed} == decided
        now_told = {title for title, op in (await lines(node)).items() if op == UPSERT}
        assert now_told == decided, sheet
        await told(node)


async def test_versions_are_added_and_none_is_changed(node: BackedNode) -> None:
    await node.partner("sued")
    seen: list[tuple[Any, ...]] = []
    for sheet in SHEETS[:4]:
        if (await partner_of(node)).policy_out == sheet:
            continue
        node.clock.advance(minutes=1)
        await set_sheet(node, sheet)
        async with node.node.context.database.read() as tx:
            rows = await tx.all(
                select(partner_policies).order_by(partner_policies.c.version)
            )
        assert [tuple(row) for row in rows][: len(seen)] == seen
        seen = [tuple(row) for row in rows]
    assert [row[2] for row in seen] == list(range(1, len(seen) + 1))
    with pytest.raises(ConflictError):
        await set_sheet(node, (await partner_of(node)).policy_out)
    history = await node.node.partners.policies.history("sued")
    assert [each.version for each in history] == list(range(len(seen), 0, -1))
    assert {each.reason for each in history} == {"a test"}


async def hold_copies(node: BackedNode) -> None:
    """Hold three entries of the partner: one public, two for partners."""
    now = node.clock.now()

    async def work(tx: Transaction) -> None:
        view = ViewDigest()
        for number, is_public in enumerate((True, False, False)):
            uri = f"https://spalier.sued.example/entries/{number}"
            await tx.execute(
                insert(received_entries).values(
                    id=f"r{number}",
                    partner_id="sued",
                    entry_uri=uri,
                    state=ReceivedState.PRESENT.value,
                    kind="event" if number == 2 else "capacity_offer",
                    known_kind=True,
                    incarnation=1,
                    counter=1,
                    content={"title": {"de": f"Kopie {number}"}, "summary": {}},
                    is_public=is_public,
                    is_personal=False,
                    search_text="",
                    content_hash="0" * 64,
                    first_received_at=now,
                    changed_at=now,
                    bucket=bucket_of(uri),
                )
            )
            view.add(uri, Version(1, 1), "0" * 64)
        await store_view(tx, "sued", "in", view)

    await node.node.context.database.write(work)


async def shown(node: BackedNode) -> set[str]:
    """Which copies members see, by the filter; the rule says the same."""
    reader = await node.office()
    now, partner = node.clock.now(), await partner_of(node)
    async with node.node.context.database.read() as tx:
        every = await received_rows.list_received(
            tx, where=received_entries.c.id.is_not(None)
        )
        rows = await tx.all(
            select(received_entries.c.id)
            .join(partners, partners.c.id == received_entries.c.partner_id)
            .where(visible_received(reader, now))
        )
    listed = {row.id for row in rows}
    origin = Origin.of(partner)
    assert listed == {
        each.id for each in every if decide_received(each, origin, reader, now).visible
    }
    return listed


async def test_copies_that_are_no_longer_taken_are_kept_out(node: BackedNode) -> None:
    await node.partner("sued")
    await hold_copies(node)
    assert await shown(node) == {"r0", "r1", "r2"}
    no_events = PolicySheet(Preset.CLOSE, closed_kinds=frozenset({"event"}))
    await set_sheet(node, no_events, direction=Direction.IN)
    assert await shown(node) == {"r0", "r1"}
    no_more = PolicySheet(Preset.ACQUAINTANCE, closed_kinds=frozenset({"event"}))
    await set_sheet(node, no_more, direction=Direction.IN)
    assert await shown(node) == {"r0"}
    async with node.node.context.database.read() as tx:
        assert await received_rows.count_not_taken(tx, "sued") == 2
        kept = await received_rows.quarantined(
            tx, "sued", [f"https://spalier.sued.example/entries/{n}" for n in range(3)]
        )
    assert {reason for _, _, reason in kept} == {received_rows.NOT_TAKEN_REASON}
    assert (await partner_of(node)).refetch_since is None
    await set_sheet(node, CLOSE, direction=Direction.IN)
    assert (await partner_of(node)).refetch_since == node.clock.now()


async def test_a_lease_of_our_own_and_what_it_leaves(node: BackedNode) -> None:
    await node.partner("sued")
    await hold_copies(node)
    sheet = PolicySheet(Preset.CLOSE, lease_days=10, retention_days=2)
    await set_sheet(node, sheet, direction=Direction.IN)
    policies = node.node.partners.policies
    node.clock.advance(days=10, seconds=-1)
    assert await shown(node) == {"r0", "r1", "r2"}
    node.clock.advance(seconds=1)
    assert await shown(node) == {"r0"}
    node.clock.advance(days=2, seconds=-1)
    assert await policies.forget_due() == 0
    node.clock.advance(seconds=1)
    assert await policies.forget_due() == 2
    assert await policies.forget_due() == 0
    async with node.node.context.database.read() as tx:
        assert await received_rows.count_not_taken(tx, "sued") == 2
    assert (await partner_of(node)).refetch_since == node.clock.now()


async def test_the_end_of_a_sheet_and_the_reminder_before_it(node: BackedNode) -> None:
    await node.partner("sued")
    await publish(node, "Offen", "public")
    await publish(node, "Für alle", "trusted")
    last = node.clock.now().date() + timedelta(days=20)
    sheet = PolicySheet(Preset.PARTNER, profiles=Profiles.NONE, valid_until=last)
    await set_sheet(node, sheet)
    await told(node)
    policies = node.node.partners.policies
    node.clock.advance(days=5)
    assert (await policies.remind_due(), await policies.ending()) == (0, [])
    node.clock.advance(days=1)
    assert (await policies.remind_due(), await policies.remind_due()) == (1, 0)
    assert [each.id for each in await policies.ending()] == ["sued"]
    mails = await node.node.mail.list_mails()
    assert [mail.kind for mail in mails if mail.kind == "policy-ends"]
    # Another end, later: the office is told of that, too, and once.
    later = PolicySheet(Preset.CLOSE, valid_until=last + timedelta(days=3))
    async with node.node.context.database.read() as tx:
        assert await partners_ending(tx, last, not_reminded=True) == []
    await node.node.context.database.write(
        lambda tx: update_partner(tx, "sued", policy_in=later)
    )
    assert await policies.remind_due() == 0
    node.clock.advance(days=3)
    assert (await policies.remind_due(), await policies.remind_due()) == (1, 0)
    node.clock.advance(days=11)
    assert await policies.end_due() == 0
    node.clock.advance(days=1)
    assert (await policies.end_due(), await policies.end_due()) == (1, 0)
    ended = (await partner_of(node)).policy_out
    # What it kept back besides stays back.
    assert ended == PolicySheet(Preset.ACQUAINTANCE, profiles=Profiles.NONE)
    assert await lines(node) == {"Offen": UPSERT, "Für alle": WITHDRAW}
    assert [each.id for each in await policies.ending()] == ["sued"]
    node.clock.advance(days=3)
    assert await policies.end_due() == 1
    assert (await partner_of(node)).policy_in == ACQUAINTANCE
    assert await policies.ending() == []


@pytest.mark.parametrize("direction", list(Direction))
async def test_a_restore_opens_nothing_that_was_closed_since(
    node: BackedNode, direction: Direction
) -> None:
    await node.partner("sued")
    await hold_copies(node)
    await publish(node, "Für alle", "trusted")
    await told(node)
    made = await node.backup()
    closed = PolicySheet(Preset.PARTNER, closed_topics=frozenset({"Laser"}))
    await set_sheet(node, closed, direction=direction)
    await set_sheet(node, ACQUAINTANCE, direction=direction)
    await set_sheet(node, closed, direction=direction)
    await node.close()
    await node.restore(made.path)
    await node.open()
    partner = await partner_of(node)
    both = {Direction.OUT: partner.policy_out, Direction.IN: partner.policy_in}
    other = Direction.IN if direction is Direction.OUT else Direction.OUT
    assert both == {direction: closed, other: CLOSE}
    history = await node.node.partners.policies.history("sued")
    assert [each.sheet for each in history] == [closed]
