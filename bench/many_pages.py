"""How long a node's pages take with many members and many received entries."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bench.cluster_pair import Partner, make_partners
from bench.figures import Goal, Report, percentile, tail
from bench.load import prepare, send
from bench.node_process import (
    BenchError,
    NodeFolder,
    WatchedProcess,
    running_echo,
    serve,
)
from federation.ids import random_id
from node.app import open_node
from node.clock import SystemRandom
from node.signin.links import LinkPurpose, issue_link
from node.web.site import SiteSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from node.storage.database import Transaction

# What a member opens; the last one is looked up when the entries are there.
_PAGES: Final = {
    "start page": "/start",
    "start page, page 50": "/start?seite=50",
    "one kind of entries": "/start?art=event",
    "search, a word of few": "/start?q=nr4711",
    "search, of every 20th": "/start?q=Optik",
    "search, of all": "/start?q=Betrieb",
    "directory": "/clusterverzeichnis",
    "own entries": "/meine",
    "messages": "/nachrichten",
    "public entries": "/eintraege",
}
# Copies have other owners, so that a search finds some of them.
_TEXT_OF_A_COPY: Final = """replace(search_text, 'muster optik gmbh', 'betrieb nr'
    || number || CASE number % 20 WHEN 0 THEN ' optik' ELSE '' END)"""
_MEMBERS_OF_ONE: Final = 5
_CONVERSATIONS_OF_ONE: Final = 5
_MESSAGES_OF_ONE: Final = 60
_ORIGINALS: Final = 5  # pages of 200 that are copied
_PARTNERS: Final = 17
_RECEIVED_AT_EACH_SIZE: Final = 5  # pages of 20
_PAGE_MAX_MS: Final = 50
_GROWN_MAX: Final = 1.5
_WARM_UP: Final = 2


@dataclass(slots=True)
class PageTimes:
    """What was found.

    Attributes:
        members: Persons of the node.
        entries: Entries that it received.
        receive_us: µs of its processor to take a further one in.
        bare_ms: Milliseconds of an answer of a bare server, each.
        answers_ms: Of each answer, by page.
        cpu_ms: Of the node's processor for an answer, by page.
    """

    members: int
    entries: int
    receive_us: float = 0.0
    bare_ms: list[float] = field(default_factory=list)
    answers_ms: dict[str, list[float]] = field(default_factory=dict)
    cpu_ms: dict[str, float] = field(default_factory=dict)

    @property
    def slowest(self) -> tuple[float, str]:
        """The 95th percentile of the slowest page, in ms, and its name."""
        return max(
            (percentile(times, 0.95), name) for name, times in self.answers_ms.items()
        )

    def lines(self) -> list[str]:
        """The figures as text."""
        found = [
            f"pages, {self.members:,} members, {self.entries:,} received entries, ms",
            f"    {'answer of a bare server':<24} {tail(self.bare_ms)}",
        ]
        for name, times in self.answers_ms.items():
            processor = f"processor {self.cpu_ms[name]:.1f}"
            found.append(f"    {name:<24} {tail(times)}; {processor}")
        found.append(
            f"    to take one more entry in, µs of processor: {self.receive_us:.0f}"
        )
        return found

    def document(self) -> dict[str, Any]:
        """The figures for `--json`."""
        return {
            "members": self.members,
            "received_entries": self.entries,
            "receive_us": self.receive_us,
            "bare_ms": {"p95": percentile(self.bare_ms, 0.95)},
            "pages_ms": {
                name: {
                    "p50": percentile(times, 0.5),
                    "p95": percentile(times, 0.95),
                    "cpu": self.cpu_ms[name],
                }
                for name, times in self.answers_ms.items()
            },
        }


def fill(folder: Path, *, members: int, entries: int) -> None:
    """Give a stopped node members, and copies of the entries that it received.

    Raises:
        BenchError: It has received none.
    """
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        add_new_id(connection)
        held = _count(connection, "received_entries")
        if not held:
            raise BenchError("there is no received entry to be copied")
        copy_rows(
            connection,
            "received_entries",
            {
                "id": "new_id()",
                "entry_uri": "entry_uri || '-' || new_id()",
                "search_text": _TEXT_OF_A_COPY,
                # Older ones: nobody sorts a hundred thousand equal times.
                "published_at": "published_at - number * 60000000",
                "changed_at": "changed_at - number * 60000000",
            },
            count=entries - held,
        )
        if _count(connection, "persons") < members:
            _add_members(connection, members)
        connection.commit()


def _add_members(connection: sqlite3.Connection, members: int) -> None:
    organisations = max(1, members // _MEMBERS_OF_ONE)
    copy_rows(
        connection,
        "organisations",
        {
            "id": "'o' || number",
            "external_id": "NULL",
            "name": "'Muster Optik ' || number",
            "is_office": "0",
        },
        count=organisations,
    )
    copy_rows(
        connection,
        "persons",
        {
            "id": "new_id()",
            "external_id": "NULL",
            "organisation_id": f"'o' || (1 + number % {organisations})",
            "email": "number || '@nord.example'",
            "name": "'Erika Beispiel ' || number",
            "role": "'person'",
        },
        count=members - _count(connection, "persons"),
    )


def add_new_id(connection: sqlite3.Connection) -> None:
    """Let SQL make ids: `new_id()`."""
    connection.create_function("new_id", 0, lambda: random_id(SystemRandom()))


def _count(connection: sqlite3.Connection, table: str) -> int:
    (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def copy_rows(
    connection: sqlite3.Connection, table: str, changes: dict[str, str], *, count: int
) -> None:
    """Insert rows that differ from those there by SQL expressions of `number`."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = ", ".join(changes.get(name, name) for name in names)
    connection.execute(
        f"""INSERT INTO {table} ({", ".join(names)})
        WITH RECURSIVE
            counted(number) AS (
                SELECT 1 UNION ALL SELECT number + 1 FROM counted WHERE number < ?),
            original AS (
                SELECT *, row_number() OVER () AS place FROM {table})
        SELECT {values} FROM counted JOIN original
        ON place = 1 + number % (SELECT count(*) FROM {table})""",
        (count,),
    )


