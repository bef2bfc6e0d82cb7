"""What is known of another node."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from federation.ids import BaseUrl
    from federation.keys import PublicKey
    from federation.trust import TrustState


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A key that an office accepted for a partner."""

    key_id: str
    public_key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePeer:
    """Address, actor and pinned keys of a node that we talk to."""

    base_url: BaseUrl
    actor_id: str
    keys: tuple[PinnedKey, ...]

    def key(self, key_id: str) -> PublicKey | None:
        """Return the pinned key with this id, None if there is none."""
        for pinned in self.keys:
            if pinned.key_id == key_id:
                return pinned.public_key
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeer(RemotePeer):
    """A peer with our own id for it and its trust state."""

    partner_id: str
    state: TrustState
