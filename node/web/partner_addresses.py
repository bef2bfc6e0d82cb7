"""From which network addresses partners come, so that they keep a share.

Only addresses that are themselves connected are remembered: what a proxy says of
its clients must not open connections.
"""

from collections import OrderedDict
from datetime import datetime

from node.limits import PARTNER_ADDRESS_KEPT, PARTNER_ADDRESSES_MAX


class PartnerAddresses:
    """Addresses from which a partner's signature came lately; bounded."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def note(self, key: str, *, now: datetime) -> None:
        """Remember an address."""
        self._seen[key] = now
        self._seen.move_to_end(key)
        while len(self._seen) > PARTNER_ADDRESSES_MAX:
            self._seen.popitem(last=False)

    def knows(self, key: str, *, now: datetime) -> bool:
        """Whether a partner came from there lately."""
        seen = self._seen.get(key)
        return seen is not None and now - seen < PARTNER_ADDRESS_KEPT
