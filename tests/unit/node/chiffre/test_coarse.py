"""Coarse times and the box number."""

import hashlib
import re
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import pytest

from node.chiffre.coarse import begin_of_day, box_number, end_of_month, visible_from

NOW = datetime(2026, 11, 21, 14, 23, 5, 7, tzinfo=UTC)


class Bytes:
    def __init__(self, seed: int) -> None:
        self.seed = seed

    def bytes(self, count: int) -> bytes:
        return hashlib.shake_256(str(self.seed).encode()).digest(count)


def test_number_can_be_read_out_and_differs_by_entry() -> None:
    numbers = {box_number(f"https://a.example/entries/{each}") for each in range(999)}
    assert len(numbers) == 999
    assert all(
        re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4}", each)
        for each in numbers
    )


def test_times_of_a_day_are_one() -> None:
    assert begin_of_day(NOW) == datetime(2026, 11, 21, tzinfo=UTC)
    assert begin_of_day(NOW.replace(hour=0)) == begin_of_day(NOW)


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2027, 2, 1), date(2027, 2, 28)),
        (date(2028, 2, 29), date(2028, 2, 29)),
        (date(2026, 12, 31), date(2026, 12, 31)),
        (date(2026, 11, 21), date(2026, 11, 30)),
    ],
)
def test_last_days_of_a_month_are_one(day: date, end: date) -> None:
    assert end_of_month(day) == end


def test_visible_at_one_of_the_next_full_hours() -> None:
    hours = Counter(
        visible_from(NOW, hours=3, random=Bytes(seed)) for seed in range(300)
    )
    first = datetime(2026, 11, 21, 15, tzinfo=UTC)
    assert set(hours) == {first + timedelta(hours=more) for more in range(3)}
    assert min(hours.values()) > 60
    assert visible_from(NOW, hours=0, random=Bytes(1)) == NOW
