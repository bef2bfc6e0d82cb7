"""Two nodes that may meet, and a third one that stands beside."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.http.nodes import MovableClock, RunningNode, become_partners, running_node


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def nord(tmp_path: Path, clock: MovableClock) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "nord", "Nord", clock=clock) as node:
        yield node


@pytest.fixture
async def sued(tmp_path: Path, clock: MovableClock) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "sued", "Sued", clock=clock) as node:
        yield node


@pytest.fixture
async def ost(tmp_path: Path, clock: MovableClock) -> AsyncIterator[RunningNode]:
    async with running_node(tmp_path / "ost", "Ost", clock=clock) as node:
        yield node


@pytest.fixture
async def partners(
    nord: RunningNode, sued: RunningNode
) -> tuple[RunningNode, RunningNode]:
    """Nord invited Süd, both are active."""
    await become_partners(nord, sued)
    return nord, sued
