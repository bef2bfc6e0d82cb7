"""Bounds, patterns and references of the packaged schemas."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any, NoReturn

import pytest
from jsonschema import Draft202012Validator

import schemas
from schemas import KINDS, load_schema, registry, schema_id, schema_names

OURS = [name for name in schema_names() if not name.startswith("wire/")]
END = r"$(?!\n)"
BOUNDS = {"maxLength", "enum", "const"}


def subschemas(node: object, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield where, node
        for key, value in node.items():
            if key not in ("enum", "const", "required"):
                yield from subschemas(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from subschemas(value, f"{where}/{index}")


@pytest.mark.parametrize("name", schema_names())
def test_schema_is_valid_and_carries_its_id(name: str) -> None:
    schema = load_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == schema_id(name)


@pytest.mark.parametrize("name", OURS)
def test_every_text_and_list_is_bounded_and_no_fraction_travels(name: str) -> None:
    for where, schema in subschemas(load_schema(name)):
        kind = schema.get("type")
        if kind == "string":
            assert schema.keys() & BOUNDS, where
        if kind == "array":
            assert "maxItems" in schema, where
        if kind == "integer":
            assert {"minimum", "maximum"} <= schema.keys(), where
        assert kind != "number", where


@pytest.mark.parametrize("name", OURS)
def test_every_object_is_closed_or_a_language_map(name: str) -> None:
    for where, schema in subschemas(load_schema(name)):
        if schema.get("type") != "object" or name == "envelope":
            continue
        closed = (
            schema.get("additionalProperties") is False
            or schema.get("unevaluatedProperties") is False
        )
        assert closed or "maxProperties" in schema, where


@pytest.mark.parametrize("name", OURS)
def test_patterns_of_whole_values_admit_no_trailing_line_break(name: str) -> None:
    # In Python `$` also matches before a last line break, in ECMA-262 it does not.
    for where, schema in subschemas(load_schema(name)):
        if schema.get("type") == "string" and "pattern" in schema:
            assert schema["pattern"].startswith("^"), where
            assert schema["pattern"].endswith(END), where
            if schema.get("maxLength", 0) <= 300:
                assert not re.search(schema["pattern"], "2030-01-01\n"), where


@pytest.mark.parametrize("name", schema_names())
def test_every_reference_is_packaged(name: str) -> None:
    resolver = registry().resolver(base_uri=schema_id(name))
    for where, schema in subschemas(load_schema(name)):
        if "$ref" in schema:
            assert resolver.lookup(schema["$ref"]).contents is not None, where


def test_there_is_one_content_schema_for_each_kind() -> None:
    entries = {n.removeprefix("entries/") for n in OURS if n.startswith("entries/")}
    assert entries == set(KINDS)


def test_an_unknown_schema_is_an_error() -> None:
    with pytest.raises(KeyError):
        load_schema("entries/../kinds")


def test_loading_needs_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for cached in (load_schema, registry, schemas.contexts):
        cached.cache_clear()
    for name in schema_names():
        assert load_schema(name)
    assert len(schemas.contexts()) == 6
    assert registry().contents(schema_id("envelope"))


def test_a_reference_outside_the_package_is_refused_not_fetched() -> None:
    validator = Draft202012Validator(
        {"$ref": "https://json-schema.org/other"}, registry=registry()
    )
    with pytest.raises(Exception, match="Unresolvable") as failure:
        validator.validate({})
    assert "json-schema.org/other" in str(failure.value)
