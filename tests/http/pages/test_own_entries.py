"""Changing entries, and the list of one's own."""

from node.catalogue.model import EntryState
from node.members.model import Role
from tests.http.pages.conftest import NodeSite
from tests.http.pages.form_reading import fields_of, filled, post_offer

# ---- editing ----


async def test_a_colleagues_edit_keeps_the_owner(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    _admin, admin = await node_site.add_person(
        "Ada Chefin", role=Role.ORGANISATION_ADMIN
    )
    await post_offer(browser, action="publish")
    (entry,) = await node_site.node.catalogue.mine(person)
    page = await admin.get(f"/e/{entry.id}/bearbeiten")
    sent = filled(page, {"title.de": "Neuer Titel", "action": "publish"})
    answer = await admin.post(f"/e/{entry.id}/bearbeiten", sent)
    assert answer.status == 303, answer.words
    changed, _verdict = await node_site.node.catalogue.show(person, entry.id)
    assert changed.title == {"de": "Neuer Titel"}
    assert changed.person_id == person.id
    assert changed.version.counter == 2


async def test_others_cannot_edit(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    _colleague, colleague = await node_site.add_person("Karl Kollege")
    _other, elsewhere = await node_site.add_person("Otto", organisation="Andere AG")
    await post_offer(browser, action="draft")
    (entry,) = await node_site.node.catalogue.mine(person)
    assert (await colleague.get(f"/e/{entry.id}/bearbeiten")).status == 403
    assert (await elsewhere.get(f"/e/{entry.id}/bearbeiten")).status == 404


async def test_a_published_entry_cannot_be_put_aside(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    await post_offer(browser, action="publish")
    (entry,) = await node_site.node.catalogue.mine(person)
    page = await browser.get(f"/e/{entry.id}/bearbeiten")
    assert 'value="draft"' not in page.text
    answer = await browser.post(
        f"/e/{entry.id}/bearbeiten", filled(page, {"action": "draft"})
    )
    assert answer.status == 409
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.state is EntryState.PUBLISHED


async def test_a_change_of_somebody_else_is_not_overwritten_unseen(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person()
    await post_offer(browser, action="publish")
    (entry,) = await node_site.node.catalogue.mine(person)
    path = f"/e/{entry.id}/bearbeiten"
    early = await browser.get(path)
    await browser.post(path, filled(early, {"title.de": "Zuerst", "action": "publish"}))
    late = filled(early, {"title.de": "Danach", "action": "publish"})
    answer = await browser.post(path, late)
    assert answer.status == 409
    assert fields_of(answer)["title.de"] == "Danach"
    answer = await browser.post(path, filled(answer, {"action": "publish"}))
    assert answer.status == 303
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.title == {"de": "Danach"}


async def test_a_withdrawn_entry_is_published_again(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    await post_offer(browser, action="publish")
    (entry,) = await node_site.node.catalogue.mine(person)
    await node_site.node.catalogue.withdraw(person, entry.id)
    path = f"/e/{entry.id}/bearbeiten"
    page = await browser.get(path)
    answer = await browser.post(path, filled(page, {"action": "publish"}))
    assert answer.status == 303
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.state is EntryState.PUBLISHED
    assert entry.version.counter == 2


# ---- my entries ----


async def test_my_entries_start_with_the_kinds(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    page = await browser.get("/meine")
    assert "noch nichts eingestellt" in page.words
    assert "/neu/capacity_offer" in page.text


async def test_my_entries_say_state_readers_and_deadline(node_site: NodeSite) -> None:
    await node_site.add_partner("Alpennetz", "https://alpen.example")
    person, browser = await node_site.add_person()
    await post_offer(
        browser,
        **{
            "audience.level": "trusted",
            "valid_until": "2026-12-01",
            "action": "publish",
        },
    )
    await post_offer(browser, **{"title.de": "Nur ein Entwurf", "action": "draft"})
    page = await browser.get("/meine")
    assert "endet in 10 Tagen" in page.words
    assert "0 von 1 Partner-Cluster" in page.words
    assert "Alpennetz" in page.words
    (entry,) = [
        each
        for each in await node_site.node.catalogue.mine(person)
        if each.state is EntryState.PUBLISHED
    ]
    for step in ("bearbeiten", "gilt-weiter", "gefunden", "zurueckziehen"):
        assert f'href="/e/{entry.id}/{step}"' in page.text
    drafts = await browser.get("/meine?stand=entwurf")
    assert "Nur ein Entwurf" in drafts.words
    assert "Interferometer</a>" not in drafts.text


async def test_the_office_sees_the_entries_of_all(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    await post_offer(browser, action="publish")
    office = await node_site.office_browser()
    page = await office.get("/meine")
    assert "Freie Stunden am Interferometer" in page.words
    assert "Linsen GmbH" in page.words
    _other, elsewhere = await node_site.add_person("Otto", organisation="Andere AG")
    assert "Interferometer" not in (await elsewhere.get("/meine")).words
