"""Files that show the columns of an import, each with one example row."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of
from node.catalogue.import_content import AROUND, Shape, fields_of, flat
from node.members.csv_export import write_table
from node.members.import_columns import ORGANISATION_COLUMNS, PERSON_COLUMNS
from schemas import KINDS, examples

_LANGUAGES: Final = ("de", "en")
_ORGANISATION: Final = {
    "external_id": "M-0001",
    "name": "Optik Beispiel GmbH",
    "short_name": "Optik Beispiel",
    "website": "https://optik.example",
    "region": "DE-HE",
    "city": "Wetzlar",
    "description_de": "Fertigung von Präzisionsoptik.",
}
_PERSON: Final = {
    "external_id": "P-0001",
    "organisation": "M-0001",
    "name": "Anna Beispiel",
    "email": "anna@optik.example",
    "role": "person",
    "function": "Vertrieb",
    "language": "de",
    "consent_date": "2026-11-21",
    "consent_source": "Aufnahmeantrag",
}
_SPECIFICATIONS: Final = "Durchmesser: 20 - 150 mm | Genauigkeit: 0,5 µm"
_MEMBERS: Final = {
    "organisationen": (ORGANISATION_COLUMNS, _ORGANISATION),
    "personen": (PERSON_COLUMNS, _PERSON),
}


async def members(request: web.Request) -> web.Response:
    """Give the file for organisations or for persons."""
    desk_of(request)
    name = request.match_info["list"]
    columns, example = _MEMBERS[name]
    return _file([column.name for column in columns], example, name=name)


async def entries(request: web.Request) -> web.Response:
    """Give the file for a kind of entries."""
    desk_of(request)
    kind = request.match_info["kind"]
    return _file(entry_columns(kind), _entry_example(kind), name=kind)


def entry_columns(kind: str) -> list[str]:
    """List all columns that a table of one kind may have."""
    columns = list(AROUND)
    for field in fields_of(kind).values():
        if field.shape is Shape.LANGUAGES:
            columns += [f"{field.heading}_{language}" for language in _LANGUAGES]
        else:
            columns.append(field.heading)
    return columns


def _entry_example(kind: str) -> Mapping[str, str]:
    """Write a packaged example as a row, owned by the members' examples."""
    content = {
        name: value
        for name, value in examples(kind, valid=True)[0].document.items()
        if name not in {"audience", "on_behalf_of", "external_id"}
    }
    around = {
        "kind": kind,
        "external_id": f"E-{list(KINDS).index(kind) + 1:04}",
        "organisation": _ORGANISATION["external_id"],
        "person": _PERSON["email"],
        "audience": "trusted",
    }
    cells = flat(content)
    if "specs" in cells:
        # Groups of values have a form of their own in a cell (`import_specs`).
        cells["specs"] = _SPECIFICATIONS
    return {**cells, **around}


def _file(columns: list[str], example: Mapping[str, str], *, name: str) -> web.Response:
    row = [example.get(column, "") for column in columns]
    return web.Response(
        body=write_table(columns, [row]),
        content_type="text/csv",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )
