"""Posting entries: the form of each kind, its faults, its preview, the office."""

import re
from datetime import date

import schemas
from node.catalogue.model import AudienceLevel, EntryState
from node.members.model import Role
from tests.http.pages.conftest import NodeSite
from tests.http.pages.form_reading import (
    OFFER,
    as_comparable,
    fields_of,
    filled,
    post_offer,
)

KINDS = tuple(schemas.KINDS)


# ---- who may ----


async def test_visitors_are_led_to_the_sign_in(node_site: NodeSite) -> None:
    visitor = node_site.visitor()
    for path in ("/neu", "/neu/event", "/meine", "/e/x/bearbeiten"):
        answer = await visitor.get(path)
        assert answer.status == 303
        assert answer.location.startswith("/anmelden?weiter=")


async def test_an_unknown_kind_is_not_found(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    assert (await browser.get("/neu/gebrauchtwagen")).status == 404


async def test_the_kinds_are_offered_in_pairs(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    page = await browser.get("/neu")
    assert [f"/neu/{kind}" in page.text for kind in KINDS] == [True] * 7
    assert page.text.index("capacity_offer") < page.text.index("capacity_request")
    assert "Kapazitätsangebot" in page.words


# ---- publishing ----


async def test_the_form_starts_with_the_kinds_lifetime_and_the_own_cluster(
    node_site: NodeSite,
) -> None:
    _person, browser = await node_site.add_person()
    sent = fields_of(await browser.get("/neu/capacity_offer"))
    assert sent["valid_until"] == "2027-02-19"  # 90 days after 21 November 2026
    assert sent["audience.level"] == "cluster"
    assert sent["price.mode"] == "on_request"


async def test_three_fields_and_the_kinds_own_are_enough(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    answer = await post_offer(browser, action="publish")
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert answer.location == f"/e/{entry.id}"
    assert entry.state is EntryState.PUBLISHED
    assert entry.audience.level is AudienceLevel.CLUSTER
    assert dict(entry.content) == {
        "kind": "capacity_offer",
        "title": {"de": "Freie Stunden am Interferometer"},
        "summary": {"de": "Prüfung von Linsen, auch am Wochenende."},
        "valid_until": "2027-02-19",
        "equipment_class": "measuring",
        "availability": "this_month",
        "price": {"mode": "on_request"},
    }
    assert entry.person_id == person.id


async def test_every_kind_can_be_published_with_all_its_fields(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person(role=Role.ORGANISATION_ADMIN)
    catalogue = node_site.node.catalogue
    for kind in KINDS:
        full = next(e for e in schemas.examples(kind, valid=True) if e.name == "full")
        content, _beside = schemas.split_file(full.document)
        draft = await catalogue.publish(
            person, {**content, "audience": {"level": "cluster"}}, draft=True
        )
        path = f"/e/{draft.id}/bearbeiten"
        page = await browser.get(path)
        assert page.status == 200
        answer = await browser.post(path, filled(page, {"action": "publish"}))
        assert answer.status == 303, answer.words
        entry, _verdict = await catalogue.show(person, draft.id)
        assert as_comparable(entry.content) == as_comparable(content)
        assert (entry.state, entry.version.counter) == (EntryState.PUBLISHED, 2)


async def test_numbers_days_and_lists_as_people_type_them(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    answer = await post_offer(
        browser,
        **{
            "valid_until": "31.03.2027",
            "specs.1.name.de": "Abweichung",
            "specs.1.value": "1,8",
            "specs.1.unit": "4H",
            "specs.3.name.de": "Masse",
            "specs.3.max": "1'250,5",
            "specs.3.unit": "KGM",
            "price.mode": "from",
            "price.amount": "95,50",
            "price.currency": "CHF",
            "price.per": "HUR",
            "lot_size.max": "6.000",
            "topics": "Optik, Messtechnik,Optik",
            "regions": "Hessen, schweiz, FR-GES",
            "nace": "26.70; 71.20",
            "action": "publish",
        },
    )
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    content = entry.content
    assert content["valid_until"] == "2027-03-31"
    assert content["specs"] == [
        {"name": {"de": "Abweichung"}, "value": "1.8", "unit": "4H"},
        {"name": {"de": "Masse"}, "max": "1250.5", "unit": "KGM"},
    ]
    assert content["price"] == {
        "mode": "from",
        "amount": "95.50",
        "currency": "CHF",
        "per": "HUR",
    }
    assert content["lot_size"] == {"max": 6000}
    assert content["topics"] == ["Optik", "Messtechnik"]
    assert content["regions"] == ["DE-HE", "CH", "FR-GES"]
    assert content["nace"] == ["26.70", "71.20"]


async def test_english_alone_is_enough(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    answer = await post_offer(
        browser,
        **{
            "title.de": "",
            "summary.de": "",
            "title.en": "Free hours",
            "summary.en": "On an interferometer.",
            "action": "publish",
        },
    )
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.title == {"en": "Free hours"}


async def test_an_english_page_asks_for_english_first(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person(language="en")
    page = await browser.get("/neu/technology_request")
    assert fields_of(page)["shape.languages"] == "en,de"
    assert "In another language: German" in page.words


async def test_a_draft_is_seen_by_nobody_else(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    _other, elsewhere = await node_site.add_person("Otto", organisation="Andere AG")
    answer = await post_offer(
        browser, **{"audience.level": "public", "action": "draft"}
    )
    assert answer.location == "/meine"
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.state is EntryState.DRAFT
    assert (await elsewhere.get(f"/e/{entry.id}")).status == 404
    assert (await node_site.visitor().get(f"/e/{entry.id}")).status == 404


# ---- faults ----


async def test_missing_fields_are_named_and_the_rest_is_kept(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person()
    answer = await post_offer(
        browser, **{"title.de": "", "equipment_class": "", "topics": "Optik"}
    )
    assert answer.status == 422
    assert "<title>Fehler:" in answer.text
    for field in ("title.de", "equipment_class"):
        assert f'href="#{field}"' in answer.text
        assert f'id="{field}-error"' in answer.text
    sent = fields_of(answer)
    assert sent["topics"] == "Optik"
    assert sent["summary.de"].startswith("Prüfung von Linsen")
    assert await node_site.node.catalogue.mine(person) == []


FAULTS: list[tuple[str, dict[str, str]]] = [
    ("title.de", {"title.de": "ab"}),
    ("valid_until", {"valid_until": "20.11.2026"}),
    ("specs.2.unit", {"specs.2.name.de": "Weg", "specs.2.value": "3"}),
    (
        "specs.2.max",
        {
            "specs.2.name.de": "Weg",
            "specs.2.min": "9",
            "specs.2.max": "3",
            "specs.2.unit": "MMT",
        },
    ),
    ("specs.0.value", {"specs.0.value": "viel"}),
    ("price.amount", {"price.amount": "12"}),
    (
        "price.currency",
        {"price.mode": "fixed", "price.amount": "12", "price.currency": ""},
    ),
    ("regions", {"regions": "Hessen, Mordor"}),
    ("nace", {"nace": "26.70, Optik"}),
    ("contact.phone", {"contact.phone": "ruf an"}),
    ("contact.reply_within_days", {"contact.reply_within_days": "90"}),
    ("equipment.year_built", {"equipment.name": "M", "equipment.year_built": "19"}),
    ("certificates.1.standard", {"certificates.1.scope": "alles"}),
    ("audience.partners", {"audience.level": "partners"}),
    ("topics", {"topics": ",".join(f"Thema {n}" for n in range(13))}),
]


async def test_each_fault_stands_at_its_field(node_site: NodeSite) -> None:
    await node_site.add_partner("Nachbar", "https://nachbar.example")
    person, browser = await node_site.add_person()
    for field, values in FAULTS:
        answer = await post_offer(browser, **values, action="publish")
        named = re.findall(r'id="([^"]+)-error"', answer.text)
        assert (answer.status, named) == (422, [field]), values
        assert f'href="#{field}' in answer.text, "the summary leads to the field"
    assert await node_site.node.catalogue.mine(person) == []


async def test_an_event_on_site_needs_its_place(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    page = await browser.get("/neu/event")
    values = {
        "title.de": "Arbeitskreis",
        "summary.de": "Treffen.",
        "starts.day": "2027-03-14",
        "starts.time": "9.30",
        "ends.day": "14.03.2027",
        "ends.time": "17 Uhr",
        "format": "workshop",
        "attendance": "onsite",
        "action": "publish",
    }
    answer = await browser.post("/neu/event", filled(page, values))
    assert answer.status == 422
    assert re.findall(r'id="([^"]+)-error"', answer.text) == ["location.city"]
    placed = {**values, "location.city": "Wetzlar", "location.country": "DE"}
    answer = await browser.post("/neu/event", filled(page, placed))
    assert answer.status == 303, answer.words


async def test_markup_is_shown_as_text(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    answer = await post_offer(browser, **{"title.de": "<script>x</script>"})
    assert "<script>x" not in answer.text
    assert "&lt;script&gt;x" in answer.text


# ---- rows, languages ----


async def test_a_further_row_needs_no_script_and_keeps_what_was_typed(
    node_site: NodeSite,
) -> None:
    _person, browser = await node_site.add_person()
    page = await browser.get("/neu/capacity_offer")
    assert 'name="specs.3.value"' in page.text
    assert 'name="specs.4.value"' not in page.text
    typed = {"title.de": "Halb fertig", "specs.0.value": "1,8", "action": "row:specs"}
    page = await browser.post("/neu/capacity_offer", filled(page, typed))
    assert page.status == 200
    sent = fields_of(page)
    assert sent["shape.rows.specs"] == "5"
    assert 'name="specs.4.value"' in page.text
    assert (sent["title.de"], sent["specs.0.value"]) == ("Halb fertig", "1,8")
    assert "-error" not in page.text


async def test_rows_are_bounded_whatever_is_sent(node_site: NodeSite) -> None:
    _person, browser = await node_site.add_person()
    page = await browser.get("/neu/capacity_offer")
    sent = filled(page, {"shape.rows.specs": "999999", "action": "row:specs"})
    page = await browser.post("/neu/capacity_offer", sent)
    assert fields_of(page)["shape.rows.specs"] == "20"
    assert 'value="row:specs"' not in page.text


async def test_a_third_language_can_be_added(node_site: NodeSite) -> None:
    person, browser = await node_site.add_person()
    page = await browser.get("/neu/capacity_offer")
    page = await browser.post(
        "/neu/capacity_offer",
        filled(page, {**OFFER, "more.language": "fr", "action": "language"}),
    )
    values = {
        "title.fr": "Heures libres",
        "summary.fr": "Contrôle.",
        "action": "publish",
    }
    answer = await browser.post("/neu/capacity_offer", filled(page, values))
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert set(entry.title) == {"de", "fr"}


# ---- preview ----


SEEN = {
    "cluster": [True, False, False, False],
    "partners": [False, True, False, False],
    "trusted": [True, True, True, False],
    "public": [True, True, True, True],
}


async def test_the_preview_names_every_reader(node_site: NodeSite) -> None:
    await node_site.add_partner("Alpennetz", "https://alpen.example", members=31)
    await node_site.add_partner("Nordnetz", "https://nord.example")
    person, browser = await node_site.add_person()
    for level, seen in SEEN.items():
        values = {"audience.level": level, "action": "preview"}
        if level == "partners":
            values["audience.partners"] = "https://alpen.example"
        page = await post_offer(browser, **values)
        assert page.status == 200
        readers = re.findall(
            r'<li class="reader tone-(ok|neutral)">.*?<b>(.*?)</b>',
            page.text,
            re.DOTALL,
        )
        assert [tone == "ok" for tone, _name in readers] == seen, level
        assert "Laborcluster" in readers[0][1]
        assert [name for _tone, name in readers[1:3]] == ["Alpennetz", "Nordnetz"]
        assert "31 Mitglieder" in page.words
        assert "84 Mitglieder" in page.words
    assert await node_site.node.catalogue.mine(person) == []


async def test_from_the_preview_to_the_entry_or_back(node_site: NodeSite) -> None:
    partner = await node_site.add_partner("Alpennetz", "https://alpen.example")
    person, browser = await node_site.add_person()
    preview = await post_offer(
        browser,
        **{
            "audience.level": "partners",
            "audience.partners": ["https://alpen.example"],
            "specs.0.name.de": "Weg",
            "specs.0.value": "1,8",
            "specs.0.unit": "MMT",
            "body.de": "Erste Zeile\r\n\r\nZweite Zeile",
        },
    )
    assert "1,8" in preview.words
    carried = fields_of(preview)
    back = await browser.post("/neu/capacity_offer", {**carried, "action": "change"})
    assert back.status == 200
    assert fields_of(back)["specs.0.value"] == "1,8"
    assert fields_of(back)["audience.partners"] == "https://alpen.example"
    carried.add("action", "publish")
    answer = await browser.post("/neu/capacity_offer", carried)
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert entry.audience.partner_ids == {partner.id}
    assert entry.content["body"] == {"de": "Erste Zeile\n\nZweite Zeile"}


async def test_a_profile_without_consent_says_that_it_stays(
    node_site: NodeSite,
) -> None:
    await node_site.add_partner("Alpennetz", "https://alpen.example")
    person, browser = await node_site.add_person()
    page = await browser.get("/neu/expert_profile")
    assert fields_of(page)["name"] == "Mia Muster"
    assert "für Mia Muster ist noch keine Einwilligung vermerkt" in page.words
    values = {
        "title.de": "Lasersicherheit",
        "summary.de": "Berät.",
        "expertise": "Laser",
        "audience.level": "trusted",
    }
    preview = await browser.post("/neu/expert_profile", filled(page, values))
    readers = re.findall(r'<li class="reader tone-(ok|neutral)">', preview.text)
    assert readers == ["ok", "neutral", "neutral"]
    await node_site.node.members.set_consent(
        None, person.id, on=date(2026, 11, 1), source="Formular"
    )
    page = await browser.get("/neu/expert_profile")
    assert "keine Einwilligung" not in page.words
    preview = await browser.post("/neu/expert_profile", filled(page, values))
    readers = re.findall(r'<li class="reader tone-(ok|neutral)">', preview.text)
    assert readers == ["ok", "ok", "neutral"]


# ---- the office ----


async def test_the_office_publishes_on_behalf_of_a_member(node_site: NodeSite) -> None:
    person, _browser = await node_site.add_person()
    office = await node_site.office_browser()
    page = await office.get(f"/neu/capacity_offer?fuer={person.organisation_id}")
    assert fields_of(page)["on_behalf_of.organisation"] == person.organisation_id
    values = {**OFFER, "on_behalf_of.person": person.email, "action": "publish"}
    answer = await office.post("/neu/capacity_offer", filled(page, values))
    assert answer.status == 303, answer.words
    (entry,) = await node_site.node.catalogue.mine(person)
    assert (entry.organisation_id, entry.person_id) == (
        person.organisation_id,
        person.id,
    )


async def test_choosing_an_organisation_shows_its_persons(node_site: NodeSite) -> None:
    person, _browser = await node_site.add_person()
    office = await node_site.office_browser()
    page = await office.get("/neu/capacity_offer")
    assert person.email not in page.text
    chosen = {"on_behalf_of.organisation": person.organisation_id, "action": "owner"}
    page = await office.post("/neu/capacity_offer", filled(page, chosen))
    assert page.status == 200
    assert person.email in page.text
    assert fields_of(page)["on_behalf_of.person"] == ""


async def test_names_follow_when_the_office_chooses_another_organisation(
    node_site: NodeSite,
) -> None:
    person, _browser = await node_site.add_person()
    office = await node_site.office_browser()
    chosen = {"on_behalf_of.organisation": person.organisation_id, "action": "owner"}
    page = await office.get("/neu/expert_profile")
    page = await office.post("/neu/expert_profile", filled(page, chosen))
    sent = fields_of(page)
    assert (sent["on_behalf_of.person"], sent["name"]) == (person.email, person.name)
    page = await office.get("/neu/organisation_profile")
    page = await office.post("/neu/organisation_profile", filled(page, chosen))
    assert fields_of(page)["legal_name"] == "Linsen GmbH"
    typed = filled(page, {**chosen, "legal_name": "Linsen Holding"})
    page = await office.post("/neu/organisation_profile", typed)
    assert fields_of(page)["legal_name"] == "Linsen Holding"


async def test_a_member_cannot_publish_for_another_organisation(
    node_site: NodeSite,
) -> None:
    person, browser = await node_site.add_person()
    other, _elsewhere = await node_site.add_person("Otto", organisation="Andere AG")
    answer = await post_offer(
        browser,
        **{
            "action": "publish",
            "audience.level": "cluster",
        },
    )
    assert answer.status == 303
    page = await browser.get(f"/neu/capacity_offer?fuer={other.organisation_id}")
    sent = filled(page, {**OFFER, "action": "publish"})
    sent.add("on_behalf_of.organisation", other.organisation_id)
    sent.add("on_behalf_of.person", other.email)
    await browser.post("/neu/capacity_offer", sent)
    found = await node_site.node.catalogue.mine(person)
    assert {entry.organisation_id for entry in found} == {person.organisation_id}
    assert await node_site.node.catalogue.mine(other) == []
