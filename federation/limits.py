"""Every bound of the protocol, with its unit and source.

Both sides must keep them: a document that we build within them is accepted by
every partner. docs/limits.md lists them with those of the node (node/limits.py).
Source: SPEC.md FED-090 to FED-099, FED-130 to FED-137, FED-150 to FED-157.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final


@dataclass(frozen=True, slots=True)
class Rate:
    """A bound on how much may come (`federation.rates`).

    Args:
        per_second: How much in the long run, above 0.
        burst: How much at once after a rest, above 0.
    """

    per_second: float
    burst: float

    def times(self, factor: float) -> Rate:
        """Return the bound raised by a factor, for measurements."""
        return Rate(self.per_second * factor, self.burst * factor)


KIB: Final = 1024

ACTIVITY_BYTES_MAX: Final = 256 * KIB
"""Largest body with a single activity, actor, receipt or handshake request
(FED-090)."""
ACTIVITY_NODES_MAX: Final = 10_000
"""Most JSON values (containers, members and items) in such a body (FED-090)."""
ENTRY_BYTES_MAX: Final = 32 * KIB
"""Largest entry, measured as its canonical bytes with proof (FED-091)."""
PAGE_BYTES_MAX: Final = 4 * 1024 * KIB
"""Largest body with a page (FED-092)."""
PAGE_ITEMS_MAX: Final = 200
"""Most activities in a page (FED-092)."""
PAGE_NODES_MAX: Final = 500_000
"""Most JSON values in a page; 200 entries of 32 KiB stay below (FED-092)."""
JSON_DEPTH_MAX: Final = 32
"""Deepest nesting of arrays and objects (FED-093)."""
JSON_INTEGER_MAX: Final = 2**53 - 1
"""Largest magnitude of a number (RFC 8785 §3.2.2.3, I-JSON) (FED-020)."""
MESSAGE_CHARACTERS_MAX: Final = 8_000
"""Longest text of a message between two members, in Unicode characters (FED-093)."""
URI_CHARACTERS_MAX: Final = 400
"""Longest identifier (FED-093)."""
REFUSALS_LISTED_MAX: Final = 400
"""Most refused entries that a receipt names; the count is always complete (FED-094)."""
KEYS_MAX: Final = 32
"""Most keys of an actor, retired and revoked ones included (FED-100)."""
CURRENT_KEYS_MAX: Final = 4
"""Most keys of an actor that may sign now (FED-100)."""
KEYS_DAILY_MAX: Final = 4
"""Most new keys that a partner may announce within a day (FED-104)."""
MOVES_DAILY_MAX: Final = 4
"""Most announcements of a move of one partner that are taken in a day (FED-164)."""
FORMER_ADDRESSES_MAX: Final = 8
"""Most former addresses of a node, so most of its moves (FED-160)."""

SIGNATURE_AGE_MAX: Final = timedelta(seconds=300)
"""Oldest `created` of a request signature (FED-098)."""
SIGNATURE_AHEAD_MAX: Final = timedelta(seconds=60)
"""Furthest `created` in the future, for clocks that differ (FED-098)."""
NONCE_BYTES: Final = 16
"""Random bytes in a request's nonce (FED-035)."""
NONCE_CHARACTERS_MIN: Final = 22
"""Shortest nonce we accept: 128 bits in base64url (FED-035)."""
NONCE_CHARACTERS_MAX: Final = 64
"""Longest nonce we accept (FED-035)."""
SIGNATURE_FIELD_CHARACTERS_MAX: Final = 2_048
"""Longest Signature, Signature-Input or Content-Digest field (FED-038)."""

REQUEST_BODY_TIMEOUT: Final = timedelta(seconds=15)
"""Time in which a request body must have arrived (slow senders) (FED-099)."""
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
"""Time for name, connection and TLS handshake of our own requests (FED-096)."""
ANSWER_TIMEOUT: Final = timedelta(seconds=60)
"""Total time of one request of ours, answer read to the end (FED-096)."""
PROBLEM_BYTES_MAX: Final = 16 * KIB
"""Most bytes that we read of an error answer (FED-096)."""

