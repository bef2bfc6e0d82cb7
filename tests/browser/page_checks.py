"""What must hold on every page, measured in the browser."""

from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self

from axe_playwright_python.async_playwright import Axe
from babel.messages.pofile import read_po
from playwright.async_api import ConsoleMessage, Error, Page, Request, Response

from tests.browser.world import ROOT

PAGE_BYTES_MAX = 100_000
FIRST_PAINT_REQUESTS_MAX = 3  # the page, its style, its script
_FOR_FIRST_PAINT = {"document", "stylesheet", "script", "font"}
_TAGS = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]
_RULES_OF_WIDTH = ["target-size", "scrollable-region-focusable"]
_CATALOGUES = (
    ROOT / "node" / "web" / "translations" / "de.po",
    ROOT / "admin_ui" / "translations" / "de.po",
)
_DEMO_NOTICE = {
    "de": "Vorführung: Daten sind erfunden",
    "en": "Demonstration: the data are invented",
}
# Names that happen to be words of the catalogue.
_NAMES = {"Geschäftsstelle"}
# What stands on the page in its own language: no text marked as another one.
_OWN_TEXTS = """() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const own = document.documentElement.lang;
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
        const marked = node.parentElement.closest("[lang]");
        const text = node.textContent.replace(/\\s+/g, " ").trim();
        if (text && marked.lang === own) found.push(text);
    }
    return found;
}"""
_UNCOVERED_FOCUS = """() => {
    const style = getComputedStyle(document.activeElement);
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
}"""


@dataclass
class Observer:
    """Writes down, while it is open, what the browser complains about and loads."""

    page: Page
    base_url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    answer: Response | None = None

    def __enter__(self) -> Self:
        for event, listener in self._listeners():
            self.page.on(event, listener)
        return self

    def __exit__(self, *_exception: object) -> None:
        for event, listener in self._listeners():
            self.page.remove_listener(event, listener)

    def _listeners(self) -> tuple[tuple[Any, Any], ...]:
        return (
            ("console", self._heard),
            ("pageerror", self._failed),
            ("request", self._asked),
            ("response", self._answered),
        )

    def _failed(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type not in {"error", "warning"}:
            return
        # A refused form or a page that is gone: the browser reports the status.
        if "the server responded with a status of 4" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if request.is_navigation_request():
            self.requests.clear()
        self.requests.append(request)

    def _answered(self, response: Response) -> None:
        if response.request.is_navigation_request():
            self.answer = response

    def strange_requests(self) -> list[str]:
        """What was loaded from elsewhere."""
        return [
            each.url
            for each in self.requests
            if not each.url.startswith((self.base_url, "data:"))
        ]


async def faults_of_layout(page: Page) -> list[str]:
    """Check what every page has, whatever its width."""
    found = []
    if (count := await page.locator("h1").count()) != 1:
        found.append(f"{count} headings of the first level")
    width, window = await page.evaluate(
        "[document.documentElement.scrollWidth, window.innerWidth]"
    )
    if width > window:
        found.append(f"scrolls sideways: {width} px in {window} px")
    language = await page.locator("html").get_attribute("lang") or ""
    if not await page.get_by_text(_DEMO_NOTICE[language]).is_visible():
        found.append("does not say that the data are invented")
    if await page.locator("h1").first.inner_text() == await page.title():
        found.append(f"title says too little: {await page.title()}")
    return found


async def faults_of_loading(observer: Observer) -> list[str]:
    """Check what the browser loaded and said meanwhile."""
    found = [f"console: {text}" for text in observer.complaints]
    found += [f"loads {url}" for url in observer.strange_requests()]
    assert observer.answer is not None
    size = len(await observer.answer.body())
    if size > PAGE_BYTES_MAX:
        found.append(f"{size} bytes")
    needed = [
        each.url for each in observer.requests if each.resource_type in _FOR_FIRST_PAINT
    ]
    if len(set(needed)) > FIRST_PAINT_REQUESTS_MAX:
        found.append(f"needs {needed}")
    return found


async def faults_of_access(page: Page) -> list[str]:
    """Run axe and list what it finds, with the place."""
    await page.evaluate(Axe().axe_script)
    return await _run_axe(page, "tag", _TAGS)


async def faults_of_narrow_access(page: Page) -> list[str]:
    """Run again those rules of axe whose answer depends on the width."""
    return await _run_axe(page, "rule", _RULES_OF_WIDTH)


async def _run_axe(page: Page, kind: str, values: list[str]) -> list[str]:
    options = {
        "runOnly": {"type": kind, "values": values},
        "resultTypes": ["violations"],
    }
    results = await page.evaluate("options => axe.run(options)", options)
    return [
        f"axe {found['id']}: {node['target']} {node['failureSummary']}"
        for found in results["violations"]
        for node in found["nodes"]
    ]


async def foreign_texts(page: Page, language: str) -> list[str]:
    """List texts of the catalogues that stand there in the other language."""
    wrong = _texts_only_in("de" if language == "en" else "en")
    texts: list[str] = await page.evaluate(_OWN_TEXTS)
    return sorted({text for text in texts if text in wrong} - _NAMES)


@cache
def _texts_only_in(language: str) -> frozenset[str]:
    english, german = set(), set()
    for path in _CATALOGUES:
        with path.open("rb") as file:
            for message in read_po(file, locale="de"):
                if message.id and "%(" not in str(message.id):
                    english |= _forms(message.id)
                    german |= _forms(message.string or "")
    return frozenset(german - english if language == "de" else english - german)


def _forms(text: str | tuple[str, ...] | list[str]) -> set[str]:
    return {text} if isinstance(text, str) else set(text)


async def focus_is_visible(page: Page) -> bool:
    """Whether the focused control has an outline."""
    shown: bool = await page.evaluate(_UNCOVERED_FOCUS)
    return shown
