"""Partners, invitations, queued activities and nonces, on both engines."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from federation.trust import TrustState
from node.partners.directory import known_peer
from node.partners.model import HandshakeRole, Invitation, Partner
from node.storage import nonces, outgoing
from node.storage import partners as rows
from node.storage.database import Database, Transaction
from node.storage.outgoing import ActivityKind, OutgoingActivity
from node.storage.partners import update_partner
from node.storage.tables import outgoing_activities
from node.visibility.policy import PolicySheet, Preset
from tests.partner_key import first_key


def a_partner(now: datetime, name: str = "sued") -> Partner:
    base_url = f"https://{name}.example"
    return Partner(
        id=name,
        base_url=base_url,
        actor_id=f"{base_url}/actor",
        name=name.title(),
        card={"members": 84, "regions": ["DE-BY"]},
        state=TrustState.WAITING,
        role=HandshakeRole.GUEST,
        keys=(first_key(base_url),),
        request_id="https://nord.example/activities/1",
        check_number="4711 0815",
        created_at=now,
        released_at=now,
        compared_at=now,
        policy_out=PolicySheet(Preset.CLOSE),
        policy_in=PolicySheet(Preset.CLOSE),
    )


async def insert(database: Database, *partners: Partner) -> None:
    async def work(tx: Transaction) -> None:
        for partner in partners:
            await rows.insert_partner(tx, partner)

    await database.write(work)


async def stored_activity(tx: Transaction, activity_id: str) -> Any:
    """Row of a queued activity."""
    (row,) = await tx.all(
        select(outgoing_activities).where(
            outgoing_activities.c.activity_id == activity_id
        )
    )
    return row


async def test_partner_comes_back_as_it_was_stored(
    database: Database, now: datetime
) -> None:
    partner = a_partner(now)
    await insert(database, partner)
    async with database.read() as tx:
        assert await rows.load_partner(tx, "sued") == partner
        assert await rows.find_by_base_url(tx, partner.base_url) == partner
        assert await rows.find_peer(tx, partner.key.key_id) == known_peer(partner)
        assert await rows.load_partner(tx, "nobody") is None
        assert await rows.find_peer(tx, partner.actor_id) is None


async def test_partners_are_listed_by_name_and_state(
    database: Database, now: datetime
) -> None:
    west, ost = a_partner(now, "west"), a_partner(now, "ost")
    active = replace(west, state=TrustState.ACTIVE, active_since=now)
    await insert(database, active, ost)
    async with database.read() as tx:
        assert await rows.list_partners(tx) == [ost, active]
        assert await rows.list_partners(tx, [TrustState.ACTIVE]) == [active]
        assert await rows.list_partners(tx, []) == []


async def test_changes_keep_their_types(database: Database, now: datetime) -> None:
    await insert(database, a_partner(now))

    async def work(tx: Transaction) -> Partner | None:
        await update_partner(
            tx,
            "sued",
            state=TrustState.ACTIVE,
            role=HandshakeRole.HOST,
            active_since=now,
            digest_equal=True,
        )
        return await rows.lock_partner(tx, "sued")

    changed = await database.write(work)
    assert changed == replace(
        a_partner(now),
        state=TrustState.ACTIVE,
        role=HandshakeRole.HOST,
        active_since=now,
        digest_equal=True,
    )


async def test_one_address_is_one_partner(database: Database, now: datetime) -> None:
    await insert(database, a_partner(now))
    with pytest.raises(IntegrityError):
        await insert(database, replace(a_partner(now), id="again"))


async def test_history_keeps_its_order_within_one_moment(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now))

    async def work(tx: Transaction) -> None:
        # Ids in the opposite order, so that they cannot be what sorts.
        for number, event in enumerate(["first", "second", "third"]):
            await rows.add_event(
                tx,
                event_id=f"{9 - number}",
                partner_id="sued",
                at=now,
                event=event,
                person_id=None,
                note=None,
            )
        await rows.delete_last_event(tx, "sued", event="second")

    await database.write(work)
    async with database.read() as tx:
        events = await rows.list_events(tx, "sued")
    assert [event.event for event in events] == ["first", "third"]


async def test_partner_that_never_was_one_leaves_nothing(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now))

    async def work(tx: Transaction) -> None:
        await rows.add_event(
            tx,
            event_id="1",
            partner_id="sued",
            at=now,
            event="we_requested",
            person_id=None,
            note=None,
        )
        await rows.delete_partner(tx, "sued")

    await database.write(work)
    async with database.read() as tx:
        assert await rows.list_partners(tx) == []
        assert await rows.list_events(tx, "sued") == []


async def test_invitations(database: Database, now: datetime) -> None:
    invitation = Invitation(
        id="i1",
        secret=bytes(range(10)),
        public_id="abcdefghij234567",
        group_hint="K7QF9",
        created_at=now,
        expires_at=now + timedelta(days=7),
        note="Süd",
    )

    async def work(tx: Transaction) -> None:
        await rows.insert_invitation(tx, invitation, created_by=None)
        await rows.update_invitation(tx, "i1", used_at=now)

    await database.write(work)
    used = replace(invitation, used_at=now)
    async with database.read() as tx:
        assert await rows.load_invitation(tx, "i1") == used
        assert await rows.find_invitation(tx, invitation.public_id) == used
        assert await rows.find_invitation_by_hint(tx, "K7QF9") == used
        assert await rows.list_invitations(tx) == [used]
        assert await rows.find_invitation(tx, "K7QF9") is None
    assert "0001" not in repr(used)


async def test_one_code_is_used_by_one_guest_only(
    database: Database, now: datetime
) -> None:
    """Whoever comes second waits, and then sees that the code is used."""
    invitation = Invitation(
        id="i1",
        secret=bytes(10),
        public_id="abcdefghij234567",
        group_hint="K7QF9",
        created_at=now,
        expires_at=now + timedelta(days=7),
    )

    async def insert_it(tx: Transaction) -> None:
        await rows.insert_invitation(tx, invitation, created_by=None)

    async def use(tx: Transaction) -> bool:
        found = await rows.lock_invitation(tx, invitation.public_id)
        assert found is not None
        await asyncio.sleep(0.02)
        if found.used_at is not None:
            return False
        await rows.update_invitation(tx, found.id, used_at=now)
        return True

    await database.write(insert_it)
    used = await asyncio.gather(*(database.write(use) for _ in range(4)))
    assert sorted(used) == [False, False, False, True]


# -- single activities ----------------------------------------------------------


async def queue(
    database: Database, now: datetime, *kinds: ActivityKind, partner: str = "sued"
) -> list[OutgoingActivity]:
    async def work(tx: Transaction) -> list[OutgoingActivity]:
        return [
            await outgoing.queue_activity(
                tx,
                partner,
                kind=kind,
                subject=f"subject-{kind}",
                activity_id=f"https://nord.example/activities/{partner}-{kind}",
                at=now,
            )
            for kind in kinds
        ]

    return await database.write(work)


async def test_activities_leave_in_order_and_once(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now), a_partner(now, "west"))
    accept, message = await queue(
        database, now, ActivityKind.ACCEPT, ActivityKind.MESSAGE
    )
    (other,) = await queue(database, now, ActivityKind.ACCEPT, partner="west")
    assert (accept.seq, message.seq, other.seq) == (1, 2, 1)

    async def deliver(tx: Transaction) -> tuple[bool, bool]:
        first = await outgoing.mark_delivered(tx, accept.activity_id, at=now)
        return first, await outgoing.mark_delivered(tx, accept.activity_id, at=now)

    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") == accept
        assert await outgoing.count_undelivered(tx, "sued") == 2
        assert await outgoing.partners_with_undelivered(tx) == ["sued", "west"]
    assert await database.write(deliver) == (True, False)
    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") == message
        stored = await stored_activity(tx, accept.activity_id)
    assert stored.delivered_at == now


async def test_refused_activity_does_not_hold_up_the_next(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now))
    first, second = await queue(
        database, now, ActivityKind.MESSAGE, ActivityKind.REJECT
    )

    async def refuse(tx: Transaction) -> None:
        await outgoing.mark_refused(tx, first.activity_id, reason="x" * 400)

    await database.write(refuse)
    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") == second
        stored = await stored_activity(tx, first.activity_id)
    assert stored.refused_reason == "x" * 300


async def test_leave_waits_for_the_ledger(database: Database, now: datetime) -> None:
    await insert(database, replace(a_partner(now), head_seq=3, acked_seq=2))
    (leave,) = await queue(database, now, ActivityKind.LEAVE)
    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") is None

    async def confirm(tx: Transaction) -> None:
        await update_partner(tx, "sued", acked_seq=3)

    await database.write(confirm)
    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") == leave


async def test_giving_up_by_kind_and_altogether(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now))
    _, leave = await queue(database, now, ActivityKind.MESSAGE, ActivityKind.LEAVE)

    async def give_up(tx: Transaction) -> None:
        await outgoing.give_up(tx, "sued", kind=ActivityKind.MESSAGE, reason="over")

    async def drop(tx: Transaction) -> int:
        return await outgoing.drop_undelivered(tx, "sued")

    await database.write(give_up)
    async with database.read() as tx:
        assert await outgoing.next_undelivered(tx, "sued") == leave
    assert await database.write(drop) == 1
    async with database.read() as tx:
        assert await outgoing.partners_with_undelivered(tx) == []


async def test_positions_of_concurrent_writers_are_dense(
    database: Database, now: datetime
) -> None:
    await insert(database, a_partner(now))

    async def one(number: int) -> int:
        async def work(tx: Transaction) -> int:
            queued = await outgoing.queue_activity(
                tx,
                "sued",
                kind=ActivityKind.MESSAGE,
                subject=str(number),
                activity_id=f"https://nord.example/activities/{number}",
                at=now,
            )
            return queued.seq

        return await database.write(work)

    positions = await asyncio.gather(*(one(number) for number in range(20)))
    assert sorted(positions) == list(range(1, 21))


# -- nonces ---------------------------------------------------------------------


async def test_nonce_is_new_once(database: Database, now: datetime) -> None:
    async def add(tx: Transaction) -> bool:
        return await nonces.add_nonce(tx, "key", "nonce", now)

    assert await database.write(add)
    assert not await database.write(add)
    async with database.read() as tx:
        assert await nonces.has_nonce(tx, "key", "nonce")
        assert not await nonces.has_nonce(tx, "other", "nonce")


async def test_failed_work_leaves_its_nonce_free(
    database: Database, now: datetime
) -> None:
    async def fail(tx: Transaction) -> None:
        assert await nonces.add_nonce(tx, "key", "nonce", now)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(fail)
    async with database.read() as tx:
        assert not await nonces.has_nonce(tx, "key", "nonce")


async def test_only_expired_nonces_are_forgotten(
    database: Database, now: datetime
) -> None:
    async def add(tx: Transaction) -> int:
        await nonces.add_nonce(tx, "key", "old", now - timedelta(seconds=1))
        await nonces.add_nonce(tx, "key", "new", now)
        return await nonces.forget_expired(tx, now=now)

    assert await database.write(add) == 1
    async with database.read() as tx:
        assert not await nonces.has_nonce(tx, "key", "old")
        assert await nonces.has_nonce(tx, "key", "new")


async def test_activity_takes_effect_once(database: Database, now: datetime) -> None:
    await insert(database, a_partner(now))

    async def add(tx: Transaction) -> bool:
        return await nonces.add_processed(
            tx, "https://sued.example/activities/1", partner_id="sued", at=now
        )

    assert await database.write(add)
    assert not await database.write(add)
