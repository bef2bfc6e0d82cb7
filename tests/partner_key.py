"""The key of a partner that was never met, for tests that need a row."""

from datetime import UTC, datetime

from federation.keys import PublicKey
from node.partners.model import KeyOrigin, PartnerKey

MULTIBASE = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"


def first_key(
    base_url: str, public_key: PublicKey | None = None, *, row: str = ""
) -> PartnerKey:
    """Return key 1 of a node, as its handshake would have pinned it."""
    return PartnerKey(
        id=row or f"key-of-{base_url}"[:64],
        key_id=f"{base_url}/actor#key-1",
        multibase=MULTIBASE if public_key is None else public_key.multibase,
        origin=KeyOrigin.HANDSHAKE,
        pinned_at=datetime(2026, 11, 21, 10, 0, tzinfo=UTC),
    )
