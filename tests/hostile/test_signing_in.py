"""G: signing in. Nobody learns who is a member, and nothing is taken over."""

import statistics
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.hostile import wire
from tests.hostile.page_world import (
    PageWorld,
    page_world,
)
from tests.hostile.people import HTML, Somebody, signed_in
from tests.hostile.world import World

HARMLESS = "Harmloser Text"
SCHEMES = {"path", "https:", "http:", "mailto:", "data:"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pages(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PageWorld]:
    async with page_world(tmp_path_factory.mktemp("pages")) as world:
        yield world


# -- signing in -----------------------------------------------------------------


async def test_known_and_unknown_addresses_look_alike(fresh_world: World) -> None:
    """Status, page, headers and time: nothing tells whether somebody is a member."""
    world = fresh_world
    site = world.sued
    await site.member_with_password("bekannt@optik.example", "Optik GmbH")
    answers: dict[str, set[Any]] = {}
    times: dict[str, list[float]] = {}
    for _ in range(3):
        for label, email in (
            ("known", "bekannt@optik.example"),
            ("unknown", "unbekannt@optik.example"),
        ):
            began = time.perf_counter()
            reply = await Somebody(site).post(
                "/anmelden", {"email": email, "password": "vier worte daneben"}
            )
            times.setdefault(label, []).append(time.perf_counter() - began)
            text = wire.without_numbers(reply.text).replace(email, "")
            answers.setdefault(label, set()).add((reply.status, text))
    assert answers["known"] == answers["unknown"]
    known, unknown = (statistics.median(times[each]) for each in ("known", "unknown"))
    assert 0.5 < known / unknown < 2, (known, unknown)
    for email in ("bekannt@optik.example", "unbekannt@optik.example"):
        reply = await Somebody(site).post("/anmelden", {"email": email, "weg": "link"})
        assert (reply.status, reply.field("Location")) == (303, "/anmelden/gesendet")


async def test_guessing_a_password_ends_soon(
    fresh_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tries for an account, whether it exists or not, however it is spelled."""
    site = fresh_world.sued
    await site.member_with_password("bekannt@optik.example", "Optik GmbH")

    async def refused(*_: object) -> bool:
        return False

    # What is counted are tries; the costly comparison is not needed for that.
    monkeypatch.setattr(site.node.sign_in._passwords, "check", refused)
    for email in ("bekannt@optik.example", "unbekannt@optik.example"):
        statuses = []
        for number in range(14):
            spelled = email if number % 2 else email.upper()
            form = {"email": spelled, "password": f"falsch {number}"}
            statuses.append((await Somebody(site).post("/anmelden", form)).status)
        assert statuses == [422] * 10 + [429] * 4, email
    monkeypatch.undo()
    # The right password does not help now, from wherever it comes.
    form = {"email": "bekannt@optik.example", "password": "vier worte am spalier"}
    reply = await Somebody(site).post("/anmelden", form)
    assert reply.status == 429
    assert 1 <= int(reply.field("Retry-After")) <= 15 * 60


async def test_a_session_that_somebody_brought_along_is_not_taken_over(
    fresh_world: World,
) -> None:
    """Fixation: a cookie from before signing in is worth nothing afterwards."""
    site = fresh_world.sued
    person = await site.member_with_password("anna@optik.example", "Optik GmbH")
    first = await signed_in(site, person)
    (name, value), *_ = first.cookies.items()
    await first.post("/abmelden")
    for planted in (value, "x" * 43, "A" * 43):
        browser = Somebody(site, cookies={name: planted})
        assert (await browser.get("/start")).status == 303
        reply = await browser.post(
            "/anmelden",
            {"email": "anna@optik.example", "password": "vier worte am spalier"},
        )
        assert reply.status == 303
        assert browser.cookies[name] != planted
        assert (await browser.get("/start")).status == 200
        thief = Somebody(site, cookies={name: planted})
        assert (await thief.get("/start")).status == 303
        flags = next(v for k, v in reply.headers if k == "Set-Cookie" and name in v)
        for flag in ("HttpOnly", "SameSite=Lax", "Path=/"):
            assert flag in flags


async def test_cookies_of_any_form_are_nobody(pages: PageWorld) -> None:
    (name, value), *_ = pages.browsers["office"].cookies.items()
    for cookie in (
        f"{name}=",
        f"{name}={value[:-1]}",
        f"{name}={value}x",
        f"{name}={value.swapcase()}",
        f"{name}=' OR 1=1--",
        f"{name}=\xff\xfe",
        f"{name}={'x' * 5000}",
        f'{name}="{value[:10]}"',
        f"{name.upper()}={value}",
        "; ".join(f"c{number}=x" for number in range(500)),
        "=;=;=",
        "\x01",
    ):
        reply = await wire.ask(
            pages.site.base_url, "GET", "/start", headers=[HTML, ("Cookie", cookie)]
        )
        assert reply.status in {0, 303, 400, 431}, (cookie[:40], reply.status)