ADDRESS_RATE: Final = Rate(per_second=20.0, burst=240.0)
"""Requests at the doors from one address, counted before anything is read (FED-130)."""
ADDRESS_FAILURE_RATE: Final = Rate(per_second=0.5, burst=60.0)
"""Requests with an absent or wrong signature from one address; afterwards nothing of
this address is read until tokens are back (FED-130)."""
ADDRESS_REFUSAL_RATE: Final = Rate(per_second=1.0, burst=60.0)
"""Answers 429 to one address; afterwards it gets no answer but a closed connection, and
no line in the log, until tokens are back (FED-132)."""
NAMED_LOOKUP_RATE: Final = Rate(per_second=10.0, burst=60.0)
"""Requests of an address without tokens whose signature names a key that is looked up
(FED-138)."""
NAMED_KEY_RATE: Final = Rate(per_second=1.0, burst=20.0)
"""Of these, those that one and the same key of a partner has signed (FED-138)."""
GUEST_RATE: Final = Rate(per_second=0.2, burst=20.0)
"""Partner requests from one address (FED-130)."""
PARTNER_RATE: Final = Rate(per_second=10.0, burst=200.0)
"""Requests of one partner, counted after its signature has verified (FED-131)."""
PARTNER_ITEMS_RATE: Final = Rate(per_second=50.0, burst=4_000.0)
"""Items of one partner: each item of a page, each single activity (FED-131)."""
ADDRESSES_REMEMBERED_MAX: Final = 20_000
"""Addresses (IPv4 each, IPv6 by /64) of which rates are remembered (FED-132)."""
PARTNERS_REMEMBERED_MAX: Final = 5_000
"""Partners of which rates are remembered (FED-132)."""
ENTRIES_HELD_MAX: Final = 20_000
"""Entries of one partner that we hold, tombstones counted; further ones are kept out
and named in the receipt (FED-133)."""
ENTRIES_REMEMBERED_MAX: Final = 40_000
"""Ids of entries of one partner that we remember in any form; further ones are kept
out without a row and named in the receipt (FED-133)."""
MESSAGES_DAILY_MAX: Final = 500
"""Activities of one partner within a day after which its messages wait (FED-134)."""
ACTIVITIES_DAILY_MAX: Final = 1_000
"""Activities of one partner within a day after which all others wait, too (FED-134)."""
QUOTA_WAIT: Final = timedelta(hours=1)
"""What a partner is told to wait for when a quota is used up (FED-134)."""

RETRY_DELAY_FIRST: Final = timedelta(seconds=10)
"""Delay after the first failed attempt (FED-058)."""
RETRY_DELAY_MAX: Final = timedelta(hours=1)
"""Longest delay between two attempts; there is no giving up (FED-058)."""

CHECK_AFTER: Final = timedelta(hours=20)
"""Time after which both sides are compared again, also if nothing has changed
(FED-151)."""
CHECK_SPREAD: Final = timedelta(hours=8)
"""Most that is added to it by chance, so that partners are spread (FED-151)."""
LEASE_STALE: Final = timedelta(days=14)
"""Age of the last equal comparison from which a copy is shown as not confirmed
(FED-153)."""
LEASE_HIDDEN: Final = timedelta(days=30)
"""Age from which a copy that is not public is hidden (FED-153)."""
LEASE_PERSONAL: Final = timedelta(days=14)
"""The same of a copy that names a person (FED-153)."""
REPAIR_AGAIN: Final = timedelta(hours=1)
"""Shortest time between two comparisons of entries with one partner (FED-156)."""
REWINDS_MAX: Final = 3
"""Most times within an hour that we go back to a position of a partner that has
confirmed a later one; once more is a failed attempt (FED-062)."""
HOLDINGS_ITEMS_MAX: Final = 500
"""Most entries in one list of what is held; it stays within 256 KiB (PRT-054)."""
HOLDINGS_READ_MAX: Final = 40_000
"""Most entries that are read of what one partner says it holds (FED-156)."""
COUNTER_BELIEVED_MAX: Final = 2**40
"""Highest counter of a version above which our office may publish an entry anew
because a partner says it holds that version; a higher one is made up (FED-156)."""
INCARNATION_LEAP_MAX: Final = 1_000
"""Furthest that a partner's word raises our incarnation after a restore; whoever names
a higher one is not believed (FED-157)."""
