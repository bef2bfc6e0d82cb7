"""Two nodes that may meet, and a third one that stands beside."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.http.nodes import (
    OFFER,
    MovableClock,
    RunningNode,
    prepared_partners,
    running_node,
)
from tests.http.prepared import Original
from tests.http.sender import Sender
from tests.http.whole_nodes import WholeNode, prepared_circle, whole_node


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def beginnings(request: pytest.FixtureRequest) -> dict[str, Original]:
    """What Nord and Süd begin as: partners already, for a test that asks for them."""
    if "partners" in request.fixturenames:
        return dict(prepared_partners())
    return {}


@pytest.fixture
async def nord(
    tmp_path: Path, clock: MovableClock, beginnings: dict[str, Original]
) -> AsyncIterator[RunningNode]:
    async with running_node(
        tmp_path / "nord", "Nord", clock=clock, beginning=beginnings.get("nord")
    ) as node:
        yield node


@pytest.fixture
async def sued(
    tmp_path: Path, clock: MovableClock, beginnings: dict[str, Original]
) -> AsyncIterator[RunningNode]:
    async with running_node(
        tmp_path / "sued", "Sued", clock=clock, beginning=beginnings.get("sued")
    ) as node:
        yield node


@pytest.fixture
async def ost(tmp_path: Path, clock: MovableClock) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "ost", "Ost", clock=clock) as node:
        yield node


@pytest.fixture
async def partners(
    nord: RunningNode, sued: RunningNode
) -> tuple[RunningNode, RunningNode]:
    """Nord invited Süd, both are active (`become_partners`, see `beginnings`)."""
    return nord, sued


@pytest.fixture
async def two(
    tmp_path: Path, clock: MovableClock
) -> AsyncIterator[tuple[WholeNode, WholeNode]]:
    """Nord and its partner Süd, each as `serve` runs it."""
    begin = prepared_circle("nord", "sued")
    async with (
        whole_node(
            tmp_path / "nord", "nord", clock=clock, beginning=begin["nord"]
        ) as one,
        whole_node(
            tmp_path / "sued", "sued", clock=clock, beginning=begin["sued"]
        ) as other,
    ):
        yield one, other


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        yield Sender(session)


@pytest.fixture
async def page(partners: tuple[RunningNode, RunningNode]) -> dict[str, Any]:
    """A page of Nord for Süd with two entries, built but not sent."""
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Zweites"}})
    outgoing = await nord.sending.next_page((await nord.partner(sued)).id)
    return json.loads(json.dumps(outgoing.document))
