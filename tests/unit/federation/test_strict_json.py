from __future__ import annotations

import json
import time
from typing import Any

import pytest

from federation.errors import LimitExceededError, MalformedError, PeerError
from federation.strict_json import loads, loads_object


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":2}', "equal keys"),
        (b'{"a":1,"\\u0061":2}', "equal keys"),
        (b'[{"b":{"a":1,"a":1}}]', "equal keys"),
        (b'{"v":NaN}', "fraction"),
        (b'{"v":-Infinity}', "fraction"),
        (b'{"v":1e400}', "fraction"),
        (b'{"v":1.0}', "fraction"),
        (b'{"v":1E3}', "fraction"),
        (b'{"v":9007199254740992}', "range"),
        (b'{"v":-9007199254740992}', "range"),
        (b'{"v":' + b"9" * 5000 + b"}", "range"),
        (b'{"v":-0}', "range"),
        (b'{"v":"\\ud800"}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'{"v":"\\u0000"}', "U+0000"),
        (b'{"v":"\x00"}', "JSON"),
        ("\ufeff{}".encode(), "byte order"),
        ('{"a":1}'.encode("utf-16"), "UTF-8"),
        (b'{"v":"\xff"}', "UTF-8"),
        (b'{"v":"\xed\xa0\x80"}', "UTF-8"),
        (b"", "JSON"),
        (b"{} {}", "JSON"),
        (b'{"a":1,}', "JSON"),
        (b'{"a":"', "no end"),
        (b'"\\', "no end"),
        (b"]" * 5, "JSON"),
        (b"{'a':1}", "JSON"),
        (b"[01]", "JSON"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused(
    data: bytes, reason: str
) -> None:
    with pytest.raises(MalformedError) as caught:
        loads(data)
    assert reason in caught.value.safe_text
    assert caught.value.status == 400


def test_depth_is_limited_before_anything_is_built() -> None:
    assert loads(b"[" * 32 + b"]" * 32)
    with pytest.raises(LimitExceededError):
        loads(b"[" * 33 + b"]" * 33)
    started = time.perf_counter()
    with pytest.raises(LimitExceededError):
        loads(b"[" * 100_000)
    assert time.perf_counter() - started < 0.5


def test_brackets_inside_texts_do_not_count() -> None:
    text = '"' + "[" * 100 + '\\"' + "[" * 100 + '\\\\"'
    assert loads(text.encode()) == "[" * 100 + '"' + "[" * 100 + "\\"


def test_number_of_values_is_limited() -> None:
    assert loads(json.dumps([1] * 9_999).encode())
    with pytest.raises(LimitExceededError):
        loads(json.dumps([1] * 10_001).encode())


def test_length_is_limited() -> None:
    with pytest.raises(LimitExceededError) as caught:
        loads(b'"' + b"a" * 300_000 + b'"')
    assert caught.value.status == 413


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, -5, True, None, "ä€😂", ""], "b": {}},
        [9007199254740991, -9007199254740991],
        "text",
        0,
    ],
)
def test_ordinary_json_reads_as_everywhere(value: Any) -> None:
    assert loads(json.dumps(value).encode()) == value
    assert loads(json.dumps(value, ensure_ascii=False).encode()) == value


def test_an_object_is_required_where_one_is_needed() -> None:
    with pytest.raises(PeerError):
        loads_object(b"[]")
