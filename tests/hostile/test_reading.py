"""F: who may read what. Every address, every role, every id that there is."""

import csv
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from node.members.model import Person
from tests.hostile import wire
from tests.hostile.page_world import (
    CANARY,
    ROLES,
    PageWorld,
    addresses,
    page_world,
    routes,
    texts,
)
from tests.hostile.people import Somebody, signed_in
from tests.hostile.world import World
from tests.http.nodes import OFFER

# Opening a page notes that the person was here, and nothing else.
# A visit is noted, and /readyz writes to see whether it can.
_TOUCHED_BY_LOOKING = {"sessions", "probes"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("pages")) as world:
        yield world


def shown(reply: wire.Reply) -> str:
    """Everything that a reader gets, headers included."""
    return repr(reply.headers) + reply.text


def without_changing(reply: wire.Reply) -> tuple[Any, ...]:
    """What two answers to the same question have in common."""
    return reply.status, wire.shown_headers(reply), reply.body


# -- crawls ---------------------------------------------------------------------


@pytest.mark.parametrize("role", ROLES)
async def test_every_address_as_every_role(pages: PageWorld, role: str) -> None:
    """No canary of anything that the role may not see; no address breaks."""
    browser = pages.browsers[role]
    may = pages.canaries_for(role)
    leaks, broken, seen = [], [], set()
    rows = pages.world.witness.rows[pages.site.base_url]
    before = rows.hashes()
    for template in routes(pages.site.app, "GET"):
        for path in addresses(template, pages.ids):
            reply = await browser.get(path)
            found = set(CANARY.findall(shown(reply)))
            seen |= found
            if not found <= may | own_words(role):
                leaks.append((path, found - may))
            if reply.status >= 500:
                broken.append((path, reply.status))
            if path.startswith("/admin") and role not in {"office", "node_admin"}:
                refused = 303 if role == "visitor" else 403
                assert reply.status in {refused, 404}, (path, reply.status)
    assert leaks == []
    assert broken == []
    assert may <= seen, may - seen
    after = rows.hashes()
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= _TOUCHED_BY_LOOKING
    assert pages.world.witness.log.faults() == []


def own_words(role: str) -> set[str]:
    """Whoever takes part in the conversation reads it; nobody else does."""
    takes_part = {"other", "colleague", "administrator"}
    return {"cnrymessage"} if role in takes_part else set()


async def test_the_office_reads_no_messages_of_members(pages: PageWorld) -> None:
    for role in ("office", "node_admin"):
        for thread in pages.ids["conversation"]:
            reply = await pages.browsers[role].get(f"/nachrichten/{thread}")
            assert reply.status == 404
            assert "cnrymessage" not in shown(reply)


MAY_SEE = {
    "visitor": {"public"},
    "other": {"public", "trusted", "cluster"},
    "colleague": {"public", "trusted", "cluster", "named", "withdrawn"},
    "administrator": {"public", "trusted", "cluster", "named", "withdrawn"},
    "office": {"public", "trusted", "cluster", "named", "withdrawn"},
    "node_admin": {"public", "trusted", "cluster", "named", "withdrawn"},
}


@pytest.mark.parametrize("role", ROLES)
async def test_each_entry_for_each_role(pages: PageWorld, role: str) -> None:
    """Against a table of its own, not the product's rules: page, calendar, steps."""
    browser = pages.browsers[role]
    absent = await browser.get(f"/e/{'a' * 26}")
    for name, entry in pages.entries.items():
        reply = await browser.get(f"/e/{entry.id}")
        if name in MAY_SEE[role]:
            assert reply.status == 200, (name, reply.status)
            continue
        assert reply.status == 404, (name, reply.status)
        masked = reply.text.replace(entry.id, "a" * 26)
        assert wire.without_numbers(masked) == wire.without_numbers(absent.text)
        calendar = await browser.get(f"/e/{entry.id}.ics")
        assert calendar.status == 404
    for template in routes(pages.site.app, "GET"):
        if "/e/{id}/" not in template:
            continue
        for name, entry in pages.entries.items():
            reply = await browser.get(template.replace("{id}", entry.id))
            if name not in MAY_SEE[role]:
                assert reply.status in {303, 403, 404}
                assert f"cnry{name}" not in shown(reply)


