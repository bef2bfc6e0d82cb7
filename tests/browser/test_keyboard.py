"""Without a mouse: the way past the menu, and where one is."""

from playwright.async_api import Page, expect

from tests.browser.page_checks import focus_is_visible
from tests.browser.people import People
from tests.browser.world import World

# From the skip link to the end of the form on the sign-in page.
_STOPS = 12


async def test_skip_link_leads_to_the_content(world: World, people: People) -> None:
    window = await people.member(world.optence, world.optence.node.member)
    page = await window.new_page()
    await page.goto("/start")
    await page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Zum Inhalt springen")
    await expect(skip).to_be_focused()
    await expect(skip).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    await page.keyboard.press("Tab")
    assert await _is_within_main(page)


async def test_focus_is_seen_at_every_stop(world: World, people: People) -> None:
    page = await (await people.visitor(world.optence)).new_page()
    await page.goto("/anmelden")
    seen = []
    for _stop in range(_STOPS):
        await page.keyboard.press("Tab")
        name = await page.evaluate(
            "document.activeElement.innerText || document.activeElement.name"
        )
        seen.append(name)
        assert await focus_is_visible(page), f"no outline at {name}"
    form = seen[seen.index("email") :]
    assert form[:3] == ["email", "password", "Anmelden"]


async def test_signing_in_by_keyboard_alone(world: World, people: People) -> None:
    window = await people.visitor(world.optence)
    page = await window.new_page()
    await page.goto("/anmelden")
    await page.get_by_label("E-Mail").focus()
    await page.keyboard.type(world.optence.node.member)
    await page.keyboard.press("Tab")
    await page.keyboard.type(world.password)
    await page.keyboard.press("Enter")
    await expect(page).to_have_url("/start")


async def _is_within_main(page: Page) -> bool:
    within: bool = await page.evaluate(
        "document.querySelector('main').contains(document.activeElement)"
    )
    return within
