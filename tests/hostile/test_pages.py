"""G: pages. Forms come from our own pages, links stay here, nothing is given away."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

import csv
import html
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from node.members.csv_export import write_table
from node.members.model import Person
from tests.hostile import wire
from tests.hostile.page_world import (
    CANARY,
    ROLES,
    PageWorld,
    addresses,
    page_world,
    routes,
)
from tests.hostile.payloads import FORMULAS, INJECTIONS
from tests.hostile.people import HTML, OWN_PAGE, Somebody, signed_in
from tests.hostile.structure import structure_of

HARMLESS = "Harmloser Text"
SCHEMES = {"path", "https:", "http:", "mailto:", "data:"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("pages")) as world:
        yield world


# -- forms from elsewhere -------------------------------------------------------

FOREIGN_FORMS: dict[str, list[tuple[str, str]]] = {
    "cross-site": [("Sec-Fetch-Site", "cross-site")],
    "same-site": [("Sec-Fetch-Site", "same-site")],
    "empty": [("Sec-Fetch-Site", "")],
    "both": [("Sec-Fetch-Site", "same-origin"), ("Sec-Fetch-Site", "cross-site")],
    "joined": [("Sec-Fetch-Site", "same-origin, cross-site")],
    "foreign origin": [("Origin", "https://angreifer.example")],
    "null origin": [("Origin", "null")],
    "origin that begins alike": [("Origin", "http://127.0.0.1.angreifer.example")],
    "origin without port": [("Origin", "http://127.0.0.1")],
    "nothing, with a cookie": [],
}


@pytest.mark.parametrize("label", FOREIGN_FORMS)
async def test_every_form_from_elsewhere(pages: PageWorld, label: str) -> None:
    """Every address that changes something, with the office's cookie."""
    office = pages.browsers["office"]
    tried = 0
    async with pages.world.untouched() as untouched:
        for template in routes(pages.site.app, "POST"):
            if template in {"/inbox", "/partner-requests"}:
                continue
            for path in list(addresses(template, pages.ids))[:1]:
                reply = await office.post(
                    path, {"x": "y"}, headers=FOREIGN_FORMS[label]
                )
                untouched.expect(path, got=reply.status, wanted=403)
                assert "Set-Cookie" not in dict(reply.headers)
                tried += 1
    assert tried > 25


async def test_a_visitor_is_not_signed_in_by_a_foreign_page(pages: PageWorld) -> None:
    """Login CSRF: somebody else's account in your browser."""
    async with pages.world.untouched() as untouched:
        for headers in (
            [("Sec-Fetch-Site", "cross-site")],
            [("Origin", "https://angreifer.example")],
        ):
            for path in ("/anmelden", f"/anmelden/{'x' * 43}", "/abmelden", "/sprache"):
                reply = await Somebody(pages.site).post(
                    path, {"email": "a@b.example", "password": "x"}, headers=headers
                )
                untouched.expect(path, got=reply.status, wanted=403)


async def test_nothing_is_changed_by_get_and_other_methods(pages: PageWorld) -> None:
    office = pages.browsers["office"]
    async with pages.world.untouched() as untouched:
        for template in routes(pages.site.app, "POST"):
            for path in list(addresses(template, pages.ids))[:1]:
                for method in ("PUT", "DELETE", "X"):
                    reply = await wire.ask(
                        pages.site.base_url,
                        method,
                        path,
                        headers=office.headers(
                            OWN_PAGE, ("X-HTTP-Method-Override", "POST")
                        ),
                        body=b"_method=POST",
                    )
                    untouched.expect(
                        f"{method} {path}",
                        got=reply.status,
                        wanted={400, 403, 404, 405},
                    )
                await office.get(f"{path}?_method=POST")
        untouched.wrong = [each for each in untouched.wrong if "sessions" not in each]


