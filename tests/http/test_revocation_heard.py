"""A revocation reaches a partner, whatever else waits for it or was answered before."""

from datetime import timedelta
from typing import Any

import pytest

from federation.errors import PermanentFetchError, TemporaryFetchError
from federation.trust import TrustState
from node.keys.rules import WAITING_DAYS
from tests.http.whole_nodes import (
    WholeNode,
    advance,
    settle,
    states,
)

Two = tuple[WholeNode, WholeNode]


async def is_suspended(holder: WholeNode, other: WholeNode) -> bool:
    return (await holder.partner(other)).state is TrustState.SUSPENDED


async def test_revocation_comes_before_an_announcement_that_waits(two: Two) -> None:
    nord, sued = two
    await sued.stop()
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await sued.start()
    nord.clock.advance(hours=2)
    await settle(nord)
    assert await is_suspended(sued, nord)


async def test_old_key_that_still_counts_revokes_itself_to_whom_knows_no_other(
    two: Two,
) -> None:
    nord, sued = two
    await sued.stop()
    await nord.node.own_keys.rotate(nord.office)
    nord.clock.advance(days=WAITING_DAYS)
    await advance(nord)
    assert states(nord) == {1: "active", 2: "active"}
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch", number=1)
    await advance(nord)
    assert (nord.folder / "node.key").exists(), "it still has to say so"
    await sued.start()
    nord.clock.advance(hours=2)
    await advance(nord)
    assert await is_suspended(sued, nord)
    await advance(nord)
    assert not (nord.folder / "node.key").exists()


@pytest.mark.parametrize("code", ["signature-stale", "key-ended", "wrong-host"])
async def test_revocation_that_was_refused_for_something_else_comes_again(
    two: Two, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    nord, sued = two
    client = nord.node.delivery._client
    real = client.post_activity

    async def refused(peer: Any, activity: Any, **named: Any) -> None:
        monkeypatch.setattr(client, "post_activity", real)
        raise PermanentFetchError("refused", status=401, problem_code=code)

    monkeypatch.setattr(client, "post_activity", refused)
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await settle(nord)
    assert not await is_suspended(sued, nord)
    nord.clock.advance(hours=2)
    await settle(nord)
    assert await is_suspended(sued, nord)


async def test_revocation_does_not_rest_with_what_was_too_much(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = two
    client = nord.node.delivery._client
    real = client.post_activity

    async def too_many(peer: Any, activity: Any, **named: Any) -> None:
        raise TemporaryFetchError(
            "429 quota-exceeded",
            status=429,
            problem_code="quota-exceeded",
            retry_after=timedelta(hours=1),
        )

    monkeypatch.setattr(client, "post_activity", too_many)
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    monkeypatch.setattr(client, "post_activity", real)
    await nord.node.own_keys.revoke(nord.office, reason="Einbruch")
    await settle(nord)
    assert await is_suspended(sued, nord)
