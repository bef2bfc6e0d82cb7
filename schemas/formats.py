"""The checks behind ``format`` in the schemas: real days, times and time zones."""

from __future__ import annotations

import datetime
import functools
import zoneinfo

from jsonschema import FormatChecker

__all__ = ["FORMATS"]

FORMATS = FormatChecker(formats=())
"""Hand this to every validator, otherwise ``2027-02-31`` counts as a day."""


@functools.cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@FORMATS.checks("date", raises=ValueError)
def _is_day(value: object) -> bool:
    # The pattern beside the format fixes the form; this refuses 31 February.
    if isinstance(value, str):
        datetime.date.fromisoformat(value)
    return True


@FORMATS.checks("local-date-time", raises=ValueError)
def _is_local_time(value: object) -> bool:
    if isinstance(value, str):
        return datetime.datetime.fromisoformat(value).tzinfo is None
    return True


@FORMATS.checks("time-zone")
def _is_time_zone(value: object) -> bool:
    return not isinstance(value, str) or value in _time_zones()
