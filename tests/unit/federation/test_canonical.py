from __future__ import annotations

import hashlib
import struct
from typing import Any

import pytest

from federation.canonical import canonical_bytes, content_hash
from federation.errors import LocalError, MalformedError
from federation.strict_json import loads

_WITH_FRACTIONS = {"structures", "values"}


def test_rfc8785_documents(vectors: Any) -> None:
    cases = vectors("jcs-rfc8785-documents")["cases"]
    assert len(cases) == 6
    for case in cases:
        data = case["input_json_text"].encode()
        if case["name"] in _WITH_FRACTIONS:
            # 56.0 and 4.50 are JSON, but no number of this protocol.
            with pytest.raises(MalformedError, match="fraction"):
                loads(data)
            continue
        assert canonical_bytes(loads(data)).hex() == case["canonical_hex"]


def test_rfc8785_numbers(vectors: Any) -> None:
    for case in vectors("jcs-rfc8785-numbers")["cases"]:
        (value,) = struct.unpack(">d", bytes.fromhex(case["ieee754_hex"]))
        if case["expected"] is None:
            with pytest.raises(LocalError):
                canonical_bytes(value)
            continue
        assert canonical_bytes(value).decode() == case["expected"]
        if not case["expected"].lstrip("-").isdigit() or abs(value) > 2**53 - 1:
            with pytest.raises(MalformedError):
                loads(case["expected"].encode())


def test_integers_beyond_the_domain_have_no_form(vectors: Any) -> None:
    domain = vectors("jcs-rfc8785-numbers")["integer_domain"]
    assert canonical_bytes(domain["max"]) == str(domain["max"]).encode()
    for value in (domain["max"] + 1, domain["min"] - 1):
        with pytest.raises(LocalError):
            canonical_bytes(value)


def test_half_a_surrogate_pair_has_no_form() -> None:
    with pytest.raises(LocalError):
        canonical_bytes({"a": "\ud800"})


def test_content_hash_is_over_the_canonical_bytes() -> None:
    assert content_hash({"b": 1, "a": "ä"}) == (
        hashlib.sha256('{"a":"ä","b":1}'.encode()).hexdigest()
    )
