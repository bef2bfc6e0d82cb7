"""How much may come at once: token buckets, as a pure function of the time.

A bucket holds tokens, `Rate.burst` at most, and fills by `Rate.per_second`. What
comes takes as many as it costs; if there are not enough it takes none, and learns
when there will be.

Source: SPEC.md FED-130 to FED-132.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from federation.errors import RateLimitError
from federation.limits import (
    ADDRESS_FAILURE_RATE,
    ADDRESS_RATE,
    ADDRESS_REFUSAL_RATE,
    ADDRESSES_REMEMBERED_MAX,
    GUEST_RATE,
    NAMED_KEY_RATE,
    NAMED_LOOKUP_RATE,
    PARTNER_ITEMS_RATE,
    PARTNER_RATE,
    PARTNERS_REMEMBERED_MAX,
)

if TYPE_CHECKING:
    from datetime import datetime

    from federation.limits import Rate

_SECOND: Final = timedelta(seconds=1)
_ALMOST: Final = 1e-9
"""Tokens by which a bucket may fall short, for the sake of rounding."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Tokens left at a moment."""

    tokens: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Taken:
    """There were enough tokens; this is what is left."""

    left: Bucket


@dataclass(frozen=True, slots=True)
class Exhausted:
    """There were too few tokens, and none was taken.

    Args:
        left: What there is.
        wait: How long until there will be enough; the whole burst if it costs more.
    """

    left: Bucket
    wait: timedelta


def take(
    bucket: Bucket | None, rate: Rate, *, now: datetime, cost: float = 1.0
) -> Taken | Exhausted:
    """Take tokens, if there are enough.

    A clock that was set back fills nothing and empties nothing.

    Args:
        bucket: The bucket as it was left; None for a full one.
        rate: How large it is and how fast it fills.
        now: The time, aware UTC.
        cost: Tokens to take; with 0 one only looks.
    """
    tokens = rate.burst
    if bucket is not None:
        passed = max((now - bucket.at) / _SECOND, 0.0)
        tokens = min(rate.burst, bucket.tokens + passed * rate.per_second)
    needed = min(cost, rate.burst)
    if tokens + _ALMOST >= needed:
        return Taken(Bucket(max(tokens - needed, 0.0), now))
    seconds = (needed - tokens) / rate.per_second
    return Exhausted(Bucket(tokens, now), timedelta(seconds=seconds))


class Meter:
    """Buckets of many: of addresses, or of partners. Its memory is bounded.

    When there are more keys than it remembers, the one that came longest ago is
    forgotten and would start anew with a full bucket. That favours an attacker
    with very many addresses over locking everybody else out; what such an
    attacker can still reach is bounded by connections and signatures.

    Args:
        rate: The bound for each key.
        keys_max: How many keys are remembered.
    """

    def __init__(self, rate: Rate, *, keys_max: int) -> None:
        self._rate = rate
        self._keys_max = keys_max
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def charge(self, key: str, *, now: datetime, cost: float = 1.0) -> timedelta | None:
        """Take tokens of a key.

        Returns:
            None if there were enough, else how long to wait.
        """
        outcome = take(self._buckets.pop(key, None), self._rate, now=now, cost=cost)
        self._buckets[key] = outcome.left
        while len(self._buckets) > self._keys_max:
            self._buckets.popitem(last=False)
        return outcome.wait if isinstance(outcome, Exhausted) else None

    def require(self, key: str, *, now: datetime, cost: float = 1.0) -> None:
        """Take tokens of a key, or refuse.

        Raises:
            RateLimitError: There are too few; says how long to wait.
        """
        wait = self.charge(key, now=now, cost=cost)
        if wait is not None:
            raise too_many(wait)

    def require_some(self, key: str, *, now: datetime) -> None:
        """Refuse a key whose tokens are used up, and take none.

        Raises:
            RateLimitError: There is not one left.
        """
        outcome = take(self._buckets.get(key), self._rate, now=now)
        if isinstance(outcome, Exhausted):
            raise too_many(outcome.wait)

    def has_some(self, key: str, *, now: datetime) -> bool:
        """Tell whether a key has a token left; takes none."""
        outcome = take(self._buckets.get(key), self._rate, now=now)
        return isinstance(outcome, Taken)


class DoorRates:
    """All rates of the doors, in the memory of the process that serves.

    A restart forgets them, which nobody outside can cause.

    Args:
        factor: Raises every bound, for measurements; 1 otherwise.
    """

    def __init__(self, *, factor: float = 1.0) -> None:
        def of_addresses(rate: Rate) -> Meter:
            return Meter(rate.times(factor), keys_max=ADDRESSES_REMEMBERED_MAX)

        def of_partners(rate: Rate) -> Meter:
            return Meter(rate.times(factor), keys_max=PARTNERS_REMEMBERED_MAX)

        self._addresses = of_addresses(ADDRESS_RATE)
        self._failures = of_addresses(ADDRESS_FAILURE_RATE)
        self._refusals = of_addresses(ADDRESS_REFUSAL_RATE)
        self._guests = of_addresses(GUEST_RATE)
        self._lookups = of_addresses(NAMED_LOOKUP_RATE)
        self._named = of_addresses(NAMED_KEY_RATE)
        self._partners = of_partners(PARTNER_RATE)
        self._items = of_partners(PARTNER_ITEMS_RATE)

    def admit_address(self, address: str, *, now: datetime) -> None:
        """Count a request from an address, before anything is read.

        Raises:
            RateLimitError: It has sent too many, or too many wrong signatures.
        """
        self._failures.require_some(address, now=now)
        self._addresses.require(address, now=now)

    def note_failure(self, address: str, *, now: datetime) -> None:
        """Count a request whose signature was absent or wrong."""
        self._failures.charge(address, now=now)

    def note_refusal(self, address: str, *, now: datetime) -> None:
        """Count an answer that said "too many" to an address."""
        self._refusals.charge(address, now=now)

    def is_silenced(self, address: str, *, now: datetime) -> bool:
        """Whether an address was told "too many" too often to be told again."""
        return not self._refusals.has_some(address, now=now)

    def admit_lookup(self, address: str, *, now: datetime) -> None:
        """Count a key to be looked up for an address that has sent too many.

        Raises:
            RateLimitError: It has named too many.
        """
        self._lookups.require(address, now=now)

    def admit_named(self, address: str, key_id: str, *, now: datetime) -> None:
        """Count a request of such an address that names a peer's key.

        Raises:
            RateLimitError: It has sent too many that name it.
        """
        self._named.require(f"{address} {key_id}", now=now)

    def admit_guest(self, address: str, *, now: datetime) -> None:
        """Count a partner request from an address.

        Raises:
            RateLimitError: It has sent too many.
        """
        self._guests.require(address, now=now)

    def admit_partner(self, partner_id: str, *, now: datetime) -> None:
        """Count a request that a partner has signed.

        Raises:
            RateLimitError: It has sent too many.
        """
        self._partners.require(partner_id, now=now)

    def admit_items(self, partner_id: str, count: int, *, now: datetime) -> None:
        """Count what a partner's request carries.

        Raises:
            RateLimitError: It has sent too many.
        """
        self._items.require(partner_id, now=now, cost=count)


def too_many(
    wait: timedelta,
    *,
    code: str = "rate-limit-exceeded",
    text: str = "Too many requests. Wait as long as Retry-After says.",
) -> RateLimitError:
    """Return the 429 that names, in whole seconds, how long to wait."""
    seconds = max(1, math.ceil(wait / _SECOND))
    return RateLimitError(text, code=code, members={"retry_after": seconds})
