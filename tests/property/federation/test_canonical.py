"""The faster way to canonical bytes is RFC 8785, byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

import schemas
from federation import jsonld
from federation.canonical import canonical_bytes, signed_forms
from federation.errors import LocalError
from tests.unit.federation.nodes import Node
from tests.unit.federation.test_jsonld import every_document

# Around the code points at which UTF-16 and Python order differently.
EDGES = "\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff"
TEXTS = st.text(
    st.sampled_from('aZ@_09,:[{"\\/\x00\x1f\x7f\u2028é€' + EDGES), max_size=6
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
NUMBERS = (
    st.integers(-(2**53) + 1, 2**53 - 1)
    | st.sampled_from([0, -1, 10**15, 10**15 - 1, 2**53 - 1, -(2**53) + 1])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([0.5, -0.0, 1.0, 1e21, 1e-7, 333333333.3333333])
)
# Texts that look like what the check for numbers looks for.
TRAPS = st.sampled_from([":1.5", ",2e9", "[1234567890123456", "127.0.0.1:8.0", '":1.5'])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS | TRAPS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(TEXTS | TRAPS, inner, max_size=5)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_same_bytes_as_the_library(value: Any) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@pytest.mark.parametrize(
    "value",
    [
        [2**53],
        [-(2**53)],
        {"a": 10**30},
        [float("nan")],
        {"a": [float("inf")]},
        ["\ud800"],
        {"\udfff": 1},
        2**53,
        object(),
        [object()],
    ],
)
def test_what_has_no_canonical_form(value: Any) -> None:
    with pytest.raises(LocalError):
        canonical_bytes(value)


def plain_forms(document: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    proof = document["proof"]
    return (
        rfc8785.dumps({k: v for k, v in document.items() if k != "proof"}),
        rfc8785.dumps({k: v for k, v in proof.items() if k != "proofValue"}),
        rfc8785.dumps(document),
    )


def forms(document: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
    found = signed_forms(document)
    return found.document, found.options, found.whole


CONTEXTS = st.just(schemas.house_context()) | VALUES
MEMBERS = st.dictionaries(
    TEXTS | st.sampled_from(["proof", "proofX", "proo", "@context", "@a", "?", "zz"]),
    VALUES,
    max_size=6,
)


@given(MEMBERS, MEMBERS, CONTEXTS, CONTEXTS, st.booleans(), VALUES)
def test_forms_put_together_are_the_whole_form(
    members: dict[str, Any],
    options: dict[str, Any],
    context: Any,
    proof_context: Any,
    with_contexts: bool,
    value: Any,
) -> None:
    proof = {**options, "proofValue": value}
    document = {**members, "proof": proof}
    if with_contexts:
        document["@context"], proof["@context"] = context, proof_context
    assert forms(document) == plain_forms(document)


def test_forms_of_every_document_that_is_signed() -> None:
    one, other = Node("spalier.optence.example"), Node("spalier.swissmem.example")
    signed = [each for each in every_document(one, other) if "proof" in each]
    assert len(signed) > 20
    for document in signed:
        assert forms(document) == plain_forms(document)
        shuffled = dict(reversed(document.items()))
        assert forms(shuffled) == plain_forms(document)


def test_a_context_that_python_takes_for_equal_is_written_as_it_is() -> None:
    # 1 == True in Python. It can pass for the house context only if that holds
    # something else than texts.
    pending: list[Any] = [jsonld.HOUSE_CONTEXT]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        else:
            assert isinstance(value, str)


def test_without_a_proof_there_are_no_forms() -> None:
    document = Node("spalier.optence.example").signed_entry().document
    with pytest.raises(LocalError):
        signed_forms({**document, "proof": "x"})


def test_bytes_read_back_are_the_same_value() -> None:
    document = Node("spalier.optence.example").signed_entry().document
    assert json.loads(canonical_bytes(document)) == document
