"""What a node holds of a partner, told to that partner alone.

`Holdings` is the whole in numbers: position, digest and its buckets. `HoldingsPage`
lists entries, of one bucket or of all, in the order of their ids. Neither has a
proof: the answer that carries it is signed for its request.

Source: SPEC.md FED-155, PRT-054.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation import jsonld
from federation.documents import reading
from federation.errors import LocalError, SchemaInvalidError
from federation.ids import NodeAddress
from federation.limits import HOLDINGS_ITEMS_MAX
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire
from federation.version import Version
from federation.view import HeldState, HeldVersion, ViewDigest, bucket_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue
    from federation.peers import RemotePeer

_BUCKET_DIGITS: Final = 80  # count in 8 bytes and sum in 32, in hex


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a receiver holds of one origin, in numbers.

    Args:
        epoch: The origin's epoch that the position belongs to; None if the receiver
            has had no page yet.
        position: How far it has applied the origin's pages.
        view: Number and digest of the entries that it holds, by buckets.
        published: When it was made, aware UTC.
    """

    epoch: str | None
    position: int
    view: ViewDigest
    published: datetime


@dataclass(frozen=True, slots=True)
class HeldEntry:
    """One entry that a receiver has ever been told.

    Args:
        entry_id: The origin's id of it.
        held: Version, what became of it, and the hash of a present one.
    """

    entry_id: str
    held: HeldVersion


@dataclass(frozen=True, slots=True)
class HoldingsScope:
    """Which entries are listed.

    Args:
        bucket: Those of one bucket, 0 to 255; None for all.
        after: Local id of the last entry of the list before; None at the start.
    """

    bucket: int | None = None
    after: str | None = None


@dataclass(frozen=True, slots=True)
class HoldingsPage:
    """A part of the list.

    Args:
        entries: In the order of their ids.
        more: Scope of the part that follows, None after the last.
    """

    entries: tuple[HeldEntry, ...]
    more: HoldingsScope | None


def build_holdings(
    holdings: Holdings, *, address: NodeAddress, partner: str
) -> JsonObject:
    """Write what is held, in numbers.

    Args:
        holdings: What is held.
        address: Whose word it is.
        partner: Actor of the origin that asks.
    """
    digits = holdings.view.to_bytes().hex()
    buckets: list[JsonValue] = [
        digits[start : start + _BUCKET_DIGITS]
        for start in range(0, len(digits), _BUCKET_DIGITS)
    ]
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": address.holdings,
        "type": "Holdings",
        "actor": address.actor,
        "partner": partner,
        "position": holdings.position,
        "held": holdings.view.count,
        "digest": holdings.view.hex(),
        "buckets": buckets,
        "published": format_timestamp(holdings.published),
    }
    if holdings.epoch is not None:
        document["epoch"] = holdings.epoch
    check_wire("holdings", document)
    return document


def build_holdings_page(
    entries: Sequence[HeldEntry],
    *,
    scope: HoldingsScope,
    more: bool,
    address: NodeAddress,
    partner: str,
    published: datetime,
) -> JsonObject:
    """Write a part of the list.

    Args:
        entries: In the order of their local ids, at most `HOLDINGS_ITEMS_MAX`.
        scope: What was asked for.
        more: Whether the list goes on.
        address: Whose word it is.
        partner: Actor of the origin that asks; the entries are its own.
        published: When it was made, aware UTC.

    Raises:
        LocalError: Too many entries, or `more` without any.
    """
    if len(entries) > HOLDINGS_ITEMS_MAX or (more and not entries):
        raise LocalError(f"{len(entries)} entries cannot be listed at once")
    holds: list[JsonValue] = [_written(each) for each in entries]
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": address.holdings_page(bucket=scope.bucket, after=scope.after),
        "type": "HoldingsPage",
        "actor": address.actor,
        "partner": partner,
        "holds": holds,
        "published": format_timestamp(published),
    }
    if scope.bucket is not None:
        document["bucket"] = scope.bucket
    if more:
        document["next"] = address.holdings_page(
            bucket=scope.bucket, after=_local_part(entries[-1].entry_id)
        )
    check_wire("holdings_page", document)
    return document


