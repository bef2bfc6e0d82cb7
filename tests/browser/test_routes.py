"""The list of pages is whole."""

import re
from pathlib import Path

from aiohttp import web

from node.app import open_node
from node.clock import SystemClock, SystemRandom
from node.initialise import initialise
from node.web.server import build_node_application
from tests.browser.pages import NO_PAGES, PAGES

_PATTERN = re.compile(r"\{(\w+):[^}]*\}")


def _name(route: web.AbstractRoute) -> str:
    resource = route.resource
    assert resource is not None
    return _PATTERN.sub(r"{\1}", resource.get_info().get("pattern_text", resource.canonical))


async def _routes(folder: Path) -> set[str]:
    await initialise(
        folder,
        base_url="http://127.0.0.1:18099",
        name="Nord",
        office_email="buero@nord.example",
        allow_loopback_http=True,
        clock=SystemClock(),
        random=SystemRandom(),
    )
    async with open_node(folder) as node:
        application = build_node_application(node)
        return {
            _PATTERN.sub(r"{\1}", route.resource.canonical)
            for route in application.router.routes()
            if route.method == "GET" and route.resource is not None
        }


async def test_every_page_is_looked_at(tmp_path: Path) -> None:
    routes = await _routes(tmp_path / "node")
    listed = {route for page in PAGES for route in page.routes}
    listed |= {_of_step(route) for route in listed}
    assert routes - listed - NO_PAGES == set()


async def test_the_list_names_no_page_that_is_gone(tmp_path: Path) -> None:
    routes = await _routes(tmp_path / "node")
    assert {route for page in PAGES for route in page.routes} - routes == set()
    assert NO_PAGES - routes == set()


async def test_each_picture_has_a_name_of_its_own() -> None:
    names = [(page.viewer, page.name) for page in PAGES]
    assert len(set(names)) == len(names)
