"""Times and days in documents: one spelling each."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from typing import Final

from federation.errors import LocalError, SchemaInvalidError

_TIMESTAMP: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z"
)
_DAY_END: Final = time(23, 59, 59)


def format_timestamp(moment: datetime) -> str:
    """Write an aware time as UTC with seconds: `2027-01-14T09:00:00Z`.

    Raises:
        LocalError: The time is naive.
    """
    if moment.tzinfo is None:
        raise LocalError("a time without zone cannot be sent")
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"


def parse_timestamp(text: str) -> datetime:
    """Read what `format_timestamp` writes, and nothing else.

    Raises:
        SchemaInvalidError: Another form, or a day that does not exist.
    """
    if not _TIMESTAMP.match(text):
        raise SchemaInvalidError("A time must have the form 2027-01-14T09:00:00Z.")
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise SchemaInvalidError("A time does not exist in the calendar.") from error


def end_of_day(day: date) -> datetime:
    """Return the last second of a day in UTC, the wire form of a last day."""
    return datetime.combine(day, _DAY_END, UTC)