def parse_holdings(
    document: JsonObject, *, peer: RemotePeer, address: NodeAddress
) -> Holdings:
    """Read what a partner holds of us, in numbers.

    Args:
        document: The parsed answer; its signature was checked.
        peer: The partner.
        address: Our own address.

    Raises:
        PeerError: Context, schema or ownership is wrong, or the numbers do not fit
            each other.
    """
    _check(document, OwnedType.HOLDINGS, "holdings", peer=peer, address=address)
    if document["id"] != peer.address.holdings:
        raise SchemaInvalidError("/id: This is not what was asked for.")
    view = ViewDigest.from_bytes(
        bytes.fromhex("".join(reading.texts(document, "buckets")))
    )
    if (view.count, view.hex()) != (
        reading.integer(document, "held"),
        reading.text(document, "digest"),
    ):
        raise SchemaInvalidError("/digest: This does not fit the buckets.")
    return Holdings(
        epoch=reading.optional_text(document, "epoch"),
        position=reading.integer(document, "position"),
        view=view,
        published=reading.timestamp(document, "published"),
    )


def parse_holdings_page(
    document: JsonObject,
    *,
    scope: HoldingsScope,
    peer: RemotePeer,
    address: NodeAddress,
) -> HoldingsPage:
    """Read a part of the list of what a partner holds of us.

    The entries are ours, in strict order, behind `scope.after` and of its bucket, so
    that no list repeats itself and each goes on.

    Args:
        document: The parsed answer; its signature was checked.
        scope: What was asked for.
        peer: The partner.
        address: Our own address.

    Raises:
        PeerError: Context, schema, ownership, order or scope is wrong.
    """
    _check(
        document, OwnedType.HOLDINGS_PAGE, "holdings_page", peer=peer, address=address
    )
    theirs = peer.address
    asked = theirs.holdings_page(bucket=scope.bucket, after=scope.after)
    if (document["id"], document.get("bucket")) != (asked, scope.bucket):
        raise SchemaInvalidError("/id: This is not what was asked for.")
    entries = tuple(_read(item) for item in reading.objects(document, "holds"))
    # By the local parts: ours may be below more than one address.
    last = scope.after or ""
    for index, each in enumerate(entries):
        local_id = _local_part(each.entry_id)
        if local_id <= last:
            raise SchemaInvalidError(f"/holds/{index}/id: The ids are in disorder.")
        last = local_id
        if scope.bucket is not None and bucket_of(each.entry_id) != scope.bucket:
            raise SchemaInvalidError(f"/holds/{index}/id: It is of another bucket.")
    if "next" not in document:
        return HoldingsPage(entries, None)
    more = HoldingsScope(scope.bucket, last if entries else None)
    following = theirs.holdings_page(bucket=more.bucket, after=more.after)
    if not entries or document["next"] != following:
        raise SchemaInvalidError("/next: This does not follow.")
    return HoldingsPage(entries, more)


def _check(
    document: JsonObject,
    kind: OwnedType,
    schema: str,
    *,
    peer: RemotePeer,
    address: NodeAddress,
) -> None:
    jsonld.check_context(document)
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire(schema, document)
    require_ownership(document, kind, signer=peer.address, receiver=address)


def _written(entry: HeldEntry) -> JsonObject:
    held = entry.held
    written: JsonObject = {
        "id": entry.entry_id,
        "incarnation": held.version.incarnation,
        "version": held.version.counter,
        "state": held.state.value,
    }
    if held.state is HeldState.PRESENT and held.content_hash is not None:
        written["hash"] = held.content_hash
    return written


def _read(item: JsonObject) -> HeldEntry:
    version = Version(
        reading.integer(item, "incarnation"), reading.integer(item, "version")
    )
    state = HeldState(reading.text(item, "state"))
    content_hash = reading.optional_text(item, "hash")
    return HeldEntry(
        reading.text(item, "id"), HeldVersion(version, state, content_hash)
    )


def _local_part(entry_id: str) -> str:
    return entry_id.rpartition("/")[2]
