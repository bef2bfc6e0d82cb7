"""A node with its pages, and browsers of people who are signed in."""

import html
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from aiohttp.test_utils import TestServer

from federation.ids import random_id
from federation.keys import SigningKey
from federation.trust import TrustState
from node.app import Node, open_node
from node.members.model import Person, Role
from node.partners.model import HandshakeRole, Partner
from node.storage.database import Transaction
from node.storage.partners import insert_partner
from node.visibility.policy import PolicySheet, Preset
from node.web.server import build_node_application
from tests.http.nodes import START, MovableClock, SeededRandom
from tests.http.pages.sites import Site, prepared_sites, site_of
from tests.http.prepared import prepared_node
from tests.partner_key import first_key

PASSWORD = "vier Wörter und eine Laube"
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}


@dataclass(frozen=True)
class Page:
    """An answer that was read to its end."""

    status: int
    text: str
    headers: Mapping[str, str]

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")

    @property
    def words(self) -> str:
        """The text that a reader sees, on one line."""
        bare = re.sub(
            r"<(script|style).*?</\1>|<[^>]+>", " ", self.text, flags=re.DOTALL
        )
        return " ".join(html.unescape(bare).split())


@dataclass
class Browser:
    """Follows no redirect, keeps cookies, sends what a browser sends."""

    session: ClientSession
    base_url: str

    async def get(self, path: str, **settings: Any) -> Page:
        return await self._ask("GET", path, **settings)

    async def post(self, path: str, data: Any = None, **settings: Any) -> Page:
        return await self._ask("POST", path, data=data or {}, **settings)

    async def _ask(self, method: str, path: str, **settings: Any) -> Page:
        headers = {**SAME_ORIGIN, **settings.pop("headers", {})}
        async with self.session.request(
            method,
            self.base_url + path,
            headers=headers,
            allow_redirects=False,
            **settings,
        ) as answer:
            return Page(answer.status, await answer.text(), answer.headers)


@dataclass
class NodeSite:
    """A node that serves its pages on loopback."""

    node: Node
    clock: MovableClock
    office: Person
    browsers: list[Browser] = field(default_factory=list)

    @property
    def base_url(self) -> str:
        return self.node.config.base_url

    def visitor(self) -> Browser:
        """A browser of somebody who is not signed in."""
        session = ClientSession(
            cookie_jar=CookieJar(unsafe=True), connector=TCPConnector()
        )
        browser = Browser(session, self.base_url)
        self.browsers.append(browser)
        return browser

    async def add_person(
        self,
        name: str = "Mia Muster",
        *,
        organisation: str = "Linsen GmbH",
        role: Role = Role.PERSON,
        language: str = "de",
    ) -> tuple[Person, Browser]:
        """Add a member; return the person and their browser, signed in."""
        email = f"{name.lower().replace(' ', '.')}@member.example"
        person, link = await self.node.members.add_person(
            self.office,
            email=email,
            name=name,
            organisation=organisation,
            role=role,
            language=language,
            send_invitation=False,
        )
        return person, await self._with_link(link)

    async def office_browser(self) -> Browser:
        """The office's browser, signed in."""
        person = await self.node.members.office_person()

        async def work(tx: Transaction) -> str:
            return await self.node.members.first_password_link(tx, person)

        return await self._with_link(await self.node.context.database.write(work))

    async def _with_link(self, link: str) -> Browser:
        browser = self.visitor()
        token = link.rpartition("/")[2]
        answer = await browser.post(
            f"/anmelden/{token}", {"password": PASSWORD, "again": PASSWORD}
        )
        assert answer.status == 303, answer.text
        return browser

    async def add_partner(self, name: str, base_url: str, **facts: Any) -> Partner:
        """Add an active partner cluster without its node."""
        random = self.node.context.random
        key = SigningKey.generate(random).public_key
        partner = Partner(
            id=random_id(random),
            base_url=base_url,
            actor_id=f"{base_url}/actor",
            name=name,
            card={"members": facts.pop("members", 57)},
            state=TrustState.ACTIVE,
            role=HandshakeRole.HOST,
            keys=(first_key(base_url, key),),
            request_id=f"{base_url}/activities/{random_id(random)}",
            check_number="4711 0815",
            created_at=self.clock.now(),
            released_at=self.clock.now(),
            compared_at=self.clock.now(),
            policy_out=PolicySheet(Preset.CLOSE),
            policy_in=PolicySheet(Preset.CLOSE),
            active_since=self.clock.now(),
        )
        partner = replace(partner, **facts)
        await self.node.context.database.write(lambda tx: insert_partner(tx, partner))
        return partner


@pytest.fixture
async def node_site(tmp_path: Path) -> AsyncIterator[NodeSite]:
    """A node "Laborcluster" with its office and nothing else."""
    clock, random = MovableClock(START), SeededRandom("pages")
    folder = tmp_path / "node"
    async with (
        prepared_node(
            folder,
            name="Laborcluster",
            office_email="office@labor.example",
            clock=clock,
            random=random,
            card={"field": "Photonik", "members": 84},
        ) as port,
        open_node(folder, clock=clock, random=random) as node,
    ):
        server = TestServer(build_node_application(node), host="127.0.0.1", port=port)
        await server.start_server()
        site = NodeSite(node, clock, await node.members.office_person())
        yield site
        for browser in site.browsers:
            await browser.session.close()
        await server.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
async def lone_site(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Site]:
    """A node by itself."""
    async with site_of(tmp_path / "nord", "Nord", clock=clock) as site:
        yield site


@pytest.fixture
async def two_sites(
    tmp_path: Path, clock: MovableClock
) -> AsyncIterator[tuple[Site, Site]]:
    """Two nodes that are partners: Nord and Süd."""
    begin = prepared_sites()
    async with (
        site_of(
            tmp_path / "nord", "Nord", clock=clock, beginning=begin["nord"]
        ) as nord,
        site_of(
            tmp_path / "sued", "Sued", clock=clock, beginning=begin["sued"]
        ) as sued,
    ):
        yield nord, sued
