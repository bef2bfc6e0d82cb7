"""What services refuse is said in the reader's language, and to programs in English."""

import json

from node.partners.partners import Partners
from tests.http.pages.conftest import NodeSite
from tests.http.pages.sites import Site

ANNA, BEN = "anna@nord.example", "ben@sued.example"
AS_PROGRAM = {"Accept": "application/json"}


async def test_an_entry_that_is_not_there(node_site: NodeSite) -> None:
    _person, german = await node_site.add_person()
    _person, english = await node_site.add_person("Ann Ex", language="en")
    page = await german.get("/e/gibtesnicht")
    assert page.status == 404
    assert "Es gibt keinen Eintrag gibtesnicht." in page.words
    assert (
        "There is no entry gibtesnicht." in (await english.get("/e/gibtesnicht")).words
    )

    problem = await german.get("/e/gibtesnicht", headers=AS_PROGRAM)
    assert problem.status == 404
    assert json.loads(problem.text)["detail"].startswith(
        "There is no entry gibtesnicht."
    )


async def test_a_fault_of_an_entry(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    sent = {
        "title.de": "Freie Stunden am Interferometer",
        "summary.de": "Prüfung von Linsen, auch am Wochenende.",
        "equipment_class": "measuring",
        "availability": "this_month",
        "valid_until": "19.02.2027",
        "topics": ",".join(f"Thema {number}" for number in range(13)),
        "audience.level": "cluster",
        "action": "publish",
    }
    page = await browser.post("/neu/capacity_offer", sent)
    assert page.status == 422
    assert "Das sind mehr Werte als die 12 erlaubten." in page.words
    assert "There are more than" not in page.words


async def test_a_message_after_the_partnership_ended(
    two_sites: tuple[Site, Site],
) -> None:
    nord, sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    await sued.member(BEN, "Metall Süd")
    await nord.publish(anna)
    await nord.settle()
    asker = await sued.signed_in(BEN, language="de")
    copy = (await asker.get("/start")).html.partition('href="/e/')[2].partition('"')[0]
    sent = await asker.post(f"/e/{copy}/antworten", text="Ist Donnerstag frei?")
    assert sent.status == 303
    partners: Partners = sued.node.partners
    await partners.end(None, "Nord", reason=None)

    refused = await asker.post(sent.location.partition("#")[0], text="Oder Freitag?")
    assert refused.status == 409
    assert (
        "Die Nachricht kann nicht gesendet werden: Nord ist kein Partner mehr: "
        "Die Partnerschaft wird gerade beendet."
    ) in refused.text