@pytest.mark.parametrize("role", ["visitor", "other"])
async def test_every_form_as_somebody_who_may_not(pages: PageWorld, role: str) -> None:
    """The office's forms, and those of other people's entries and conversations."""
    browser = pages.browsers[role]
    stranger_may = {
        "/sprache",
        "/anmelden",
        "/abmelden",
        "/gestaltung",
        "/neu/{kind}",
        "/einstellungen/passwort",
        "/einstellungen/sitzungen",
        "/einstellungen/daten",
        "/inbox",
        "/partner-requests",
        "/anmelden/{token}",
        "/bestaetigen/{token}",
    }
    async with pages.world.untouched() as untouched:
        for template in routes(pages.site.app, "POST"):
            if template in stranger_may:
                continue
            for path in addresses(template, pages.ids):
                if role == "other" and ("antworten" in path or "nachrichten" in path):
                    continue  # may answer what it sees; an empty text is refused
                reply = await browser.post(path, {"bestaetigt": "1", "x": "y"})
                untouched.expect(
                    path,
                    got=reply.status,
                    wanted={303} if role == "visitor" else {403, 404},
                )
                if role == "visitor":
                    assert reply.field("Location").startswith("/anmelden")


# -- ways out -------------------------------------------------------------------

ELSEWHERE = (
    "//angreifer.example",
    "///angreifer.example",
    "////angreifer.example",
    "/\\angreifer.example",
    "\\\\angreifer.example",
    "\\/angreifer.example",
    "/\t/angreifer.example",
    "/\n/angreifer.example",
    "\t//angreifer.example",
    " //angreifer.example",
    "https://angreifer.example",
    "HTTPS://angreifer.example",
    "https:angreifer.example",
    "https:/angreifer.example",
    "http://127.0.0.1@angreifer.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/..//angreifer.example",
    "/.//angreifer.example",
    "/%2f/angreifer.example",
    "/%5cangreifer.example",
    "angreifer.example",
    "?x",
    "#x",
    "@angreifer.example",
    "/\x00/angreifer.example",
    "/\u2028/angreifer.example",
    "/start\r\nSet-Cookie: a=b",
    "/start\r\n\r\n<script>",
    "／／angreifer.example",
    "",
)


@pytest.mark.parametrize("target", ELSEWHERE, ids=ascii)
async def test_nobody_is_led_elsewhere(pages: PageWorld, target: str) -> None:
    """Every way on that a request may name: before and after signing in."""
    from urllib.parse import quote

    member = await signed_in(pages.site, pages.people["other"])
    base = pages.site.base_url
    replies = [
        await member.get(f"/anmelden?weiter={quote(target, safe='')}"),
        await member.post("/sprache", {"language": "de", "back": target}),
        await Somebody(pages.site).post("/sprache", {"language": "de", "back": target}),
    ]
    shown = await Somebody(pages.site).get(f"/anmelden?weiter={quote(target, safe='')}")
    for found in re.findall(r'name="weiter"[^>]*value="([^"]*)"', shown.text):
        assert_stays(base, html.unescape(found))
    for step in ("gilt-weiter", "gefunden"):
        entry = pages.entries["trusted"].id
        replies.append(await member.post(f"/e/{entry}/{step}", {"zurueck": target}))
    for reply in replies:
        assert len([name for name, _ in reply.headers if name == "Location"]) <= 1
        assert not any(
            name.lower() == "set-cookie" and "a=b" in value
            for name, value in reply.headers
        )
        if reply.status in range(300, 400):
            assert_stays(base, reply.field("Location"))


def assert_stays(base: str, location: str) -> None:
    """Two readers of addresses, and the rule of browsers for backslashes."""
    assert location.startswith("/"), location
    assert location.isprintable()
    for spelled in (location, location.replace("\\", "/")):
        assert (
            urlsplit(urljoin(base + "/anmelden", spelled)).netloc
            == urlsplit(base).netloc
        )
        joined = URL(base).join(URL(spelled))
        assert joined.authority == urlsplit(base).netloc


