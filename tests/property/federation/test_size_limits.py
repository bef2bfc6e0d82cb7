"""Values and levels are counted exactly, whatever stands in the texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import strict_json
from federation.errors import LimitExceededError, MalformedError

TEXTS = st.text(st.sampled_from('[]{},:"\\\\ab\né'), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=5) | st.dictionaries(TEXTS, inner, max_size=5)
    ),
    max_leaves=25,
)


def size(text: str) -> tuple[int, int]:
    """Brackets, commas and colons outside strings, and levels; letter by letter."""
    nodes = depth = deepest = 0
    inside = escaped = False
    for letter in text:
        if inside:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                inside = False
            continue
        inside = letter == '"'
        nodes += letter in "[{,:"
        depth += (letter in "[{") - (letter in "]}")
        deepest = max(deepest, depth)
    return nodes, deepest


@given(VALUES, st.booleans(), st.booleans())
def test_limits_are_exact(value: Any, indented: bool, ascii_only: bool) -> None:
    text = json.dumps(value, indent=1 if indented else None, ensure_ascii=ascii_only)
    data = text.encode()
    nodes, levels = size(text)
    assert strict_json.loads(data, nodes_max=nodes, depth_max=levels) == value
    strict_json.check_size(data, nodes_max=nodes)
    if nodes:
        with pytest.raises(LimitExceededError, match="values"):
            strict_json.loads(data, nodes_max=nodes - 1, depth_max=levels)
        with pytest.raises(LimitExceededError):
            strict_json.check_size(data, nodes_max=nodes - 1)
    if levels:
        with pytest.raises(LimitExceededError, match="nested"):
            strict_json.loads(data, nodes_max=nodes, depth_max=levels - 1)


@given(st.text(st.sampled_from('[]{},:"\\a1 '), max_size=40))
def test_anything_else_is_refused_or_within_the_limits(text: str) -> None:
    try:
        value = strict_json.loads(text.encode(), nodes_max=9, depth_max=3)
    except (LimitExceededError, MalformedError):
        return
    assert json.loads(text) == value
    nodes, levels = size(text)
    assert nodes <= 9
    assert levels <= 3


@pytest.mark.parametrize(
    "text",
    ['"' * 999, '"\\"' * 999, "\\[" * 999, '["' + "[" * 999, '"a\\"' + "[" * 999],
)
def test_hostile_texts_build_nothing(text: str) -> None:
    with pytest.raises((LimitExceededError, MalformedError)):
        strict_json.loads(text.encode(), nodes_max=99, depth_max=3)
