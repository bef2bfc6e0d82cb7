"""News: own and partners' entries, filters, search, what ends soon."""

from tests.http.nodes import MovableClock
from tests.http.pages.sites import Site

ANNA = "anna@optik.example"
BEN = "ben@metall.example"


async def test_feed_says_where_entries_are_from(two_sites: tuple[Site, Site]) -> None:
    nord, sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    ben = await sued.member(BEN, "Metall Süd")
    await nord.publish(anna, title={"en": "Lens tests"})
    await sued.publish(ben, title={"en": "Milling"})
    await nord.publish(
        anna, title={"en": "Only at home"}, audience={"level": "cluster"}
    )
    await nord.settle()

    browser = await sued.signed_in(BEN)
    page = await browser.get("/start")
    assert page.status == 200
    assert "Lens tests" in page.text
    assert "Milling" in page.text
    assert "Only at home" not in page.html
    assert "Nord" in page.text
    assert "last contact" in page.text
    partners = await browser.get("/start?art=partner")
    assert "Lens tests" in partners.text
    assert "Milling" not in partners.text


async def test_filters_and_search_stay_in_the_address(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.publish(anna, title={"de": "Prüfung von Linsen"})
    await lone_site.publish(anna, title={"de": "Fräsen von Gehäusen"})
    browser = await lone_site.signed_in(ANNA)
    found = await browser.get("/start?q=linsen&art=offer")
    assert "Prüfung von Linsen" in found.text
    assert "Fräsen von Gehäusen" not in found.text
    assert "1 entry for “linsen”" in found.text
    assert 'name="art" value="offer"' in found.html
    assert "?art=request&amp;q=linsen" in found.html
    narrowed = await browser.get("/start?art=technology_offer")
    assert "Nothing here at the moment" in narrowed.text
    nothing = await browser.get("/start?q=qqqqq")
    assert "Nothing found" in nothing.text
    for odd in ("?art=quatsch", "?seite=-1", "?seite=x", "?seite=999999999999999999"):
        assert (await browser.get(f"/start{odd}")).status == 200


async def test_new_node_says_what_to_do(lone_site: Site) -> None:
    await lone_site.member(ANNA, "Optik Nord")
    browser = await lone_site.signed_in(ANNA, language="de")
    page = await browser.get("/start")
    assert "Noch nichts Neues" in page.text
    assert "noch keine Partner-Cluster" in page.text


async def test_words_in_another_language_are_marked(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.publish(anna, title={"de": "Prüfung von Linsen"})
    browser = await lone_site.signed_in(ANNA)
    assert '<h2 lang="de">' in (await browser.get("/start")).html


async def test_entry_that_ends_soon_is_confirmed_from_the_feed(
    lone_site: Site, clock: MovableClock
) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    entry = await lone_site.publish(anna, valid_until="2026-11-27")
    browser = await lone_site.signed_in(ANNA)
    page = await browser.get("/start")
    assert "Ends soon" in page.text
    answer = await browser.post(f"/e/{entry.id}/gilt-weiter", zurueck="start")
    assert (answer.status, answer.location) == (303, "/start")
    after = await browser.get("/start")
    assert "Ends soon" not in after.text
    assert "The entry is valid until" in after.text
    stored, _verdict = await lone_site.node.catalogue.show(anna, entry.id)
    assert stored.valid_until is not None
    assert (stored.valid_until - clock.now().date()).days == 90


async def test_hostile_words_stay_words(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.publish(anna, title={"en": "<script>alert(1)</script>"})
    browser = await lone_site.signed_in(ANNA)
    for path in ("/start", "/start?q=%3Cscript%3E"):
        page = await browser.get(path)
        assert "<script>alert" not in page.html
        assert "&lt;script&gt;" in page.html
