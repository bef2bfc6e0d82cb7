"""The form of an entry: groups, exclusions, ceilings, fields that stay."""

from node.catalogue.model import AudienceLevel
from node.members.model import Role
from node.storage.ceilings import KindAudience
from node.visibility import PublicViewer
from tests.http.pages.conftest import NodeSite
from tests.http.pages.form_reading import fields_of, filled, post_offer

_ROW = "audience.exclude.organisations.0"


async def test_the_preview_says_who_reads_and_what_is_not_certain(
    node_site: NodeSite,
) -> None:
    await node_site.add_partner("Netz Süd", "https://sued.example", members=84)
    await node_site.add_person("Rolf Rivale", organisation="Rivale Optik GmbH")
    person, browser = await node_site.add_person()
    chosen = {
        "audience.level": "trusted",
        f"{_ROW}.name": "Rivale Optik",
        f"{_ROW}.vat_id": "DE 999 888 777",
    }
    page = await post_offer(browser, action="preview", **chosen)
    assert page.status == 200, page.words
    assert "Netz Süd 84 Mitglieder Sieht den Eintrag." in page.words
    assert "Von seinen 84 Mitgliedern sind hier 0 namentlich bekannt" in page.words
    assert "vielleicht eine Organisation, die Sie ausschließen: Rivale" in page.words
    # Nobody publishes with exclusions without having seen this.
    again = await post_offer(browser, action="publish", **chosen)
    assert (again.status, again.words) == (200, page.words)
    answer = await browser.post(
        "/neu/capacity_offer", filled(again, {"action": "publish"})
    )
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    found = await node_site.node.audiences.exclusions(entry.id)
    assert [(each.name, each.vat_id) for each in found.organisations] == [
        ("Rivale Optik", "DE 999 888 777")
    ]


async def test_what_was_excluded_is_in_the_form_and_can_be_taken_out(
    node_site: NodeSite,
) -> None:
    await node_site.add_partner("Netz Süd", "https://sued.example")
    person, browser = await node_site.add_person()
    preview = await post_offer(
        browser,
        action="preview",
        **{
            "audience.level": "trusted",
            "audience.exclude.partners": "https://sued.example",
            f"{_ROW}.name": "Rivale",
            f"{_ROW}.domains": "rivale.example, optik.example",
            f"{_ROW}.send_anyway": "y",
        },
    )
    await browser.post("/neu/capacity_offer", filled(preview, {"action": "publish"}))
    (entry,) = await node_site.node.catalogue.mine(person)
    path = f"/e/{entry.id}/bearbeiten"
    page = await browser.get(path)
    sent = fields_of(page)
    assert sent["audience.exclude.partners"] == "https://sued.example"
    assert sent[f"{_ROW}.domains"] == "rivale.example, optik.example"
    assert sent[f"{_ROW}.send_anyway"]
    # Another row, without a script.
    page = await browser.post(path, filled(page, {"action": "exclude"}))
    assert f"{_ROW}.name".replace(".0.", ".2.") in fields_of(page)
    changed = filled(page, {"action": "publish", f"{_ROW}.name": ""})
    changed[f"{_ROW}.domains"] = ""
    changed.pop(f"{_ROW}.send_anyway")
    changed.pop("audience.exclude.partners")
    answer = await browser.post(path, changed)
    assert answer.status == 303, answer.words
    assert not await node_site.node.audiences.exclusions(entry.id)


