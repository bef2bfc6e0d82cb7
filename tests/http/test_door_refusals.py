"""Each refusal of the doors: status, problem, one line in the log, and no trace.

One row of `REFUSALS` is one way to be refused. For each the same is shown: the
right status with a problem document (RFC 9457), nothing stored, nothing sent, and
exactly one line, which names status, code, door, who it was and the request's
number, and nothing of what was sent.
"""

import json
from typing import Any

import pytest

from tests.http.nodes import MovableClock, RunningNode
from tests.http.raw import RawAnswer
from tests.http.refusal_scene import (
    CANARY,
    PROBLEM,
    Refusal,
    Scene,
    nothing,
    own_fault,
    slow_body,
    slow_handling,
    written_lines,
)
from tests.http.refusals import REFUSALS
from tests.http.sender import Untouched


@pytest.fixture
async def scene(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Scene:
    nord, sued = partners
    return Scene(nord, sued, ost, page, clock, monkeypatch)


# These change what is around them; each gets a scene of its own.
_OWN_SCENE = (slow_body, slow_handling, own_fault)
APART = [each for each in REFUSALS if each.before is not None or each.ask in _OWN_SCENE]
TOGETHER = [each for each in REFUSALS if each not in APART]


@pytest.mark.parametrize("refusal", APART, ids=lambda each: each.name)
async def test_refusal_of_a_scene_that_was_prepared(
    scene: Scene, refusal: Refusal
) -> None:
    await (refusal.before or nothing)(scene)
    await check_refusal(scene, refusal)


async def test_refusals_one_after_the_other(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    """None of them changes anything, so they can share one scene."""
    for refusal in TOGETHER:
        with subtests.test(refusal.name):
            await check_refusal(scene, refusal)


async def check_refusal(scene: Scene, refusal: Refusal) -> None:
    partner_id = (await scene.sued.partner(scene.nord)).id
    tells_nonce = refusal.name == "no such entry for a partner"
    before, sent = await scene.sued.tables(), list(scene.sued.client.sent)
    with written_lines(scene.clock) as stream:
        async with Untouched(scene.nord, scene.ost):
            answer = await refusal.ask(scene)
    assert scene.sued.client.sent == sent
    after = await scene.sued.tables()
    for table, rows in before.items():
        if table != "seen_nonces" or not tells_nonce:
            assert after[table] == rows, table
    assert answer.status == refusal.status
    check_problem(answer, refusal)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) == 1, lines
    check_line(lines[0], refusal, partner_id=partner_id)
    text = stream.getvalue()
    assert CANARY not in text
    assert "sig1" not in text


def check_problem(answer: RawAnswer, refusal: Refusal) -> None:
    assert answer.field("Date")
    assert answer.field("Server") == "spalier"
    assert answer.field("Content-Type") == "application/problem+json"
    assert "no-store" in (answer.field("Cache-Control") or "")
    problem = json.loads(answer.body)
    assert problem["type"] == PROBLEM + refusal.code
    assert problem["status"] == refusal.status
    assert problem["title"]
    assert problem["detail"]
    assert CANARY not in answer.body.decode()
    assert (answer.field("Allow") is not None) == (refusal.status == 405)
    if refusal.status in {429, 503}:
        assert int(answer.field("Retry-After") or 0) > 0
    if refusal.status == 401 and not refusal.by_peer:
        assert answer.field("WWW-Authenticate") == "Signature"
        assert '"@target-uri"' in (answer.field("Accept-Signature") or "")


def check_line(line: dict[str, Any], refusal: Refusal, *, partner_id: str) -> None:
    is_fault = refusal.status == 500
    assert line["event"] == ("request failed" if is_fault else "refused")
    assert (line["status"], line["code"]) == (refusal.status, refusal.code)
    assert line["door"] == refusal.door
    if refusal.by_peer:
        assert line["peer"] == partner_id
    else:
        assert line["address"] == "127.0.0.1"
    if refusal.code != "malformed-http":
        assert len(line["request_id"]) == 16


async def test_the_control_of_all_rows_is_taken(scene: Scene) -> None:
    with written_lines(scene.clock) as stream:
        answer = await scene.post(scene.page)
    assert answer.status == 200
    assert "refused" not in stream.getvalue()


def test_every_code_of_a_table_is_told_apart() -> None:
    """No two rows are the same row twice."""
    names = [each.name for each in REFUSALS]
    assert len(names) == len(set(names))
