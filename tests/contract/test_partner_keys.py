"""Keys of partners in the database: what counts, what counted, who is found."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from federation.key_changes import SuspensionReason
from federation.keys import SigningKey
from federation.trust import TrustState
from node.partners.model import KeyOrigin, Partner, PartnerKey
from node.storage import partners as rows
from node.storage.database import Database, Transaction
from node.storage.partner_keys import list_keys, restore_keys, store_keys
from tests.contract.test_partners import a_partner
from tests.http.nodes import SeededRandom


def a_key(partner: Partner, number: int, *, at: datetime, seed: str = "") -> PartnerKey:
    secret = SigningKey.generate(SeededRandom(f"{partner.id}{number}{seed}"))
    return PartnerKey(
        id=f"{partner.id}-{number}{seed}",
        key_id=f"{partner.base_url}/actor#key-{number}",
        multibase=secret.public_key.multibase,
        origin=KeyOrigin.ANNOUNCED,
        pinned_at=at,
    )


async def insert(database: Database, *partners: Partner) -> None:
    async def work(tx: Transaction) -> None:
        for partner in partners:
            await rows.insert_partner(tx, partner)

    await database.write(work)


async def loaded(database: Database, partner: Partner) -> Partner:
    async with database.read() as tx:
        found = await rows.load_partner(tx, partner.id)
    assert found is not None
    return found


async def test_every_column_survives(database: Database, now: datetime) -> None:
    partner = replace(
        a_partner(now),
        state=TrustState.SUSPENDED,
        protocol="1.7",
        capabilities=("pages", "something-new"),
        actor_updated=now,
        suspended_from=TrustState.PAUSED,
        suspended_because=SuspensionReason.REVOKED_ITSELF,
        offered_multibase="z6Mk",
        looked_at=now,
    )
    partner = replace(
        partner,
        keys=(
            a_key(partner, 2, at=now),
            replace(partner.key, expires=now, revoked=now + timedelta(days=1)),
        ),
    )
    await insert(database, partner)
    assert await loaded(database, partner) == partner

    async def work(tx: Transaction) -> None:
        await rows.update_partner(
            tx,
            partner.id,
            state=TrustState.PAUSED,
            suspended_from=None,
            suspended_because=None,
            capabilities=("pages",),
        )

    await database.write(work)
    assert await loaded(database, partner) == replace(
        partner,
        state=TrustState.PAUSED,
        suspended_from=None,
        suspended_because=None,
        capabilities=("pages",),
    )


async def test_any_key_in_force_finds_its_partner(
    database: Database, now: datetime
) -> None:
    sued, ost = a_partner(now, "sued"), a_partner(now, "ost")
    one, two = sued.key, a_key(sued, 2, at=now)
    await insert(database, sued, ost)
    ended = replace(one, expires=now)
    await database.write(lambda tx: store_keys(tx, "sued", [two, ended], at=now))
    async with database.read() as tx:
        for key in (one, two):
            peer = await rows.find_peer(tx, key.key_id)
            assert peer is not None
            assert (peer.partner_id, peer.keys) == ("sued", (two.pinned, ended.pinned))
        assert [each.id for each in await rows.list_partners(tx)] == ["ost", "sued"]
        assert (await rows.list_partners(tx))[1].keys == (two, ended)
    assert peer.request_key(two.key_id) == two.pinned.public_key
    assert peer.request_key(one.key_id) is None
    assert peer.proof_key(one.key_id, created=now) == one.pinned.public_key


async def test_replaced_keys_are_kept_and_find_nobody(
    database: Database, now: datetime
) -> None:
    """A server that was set up anew has another key under the same id."""
    partner = a_partner(now)
    anew = replace(a_key(partner, 1, at=now, seed="anew"), origin=KeyOrigin.CONFIRMED)
    later = now + timedelta(days=1)
    await insert(database, partner)
    await database.write(lambda tx: store_keys(tx, partner.id, [anew], at=later))
    assert (await loaded(database, partner)).keys == (anew,)
    async with database.read() as tx:
        assert await list_keys(tx, partner.id) == [
            anew,
            replace(partner.key, replaced_at=later),
        ]
        peer = await rows.find_peer(tx, anew.key_id)
    assert peer is not None
    assert peer.keys == (anew.pinned,)
    # And back: the row of the first key counts again.
    await database.write(lambda tx: store_keys(tx, partner.id, [partner.key], at=later))
    assert (await loaded(database, partner)).keys == (partner.key,)


async def test_one_key_id_counts_once(database: Database, now: datetime) -> None:
    partner = a_partner(now)
    await insert(database, partner)
    twice = [partner.key, a_key(partner, 1, at=now, seed="x")]
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: store_keys(tx, partner.id, twice, at=now))
    assert (await loaded(database, partner)).keys == (partner.key,)


async def test_keys_of_a_request_that_was_taken_back_are_gone(
    database: Database, now: datetime
) -> None:
    partner = replace(a_partner(now), keys=(a_partner(now).key,))
    anew = a_key(partner, 1, at=now, seed="anew")
    await insert(database, partner)
    await database.write(lambda tx: store_keys(tx, partner.id, [anew], at=now))
    await database.write(lambda tx: restore_keys(tx, partner.id, partner.keys))
    assert (await loaded(database, partner)).keys == partner.keys
    async with database.read() as tx:
        assert await list_keys(tx, partner.id) == [partner.key]
    await database.write(lambda tx: rows.delete_partner(tx, partner.id))
    async with database.read() as tx:
        assert await list_keys(tx, partner.id) == []
