"""A site with sample pages, for the tests of the pages' foundation."""

from datetime import UTC, datetime

from aiohttp import web
from aiohttp.test_utils import TestClient

from federation.errors import RateLimitError, SignatureInvalidError
from node.errors import (
    InputFault,
    InvalidInputError,
    NodeError,
    NotFoundError,
    UnavailableError,
)
from node.members.model import Person, Role
from node.web.access import signed_in, signed_in_as
from node.web.application import build_application
from node.web.flash import see_other
from node.web.keys import (
    PERSON_LOADER,
)
from node.web.rendering import render
from node.web.site import SiteSettings

SITE = SiteSettings(
    base_url="https://netz.example", cluster_name="Cluster Netz", node_id="n1"
)
HOST = {"Host": "netz.example"}
HTML = {**HOST, "Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
JSON = {**HOST, "Accept": "application/json"}
OWN = {**HTML, "Sec-Fetch-Site": "same-origin"}
ANNA = Person("p", "o", "Firma", "anna@firma.example", "Anna Muster", Role.PERSON, "de")

FAILURES = {
    "secret": RuntimeError("password=hunter2"),
    "node": NodeError("internal detail"),
    "hidden": NotFoundError("There is no such entry."),
    "down": UnavailableError("The partner does not answer.", hint="Wait."),
    "input": InvalidInputError(
        "The file has faults.", faults=[InputFault("/title", "Too long.", row=3)]
    ),
    "peer": SignatureInvalidError("Unknown key.", challenge="sig1=()"),
    "rate": RateLimitError("Slow down.", members={"retry_after": 7}),
}


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 11, 21, 13, 2, tzinfo=UTC)


class CountingRandom:
    def __init__(self) -> None:
        self.calls = 0

    def bytes(self, count: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(count, "big")


def sample_pages(app: web.Application) -> None:
    async def change(request: web.Request) -> web.Response:
        return see_other(request, "/seite", flash="Gespeichert <b>")

    async def page(request: web.Request) -> web.Response:
        return render(request, "error.html", ERROR_CONTEXT)

    async def fail(request: web.Request) -> web.Response:
        raise FAILURES[request.match_info["name"]]

    async def members(request: web.Request) -> web.Response:
        return web.json_response({"name": signed_in(request).name})

    async def office(request: web.Request) -> web.Response:
        signed_in_as(request, Role.OFFICE)
        return web.Response(text="office")

    app.router.add_get("/seite", page)
    app.router.add_post("/seite", change)
    app.router.add_get("/fehler/{name}", fail)
    app.router.add_post("/inbox", change)
    app.router.add_get("/mitglied", members)
    app.router.add_get("/buero", office)
    app.router.add_get("/livez", page)


ERROR_CONTEXT = {
    "title": "Titel",
    "message": "Text",
    "hint": "",
    "faults": (),
    "reference": "",
}


async def start(
    aiohttp_client, *, site: SiteSettings = SITE, person: Person | None = None
) -> TestClient:
    async def load_person(request: web.Request) -> Person | None:
        return person

    def set_up(app: web.Application) -> None:
        app[PERSON_LOADER] = load_person

    app = build_application(
        site=site,
        clock=FixedClock(),
        random=CountingRandom(),
        registrars=[set_up, sample_pages],
    )
    return await aiohttp_client(app)
