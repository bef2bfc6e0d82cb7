"""What is known of another node."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from federation.ids import NodeAddress

if TYPE_CHECKING:
    from datetime import datetime

    from federation.ids import BaseUrl
    from federation.json_types import JsonValue
    from federation.keys import PublicKey
    from federation.trust import TrustState


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """A key that counts for a node, and until when.

    Args:
        key_id: Fragment of the node's actor.
        public_key: The key; an id never changes it.
        expires: Set once it has retired: proofs made up to then stay valid, and it
            signs no request any more.
        revoked: Set once nothing signed by it counts any more.
    """

    key_id: str
    public_key: PublicKey
    expires: datetime | None = None
    revoked: datetime | None = None

    @property
    def is_current(self) -> bool:
        """Whether it may sign now."""
        return self.expires is None and self.revoked is None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePeer:
    """Address, actor and keys of a node that we talk to.

    Args:
        keys: The one that signs now first; then others, retired and revoked ones.
        former: Where it was before it moved, the oldest first.
    """

    base_url: BaseUrl
    actor_id: str
    keys: tuple[PinnedKey, ...]
    former: tuple[BaseUrl, ...] = ()

    @property
    def address(self) -> NodeAddress:
        """Its addresses, the former ones too."""
        return NodeAddress(self.base_url, self.former)

    def called(self, uri: JsonValue) -> Self:
        """Return the peer by the name that one of its identifiers has.

        What is none of its identifiers leads to its present name. Its keys are the
        same under either name, so that what it signed before it moved stays proven,
        and stays as it was signed.

        Source: SPEC.md FED-162.
        """
        if not self.former or not isinstance(uri, str):
            return self
        address = self.address.called(uri)
        if address.base_url == self.base_url:
            return self
        return replace(
            self,
            base_url=address.base_url,
            actor_id=address.actor,
            former=address.former,
            keys=renamed_keys(self.keys, actor_id=address.actor),
        )

    def request_key(self, key_id: str) -> PublicKey | None:
        """Return the key with which requests, answers and announcements are signed.

        None if no current key has this id.

        Source: SPEC.md FED-101.
        """
        for pinned in self.keys:
            if pinned.key_id == key_id and pinned.is_current:
                return pinned.public_key
        return None

    def proof_key(self, key_id: str, *, created: datetime) -> PublicKey | None:
        """Return the key for a document's proof, None if there is none.

        Args:
            key_id: The verification method.
            created: When the proof says that it was made.

        Source: SPEC.md FED-101.
        """
        for pinned in self.keys:
            if pinned.key_id != key_id or pinned.revoked is not None:
                continue
            if pinned.expires is None or created <= pinned.expires:
                return pinned.public_key
        return None


def renamed_keys(
    keys: tuple[PinnedKey, ...], *, actor_id: str
) -> tuple[PinnedKey, ...]:
    """Return the same keys as those of an actor at another address of their node.

    Args:
        keys: Each is `<actor>#<fragment>`.
        actor_id: The node's actor at the other address.
    """
    return tuple(
        replace(key, key_id=f"{actor_id}#{key.key_id.partition('#')[2]}")
        for key in keys
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPeer(RemotePeer):
    """A peer with our own id for it and its trust state."""

    partner_id: str
    state: TrustState
