"""After an entry was taken back, nothing of it is found where it must not be.

One word stands in every text of the entry and nowhere else. It is looked for in every
table of both nodes, in every page for every role, in the mails that wait and in the
log, on both engines; after a deletion also in the bytes on the disk.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pytest
from sqlalchemy import select

from node.catalogue.model import Entry
from node.mail.model import MailState
from node.members.model import Person
from node.storage.tables import metadata
from tests.hostile.page_world import addresses, routes
from tests.http.nodes import MovableClock
from tests.http.pages.sites import Browser, Site, site_of
from tests.postgres_server import PostgresServer

WORD = "zwetschgenkern"


@dataclass
class Scene:
    """Nord told Süd an entry; a member of each has asked about it."""

    nord: Site
    sued: Site
    clock: MovableClock
    owner: Person
    asker: Person
    entry: Entry

    async def settle(self) -> None:
        for _round in range(2):
            await self.nord.settle()
            await self.sued.settle()

    async def office(self, site: Site) -> Person:
        return await site.node.members.office_person()


@asynccontextmanager
async def scene_in(folder: Path, databases: tuple[str, str]) -> AsyncIterator[Scene]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord, sued = [
            await stack.enter_async_context(
                site_of(folder / name, name, clock=clock, database_url=url)
            )
            for name, url in zip(("nord", "sued"), databases, strict=True)
        ]
        host = await nord.node.members.office_person()
        created = await nord.node.partners.invite(host)
        guest = await sued.node.members.office_person()
        await sued.node.partners.accept(guest, created.code)
        await sued.node.partners.mark_compared(guest, nord.base_url)
        await nord.node.partners.confirm(host, sued.base_url, compared=True)
        owner = await nord.member("olga@optik.example", "Optik GmbH")
        neighbour = await nord.member("nora@laser.example", "Laser AG")
        asker = await sued.member("adam@sued.example", "Süd AG")
        await sued.member("sina@sued.example", "Anders AG")
        entry = await nord.publish(
            owner,
            title={"de": f"Messplatz {WORD}"},
            summary={"de": f"Kurz {WORD}"},
            body={"de": f"Lang {WORD}"},
            keywords=[WORD],
            audience={"level": "public"},
        )
        scene = Scene(nord, sued, clock, owner, asker, entry)
        await scene.settle()
        thread = await sued.node.conversations.answer(asker, entry.uri, "Noch frei?")
        await nord.node.conversations.answer(neighbour, entry.uri, "Und für uns?")
        await scene.settle()
        (answer,) = [
            each
            for each in await nord.node.conversations.list_for(owner)
            if each.thread_uri == thread.thread_uri
        ]
        await nord.node.conversations.reply(owner, answer.id, "Ja, im März.")
        await scene.settle()
        yield scene


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    if request.param == "sqlite":
        yield "", ""
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.fresh_database() as first, server.fresh_database() as second:
        yield first, second


@pytest.fixture
async def scene(
    tmp_path: Path, databases: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Scene]:
    caplog.set_level(logging.INFO)
    async with scene_in(tmp_path, databases) as made:
        yield made


# -- looking --------------------------------------------------------------------


async def tables_with_it(site: Site) -> set[str]:
    """Tables in which the word stands, in any column."""
    found = set()
    async with site.node.context.database.read() as tx:
        for table in metadata.sorted_tables:
            for row in await tx.all(select(table)):
                raw = [bytes(x) for x in row if isinstance(x, bytes | memoryview)]
                if WORD in repr(tuple(row)) or any(WORD.encode() in x for x in raw):
                    found.add(table.name)
    return found


async def ids_of(site: Site) -> dict[str, list[str]]:
    """Real values for the placeholders of addresses."""
    names = {
        "entry": ("entries", "received_entries"),
        "conversation": ("conversations",),
        "partner": ("partners",),
        "person": ("persons",),
        "mail": ("mail_outbox",),
        "invitation": ("invitations",),
    }
    ids: dict[str, list[str]] = {name: [] for name in names}
    async with site.node.context.database.read() as tx:
        for name, wanted in names.items():
            for table in wanted:
                columns = select(metadata.tables[table].c.id)
                ids[name] += [str(row.id) for row in await tx.all(columns)]
    return ids


async def pages_with_it(site: Site, browser: Browser) -> set[str]:
    """Addresses whose answer holds the word, searches for it included."""
    ids = await ids_of(site)
    asked = [
        address
        for template in routes(site.app, "GET")
        for address in addresses(template, ids)
    ]
    asked += [f"/start?q={WORD}", f"/eintraege?q={WORD}"]
    found = set()
    for address in asked:
        answer = await browser.get(address)
        # What was asked for may be repeated: that says nothing.
        if WORD.encode() in answer.body.replace(f"q={WORD}".encode(), b""):
            if f"q={WORD}" in address and "Messplatz" not in answer.html:
                continue
            found.add(address.partition("?")[0])
    return found


async def waiting_mails_with_it(site: Site) -> list[str]:
    """Recipients of mails with the word that have not left."""
    return [
        mail.recipient
        for mail in await site.node.mail.list_mails()
        if mail.state is MailState.PENDING and WORD in mail.subject + mail.body
    ]


async def browsers_of(scene: Scene, site: Site) -> dict[str, Browser]:
    """Everybody before one node, by their part."""
    office = await scene.office(site)
    found = {
        "visitor": await site.browser(),
        "office": await site.signed_in(office.email),
    }
    if site is scene.nord:
        found["owner"] = await site.signed_in(scene.owner.email)
        found["neighbour"] = await site.signed_in("nora@laser.example")
    else:
        found["asker"] = await site.signed_in(scene.asker.email)
        found["colleague"] = await site.signed_in("sina@sued.example")
    return found


# -- taking back ----------------------------------------------------------------

Taking: TypeAlias = Callable[[Scene], Awaitable[None]]


async def withdraw(scene: Scene) -> None:
    await scene.nord.node.catalogue.withdraw(scene.owner, scene.entry.id)


async def fulfil(scene: Scene) -> None:
    await scene.nord.node.catalogue.fulfil(scene.owner, scene.entry.id)


async def narrow(scene: Scene) -> None:
    """To a partner cluster that is neither Süd nor the own cluster."""
    document = {
        **scene.entry.content,
        "audience": {"level": "cluster"},
    }
    await scene.nord.node.catalogue.publish(
        scene.owner, document, entry_ref=scene.entry.id
    )


async def expire(scene: Scene) -> None:
    assert scene.entry.valid_until is not None
    days = (scene.entry.valid_until - scene.clock.now().date()).days
    scene.clock.advance(days=days + 1)
    assert await scene.nord.node.catalogue.expire_due() == 1


async def delete(scene: Scene) -> None:
    await scene.nord.node.catalogue.delete(scene.owner, scene.entry.id)


async def end_here(scene: Scene) -> None:
    office = await scene.office(scene.nord)
    await scene.nord.node.partners.end(office, scene.sued.base_url)


async def end_there(scene: Scene) -> None:
    office = await scene.office(scene.sued)
    await scene.sued.node.partners.end(office, scene.nord.base_url)


async def purge(scene: Scene) -> None:
    office = await scene.office(scene.sued)
    await scene.sued.node.partners.pause(office, scene.nord.base_url)
    assert await scene.sued.node.partners.purge(office, scene.nord.base_url) == 1


TAKINGS: tuple[Taking, ...] = (
    withdraw,
    fulfil,
    narrow,
    expire,
    delete,
    end_here,
    end_there,
    purge,
)
# What stays at the origin: the owner's own entry, the mails about it to those who
# may see it, and the title in the conversations of those who talk.
AT_ORIGIN = {"entries", "conversations", "mail_outbox"}


async def test_the_word_is_everywhere_before(scene: Scene) -> None:
    """Else no test here could fail."""
    kept = await tables_with_it(scene.sued)
    assert kept == {"received_entries", "conversations", "mail_outbox"}
    assert await tables_with_it(scene.nord) == AT_ORIGIN
    assert await waiting_mails_with_it(scene.sued) == [scene.asker.email]
    assert scene.owner.email in await waiting_mails_with_it(scene.nord)
    colleague = await scene.sued.signed_in("sina@sued.example")
    assert "/start" in await pages_with_it(scene.sued, colleague)
    visitor = await scene.nord.browser()
    assert "/eintraege" in await pages_with_it(scene.nord, visitor)


@pytest.mark.parametrize(
    ("databases", "taking"),
    [
        *(("sqlite", taking) for taking in TAKINGS),
        *(("postgresql", taking) for taking in (withdraw, delete, end_here, purge)),
    ],
    indirect=["databases"],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
async def test_no_table_keeps_it(
    scene: Scene, taking: Taking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.clear()
    await taking(scene)
    await scene.settle()
    left = set() if taking is delete else {"conversations"}
    assert await tables_with_it(scene.sued) == left
    assert await waiting_mails_with_it(scene.sued) == []
    at_origin = await tables_with_it(scene.nord)
    assert at_origin == set() if taking is delete else at_origin <= AT_ORIGIN
    assert WORD not in caplog.text


@pytest.mark.parametrize(
    "taking", [withdraw, narrow, delete, purge], ids=lambda each: each.__name__
)
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_no_page_shows_it(scene: Scene, taking: Taking) -> None:
    """Those who talk find the title in their conversations, nobody anything else."""
    await taking(scene)
    await scene.settle()
    shown = {
        name: await pages_with_it(scene.sued, browser)
        for name, browser in (await browsers_of(scene, scene.sued)).items()
    }
    asker = {each for each in shown.pop("asker") if "nachrichten" not in each}
    assert asker == set()
    assert shown == {"visitor": set(), "office": set(), "colleague": set()}
    if taking is purge:
        return  # Nord's own entry goes on there
    at_nord = await browsers_of(scene, scene.nord)
    visitor = await pages_with_it(scene.nord, at_nord["visitor"])
    assert visitor == set()
    neighbour = await pages_with_it(scene.nord, at_nord["neighbour"])
    if taking is not narrow:  # a member of the own cluster still sees it then
        assert {each for each in neighbour if "nachrichten" not in each} == set()
    if taking is delete:
        for name in ("office", "owner", "neighbour"):
            assert await pages_with_it(scene.nord, at_nord[name]) == set(), name


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
async def test_deleted_bytes_are_gone_after_the_next_checkpoint(
    tmp_path: Path, databases: tuple[str, str]
) -> None:
    """`secure_delete` overwrites; until then the write-ahead log may hold them."""
    async with scene_in(tmp_path, databases) as scene:
        await delete(scene)
        await scene.settle()
    # Both nodes are closed, which checkpoints.
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".sqlite" or "sqlite" in path.name for path in files)
    assert [path for path in files if WORD.encode() in path.read_bytes()] == []
