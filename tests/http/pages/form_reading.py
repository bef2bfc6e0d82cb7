"""What a browser would send of a form on a page, and entries posted that way."""

import copy
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Any

from multidict import MultiDict
from typing_extensions import override

from tests.http.pages.conftest import Browser, Page


class _Fields(HTMLParser):
    """What a browser would send of the form with the most fields on a page."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: MultiDict[str] = MultiDict()
        self._in_form = False
        self._select: tuple[str, list[str], list[str]] | None = None
        self._area: tuple[str, list[str]] | None = None

    @override
    def handle_starttag(self, tag: str, attrs: Any) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            # Sign out and language are forms of the frame.
            self._in_form = not values.get("action")
        if not self._in_form:
            return
        name = values.get("name", "")
        if tag == "input" and name:
            box = values.get("type") in {"checkbox", "radio"}
            if not box or "checked" in values:
                self.sent.add(name, values.get("value", ""))
        elif tag == "select":
            self._select = (name, [], [])
        elif tag == "option" and self._select:
            self._select[1].append(values["value"])
            if "selected" in values:
                self._select[2].append(values["value"])
        elif tag == "textarea":
            self._area = (name, [])

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._in_form = False
        elif tag == "select" and self._select:
            name, offered, selected = self._select
            self.sent.add(name, (selected or offered)[0])
            self._select = None
        elif tag == "textarea" and self._area:
            # Browsers drop the first line end and send the others as CR LF.
            text = "".join(self._area[1]).removeprefix("\r").removeprefix("\n")
            self.sent.add(self._area[0], text.replace("\n", "\r\n"))
            self._area = None

    @override
    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)


def fields_in(html: str) -> MultiDict[str]:
    """Names and values of the form without an address of its own."""
    parser = _Fields()
    parser.feed(html)
    return parser.sent


def fields_of(page: Page) -> MultiDict[str]:
    return fields_in(page.text)


def filled(page: Page, values: Mapping[str, Any]) -> MultiDict[str]:
    """The fields of the page with some of them typed anew."""
    sent = fields_of(page)
    for name, value in values.items():
        assert f'name="{name}"' in page.text, f"the page has no field {name}"
        sent.popall(name, None)
        for each in value if isinstance(value, list) else [value]:
            sent.add(name, each)
    return sent


OFFER = {
    "title.de": "Freie Stunden am Interferometer",
    "summary.de": "Prüfung von Linsen,\r\nauch am Wochenende.",
    "equipment_class": "measuring",
    "availability": "this_month",
}


async def post_offer(browser: Browser, **values: Any) -> Page:
    page = await browser.get("/neu/capacity_offer")
    return await browser.post("/neu/capacity_offer", filled(page, {**OFFER, **values}))


def as_comparable(document: Mapping[str, Any]) -> dict[str, Any]:
    """Level out what the form writes in one way only.

    Boxes to tick come in the order of the vocabulary, times with their seconds.
    """
    even = copy.deepcopy(dict(document))
    for name in ("partnership_types", "ipr_status", "offers_as", "value_chain"):
        if name in even:
            even[name] = sorted(even[name])
    if isinstance(even.get("attendance"), list):
        even["attendance"] = sorted(even["attendance"])
    for name in ("starts", "ends"):
        if name in even:
            even[name] = f"{even[name]}:00"[:19]
    return even
