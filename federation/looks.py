"""The door that tells a peer what we hold of it: one more step of the inbox.

It stands behind `inbox.admit_partner`, as a pull does. Source: SPEC.md PRT-054.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation.documents.holdings import HoldingsScope
from federation.errors import MalformedError
from federation.inbox import AdmittedRequest, ReceivedRequest, require_trust
from federation.trust import TrustAction
from federation.view import BUCKETS

if TYPE_CHECKING:
    from federation.ids import NodeAddress
    from federation.peers import KnownPeer

_HELD: Final = re.compile(
    r"\?(?:bucket=(?P<bucket>0|[1-9][0-9]{0,2})(?:&after=(?P<behind>[a-z2-7]{26}))?"
    r"|after=(?P<after>[a-z2-7]{26})?)\Z"
)


@dataclass(frozen=True, slots=True)
class PermittedLook:
    """A signed request for what we hold of a peer that may ask.

    Made by `read_holdings`.

    Args:
        peer: Who asks.
        scope: Which entries are to be listed; None for the whole in numbers.
        request: For signing the answer.
    """

    peer: KnownPeer
    scope: HoldingsScope | None
    request: ReceivedRequest


def read_holdings(admitted: AdmittedRequest, *, address: NodeAddress) -> PermittedLook:
    """Read what a peer wants to know of what we hold of it, and whether it may.

    Args:
        admitted: The request.
        address: Our own address.

    Raises:
        PeerError: 400 for another query, 403 if the trust state does not permit it.

    Source: SPEC.md PRT-054.
    """
    request = admitted.request
    require_trust(admitted.peer, TrustAction.READ_HOLDINGS)
    query = request.target_uri.removeprefix(address.holdings)
    is_ours = request.method == "GET" and query != request.target_uri
    if is_ours and not query:
        return PermittedLook(admitted.peer, None, request)
    found = _HELD.match(query) if is_ours else None
    if found is None or int(found["bucket"] or 0) >= BUCKETS:
        raise MalformedError(
            "Ask for /holdings, /holdings?after=ID or /holdings?bucket=N&after=ID."
        )
    bucket = None if found["bucket"] is None else int(found["bucket"])
    after = found["after"] or found["behind"] or None
    return PermittedLook(admitted.peer, HoldingsScope(bucket, after), request)
