"""What policy sheets say, as SQL filters for lists.

The same as `node.visibility.policy` decides; tests/property/test_visibility.py
compares them on random worlds. Change one, change the other.
"""

from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, and_, func, literal, or_, true
from sqlalchemy import type_coerce as read_as

from node.storage.columns import UtcDateTime
from node.storage.tables import entries, partners, received_entries
from node.visibility.policy import (
    PolicySheet,
    Preset,
    closed_profile_kinds,
    topic_key,
)

_DAY_MICROSECONDS = timedelta(days=1) // timedelta(microseconds=1)


def let_out(
    sheet: PolicySheet, *, is_public: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Filter over `entries` that keeps what a sheet lets out today.

    Args:
        sheet: What counts of it today (`policy.effective`).
        is_public: Of an entry that may leave: it is public under its ceilings.
    """
    conditions: list[ColumnElement[bool]] = [true()]
    if sheet.preset is Preset.ACQUAINTANCE:
        conditions.append(is_public)
    closed = sheet.closed_kinds | closed_profile_kinds(sheet.profiles_passing)
    if closed:
        conditions.append(entries.c.kind.not_in(sorted(closed)))
    if not sheet.chiffre_passes:
        conditions.append(entries.c.is_chiffre.is_(False))
    topics = func.coalesce(entries.c.topics, "")
    conditions += [
        # Says exactly whether it is there; a pattern would have signs of its own.
        func.replace(topics, f"|{key}|", "") == topics
        for key in sorted({topic_key(each) for each in sheet.closed_topics})
    ]
    return and_(*conditions)


def leased_by_policy(now: datetime) -> ColumnElement[bool]:
    """Filter over `received_entries` with `partners`: not beyond a sheet's lease.

    A sheet makes a lease shorter, never longer; of public copies it says nothing.
    """
    days = partners.c.in_lease_days
    # Calculated with as it is stored: microseconds.
    stored = literal(UtcDateTime.stored(now), BigInteger)
    begin = stored - days * literal(_DAY_MICROSECONDS, BigInteger)
    return or_(
        days.is_(None),
        received_entries.c.is_public,
        read_as(received_entries.c.changed_at, BigInteger) > begin,
        read_as(partners.c.verified_at, BigInteger) > begin,
    )