@pytest.mark.parametrize(
    "host",
    [
        "angreifer.example",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost",
        "127.0.0.1:{port}.angreifer.example",
        "angreifer.example:{port}",
        "{own}@angreifer.example",
        "{own},angreifer.example",
        "{own} angreifer.example",
        "{own}/",
        "http://{own}",
        "[::1]:{port}",
        "127.0.0.1:{port}0",
        "①②⑦.0.0.1:{port}",
        "",
    ],
)
async def test_other_hosts_poison_nothing(pages: PageWorld, host: str) -> None:
    """Every address, by every name: no page, no mail, no link of another name."""
    own = pages.site.base_url.removeprefix("http://")
    spelled = host.format(own=own, port=own.partition(":")[2])
    value = spelled.encode().decode("latin-1")
    async with pages.world.untouched() as untouched:
        for method, path in (
            ("GET", "/"),
            ("GET", "/start"),
            ("GET", "/actor"),
            ("GET", "/anmelden"),
            ("GET", f"/entries/{'a' * 26}"),
            ("POST", "/anmelden"),
            ("POST", "/inbox"),
        ):
            reply = await wire.ask(
                pages.site.base_url,
                method,
                path,
                headers=[
                    ("Host", value),
                    HTML,
                    OWN_PAGE,
                    ("Content-Type", "application/x-www-form-urlencoded"),
                ],
                body=b"email=office@sued.example&weg=link"
                if method == "POST"
                else None,
            )
            untouched.expect(
                f"{method} {path}", got=reply.status, wanted={400, 415, 421}
            )
            assert "angreifer" not in reply.text


@pytest.mark.parametrize(
    "header",
    [
        ("X-Forwarded-Host", "angreifer.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Server", "angreifer.example"),
        ("X-Host", "angreifer.example"),
        ("X-Original-URL", "/admin"),
        ("X-Rewrite-URL", "/admin"),
        ("Forwarded", "host=angreifer.example;proto=https"),
        ("X-Forwarded-Prefix", "//angreifer.example"),
        ("Base-URL", "https://angreifer.example"),
    ],
    ids=lambda header: header[0],
)
async def test_headers_of_proxies_change_no_link(
    pages: PageWorld, header: tuple[str, str]
) -> None:
    """Links in mails and pages start with the configured address alone."""
    visitor = Somebody(pages.site)
    plain = await visitor.get("/anmelden")
    told = await visitor.get("/anmelden", header)
    assert wire.without_numbers(told.text) == wire.without_numbers(plain.text)
    # Every link of a mail is built from the settings, so the request has no part.
    pages.world.clock.advance(hours=1)
    reply = await visitor.post(
        "/anmelden",
        {"email": "office@sued.example", "weg": "link"},
        headers=[OWN_PAGE, header],
    )
    assert reply.status == 303
    mails = await pages.site.node.mail.list_mails()
    link = next(mail for mail in mails if mail.kind == "sign-in-link")
    addresses_in = re.findall(r"https?://[^\s/]+", link.body)
    assert set(addresses_in) == {pages.site.base_url}


# -- search, tables, headers ----------------------------------------------------


@pytest.mark.parametrize("text", INJECTIONS, ids=lambda text: ascii(text[:12]))
async def test_searches_are_words_not_commands(pages: PageWorld, text: str) -> None:
    """Never an error, never more than the words would find."""
    from urllib.parse import quote

    reader = pages.browsers["other"]
    written = quote(text.encode("utf-8", "surrogatepass"), safe="")
    for path in (
        f"/start?q={written}",
        f"/start?art={written}",
        f"/start?seite={written}",
        f"/eintraege?art={written}",
        f"/eintraege?seite={written}",
        f"/e/{written}",
        f"/entries/{written}",
        f"/nachrichten/{written}",
        f"/.well-known/webfinger?resource={written}",
    ):
        reply = await reader.get(path[:7000])
        assert reply.status in {200, 400, 404}, (path[:60], reply.status)
        hidden = set(CANARY.findall(reply.text)) - pages.canaries_for("other")
        assert hidden <= {"cnrymessage"}, (path[:60], hidden)
    office = pages.browsers["office"]
    for path in (
        f"/admin/sichtbarkeit/pruefen?eintrag={written}",
        f"/admin/mitglieder?q={written}",
        f"/admin/eintraege?q={written}",
        f"/admin/partner/{written}",
        f"/admin/post/{written}",
        f"/admin/mitglieder/person/{written}",
    ):
        reply = await office.get(path[:7000])
        # The page that checks visibility says that there is no such entry.
        assert reply.status in {200, 400, 404, 422}, (path[:60], reply.status)
    assert pages.world.witness.log.faults() == []