async def _open_pages(
    folder: NodeFolder, partner: Partner, *, echo_url: str, times: int
) -> PageTimes:
    """Serve a filled node and open its pages as a member, one after the other.

    Raises:
        BenchError: A page was not shown.
    """
    cookie, name = await _sign_in(folder.path)
    with closing(sqlite3.connect(folder.path / "node.sqlite")) as connection:
        found = PageTimes(
            _count(connection, "persons"), _count(connection, "received_entries")
        )
    node = serve(folder)
    try:
        node.until_calm()
        async with aiohttp.ClientSession(cookies={name: cookie}) as session:
            _, start = await _answer(session, f"{folder.base_url}/start")
            shown = re.search(r'href="(/e/[a-z0-9]+)"', start)
            if shown is None:
                raise BenchError("the start page shows no entry")
            pages = {**_PAGES, "received entry": shown.group(1)}
            for _ in range(times):
                took, _text = await _answer(session, f"{echo_url}/livez")
                found.bare_ms.append(took)
            for page, path in pages.items():
                url = f"{folder.base_url}{path}"
                for _ in range(_WARM_UP):
                    await _answer(session, url)
                begun = node.cpu_seconds
                answers = [(await _answer(session, url))[0] for _ in range(times)]
                found.answers_ms[page] = answers
                found.cpu_ms[page] = 1000 * (node.cpu_seconds - begun) / times
        found.receive_us = await _receive(node, partner)
    finally:
        node.stop()
    return found


