"""What keeps an exchange of capacity from becoming one of sensitive data (ENT-029)."""

import schemas
from tests.http.pages.conftest import NodeSite
from tests.http.pages.form_reading import fields_of

CAPACITY = ("capacity_offer", "capacity_request")


async def test_the_notice_stands_where_capacity_is_posted(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    for kind in schemas.KINDS:
        page = await browser.get(f"/neu/{kind}")
        assert ("Kartellrecht" in page.words) is (kind in CAPACITY), kind


async def test_price_is_on_request_unless_somebody_names_one(
    node_site: NodeSite,
) -> None:
    _person, browser = await node_site.add_person()
    sent = fields_of(await browser.get("/neu/capacity_offer"))
    assert sent["price.mode"] == "on_request"
    assert sent.get("price.amount", "") == ""


def test_availability_is_coarse_and_nothing_asks_for_utilisation() -> None:
    offer = schemas.load_schema("entries/capacity_offer")
    names = repr(sorted(offer["properties"])).lower()
    for word in ("utili", "auslast", "hours", "load"):
        assert word not in names
