"""Bounds of the node itself; those of the protocol are in `federation/limits.py`.

docs/limits.md lists both and is compared with them by a test. What is not bounded
here or there is bounded by the form of the data: texts and lists by the schemas,
columns by their length.
"""

from datetime import timedelta
from typing import Final

from federation.limits import KIB, Rate

MIB: Final = 1024 * KIB

# -- connections ----------------------------------------------------------------

CONNECTIONS_MAX: Final = 512
"""Connections at once, all together."""
CONNECTIONS_FOR_PARTNERS: Final = 128
"""Of these, kept for the addresses of partners and of the reverse proxies."""
CONNECTIONS_PER_ADDRESS_MAX: Final = 32
"""Connections at once from one address that is no reverse proxy of ours."""
PARTNER_ADDRESSES_MAX: Final = 2_000
"""Addresses remembered as those of partners."""
PARTNER_ADDRESS_KEPT: Final = timedelta(hours=24)
"""How long an address counts as a partner's after a request that it signed."""
HEAD_TIMEOUT: Final = timedelta(seconds=15)
"""Time from the opening of a connection, or from the last answer on it, until the
next request's first lines must be there; afterwards it is closed."""
WRITE_TIMEOUT: Final = timedelta(seconds=30)
"""Time in which a reader must have taken what was written; afterwards it is cut."""
LINGER_TIMEOUT: Final = timedelta(seconds=2)
"""Time for which the rest of a refused body is still read, so that the sender gets
the answer."""
HEAD_LINE_BYTES_MAX: Final = 8 * KIB
"""Longest request line, and longest field."""
HEAD_FIELDS_MAX: Final = 64
"""Most fields of a request."""

# -- requests -------------------------------------------------------------------

DOOR_TIMEOUT: Final = timedelta(seconds=30)
"""Time for a request at a door, from its first line to the answer."""
PAGE_TIMEOUT: Final = timedelta(seconds=60)
"""Time for a request of a page, its form included."""
PROVED_AT_ONCE_MAX: Final = 2
"""Bodies of partners whose proofs are verified at once; of one partner, one."""
PARTNER_REQUESTS_AT_ONCE_MAX: Final = 8
"""Requests of one partner at once; further ones are refused."""
RETRY_SOON: Final = timedelta(seconds=1)
"""What a partner with too many requests at once is told to wait for."""
INLINE_BODY_BYTES_MAX: Final = 8 * KIB
"""Longest body that is verified without a thread of its own."""
UNPROVEN_BYTES_MAX: Final = 16 * MIB
"""Bodies at once, all together, of senders that have proven nothing yet."""
FORM_BYTES_MAX: Final = 8 * MIB
"""Longest form of a page: the import of a members' list."""
PAGE_RATE: Final = Rate(per_second=20.0, burst=600.0)
"""Requests of pages from one address; files of the layout are not counted."""
PROBE_KEPT: Final = timedelta(seconds=1)
"""How long the finding of `/readyz` holds."""

# -- what is remembered ---------------------------------------------------------

PROCESSED_KEPT: Final = timedelta(days=30)
"""How long the ids of messages, confirmations and refusals are remembered after
they took effect; of those that end a partnership or change keys, for ever."""
PUBLIC_CACHE: Final = timedelta(seconds=60)
"""How long a cache may keep a public entry."""
DISCOVERY_CACHE: Final = timedelta(seconds=300)
"""How long a cache may keep actor, WebFinger and NodeInfo."""