@pytest.mark.parametrize("text", ["\x00", "\x00Prüfung", "Pr\x00", "\x00\xbc", "\x7f"])
async def test_what_nobody_sees_finds_nothing_more(pages: PageWorld, text: str) -> None:
    """SQLite ends a pattern at U+0000, PostgreSQL takes none."""
    from node.feed.feed import FeedQuery

    person = pages.people["other"]
    seen = "".join(letter for letter in text if letter.isprintable())
    with_it = await pages.site.node.feed.feed(person, FeedQuery(text=text))
    without = await pages.site.node.feed.feed(person, FeedQuery(text=seen))
    assert [item.uri for item in with_it.items] == [item.uri for item in without.items]
    browser = pages.browsers["other"]
    for path in ("/start?q=%00", "/e/%00", "/nachrichten/%00", "/meine?seite=%00"):
        assert (await browser.get(path)).status == 400, path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=60))
async def test_any_text_at_all_finds_no_more(pages: PageWorld, text: str) -> None:
    """What is found has the words; what is hidden is never found."""
    from node.feed.feed import FeedQuery
    from node.feed.folding import query_words, searchable_text

    person: Person = pages.people["other"]
    found = await pages.site.node.feed.feed(person, FeedQuery(text=text))
    words = query_words(text)
    assert found.total <= found.everything
    for item in found.items:
        assert item.local_id not in {
            pages.entries[name].id for name in ("named", "withdrawn")
        }
        names = [item.owner_organisation, item.owner_person or ""]
        haystack = searchable_text(item.content, names)
        assert not words or any(word in haystack for word in words)


@pytest.mark.parametrize("text", FORMULAS, ids=ascii)
def test_formulas_in_tables(text: str) -> None:
    """Written, then read as a spreadsheet reads: the first letter starts no formula."""
    data = write_table([text, "Spalte"], [[text, "x"], [f"a{text}", text]])
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig")), delimiter=";"))
    assert len(rows) == 3
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            assert not cell.startswith(("＝", "＋", "－", "＠"))


REQUIRED = {
    "Content-Security-Policy": "default-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=()",
    "Server": "spalier",
}
KNOWN_HEADERS = {
    *(name.lower() for name in REQUIRED),
    *("content-type", "content-length", "date", "cache-control", "x-request-id"),
    *("location", "set-cookie", "content-language", "vary", "etag", "connection"),
    *("content-disposition", "access-control-allow-origin", "www-authenticate"),
    *("accept-signature", "retry-after", "allow", "content-encoding", "last-modified"),
    *("content-digest", "signature", "signature-input", "accept-ranges"),
    *("transfer-encoding", "link"),
}


@pytest.mark.parametrize("role", ["visitor", "office"])
async def test_headers_of_every_address(pages: PageWorld, role: str) -> None:
    browser = pages.browsers[role]
    paths = [
        path
        for template in routes(pages.site.app, "GET")
        for path in list(addresses(template, pages.ids))[:2]
    ]
    paths += ["/nirgends", "/e/x", "/static/../x", "/admin/nirgends", "/%00"]
    for path in paths:
        reply = await browser.get(path)
        fields = {name.lower(): value for name, value in reply.headers}
        assert len(fields) == len({name.lower() for name, _ in reply.headers})
        for name, beginning in REQUIRED.items():
            assert fields.get(name.lower(), "").startswith(beginning), (path, name)
        policy = fields["content-security-policy"]
        for word in ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
            assert word in policy, path
        assert "unsafe" not in policy
        assert "*" not in policy
        assert set(fields) <= KNOWN_HEADERS, (path, set(fields) - KNOWN_HEADERS)
        assert "cache-control" in fields, path
        if role == "office" and fields.get("content-type", "").startswith("text/html"):
            assert fields["cache-control"] == "private, no-store", path
        if "access-control-allow-origin" in fields:
            assert path.startswith(("/actor", "/.well-known", "/nodeinfo")), path
        if fields.get("content-type", "").startswith("text/html"):
            found = structure_of(reply.text)
            assert found.events == [], (path, found.events)
            assert set(found.schemes) <= SCHEMES


