"""How long a copy may be shown without its origin's word that it still stands.

Nothing but an equal comparison renews a lease (`documents.page.Verifying`); that an
origin answers, or sends something, does not. What has run out is not removed: the
next equal comparison shows it again.

Source: SPEC.md FED-152 to FED-154.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from federation.limits import (
    LEASE_HIDDEN,
    LEASE_PERSONAL,
    LEASE_STALE,
    SIGNATURE_AGE_MAX,
    SIGNATURE_AHEAD_MAX,
)

if TYPE_CHECKING:
    from datetime import datetime, timedelta


class LeaseState(Enum):
    """What a reader is shown."""

    CONFIRMED = "confirmed"
    """The copy, as it is."""
    UNCONFIRMED = "unconfirmed"
    """The copy, with the day of the last comparison."""
    LAPSED = "lapsed"
    """Nothing."""


def lease_length(*, personal: bool) -> timedelta:
    """Return how long a copy that is not public is shown unconfirmed."""
    return LEASE_PERSONAL if personal else LEASE_HIDDEN


def lease_begin(came: datetime, verified: datetime | None) -> datetime:
    """Return from when a copy is leased.

    Args:
        came: When this version of it came, by the receiver's clock, aware UTC.
        verified: When the origin made the newest page that was equal to what the
            receiver held; None for none.
    """
    return came if verified is None else max(came, verified)


def lease_state(
    begin: datetime,
    *,
    now: datetime,
    public: bool,
    personal: bool,
    at_most: timedelta | None = None,
) -> LeaseState:
    """Say whether a copy is shown.

    Args:
        begin: From `lease_begin`.
        now: The time, aware UTC.
        public: Its origin calls it public: it is never hidden by its lease.
        personal: It names a person.
        at_most: A shorter lease by the receiver's own rules.
    """
    age = now - begin
    length = lease_length(personal=personal)
    if at_most is not None:
        length = min(length, at_most)
    if not public and age >= length:
        return LeaseState.LAPSED
    return LeaseState.UNCONFIRMED if age >= LEASE_STALE else LeaseState.CONFIRMED


def lapses_at(renewed: datetime, *, personal: bool) -> datetime:
    """Return by when a partner's copy lapses of what it was not told to keep.

    Args:
        renewed: When the newest page left that may have renewed it or brought it.
        personal: It names a person.

    Returns:
        A time by which a partner that keeps the rules shows it no more, whatever it
        has received; its clock may be as wrong as a signature permits.
    """
    travel = SIGNATURE_AGE_MAX + SIGNATURE_AHEAD_MAX
    return renewed + travel + lease_length(personal=personal)
