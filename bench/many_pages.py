"""How long a node's pages take with many members and many received entries."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from bench.figures import percentile
from bench.node_process import BenchError, NodeFolder, serve
from federation.ids import random_id
from node.app import open_node
from node.clock import SystemRandom
from node.signin.links import LinkPurpose, issue_link
from node.web.site import SiteSettings

if TYPE_CHECKING:
    from pathlib import Path

    from node.storage.database import Transaction

# What a member opens; the last one is looked up when the entries are there.
_PAGES: Final = {
    "start page": "/start",
    "search": "/start?q=Optik",
    "directory": "/clusterverzeichnis",
    "own entries": "/meine",
    "messages": "/nachrichten",
    "public entries": "/eintraege",
}
_MEMBERS_OF_ONE: Final = 5
_WARM_UP: Final = 2


@dataclass(slots=True)
class PageTimes:
    """What was found.

    Attributes:
        members: Persons of the node.
        entries: Entries that it received.
        bare_ms: Milliseconds of an answer of a bare server, each.
        answers_ms: Of each answer, by page.
    """

    members: int
    entries: int
    bare_ms: list[float] = field(default_factory=list)
    answers_ms: dict[str, list[float]] = field(default_factory=dict)

    @property
    def slowest_p95(self) -> float:
        """The 95th percentile of the slowest page, in ms."""
        return max(percentile(times, 0.95) for times in self.answers_ms.values())

    def lines(self) -> list[str]:
        """The figures as text."""
        found = [
            f"pages, {self.members:,} members, {self.entries:,} received entries, ms",
            f"    {'answer of a bare server':<24} {_tail(self.bare_ms)}",
        ]
        for name, times in self.answers_ms.items():
            found.append(f"    {name:<24} {_tail(times)}")
        return found

    def document(self) -> dict[str, Any]:
        """The figures for `--json`."""
        return {
            "members": self.members,
            "received_entries": self.entries,
            "bare_ms": {"p95": percentile(self.bare_ms, 0.95)},
            "pages_ms": {
                name: {"p50": percentile(times, 0.5), "p95": percentile(times, 0.95)}
                for name, times in self.answers_ms.items()
            },
        }


def fill(folder: Path, *, members: int, entries: int) -> None:
    """Give a stopped node members, and copies of the entries that it received.

    Raises:
        BenchError: It has received none.
    """
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        connection.create_function("new_id", 0, lambda: random_id(SystemRandom()))
        held = _count(connection, "received_entries")
        if not held:
            raise BenchError("there is no received entry to be copied")
        _copy(
            connection,
            "received_entries",
            {
                "id": "new_id()",
                "entry_uri": "entry_uri || '-' || number",
                # Older ones: nobody sorts a hundred thousand equal times.
                "published_at": "published_at - number * 60000000",
                "changed_at": "changed_at - number * 60000000",
            },
            count=entries - held,
        )
        organisations = max(1, members // _MEMBERS_OF_ONE)
        _copy(
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
        _copy(
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
        connection.commit()


def _count(connection: sqlite3.Connection, table: str) -> int:
    (number,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return int(number)


def _copy(
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


async def measure(folder: NodeFolder, *, echo_url: str, times: int) -> PageTimes:
    """Serve a filled node and open its pages as a member, one after the other.

    Raises:
        BenchError: A page was not shown.
    """
    cookie, name = await _sign_in(folder.path)
    with closing(sqlite3.connect(folder.path / "node.sqlite")) as connection:
        found = PageTimes(
            _count(connection, "persons"), _count(connection, "received_entries")
        )
        (entry_id,) = connection.execute(
            "SELECT id FROM received_entries WHERE state = 'present' LIMIT 1"
        ).fetchone()
    node = serve(folder)
    try:
        async with aiohttp.ClientSession(cookies={name: cookie}) as session:
            pages = {**_PAGES, "received entry": f"/e/{entry_id}"}
            for _ in range(times):
                found.bare_ms.append(await _answer(session, f"{echo_url}/livez"))
            for page, path in pages.items():
                url = f"{folder.base_url}{path}"
                for _ in range(_WARM_UP):
                    await _answer(session, url)
                found.answers_ms[page] = [
                    await _answer(session, url) for _ in range(times)
                ]
    finally:
        node.stop()
    return found


async def _answer(session: aiohttp.ClientSession, url: str) -> float:
    """Return the milliseconds until the last byte of a page."""
    begun = time.perf_counter()
    async with session.get(url, allow_redirects=False) as answer:
        text = await answer.read()
        if answer.status != HTTPStatus.OK:
            raise BenchError(f"{url}: {answer.status}: {text[:300]!r}")
    return 1000 * (time.perf_counter() - begun)


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


def _tail(values: list[float]) -> str:
    p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
    return f"p50 {p50:.1f}, p95 {p95:.1f}, longest {max(values):.1f}"


def run(
    folder: NodeFolder,
    *,
    members: int,
    entries: int,
    echo_url: str,
    times: int,
) -> PageTimes:
    """Fill a stopped node and measure its pages."""
    fill(folder.path, members=members, entries=entries)
    return asyncio.run(measure(folder, echo_url=echo_url, times=times))