async def test_line_breaks_in_addresses_become_no_headers(pages: PageWorld) -> None:
    breaks = ("%0d%0aX-Odd:%201", "%0aX-Odd:%201", "%E5%98%8A%E5%98%8DX-Odd:1")
    office = pages.browsers["office"]
    for number, template in enumerate(routes(pages.site.app, "GET")):
        smuggled = breaks[number % len(breaks)]
        path = next(iter(addresses(template, pages.ids)))
        for asked in (f"{path}/{smuggled}", f"{path}?x={smuggled}&weiter={smuggled}"):
            reply = await office.get(asked)
            assert reply.status < 500, asked
            assert "x-odd" not in {name.lower() for name, _ in reply.headers}, asked
    for event in pages.world.witness.log.since().splitlines():
        assert json.loads(event)["logger"], event  # one event, one line


# -- what is kept ---------------------------------------------------------------


async def test_files_of_a_node_are_its_own(pages: PageWorld) -> None:
    """Key, database and settings: for the node's user alone."""
    folder: Path = pages.site.node.folder
    for path in folder.rglob("*"):
        mode = path.stat().st_mode & 0o777
        if (
            path.is_dir()
            or path.suffix in {".sqlite", ".key", ".toml"}
            or "key" in path.name
        ):
            assert mode & 0o007 == 0, (path.name, oct(mode))


@pytest.mark.parametrize(
    "path",
    [
        "/node.sqlite",
        "/node.toml",
        "/node.key",
        "/keys/",
        "/.git/config",
        "/.env",
        "/backup",
        "/backup.zip",
        "/export",
        "/metrics",
        "/debug",
        "/static/",
        "/static/../node.toml",
        "/static/..%2f..%2fnode.toml",
        "/static/%2e%2e/%2e%2e/node.toml",
        "/static/..%5c..%5cnode.toml",
        "/static/%00",
        "/static//etc/passwd",
        "/static/spalier.css/..",
        "/admin/../node.toml",
        "/actor/partners",
        "/activities/" + "a" * 26,
        "/followers",
        "/sitemap.xml",
        "/feed.xml",
        "/api",
    ],
)
async def test_nothing_else_is_served(pages: PageWorld, path: str) -> None:
    for role in ("visitor", "office"):
        reply = await pages.browsers[role].get(path)
        assert reply.status in {400, 404}, (role, path, reply.status)
        assert "[listen]" not in reply.text
        assert "SQLite format" not in reply.text


async def test_logs_hold_no_text_of_anybody(pages: PageWorld) -> None:
    """After everything that this module did, and after a fault of our own."""
    from urllib.parse import quote

    secret = "cnrysecretpassword"
    await Somebody(pages.site).post(
        "/anmelden", {"email": "cnrysecret@mail.example", "password": secret}
    )
    await pages.browsers["other"].get(f"/start?q={quote('cnrysearched')}")
    theirs = pages.entries["trusted"]
    await pages.world.post(
        pages.world.message(about=theirs.uri, text="cnrywritten an Sie")
    )
    log = pages.world.witness.log.since()
    assert CANARY.findall(log) == []
    for browser in pages.browsers.values():
        for value in browser.cookies.values():
            assert value not in log
    assert "proofValue" not in log
    assert "PRIVATE" not in log
    assert set(ROLES) >= set(pages.browsers)
