"""The nodes, the browser and the people that all browser tests share.

One set of nodes and one browser serve the whole folder, so every test here runs in
the one event loop of the session. Tests make entries of their own; nothing depends
on the order, except that the partnership with Beispiel-Netz Laser has one life.
"""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.browser.people import People
from tests.browser.world import LOGS, World, running_world

# Setting the nodes up counts for the first test.
_SECONDS = 240
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
_BAD_LINE = re.compile(r'Traceback|"level": "(?:error|critical)"')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(_SECONDS))
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("clusters")) as world:
        yield world
    bad = [
        f"{log.name}: {line}"
        for log in sorted(LOGS.glob("*.log"))
        for line in log.read_text(encoding="utf-8").splitlines()
        if _BAD_LINE.search(line)
    ]
    assert not bad, "\n".join(bad)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path, args=_ARGUMENTS
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def people(world: World, browser: Browser) -> AsyncIterator[People]:
    async with People(browser, world.password) as people:
        yield people
