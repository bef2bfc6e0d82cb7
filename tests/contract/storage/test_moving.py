"""A node that has moved, and partners that have, in the database of each engine."""

from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import insert, update

from federation.exchange import bucket_of
from federation.ids import BaseUrl, NodeAddress
from node.storage import node_state
from node.storage import partners as rows
from node.storage.database import Database, Transaction
from node.storage.members import insert_organisation
from node.storage.outgoing import (
    ActivityKind,
    find_own_activity,
    give_up,
    latest_of_kind,
    next_undelivered,
    queue_activity,
)
from node.storage.received import list_held
from node.storage.tables import entries, received_entries
from node.storage.tables import partners as partner_table
from tests.contract.storage.test_modules import organisation
from tests.contract.test_partners import a_partner

FIRST = BaseUrl("https://spalier.optence.example")
SECOND = BaseUrl("https://netz.optence.example")
THIRD = BaseUrl("https://netz.photonik.example")


async def known_as(database: Database) -> dict[str, str | None]:
    async with database.read() as tx:
        return {each.id: each.known_as for each in await rows.list_partners(tx)}


async def names(database: Database, base_url: BaseUrl) -> NodeAddress:
    async with database.read() as tx:
        return await node_state.load_names(tx, NodeAddress(base_url))


@pytest.fixture
async def node(database: Database, now: datetime) -> Database:
    """A node at its first address, with an entry and two partners."""

    async def work(tx: Transaction) -> None:
        await node_state.store_node_state(
            tx,
            node_state.NodeState(
                node_id="n1",
                base_url=FIRST,
                name="Optence",
                default_language="de",
                epoch="0" * 32,
                incarnation=1,
                card={},
                created_at=now,
            ),
        )
        await insert_organisation(tx, organisation(), now=now)
        for name in ("sued", "ost"):
            await rows.insert_partner(tx, a_partner(now, name))
        await insert_entry(tx, "a" * 26, now)

    await database.write(work)
    return database


async def insert_entry(tx: Transaction, local_id: str, now: datetime) -> None:
    await tx.execute(
        insert(entries).values(
            id=local_id,
            kind="capacity_offer",
            state="published",
            incarnation=1,
            counter=1,
            organisation_id="o1",
            audience_level="trusted",
            content={},
            search_text="",
            created_at=now,
            updated_at=now,
        )
    )


async def test_a_node_that_stays_has_one_name(node: Database) -> None:
    assert await names(node, FIRST) == NodeAddress(FIRST)


async def test_names_stay_over_two_moves_and_the_way_back(
    node: Database, now: datetime
) -> None:
    await node.write(lambda tx: node_state.change_address(tx, SECOND, at=now))
    async with node.read() as tx:
        assert (await node_state.require_node_state(tx)).base_url == SECOND
    assert await known_as(node) == {"sued": FIRST, "ost": FIRST}
    address = await names(node, SECOND)
    assert (address.former, dict(address.born)) == ((FIRST,), {"a" * 26: FIRST})

    async def confirmed(tx: Transaction) -> None:
        await rows.update_partner(tx, "sued", known_as=None)
        await insert_entry(tx, "b" * 26, now)

    await node.write(confirmed)
    await node.write(lambda tx: node_state.change_address(tx, THIRD, at=now))
    # Who has not confirmed the first move knows the first name still.
    assert await known_as(node) == {"sued": SECOND, "ost": FIRST}
    address = await names(node, THIRD)
    assert address.former == (FIRST, SECOND)
    assert dict(address.born) == {"a" * 26: FIRST, "b" * 26: SECOND}

    await node.write(lambda tx: node_state.change_address(tx, FIRST, at=now))
    # Whoever knows the old name knows the present one again.
    assert await known_as(node) == {"sued": SECOND, "ost": None}
    address = await names(node, FIRST)
    assert address.former == (SECOND, THIRD)
    assert address.entry("a" * 26) == f"{FIRST}/entries/{'a' * 26}"
    assert address.entry("b" * 26) == f"{SECOND}/entries/{'b' * 26}"


