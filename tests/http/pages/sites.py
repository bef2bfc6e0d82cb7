"""Two whole nodes on loopback, and browsers that keep their cookies."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from http.cookies import Morsel
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from node.app import Node, open_node
from node.catalogue.model import Entry
from node.members.model import Person, Role
from node.signin.links import LinkPurpose, issue_link
from node.storage.database import Transaction
from node.web.server import build_node_application
from tests.http.nodes import OFFER, MovableClock, SeededRandom
from tests.http.prepared import (
    Original,
    Together,
    bound,
    prepared_node,
    prepared_together,
)

PASSWORD = "vier worte am spalier"


@dataclass(frozen=True)
class Answer:
    """What a browser got."""

    status: int
    location: str
    html: str
    body: bytes
    headers: Mapping[str, str]
    cookies: Mapping[str, Morsel[str]]

    @property
    def text(self) -> str:
        """What stands on the page between header and footer, in one line."""
        main = self.html.partition("<main")[2].partition("</main>")[0]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", main)).split())

    @property
    def header(self) -> str:
        """What stands in the page's header, in one line."""
        head = self.html.partition("<header")[2].partition("<main")[0]
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", head)).split())


@dataclass
class Browser:
    """A browser with cookies of its own; it does not follow redirects."""

    base_url: str
    session: aiohttp.ClientSession
    language: str = "en"
    host: str | None = None

    async def get(self, path: str) -> Answer:
        return await self._ask("GET", path)

    async def post(self, path: str, **data: str) -> Answer:
        return await self._ask("POST", path, data=data)

    async def sign_in(self, email: str, password: str = PASSWORD) -> Answer:
        return await self.post("/anmelden", email=email, password=password)

    async def _ask(self, method: str, path: str, data: Any = None) -> Answer:
        headers = {
            "Accept": "text/html",
            "Accept-Language": self.language,
            "Sec-Fetch-Site": "same-origin",
        }
        if self.host is not None:
            headers["Host"] = self.host
        async with self.session.request(
            method,
            self.base_url + path,
            data=data,
            headers=headers,
            allow_redirects=False,
        ) as response:
            body = await response.read()
            return Answer(
                status=response.status,
                location=response.headers.get("Location", ""),
                html=body.decode("utf-8", "replace"),
                body=body,
                headers=dict(response.headers),
                cookies=dict(response.cookies),
            )


@dataclass
class Site:
    """A node with its pages."""

    node: Node
    app: web.Application
    clock: MovableClock
    port: int
    stack: AsyncExitStack = field(repr=False)
    random: SeededRandom

    @property
    def base_url(self) -> str:
        return self.node.config.base_url

    async def browser(self, language: str = "en", host: str | None = None) -> Browser:
        """Open a browser in which nobody is signed in."""
        session = await self.stack.enter_async_context(
            aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        return Browser(f"http://127.0.0.1:{self.port}", session, language, host)

    async def member(
        self, email: str, organisation: str, *, role: Role = Role.PERSON
    ) -> Person:
        """Add a member without a password."""
        person, _link = await self.node.members.add_person(
            None,
            email=email,
            name=email.partition("@")[0].title(),
            organisation=organisation,
            role=role,
            send_invitation=False,
        )
        return person

    async def member_with_password(self, email: str, organisation: str) -> Person:
        """Add a member who can sign in with PASSWORD."""
        person = await self.member(email, organisation)
        await self.node.sign_in.set_password(person, PASSWORD)
        return person

    async def signed_in(self, email: str, *, language: str = "en") -> Browser:
        """Open a browser in which somebody is signed in, by a link."""
        browser = await self.browser(language)
        person = await self.node.members.person_by_email(email)

        async def work(tx: Transaction) -> str:
            context = self.node.context
            return await issue_link(
                tx, context, person_id=person.id, purpose=LinkPurpose.SIGN_IN
            )

        link = await self.node.context.database.write(work)
        answer = await browser.post(link.removeprefix(self.base_url))
        assert answer.status == 303, answer.text
        if person.language != language:
            await browser.post("/sprache", language=language)
        return browser

    async def publish(self, person: Person, **changes: Any) -> Entry:
        """Publish the sample offer with changes."""
        return await self.node.catalogue.publish(person, {**OFFER, **changes})

    async def settle(self) -> None:
        """Deliver what waits for every partner, as the worker would."""
        for partner in await self.node.partners.list():
            await self.node.delivery.deliver(partner.id)

    async def mail_to(self, email: str) -> str:
        """The body of the latest mail to somebody."""
        mails = await self.node.mail.list_mails()
        return next(mail.body for mail in mails if mail.recipient == email)

    def path_in(self, text: str, beginning: str) -> str:
        """The path of the link in a mail that begins so."""
        found = re.search(rf"{re.escape(self.base_url + beginning)}\S+", text)
        assert found is not None, text
        return found[0].removeprefix(self.base_url)


@asynccontextmanager
async def site_of(
    folder: Path,
    name: str,
    *,
    clock: MovableClock,
    base_url: str | None = None,
    database_url: str = "",
    beginning: Original | None = None,
) -> AsyncIterator[Site]:
    """Set up a node and open its pages on a port of its own; see `prepared_node`."""
    random = SeededRandom(name)
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(
            prepared_node(
                folder,
                clock=clock,
                random=random,
                base_url=base_url,
                database_url=database_url,
                beginning=beginning,
                name=name,
                office_email=f"office@{name.lower()}.example",
                card={
                    "field": "Photonics",
                    "members": 84,
                    "sme": 60,
                    "regions": ["DE-HE"],
                    "contact": f"office@{name.lower()}.example",
                    "note": "Facts as printed in 2016.",
                },
            )
        )
        door = stack.enter_context(bound(port))
        node = await stack.enter_async_context(
            open_node(folder, clock=clock, random=random)
        )
        app = build_node_application(node)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, door).start()
        yield Site(node, app, clock, port, stack, random)


def prepared_sites() -> Together:
    """Nord and Süd, partners, each in its folder."""

    async def make(folder: Path) -> dict[str, SeededRandom]:
        clock = MovableClock()
        async with (
            site_of(folder / "nord", "Nord", clock=clock) as nord,
            site_of(folder / "sued", "Sued", clock=clock) as sued,
        ):
            offices = [await each.node.members.office_person() for each in (nord, sued)]
            created = await nord.node.partners.invite(offices[0])
            await sued.node.partners.accept(offices[1], created.code)
            await sued.node.partners.mark_compared(offices[1], nord.base_url)
            await nord.node.partners.confirm(offices[0], sued.base_url, compared=True)
            await nord.settle()
            await sued.settle()
            return {"nord": nord.random, "sued": sued.random}

    return prepared_together("sites", make)
