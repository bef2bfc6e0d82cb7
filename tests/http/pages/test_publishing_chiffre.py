"""The form under Chiffre: what gives the owner away has to be seen first."""

from typing import Any

from node.catalogue.model import EntryState
from tests.http.pages.conftest import Browser, NodeSite, Page
from tests.http.pages.form_reading import OFFER, filled, post_offer

CHIFFRE = {"contact.mode": "chiffre"}


async def send(browser: Browser, path: str, *, anyway: bool, **values: Any) -> Page:
    sent = filled(await browser.get(path), values)
    if anyway:
        sent.add("publish_anyway", "ja")
    return await browser.post(path, sent)


async def post_anyway(browser: Browser, **values: Any) -> Page:
    return await send(
        browser, "/neu/capacity_offer", anyway=True, **{**OFFER, **values}
    )


async def test_giveaways_are_shown_and_can_be_accepted(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    telling = {
        **CHIFFRE,
        "summary.de": f"Die {person.organisation_name} misst.",
    }
    for action in ("preview", "publish"):
        refused = await post_offer(browser, action=action, **telling)
        assert refused.status == 422
        assert "„Linsen“ nennt den Inhaber." in refused.words
        assert "passt nur eine Organisation" in refused.words
        assert 'name="publish_anyway"' in refused.text
    assert await node_site.node.catalogue.mine(person) == []

    preview = await post_anyway(browser, action="preview", **telling)
    assert preview.status == 200
    assert "eine Chiffre" in preview.words
    done = await post_anyway(browser, action="publish", **telling)
    assert done.status == 303, done.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.is_chiffre
    assert done.location == f"/e/{entry.id}"
    page = await browser.get(done.location)
    assert "Chiffre" in page.words


async def test_telephone_and_model_are_faults_of_their_fields(
    node_site: NodeSite,
) -> None:
    _person, browser = await node_site.add_person()
    refused = await post_anyway(
        browser,
        action="publish",
        **CHIFFRE,
        **{
            "contact.phone": "+49 6441 12345",
            "equipment.name": "KMG",
            "equipment.model": "Q7",
        },
    )
    assert refused.status == 422
    assert "Unter Chiffre telefoniert niemand" in refused.words
    assert "Unter Chiffre bleiben Hersteller, Typ und Baujahr weg" in refused.words


async def test_the_office_edits_without_learning_or_changing_the_owner(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person()
    await post_anyway(browser, action="publish", **CHIFFRE)
    (entry,) = await node_site.node.catalogue.mine(person)
    office = await node_site.office_browser()
    path = f"/e/{entry.id}/bearbeiten"
    page = await office.get(path)
    assert page.status == 200
    for secret in (person.name, person.organisation_name, person.email, person.id):
        assert secret not in page.text
    done = await send(
        office,
        path,
        anyway=True,
        action="publish",
        **{"title.de": "Gröber gefasst"},
    )
    assert done.status == 303, done.words
    (changed,) = await node_site.node.catalogue.mine(person)
    assert changed.title == {"de": "Gröber gefasst"}
    assert changed.hidden_owner is not None
    assert entry.hidden_owner is not None
    assert changed.hidden_owner.organisation_id == entry.hidden_owner.organisation_id
    assert changed.state is EntryState.PUBLISHED