async def test_hidden_and_absent_are_one_answer_at_the_doors(
    pages: PageWorld,
) -> None:
    """Byte for byte, headers included; for nobody and for a partner."""
    world = pages.world
    hidden = [pages.entries[name].id for name in ("cluster", "named")]
    anonymous = {
        without_changing(await world.get(f"/entries/{local}", unsigned=True))
        for local in (*hidden, pages.entries["trusted"].id, "a" * 26, "x", "a" * 27)
    }
    assert len(anonymous) == 1
    signed = {
        without_changing(await world.get(f"/entries/{local}"))
        for local in (*hidden, "a" * 26)
    }
    assert len(signed) == 1
    assert {status for status, *_ in anonymous | signed} == {404}


async def test_what_a_partner_held_is_gone_for_it_alone(pages: PageWorld) -> None:
    """Nord was told the withdrawn entry: 410. Anybody else: as if never there."""
    world = pages.world
    path = f"/entries/{pages.entries['withdrawn'].id}"
    absent = await world.get(f"/entries/{'a' * 26}", unsigned=True)
    assert (await world.get(path)).status == 410
    assert (await world.get(path, by=world.ost)).status == 410
    nobody = await world.get(path, unsigned=True)
    assert without_changing(nobody) == without_changing(absent)
    # Named for Ost alone: Nord never held it.
    named = f"/entries/{pages.entries['named'].id}"
    assert (await world.get(named)).status == 404
    assert (await world.get(named, by=world.ost)).status == 200


# -- other ways to the same things ----------------------------------------------


@pytest.mark.parametrize("role", ROLES)
async def test_search_finds_what_may_be_seen_and_counts_nothing_else(
    pages: PageWorld, role: str
) -> None:
    browser = pages.browsers[role]
    if role == "visitor":
        assert (await browser.get("/start?q=cnrypublic")).status == 303
        return
    may = {name for name in MAY_SEE[role] if name != "withdrawn"}
    for name in pages.entries:
        reply = await browser.get(f"/start?q=cnry{name}")
        hits = set(re.findall(r"/e/([a-z2-7]{26})", reply.text))
        wanted = {pages.entries[name].id} if name in may else set()
        assert hits & {entry.id for entry in pages.entries.values()} == wanted, name


HIDDEN_FROM = {
    "visitor": ("trusted", "cluster", "partners"),
    "nord": ("cluster", "partners"),
    "other": ("partners",),
}


@pytest.mark.parametrize("viewer", HIDDEN_FROM)
async def test_hidden_entries_change_no_byte_for_anybody_else(
    pages: PageWorld, viewer: str
) -> None:
    """The same answers before, while and after there is something hidden."""
    author = pages.people["colleague"]
    await everything(pages, viewer)  # a person's first look of the day is noted
    before = await everything(pages, viewer)
    for level in HIDDEN_FROM[viewer]:
        audience: dict[str, Any] = {"level": level}
        if level == "partners":
            audience["partners"] = [pages.world.ost.base_url]
        entry = await pages.site.node.catalogue.publish(
            author, {**OFFER, **texts(f"cnrytwin{level}"), "audience": audience}
        )
        while_there = await everything(pages, viewer)
        await pages.site.node.catalogue.delete(author, entry.id)
        afterwards = await everything(pages, viewer)
        for path in before:
            assert while_there[path] == before[path], (level, path)
            assert afterwards[path] == before[path], (level, path)


