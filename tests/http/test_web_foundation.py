"""The pages' foundation over HTTP: headers, protection, language, errors."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from node.members.model import Person, Role
from node.web.application import add_package, build_application
from node.web.keys import (
    COUNTER_LOADER,
    LANGUAGE_KEEPER,
    NAVIGATION,
    PERSON_LOADER,
)
from node.web.navigation import Area, NavigationEntry
from node.web.rendering import render
from tests.http.foundation_site import (
    ANNA,
    ERROR_CONTEXT,
    HOST,
    HTML,
    JSON,
    OWN,
    SITE,
    CountingRandom,
    FixedClock,
    start,
)


@pytest.fixture
async def client(aiohttp_client) -> TestClient:
    return await start(aiohttp_client)


# ---- headers ----


@pytest.mark.parametrize("path", ["/seite", "/fehler/secret", "/nirgends", "/inbox"])
async def test_every_answer_carries_the_protecting_headers(client: TestClient, path):
    answer = await client.get(path, headers=HTML)
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    for part in (
        "style-src 'self'",
        "script-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    ):
        assert part in policy.split("; ")
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert answer.headers["Server"] == "spalier"
    assert len(answer.headers["X-Request-Id"]) == 16


async def test_redirects_carry_them_too(client: TestClient):
    answer = await client.get("/mitglied", headers=HTML, allow_redirects=False)
    assert answer.status == 303
    assert answer.headers["Location"] == "/anmelden?weiter=/mitglied"
    assert "Content-Security-Policy" in answer.headers


async def test_no_strict_transport_security_without_tls(aiohttp_client):
    site = replace(SITE, base_url="http://netz.example")
    client = await start(aiohttp_client, site=site)
    answer = await client.get("/seite", headers=HTML)
    assert answer.status == 200
    assert "Strict-Transport-Security" not in answer.headers


async def test_pages_of_members_are_kept_nowhere(aiohttp_client):
    visitor = await start(aiohttp_client)
    answer = await visitor.get("/seite", headers=HTML)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    member = await start(aiohttp_client, person=ANNA)
    for path in ("/seite", "/mitglied", "/nirgends"):
        answer = await member.get(path, headers=HTML)
        assert answer.headers["Cache-Control"] == "private, no-store"


async def test_request_ids_differ_and_are_not_taken_from_outside(client: TestClient):
    headers = {**HTML, "X-Request-Id": "forged"}
    first = await client.get("/seite", headers=headers)
    second = await client.get("/seite", headers=headers)
    ids = {first.headers["X-Request-Id"], second.headers["X-Request-Id"]}
    assert len(ids) == 2
    assert "forged" not in ids


# ---- host ----


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("netz.example", 200),
        ("NETZ.example", 200),
        ("netz.example:443", 200),
        ("netz.example:8443", 421),
        ("evil.example", 421),
        ("netz.example.evil.example", 421),
        ("netz.example@evil.example", 421),
    ],
)
async def test_only_the_own_host_is_served(client: TestClient, host: str, status: int):
    answer = await client.get("/seite", headers={**HTML, "Host": host})
    assert answer.status == status
    if status == 421:
        text = await answer.text()
        assert "https://netz.example" in text
        assert "evil" not in text


async def test_probes_may_come_by_any_name(client: TestClient):
    answer = await client.get("/livez", headers={**HTML, "Host": "127.0.0.1"})
    assert answer.status == 200


async def test_absolute_form_is_refused(client: TestClient):
    import asyncio

    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"GET http://evil.example/seite HTTP/1.1\r\nHost: netz.example\r\n"
        b"Connection: close\r\n\r\n"
    )
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"Titel" not in answer


# ---- forms from elsewhere ----

COOKIE = {"Cookie": "__Host-spalier_n1=abc"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 303),
        ({"Sec-Fetch-Site": "none"}, 303),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://netz.example"}, 403),
        ({"Sec-Fetch-Site": "same-origin, cross-site"}, 403),
        ({"Origin": "https://netz.example"}, 303),
        ({"Origin": "http://netz.example"}, 403),
        ({"Origin": "https://netz.example:8443"}, 403),
        ({"Origin": "https://netz.example.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_forms_are_taken_from_own_pages_only(
    client: TestClient, headers: dict[str, str], status: int
):
    answer = await client.post(
        "/seite", headers={**HTML, **COOKIE, **headers}, allow_redirects=False
    )
    assert answer.status == status
    if status == 403:
        assert "Set-Cookie" not in answer.headers


async def test_without_cookie_and_browser_headers_no_browser_is_meant(client):
    answer = await client.post("/seite", headers=HTML, allow_redirects=False)
    assert answer.status == 303


async def test_a_foreign_page_cannot_sign_somebody_in(client: TestClient):
    headers = {**HTML, "Sec-Fetch-Site": "cross-site"}
    answer = await client.post("/seite", headers=headers, allow_redirects=False)
    assert answer.status == 403


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_every_changing_method_is_checked(client: TestClient, method: str):
    headers = {**HTML, **COOKIE, "Sec-Fetch-Site": "cross-site"}
    answer = await client.request(method, "/seite", headers=headers)
    assert answer.status == 403


async def test_doors_between_nodes_are_not_for_browsers(client: TestClient):
    headers = {**HOST, **COOKIE, "Origin": "https://other.example"}
    answer = await client.post("/inbox", headers=headers, allow_redirects=False)
    assert answer.status == 303


# ---- language ----


@pytest.mark.parametrize(
    ("headers", "language"),
    [
        ({}, "de"),
        ({"Accept-Language": "en-GB,en;q=0.9"}, "en"),
        ({"Accept-Language": "fr"}, "de"),
        ({"Accept-Language": "de", "Cookie": "lang=en"}, "en"),
        ({"Cookie": "lang=%00"}, "de"),
    ],
)
async def test_language_of_a_page(client: TestClient, headers, language: str):
    answer = await client.get("/nirgends", headers={**HTML, **headers})
    assert answer.headers["Content-Language"] == language
    text = await answer.text()
    assert f'<html lang="{language}">' in text
    word = "Diese Seite gibt es nicht" if language == "de" else "does not exist"
    assert word in text


async def test_the_persons_language_outranks_the_browsers(aiohttp_client):
    client = await start(aiohttp_client, person=replace(ANNA, language="en"))
    for path in ("/seite", "/nirgends", "/fehler/hidden"):
        answer = await client.get(path, headers={**HTML, "Accept-Language": "de"})
        assert answer.headers["Content-Language"] == "en"
    assert "does not exist" in await answer.text()


async def test_a_chosen_language_is_remembered(client: TestClient):
    answer = await client.post(
        "/sprache",
        data={"language": "en", "back": "/seite?x=1"},
        headers=OWN,
        allow_redirects=False,
    )
    assert answer.status == 303
    assert answer.headers["Location"] == "/seite?x=1"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("lang=en;")
    assert "HttpOnly" in cookie
    assert "Secure" in cookie
    assert "SameSite=Lax" in cookie


async def test_the_language_form_leads_nowhere_else(client: TestClient):
    answer = await client.post(
        "/sprache",
        data={"language": "en", "back": "//evil.example/"},
        headers=OWN,
        allow_redirects=False,
    )
    assert answer.headers["Location"] == "/"


async def test_an_unknown_language_is_refused(client: TestClient):
    answer = await client.post("/sprache", data={"language": "xx"}, headers=OWN)
    assert answer.status == 400


async def test_a_persons_choice_is_stored_for_the_person(aiohttp_client):
    kept: list[tuple[str, str]] = []

    async def keep(request: web.Request, person: Person, code: str) -> None:
        kept.append((person.id, code))

    async def load(request: web.Request) -> Person:
        return ANNA

    def set_up(app: web.Application) -> None:
        app[PERSON_LOADER] = load
        app[LANGUAGE_KEEPER] = keep

    app = build_application(
        site=SITE, clock=FixedClock(), random=CountingRandom(), registrars=[set_up]
    )
    client = await aiohttp_client(app)
    await client.post(
        "/sprache", data={"language": "en"}, headers=OWN, allow_redirects=False
    )
    assert kept == [("p", "en")]


# ---- errors ----


async def test_an_unexpected_error_shows_no_internals(client: TestClient, caplog):
    answer = await client.get("/fehler/secret", headers=HTML)
    assert answer.status == 500
    text = await answer.text()
    assert "hunter2" not in text
    assert "Traceback" not in text
    assert answer.headers["X-Request-Id"] in text
    problem = await (await client.get("/fehler/secret", headers=JSON)).json()
    assert "hunter2" not in str(problem)
    assert problem["type"].endswith("#internal-error")


async def test_an_internal_node_error_shows_no_internals(client: TestClient):
    answer = await client.get("/fehler/node", headers=HTML)
    assert answer.status == 500
    assert "internal detail" not in await answer.text()


async def test_errors_of_services_are_shown_with_what_to_do(client: TestClient):
    answer = await client.get("/fehler/down", headers=HTML)
    assert answer.status == 503
    text = await answer.text()
    assert "The partner does not answer." in text
    assert "Wait." in text


async def test_faults_of_an_input_are_listed(client: TestClient):
    answer = await client.get("/fehler/input", headers=HTML)
    assert answer.status == 422
    text = await answer.text()
    assert "Zeile 3:" in text
    assert "<code>/title</code>" in text
    assert "Too long." in text
    problem = await (await client.get("/fehler/input", headers=JSON)).json()
    assert problem["errors"] == [{"path": "/title", "message": "Too long.", "row": 3}]
    assert problem["status"] == 422


async def test_errors_of_partners_keep_challenge_and_delay(client: TestClient):
    answer = await client.get("/fehler/peer", headers=JSON)
    assert answer.status == 401
    assert answer.headers["Accept-Signature"] == "sig1=()"
    answer = await client.get("/fehler/rate", headers=JSON)
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "7"


async def test_a_wrong_method_names_the_right_ones(client: TestClient):
    answer = await client.delete("/seite", headers=OWN)
    assert answer.status == 405
    assert answer.headers["Allow"] == "GET,HEAD,POST"


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/html", "text/html"),
        ("text/html;q=0.9,application/json;q=0.8", "text/html"),
        ("text/html;q=0.5,application/problem+json", "application/problem+json"),
        ("application/activity+json", "application/problem+json"),
        ("text/html;q=0", "application/problem+json"),
        ("text/html;q=x", "application/problem+json"),
        ("*/*", "application/problem+json"),
        (None, "application/problem+json"),
    ],
)
async def test_form_of_an_error(client: TestClient, accept, content_type: str):
    headers = HOST if accept is None else {**HOST, "Accept": accept}
    answer = await client.get("/nirgends", headers=headers)
    assert answer.status == 404
    assert answer.content_type == content_type


async def test_doors_between_nodes_answer_with_problems(client: TestClient):
    answer = await client.get("/inbox", headers=HTML)
    assert answer.status == 405
    assert answer.content_type == "application/problem+json"


# ---- people ----


async def test_the_office_is_closed_to_members(aiohttp_client):
    client = await start(aiohttp_client, person=ANNA)
    assert (await client.get("/buero", headers=HTML)).status == 403
    office = await start(aiohttp_client, person=replace(ANNA, role=Role.OFFICE))
    assert (await office.get("/buero", headers=HTML)).status == 200


async def test_menu_and_counts_reach_the_page(aiohttp_client):
    async def load(request: web.Request) -> Person:
        return replace(ANNA, name="<Anna> & Co", role=Role.OFFICE)

    async def count(request: web.Request, person: Person) -> dict[str, int]:
        return {"mail": 4}

    async def office(request: web.Request) -> web.Response:
        return render(request, "error.html", ERROR_CONTEXT)

    def set_up(app: web.Application) -> None:
        app[PERSON_LOADER] = load
        app[COUNTER_LOADER] = count
        app.router.add_get("/admin/x", office)
        app[NAVIGATION].add(
            NavigationEntry(name="mail", label="Nachrichten", path="/nachrichten"),
            NavigationEntry(
                name="x", label="Bereich X", path="/admin/x", area=Area.OFFICE
            ),
        )

    app = build_application(
        site=SITE, clock=FixedClock(), random=CountingRandom(), registrars=[set_up]
    )
    client = await aiohttp_client(app)
    text = await (await client.get("/admin/x", headers=HTML)).text()
    assert '<span class="count">4<' in text
    assert "&lt;Anna&gt; &amp; Co" in text
    assert '<a href="/admin/x" aria-current="page">Bereich X</a>' in text
    text = await (await client.get("/nirgends", headers=HTML)).text()
    assert "Bereich X" not in text


# ---- flash ----


async def test_a_flash_is_shown_once_and_escaped(aiohttp_client):
    client = await start(
        aiohttp_client, site=replace(SITE, base_url="http://netz.example")
    )
    answer = await client.post("/seite", headers=OWN, allow_redirects=False)
    flash = answer.cookies["spalier_n1_flash"]
    assert flash["httponly"]
    cookie = {"Cookie": f"spalier_n1_flash={flash.value}"}
    answer = await client.get("/seite", headers={**HTML, **cookie})
    assert "Gespeichert &lt;b&gt;" in await answer.text()
    assert answer.cookies["spalier_n1_flash"]["max-age"] == "0"
    text = await (await client.get("/seite", headers=HTML)).text()
    assert "Gespeichert" not in text


@pytest.mark.parametrize(
    "value", ["x", "W10", "eyJ4IjoxfQ", "WyJldmlsIiwgIlRleHQiXQ=="]
)
async def test_a_forged_flash_is_dropped(client: TestClient, value: str):
    cookie = {"Cookie": f"__Host-spalier_n1_flash={value}"}
    answer = await client.get("/seite", headers={**HTML, **cookie})
    assert answer.status == 200
    assert 'class="notice' not in await answer.text()


# ---- static files ----


async def test_static_files_are_cached_by_content(client: TestClient):
    page = await (await client.get("/seite", headers=HTML)).text()
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    answer = await client.get(address, headers=HOST)
    assert answer.content_type == "text/css"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert (await answer.text()).startswith("/* Spalier.")
    stale = await client.get("/static/spalier.css?v=old", headers=HOST)
    assert stale.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path", ["/static/../application.py", "/static/%2e%2e%2fsite.py", "/static/x.css"]
)
async def test_nothing_but_the_static_files_is_served(client: TestClient, path: str):
    from yarl import URL

    answer = await client.get(URL(path, encoded=True), headers=HOST)
    assert answer.status == 404


# ---- page packages ----


async def test_a_package_brings_templates_and_translations(
    aiohttp_client, tmp_path: Path
):
    folder = tmp_path / "extra"
    (folder / "templates").mkdir(parents=True)
    (folder / "translations").mkdir()
    (folder / "templates" / "page.html").write_text(
        '{% extends "layout.html" %}{% block heading %}{{ _("My page") }}'
        "{% endblock %}{% block content %}{{ text }}{% endblock %}"
    )
    (folder / "translations" / "de.po").write_text(
        'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "My page"\nmsgstr "Meine Seite"\n'
    )

    def register(app: web.Application) -> None:
        add_package(app, folder)

        async def show(request: web.Request) -> web.Response:
            return render(request, "extra/page.html", {"text": "<script>"})

        async def forgetful(request: web.Request) -> web.Response:
            return render(request, "extra/page.html")

        app.router.add_get("/extra", show)
        app.router.add_get("/vergesslich", forgetful)

    app = build_application(
        site=SITE, clock=FixedClock(), random=CountingRandom(), registrars=[register]
    )
    client = await aiohttp_client(TestServer(app))
    text = await (await client.get("/extra", headers=HTML)).text()
    assert "<h1>Meine Seite</h1>" in text
    assert re.search("<title>Meine Seite . Cluster Netz</title>", text)
    assert "&lt;script&gt;" in text
    answer = await client.get("/vergesslich", headers=HTML)
    assert answer.status == 500  # a name that nobody gave is a fault, not a blank


# ---- components ----


async def test_components_are_for_the_demonstration_and_administrators(aiohttp_client):
    for person, demo, status in (
        (None, True, 200),
        (None, False, 404),
        (ANNA, False, 404),
        (replace(ANNA, role=Role.NODE_ADMIN), False, 200),
    ):
        client = await start(
            aiohttp_client, site=replace(SITE, demo=demo), person=person
        )
        answer = await client.get("/gestaltung", headers=HTML)
        assert answer.status == status
        bar = "Daten sind erfunden" in await answer.text()
        assert bar is demo


@pytest.mark.parametrize("language", ["de", "en"])
async def test_a_form_with_faults_says_what_and_where(aiohttp_client, language: str):
    client = await start(aiohttp_client, site=replace(SITE, demo=True))
    answer = await client.post(
        "/gestaltung",
        data={"title": "", "summary": "Text <b>", "amount": "zwölf"},
        headers={**OWN, "Accept-Language": language},
    )
    assert answer.status == 422
    text = await answer.text()
    error = "Fehler:" if language == "de" else "Error:"
    assert f"<title>{error} " in text
    assert '<a href="#title">' in text
    assert 'id="title-error"' in text
    assert 'aria-invalid="true"' in text
    assert "Text &lt;b&gt;" in text
    assert 'value="zwölf"' in text


async def test_foreign_texts_carry_their_language(aiohttp_client):
    client = await start(aiohttp_client, site=replace(SITE, demo=True))
    text = await (await client.get("/gestaltung", headers=HTML)).text()
    assert '<h2 lang="en"><a href="#">Grinding' in text
    assert '<h2><a href="#">Einmalige' in text
