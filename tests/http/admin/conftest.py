"""Two nodes with all their pages, and a browser of the office."""

import io
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from node.app import Node, open_node
from node.members.model import Person
from node.web.keys import PERSON_LOADER
from node.web.server import build_node_application
from tests.http.nodes import OFFER, MovableClock, SeededRandom
from tests.http.prepared import (
    Original,
    Together,
    bound,
    prepared_node,
    prepared_together,
)

# Whose pages are asked for; the sign-in itself has tests of its own.
ACTING = "X-Acting-Person"


@dataclass(frozen=True)
class Answer:
    """A page as the browser got it."""

    status: int
    location: str
    html: str
    body: bytes

    @property
    def text(self) -> str:
        """What stands on the page, in one line."""
        main = self.html.partition("<main")[2].partition("</main>")[0]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())

    def value(self, name: str) -> str:
        """The value of a hidden field."""
        found = re.search(rf'name="{name}" value="([^"]*)"', self.html)
        assert found is not None, f"no field {name}"
        return unescape(found[1])


@dataclass
class Office:
    """A node and a browser in which somebody of it is signed in."""

    node: Node
    app: web.Application
    person: Person
    session: aiohttp.ClientSession
    random: SeededRandom

    @property
    def base_url(self) -> str:
        return self.node.config.base_url

    async def get(self, path: str, *, who: str | None = None) -> Answer:
        return await self._ask("GET", path, who=who)

    async def post(
        self, path: str, data: Any = None, *, who: str | None = None
    ) -> Answer:
        return await self._ask("POST", path, who=who, data=data or {})

    async def upload(self, path: str, content: bytes) -> Answer:
        form = aiohttp.FormData()
        form.add_field(
            "file", io.BytesIO(content), filename="liste.csv", content_type="text/csv"
        )
        return await self.post(path, form)

    async def _ask(
        self, method: str, path: str, *, who: str | None, data: Any = None
    ) -> Answer:
        headers = {
            ACTING: self.person.email if who is None else who,
            "Accept": "text/html",
            "Sec-Fetch-Site": "same-origin",
        }
        async with self.session.request(
            method,
            self.base_url + path,
            data=data,
            headers=headers,
            allow_redirects=False,
        ) as response:
            body = await response.read()
            return Answer(
                response.status,
                response.headers.get("Location", ""),
                body.decode("utf-8-sig", "replace"),
                body,
            )

    async def settle(self) -> None:
        """Deliver what waits for every partner, as the worker would."""
        for partner in await self.node.partners.list():
            await self.node.delivery.deliver(partner.id)

    async def partner_path(self) -> str:
        """Address of the pages of the only partner."""
        (partner,) = await self.node.partners.list()
        return f"/admin/partner/{partner.id}"

    async def member(self, email: str, organisation: str) -> Person:
        """Add a member with an organisation of its own."""
        person, _link = await self.node.members.add_person(
            None,
            email=email,
            name=email.partition("@")[0].title(),
            organisation=organisation,
            send_invitation=False,
        )
        return person


@asynccontextmanager
async def office_of(
    folder: Path,
    name: str,
    *,
    clock: MovableClock,
    language: str = "en",
    beginning: Original | None = None,
) -> AsyncIterator[Office]:
    random = SeededRandom(name)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            prepared_node(
                folder,
                name=name,
                office_email=f"office@{name.lower()}.example",
                clock=clock,
                random=random,
                default_language=language,
                card={"field": "Photonik", "members": 84, "regions": ["DE-HE"]},
                beginning=beginning,
            )
        )
        door = stack.enter_context(bound(port))
        node = await stack.enter_async_context(
            open_node(folder, clock=clock, random=random)
        )
        app = build_node_application(node)

        async def acting(request: web.Request) -> Person | None:
            email = request.headers.get(ACTING)
            return await node.members.person_by_email(email) if email else None

        app[PERSON_LOADER] = acting
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, door).start()
        session = await stack.enter_async_context(aiohttp.ClientSession())
        # As if somebody had a backup; without one there is something to do.
        await node.own_keys.note_backup(None, [node.context.keys.active.number])
        yield Office(node, app, await node.members.office_person(), session, random)


async def connect(host: Office, guest: Office) -> None:
    """Make both partners, the check number compared on both sides."""
    created = await host.node.partners.invite(host.person)
    await guest.node.partners.accept(guest.person, created.code)
    await host.node.partners.confirm(host.person, guest.base_url, compared=True)
    await host.settle()
    await guest.settle()
    await guest.node.partners.mark_compared(guest.person, host.base_url)


def prepared_offices() -> Together:
    """Nord and Süd as `connect` leaves them, in their folders."""

    async def make(folder: Path) -> dict[str, SeededRandom]:
        clock = MovableClock()
        async with (
            office_of(folder / "nord", "Nord", clock=clock) as nord,
            office_of(folder / "sued", "Sued", clock=clock) as sued,
        ):
            await connect(nord, sued)
            return {"nord": nord.random, "sued": sued.random}

    return prepared_together("offices", make)


def offer(**values: object) -> Mapping[str, object]:
    """An offer for all partners."""
    return {**OFFER, **values}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def beginnings(request: pytest.FixtureRequest) -> dict[str, Original]:
    """What Nord and Süd begin as: partners already, for a test that asks for them."""
    if "partners" in request.fixturenames:
        return dict(prepared_offices())
    return {}


@pytest.fixture
async def nord(
    tmp_path: Path, clock: MovableClock, beginnings: dict[str, Original]
) -> AsyncIterator[Office]:
    async with office_of(
        tmp_path / "nord", "Nord", clock=clock, beginning=beginnings.get("nord")
    ) as office:
        yield office


@pytest.fixture
async def sued(
    tmp_path: Path, clock: MovableClock, beginnings: dict[str, Original]
) -> AsyncIterator[Office]:
    async with office_of(
        tmp_path / "sued", "Sued", clock=clock, beginning=beginnings.get("sued")
    ) as office:
        yield office


@pytest.fixture
async def partners(nord: Office, sued: Office) -> tuple[Office, Office]:
    """Nord invited Süd, both are connected (`connect`, see `beginnings`)."""
    return nord, sued