async def everything(pages: PageWorld, viewer: str) -> dict[str, tuple[Any, ...]]:
    """What a viewer gets at every address that lists or counts."""
    discovery = ("/actor", "/nodeinfo/2.1", "/.well-known/nodeinfo", "/livez")
    answers = {
        path: without_changing(await wire.ask(pages.site.base_url, "GET", path))
        for path in discovery
    }
    if viewer in ROLES:
        paths = ["/", "/eintraege", "/clusterverzeichnis"]
        if viewer != "visitor":
            paths += ["/start", "/start?art=offer", "/start?q=Kurz", "/meine"]
        for path in paths:
            reply = await pages.browsers[viewer].get(path)
            answers[path] = without_changing(reply)
        return answers
    by = getattr(pages.world, viewer)
    for path in (
        "/outbox?after=0",
        f"/entries/{pages.entries['trusted'].id}",
        f"/entries/{'a' * 26}",
    ):
        headers = pages.world.signed("GET", path, None, by=by)
        reply = await wire.ask(pages.site.base_url, "GET", path, headers=headers)
        normal = page_without_chance if "outbox" in path else without_changing
        answers[path] = normal(reply)
    return answers


def page_without_chance(reply: wire.Reply) -> tuple[Any, ...]:
    """An outbox page without what is made anew for each answer."""
    page = json.loads(reply.body)
    for item in page["orderedItems"]:
        if item["type"] == "Delete":
            for name in ("id", "published", "proof"):
                del item[name]
    names = {name.lower() for name, _ in reply.headers}
    return reply.status, page, names


async def test_positions_tell_a_partner_nothing_of_others(fresh_world: World) -> None:
    """A partner's own sequence has no gap where others were told something."""
    world = fresh_world
    for number in range(3):
        await world.publish(world.sued, title={"de": f"Für alle {number}"})
        await world.publish(
            world.sued,
            audience={"level": "partners", "partners": [world.ost.base_url]},
        )
        await world.publish(world.sued, audience={"level": "cluster"})
    page = json.loads((await world.get("/outbox?after=0")).text)
    assert (page["from"], page["through"], page["head"]) == (1, 3, 3)
    assert len(page["orderedItems"]) == 3
    assert world.ost.base_url not in json.dumps(page)


async def test_two_viewers_never_get_each_others_copy(pages: PageWorld) -> None:
    """Interleaved a hundred times; nothing of it may be kept by anything between."""
    world = pages.world
    named = f"/entries/{pages.entries['named'].id}"
    trusted = f"/entries/{pages.entries['trusted'].id}"
    for _ in range(50):
        for path, by, wanted in (
            (named, world.ost, 200),
            (named, world.nord, 404),
            (trusted, world.nord, 200),
            (trusted, None, 404),
        ):
            reply = await world.get(path, by=by, unsigned=by is None)
            assert reply.status == wanted, path
            if wanted == 200:
                assert "no-store" in reply.field("Cache-Control")
                assert "private" in reply.field("Cache-Control")
            assert "Signature" in reply.field("Vary") or reply.status == 404
    for role in ("other", "office"):
        reply = await pages.browsers[role].get("/start")
        assert reply.field("Cache-Control") == "private, no-store"


async def test_conditional_requests_open_nothing(pages: PageWorld) -> None:
    """Whoever knows a tag still may not know whether the entry is there."""
    world = pages.world
    path = f"/entries/{pages.entries['trusted'].id}"
    tag = (await world.get(path)).field("ETag")
    assert tag
    for value in (tag, "*", "W/" + tag):
        reply = await world.send("GET", path, headers=[("If-None-Match", value)])
        assert reply.status == 404
        hidden = f"/entries/{pages.entries['cluster'].id}"
        headers = world.signed("GET", hidden, None, by=world.ost)
        reply = await world.send(
            "GET", hidden, headers=[*headers, ("If-None-Match", value)]
        )
        assert reply.status == 404


