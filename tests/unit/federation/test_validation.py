from __future__ import annotations

import json
import time
from typing import Any

import pytest

import schemas
from federation.documents import build_actor
from federation.errors import SchemaInvalidError
from federation.validation import check_wire, faults_of_entry, faults_of_wire
from tests.unit.federation.nodes import Node, contents, example_content


def test_shipped_examples_are_in_order() -> None:
    for kind in schemas.KINDS:
        for content in contents(kind):
            assert faults_of_entry(content) == []


def invalid_examples() -> list[Any]:
    return [
        pytest.param(example, id=f"{kind}-{example.name}")
        for kind in schemas.KINDS
        for example in schemas.examples(kind, valid=False)
    ]


@pytest.mark.parametrize("example", invalid_examples())
def test_shipped_invalid_examples_name_their_path(example: Any) -> None:
    content, beside = schemas.split_file(example.document)
    faults = faults_of_entry(content)
    paths = [fault.path for fault in faults]
    if example.path.split("/")[1] in {*beside, "audience"}:
        return  # a fault of the publication keys, which are not content
    assert any(
        example.path == path or path.startswith(example.path + "/") for path in paths
    ), (example.path, paths)
    for fault in faults:
        assert fault.message.endswith((".", "…")), fault
        assert "{" not in fault.message


def test_all_faults_are_reported_together() -> None:
    content = example_content("capacity_offer")
    del content["summary"]
    content["title"] = {"de": "x"}
    content["unknown"] = 1
    paths = [fault.path for fault in faults_of_entry(content)]
    assert {"/summary", "/title/de", "/unknown"} <= set(paths)
    assert paths == sorted(paths)


def test_pointers_are_escaped() -> None:
    content = {**example_content("capacity_offer"), "title": {"a/b~": "Titel"}}
    assert any(fault.path.startswith("/title") for fault in faults_of_entry(content))


@pytest.mark.parametrize("kind", [None, 7, "", "entry", "actor", "../envelope"])
def test_an_unknown_kind_names_the_kinds(kind: Any) -> None:
    (fault,) = faults_of_entry({"kind": kind})
    assert fault.path == "/kind"
    assert "capacity_offer" in fault.message


def test_wire_documents_are_closed(optence: Node) -> None:
    document = optence.signed_entry().document
    check_wire("entry", document)
    for name in ("bcc", "internal_note", "signature", "audience"):
        with pytest.raises(SchemaInvalidError) as caught:
            check_wire("entry", {**document, name: "x"})
        assert caught.value.members == {"pointer": f"/{name}"}
        assert caught.value.status == 422


def test_every_text_and_list_of_the_wire_is_bounded() -> None:
    for name in schemas.schema_names():
        if name.startswith("wire/"):
            assert unbounded(schemas.load_schema(name), name) == []


def unbounded(schema: Any, path: str) -> list[str]:
    if isinstance(schema, list):
        return [
            x for i, part in enumerate(schema) for x in unbounded(part, f"{path}/{i}")
        ]
    if not isinstance(schema, dict):
        return []
    found = []
    if schema.get("type") == "string" and "maxLength" not in schema:
        found.append(path)
    if schema.get("type") == "array" and "maxItems" not in schema:
        found.append(path)
    for key, part in schema.items():
        found += unbounded(part, f"{path}/{key}")
    return found


def test_faults_of_wire_are_all_listed(optence: Node) -> None:
    document = dict(optence.signed_entry().document)
    del document["name"]
    document["version"] = "1"
    paths = [fault.path for fault in faults_of_wire("entry", document)]
    assert paths == ["/name", "/version"]


# -- what a document costs --------------------------------------------------------


LONG = 4_300
"""Items of a list that make an entry of 32 KiB."""

COSTLY: dict[str, Any] = {
    "mixed": {"topics": [*range(LONG), "x"]},
    "lists": {"topics": [[n] for n in range(LONG)]},
    "groups": {"topics": [{"a": n} for n in range(LONG)]},
    "texts": {"topics": [f"Thema {n}" for n in range(LONG)]},
    "references": {"details": {"processes": [*range(LONG), "x"]}},
    "unknown": {f"x{n}": 1 for n in range(LONG)},
    "languages": {"title": {f"x{n}": n for n in range(LONG)}},
}


@pytest.mark.parametrize("name", COSTLY)
def test_a_hostile_entry_costs_no_more_than_its_length(name: str) -> None:
    """Comparing every item with every other would take six seconds of a core."""
    content = {**example_content("capacity_offer"), **COSTLY[name]}
    faults_of_entry(example_content("capacity_offer"))  # builds the validators
    started = time.process_time()
    faults = faults_of_entry(content)
    assert time.process_time() - started < 0.5
    assert 0 < len(faults) <= 200


@pytest.mark.parametrize("name", ["capabilities", "assertionMethod"])
def test_a_hostile_actor_costs_no_more_than_its_length(
    name: str, optence: Node
) -> None:
    document = build_actor(optence.actor)
    document[name] = [*range(20 * LONG), "x"]
    faults_of_wire("actor", build_actor(optence.actor))
    started = time.process_time()
    assert faults_of_wire("actor", document)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("items", "is_twice"),
    [
        (["Optik", "Laser"], False),
        (["Optik", "Laser", "Optik"], True),
    ],
)
def test_the_same_value_twice_is_named(items: list[str], is_twice: bool) -> None:
    content = {**example_content("capacity_offer"), "topics": items}
    messages = [fault.message for fault in faults_of_entry(content)]
    assert messages == (["The same value stands here twice."] if is_twice else [])


def test_a_list_that_is_too_long_is_not_looked_into() -> None:
    content = {**example_content("capacity_offer"), "topics": [*range(13)]}
    (fault,) = faults_of_entry(content)
    assert (fault.path, fault.message) == (
        "/topics",
        "There are more than 12 values.",
    )


def test_values_without_canonical_form_are_compared_too() -> None:
    """A file to be imported can hold numbers that no document may."""
    far = 10**400
    content = {**example_content("capacity_offer"), "topics": [far, far, [far]]}
    assert json.loads(json.dumps(content)) == content
    assert "/topics" in [fault.path for fault in faults_of_entry(content)]
