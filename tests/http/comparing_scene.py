"""Two nodes whose databases are changed by hand: lost, altered and invented rows.

A partner that lies about what it holds is a node with invented rows: its doors answer
from them as from any others.
"""

from typing import Any

from sqlalchemy import delete, insert, select, update

from federation.exchange import HeldState, bucket_of
from federation.ids import random_id
from federation.version import Version
from node.feed import Feed
from node.feed.feed import FeedQuery
from node.storage import tables
from node.storage.database import Transaction
from node.storage.partners import update_partner
from tests.http.nodes import OFFER, MovableClock, RunningNode

Pair = tuple[RunningNode, RunningNode]
DAY_OVER = {"hours": 28, "seconds": 1}


async def published(node: RunningNode, count: int, **changes: Any) -> list[str]:
    """Publish entries; return their ids."""
    return [
        (
            await node.catalogue.publish(
                node.office, {**OFFER, "title": {"de": f"Eintrag {index}"}, **changes}
            )
        ).id
        for index in range(count)
    ]


async def held(holder: RunningNode, origin: RunningNode) -> dict[str, str]:
    """Local id and state of all that a node was ever told by another."""
    rows = await rows_of(holder, origin)
    return {row.entry_uri.rpartition("/")[2]: row.state for row in rows}


async def rows_of(holder: RunningNode, origin: RunningNode) -> list[Any]:
    partner = await holder.partner(origin)
    received = tables.received_entries
    async with holder.database.read() as tx:
        return await tx.all(select(received).where(received.c.partner_id == partner.id))


async def change_copies(
    holder: RunningNode, origin: RunningNode, ids: list[str], **values: Any
) -> None:
    """Alter rows of copies behind the node's back; without values, remove them."""
    partner = await holder.partner(origin)
    received = tables.received_entries
    uris = [origin.context.address.entry(each) for each in ids]
    mine = (received.c.partner_id == partner.id) & received.c.entry_uri.in_(uris)

    async def work(tx: Transaction) -> None:
        if values:
            await tx.execute(update(received).where(mine).values(**values))
        else:
            await tx.execute(delete(received).where(mine))

    await holder.database.write(work)


async def invent_copy(
    holder: RunningNode,
    origin: RunningNode,
    *,
    entry_id: str | None = None,
    version: Version | None = None,
    state: str = "present",
) -> str:
    """Write down a copy that its origin never sent; return its local id."""
    partner = await holder.partner(origin)
    local = entry_id or random_id(holder.context.random)
    uri = origin.context.address.entry(local)
    version = version or Version(1, 1)
    now = holder.context.clock.now()

    async def work(tx: Transaction) -> None:
        await tx.execute(
            insert(tables.received_entries).values(
                id=random_id(holder.context.random),
                partner_id=partner.id,
                entry_uri=uri,
                state=state,
                kind="event",
                known_kind=False,
                incarnation=version.incarnation,
                counter=version.counter,
                content={"title": {"de": "Erfunden"}, "summary": {"de": "x"}},
                is_public=False,
                is_personal=False,
                search_text="",
                content_hash="f" * 64 if state == "present" else None,
                first_received_at=now,
                changed_at=now,
                bucket=bucket_of(uri),
            )
        )

    await holder.database.write(work)
    return local


async def ledger_of(node: RunningNode, other: RunningNode) -> dict[str, Any]:
    """Rows of a node's ledger of another, by entry."""
    partner = await node.partner(other)
    disclosures = tables.disclosures
    async with node.database.read() as tx:
        rows = await tx.all(
            select(disclosures).where(disclosures.c.partner_id == partner.id)
        )
    return {row.entry_id: row for row in rows}


async def entry_row(node: RunningNode, entry_id: str) -> Any:
    async with node.database.read() as tx:
        return await tx.one_or_none(
            select(tables.entries).where(tables.entries.c.id == entry_id)
        )


async def set_partner(node: RunningNode, other: RunningNode, **values: Any) -> None:
    partner = await node.partner(other)

    async def work(tx: Transaction) -> None:
        await update_partner(tx, partner.id, **values)

    await node.database.write(work)


async def restore(node: RunningNode, rows: dict[str, list[dict[str, Any]]]) -> None:
    """Put an older database back, with what a restore changes about it.

    The rows are those of `snapshot`. As after `spalier restore`: another epoch, a
    higher incarnation, and nothing of partners is shown before it was compared.
    """
    now = node.context.clock.now()

    async def work(tx: Transaction) -> None:
        for table in reversed(tables.metadata.sorted_tables):
            await tx.execute(delete(table))
        for table in tables.metadata.sorted_tables:
            if rows[table.name]:
                await tx.execute(insert(table), rows[table.name])
        state = tables.node_state
        await tx.execute(
            update(state).values(
                epoch=node.context.random.bytes(16).hex(),
                incarnation=state.c.incarnation + 1,
                restored_at=now,
            )
        )
        await tx.execute(update(tables.partners).values(to_verify_since=now))

    await node.database.write(work)


async def snapshot(node: RunningNode) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, as a backup would have it."""
    async with node.database.read() as tx:
        return {
            table.name: [
                dict(row._mapping)  # the columns by their names
                for row in await tx.all(select(table))
            ]
            for table in tables.metadata.sorted_tables
        }


# -- what can be seen of it ---------------------------------------------------------


def requests_to(node: RunningNode, other: RunningNode, what: str) -> list[str]:
    start = f"{what} {other.base_url}"
    return [each.removeprefix(start) for each in node.client.sent if start in each]


async def shown(node: RunningNode) -> list[str]:
    """Titles that a member of the node sees of partners."""
    person = await node.add_person(
        f"p{len(node.reached)}-{node.context.random.bytes(4).hex()}@x.example",
        organisation="Firma",
    )
    page = await Feed(node.context).feed(person, FeedQuery(only_partners=True))
    return sorted(item.title["de"] for item in page.items)


async def equal(origin: RunningNode, holder: RunningNode) -> bool | None:
    return (await origin.partner(holder)).digest_equal


async def compare_now(clock: MovableClock, node: RunningNode) -> None:
    clock.advance(**DAY_OVER)
    await node.settle()


async def states(node: RunningNode, other: RunningNode) -> dict[str, HeldState]:
    partner = await node.partner(other)
    listed = await node.unaccounted.listed(partner_id=partner.id)
    return {each.entry_id: each.held.state for each in listed}