async def test_ids_are_random_and_hold_no_order(pages: PageWorld) -> None:
    ids = [entry.id for entry in pages.entries.values()]
    assert all(re.fullmatch(r"[a-z2-7]{26}", each) for each in ids)
    assert len({each[:6] for each in ids}) == len(ids)
    for table in (
        "persons",
        "organisations",
        "partners",
        "conversations",
        "invitations",
    ):
        rows = pages.world.witness.rows[pages.site.base_url].all(table)
        for row in rows:
            assert re.fullmatch(r"[a-z2-7]{26}", str(row[0])), (table, row[0])


async def test_anonymous_discovery_counts_nothing(pages: PageWorld) -> None:
    """NodeInfo, WebFinger, actor: no number of members or entries of ours."""
    info = json.loads((await pages.world.get("/nodeinfo/2.1", unsigned=True)).text)
    assert info["usage"] == {"users": {}}
    for path in ("/actor", "/.well-known/nodeinfo", "/nodeinfo/2.1"):
        reply = await pages.world.get(path, unsigned=True)
        assert CANARY.findall(reply.text) == []
        assert "totalItems" not in reply.text
    host = pages.site.base_url.removeprefix("http://")
    for resource in (
        "acct:cnrymember@" + host,
        "acct:office@" + host,
        "mailto:cnrymember@hidden.example",
        f"{pages.site.base_url}/e/{pages.entries['cluster'].id}",
        f"{pages.site.base_url}/entries/{pages.entries['cluster'].id}",
    ):
        reply = await pages.world.get(
            f"/.well-known/webfinger?resource={resource}", unsigned=True
        )
        assert reply.status in {400, 404}, resource


# -- sessions and links ---------------------------------------------------------


async def test_who_has_left_is_out_at_the_next_request(fresh_world: World) -> None:
    world = fresh_world
    site = world.sued
    person = await site.member("bald.weg@optik.example", "Optik GmbH")
    browser = await signed_in(site, person)
    assert (await browser.get("/start")).status == 200
    office = world.offices[site.base_url]
    await leave(site, office, person)
    reply = await browser.get("/start")
    assert reply.status == 303
    assert reply.field("Location").startswith("/anmelden")


async def leave(site: Any, office: Person, person: Person) -> None:
    browser = await signed_in(site, office)
    reply = await browser.post(
        f"/admin/mitglieder/person/{person.id}/ausscheiden", {"bestaetigt": "1"}
    )
    assert reply.status == 303, reply.text[:2000]


async def test_links_open_only_what_they_were_made_for(fresh_world: World) -> None:
    """The link of a reminder confirms an entry; it signs nobody in."""
    from node.signin.links import LinkPurpose, issue_link
    from node.storage.database import Transaction

    world = fresh_world
    site = world.sued
    person = await site.member("anna@optik.example", "Optik GmbH")
    entry = await world.publish(site)

    async def work(tx: Transaction) -> str:
        return await issue_link(
            tx,
            site.node.context,
            person_id=person.id,
            purpose=LinkPurpose.CONFIRM_ENTRY,
            subject=entry.id,
        )

    link = await site.node.context.database.write(work)
    token = link.rpartition("/")[2]
    browser = Somebody(site)
    for path in (f"/anmelden/{token}", f"/anmelden/{token}?x=1"):
        assert (await browser.get(path)).status == 404
        reply = await browser.post(
            path, {"password": "vier worte am zaun", "again": "x"}
        )
        assert reply.status == 404
    assert not any("flash" not in name for name in browser.cookies)
    assert (await browser.get("/start")).status == 303


async def test_tables_for_spreadsheets_hold_no_formula(pages: PageWorld) -> None:
    """Every file that the office downloads, read as a spreadsheet would."""
    office = pages.browsers["office"]
    found = 0
    for template in routes(pages.site.app, "GET"):
        for path in addresses(template, pages.ids):
            if "vorlage" not in path:
                continue
            reply = await office.get(path)
            assert reply.field("Content-Type").startswith("text/csv")
            assert "attachment" in reply.field("Content-Disposition")
            text = reply.body.decode("utf-8-sig")
            for row in csv.reader(io.StringIO(text), delimiter=";"):
                for cell in row:
                    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
            found += 1
    assert found >= 3
