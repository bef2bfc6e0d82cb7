"""The office's pages of a move: on the side that has to confirm, and on the other.

Nord's pages are English here, Süd's German.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from node.app import open_node
from node.members.model import Person
from node.web.keys import PERSON_LOADER
from node.web.server import build_node_application
from tests.http.admin.conftest import ACTING, Office, office_of
from tests.http.moving_world import move, old_name_kept
from tests.http.nodes import MovableClock
from tests.http.whole_nodes import WholeNode, whole_node


@asynccontextmanager
async def pages_of(node: WholeNode) -> AsyncIterator[Office]:
    """Serve a node that is stopped, with a browser in which its office is signed in."""
    async with open_node(node.folder, clock=node.clock, random=node.random) as opened:
        app = build_node_application(opened)

        async def acting(request: web.Request) -> Person | None:
            email = request.headers.get(ACTING)
            return await opened.members.person_by_email(email) if email else None

        app[PERSON_LOADER] = acting
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(
            runner, "127.0.0.1", int(node.base_url.rpartition(":")[2])
        ).start()
        try:
            async with aiohttp.ClientSession() as session:
                person = await opened.members.office_person()
                yield Office(opened, app, person, session, node.random)
        finally:
            await runner.cleanup()


@pytest.fixture
async def moved(
    tmp_path: Path, clock: MovableClock
) -> AsyncIterator[tuple[Office, WholeNode, str]]:
    """Nord's office; Süd, its partner, which has moved and says so; the old address."""
    async with (
        office_of(tmp_path / "nord", "Nord", clock=clock) as nord,
        whole_node(tmp_path / "sued", "Sued", clock=clock) as sued,
    ):
        created = await nord.node.partners.invite(nord.person)
        await sued.node.partners.accept(sued.office, created.code)
        await nord.node.partners.confirm(nord.person, sued.base_url, compared=True)
        await sued.node.partners.mark_compared(sued.office, nord.base_url)
        await nord.settle()
        await sued.settle()
        old = await move(sued)
        await sued.settle()
        yield nord, sued, old


Moved = tuple[Office, WholeNode, str]


async def test_the_office_compares_and_confirms(moved: Moved) -> None:
    nord, sued, old = moved
    status = await sued.node.own_move.status()
    assert status is not None
    todo = await nord.get("/admin")
    assert "Sued says that it has moved" in todo.text
    overview = await nord.get(await nord.partner_path())
    assert sued.base_url in overview.text
    page = f"{await nord.partner_path()}/umzug"
    shown = await nord.get(page)
    assert old in shown.text
    assert sued.base_url in shown.text
    # Who has not called does not know it.
    assert status.number not in shown.html
    assert status.number.replace(" ", "") not in shown.html

    target = shown.value("ziel")
    mistyped = await nord.post(page, {"number": "12", "ziel": target})
    assert (mistyped.status, "eight digits" in mistyped.text) == (422, True)
    wrong = await nord.post(page, {"number": "1234 5678", "ziel": target})
    assert (wrong.status, wrong.location) == (303, page)
    (partner,) = await nord.node.partners.list()
    assert partner.base_url == old
    another = {"number": status.number, "ziel": "https://evil.example"}
    assert (await nord.post(page, another)).location == page
    assert (await nord.node.partners.list())[0].base_url == old

    right = await nord.post(page, {"number": status.number, "ziel": target})
    assert (right.status, right.location) == (303, await nord.partner_path())
    assert (await nord.node.partners.list())[0].base_url == sued.base_url
    history = await nord.get(f"{await nord.partner_path()}/verlauf")
    assert "compared the move of Sued by telephone" in history.text
    assert "says that it has moved" not in (await nord.get("/admin")).text
    gone = await nord.get(page)
    assert (gone.status, gone.location) == (303, await nord.partner_path())


async def test_the_office_refuses_with_a_reason(moved: Moved) -> None:
    nord, sued, old = moved
    page = f"{await nord.partner_path()}/umzug"
    too_long = await nord.post(f"{page}/ablehnen", {"reason": "x" * 301})
    assert too_long.location == page
    refused = await nord.post(f"{page}/ablehnen", {"reason": "Niemand weiß davon."})
    assert refused.location == await nord.partner_path()
    (partner,) = await nord.node.partners.list()
    assert (partner.base_url, partner.moving_to) == (old, None)
    async with old_name_kept(old, sued.base_url):
        await nord.settle()
    await sued.stop()
    async with pages_of(sued) as office:
        shown = await office.get("/admin/umzug")
        assert "Niemand weiß davon." in shown.text
        (known,) = await office.node.partners.list()
        again = await office.post(f"/admin/umzug/{known.id}/erneut")
        assert again.location == "/admin/umzug"
        assert "wird gemeldet" in (await office.get("/admin/umzug")).text


async def test_who_has_moved_sees_who_is_missing(moved: Moved) -> None:
    nord, sued, old = moved
    await sued.stop()
    async with pages_of(sued) as office:
        status = await office.node.own_move.status()
        assert status is not None
        todo = await office.get("/admin")
        assert (
            "1 Partner-Cluster hat die neue Adresse noch nicht bestätigt" in todo.text
        )
        assert status.number in todo.text
        shown = await office.get("/admin/umzug")
        for words in (
            old,
            sued.base_url,
            status.number,
            "gemeldet, noch keine Antwort",
        ):
            assert words in shown.text
        assert "/admin/umzug" in (await office.get("/admin/system")).html
        about = await office.get(await office.partner_path())
        assert "hat Ihre neue Adresse noch nicht bestätigt" in about.text
        await nord.node.partners.confirm_move(nord.person, old, number=status.number)
        await nord.settle()
        shown = await office.get("/admin/umzug")
        assert "Alle Partner-Cluster kennen die neue Adresse" in shown.text
        assert status.number not in shown.text
        assert (
            "has not confirmed the new address" not in (await office.get("/admin")).text
        )


async def test_members_see_none_of_it(moved: Moved) -> None:
    nord, _sued, _old = moved
    member = await nord.member("erika@muster.example", "Muster GmbH")
    page = f"{await nord.partner_path()}/umzug"
    for path in (page, "/admin/umzug"):
        assert (await nord.get(path, who=member.email)).status in {403, 404}
    before = await nord.node.partners.list()
    answer = await nord.post(
        page, {"number": "1234 5678", "ziel": ""}, who=member.email
    )
    assert answer.status in {403, 404}
    assert await nord.node.partners.list() == before


async def test_a_node_that_never_moved_says_so(moved: Moved) -> None:
    nord, _sued, _old = moved
    shown = await nord.get("/admin/umzug")
    assert "Your cluster has never moved" in shown.text
    assert "/admin/umzug" not in (await nord.get("/admin/system")).html