async def test_what_a_partner_announced_survives(node: Database, now: datetime) -> None:
    values = {
        "former_urls": (FIRST, SECOND),
        "moving_to": THIRD,
        "moving_id": f"{SECOND}/activities/{'m' * 26}",
        "moving_since": now,
        "move_published": now,
        "known_as": FIRST,
    }
    await node.write(lambda tx: rows.update_partner(tx, "sued", **values))
    async with node.read() as tx:
        found = await rows.load_partner(tx, "sued")
        peer = await rows.find_peer(tx, "https://sued.example/actor#key-1")
    assert found is not None
    assert found == replace(found, **values)
    assert peer is not None
    assert peer.former == (FIRST, SECOND)
    assert peer.called(f"{FIRST}/entries/{'a' * 26}").actor_id == f"{FIRST}/actor"


async def test_an_announcement_goes_to_standing_partners_and_holds_up_nobody(
    node: Database, now: datetime
) -> None:
    async def queue(tx: Transaction) -> None:
        for kind in (ActivityKind.REJECT, ActivityKind.MOVE):
            await queue_activity(
                tx,
                "sued",
                kind=kind,
                subject=f"{SECOND}/actor",
                activity_id=f"{FIRST}/activities/{kind.value}",
                at=now,
            )

    await node.write(queue)

    async def stand(tx: Transaction, state: str) -> None:
        await tx.execute(
            update(partner_table)
            .where(partner_table.c.id == "sued")
            .values(state=state)
        )

    async def next_kind() -> ActivityKind | None:
        async with node.read() as tx:
            found = await next_undelivered(tx, "sued")
        return None if found is None else found.kind

    for state, expected in (
        ("waiting", ActivityKind.REJECT),
        ("active", ActivityKind.MOVE),
        ("paused", ActivityKind.MOVE),
        ("suspended", ActivityKind.REJECT),
        ("ending", ActivityKind.REJECT),
    ):
        await node.write(lambda tx, now_in=state: stand(tx, now_in))
        assert await next_kind() is expected, state
    async with node.read() as tx:
        latest = await latest_of_kind(tx, ActivityKind.MOVE)
        assert list(latest) == ["sued"]
        wire_id = latest["sued"].activity_id
        assert await find_own_activity(tx, "sued", wire_id) == latest["sued"]
        assert await find_own_activity(tx, "ost", wire_id) is None
    await node.write(
        lambda tx: give_up(tx, "sued", kind=ActivityKind.MOVE, reason="again")
    )
    async with node.read() as tx:
        latest = await latest_of_kind(tx, ActivityKind.MOVE)
    assert latest["sued"].refused_reason == "again"


async def test_what_is_held_of_a_node_that_moved_is_listed_by_local_ids(
    node: Database, now: datetime
) -> None:
    uris = [
        f"{name}/entries/{letter * 26}"
        for name, letter in ((FIRST, "c"), (SECOND, "a"), (FIRST, "7"), (THIRD, "b"))
    ]

    async def store(tx: Transaction) -> None:
        for number, uri in enumerate(uris):
            await tx.execute(
                insert(received_entries).values(
                    id=f"x{number}",
                    partner_id="sued",
                    entry_uri=uri,
                    state="deleted",
                    kind="",
                    known_kind=False,
                    incarnation=1,
                    counter=1,
                    is_public=False,
                    is_personal=False,
                    search_text="",
                    first_received_at=now,
                    changed_at=now,
                    bucket=bucket_of(uri),
                )
            )

    await node.write(store)

    async def listed(after: str, limit: int, bucket: int | None = None) -> list[str]:
        async with node.read() as tx:
            found = await list_held(
                tx, "sued", bucket=bucket, after=after, limit=limit, prefix=None
            )
        return [each.entry_id for each in found]

    in_order = sorted(uris, key=lambda uri: uri[-26:])
    assert await listed("", 10) == in_order
    assert await listed("", 2) == in_order[:2]
    assert await listed(in_order[1][-26:], 10) == in_order[2:]
    assert await listed("", 10, bucket_of(uris[0])) == [uris[0]]
    async with node.read() as tx:
        at_one = await list_held(
            tx, "sued", bucket=None, after="", limit=9, prefix=f"{FIRST}/entries/"
        )
    assert at_one[0].entry_id == f"{FIRST}/entries/{'7' * 26}"
