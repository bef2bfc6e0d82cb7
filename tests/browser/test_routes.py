"""The list of pages is whole."""

from pathlib import Path

from node.app import open_node
from node.clock import SystemClock, SystemRandom
from node.initialise import initialise
from node.web.server import build_node_application
from tests.browser.pages import NO_PAGES, PAGES


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
            route.resource.canonical
            for route in application.router.routes()
            if route.method == "GET" and route.resource is not None
        }


async def test_every_page_is_looked_at(tmp_path: Path) -> None:
    routes = await _routes(tmp_path / "node")
    listed = {route for page in PAGES for route in page.routes}
    assert routes - listed - NO_PAGES == set()


async def test_the_list_names_no_page_that_is_gone(tmp_path: Path) -> None:
    routes = await _routes(tmp_path / "node")
    assert {route for page in PAGES for route in page.routes} - routes == set()
    assert NO_PAGES - routes == set()


async def test_each_picture_has_a_name_of_its_own() -> None:
    names = [(page.viewer, page.name) for page in PAGES]
    assert len(set(names)) == len(names)
