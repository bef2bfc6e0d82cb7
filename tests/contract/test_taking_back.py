"""Who is told that an entry is taken back: everybody who was told it, on both engines.

Every state of a partnership, every change that takes an entry away (SPEC EXC-016).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import pytest
from sqlalchemy import update

from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import Entry
from node.partners.model import Partner
from node.storage.database import Database, Transaction
from node.storage.ledger import DELETE, UPSERT, WITHDRAW, Disclosure, rows_of_entry
from node.storage.partners import (
    close_position,
    insert_partner,
    list_partners,
    update_partner,
)
from node.storage.tables import disclosures
from tests.contract.member_world import NOW, World, capacity_offer, make_world
from tests.contract.test_partners import a_partner
from tests.partner_key import first_key

Change: TypeAlias = Callable[[World, Entry], Awaitable[object]]

_OVER = frozenset(TrustState) - ESTABLISHED


@dataclass
class Told:
    """An entry that partners in every state were told, and confirmed."""

    world: World
    entry: Entry

    async def rows(self) -> dict[TrustState, Disclosure]:
        """Row of the ledger by the partner's state."""
        async with self.world.context.database.read() as tx:
            found = await rows_of_entry(tx, self.entry.id)
        return {TrustState(partner_id): row for partner_id, row in found.items()}

    async def partners(self) -> dict[TrustState, Partner]:
        async with self.world.context.database.read() as tx:
            return {each.state: each for each in await list_partners(tx)}


async def _confirmed(tx: Transaction) -> None:
    await tx.execute(update(disclosures).values(told_at=NOW, acknowledged_at=NOW))
    for partner in await list_partners(tx):
        await close_position(tx, partner.id)


@pytest.fixture
async def told(database: Database) -> Told:
    world = await make_world(database)

    async def meet(tx: Transaction) -> None:
        for state in TrustState:
            partner = a_partner(NOW, state.value)
            key = first_key(partner.base_url, row=f"key-{state.value}")
            partner = replace(partner, keys=(key,), state=TrustState.ACTIVE)
            await insert_partner(tx, partner)

    await database.write(meet)
    offer = capacity_offer(audience={"level": "trusted"})
    entry = await world.catalogue.publish(world.admin, offer)

    async def part(tx: Transaction) -> None:
        await _confirmed(tx)
        for partner in await list_partners(tx):
            state = TrustState(partner.id)
            if state in _OVER:
                # All of them stand behind the end of an earlier partnership.
                await world.ledger.withdraw_all(tx, partner)
            await update_partner(tx, partner.id, state=state)

    await database.write(part)

    async def confirm(tx: Transaction) -> None:
        await _confirmed(tx)

    await database.write(confirm)
    return Told(world, entry)


async def _withdraw(world: World, entry: Entry) -> None:
    await world.catalogue.withdraw(world.admin, entry.id)


async def _fulfil(world: World, entry: Entry) -> None:
    await world.catalogue.fulfil(world.admin, entry.id)


async def _narrow(world: World, entry: Entry) -> None:
    await world.catalogue.publish(world.admin, capacity_offer(), entry_ref=entry.id)


async def _name_nobody_here(world: World, entry: Entry) -> None:
    async def meet(tx: Transaction) -> None:
        await insert_partner(tx, replace(a_partner(NOW, "west"), id="west"))
        await update_partner(tx, "west", state=TrustState.ACTIVE)

    await world.context.database.write(meet)
    audience = {"level": "partners", "partners": ["https://west.example"]}
    narrowed = capacity_offer(audience=audience)
    await world.catalogue.publish(world.admin, narrowed, entry_ref=entry.id)


async def _expire(world: World, entry: Entry) -> None:
    assert entry.valid_until is not None
    world.clock.advance(days=(entry.valid_until - NOW.date()).days + 1)
    assert await world.catalogue.expire_due() == 1


@pytest.mark.parametrize(
    "change", [_withdraw, _fulfil, _narrow, _expire], ids=lambda each: each.__name__
)
async def test_taking_back_reaches_every_partner_that_may_hold_it(
    told: Told, change: Change
) -> None:
    before = await told.rows()
    await change(told.world, told.entry)
    rows, partners = await told.rows(), await told.partners()
    for state in TrustState:
        row, partner = rows[state], partners[state]
        assert row.op == WITHDRAW, state
        if state in ESTABLISHED:
            assert row.acknowledged_at is None, state
            assert partner.head_seq == row.seq > partner.acked_seq, state
        else:
            # Taken back when the partnership ended, and confirmed then.
            assert row == before[state], state


async def test_other_named_partners_take_it_from_all_who_are_not_named(
    told: Told,
) -> None:
    await _name_nobody_here(told.world, told.entry)
    async with told.world.context.database.read() as tx:
        found = await rows_of_entry(tx, told.entry.id)
    west = found.pop("west")
    assert (west.op, west.told_at) == (UPSERT, None)
    assert {row.op for row in found.values()} == {WITHDRAW}


async def test_deletion_is_written_down_for_everybody_who_was_ever_told(
    told: Told,
) -> None:
    await told.world.catalogue.delete(told.world.admin, told.entry.id)
    rows, partners = await told.rows(), await told.partners()
    for state in TrustState:
        row, partner = rows[state], partners[state]
        assert (row.op, row.acknowledged_at) == (DELETE, None), state
        assert partner.head_seq == row.seq, state
        # Whoever cannot be told any more holds up no `Leave`.
        waits = partner.acked_seq < partner.head_seq
        assert waits is (state is not TrustState.ENDED), state


async def test_widening_again_tells_the_partners_of_now_and_nobody_else(
    told: Told,
) -> None:
    await _narrow(told.world, told.entry)
    wide = capacity_offer(audience={"level": "trusted"})
    again = await told.world.catalogue.publish(
        told.world.admin, wide, entry_ref=told.entry.id
    )
    for state, row in (await told.rows()).items():
        if state in ESTABLISHED:
            assert (row.op, row.version) == (UPSERT, again.version), state
        else:
            assert row.op == WITHDRAW, state


async def test_entry_that_was_never_told_leaves_no_row(told: Told) -> None:
    """A withdrawal of something that nobody was told would prove that it exists."""
    wide = capacity_offer(audience={"level": "trusted"})
    other = await told.world.catalogue.publish(told.world.admin, wide)
    await told.world.catalogue.delete(told.world.admin, other.id)
    async with told.world.context.database.read() as tx:
        assert await rows_of_entry(tx, other.id) == {}


async def test_what_nobody_confirmed_is_told_again_in_a_new_partnership(
    told: Told,
) -> None:
    world = told.world
    await world.catalogue.delete(world.admin, told.entry.id)
    offer = capacity_offer(audience={"level": "trusted"})
    other = await world.catalogue.publish(world.admin, offer)

    async def begin(tx: Transaction) -> None:
        await update_partner(tx, "ended", state=TrustState.ACTIVE)
        (partner,) = [each for each in await list_partners(tx) if each.id == "ended"]
        await world.ledger.disclose_all(tx, partner)

    await world.context.database.write(begin)
    async with world.context.database.read() as tx:
        row = (await rows_of_entry(tx, told.entry.id))["ended"]
        new = (await rows_of_entry(tx, other.id))["ended"]
        (partner,) = [each for each in await list_partners(tx) if each.id == "ended"]
    assert row.op == DELETE
    # First of all: an entry that the partner cannot take must not hold it up.
    assert partner.acked_seq < row.seq < new.seq == partner.head_seq
