"""A page: what changed for one partner, in order.

The page itself has no proof: the request or the answer that carries it is signed,
and every entry and withdrawal in it has a proof of its own.

Source: SPEC.md PRT-020 to PRT-025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from federation import jsonld
from federation.documents import reading
from federation.documents.entry import (
    ReceivedEntry,
    check_entry_provenance,
    read_entry,
)
from federation.documents.withdrawal import Withdrawal, parse_withdrawal
from federation.errors import (
    LimitExceededError,
    LocalError,
    OriginMismatchError,
    SchemaInvalidError,
)
from federation.ids import NodeAddress
from federation.limits import PAGE_ITEMS_MAX
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire
from federation.version import Version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue
    from federation.peers import RemotePeer

EPOCH_BYTES = 16
"""Random bytes of an epoch; 32 hex digits on the wire."""

_DELETE = "Delete"
_CREATE = "Create"
_UPDATE = "Update"


@dataclass(frozen=True, slots=True)
class PageFault:
    """An entry that is the partner's, and faulty: to be quarantined.

    Args:
        entry_id: Its id.
        version: Its version.
        reason: Why, at most 200 characters, starting with `too-large` or with
            the JSON pointer of the value.
    """

    entry_id: str
    version: Version
    reason: str


@dataclass(frozen=True, slots=True)
class PageItem:
    """One change in a page.

    Args:
        content: The entry, the withdrawal, or why the entry is faulty.
    """

    content: ReceivedEntry | Withdrawal | PageFault

    @property
    def entry_id(self) -> str:
        """Id of the entry that changes."""
        match self.content:
            case ReceivedEntry(entry=entry):
                return entry.id
            case Withdrawal(entry_id=entry_id) | PageFault(entry_id=entry_id):
                return entry_id

    @property
    def version(self) -> Version:
        """Version of the entry that the change names."""
        return self.content.version

    @property
    def known_kind(self) -> bool:
        """False for an entry of a kind that this node does not know."""
        return not isinstance(self.content, ReceivedEntry) or self.content.known_kind


@dataclass(frozen=True, slots=True)
class Verifying:
    """What a receiver holds once it has applied the page, as its origin sees it.

    Args:
        held: Number of entries.
        digest: Digest over them, 64 hex digits (`exchange.ViewDigest`).
        published: When the page was made, aware UTC, whole seconds.

    Source: SPEC.md FED-150.
    """

    held: int
    digest: str
    published: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What changed for one partner between two positions.

    Positions are the partner's own sequence at the origin. They may have gaps,
    because a later change of the same entry replaces the earlier one.

    Args:
        id: `<base_url>/outbox?after=<first - 1>`.
        actor: The origin's actor.
        epoch: 32 hex digits; another one after a restore from backup.
        first: First position that the page covers, from 1.
        last: Last position that it covers; `first - 1` for an empty page.
        head: The origin's newest position for this partner.
        items: The changes, in order.
        verifying: What must be held afterwards, if the origin says so.
    """

    id: str
    actor: str
    epoch: str
    first: int
    last: int
    head: int
    items: tuple[PageItem, ...]
    verifying: Verifying | None = None

    @property
    def only_withdraws(self) -> bool:
        """True if no item carries an entry."""
        return all(isinstance(item.content, Withdrawal) for item in self.items)


@dataclass(frozen=True, slots=True)
class Upsert:
    """An entry to be put into a page.

    Args:
        document: The signed entry, unchanged.
        is_first: True if the partner was never told the entry: `Create`, else
            `Update`. Receivers treat both alike.
    """

    document: JsonObject
    is_first: bool


@dataclass(frozen=True, slots=True)
class Removal:
    """A signed withdrawal to be put into a page, unchanged."""

    document: JsonObject