async def _receive(node: WatchedProcess, partner: Partner) -> float:
    """Let a node take in further entries; return the µs of processor for one."""
    size, url = 20, f"{partner.target.base_url}/inbox"
    bodies = partner.pages(_RECEIVED_AT_EACH_SIZE, size=size)
    queue = prepare(bodies, url=url, signer=partner.signer)
    burst = await send(
        [queue], base_url=partner.target.base_url, server=node, status=HTTPStatus.OK
    )
    return 1e6 * burst.cpu_seconds / (_RECEIVED_AT_EACH_SIZE * size)


async def _answer(session: aiohttp.ClientSession, url: str) -> tuple[float, str]:
    """Return the milliseconds until the last byte of a page, and its text."""
    begun = time.perf_counter()
    async with session.get(url, allow_redirects=False) as answer:
        text = await answer.text()
        if answer.status != HTTPStatus.OK:
            raise BenchError(f"{url}: {answer.status}: {text[:300]}")
    return 1000 * (time.perf_counter() - begun), text


async def _sign_in(folder: Path) -> tuple[str, str]:
    """Return a session of an office person and the name of its cookie."""
    async with open_node(folder) as node:
        person = await node.members.office_person()

        async def work(tx: Transaction) -> str:
            return await issue_link(
                tx, node.context, person_id=person.id, purpose=LinkPurpose.SIGN_IN
            )

        link = await node.context.database.write(work)
        session = await node.sign_in.redeem_link(link.rpartition("/")[2])
        site = SiteSettings(
            base_url=node.config.base_url,
            cluster_name=node.config.name,
            node_id=node.context.node_id,
        )
        return session.value, site.cookie_name()


async def _set_up(folder: NodeFolder, partners: Sequence[Partner]) -> None:
    """Let a node receive what is copied afterwards, and conversations."""
    first, *others = partners
    url, base_url = f"{folder.base_url}/inbox", folder.base_url
    node = serve(folder)
    try:
        pages = prepare(first.pages(_ORIGINALS, size=200), url=url, signer=first.signer)
        await send([pages], base_url=base_url, server=node, status=HTTPStatus.OK)
        for partner in others:
            bodies = [partner.new_thread() for _ in range(_CONVERSATIONS_OF_ONE)]
            bodies += partner.messages(_MESSAGES_OF_ONE)
            queue = prepare(bodies, url=url, signer=partner.signer)
            await send(
                [queue], base_url=base_url, server=node, status=HTTPStatus.ACCEPTED
            )
    finally:
        node.stop()


def measure(
    folder: Path,
    *,
    members: int,
    entries: Sequence[int],
    times: int,
    tell: Callable[[str], None],
) -> Report:
    """Fill a node and open its pages, with more and more received entries.

    Args:
        folder: An empty folder.
        members: Persons.
        entries: How many were received, ascending.
        times: How often each page is opened.
        tell: Is told what is being measured.
    """
    node, partners = make_partners(folder, count=_PARTNERS)
    asyncio.run(_set_up(node, partners))
    with running_echo(folder) as (echo_url, _):
        found = []
        for number in entries:
            tell(f"pages with {number} received entries")
            fill(node.path, members=members, entries=number)
            found.append(
                asyncio.run(
                    _open_pages(node, partners[0], echo_url=echo_url, times=times)
                )
            )
    goals = [
        Goal(
            f"slowest page with {each.entries:,} received entries ({name}), p95 ms",
            slowest,
            _PAGE_MAX_MS,
            at_least=False,
        )
        for each in found
        for slowest, name in [each.slowest]
    ]
    goals.append(
        Goal(
            f"to take an entry in beside {found[-1].entries:,}, times that beside "
            f"{found[0].entries:,}",
            found[-1].receive_us / found[0].receive_us,
            _GROWN_MAX,
            at_least=False,
        )
    )
    lines = [line for each in found for line in each.lines()]
    return Report(lines, goals, {"page_answers": [each.document() for each in found]})
