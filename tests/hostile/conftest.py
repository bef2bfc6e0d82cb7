"""Nodes that are attacked; each module has its own, shared by its tests."""

import inspect
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from federation.transport import wire as wire_module
from federation.transport.client import FederationClient
from tests.hostile.evil_requests import SECONDS
from tests.hostile.evil_server import EvilServer, evil_server
from tests.hostile.world import World, hostile_world
from tests.http.nodes import MovableClock, SeededRandom


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        is_async = inspect.iscoroutinefunction(_body_of(item))
        if item.path.is_relative_to(here) and is_async:
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


def _body_of(item: pytest.Item) -> object:
    function = getattr(item, "obj", None)
    hypothesis = getattr(function, "hypothesis", None)
    return function if hypothesis is None else hypothesis.inner_test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Nord and Ost are partners of Süd, which is attacked with Nord's key.

    Shared by a module: what is refused leaves nothing behind, and what is accepted
    uses entries of its own.
    """
    async with hostile_world(tmp_path_factory.mktemp("hostile")) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def fresh_world(tmp_path: Path) -> AsyncIterator[World]:
    """The same for one test, which changes much."""
    async with hostile_world(tmp_path) as world:
        yield world


@pytest_asyncio.fixture(loop_scope="module")
async def evil() -> AsyncIterator[EvilServer]:
    async with evil_server() as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FederationClient]:
    """The client of a node, with less patience."""
    monkeypatch.setattr(wire_module, "ANSWER_TIMEOUT", timedelta(seconds=SECONDS))
    async with FederationClient(
        clock=MovableClock(),
        random=SeededRandom("client"),
        allow_loopback_http=True,
    ) as opened:
        yield opened
