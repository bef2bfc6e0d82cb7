"""Every bound of the protocol, with its unit and source.

Both sides must keep them: a document that we build within them is accepted by
every partner. Source: SPEC.md FED-090 to FED-099.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

KIB: Final = 1024

ACTIVITY_BYTES_MAX: Final = 256 * KIB
"""Largest body with a single activity, actor, receipt or handshake request."""
ACTIVITY_NODES_MAX: Final = 10_000
"""Most JSON values (containers, members and items) in such a body."""
ENTRY_BYTES_MAX: Final = 32 * KIB
"""Largest entry, measured as its canonical bytes with proof."""
PAGE_BYTES_MAX: Final = 4 * 1024 * KIB
"""Largest body with a page."""
PAGE_ITEMS_MAX: Final = 200
"""Most activities in a page."""
PAGE_NODES_MAX: Final = 500_000
"""Most JSON values in a page; 200 entries of 32 KiB stay below."""
JSON_DEPTH_MAX: Final = 32
"""Deepest nesting of arrays and objects."""
JSON_INTEGER_MAX: Final = 2**53 - 1
"""Largest magnitude of a number (RFC 8785 §3.2.2.3, I-JSON)."""
MESSAGE_CHARACTERS_MAX: Final = 8_000
"""Longest text of a message between two members, in Unicode characters."""
URI_CHARACTERS_MAX: Final = 400
"""Longest identifier."""
REFUSALS_LISTED_MAX: Final = 400
"""Most refused entries that a receipt names; the count is always complete."""

SIGNATURE_AGE_MAX: Final = timedelta(seconds=300)
"""Oldest `created` of a request signature."""
SIGNATURE_AHEAD_MAX: Final = timedelta(seconds=60)
"""Furthest `created` in the future, for clocks that differ."""
NONCE_BYTES: Final = 16
"""Random bytes in a request's nonce."""
NONCE_CHARACTERS_MIN: Final = 22
"""Shortest nonce we accept: 128 bits in base64url."""
NONCE_CHARACTERS_MAX: Final = 64
"""Longest nonce we accept."""
SIGNATURE_FIELD_CHARACTERS_MAX: Final = 2_048
"""Longest Signature, Signature-Input or Content-Digest field."""

REQUEST_BODY_TIMEOUT: Final = timedelta(seconds=15)
"""Time in which a request body must have arrived (slow senders)."""
CONNECT_TIMEOUT: Final = timedelta(seconds=10)
"""Time for name, connection and TLS handshake of our own requests."""
ANSWER_TIMEOUT: Final = timedelta(seconds=60)
"""Total time of one request of ours, answer read to the end."""
PROBLEM_BYTES_MAX: Final = 16 * KIB
"""Most bytes that we read of an error answer."""

RETRY_DELAY_FIRST: Final = timedelta(seconds=10)
"""Delay after the first failed attempt."""
RETRY_DELAY_MAX: Final = timedelta(hours=1)
"""Longest delay between two attempts; there is no giving up."""
