"""Every shipped example is accepted, or refused at exactly the place it names."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from schemas import (
    FORMATS,
    KINDS,
    Example,
    broken_rules,
    examples,
    load_schema,
    registry,
    split_file,
)

ABOUT_A_FIELD = {"required", "additionalProperties", "unevaluatedProperties"}


@functools.cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(
        load_schema(name), registry=registry(), format_checker=FORMATS
    )


def schema_faults(name: str, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for error in validator(name).iter_errors(dict(value)):
        path = "".join(f"/{part}" for part in error.absolute_path)
        if error.validator in ABOUT_A_FIELD:
            # The field that is missing or not known is named in the message only.
            path += "/" + re.findall(r"'(\w+)'", error.message)[0]
        yield path, error.validator


def faults_of(example: Example) -> list[tuple[str, str]]:
    content, beside = split_file(example.document)
    faults = [
        *schema_faults(f"entries/{example.kind}", content),
        *schema_faults("publication", beside),
    ]
    if not faults:
        faults += [(rule.path, "rule") for rule in broken_rules(content)]
    return faults


VALID = [example for kind in KINDS for example in examples(kind, valid=True)]
INVALID = [example for kind in KINDS for example in examples(kind, valid=False)]


def name_of(example: Example) -> str:
    return f"{example.kind}-{example.name}"


@pytest.mark.parametrize("example", VALID, ids=name_of)
def test_valid_example_has_no_fault(example: Example) -> None:
    assert faults_of(example) == []


@pytest.mark.parametrize("example", INVALID, ids=name_of)
def test_invalid_example_has_its_fault_and_no_other(example: Example) -> None:
    # One value may break several keywords at once: a length and a pattern.
    faults = faults_of(example)
    assert (example.path, example.keyword) in faults
    assert {path for path, _ in faults} == {example.path}


@pytest.mark.parametrize("kind", KINDS)
def test_full_example_uses_every_field_of_its_kind(kind: str) -> None:
    full = next(e for e in examples(kind, valid=True) if e.name == "full")
    content, _ = split_file(full.document)
    fields = load_schema(f"entries/{kind}")["properties"].keys()
    assert fields - content.keys() == set()


@pytest.mark.parametrize("kind", KINDS)
def test_minimal_example_has_nothing_to_spare(kind: str) -> None:
    minimal = next(e for e in examples(kind, valid=True) if e.name == "minimal")
    content, _ = split_file(minimal.document)
    for field in content:
        rest = {key: value for key, value in content.items() if key != field}
        faults = [*schema_faults(f"entries/{kind}", rest)]
        assert (f"/{field}", "required") in faults
