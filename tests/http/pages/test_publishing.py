"""Posting entries: the form of each kind, its preview, and the list of one's own."""

import copy
import re
from collections.abc import Mapping
from datetime import date
from html.parser import HTMLParser
from typing import Any

import pytest
from multidict import MultiDict

import schemas
from node.catalogue.model import AudienceLevel, EntryState
from node.members.model import Role
from node.web.pages.entry_form import form_of_document, sent_form, sent_shape
from node.web.pages.entry_form.typed import join_terms, split_terms
from tests.http.pages.conftest import Browser, NodeSite, Page

KINDS = tuple(schemas.KINDS)
VALID = [
    pytest.param(example, id=f"{kind}-{example.name}")
    for kind in KINDS
    for example in schemas.examples(kind, valid=True)
]


class _Fields(HTMLParser):
    """What a browser would send of the form with the most fields on a page."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: MultiDict[str] = MultiDict()
        self._in_form = False
        self._select: tuple[str, list[str], list[str]] | None = None
        self._area: tuple[str, list[str]] | None = None

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

    def handle_data(self, data: str) -> None:
        if self._area:
            self._area[1].append(data)


def fields_of(page: Page) -> MultiDict[str]:
    parser = _Fields()
    parser.feed(page.text)
    return parser.sent


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


# ---- the form and the entry, without a server ----


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


def sent_as_drawn(form: Any) -> MultiDict[str]:
    sent = MultiDict(form.shape.hidden())
    parser = _Fields()
    parser.feed("<form>" + "".join(str(each()) for each in form.fields) + "</form>")
    sent.extend(parser.sent)
    return sent


@pytest.mark.parametrize("example", VALID)
def test_every_example_survives_the_form(example: schemas.Example) -> None:
    content, _beside = schemas.split_file(example.document)
    shown = form_of_document(content, ("de", "en"), values={}, beside=dict)
    sent = sent_as_drawn(shown)
    shape = sent_shape(example.kind, sent, ("de", "en"))
    read = sent_form(example.kind, sent, shape=shape, beside=dict)
    assert read.check(), read.fields.errors
    assert as_comparable(read.content()) == as_comparable(content)


@pytest.mark.parametrize("kind", KINDS)
def test_the_form_has_a_field_for_everything_the_schema_knows(kind: str) -> None:
    from node.web.pages.entry_form.kinds import PLANS

    envelope = schemas.load_schema("envelope")["properties"]
    own = schemas.load_schema(f"entries/{kind}")["properties"]
    known = {*envelope, *own} - {"kind"}
    if kind == "event":
        known -= {"valid_until"}  # an event ends when it ends
    assert {item.path for item in PLANS[kind].items} == known


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_groups_and_rows_are_those_of_the_schema(kind: str) -> None:
    from node.web.pages.entry_form.kinds import PLANS
    from node.web.pages.entry_form.plan import FieldPlan

    values = schemas.load_schema("values")["$defs"]
    own = {
        **schemas.load_schema("envelope")["properties"],
        **schemas.load_schema(f"entries/{kind}")["properties"],
    }

    def parts(schema: Mapping[str, Any]) -> set[str]:
        if "$ref" in schema:
            return parts(values[schema["$ref"].rpartition("/")[2]])
        if "items" in schema:
            return parts(schema["items"])
        return set(schema["properties"])

    for item in PLANS[kind].items:
        if not isinstance(item, FieldPlan):
            assert {part.path for part in item.fields} == parts(own[item.path])


@pytest.mark.parametrize(
    "terms",
    [
        ["Glas", "Metall"],
        ["Härten, Vergüten", "Schleifen"],
        ['5" Wafer; beidseitig', '"so genannt"'],
        ["a;b", 'c"d', 'e,"f"'],
    ],
)
def test_terms_with_commas_stay_whole(terms: list[str]) -> None:
    assert split_terms(join_terms(terms)) == terms


def test_terms_are_split_at_commas_and_lines() -> None:
    assert split_terms(" Glas,Metall ;\n Glas,, Kunst  stoff ") == [
        "Glas",
        "Metall",
        "Kunst stoff",
    ]


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
