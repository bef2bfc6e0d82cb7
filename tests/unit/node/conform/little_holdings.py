"""What the little host says that it holds."""

from collections.abc import Mapping
from datetime import datetime

from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsScope,
    build_holdings,
    build_holdings_page,
)
from federation.exchange import HeldPosition, HeldState, HeldVersion, ViewDigest
from federation.ids import NodeAddress
from federation.json_types import JsonObject

AT_ONCE = 2  # so that a list goes on


def told_of(
    held: Mapping[str, HeldVersion],
    scope: HoldingsScope | None,
    *,
    reached: HeldPosition | None,
    address: NodeAddress,
    partner: str,
    now: datetime,
) -> JsonObject:
    """Write the whole in numbers, or a part of the list."""
    if scope is None:
        view = ViewDigest()
        for entry_id, each in held.items():
            if each.state is HeldState.PRESENT and each.content_hash is not None:
                view.add(entry_id, each.version, each.content_hash)
        epoch, position = (reached.epoch, reached.position) if reached else (None, 0)
        return build_holdings(
            Holdings(epoch, position, view, now), address=address, partner=partner
        )
    listed = [
        HeldEntry(entry_id, each)
        for entry_id, each in sorted(held.items())
        if entry_id.rpartition("/")[2] > (scope.after or "")
    ]
    return build_holdings_page(
        listed[:AT_ONCE],
        scope=scope,
        more=len(listed) > AT_ONCE,
        address=address,
        partner=partner,
        published=now,
    )
