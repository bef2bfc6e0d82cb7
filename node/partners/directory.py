"""Partners as the protocol sees them: address, actor, pinned keys, state."""

from federation.ids import BaseUrl
from federation.peers import KnownPeer
from node.partners.model import Partner
from node.storage.database import Database
from node.storage.partners import find_peer


def known_peer(partner: Partner) -> KnownPeer:
    """Return what the protocol has to know of a partner."""
    return KnownPeer(
        base_url=BaseUrl(partner.base_url),
        actor_id=partner.actor_id,
        keys=tuple(key.pinned for key in partner.keys),
        former=partner.former_urls,
        partner_id=partner.id,
        state=partner.state,
    )


def fingerprint(partner: Partner) -> str:
    """Return the key that signs now in the form that people compare."""
    return partner.key.fingerprint


class PinnedPeers:
    """Looks up pinned keys; an unknown key id never causes a request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_by_key(self, key_id: str, /) -> KnownPeer | None:
        """Return the peer that owns a key id, None if nobody pinned it."""
        async with self._database.look_up() as tx:
            return await find_peer(tx, key_id)
