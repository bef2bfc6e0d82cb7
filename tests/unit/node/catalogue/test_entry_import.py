"""Entries from a table: columns, faults by row, repeat, dry run, consent."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import schemas
from node.catalogue.import_content import (
    column_for,
    column_of_pointer,
    fields_of,
    flat,
    read_content,
)
from node.catalogue.import_specs import (
    read_certificates,
    read_decimal,
    read_specifications,
    read_unit,
)
from node.catalogue.model import AudienceLevel, EntryState
from node.errors import InvalidInputError, NotAuthorisedError
from node.members.csv_table import Row, normal_heading
from node.members.fields import FieldError
from node.members.model import Role
from node.storage.database import SqliteDatabase
from node.storage.schema import migrate
from tests.contract.member_world import World, make_world

ORGANISATIONS = (
    "external_id;name;org_type;website\n"
    "o1;Beispiel Optik GmbH;company;https://optik.example\n"
    "o2;Institut für Laser;university;\n"
)
PERSONS = (
    "external_id;organisation;name;email;role;consent_date;consent_source\n"
    "p1;o1;Helga Brandis;helga@optik.example;organisation-admin;2025-09-15;Formular\n"
    "p2;o2;Jan Muster;jan@laser.example;;;\n"
)
HEADER = (
    "kind;external_id;organisation;person;title_de;title_en;summary_de;audience;"
    "valid_until;topics;equipment_class;availability;price.mode;price.amount;"
    "price.currency;price.per;specs;expertise\n"
)
OFFER = (
    "Kapazitätsangebot;k1;o1;;Freie Stunden;Free hours;Tageweise frei.;Eigenes Cluster;"
    "31.01.2027;Messtechnik | Optik;measuring;Sofort;from;95,50;EUR;h;"
    "Messfeld: 4,5 mm | Temperatur: -20 bis 60 °C;\n"
)
PROFILE = (
    "expert_profile;k2;o2;jan@laser.example;;;Berät zu Lasern.;trusted"
    ";;;;;;;;;;Laser | Optik\n"
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    database = SqliteDatabase(tmp_path / "node.sqlite")
    await migrate(database)
    world = await make_world(database)
    for file in (ORGANISATIONS, PERSONS):
        report = await world.members.import_members(world.admin, file.encode())
        assert report.errors == ()
    yield world
    await database.close()


async def run(world: World, text: str, **options: Any) -> Any:
    return await world.entry_import.import_entries(
        world.admin, text.encode(), **options
    )


async def test_a_survey_fills_the_exchange(world: World) -> None:
    report = await run(world, HEADER + OFFER + PROFILE)
    assert report.errors == ()
    assert (report.added, report.without_consent) == (2, 1)
    entries = {
        each.external_id: each for each in await world.catalogue.mine(world.admin)
    }
    offer = entries["k1"]
    assert offer.state is EntryState.PUBLISHED
    assert offer.organisation_name == "Beispiel Optik GmbH"
    assert offer.person_id is None
    assert offer.content == {
        "kind": "capacity_offer",
        "title": {"de": "Freie Stunden", "en": "Free hours"},
        "summary": {"de": "Tageweise frei."},
        "valid_until": "2027-01-31",
        "topics": ["Messtechnik", "Optik"],
        "equipment_class": "measuring",
        "availability": "now",
        "price": {"mode": "from", "amount": "95.50", "currency": "EUR", "per": "HUR"},
        "specs": [
            {"name": {"de": "Messfeld"}, "value": "4.5", "unit": "MMT"},
            {"name": {"de": "Temperatur"}, "min": "-20", "max": "60", "unit": "CEL"},
        ],
    }
    profile = entries["k2"]
    assert profile.content["name"] == "Jan Muster"
    assert profile.content["title"] == {"de": "Jan Muster"}
    assert profile.audience.level is AudienceLevel.TRUSTED
    assert not profile.person_consented
    assert profile.valid_until is not None


async def test_repeat_and_differences(world: World) -> None:
    await run(world, HEADER + OFFER + PROFILE)
    world.clock.advance(days=3)  # the last day of the profile must not creep
    again = await run(world, HEADER + OFFER + PROFILE)
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert again.without_consent == 1
    changed = OFFER.replace("95,50", "99").replace("Eigenes Cluster", "public")
    report = await run(world, HEADER + changed + PROFILE)
    [row] = report.changes
    assert (row.row, row.key) == (2, "k1")
    assert [(each.column, each.before, each.after) for each in row.changes] == [
        ("price.amount", "95.50", "99"),
        ("audience", "cluster", "public"),
    ]
    [entry] = [
        each
        for each in await world.catalogue.mine(world.admin)
        if each.external_id == "k1"
    ]
    assert entry.version.counter == 2
    assert entry.audience.level is AudienceLevel.PUBLIC


async def test_dry_run_tells_the_same_and_writes_nothing(world: World) -> None:
    dry = await run(world, HEADER + OFFER + PROFILE, dry_run=True)
    assert dry.dry_run
    assert await world.catalogue.mine(world.admin) == []
    real = await run(world, HEADER + OFFER + PROFILE)
    assert dry.rows == real.rows
    changed = HEADER + OFFER.replace("95,50", "99")
    dry = await run(world, changed, dry_run=True)
    assert dry.changed == 1
    assert (await run(world, changed)).rows == dry.rows


async def test_faults_name_row_and_column_and_the_rest_is_stored(
    world: World,
) -> None:
    def changed(key: str, old: str, new: str) -> str:
        assert old in OFFER
        return OFFER.replace(";k1;", f";{key};").replace(old, new)

    report = await run(
        world,
        HEADER
        + changed("a", "Kapazitätsangebot", "Maschine")
        + changed("b", "31.01.2027", "31.02.2027")
        + changed("c", "31.01.2027", "2026-01-31")
        + changed("d", "Sofort", "bald")
        + changed("e", ";o1;", ";o9;")
        + changed("f", "95,50", "1.000")
        + changed("g", "4,5 mm", "4,5 mmm")
        + changed("h", "Eigenes Cluster", "partners")
        + changed("i", "Freie Stunden", "")
        .replace("Free hours", "X")
        .replace("EUR", "")
        + changed("j", ";;Freie", ";niemand@x.example;Freie")
        + changed("k", ";;Freie", ";jan@laser.example;Freie")
        + changed("", "h;", "h;")
        + PROFILE.replace("jan@laser.example", "")
        + OFFER.replace("\n", "Laser\n")
        + changed("ok", "95,50", "95"),
    )
    assert [(each.row, each.column) for each in report.errors] == [
        (2, "kind"),
        (3, "valid_until"),
        (4, "valid_until"),
        (5, "availability"),
        (6, "organisation"),
        (7, "price.amount"),
        (8, "specs"),
        (9, "partners"),
        (10, "price.currency"),
        (10, "title_en"),
        (11, "person"),
        (12, "person"),
        (13, "external_id"),
        (14, "person"),
        (15, "expertise"),
    ]
    assert report.added == 1
    [entry] = await world.catalogue.mine(world.admin)
    assert entry.external_id == "ok"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ((HEADER + OFFER).encode("utf-16"), "wrong-encoding"),
        (HEADER.replace("external_id;", "").encode(), "missing-column"),
        (HEADER.replace("kind;", "x;").encode(), "missing-column"),
        ((HEADER + OFFER + OFFER).encode(), "duplicate-key"),
    ],
)
async def test_a_bad_file_stores_nothing(world: World, data: bytes, code: str) -> None:
    for dry_run in (True, False):
        with pytest.raises(InvalidInputError) as caught:
            await world.entry_import.import_entries(world.admin, data, dry_run=dry_run)
        assert caught.value.code == code
    assert await world.catalogue.mine(world.admin) == []


async def test_what_a_member_withdrew_is_not_published_again(world: World) -> None:
    await run(world, HEADER + OFFER)
    [entry] = await world.catalogue.mine(world.admin)
    await world.catalogue.withdraw(world.admin, entry.id)
    assert (await run(world, HEADER + OFFER)).unchanged == 1
    report = await run(world, HEADER + OFFER.replace("95,50", "99"))
    assert [(each.row, each.column) for each in report.errors] == [(2, "external_id")]
    [entry] = await world.catalogue.mine(world.admin)
    assert entry.state is EntryState.WITHDRAWN


async def test_who_may_import(world: World) -> None:
    helga = await world.members.person_by_email("helga@optik.example")
    jan = await world.members.person_by_email("jan@laser.example")
    data = (HEADER + OFFER + PROFILE).encode()
    with pytest.raises(NotAuthorisedError):
        await world.entry_import.import_entries(jan, data)
    report = await world.entry_import.import_entries(helga, data)
    assert report.added == 1
    assert [(each.row, each.column) for each in report.errors] == [(3, "organisation")]
    await run(world, HEADER + PROFILE)
    other = replace(helga, organisation_id="x", id="y")
    theirs = await world.entry_import.import_entries(
        replace(other, role=Role.ORGANISATION_ADMIN), (HEADER + OFFER).encode()
    )
    assert [each.column for each in theirs.errors] == ["external_id"]


def cells_of(kind: str, content: dict[str, Any]) -> dict[str, str]:
    """Write a content as cells, as far as a table holds it."""
    cells = {}
    for field in fields_of(kind).values():
        value: Any = content
        for step in field.path:
            value = value.get(step) if isinstance(value, dict) else None
        if value is None:
            continue
        match field.shape.name:
            case "LANGUAGES":
                for language, text in value.items():
                    cells[normal_heading(f"{field.heading}_{language}")] = text
            case "LIST":
                cells[field.heading] = " | ".join(value)
            case "CERTIFICATES":
                cells[field.heading] = " | ".join(
                    each["standard"]
                    + (f" ({each['scope']})" if "scope" in each else "")
                    + (f" bis {each['valid_until']}" if "valid_until" in each else "")
                    for each in value
                )
            case "ONE":
                cells[field.heading] = str(value)
    return cells


@pytest.mark.parametrize("kind", schemas.KINDS)
def test_every_field_of_the_examples_fits_into_cells(kind: str) -> None:
    for example in schemas.examples(kind, valid=True):
        document = json.loads(json.dumps(example.document))
        content = {
            key: value
            for key, value in document.items()
            if key not in {"audience", "on_behalf_of", "external_id"}
        }
        cells = cells_of(kind, content)
        assert all(column_for(column) == column for column in cells)
        read, errors = read_content(Row(2, cells), kind, default_language="de")
        assert errors == []
        for unfit in ("specs", "contacts"):
            content.pop(unfit, None)
        assert read == content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("400 mm", {"value": "400", "unit": "MMT"}),
        ("1,8 µm", {"value": "1.8", "unit": "4H"}),
        ("1,8 μm", {"value": "1.8", "unit": "4H"}),
        ("400\u2013600 nm", {"min": "400", "max": "600", "unit": "C45"}),
        ("400 - 600 nm", {"min": "400", "max": "600", "unit": "C45"}),
        ("-20 bis 60 °C", {"min": "-20", "max": "60", "unit": "CEL"}),
        ("max. 25 kg", {"max": "25", "unit": "KGM"}),
        ("≥ 3 Stück", {"min": "3", "unit": "H87"}),
        ("10 mW", {"value": "10", "unit": "C31"}),
        ("10 MW", {"value": "10", "unit": "MAW"}),
        ("12", {"value": "12", "unit": "C62"}),
        ("0,001 mm", {"value": "0.001", "unit": "MMT"}),
        ("ISO-Klasse 7", {"text": {"de": "ISO-Klasse 7"}}),
        ("5-Achs", {"text": {"de": "5-Achs"}}),
        ("3 mm und mehr", {"text": {"de": "3 mm und mehr"}}),
    ],
)
def test_specification(text: str, expected: dict[str, Any]) -> None:
    [found] = read_specifications(f"Größe: {text}", language="de")
    assert found == {"name": {"de": "Größe"}, **expected}


@pytest.mark.parametrize(
    "text", ["ohne Doppelpunkt", ": 3 mm", "Name:", "Länge: 3 mmm", "Zahl: 1.000 mm"]
)
def test_no_specification(text: str) -> None:
    with pytest.raises(FieldError):
        read_specifications(text, language="de")


@pytest.mark.parametrize("text", ["", "1.000", "1,000,000", "1.2.3", "٣", "1e3", "a"])
def test_no_number(text: str) -> None:
    with pytest.raises(FieldError):
        read_decimal(text)


def test_units_tell_upper_from_lower_case() -> None:
    assert read_unit("Millimeter") == read_unit("mmt") == read_unit("mm") == "MMT"
    with pytest.raises(FieldError):
        read_unit("Mw")


def test_certificates() -> None:
    assert read_certificates("ISO 9001 | ISO 13485 (Optik) bis 31.03.2029") == [
        {"standard": "ISO 9001"},
        {"standard": "ISO 13485", "scope": "Optik", "valid_until": "2029-03-31"},
    ]


@pytest.mark.parametrize(
    ("pointer", "column"),
    [
        ("/title/de", "title_de"),
        ("/price/amount", "price.amount"),
        ("/specs/0/unit", "specs"),
        ("/topics/3", "topics"),
        ("/audience/partners/0", "partners"),
        ("/on_behalf_of/person", "person"),
        ("/fee/note/en", "fee.note_en"),
        ("/ends", "ends"),
        ("", ""),
        ("/new_field", "new_field"),
    ],
)
def test_a_fault_names_its_column(pointer: str, column: str) -> None:
    assert column_of_pointer(pointer) == column


def test_flat_shows_a_content_as_cells() -> None:
    content = {"title": {"de": "A"}, "price": {"mode": "from"}, "topics": ["a", "b"]}
    assert flat(content) == {"title_de": "A", "price.mode": "from", "topics": "a | b"}
