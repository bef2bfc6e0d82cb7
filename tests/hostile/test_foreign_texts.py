"""G: foreign texts stay texts, on every page that shows them."""

import html
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from node.storage.database import Transaction
from node.storage.partners import update_partner
from tests.hostile.page_world import (
    PageWorld,
    page_world,
)
from tests.hostile.payloads import XSS
from tests.hostile.people import signed_in
from tests.hostile.structure import structure_of
from tests.hostile.world import World

HARMLESS = "Harmloser Text"
SCHEMES = {"path", "https:", "http:", "mailto:", "data:"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("pages")) as world:
        yield world


# -- foreign texts --------------------------------------------------------------


def line(payload: str) -> str:
    """The payload as one line, as the wire allows it."""
    return "".join(letter for letter in payload if letter.isprintable()).strip()


PAYLOADS = [payload for payload in XSS if 3 <= len(line(payload)) <= 150]


def test_the_corpus_is_wide_enough() -> None:
    assert len(PAYLOADS) >= 200
    assert len({line(payload) for payload in PAYLOADS}) >= 200


def dressed(base: dict[str, Any], text: str) -> dict[str, Any]:
    """An entry with a text in every free place."""
    return {
        **base,
        "name": text,
        "nameMap": {"de": text},
        "summaryMap": {"de": text},
        "contentMap": {"de": f"{text}\n\n{text}"},
        "owner": {
            "organisation": {"name": text},
            "person": {"name": text, "function": text},
        },
        "details": {
            **base["details"],
            "keywords": [text[:60]],
            "processes": [text[:60]],
            "equipment": {"name": text[:100], "manufacturer": text[:60]},
        },
    }


def assert_text_only(shown: str, payload: str, where: object) -> None:
    """No new element, attribute, event, comment or scheme; no payload as it is."""
    found = structure_of(shown)
    assert found.events == [], (where, payload, found.events)
    assert found.others == [], (where, payload, found.others)
    assert found.schemes <= SCHEMES, (where, payload, found.schemes)
    if html.escape(payload) != payload and "<" in payload:
        assert payload not in shown, (where, payload)
    assert "49" not in re.findall(r">\s*(49)\s*<", shown), (where, payload)


