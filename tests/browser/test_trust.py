"""A partnership from the request to its end, in words on both sides."""

import json
import re
import secrets
from datetime import UTC, datetime, timedelta

from playwright.async_api import Locator, Page, expect

from node.demo.pairing import publish
from tests.browser.people import People
from tests.browser.steps import open_until, open_until_gone
from tests.browser.world import Site, World

# Published for all partner clusters, so it appears with the partnership.
SHARED = "Sputteranlage"
OFFER = {
    "kind": "capacity_offer",
    "summary": {"de": "Schweißzelle mit zwei Achsen."},
    "valid_until": (datetime.now(UTC).date() + timedelta(days=30)).isoformat(),
    "equipment_class": "production",
    "availability": "now",
    "audience": {"level": "trusted"},
}


async def test_confirm_pause_resume_and_end(world: World, people: People) -> None:
    optence, _swissmem, laser = world.sites
    host = await (await people.member(optence, optence.node.office)).new_page()
    guest = await (await people.member(laser, laser.node.office)).new_page()
    member = await (await people.member(laser, laser.node.member)).new_page()

    await _open_partner(host, laser, "wartet auf Ihre Entscheidung")
    await _open_partner(guest, optence, "wartet auf die andere Geschäftsstelle")
    number = await _check_number(host)
    assert re.fullmatch(r"\d{4} \d{4}", number)
    assert await _check_number(guest) == number
    await expect(host.locator(".check-number")).to_have_text(number)

    await host.get_by_role("button", name="Zahlen sind gleich: verbinden").click()
    await _expect_state(host, "verbunden")
    await open_until(guest, guest.url, _state(guest, "verbunden"))
    shared = member.get_by_role("main").get_by_role("link", name=re.compile(SHARED))
    await open_until(member, "/start", shared)

    await _take_step(host, "Partnerschaft pausieren")
    await _expect_state(host, "pausiert")
    await member.reload()
    await expect(shared.first).to_be_visible()
    # The other side learns of it when it has something to deliver.
    title = f"Laserzelle in der Pause {secrets.randbelow(10**6)}"
    publish(laser.node, json.dumps({**OFFER, "title": {"de": title}}).encode())
    refused = guest.get_by_role("main").get_by_text(
        "Die andere Geschäftsstelle hat die Partnerschaft pausiert"
    )
    await open_until(guest, guest.url, refused)

    await _take_step(host, "Partnerschaft fortsetzen")
    await _expect_state(host, "verbunden")
    await open_until(guest, guest.url, _state(guest, "verbunden"))
    news = host.get_by_role("main").get_by_role("link", name=title)
    partner_page = host.url
    await open_until(host, "/start", news)
    await host.goto(partner_page)

    await _take_step(host, "Partnerschaft beenden")
    await open_until(host, host.url, _state(host, "beendet"))
    await open_until(guest, guest.url, _state(guest, "beendet"))
    await open_until_gone(member, "/start", shared)
    await _expect_history(host, guest)


async def _open_partner(page: Page, partner: Site, state: str) -> None:
    """Open a partner's page from the list, where the state stands, too."""
    await page.goto("/admin")
    await (
        page.get_by_role("navigation", name="Menü der Geschäftsstelle")
        .get_by_role("link", name=re.compile("Partner-Cluster"))
        .click()
    )
    row = page.get_by_role("listitem").filter(has_text=partner.name)
    await expect(row.first).to_contain_text(state)
    await page.get_by_role("link", name=partner.name).click()
    await _expect_state(page, state)


async def _check_number(page: Page) -> str:
    number = page.locator("dt", has_text="Prüfzahl").locator("+ dd .fingerprint")
    return await number.inner_text()


def _state(page: Page, words: str) -> Locator:
    return page.locator(".lead .status").get_by_text(words, exact=True)


async def _expect_state(page: Page, words: str) -> None:
    await expect(_state(page, words)).to_be_visible()


async def _take_step(page: Page, name: str) -> None:
    """Press the button, read what will happen, press again."""
    await page.get_by_role("link", name=name).click()
    main = page.get_by_role("main")
    await expect(main.get_by_role("heading", name="Das wird geschehen")).to_be_visible()
    await expect(main.locator(".consequences li").first).to_be_visible()
    await page.get_by_role("button", name=name).click()


async def _expect_history(host: Page, guest: Page) -> None:
    for page, words in (
        (host, ("pausiert", "fortgesetzt", "beendet")),
        (guest, ("bestätigt", "beendet")),
    ):
        await page.get_by_role("link", name="Verlauf").click()
        for word in words:
            await expect(
                page.get_by_role("main").get_by_text(re.compile(word)).first
            ).to_be_visible()
