"""The compiled schemas and the reference say the same of every document.

A document that the compiled one accepts is never looked at by the reference, so a
difference would be a hole.
"""

from __future__ import annotations

import copy
import functools
import socket
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import schemas
from federation import validation
from tests.unit.federation.nodes import Node, contents
from tests.unit.federation.test_jsonld import every_document

# Letters on which regular expressions of two engines could differ: white space of
# all sorts, controls, line ends, directions, combining letters, beyond the BMP.
ODD = "\t\n\v\f\r\x00\x1c\x1f \x7f\x85\xa0\u1680\u180e\u200b\u2003\u2028\u202e"
ODD += "\u2066\u3000\ufeff\uffff\U0001f600e\u0301İßK"
TEXTS = st.text(st.sampled_from(ODD + "abz019AZ-_.:/#@TZ+"), max_size=12) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=6
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | TEXTS
    | st.sampled_from(["2026-02-31", "2026-11-21T10:00", "Europe/Berlin", "-0", "1\n"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=8,
)


def schema_names() -> list[str]:
    return [
        name
        for name in schemas.schema_names()
        if not name.startswith("vocabularies/") and not name.endswith("values")
    ]


@functools.cache
def valid_documents(name: str) -> list[Any]:
    """What the schema accepts among everything that we ship or write."""
    folder, _, kind = name.partition("/")
    if folder == "entries":
        return list(contents(kind))
    if name == "envelope":
        everything = [each for kind in schemas.KINDS for each in contents(kind)]
        envelope = schemas.load_schema("envelope")["properties"].keys()
        return [{key: each[key] for key in envelope & each} for each in everything]
    if name == "publication":
        return [
            schemas.split_file(dict(example.document))[1]
            for each in schemas.KINDS
            for example in schemas.examples(each, valid=True)
        ]
    one, other = Node("spalier.optence.example"), Node("spalier.swissmem.example")
    reference = validation._validator(name)
    return [
        document
        for document in every_document(one, other)
        if reference.is_valid(document)
    ]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every path in a document, the root included."""
    found = [path]
    children: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, item in children:
        found += places(item, (*path, key))
    return found


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@st.composite
def mutated(draw: st.DrawFn, name: str) -> Any:
    """A valid document with up to three changes anywhere in it."""
    document = copy.deepcopy(draw(st.sampled_from(valid_documents(name))))
    for _ in range(draw(st.integers(0, 3))):
        paths = [path for path in places(document) if path]
        assume(paths)
        path = draw(st.sampled_from(paths))
        parent, last = at(document, path[:-1]), path[-1]
        old = parent[last]
        match draw(st.sampled_from(["replace", "delete", "add", "edit", "repeat"])):
            case "replace":
                parent[last] = draw(VALUES)
            case "delete":
                del parent[last]
            case "add" if isinstance(old, dict):
                old[draw(TEXTS)] = draw(VALUES)
            case "repeat" if isinstance(old, list):
                old *= draw(st.integers(0, 40))
            case _ if isinstance(old, str):
                at_letter = draw(st.integers(0, len(old)))
                parent[last] = old[:at_letter] + draw(TEXTS) + old[at_letter:]
            case _ if isinstance(old, bool):
                parent[last] = int(old)
            case _ if isinstance(old, int):
                parent[last] = draw(st.sampled_from([old - 1, old + 1, -old, True]))
            case _:
                parent[last] = [old, old]
    return document


def agree(name: str, document: Any) -> bool:
    if not isinstance(document, dict):
        return True
    compiled = validation._fits(name, document)
    assert compiled == validation._validator(name).is_valid(document)
    return compiled


@pytest.mark.parametrize("name", schema_names())
def test_both_accept_what_is_valid(name: str) -> None:
    documents = valid_documents(name)
    assert documents
    assert all(agree(name, document) for document in documents)


def test_both_judge_the_shipped_examples_alike() -> None:
    seen = {True: 0, False: 0}
    for kind in schemas.KINDS:
        for valid in (True, False):
            for example in schemas.examples(kind, valid=valid):
                content, beside = schemas.split_file(dict(example.document))
                seen[agree(f"entries/{kind}", content)] += 1
                seen[agree("publication", beside)] += 1
    assert min(seen.values()) > 20


@pytest.mark.parametrize("name", schema_names())
def test_both_agree_on_changed_documents(name: str) -> None:
    @settings(max_examples=settings.default.max_examples // 2, deadline=None)
    @given(mutated(name))
    def check(document: Any) -> None:
        agree(name, document)

    check()


@given(st.sampled_from(schema_names()), st.dictionaries(TEXTS, VALUES, max_size=5))
def test_both_agree_on_anything(name: str, document: dict[str, Any]) -> None:
    agree(name, document)


def test_no_pattern_uses_a_class_that_engines_read_differently() -> None:
    def patterns(part: Any) -> list[str]:
        if isinstance(part, list):
            return [each for item in part for each in patterns(item)]
        if not isinstance(part, dict):
            return []
        own = [part["pattern"]] if isinstance(part.get("pattern"), str) else []
        return own + [each for item in part.values() for each in patterns(item)]

    found = [
        pattern
        for name in schemas.schema_names()
        for pattern in patterns(schemas.load_schema(name))
    ]
    assert len(found) > 40
    for pattern in found:
        for shorthand in ("\\s", "\\S", "\\d", "\\D", "\\w", "\\W", "\\b", "\\B"):
            assert shorthand not in pattern


def test_what_the_compiled_one_cannot_read_the_reference_decides() -> None:
    # Half a surrogate pair has no UTF-8 form.
    assert not validation._fits("publication", {"external_id": "\ud800"})
    assert validation.faults_of_publication({"external_id": "\ud800"})
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    assert not validation._fits("publication", {"external_id": deep})


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        port = server.getsockname()[1]
        absent = {"$ref": f"http://127.0.0.1:{port}/schema"}
        monkeypatch.setattr(schemas, "load_schema", lambda _name: absent)
        monkeypatch.setattr(
            validation, "_compiled_registry", lambda: jsonschema_rs.Registry([])
        )
        validation._compiled.cache_clear()
        with pytest.raises(jsonschema_rs.ValidationError, match="disabled"):
            validation._compiled("publication")
        with pytest.raises(TimeoutError):
            server.accept()
    validation._compiled.cache_clear()
