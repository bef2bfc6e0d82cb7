"""Days on which a partner was reached, and how little is written for them."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from node.storage import partner_days, partners
from node.storage.database import Database, Transaction
from node.storage.partner_days import PartnerDay
from tests.contract.storage.test_modules import partner


@pytest.fixture
async def filled(database: Database, now: datetime) -> Database:
    async def work(tx: Transaction) -> None:
        await partners.insert_partner(tx, partner(now))

    await database.write(work)
    return database


async def days(database: Database, first: date) -> tuple[PartnerDay, ...]:
    async with database.read() as tx:
        return (await partner_days.days_since(tx, first)).get("r1", ())


async def test_a_burst_counts_once_and_another_day_anew(
    filled: Database, now: datetime
) -> None:
    known = partner(now)

    async def exchange(at: datetime) -> None:
        nonlocal known
        before = known
        await filled.write(lambda tx: partner_days.count_exchange(tx, before, at))
        known = replace(known, last_received_at=at)

    for milliseconds in range(0, 900, 100):
        await exchange(now + timedelta(milliseconds=milliseconds))
    assert await days(filled, now.date()) == (PartnerDay(now.date(), 1, 0),)
    await exchange(now + timedelta(seconds=5))
    await exchange(now + timedelta(days=1))
    tomorrow = now.date() + timedelta(days=1)
    assert await days(filled, now.date()) == (
        PartnerDay(now.date(), 2, 0),
        PartnerDay(tomorrow, 1, 0),
    )
    assert await days(filled, tomorrow) == (PartnerDay(tomorrow, 1, 0),)


async def test_midnight_within_a_burst_is_another_day(
    filled: Database, now: datetime
) -> None:
    midnight = now.replace(hour=0, minute=0) + timedelta(days=1)
    known = replace(partner(now), checked_at=midnight - timedelta(milliseconds=1))
    await filled.write(lambda tx: partner_days.count_exchange(tx, known, midnight))
    assert await days(filled, now.date()) == (PartnerDay(midnight.date(), 1, 0),)


async def test_failures_stand_beside_exchanges_and_a_clock_that_went_back_counts(
    filled: Database, now: datetime
) -> None:
    known = partner(now)

    async def fail(at: datetime) -> None:
        nonlocal known
        before = known
        await filled.write(lambda tx: partner_days.count_failure(tx, before, at))
        known = replace(known, last_failure_at=at, attempts=known.attempts + 1)

    await fail(now)
    await fail(now + timedelta(milliseconds=10))
    await fail(now + timedelta(minutes=1))
    await fail(now - timedelta(minutes=1))
    await filled.write(lambda tx: partner_days.count_exchange(tx, known, now))
    assert await days(filled, now.date()) == (PartnerDay(now.date(), 1, 3),)


async def test_old_days_go_and_a_forgotten_partner_takes_its_days_along(
    filled: Database, now: datetime
) -> None:
    known = partner(now)
    for back in (0, 14, 15, 16, 40):
        at = now - timedelta(days=back)
        await filled.write(lambda tx, at=at: partner_days.count_exchange(tx, known, at))
    before = now.date() - timedelta(days=15)
    gone = await filled.write(lambda tx: partner_days.forget_days(tx, before=before))
    assert gone == 2
    left = [each.day for each in await days(filled, date(2000, 1, 1))]
    assert left == [now.date() - timedelta(days=back) for back in (15, 14, 0)]
    await filled.write(lambda tx: partners.delete_partner(tx, "r1"))
    assert await days(filled, date(2000, 1, 1)) == ()
