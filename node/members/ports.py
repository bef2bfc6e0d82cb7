"""What the members' directory needs of the rest of the node."""

from typing import Protocol

from node.storage.database import Transaction


class PersonalProfiles(Protocol):
    """Profiles of persons among the entries (node.catalogue)."""

    async def refresh_person(self, tx: Transaction, person_id: str) -> None:
        """Decide anew who gets a person's profiles, and tell them."""
        ...
