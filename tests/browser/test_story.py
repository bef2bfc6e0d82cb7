"""A member offers capacity to one partner cluster, and the talk that follows."""

import re
import secrets

from playwright.async_api import Page, expect

from tests.browser.people import People
from tests.browser.steps import (
    answer,
    expect_absent,
    expect_not_found,
    open_from_news,
    open_until,
    open_until_gone,
    publish_offer,
    reply,
    search,
    withdraw,
)
from tests.browser.world import World

# The number sets a second run on the same nodes apart.
TITLE = f"Messraum mit Autokollimator {secrets.randbelow(10**6)}"
QUESTION = "Passen Prismen mit 40 mm Kantenlänge auf Ihren Messplatz?"
REPLY = "Ja, bis 60 mm. Bitte bringen Sie die Zeichnung mit."
# Two without other conversations, and one of another firm of the owner's cluster.
OWNER = "nadine.eberz@kamerasysteme.example"
ASKER = "heidi.manser@linsenwerk.example"
COLLEAGUE = "ines.kollmann@lasermesstechnik.example"


async def test_offer_to_a_partner_is_answered_and_withdrawn(
    world: World, people: People
) -> None:
    optence, swissmem, _laser = world.sites
    owner = await (await people.member(optence, OWNER)).new_page()
    asker = await (await people.member(swissmem, ASKER)).new_page()

    path = await publish_offer(owner, TITLE, only_for=swissmem.name)
    received_path = await open_from_news(asker, TITLE)
    await expect(
        asker.get_by_role("main").get_by_text(optence.name).first
    ).to_be_visible()

    await answer(asker, QUESTION)
    thread_path = asker.url
    await _read_and_reply(owner)
    await open_until(asker, thread_path, asker.get_by_role("main").get_by_text(REPLY))
    await expect(asker.locator(".delivery").first).to_contain_text("zugestellt")

    await _expect_nobody_else(world, people, path)

    await withdraw(owner, path)
    await open_until_gone(
        asker, "/start", asker.get_by_role("main").get_by_role("link", name=TITLE)
    )
    await expect_absent(asker, TITLE)
    # Who talked about it may still know what about; its page is gone.
    await expect_not_found(asker, received_path, "Drei Tage im Dezember.")
    await _expect_confirmed_withdrawal(world, people)


async def _read_and_reply(owner: Page) -> None:
    """Follow the unread count to the answer, as the owner does."""
    menu = owner.get_by_role("navigation", name="Hauptmenü")
    await open_until(
        owner, "/start", menu.get_by_role("link", name=re.compile(r"Nachrichten 1\b"))
    )
    await menu.get_by_role("link", name="Nachrichten").click()
    await expect(owner.get_by_text("1 ungelesene Nachricht")).to_be_visible()
    await (
        owner.get_by_role("listitem")
        .filter(has_text=TITLE)
        .get_by_role("link")
        .first.click()
    )
    await expect(owner.get_by_role("main").get_by_text(QUESTION)).to_be_visible()
    await reply(owner, REPLY)
    await owner.goto("/start")
    await expect(menu.get_by_role("link", name="Nachrichten")).to_have_text(
        "Nachrichten"
    )


async def _expect_nobody_else(world: World, people: People, path: str) -> None:
    optence, _swissmem, laser = world.sites
    stranger = await (await people.member(laser, laser.node.member)).new_page()
    await expect_absent(stranger, TITLE, path)

    colleague = await (await people.member(optence, COLLEAGUE)).new_page()
    await expect_absent(colleague, TITLE, path)

    visitor = await (await people.visitor(optence)).new_page()
    for public in ("/", "/eintraege"):
        await visitor.goto(public)
        await expect(visitor.get_by_text(TITLE)).to_have_count(0)
    await expect_not_found(visitor, path, TITLE)


async def _expect_confirmed_withdrawal(world: World, people: People) -> None:
    """Expect in the office's list when it was told and that its end is confirmed."""
    optence, swissmem, _laser = world.sites
    office = await (await people.member(optence, optence.node.office)).new_page()
    row = office.get_by_role("row").filter(has_text=TITLE)
    await open_until(office, "/admin/zustellung", row.filter(has_text="bestätigt"))
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text(swissmem.name)
    await expect(row.get_by_text("zurückgenommen, bestätigt")).to_be_visible()
    # When it was first sent, and when the last was confirmed.
    await expect(row.locator("time")).to_have_count(2)
    await expect(row).not_to_contain_text("noch nicht")


async def test_the_same_without_javascript(world: World, people: People) -> None:
    optence, swissmem, _laser = world.sites
    title = f"Spektrometer ohne Umwege {secrets.randbelow(10**6)}"
    owner = await (
        await people.member(optence, optence.node.member, scripts=False)
    ).new_page()
    asker = await (
        await people.member(swissmem, swissmem.node.member, scripts=False)
    ).new_page()

    path = await publish_offer(owner, title, only_for=swissmem.name)
    received_path = await open_from_news(asker, title)
    await search(await _at_news(asker), title)
    await asker.get_by_role("main").get_by_role("link", name=title).click()
    await answer(asker, "Ginge es auch am Freitag?")
    thread = owner.get_by_role("listitem").filter(has_text=title)
    await open_until(owner, "/nachrichten", thread.filter(has_text="am Freitag"))
    await withdraw(owner, path)
    await open_until_gone(
        asker, "/start", asker.get_by_role("main").get_by_role("link", name=title)
    )
    await expect_not_found(asker, received_path, "Drei Tage im Dezember.")


async def _at_news(page: Page) -> Page:
    await page.goto("/start")
    return page
