"""Every page at two widths and in two languages, with a picture of each."""

import asyncio

import pytest
from playwright.async_api import Page

from tests.browser.page_checks import (
    Observer,
    faults_of_access,
    faults_of_layout,
    faults_of_loading,
    faults_of_narrow_access,
    foreign_texts,
)
from tests.browser.pages import PAGES, PageEntry, Viewer
from tests.browser.people import HEIGHT, NARROW, WIDE, People
from tests.browser.world import ROOT, World

SCREENSHOTS = ROOT / "build" / "screenshots"
# Colleagues with the same view: each keeps a language.
_WHO = {
    ("optence", Viewer.MEMBER, "de"): "marek.sowa@praezisionsoptik.example",
    ("optence", Viewer.MEMBER, "en"): "helga.brandis@praezisionsoptik.example",
    ("optence", Viewer.OFFICE, "de"): "geschaeftsstelle@optence.example",
    ("optence", Viewer.OFFICE, "en"): "karin.amberg@optence.example",
    ("swissmem", Viewer.OFFICE, "de"): "photonics@swissmem.example",
    ("swissmem", Viewer.OFFICE, "en"): "regula.hauri@swissmem.example",
}


async def _look(
    page: Page, entry: PageEntry, world: World, *, language: str, width: int
) -> list[str]:
    await page.set_viewport_size({"width": width, "height": HEIGHT})
    with Observer(page, entry.site(world).base_url) as observer:
        await entry.go(page, world)
        found = await faults_of_layout(page)
        if language == "de":
            found += await faults_of_access(page)
        found += await faults_of_loading(observer)
    assert observer.answer is not None
    if observer.answer.status != entry.status:
        found.append(f"status {observer.answer.status}")
    if await page.locator("html").get_attribute("lang") != language:
        found.append(f"not in {language}")
    found += [
        f"in the wrong language: {text}" for text in await foreign_texts(page, language)
    ]
    return [f"{language} {page.url}: {fault}" for fault in found]


async def _look_in_german(page: Page, entry: PageEntry, world: World) -> list[str]:
    """Look at the wide page, take its picture, then the same for the narrow one."""
    found = await _look(page, entry, world, language="de", width=WIDE)
    await _picture(page, entry, WIDE)
    await page.set_viewport_size({"width": NARROW, "height": HEIGHT})
    narrow = [*await faults_of_layout(page), *await faults_of_narrow_access(page)]
    await _picture(page, entry, NARROW)
    return [*found, *(f"narrow {page.url}: {fault}" for fault in narrow)]


async def _picture(page: Page, entry: PageEntry, width: int) -> None:
    name = f"{entry.viewer}-{entry.name}-{width}.png"
    await page.screenshot(
        path=SCREENSHOTS / name, full_page=True, animations="disabled"
    )


@pytest.mark.parametrize(
    "entry", PAGES, ids=[f"{each.viewer}-{each.name}" for each in PAGES]
)
async def test_page(entry: PageEntry, world: World, people: People) -> None:
    site = entry.site(world)
    german, english = [
        await people.tab(
            site, _WHO.get((entry.at, entry.viewer, language), ""), language=language
        )
        for language in ("de", "en")
    ]
    in_german, in_english = await asyncio.gather(
        _look_in_german(german, entry, world),
        _look(english, entry, world, language="en", width=NARROW),
    )
    assert not [*in_german, *in_english], "\n".join([*in_german, *in_english])
