"""People at their browsers: each has a window of their own and signs in by hand."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.browser.world import Site

WIDE, NARROW = 1280, 390
HEIGHT = 900
# Delivery between nodes is real; the pages do not reload themselves.
ARRIVAL_SECONDS = 30


class People:
    """Opens windows; closes them all at the end."""

    def __init__(self, browser: Browser, password: str) -> None:
        self._browser = browser
        self._password = password
        self._windows = AsyncExitStack()
        self._tabs: dict[tuple[str, str, str], Page] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._windows.aclose()

    async def visitor(
        self, site: Site, *, language: str = "de", scripts: bool = True
    ) -> BrowserContext:
        """Open a window for somebody who is not signed in."""
        window = await self._browser.new_context(
            base_url=site.base_url,
            locale=language,
            viewport={"width": WIDE, "height": HEIGHT},
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        window.set_default_timeout(15_000)
        return await self._windows.enter_async_context(window)

    async def member(
        self, site: Site, email: str, *, language: str = "de", scripts: bool = True
    ) -> BrowserContext:
        """Open a window and sign in with the password; the language is kept."""
        window = await self.visitor(site, scripts=scripts)
        page = await window.new_page()
        await sign_in(page, email, self._password)
        if language == "en":
            await page.goto("/einstellungen")
            await page.get_by_role("main").get_by_role("button", name="English").click()
            await expect(page.locator("html")).to_have_attribute("lang", "en")
        await page.close()
        return window

    async def tab(self, site: Site, email: str, *, language: str = "de") -> Page:
        """Return the tab in which somebody looks around; opened once."""
        key = (site.base_url, email, language)
        if key not in self._tabs:
            window = (
                await self.member(site, email, language=language)
                if email
                else await self.visitor(site, language=language)
            )
            self._tabs[key] = await window.new_page()
        return self._tabs[key]


async def sign_in(page: Page, email: str, password: str) -> None:
    """Sign in as a person does, starting on the public page."""
    await page.goto("/")
    await page.get_by_role("link", name="Anmelden").first.click()
    await page.get_by_label("E-Mail").fill(email)
    await page.get_by_label("Passwort").fill(password)
    await page.get_by_role("button", name="Anmelden", exact=True).click()
    await expect(page).to_have_url("/start")
