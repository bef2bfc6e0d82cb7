"""One of our own keys and the stage that it is in, as values."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from federation.keys import PublicKey


class KeyState(StrEnum):
    """Stage of a key (SPEC NOD-021).

    Two keys may be active for a while: the one with the higher number signs, the
    other one speaks to partners that do not know its successor yet.
    """

    ANNOUNCED = "announced"
    ACTIVE = "active"
    RETIRED = "retired"
    REVOKED = "revoked"


LIVE_STATES = frozenset({KeyState.ANNOUNCED, KeyState.ACTIVE})
"""A key in one of these has its secret in the node's folder and may sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeKey:
    """A key of this node; its secret is in a file, never here.

    Attributes:
        number: From 1; part of the key's id (`/actor#key-<number>`).
        multibase: The public key (Multikey).
        created_at: When it was made, and announced if it had a predecessor.
        activated_at: From when it signed.
        retired_at: Proofs made up to then stay valid.
        revoked_at: Nothing that it signed counts any more.
        reason: Why it was revoked, in the words of who did it.
        created_by: Name of the person who ordered it; None for the node itself.
        ended_by: Name of the person who ended it; None for the node itself.
        backed_up_at: When it was last part of a backup that somebody took away.
        backed_up_by: Name of that person; None for somebody on the server itself.
    """

    number: int
    multibase: str
    state: KeyState
    created_at: datetime
    activated_at: datetime | None = None
    retired_at: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None
    created_by: str | None = None
    ended_by: str | None = None
    backed_up_at: datetime | None = None
    backed_up_by: str | None = None

    @property
    def public_key(self) -> PublicKey:
        """The key itself."""
        return PublicKey.from_multibase(self.multibase)

    @property
    def fingerprint(self) -> str:
        """Sixteen hex digits in groups of four, for people to compare."""
        return self.public_key.fingerprint

    @property
    def is_live(self) -> bool:
        """Whether it may sign."""
        return self.state in LIVE_STATES

    @property
    def changed_at(self) -> datetime:
        """When it last came into another stage."""
        times = (self.created_at, self.activated_at, self.retired_at, self.revoked_at)
        return max(moment for moment in times if moment is not None)
