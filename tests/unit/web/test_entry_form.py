"""The entry form against the schemas: nothing is missing, nothing gets lost."""

from collections.abc import Mapping
from typing import Any

import pytest
from multidict import MultiDict

import schemas
from node.web.pages.entry_form import form_of_document, sent_form, sent_shape
from node.web.pages.entry_form.kinds import PLANS
from node.web.pages.entry_form.plan import FieldPlan
from node.web.pages.entry_form.typed import join_terms, split_terms
from tests.http.pages.form_reading import as_comparable, fields_in

KINDS = tuple(schemas.KINDS)
VALID = [
    pytest.param(example, id=f"{kind}-{example.name}")
    for kind in KINDS
    for example in schemas.examples(kind, valid=True)
]


def sent_as_drawn(form: Any) -> MultiDict[str]:
    sent = MultiDict(form.shape.hidden())
    drawn = "".join(str(each()) for each in form.fields)
    sent.extend(fields_in(f"<form>{drawn}</form>"))
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

    envelope = schemas.load_schema("envelope")["properties"]
    own = schemas.load_schema(f"entries/{kind}")["properties"]
    known = {*envelope, *own} - {"kind"}
    if kind == "event":
        known -= {"valid_until"}  # an event ends when it ends
    assert {item.path for item in PLANS[kind].items} == known


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_groups_and_rows_are_those_of_the_schema(kind: str) -> None:

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
