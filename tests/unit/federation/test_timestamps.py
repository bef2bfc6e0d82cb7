from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from federation.errors import LocalError, SchemaInvalidError
from federation.timestamps import end_of_day, format_timestamp, parse_timestamp


def test_one_spelling() -> None:
    moment = datetime(2027, 1, 14, 10, 0, 0, 999, timezone(timedelta(hours=1)))
    assert format_timestamp(moment) == "2027-01-14T09:00:00Z"
    assert parse_timestamp("2027-01-14T09:00:00Z") == datetime(
        2027, 1, 14, 9, tzinfo=UTC
    )
    assert format_timestamp(end_of_day(date(2027, 1, 31))) == "2027-01-31T23:59:59Z"


@pytest.mark.parametrize(
    "text",
    [
        "2027-01-14T09:00:00",
        "2027-01-14T09:00:00+00:00",
        "2027-01-14T09:00:00.0Z",
        "2027-01-14 09:00:00Z",
        "2027-02-31T09:00:00Z",
        "2027-01-14T24:00:00Z",
        "2027-01-14T09:00:60Z",
        "٢٠٢٧-01-14T09:00:00Z",
        "2027-01-14T09:00:00Z\n",
        "",
    ],
)
def test_other_spellings_are_refused(text: str) -> None:
    with pytest.raises(SchemaInvalidError):
        parse_timestamp(text)


def test_a_time_without_zone_cannot_be_sent() -> None:
    with pytest.raises(LocalError):
        format_timestamp(datetime(2027, 1, 14))  # noqa: DTZ001
