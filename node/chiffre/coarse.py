"""Times and numbers of an entry under Chiffre: coarse, so that they tie it to nobody.

Source: SPEC.md CHI-001, CHI-004, CHI-005.
"""

import base64
import calendar
import hashlib
from datetime import date, datetime, timedelta
from typing import Final

from federation.ports import RandomSource

# Crockford's signs: no I, L, O or U, so that the number can be read out.
_SIGNS: Final = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)
_NUMBER_BYTES: Final = 5
_HALF: Final = 4
_HOUR: Final = timedelta(hours=1)


def box_number(entry_uri: str) -> str:
    """Return the number that people read: `A7K2-9QXM`, the same on every node."""
    digest = hashlib.sha256(f"box number of {entry_uri}".encode()).digest()
    signs = base64.b32encode(digest[:_NUMBER_BYTES]).translate(_SIGNS).decode()
    return f"{signs[:_HALF]}-{signs[_HALF:]}"


def begin_of_day(moment: datetime) -> datetime:
    """Return the beginning of the day, in the moment's zone."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def end_of_month(day: date) -> date:
    """Return the last day of the month."""
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def visible_from(now: datetime, *, hours: int, random: RandomSource) -> datetime:
    """Draw the full hour at which a version becomes visible, of the next `hours`.

    Args:
        now: When it was published.
        hours: How many hours come into question; 0 means at once.
        random: Where the draw comes from.
    """
    if hours == 0:
        return now
    begun = now.replace(minute=0, second=0, microsecond=0)
    # 16 bits over a handful of hours: the bias is below 1 in 10,000.
    drawn = int.from_bytes(random.bytes(2)) % hours
    return begun + (drawn + 1) * _HOUR
