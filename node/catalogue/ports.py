"""What the catalogue needs of the rest of the node."""

from typing import Protocol

from node.catalogue.model import Entry
from node.storage.database import Transaction


class EntryMail(Protocol):
    """Mails about entries, written in the transaction of their cause."""

    async def entry_expires(self, tx: Transaction, entry: Entry) -> None:
        """Ask the owner whether the entry still holds (link with one click)."""

    async def entry_expired(self, tx: Transaction, entry: Entry) -> None:
        """Tell the owner that the entry is no longer shown."""

    async def entry_changed(self, tx: Transaction, entry: Entry) -> None:
        """Name the entry no more to whoever must not see it as it is now."""

    async def cancel_for_entry(self, tx: Transaction, entry_id: str) -> None:
        """Cancel mails about the entry that have not left yet."""
