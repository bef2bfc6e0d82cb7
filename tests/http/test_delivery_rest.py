"""Deliveries come to rest, and a foreign key is nobody's word about a partnership.

Each of these was found by `spalier simulate`.
"""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from federation.errors import ForeignKeyError
from federation.keys import SigningKey
from federation.trust import TrustState
from node.exchange.activities import Activities
from node.keys.model import KeyState
from node.storage.database import Transaction
from node.storage.outgoing import ActivityKind, next_undelivered
from tests.http.comparing_scene import (
    Pair,
    compare_now,
    equal,
    held,
    published,
    requests_to,
    set_partner,
)
from tests.http.nodes import MovableClock

_DELIVERIES_MAX = 4  # two are needed


async def test_what_must_not_leave_now_keeps_nobody_busy(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A paused partner for whom an entry waits is due, and nothing can be done."""
    nord, sued = partners
    await set_partner(nord, sued, state=TrustState.PAUSED)
    await published(nord, 1)
    partner = await nord.partner(sued)
    assert partner.head_seq > partner.acked_seq
    deliver, count = nord.delivery.deliver, 0

    async def counted(partner_id: str) -> None:
        nonlocal count
        count += 1
        await deliver(partner_id)

    monkeypatch.setattr(nord.delivery, "deliver", counted)
    worker = asyncio.create_task(nord.delivery.run())
    nord.delivery._wakeup.poke(partner.id)
    await asyncio.sleep(1)
    worker.cancel()
    await asyncio.gather(worker, return_exceptions=True)
    assert 1 <= count <= _DELIVERIES_MAX


async def test_a_receiver_that_lost_its_place_gets_there_with_nothing_to_be_told(
    partners: Pair, clock: MovableClock
) -> None:
    """All positions in between were dropped: one empty page has to cover them."""
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.catalogue.delete(nord.office, entry)  # before anybody was told
    await nord.settle()
    partner = await nord.partner(sued)
    assert partner.acked_seq == partner.head_seq > 0
    assert await held(sued, nord) == {}
    await set_partner(sued, nord, in_epoch=partner.compared_epoch, in_position=0)
    before = len(requests_to(nord, sued, "POST"))
    async with asyncio.timeout(20):
        await compare_now(clock, nord)
    assert (await sued.partner(nord)).in_position == partner.head_seq
    assert await equal(nord, sued) is True
    assert len(requests_to(nord, sued, "POST")) == before + 2


@pytest.mark.parametrize("code", ["partnership-ended", "unknown-key"])
async def test_an_answer_by_a_foreign_key_is_not_the_partners_word(
    partners: Pair, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    """Else our notice of the end would be dropped, and the partner never hear it."""
    nord, sued = partners
    await nord.partners.end(nord.office, sued.base_url)
    key = (await nord.partner(sued)).told_key_number

    async def foreign(*_: Any, **__: Any) -> None:
        raise ForeignKeyError("Not a key of the partner.", problem_code=code)

    with monkeypatch.context() as patch:
        patch.setattr(nord.client, "post_activity", foreign)
        await nord.settle()
    partner = await nord.partner(sued)
    assert (partner.state, partner.attempts) == (TrustState.ENDING, 1)
    assert partner.told_key_number == key
    async with nord.database.read() as tx:
        waiting = await next_undelivered(tx, partner.id)
    assert waiting is not None
    assert waiting.kind is ActivityKind.LEAVE


async def test_back_to_the_newest_key_when_no_older_one_is_known(
    partners: Pair,
) -> None:
    """The partner pinned the newest one in a new handshake, and nothing else."""
    nord, sued = partners
    ring = nord.context.keys
    (first,) = ring.keys
    secret = SigningKey.generate(nord.random)
    newest = replace(first, number=2, multibase=secret.public_key.multibase)
    announced = replace(first, state=KeyState.ANNOUNCED)
    ring.replace((announced, newest), {**ring.secrets, 2: secret})
    partner = await nord.partner(sued)
    assert partner.told_key_number == 1
    assert ring.is_known_to(partner)

    async def unknown(tx: Transaction) -> bool:
        return await Activities(nord.context, nord.partners).key_unknown(tx, partner)

    assert await nord.database.write(unknown)
    assert (await nord.partner(sued)).told_key_number == 2
