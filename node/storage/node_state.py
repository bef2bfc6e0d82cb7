"""The one row that says which node this database belongs to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import insert, select, update

from federation.ids import BaseUrl, NodeAddress
from node.erasure.decisions import ClosingDecision
from node.errors import ConflictError
from node.storage.database import Transaction
from node.storage.tables import entries, former_addresses, node_state, partners, probes

_ONLY_ROW = 1


@dataclass(frozen=True, slots=True)
class NodeState:
    """What a node knows about itself.

    Attributes:
        node_id: Identifier of this installation; never sent as an address.
        epoch: 32 hex digits; a new one tells partners that positions start anew.
        incarnation: First part of every version that this node makes; raised after
            a restore from backup.
        card: Facts about the cluster that the actor document shows.
        actor_digest: Of what our actor says beside the keys, as partners were told
            last; None if nothing was compared yet.
        actor_updated: When that changed last, whole seconds.
        restored_at: When the database was put back from a backup last.
        restored_from: Of when that backup was; None if nobody knows.
        closing_since: Since when the cluster closes down.
        closed_at: When that was complete.
    """

    node_id: str
    base_url: str
    name: str
    default_language: str
    epoch: str
    incarnation: int
    card: Mapping[str, Any]
    created_at: datetime
    actor_digest: str | None = None
    actor_updated: datetime | None = None
    restored_at: datetime | None = None
    restored_from: datetime | None = None
    closing_since: datetime | None = None
    closed_at: datetime | None = None


async def load_node_state(tx: Transaction) -> NodeState | None:
    """Return the node's state; None in a database that belongs to no node yet."""
    row = await tx.one_or_none(select(node_state))
    if row is None:
        return None
    return NodeState(
        node_id=row.node_id,
        base_url=row.base_url,
        name=row.name,
        default_language=row.default_language,
        epoch=row.epoch,
        incarnation=row.incarnation,
        card=row.card,
        created_at=row.created_at,
        actor_digest=row.actor_digest,
        actor_updated=row.actor_updated,
        restored_at=row.restored_at,
        restored_from=row.restored_from,
        closing_since=row.closing_since,
        closed_at=row.closed_at,
    )


async def require_node_state(tx: Transaction) -> NodeState:
    """Return the node's state.

    Raises:
        ConflictError: The database belongs to no node; `spalier init` was not run.
    """
    state = await load_node_state(tx)
    if state is None:
        raise ConflictError(
            "The database belongs to no node yet.",
            code="not-initialised",
            hint="Set the node up: spalier init",
        )
    return state


async def store_node_state(tx: Transaction, state: NodeState) -> None:
    """Write the state, whether there was one or not."""
    values = {field.name: getattr(state, field.name) for field in fields(state)}
    values["card"] = dict(state.card)
    changed = await tx.execute(update(node_state).values(values))
    if changed.rowcount == 0:
        await tx.execute(insert(node_state).values(id=_ONLY_ROW, **values))


@dataclass(frozen=True, slots=True)
class FormerAddress:
    """Where the node was, and until when."""

    base_url: BaseUrl
    left_at: datetime


async def list_former_addresses(tx: Transaction) -> list[FormerAddress]:
    """List where the node was before, the oldest first."""
    rows = await tx.all(select(former_addresses).order_by(former_addresses.c.position))
    return [FormerAddress(BaseUrl(row.base_url), row.left_at) for row in rows]


FORMER: Final = select(former_addresses.c.base_url).order_by(
    former_addresses.c.position
)
"""Where the node was before, the oldest first."""
BORN: Final = select(entries.c.id, entries.c.born_at).where(
    entries.c.born_at.is_not(None)
)
"""Entries whose id is below one of those."""


async def load_names(tx: Transaction, address: NodeAddress) -> NodeAddress:
    """Return an address with the names that the node had before.

    Source: SPEC.md FED-160, FED-161.
    """
    return names_of(address.base_url, await tx.all(FORMER), await tx.all(BORN))


def names_of(
    base_url: BaseUrl, former: Iterable[Any], born: Iterable[Any]
) -> NodeAddress:
    """Return the same from rows of `FORMER` and `BORN`, however they were read."""
    return NodeAddress(
        base_url,
        tuple(BaseUrl(row.base_url) for row in former),
        born={row.id: BaseUrl(row.born_at) for row in born},
    )


async def change_address(tx: Transaction, new: BaseUrl, *, at: datetime) -> None:
    """Move the node: what it has named keeps its name, who knows it knows the old one.

    Args:
        tx: The transaction, which nobody else shares the database with.
        new: Where it is from now on; may be where it was before.
        at: The time.
    """
    state = await require_node_state(tx)
    former = [each for each in await list_former_addresses(tx) if each.base_url != new]
    former.append(FormerAddress(BaseUrl(state.base_url), at))
    await tx.execute(former_addresses.delete())
    await tx.execute(
        insert(former_addresses).values(
            [
                {
                    "position": position,
                    "base_url": each.base_url,
                    "left_at": each.left_at,
                }
                for position, each in enumerate(former, start=1)
            ]
        )
    )
    await tx.execute(
        update(entries)
        .where(entries.c.born_at.is_(None))
        .values(born_at=state.base_url)
    )
    await tx.execute(
        update(partners)
        .where(partners.c.known_as.is_(None))
        .values(known_as=state.base_url)
    )
    await tx.execute(
        update(partners).where(partners.c.known_as == new).values(known_as=None)
    )
    await tx.execute(update(node_state).values(base_url=new))


async def try_to_write(tx: Transaction, *, at: datetime) -> None:
    """Write something small, as proof that anything can be written now.

    Args:
        tx: The transaction.
        at: Now; another value than the last time, else nothing would be written.
    """
    changed = await tx.execute(update(probes).values(at=at))
    if changed.rowcount == 0:
        await tx.execute(insert(probes).values(id=_ONLY_ROW, at=at))


async def hold_partnerships(tx: Transaction, *, alone: bool) -> None:
    """Keep publishing and the begin of partnerships apart until the commit.

    Who begins a partnership tells the partner everything that is published; who
    publishes tells everybody who is a partner. Side by side on PostgreSQL each
    could miss the other's change. Many may publish at a time; a partnership begins
    `alone`. SQLite has a single writer and needs no lock.
    """
    if tx.dialect_name == "postgresql":
        await tx.execute(select(node_state.c.id).with_for_update(read=not alone))


async def raise_incarnation(tx: Transaction, incarnation: int) -> None:
    """Raise the first part of every version made from now on; it never falls."""
    await tx.execute(
        update(node_state)
        .where(node_state.c.incarnation < incarnation)
        .values(incarnation=incarnation)
    )


async def note_actor(tx: Transaction, *, digest: str, updated: datetime | None) -> None:
    """Note what partners are told that our actor says, and since when."""
    await tx.execute(
        update(node_state).values(actor_digest=digest, actor_updated=updated)
    )


async def note_closing(tx: Transaction, *, at: datetime) -> None:
    """Note that the cluster closes down."""
    await tx.execute(update(node_state).values(closing_since=at))
    tx.decide(ClosingDecision(since=at))


async def note_closed(tx: Transaction, *, at: datetime) -> None:
    """Note that nobody is waited for any more."""
    await tx.execute(update(node_state).values(closed_at=at))


async def require_not_closing(tx: Transaction) -> None:
    """Require that the cluster does not close down.

    Raises:
        ConflictError: It does: nothing is published, and no partnership begins.
    """
    state = await load_node_state(tx)
    if state is not None and state.closing_since is not None:
        raise ConflictError(
            "This cluster closes down: nothing new begins any more.",
            code="closing-down",
        )
