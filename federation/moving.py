"""Whether a node is believed to be at another address now.

THE place that decides it. Pure. Whoever has stolen a key can announce whatever the
owner could; so an announcement only makes our office ask, and what is found at the
new address only makes sure that both of its halves exist. What moves the partner is
that our office has typed the number which the other one read out on the telephone.

Source: SPEC.md FED-163 to FED-168.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from typing import TYPE_CHECKING, Final

from federation.errors import ConflictError, SchemaInvalidError
from federation.handshake import eight_digits
from federation.ids import NodeAddress
from federation.key_changes import KeysUnchanged, decide_key_change
from federation.limits import SIGNATURE_AHEAD_MAX
from federation.peers import renamed_keys

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from federation.documents.actor import ActorDocument
    from federation.documents.move import Move
    from federation.ids import BaseUrl
    from federation.keys import PublicKey
    from federation.peers import RemotePeer


class MoveFault(Enum):
    """What is missing at a new address; the value is a clause for our office."""

    NOT_NAMED = "it does not name the old address as its own"
    OTHER_KEY = "it shows another key than the one that we know"


_ADDRESS_TAKEN: Final = "address-taken"


def move_number(*, old: BaseUrl, new: BaseUrl, key: PublicKey) -> str:
    """Return the eight digits that the office that moves reads to its partners.

    The same for all of them: it binds both addresses and the key that signs now.

    Returns:
        For example `4711 0815`.

    Source: SPEC.md FED-165.
    """
    covered = f"spalier move number 1\0{old}\0{new}\0".encode("ascii")
    return eight_digits(hashlib.sha256(covered + key.raw).digest())


def require_announceable(
    move: Move,
    *,
    own: NodeAddress,
    taken: Collection[BaseUrl],
    last_published: datetime | None,
    now: datetime,
) -> None:
    """Require that an announcement may be shown to our office.

    Args:
        move: Proven to be the peer's.
        own: Our own addresses, the former ones too.
        taken: Every address that another peer has, or had and is known by.
        last_published: Of the newest announcement that was heard of the peer.
        now: Aware UTC.

    Raises:
        ConflictError: It leads to somebody else, or is older than another one.
        SchemaInvalidError: It is of the future.

    Source: SPEC.md FED-164.
    """
    if move.published > now + SIGNATURE_AHEAD_MAX:
        raise SchemaInvalidError("/published: This lies in the future.")
    if last_published is not None and move.published < last_published:
        raise ConflictError(
            "A newer announcement of a move was heard before.", code="update-older"
        )
    if move.target in own.names or move.target in taken:
        raise ConflictError(
            "The address that was announced is another node's.", code=_ADDRESS_TAKEN
        )


def fault_of_new_address(
    shown: ActorDocument, *, peer: RemotePeer, now: datetime
) -> MoveFault | None:
    """Say why what a new address shows is not the peer; None if it is.

    Both must hold: it names the old address as its own (`alsoKnownAs`), as the
    announcement names the new one; and it shows the keys that are pinned, as if it
    had been looked at where it was (FED-107).

    Args:
        shown: The actor at the new address.
        peer: As it is known, by the old name.
        now: Aware UTC.

    Source: SPEC.md FED-166.
    """
    if peer.base_url not in shown.former:
        return MoveFault.NOT_NAMED
    pinned = renamed_keys(peer.keys, actor_id=shown.id)
    decision = decide_key_change(
        pinned,
        shown.keys,
        signed_by=None,
        updated=shown.updated,
        last_updated=None,
        now=now,
    )
    return None if isinstance(decision, KeysUnchanged) else MoveFault.OTHER_KEY
