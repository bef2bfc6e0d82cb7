"""Which days an exchange or a failure leaves behind, and how often they are written."""

from datetime import timedelta

from node.storage.partner_days import PartnerDay, days_since
from tests.http.nodes import OFFER, MovableClock, RunningNode


async def days_of(node: RunningNode, other: RunningNode) -> dict[int, tuple[int, int]]:
    """Exchanges and failures by day, counted from the first day of the test."""
    partner = await node.partner(other)
    today = node.context.clock.now().date()
    async with node.database.read() as tx:
        found = await days_since(tx, today - timedelta(days=30))
    known: tuple[PartnerDay, ...] = found.get(partner.id, ())
    return {each.day.day: (each.exchanges, each.failures) for each in known}


async def test_both_sides_note_the_day_of_a_page_and_of_a_failure(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    first = clock.now().day
    clock.advance(days=1)
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    # One page there, one receipt back; the same second holds both.
    assert (await days_of(nord, sued))[first + 1] == (1, 0)
    assert (await days_of(sued, nord))[first + 1] == (1, 0)

    clock.advance(days=1)
    await sued.stop()
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Zwei"}})
    for _ in range(3):
        clock.advance(hours=2)
        await nord.settle()
    assert (await days_of(nord, sued))[first + 2] == (0, 3)
    assert first + 2 not in await days_of(sued, nord)


async def test_a_burst_of_entries_is_written_once(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    clock.advance(days=1)
    for number in range(5):
        await nord.catalogue.publish(
            nord.office, {**OFFER, "title": {"de": f"Eintrag {number}"}}
        )
        await nord.settle()
    day = clock.now().day
    assert (await days_of(nord, sued))[day] == (1, 0)
    assert (await days_of(sued, nord))[day] == (1, 0)
