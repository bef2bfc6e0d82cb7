"""What the library needs from outside: time, chance, and who is known.

The node hands in real ones, the simulator virtual ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from federation.peers import KnownPeer


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Return the present as an aware datetime in UTC."""
        ...


class RandomSource(Protocol):
    """Random bytes, cryptographically strong outside tests."""

    def bytes(self, count: int, /) -> bytes:
        """Return `count` random bytes."""
        ...


class PeerDirectory(Protocol):
    """The peers whose keys are pinned."""

    async def find_by_key(self, key_id: str, /) -> KnownPeer | None:
        """Return the peer that owns a key id, None if nobody pinned it.

        It must only look up: an unknown key id never causes a request.
        """
        ...


class NonceLog(Protocol):
    """The nonces seen within the window of request signatures."""

    async def remember(self, key_id: str, nonce: str, /, *, until: datetime) -> bool:
        """Keep a nonce until the given time.

        Returns:
            False if the pair was there already: the request is a replay.
        """
        ...
