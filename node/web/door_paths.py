"""Which paths are doors for other nodes, and no pages."""

from typing import Final

DOORS: Final = (
    "/actor",
    "/inbox",
    "/outbox",
    "/partner-requests",
    "/entries",
    "/.well-known/webfinger",
    "/.well-known/nodeinfo",
    "/nodeinfo/2.1",
)

DOORS_OF_PARTNERS: Final = frozenset({"/inbox", "/outbox", "/holdings"})
"""Those that stay open under a former address, for partners that know no other."""


def door_of(path: str) -> str | None:
    """Return the door that a path belongs to, None for pages."""
    for door in DOORS:
        if path == door or path.startswith(f"{door}/"):
            return door
    return None
