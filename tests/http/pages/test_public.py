"""What visitors see, and that they see nothing else."""

import pytest

from tests.http.pages.sites import Site

ANNA = "anna@optik.example"


async def test_front_page_shows_card_and_public_entries_only(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.publish(
        anna, title={"en": "Open to all"}, audience={"level": "public"}
    )
    await lone_site.publish(anna, title={"en": "For partners"})
    browser = await lone_site.browser()
    page = await browser.get("/")
    assert page.status == 200
    for words in ("Photonics", "Hesse", "84, 60 of them", "Facts as printed in 2016."):
        assert words in page.text
    assert "Open to all" in page.text
    assert "For partners" not in page.html


async def test_front_page_leads_members_to_their_news(lone_site: Site) -> None:
    await lone_site.member(ANNA, "Optik Nord")
    browser = await lone_site.signed_in(ANNA)
    answer = await browser.get("/")
    assert (answer.status, answer.location) == (303, "/start")


async def test_empty_node_says_what_members_see(lone_site: Site) -> None:
    browser = await lone_site.browser(language="de")
    for path in ("/", "/eintraege"):
        page = await browser.get(path)
        assert page.status == 200
        assert "Noch keine öffentlichen Einträge" in page.text


async def test_public_entries_are_filtered_by_kind(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.publish(
        anna, title={"en": "An offer"}, audience={"level": "public"}
    )
    browser = await lone_site.browser()
    assert "An offer" in (await browser.get("/eintraege")).text
    assert "An offer" in (await browser.get("/eintraege?art=capacity_offer")).text
    other = await browser.get("/eintraege?art=event")
    assert "An offer" not in other.text
    assert "Nothing of this kind" in other.text


async def test_hidden_and_absent_entries_look_the_same(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    hidden = await lone_site.publish(anna)
    shown = await lone_site.publish(anna, audience={"level": "public"})
    browser = await lone_site.browser()
    page = await browser.get(f"/e/{shown.id}")
    assert page.status == 200
    assert "Sign in to answer" in page.text
    assert "What partner clusters were told" not in page.text
    secret = await browser.get(f"/e/{hidden.id}")
    absent_id = "a" * len(hidden.id)
    absent = await browser.get(f"/e/{absent_id}")
    assert secret.status == absent.status == 404
    assert secret.text.replace(hidden.id, "") == absent.text.replace(absent_id, "")


async def test_browsers_are_led_from_the_signed_document_to_the_page(
    lone_site: Site,
) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    entry = await lone_site.publish(anna, audience={"level": "public"})
    browser = await lone_site.browser()
    answer = await browser.get(f"/entries/{entry.id}")
    assert (answer.status, answer.location) == (303, f"/e/{entry.id}")


@pytest.mark.parametrize("path", ["/impressum", "/datenschutz", "/barrierefreiheit"])
async def test_legal_pages_mark_their_gaps(lone_site: Site, path: str) -> None:
    browser = await lone_site.browser(language="de")
    page = await browser.get(path)
    assert page.status == 200
    assert "Vorlage" in page.text
    assert 'class="gap"' in page.html
    assert "office@nord.example" in page.text


async def test_invitation_page_knows_no_code(lone_site: Site) -> None:
    browser = await lone_site.browser()
    page = await browser.get("/kopplung")
    assert page.status == 200
    assert "stands in the e-mail" in page.text
    assert f'data-invitation="127.0.0.1:{lone_site.port}"' in page.html


async def test_directory_is_filtered_without_scripts(lone_site: Site) -> None:
    browser = await lone_site.browser(language="de")
    everything = await browser.get("/clusterverzeichnis")
    assert everything.status == 200
    assert "Quelle: Broschüre zu Cross-Cluster-Projekten" in everything.text
    swiss = await browser.get("/clusterverzeichnis?land=CH")
    assert "Swissmem" in swiss.text
    assert "Faserbasierter" not in swiss.text
    region = await browser.get("/clusterverzeichnis?region=DE-BW&q=FASERBASIERT")
    assert "Allianz Faserbasierter Werkstoffe" in region.text
    assert region.text.count("Quelle:") < everything.text.count("Quelle:")
    none = await browser.get("/clusterverzeichnis?q=qqqq")
    assert "Kein Cluster passt dazu" in none.text
    unknown = await browser.get("/clusterverzeichnis?land=XX")
    assert unknown.text.count("Quelle:") == everything.text.count("Quelle:")
