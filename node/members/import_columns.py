"""Columns of the two member lists: headings, how a cell is read, how it is shown."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from node.errors import InputFault, InvalidInputError
from node.members.csv_table import read_header
from node.members.fields import (
    FieldError,
    read_code,
    read_day,
    read_email,
    read_line,
    read_phone,
    read_region,
    read_website,
)
from node.members.identifiers import read_domain
from node.members.import_report import ImportSubject
from node.members.model import Role
from node.sentence import Sentence

_ROLE_WORDS: Final = {
    "person": Role.PERSON,
    "mitglied": Role.PERSON,
    "organisation-admin": Role.ORGANISATION_ADMIN,
    "organisation_admin": Role.ORGANISATION_ADMIN,
    "firmenverwaltung": Role.ORGANISATION_ADMIN,
    "office": Role.OFFICE,
    "büro": Role.OFFICE,
    "node-admin": Role.NODE_ADMIN,
    "node_admin": Role.NODE_ADMIN,
    "technik": Role.NODE_ADMIN,
}
_LANGUAGE_WORDS: Final = {
    "de": "de", "deutsch": "de", "german": "de",
    "en": "en", "englisch": "en", "english": "en",
}  # fmt: skip


def _line(limit: int) -> Callable[[str], str]:
    return lambda text: read_line(text, limit=limit)


def _code(vocabulary: str) -> Callable[[str], str]:
    return lambda text: read_code(text, vocabulary=vocabulary)


def _domains(text: str) -> tuple[str, ...]:
    found = []
    for each in text.replace(";", " ").replace("|", " ").replace(",", " ").split():
        domain = read_domain(each)
        if domain is None:
            raise FieldError(Sentence("{text} is not a domain.", text=each[:60]))
        found.append(domain)
    return tuple(dict.fromkeys(found))


def _role(text: str) -> Role:
    role = _ROLE_WORDS.get(text.strip().casefold())
    if role is None:
        raise FieldError(
            Sentence(
                "{value} is no role; possible are: {words}.",
                value=text.strip()[:60],
                words=", ".join(Role),
            )
        )
    return role


def _language(text: str) -> str:
    language = _LANGUAGE_WORDS.get(text.strip().casefold())
    if language is None:
        raise FieldError(
            Sentence("{value} is no language; write de or en.", value=text.strip()[:60])
        )
    return language


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a list.

    Attributes:
        field: Attribute of the model; `description.de` is one language of a map.
        headings: Normal headings that mean it, the first is ours.
        read: Turns a cell that is not empty into the value.
        needed: The heading must be there and no cell may be empty.
        keeps: An empty cell leaves the stored value as it is.
    """

    field: str
    headings: tuple[str, ...]
    read: Callable[[str], Any]
    needed: bool = False
    keeps: bool = False

    @property
    def name(self) -> str:
        """Our heading."""
        return self.headings[0]


ORGANISATION_COLUMNS: Final = (
    Column(
        "external_id",
        ("external_id", "externe_id", "mitgliedsnummer", "kundennummer", "id"),
        _line(120),
        needed=True,
    ),
    Column(
        "name",
        ("name", "firma", "organisation", "company", "firmenname"),
        _line(200),
        needed=True,
    ),
    Column("short_name", ("short_name", "kurzname"), _line(80)),
    Column(
        "website", ("website", "webseite", "internet", "url", "homepage"), read_website
    ),
    Column("region", ("region", "bundesland", "kanton"), read_region),
    Column("city", ("city", "ort", "stadt"), _line(120)),
    Column(
        "size_class",
        ("size_class", "größenklasse", "groessenklasse", "mitarbeiter", "beschäftigte"),
        _code("size_classes"),
    ),
    Column(
        "org_type",
        ("org_type", "art", "organisationstyp", "organisationsart"),
        _code("org_types"),
    ),
    Column(
        "vat_id",
        ("vat_id", "ust_idnr", "ust_id", "umsatzsteuer_id", "uid"),
        _line(60),
        keeps=True,
    ),
    Column(
        "register_id",
        ("register_id", "handelsregister", "registernummer", "hrb"),
        _line(60),
        keeps=True,
    ),
    Column("domains", ("domains", "domain", "domänen"), _domains, keeps=True),
    Column(
        "description.de",
        ("description_de", "beschreibung", "beschreibung_de"),
        _line(2000),
    ),
    Column("description.en", ("description_en", "beschreibung_en"), _line(2000)),
)

PERSON_COLUMNS: Final = (
    Column(
        "external_id",
        ("external_id", "externe_id", "personennummer", "id"),
        _line(120),
        needed=True,
    ),
    Column(
        "organisation",
        ("organisation", "firma", "company", "mitgliedsnummer", "organisation_id"),
        _line(200),
        needed=True,
    ),
    Column("name", ("name", "person", "vor_und_nachname"), _line(200), needed=True),
    Column(
        "email", ("email", "e_mail", "mail", "e_mail_adresse"), read_email, needed=True
    ),
    Column("role", ("role", "rolle"), _role, keeps=True),
    Column("function", ("function", "funktion", "position"), _line(160)),
    Column("language", ("language", "sprache"), _language, keeps=True),
    Column("phone", ("phone", "telefon", "tel"), read_phone),
    Column(
        "consent_on",
        ("consent_date", "consent_on", "einwilligung_am", "einwilligung_datum"),
        read_day,
    ),
    Column(
        "consent_source",
        ("consent_source", "einwilligung_quelle", "einwilligung_nachweis"),
        _line(200),
    ),
)


def aliases(columns: tuple[Column, ...]) -> Mapping[str, str]:
    """Return our heading by every heading that means it."""
    return {heading: each.name for each in columns for heading in each.headings}


def recognise(file_bytes: bytes) -> ImportSubject:
    """Tell from the header what a file lists.

    Raises:
        InvalidInputError: It is neither list; names what each needs.
    """
    header = set(read_header(file_bytes))
    by_name = {each.name: each for each in PERSON_COLUMNS}
    if header & set(by_name["email"].headings):
        return ImportSubject.PERSONS
    if header & {"kind", "art_des_eintrags"}:
        fault = InputFault(
            "kind", Sentence("This is a list of entries, not of members.")
        )
        raise InvalidInputError(
            fault.message,
            faults=[fault],
            code="wrong-list",
            hint="Import it with the entries.",
        )
    named = {
        heading
        for each in ORGANISATION_COLUMNS
        if each.needed
        for heading in each.headings
    }
    if header & named:
        return ImportSubject.ORGANISATIONS
    needed = Sentence(
        "This is no list of members. Organisations need the columns {organisations}; "
        "persons need {persons}.",
        organisations=", ".join(
            each.name for each in ORGANISATION_COLUMNS if each.needed
        ),
        persons=", ".join(each.name for each in PERSON_COLUMNS if each.needed),
    )
    raise InvalidInputError(
        needed, faults=[InputFault("", needed)], code="missing-column"
    )


def shown(value: object) -> str:
    """Return a value as the table of differences shows it."""
    if value is None:
        return ""
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
