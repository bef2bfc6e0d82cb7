"""Who may have to be told something: one query, on both engines, finds them all."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from federation.retry import RETRY_WAIT_MAX, is_due
from federation.trust import TrustState
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from node.storage.outgoing import ActivityKind, queue_activity
from node.storage.partners import list_perhaps_due, load_partner, update_partner
from tests.contract.backed_node import BackedNode

_SETTLED = "settled"
_TOLD = frozenset({TrustState.ACTIVE, TrustState.PAUSED})


async def _perhaps_due(node: BackedNode) -> list[str]:
    async with node.node.context.database.read() as tx:
        epoch = (await require_node_state(tx)).epoch
        found = await list_perhaps_due(tx, _TOLD, now=node.clock.now(), epoch=epoch)
    return [partner.id for partner in found]


async def _settle(node: BackedNode, **values: Any) -> None:
    async def work(tx: Transaction) -> None:
        epoch = (await require_node_state(tx)).epoch
        settled = {
            "head_seq": 7,
            "acked_seq": 7,
            "next_check_at": node.clock.now() + timedelta(hours=1),
            "compared_epoch": epoch,
            "refetch_since": None,
            "next_attempt_at": None,
        }
        await update_partner(tx, _SETTLED, **{**settled, **values})

    await node.node.context.database.write(work)


async def test_a_settled_partner_is_left_alone(node: BackedNode) -> None:
    await node.partner(_SETTLED)
    await _settle(node)
    assert await _perhaps_due(node) == []


@pytest.mark.parametrize(
    "values",
    [
        {"head_seq": 8},
        {"next_check_at": None},
        {"compared_epoch": "another"},
        {"compared_epoch": None},
    ],
    ids=lambda values: next(iter(values)),
)
async def test_whoever_waits_for_something_is_found(
    node: BackedNode, values: dict[str, Any]
) -> None:
    await node.partner(_SETTLED)
    await _settle(node, **values)
    assert await _perhaps_due(node) == [_SETTLED]
    # But not before its next attempt.
    await _settle(node, **values, next_attempt_at=node.clock.now() + timedelta(hours=1))
    assert await _perhaps_due(node) == []


async def test_a_comparison_that_has_come_due_is_found(node: BackedNode) -> None:
    await node.partner(_SETTLED)
    await _settle(node, next_check_at=node.clock.now())
    assert await _perhaps_due(node) == [_SETTLED]
    await _settle(node, next_check_at=node.clock.now(), state=TrustState.ENDED)
    assert await _perhaps_due(node) == []


async def test_a_queued_activity_is_found(node: BackedNode) -> None:
    await node.partner(_SETTLED)
    await _settle(node)

    async def work(tx: Transaction) -> None:
        await queue_activity(
            tx,
            _SETTLED,
            kind=ActivityKind.MESSAGE,
            subject="message",
            activity_id="http://127.0.0.1:9021/activities/1",
            at=node.clock.now(),
        )

    await node.node.context.database.write(work)
    assert await _perhaps_due(node) == [_SETTLED]


@pytest.mark.parametrize(
    "after",
    [
        timedelta(microseconds=-1),
        timedelta(0),
        timedelta(microseconds=1),
        RETRY_WAIT_MAX,
        RETRY_WAIT_MAX + timedelta(microseconds=1),
    ],
    ids=str,
)
async def test_the_query_knows_the_time_of_an_attempt_as_the_protocol_does(
    node: BackedNode, after: timedelta
) -> None:
    await node.partner(_SETTLED)
    at: datetime = node.clock.now() + after
    await _settle(node, head_seq=8, next_attempt_at=at)
    async with node.node.context.database.read() as tx:
        partner = await load_partner(tx, _SETTLED)
    assert partner is not None
    assert (await _perhaps_due(node) != []) is is_due(at, node.clock.now())
