"""Groups of own members: the office makes them, entries are for them.

Source: SPEC.md VIS-070.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Some of our own organisations under a name that never leaves the node."""

    id: str
    name: str
    organisation_ids: frozenset[str] = frozenset()