async def test_faults_of_exclusions_stand_at_their_fields(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    page = await post_offer(
        browser,
        action="publish",
        **{f"{_ROW}.name": "Rivale", f"{_ROW}.domains": "kein domain name"},
    )
    assert page.status == 422
    assert "kein domain name ist keine Domain." in page.words
    page = await post_offer(browser, action="publish", **{f"{_ROW}.vat_id": "DE1"})
    assert page.status == 422
    assert "Schreiben Sie auch den Namen der Organisation." in page.words
    page = await post_offer(
        browser, action="publish", **{"audience.level": "public", f"{_ROW}.name": "R"}
    )
    assert page.status == 422


async def test_a_group_is_offered_to_its_members_alone(node_site: NodeSite) -> None:
    member, inside = await node_site.add_person("Ina Innen", organisation="Innen AG")
    _person, outside = await node_site.add_person(
        "Ada Aussen", organisation="Aussen AG"
    )
    group = await node_site.node.audiences.make_group(
        node_site.office, "Arbeitskreis Messtechnik", [member.organisation_id]
    )
    assert "Arbeitskreis Messtechnik" in (await inside.get("/neu/event")).text
    assert "Arbeitskreis Messtechnik" not in (await outside.get("/neu/event")).text
    answer = await post_offer(
        inside,
        action="publish",
        **{"audience.level": "group", "audience.group": group.id},
    )
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(member)
    assert (await inside.get(f"/e/{entry.id}")).status == 200
    assert (await outside.get(f"/e/{entry.id}")).status == 404


async def test_the_offices_default_and_ceiling_shape_the_form(
    node_site: NodeSite,
) -> None:
    _person, browser = await node_site.add_person()
    limit = KindAudience("capacity_offer", AudienceLevel.TRUSTED, AudienceLevel.TRUSTED)
    await node_site.node.audiences.set_kind(node_site.office, limit)
    page = await browser.get("/neu/capacity_offer")
    assert fields_of(page)["audience.level"] == "trusted"
    assert 'value="public"' not in page.text
    assert 'value="public"' in (await browser.get("/neu/event")).text
    page = await post_offer(browser, action="publish", **{"audience.level": "public"})
    assert page.status == 422


async def test_a_telephone_number_stays_in_the_cluster(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    office = node_site.office
    document = {
        "kind": "expert_profile",
        "title": {"de": "Mia Muster"},
        "summary": {"de": "Fragt man nach Linsen."},
        "name": "Mia Muster",
        "expertise": ["Linsen"],
        "website": "https://mia.example",
        "contact": {"mode": "open", "phone": "+49 40 123456"},
        "audience": {"level": "public"},
    }
    await node_site.node.members.set_consent(
        office, person.id, on=node_site.clock.now().date(), source="Antrag"
    )
    catalogue = node_site.node.catalogue
    entry = await catalogue.publish(person, document)
    assert entry.document is not None
    assert b"123456" not in entry.document
    assert b"mia.example" in entry.document
    for path in (f"/e/{entry.id}", "/eintraege", "/"):
        assert "123456" not in (await node_site.visitor().get(path)).text
    assert "123456" in (await browser.get(f"/e/{entry.id}")).text
    shown, _verdict = await catalogue.show(PublicViewer(), entry.id)
    assert "phone" not in shown.content["contact"]
    # She chooses otherwise, and keeps something else at home.
    path = f"/e/{entry.id}/bearbeiten"
    page = await browser.get(path)
    assert fields_of(page).getall("audience.home") == ["contact.phone"]
    sent = filled(page, {"action": "publish"})
    sent.popall("audience.home")
    sent.add("audience.home", "website")
    answer = await browser.post(path, sent)
    assert answer.status == 303, answer.words
    entry, _verdict = await catalogue.show(person, entry.id)
    assert entry.document is not None
    assert b"123456" in entry.document
    assert b"mia.example" not in entry.document


async def test_the_organisations_page_is_for_its_administrators(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person()
    admin, chief = await node_site.add_person("Otto Ober", role=Role.ORGANISATION_ADMIN)
    assert (await browser.get("/firma")).status == 403
    other, _browser = await node_site.add_person("Ada Fern", organisation="Fern AG")
    assert (await chief.get(f"/firma/{other.organisation_id}")).status == 403
    assert (await chief.get("/firma")).status == 200
    answer = await chief.post(
        "/firma/kennung",
        {"vat_id": "DE 1", "register_id": "", "domains": "linsen.example"},
    )
    assert answer.status == 303, answer.words
    found = await node_site.node.members.organisation(admin.organisation_id)
    assert (found.vat_id, found.domains) == ("DE 1", ("linsen.example",))
    await post_offer(browser, action="publish", **{"audience.level": "public"})
    seen = await chief.post("/firma/grenze", {"ceiling": "cluster"})
    assert "1 Eintrag wird unsichtbar für alle ohne Anmeldung." in seen.words
    assert (await node_site.visitor().get("/eintraege")).text.count("/e/") > 0
    answer = await chief.post(
        "/firma/grenze", {"ceiling": "cluster", "schritt": "speichern"}
    )
    assert answer.status == 303
    (entry,) = await node_site.node.catalogue.mine(person)
    verdict = await node_site.node.catalogue.why(PublicViewer(), entry.id)
    assert verdict.rule == "VIS-063"
