"""Find the entry that a person or a partner means."""

from sqlalchemy import or_

from federation.ids import NodeAddress, is_local_id
from node.catalogue.model import Entry, ReceivedEntry
from node.storage.database import Transaction
from node.storage.entries import load_entry
from node.storage.received import list_received
from node.storage.tables import received_entries


async def find_own(tx: Transaction, address: NodeAddress, ref: str) -> Entry | None:
    """Load one of our entries by its URI or its id, whatever its state.

    The caller asks visibility whether anybody may know of it.
    """
    local_id = address.entry_local_id(ref) or (ref if is_local_id(ref) else None)
    return None if local_id is None else await load_entry(tx, address, local_id)


async def find_received(tx: Transaction, ref: str) -> ReceivedEntry | None:
    """Load a partner's entry by its URI or by our id of the copy.

    The caller asks visibility whether anybody may know of it.
    """
    found = await list_received(
        tx,
        where=or_(received_entries.c.entry_uri == ref, received_entries.c.id == ref),
        limit=1,
    )
    return found[0] if found else None