def build_page(
    items: Sequence[Upsert | Removal],
    *,
    address: NodeAddress,
    epoch: str,
    first: int,
    last: int,
    head: int,
    verifying: Verifying | None = None,
) -> JsonObject:
    """Write a page.

    Args:
        items: The changes from `first` to `last`, in order.
        address: Whose page it is.
        epoch: 32 hex digits.
        first: Position after the one that the partner acknowledged.
        last: Position reached with the last item; `first - 1` if there is none.
        head: The newest position for this partner.
        verifying: What the partner must hold afterwards; only if `last` is `head`.

    Raises:
        LocalError: More than `PAGE_ITEMS_MAX` items, or positions in disorder.
    """
    if len(items) > PAGE_ITEMS_MAX:
        raise LocalError(f"{len(items)} items, {PAGE_ITEMS_MAX} are permitted")
    if not 0 <= first - 1 <= last <= head:
        raise LocalError(f"positions {first} to {last} of {head} are in disorder")
    if verifying is not None and last != head:
        raise LocalError(f"a page up to {last} of {head} cannot tell what is held")
    wrapped: list[JsonValue] = [
        {
            "type": _CREATE if item.is_first else _UPDATE,
            "actor": address.actor,
            "object": item.document,
        }
        if isinstance(item, Upsert)
        else item.document
        for item in items
    ]
    told: JsonObject = {}
    if verifying is not None:
        told = {
            "held": verifying.held,
            "digest": verifying.digest,
            "published": format_timestamp(verifying.published),
        }
    return {
        "@context": jsonld.context_copy(),
        "id": address.page(first - 1),
        "type": "OrderedCollectionPage",
        "partOf": address.outbox,
        "actor": address.actor,
        "epoch": epoch,
        "from": first,
        "through": last,
        "head": head,
        **told,
        "orderedItems": wrapped,
    }


def parse_page(document: JsonObject, *, peer: RemotePeer) -> Page:
    """Read a page of a peer.

    An entry that is not the peer's own, or whose proof is wrong, spoils the whole
    page: nobody but the peer can have put it there. An entry that is the peer's
    and faulty becomes a `PageFault`, so that it does not hold up the others.

    Args:
        document: The parsed body.
        peer: The peer whose signature covers the body.

    Raises:
        ContextNotAllowedError: Another context, of the page or of an item.
        OriginMismatchError: Page or item is not the peer's.
        ProofInvalidError: An item's proof is absent or wrong.
        LimitExceededError: More than `PAGE_ITEMS_MAX` items.
        SchemaInvalidError: Another form.
    """
    jsonld.check_context(document)
    items = document.get("orderedItems")
    if isinstance(items, list) and len(items) > PAGE_ITEMS_MAX:
        raise LimitExceededError(f"A page holds at most {PAGE_ITEMS_MAX} items.")
    check_wire("page", document)
    first = reading.integer(document, "from")
    last = reading.integer(document, "through")
    head = reading.integer(document, "head")
    address = peer.address
    require_ownership(document, OwnedType.PAGE, signer=address)
    if document["id"] != address.page(first - 1):
        raise SchemaInvalidError("/id: This does not fit the first position.")
    if not first - 1 <= last <= head:
        raise SchemaInvalidError("/through: The positions are in disorder.")
    verifying = _verifying(document)
    if verifying is not None and last != head:
        raise SchemaInvalidError("/held: Only a page up to the head tells this.")
    parsed = tuple(
        PageItem(_parse_item(item, peer=peer))
        for item in reading.objects(document, "orderedItems")
    )
    if len(parsed) > last - first + 1:
        raise SchemaInvalidError("/through: There are more items than positions.")
    return Page(
        id=reading.text(document, "id"),
        actor=peer.actor_id,
        epoch=reading.text(document, "epoch"),
        first=first,
        last=last,
        head=head,
        items=parsed,
        verifying=verifying,
    )


def _verifying(document: JsonObject) -> Verifying | None:
    if "digest" not in document:
        return None
    return Verifying(
        reading.integer(document, "held"),
        reading.text(document, "digest"),
        reading.timestamp(document, "published"),
    )


def is_withdrawals_only(document: JsonObject) -> bool:
    """Tell whether a page, not checked yet, claims to carry no entry."""
    items = document.get("orderedItems")
    return isinstance(items, list) and all(
        isinstance(item, dict) and item.get("type") == _DELETE for item in items
    )


def _parse_item(
    item: JsonObject, *, peer: RemotePeer
) -> ReceivedEntry | Withdrawal | PageFault:
    if item["type"] == _DELETE:
        return parse_withdrawal(item, peer=peer)
    require_signer(item, "actor", actor_id=peer.actor_id)
    document = reading.member(item, "object")
    peer = peer.called(document.get("id"))
    signed = check_entry_provenance(document, peer=peer)
    try:
        return read_entry(signed, peer=peer)
    except LimitExceededError:
        reason = "too-large"
    except (SchemaInvalidError, OriginMismatchError) as error:
        reason = error.safe_text[:200]
    return PageFault(
        reading.text(document, "id"),
        Version(
            reading.integer(document, "incarnation"),
            reading.integer(document, "version"),
        ),
        reason,
    )
