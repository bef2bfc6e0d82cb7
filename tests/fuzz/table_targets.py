"""Lists that an office imports: members and entries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import schemas
from node.catalogue.entry_import import _kind, read_entry_table
from node.catalogue.import_content import column_of_pointer, flat, read_content
from node.catalogue.publication import read_publication
from node.errors import InvalidInputError
from node.members.csv_export import write_table
from node.members.csv_table import Table
from node.members.import_columns import ORGANISATION_COLUMNS, PERSON_COLUMNS, Column
from node.members.import_members import read_member_file
from node.members.import_plan import (
    PersonState,
    PlannedRow,
    plan_organisations,
    plan_persons,
)
from node.members.import_report import ImportSubject, RowAction
from node.members.model import Organisation, Person, Role
from tests.fuzz.target import Target, law
from tests.unit.federation.nodes import NOW

_ORGANISATIONS = (
    Organisation(id="o1", name="Beispiel Optik GmbH", external_id="o1"),
    Organisation(id="o2", name="Muster AG", description={"de": "Alt"}),
)
_PERSONS = (
    Person(
        id="p1",
        organisation_id="o1",
        organisation_name="Beispiel Optik GmbH",
        email="helga@optik.example",
        name="Helga Brandis",
        role=Role.PERSON,
        language="de",
        external_id="p1",
    ),
    Person(
        id="p2",
        organisation_id="o2",
        organisation_name="Muster AG",
        email="jan@muster.example",
        name="Jan Muster",
        role=Role.OFFICE,
        language="en",
        left_at=NOW,
    ),
)


def read_members(data: bytes) -> bool:
    """Read and plan a list of organisations or persons."""
    try:
        file = read_member_file(data)
    except InvalidInputError as error:
        _showable(error)
        return False
    _same_table(file.table, lambda text: read_member_file(text).table)
    planned: list[PlannedRow[Any]]
    if file.subject is ImportSubject.ORGANISATIONS:
        planned = list(plan_organisations(file.table, _ORGANISATIONS))
    else:
        for actor in (None, _PERSONS[0]):
            state = PersonState(
                organisations=_ORGANISATIONS,
                persons=_PERSONS,
                actor=actor,
                default_language="de",
                today=NOW.date(),
            )
            planned = list(plan_persons(file.table, state))
    law(len(planned) == len(file.table.rows), "a row without a result")
    for row in planned:
        failed = row.result.action is RowAction.ERROR
        law(failed == bool(row.result.errors), "an error without a reason")
        law(not failed or not row.values, "a faulty row would be stored")
    return True


def read_entries(data: bytes) -> bool:
    """Read a table of entries, as far as nothing stored is needed."""
    try:
        table = read_entry_table(data)
    except InvalidInputError as error:
        _showable(error)
        return False
    _same_table(table, read_entry_table)
    for row in table.rows:
        kind, _ = _kind(row)
        if kind is None:
            continue
        content, errors = read_content(row, kind, default_language="de")
        law(all(str(error.message) for error in errors), "an error without a reason")
        flat(content)
        try:
            publication = read_publication(content, today=NOW.date())
        except InvalidInputError as error:
            _showable(error)
            for fault in error.faults:
                column_of_pointer(fault.path)
        else:
            law(publication.kind == kind, "another kind")
    return True


def _same_table(table: Table, read: Any) -> None:
    """Require that what we would export of a table is read as the same table."""
    rows = [[row.get(column) for column in table.columns] for row in table.rows]
    again = read(write_table(table.columns, rows))
    cells = [[row.get(column) for column in again.columns] for row in again.rows]
    law(again.columns == table.columns, "other columns after export")
    law(cells == [row for row in rows if any(row)], "other cells after export")


def _showable(error: InvalidInputError) -> None:
    for text in (str(error), *(str(fault.message) for fault in error.faults)):
        law(bool(text.strip()), "an error without a text")


def _member_seeds() -> Iterable[bytes]:
    organisations = [column.name for column in ORGANISATION_COLUMNS]
    persons = [column.name for column in PERSON_COLUMNS]
    yield (
        ";".join(organisations)
        + "\no1;Beispiel Optik GmbH;BO;optik.example;Hessen;Wetzlar;10-49;company;Ä;\n"
        + "o9;Müller;;;CH-ZH;;;university;;New\n"
    ).encode()
    yield (
        ";".join(persons)
        + "\np1;o1;Helga Brandis;helga@optik.example;office;Leitung;de;+49 6441 1;"
        + "15.09.2025;Formular\np3;Muster AG;X Y;x@y.example;;;;;;\n"
    ).encode()
    yield "Mitgliedsnummer\tFirma\n1\tMüller & Söhne\n".encode("cp1252")
    yield b'\xef\xbb\xbf"External-ID","Firma"\r\n"1","a ""b""\r\nc"\r\n'


def _entry_seeds() -> Iterable[bytes]:
    yield (
        "kind;external_id;organisation;person;title_de;title_en;summary_de;audience;"
        "valid_until;topics;equipment_class;availability;price.mode;price.amount;"
        "price.currency;price.per;specs;expertise\n"
        "Kapazitätsangebot;k1;o1;;Freie Stunden;Free hours;Tageweise frei.;"
        "Eigenes Cluster;31.01.2027;Messtechnik | Optik;measuring;Sofort;from;95,50;"
        "EUR;h;Messfeld: 4,5 mm | Temperatur: -20 bis 60 °C;\n"
        "expert_profile;k2;o2;jan@laser.example;;;Berät zu Lasern.;trusted"
        ";;;;;;;;;;Laser | Optik\n"
    ).encode()
    yield (
        b"art;externe_id;titel;kurzbeschreibung;starts;ends;timezone;format;"
        b"attendance;location.city;location.country;certificates\n"
        b"event;e1;Messe;Text;2027-01-14 10:00;14.01.2027 18:00;Europe/Berlin;"
        b"conference;onsite;Wetzlar;DE;\n"
        b"organisation_profile;e2;;;;;;;;;;ISO 9001 | ISO 13485 (X) bis 2029-03-31\n"
    )


def _headings(columns: Iterable[Column]) -> tuple[str, ...]:
    return tuple(heading for each in columns for heading in each.headings[:2])


def _codes(*vocabularies: str) -> tuple[str, ...]:
    return tuple(
        term.code for name in vocabularies for term in schemas.vocabulary(name)[:6]
    )


TABLE_TARGETS = (
    Target(
        "member_list",
        read_members,
        _member_seeds,
        tokens=(
            *(heading for each in PERSON_COLUMNS for heading in each.headings[:2]),
            *(
                heading
                for each in ORGANISATION_COLUMNS
                for heading in each.headings[:2]
            ),
            *_codes("regions", "size_classes", "org_types"),
            ";",
            '"',
            "\r\n",
            "'=",
            "büro",
            "31.12.9999",
            "\x0b",
            "\u2028",
            "\ufeff",
        ),
    ),
    Target(
        "entry_list",
        read_entries,
        _entry_seeds,
        tokens=(
            *schemas.KINDS,
            *_codes("units", "nace", "currencies", "equipment_classes"),
            ";",
            " | ",
            ": ",
            " bis ",
            "1.000,5",
            "≥ 3 mm",
            "2027-01-14T10:00:00.5",
            "title_de_ch",
            "location.",
            "price.",
            "details",
            "'-",
        ),
    ),
)
