"""Dates, numbers and money in both languages."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from node.web.formats import Formats
from node.web.i18n import Languages, speaking

NOW = datetime(2026, 11, 21, 13, 2, tzinfo=UTC)


class FixedClock:
    def now(self) -> datetime:
        return NOW


@pytest.fixture(name="german")
def german_formats():
    with speaking(Languages("de").find("de")):
        yield Formats(FixedClock(), "Europe/Berlin")


@pytest.fixture(name="english")
def english_formats():
    with speaking(Languages("de").find("en")):
        yield Formats(FixedClock(), "Europe/Berlin")


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (timedelta(seconds=20), "gerade eben"),
        (timedelta(minutes=3), "vor 3 Minuten"),
        (timedelta(days=3), "vor 3 Tagen"),
        (timedelta(days=-4), "in 4 Tagen"),
        (timedelta(days=40), "12.10.2026"),
    ],
)
def test_ago(german: Formats, before: timedelta, expected: str):
    assert german.ago(NOW - before) == expected


def test_times_are_shown_in_the_zone_of_the_node(german: Formats):
    assert german.write_time(NOW) == "14:02"
    assert german.write_datetime(NOW) == "21.11.2026, 14:02"
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert german.write_date(late) == "21. November 2026"
    assert german.moment(late) == "00:30"
    assert german.moment(NOW - timedelta(days=1)) == "20.11.2026, 14:02"


def test_english_is_european(english: Formats):
    assert english.write_date(date(2027, 3, 31)) == "31 March 2027"
    assert english.write_time(NOW) == "14:02"
    assert english.weekday("2027-01-14") == "Thu 14 January"


def test_text_of_entries_is_understood(german: Formats):
    assert german.write_date("2027-03-31") == "31. März 2027"
    assert german.write_date("2027-01-13T23:30:00Z") == "14. Januar 2027"
    assert german.weekday("2027-01-14") == "Do., 14. Januar"
    assert german.number("1234.50") == "1.234,50"
    assert german.number("0.000001") == "0,000001"
    assert german.money("85", "CHF") == "85,00\u00a0CHF"
    assert german.money(Decimal("1234.5"), "EUR") == "1.234,50\u00a0€"


def test_a_time_without_zone_is_refused(german: Formats):
    with pytest.raises(ValueError, match="without a zone"):
        german.ago(datetime(2026, 1, 1, 12))  # noqa: DTZ001


def test_lists_are_joined(german: Formats):
    assert german.listing(["Nord", "Süd", "West"]) == "Nord, Süd und West"


def test_machines_get_utc(german: Formats):
    assert german.iso(NOW) == "2026-11-21T13:02:00Z"
    assert german.iso(date(2026, 1, 2)) == "2026-01-02"
