"""Columns of a table of entries, taken from the schemas of the kinds.

A heading is the path of a field: `valid_until`, `price.mode`, `location.city`; a
field with several languages has one column for each: `title_de`, `title_en`. A
cell with several values separates them with `|`. Words of a vocabulary may be
written as their code or as their German or English name.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Any, Final

import schemas
from node.catalogue.import_specs import (
    read_certificates,
    read_decimal,
    read_specifications,
    read_unit,
    split_list,
)
from node.members.csv_table import Row
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
from node.members.import_report import RowError
from node.sentence import Sentence

_TEXT_CHARACTERS_MAX: Final = 6000  # the schemas say what each field takes
# `title_de`, and `title_de-CH`, which as a normal heading is `title_de_ch`.
_LANGUAGES: Final = (
    re.compile(r"(?P<base>.+)_(?P<language>[a-z]{2,3})\Z"),
    re.compile(r"(?P<base>.+)_(?P<language>[a-z]{2,3})_(?P<region>[a-z]{2})\Z"),
)
_VOCABULARY: Final = schemas.schema_id("vocabularies/")
_VALUES: Final = schemas.schema_id("values#/$defs/")
_HEADINGS: Final = {
    "art": "kind",
    "titel": "title_de",
    "kurzbeschreibung": "summary_de",
    "beschreibung": "body_de",
    "gültig_bis": "valid_until",
    "themen": "topics",
    "stichworte": "keywords",
    "externe_id": "external_id",
    "firma": "organisation",
    "e_mail": "person",
    "email": "person",
    "sichtbarkeit": "audience",
    "partnercluster": "partners",
}
AROUND: Final = (
    "kind",
    "external_id",
    "organisation",
    "person",
    "audience",
    "partners",
)


class Shape(Enum):
    """How the cells of a field become its value."""

    ONE = auto()
    LIST = auto()
    LANGUAGES = auto()
    SPECIFICATIONS = auto()
    CERTIFICATES = auto()


@dataclass(frozen=True, slots=True)
class ContentField:
    """A field that a table can fill.

    Attributes:
        path: Where its value stands in the content.
        read: Reads one value.
    """

    path: tuple[str, ...]
    shape: Shape
    read: Callable[[str], Any]

    @property
    def heading(self) -> str:
        """The path as a heading, without a language."""
        return ".".join(self.path)


def _line(text: str) -> str:
    return read_line(text, limit=_TEXT_CHARACTERS_MAX)


def _paragraphs(text: str) -> str:
    lines = [
        read_line(line, limit=_TEXT_CHARACTERS_MAX)
        for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ]
    return "\n".join(lines).strip()


def _whole_number(text: str) -> int:
    number = read_decimal(text)
    if "." in number:
        raise FieldError(Sentence("{value} is not a whole number.", value=text[:40]))
    return int(number)


def _day(text: str) -> str:
    return read_day(text).isoformat()


def _local_time(text: str) -> str:
    day, _, time = text.strip().replace("T", " ", 1).partition(" ")
    try:
        moment = datetime.fromisoformat(f"{_day(day)}T{time.strip()}")
    except ValueError as error:
        raise FieldError(
            Sentence(
                "{value} is not a time; write it as 2026-11-21 14:30.", value=text[:40]
            )
        ) from error
    precision = "seconds" if time.count(":") > 1 else "minutes"
    return moment.replace(tzinfo=None).isoformat(timespec=precision)


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "decimal": read_decimal,
    "date": _day,
    "localDateTime": _local_time,
    "region": read_region,
    "url": read_website,
    "email": read_email,
    "phone": read_phone,
    "body": _paragraphs,
    "paragraph": _paragraphs,
}


def _resolved(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """Follow a reference; return the schema and the name it was called by."""
    name = ""
    while "$ref" in schema:
        reference: str = schema["$ref"]
        if reference.startswith(_VALUES):
            name = reference.removeprefix(_VALUES)
            schema = schemas.load_schema("values")["$defs"][name]
        else:
            return schema, reference
    return schema, name


def _reader(schema: Mapping[str, Any], name: str) -> Callable[[str], Any]:
    if name.startswith(_VOCABULARY):
        vocabulary = name.removeprefix(_VOCABULARY)
        if vocabulary == "units":
            return read_unit
        return functools.partial(read_code, vocabulary=vocabulary)
    if schema.get("type") == "integer":
        return _whole_number
    return _READERS.get(name, _line)


def _fields(
    schema: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[ContentField]:
    for key, unresolved in schema.get("properties", {}).items():
        below = (*path, key)
        part, name = _resolved(unresolved)
        if "propertyNames" in part:
            yield ContentField(below, Shape.LANGUAGES, _READERS.get(name, _line))
        elif part.get("type") == "array":
            item, item_name = _resolved(part["items"])
            if item_name == "specification":
                yield ContentField(below, Shape.SPECIFICATIONS, _line)
            elif item_name == "certificate":
                yield ContentField(below, Shape.CERTIFICATES, _line)
            elif item.get("type") != "object":
                yield ContentField(below, Shape.LIST, _reader(item, item_name))
        elif "properties" in part:
            yield from _fields(part, below)
        elif below != ("kind",):
            yield ContentField(below, Shape.ONE, _reader(part, name))


@functools.cache
def fields_of(kind: str) -> Mapping[str, ContentField]:
    """Return what a table can fill of a kind, by heading without language.

    Lists of groups (contacts of an organisation) do not fit into cells.
    """
    both = (schemas.load_schema("envelope"), schemas.load_schema(f"entries/{kind}"))
    return {field.heading: field for schema in both for field in _fields(schema)}


def column_for(heading: str) -> str | None:
    """Return our name for a normal heading; None if it means nothing."""
    heading = _HEADINGS.get(heading, heading)
    if heading in AROUND:
        return heading
    for kind in schemas.KINDS:
        if _field(kind, heading) is not None:
            return heading
    return None


def _field(kind: str, column: str) -> tuple[ContentField, str] | None:
    """Find the field of a column and its language, which may be empty."""
    fields = fields_of(kind)
    exact = fields.get(column)
    if exact is not None and exact.shape is not Shape.LANGUAGES:
        return exact, ""
    for pattern in _LANGUAGES:
        match = pattern.match(column)
        field = fields.get(match["base"]) if match else None
        if match and field is not None and field.shape is Shape.LANGUAGES:
            region = match.groupdict().get("region")
            language = match["language"]
            return field, f"{language}-{region.upper()}" if region else language
    return None


def read_content(
    row: Row, kind: str, *, default_language: str
) -> tuple[dict[str, Any], list[RowError]]:
    """Build the content of an entry from the cells of a row.

    Args:
        row: The row.
        kind: The kind of the entry.
        default_language: For texts in cells that name no language, if the row
            has no title.

    Returns:
        The content without what could not be read, and why not.
    """
    content: dict[str, Any] = {"kind": kind}
    errors: list[RowError] = []
    language = _language_of(row, default_language)
    for column, text in row.cells.items():
        if not text or column in AROUND:
            continue
        found = _field(kind, column)
        if found is None:
            sentence = Sentence("This column does not fit the kind {kind}.", kind=kind)
            errors.append(RowError(row.number, sentence, column))
            continue
        field, own_language = found
        try:
            value = _value(field, text, language=own_language or language)
        except FieldError as error:
            errors.append(RowError(row.number, error.sentence, column))
            continue
        _put(
            content, (*field.path, own_language) if own_language else field.path, value
        )
    return content, errors


def _language_of(row: Row, default: str) -> str:
    for column, text in row.cells.items():
        found = _field("event", column) if text else None  # every kind has a title
        if found is not None and found[0].heading == "title":
            return found[1]
    return default


def _value(field: ContentField, text: str, *, language: str) -> Any:
    match field.shape:
        case Shape.LIST:
            return [field.read(part) for part in split_list(text)]
        case Shape.SPECIFICATIONS:
            return read_specifications(text, language=language)
        case Shape.CERTIFICATES:
            return read_certificates(text)
        case Shape.ONE | Shape.LANGUAGES:
            return field.read(text)


def _put(content: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for step in path[:-1]:
        content = content.setdefault(step, {})
    content[path[-1]] = value


def column_of_pointer(pointer: str) -> str:
    """Return the column that a fault's JSON pointer is about."""
    steps = [step for step in pointer.split("/") if step]
    if not steps:
        return ""
    if steps[0] == "on_behalf_of":
        return steps[-1]
    if steps[0] == "audience":
        return "partners" if "partners" in steps else "audience"
    named = [step for step in steps if not step.isdigit()]
    for kind in schemas.KINDS:
        fields = fields_of(kind)
        for length in range(len(named), 0, -1):
            field = fields.get(".".join(named[:length]))
            if field is None:
                continue
            if field.shape is Shape.LANGUAGES and len(named) > length:
                return f"{field.heading}_{named[length]}"
            return field.heading
    return steps[0]


def flat(content: Mapping[str, Any]) -> dict[str, str]:
    """Return a content as cells by column, to show differences."""
    return dict(_flat(content, ""))


def _flat(value: object, heading: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            if not heading:
                yield from _flat(below, str(key))
            elif isinstance(below, str) and _is_languages(value):
                yield f"{heading}_{key}", below
            else:
                yield from _flat(below, f"{heading}.{key}")
    elif isinstance(value, list):
        yield heading, " | ".join(_cell(item) for item in value)
    else:
        yield heading, str(value)


def _is_languages(value: Mapping[str, Any]) -> bool:
    return all(re.fullmatch(r"[a-z]{2,3}(-\w+)*", key) for key in value) and all(
        isinstance(text, str) for text in value.values()
    )


def _cell(item: object) -> str:
    if not isinstance(item, Mapping):
        return str(item)
    return ", ".join(f"{key} {text}" for key, text in _flat(item, ""))
