"""What people do on the pages, named by what they read there."""

import asyncio
import re
import time

from playwright.async_api import Locator, Page, expect

# Delivery between nodes is real, and the pages do not reload themselves.
ARRIVAL_SECONDS = 30.0
_PAUSE_SECONDS = 0.2


async def open_until(page: Page, path: str, wanted: Locator) -> None:
    """Open a page again and again until something has arrived on it."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    await page.goto(path)
    while not await wanted.first.is_visible():
        assert time.monotonic() < deadline, f"{path} does not show {wanted}"
        await asyncio.sleep(_PAUSE_SECONDS)
        await page.goto(path)


async def open_until_gone(page: Page, path: str, unwanted: Locator) -> None:
    """Open a page again and again until something has left it."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    await page.goto(path)
    while await unwanted.count():
        assert time.monotonic() < deadline, f"{path} still shows {unwanted}"
        await asyncio.sleep(_PAUSE_SECONDS)
        await page.goto(path)


async def publish_offer(page: Page, title: str, *, only_for: str) -> str:
    """Publish a capacity offer for one partner cluster after looking at the preview.

    Returns:
        Path of the entry's page.
    """
    await page.goto("/start")
    await page.get_by_role("link", name="Eintrag einstellen").first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "Eintrag einstellen"
    )
    await page.get_by_role("main").get_by_role("link", name="Kapazitätsangebot").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Kapazität")
    await page.get_by_label("Titel", exact=True).first.fill(title)
    await page.get_by_label("Kurzbeschreibung").first.fill("Drei Tage im Dezember.")
    await page.get_by_label("Zweck der Ausrüstung").select_option("Messen")
    await page.get_by_label("Verfügbarkeit").select_option("Sofort")
    await page.get_by_role("radio", name="Ausgewählte Partner-Cluster").check()
    await page.get_by_role("checkbox", name=only_for).check()
    await page.get_by_role("button", name="Vorschau", exact=True).last.click()
    main = page.get_by_role("main")
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Vorschau")
    await expect(main.get_by_role("heading", name=title)).to_be_visible()
    await expect(main.get_by_role("listitem").filter(has_text=only_for)).to_be_visible()
    await page.get_by_role("button", name="Veröffentlichen").click()
    await expect(page.get_by_text("Der Eintrag ist veröffentlicht.")).to_be_visible()
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    return re.sub(r"^https?://[^/]+", "", page.url)


async def open_from_news(page: Page, title: str) -> str:
    """Wait for an entry in the news, open it, and return the path of its page."""
    link = page.get_by_role("main").get_by_role("link", name=title)
    await open_until(page, "/start", link)
    await link.first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(title)
    return re.sub(r"^https?://[^/]+", "", page.url)


async def answer(page: Page, text: str) -> None:
    """Answer the entry that is open; the conversation with its owner opens."""
    await page.get_by_label("Ihre Nachricht").fill(text)
    await page.get_by_role("button", name="Antwort senden").click()
    await expect(page).to_have_url(re.compile("/nachrichten/"))
    await expect(page.get_by_role("main").get_by_text(text)).to_be_visible()


async def reply(page: Page, text: str) -> None:
    """Write the next message of the conversation that is open."""
    await page.get_by_label("Ihre Nachricht").fill(text)
    await page.get_by_role("button", name="Nachricht senden").click()
    await expect(page.get_by_role("main").get_by_text(text)).to_be_visible()


async def withdraw(page: Page, path: str) -> None:
    """Withdraw an own entry, with the page between that says what happens."""
    await page.goto(path)
    await page.get_by_role("link", name="Zurückziehen").click()
    await expect(page.get_by_text("Was dann geschieht")).to_be_visible()
    await page.get_by_role("button", name="Zurückziehen").click()
    await expect(page.get_by_text("Der Eintrag ist zurückgezogen.")).to_be_visible()


async def expect_absent(page: Page, title: str, path: str = "") -> None:
    """Expect that somebody sees an entry nowhere: news, search, its own page."""
    main = page.get_by_role("main")
    await page.goto("/start")
    await expect(main.get_by_text(title)).to_have_count(0)
    await search(page, title)
    await expect(main.get_by_role("status").filter(has_text=title)).to_be_visible()
    await expect(main.get_by_role("link", name=title)).to_have_count(0)
    if path:
        await expect_not_found(page, path, title)


async def search(page: Page, text: str) -> None:
    """Search the entries from the page that is open."""
    await page.get_by_role("searchbox").fill(text)
    await page.get_by_role("button", name="Suchen").click()


async def expect_not_found(page: Page, path: str, title: str) -> None:
    """Expect the answer that says nothing about whether there is such an entry."""
    response = await page.goto(path)
    assert response is not None
    assert response.status == 404
    assert title not in await response.text()