async def test_received_entries_stay_text(fresh_world: World) -> None:
    """Every payload in every field: the page is built like that of a harmless one."""
    world = fresh_world
    sued = world.sued
    base = await world.entry(body={"de": "Einzelheiten"})
    letters = "abcdefghijklmnopqrstuvwxyz"
    texts = [HARMLESS, *(line(payload) for payload in PAYLOADS)]
    entries = []
    for number, text in enumerate(texts):
        local = letters[number // 26] + letters[number % 26] + "q" * 24
        uri = world.nord.node.context.address.entry(local)
        publishes = {**base["publishes"], "id": f"{uri}#primary"}
        entries.append(
            world.resigned(dressed({**base, "id": uri, "publishes": publishes}, text))
        )
    for start in range(0, len(entries), 150):
        items = [world.upsert(entry) for entry in entries[start : start + 150]]
        reply = await world.post(world.page_of(items, first=start + 1))
        receipt = json.loads(reply.text)
        assert receipt["refused"] == [], receipt["refused"][:3]
    member = await sued.member("leserin@optik.example", "Optik GmbH")
    reader = await signed_in(sued, member)
    office = await signed_in(sued, world.offices[sued.base_url])
    local_ids = {
        row.uri: row.local_id
        for row in await sued.node.feed.all_items(member, feed_query())
    }
    harmless = structure_of(
        (await reader.get(f"/e/{local_ids[entries[0]['id']]}")).text
    )
    assert len(local_ids) == len(entries)
    for entry, text in zip(entries, texts, strict=True):
        shown = (await reader.get(f"/e/{local_ids[entry['id']]}")).text
        assert structure_of(shown).elements == harmless.elements, text
        assert html.escape(text[:20], quote=False) in html.unescape(shown) or (
            text[:20] in html.unescape(shown)
        ), text
        assert_text_only(shown, text, "entry")
    partner = await world.partner_of(sued, world.nord)
    paths = [f"/start?seite={page}" for page in range(1, len(entries) // 20 + 2)]
    listed = [(await reader.get(path)).text for path in paths]
    listed.append((await office.get(f"/admin/partner/{partner.id}/inhalte")).text)
    cards = set(structure_of(listed[-2]).elements) | set(harmless.elements)
    for shown in listed:
        for text in texts[1:]:
            if "<" in text:
                assert text not in shown, text
        found = structure_of(shown)
        assert (found.events, found.others) == ([], [])
        assert found.schemes <= SCHEMES
        assert {tag for tag, _ in found.elements} <= {
            tag for tag, _ in cards
        } | KNOWN_TAGS


# Of lists, tables and navigation.
KNOWN_TAGS = {
    *("article", "nav", "ul", "li", "ol", "table", "thead", "tbody", "tr", "th", "td"),
    *("caption", "section", "div", "span", "p", "h1", "h2", "h3", "a", "form", "input"),
    *("button", "label", "select", "option", "dl", "dt", "dd", "time", "svg", "path"),
    *(
        "circle",
        "rect",
        "strong",
        "em",
        "small",
        "aside",
        "search",
        "fieldset",
        "legend",
    ),
    *("details", "summary", "code", "abbr", "main", "header", "footer", "title", "g"),
}


def feed_query() -> Any:
    from node.feed.feed import FeedQuery

    return FeedQuery()


async def test_partner_cards_stay_text(fresh_world: World) -> None:
    """Name and card as a partner's node tells them, on every page that shows them."""
    world = fresh_world
    sued = world.sued
    office = await signed_in(sued, world.offices[sued.base_url])
    member = await sued.member("leserin@optik.example", "Optik GmbH")
    reader = await signed_in(sued, member)
    await world.publish(world.nord)
    await world.nord.settle()
    partner = await world.partner_of(sued, world.nord)
    local = (await sued.node.feed.all_items(member, feed_query()))[0].local_id

    async def dress(text: str) -> None:
        card = {
            "field": text,
            "note": text,
            "contact": text,
            "website": text,
            "regions": [text],
            "languages": [text],
            "members": 5,
        }

        async def work(tx: Transaction) -> None:
            await update_partner(tx, partner.id, name=text, card=card)

        await sued.node.context.database.write(work)

    pages = [
        (office, "/admin/partner"),
        (office, f"/admin/partner/{partner.id}"),
        (office, f"/admin/partner/{partner.id}/beenden"),
        (reader, "/start"),
        (reader, f"/e/{local}"),
    ]
    await dress(HARMLESS)
    harmless = {
        path: structure_of((await browser.get(path)).text) for browser, path in pages
    }
    for number, payload in enumerate(PAYLOADS):
        await dress(line(payload))
        # Each payload on one of the pages, each page with a good part of them.
        for browser, path in (pages[number % 5],):
            reply = await browser.get(path)
            assert reply.status == 200, (path, payload)
            found = structure_of(reply.text)
            tags = {tag for tag, _ in harmless[path].elements}
            assert {tag for tag, _ in found.elements} <= tags | {"a"}, (path, payload)
            assert_text_only(reply.text, line(payload), path)


async def test_messages_stay_text(fresh_world: World) -> None:
    world = fresh_world
    sued = world.sued
    theirs = await world.publish(sued)
    first = world.message(about=theirs.uri, text=HARMLESS)
    assert (await world.post(first)).status == 202
    for payload in PAYLOADS[::2]:
        message = world.message(
            about=theirs.uri,
            thread=first["id"],
            in_reply_to=first["object"]["id"],
            text=line(payload),
        )
        author = {"name": line(payload)[:150], "organisation": line(payload)[:150]}
        message["object"]["author"] = author
        assert (await world.post(world.resigned(message))).status == 202, payload
    office = await signed_in(sued, world.offices[sued.base_url])
    (thread,) = world.witness.rows[sued.base_url].all("conversations")
    for path in (
        "/nachrichten",
        f"/nachrichten/{thread[0]}",
        f"/e/{theirs.id}",
        "/admin",
    ):
        shown = (await office.get(path)).text
        found = structure_of(shown)
        assert (found.events, found.others) == ([], []), path
        assert found.schemes <= SCHEMES
        assert not {tag for tag, _ in found.elements} & {"script", "img", "iframe"} - {
            "script"
        }
        for payload in PAYLOADS:
            if "<" in payload:
                assert line(payload) not in shown, (path, payload)


async def test_mails_about_foreign_texts_have_one_subject_line(
    fresh_world: World,
) -> None:
    """Nothing that a partner sends becomes a header, an HTML part or a second mail."""
    world = fresh_world
    sued = world.sued
    theirs = await world.publish(sued)
    for text in ("x\r\nBcc: opfer@angreifer.example", "a\nb", "Subject: x"):
        message = world.message(about=theirs.uri)
        message["object"]["content"] = text
        await world.post(world.resigned(message))
    for mail in await sued.node.mail.list_mails():
        assert "\n" not in mail.subject
        assert "\r" not in mail.subject + mail.body
        assert "angreifer" not in mail.subject + mail.body + mail.recipient


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "//angreifer.example",
        "https://good@angreifer.example",
        "https://good:x@angreifer.example/",
        "https://optence.example\\@angreifer.example",
        'https://x.example/"onmouseover="alert(1)',
        "https://x.example/<script>",
        "https://x.example/\u202egnp.exe",
        "https://x example/",
        "https:///x",
        "https://",
        "http:x",
        "ftp://x.example/",
        "mailto:x@angreifer.example",
    ],
    ids=ascii,
)
async def test_addresses_in_entries_that_lead_elsewhere_than_they_say(
    world: World, url: str
) -> None:
    """Kept out by the schema; no page ever has to decide."""
    entry = await world.entry()
    forged = world.resigned(
        {**entry, "owner": {"organisation": {"name": "Firma", "website": url}}}
    )
    reply = await world.post(world.page_of([world.upsert(forged)]))
    receipt = json.loads(reply.text)
    refused = [each["id"] for each in receipt.get("refused", [])]
    assert reply.status == 422 or refused == [entry["id"]], reply.text


async def test_the_origin_is_named_by_our_own_record(fresh_world: World) -> None:
    """An entry that calls itself another cluster's: its origin stands beside it."""
    world = fresh_world
    sued = world.sued
    entry = await world.entry()
    claimed = world.resigned(
        {
            **entry,
            "owner": {"organisation": {"name": "Geschäftsstelle Süd (offiziell)"}},
            "nameMap": {"de": "Mitteilung Ihres Clusters Süd"},
            "name": "Mitteilung Ihres Clusters Süd",
        }
    )
    assert (await world.post(world.page_of([world.upsert(claimed)]))).status == 200
    member = await sued.member("leserin@optik.example", "Optik GmbH")
    reader = await signed_in(sued, member)
    item = (await sued.node.feed.all_items(member, feed_query()))[0]
    partner = await world.partner_of(sued, world.nord)
    for path in ("/start", f"/e/{item.local_id}"):
        shown = (await reader.get(path)).text
        assert partner.name in html.unescape(shown)
