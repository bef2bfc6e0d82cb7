"""A tombstone: what a partner that was told an entry finds where it was.

It says nothing but the id. It has no proof of its own: the answer that carries it
is signed for its request, and what removes a copy is the withdrawal alone.

Source: SPEC.md PRT-048, ActivityPub §6.4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation import jsonld
from federation.errors import LocalError
from federation.validation import check_wire

if TYPE_CHECKING:
    from federation.ids import NodeAddress
    from federation.json_types import JsonObject


def build_tombstone(entry_id: str, *, address: NodeAddress) -> JsonObject:
    """Write the tombstone of an entry of ours.

    Raises:
        LocalError: The entry is not ours.
    """
    if address.entry_local_id(entry_id) is None:
        raise LocalError(f"{entry_id} is not an entry of {address.base_url}")
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": entry_id,
        "type": "Tombstone",
    }
    check_wire("tombstone", document)
    return document
