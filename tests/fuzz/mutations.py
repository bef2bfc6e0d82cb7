"""Changes to inputs: JSON value by value, text by words, bytes by chance.

Deterministic for a seed, so that a run can be repeated.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

STRINGS = (
    "",
    " ",
    "\x00",
    "\ud800",
    "\u202e",
    "\u2028",
    "e\u0301",
    "ﬃ",
    "İ",
    "٣",
    "a" * 401,
    "ä" * 8001,
    "0000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-21T10:00:00+00:00",
    "2026-11-21T24:00:00Z",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00",
    "9999-12-31",
    "../../../etc/passwd",
    "Europe/Berlin",
    "Etc/GMT+14",
    "https://evil.example/actor",
    "https://spalier.optence.example/actor",
    "https://spalier.optence.example:443/actor",
    "https://SPALIER.optence.example/actor",
    "https://spalier.swissmem.example/actor",
    "https://spalier.optence.example/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "https://spalier.optence.example/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa#primary",
    "http://127.0.0.1:8100/actor",
    "https://www.w3.org/ns/activitystreams",
    "https://www.w3.org/ns/activitystreams#Public",
    "https://unknown.example/context",
    "@id",
    "@type",
    "@json",
    "@graph",
    "_:b0",
    "1e9",
    "-0",
    "NaN",
    "de",
    "de-CH",
    "x-klingon",
    "%00",
    "{limit}",
    "~0~1/",
)
NUMBERS: tuple[int | float, ...] = (
    0,
    -1,
    1,
    2,
    255,
    2**31,
    2**53 - 1,
    2**53,
    -(2**53),
    10**16,
    10**30,
    0.5,
    1e300,
    float("inf"),
)
KEYS = (
    "@context",
    "@id",
    "@type",
    "@graph",
    "@included",
    "@reverse",
    "@value",
    "@language",
    "@list",
    "@set",
    "@index",
    "@nest",
    "@none",
    "@version",
    "@vocab",
    "@base",
    "@import",
    "@protected",
    "@propagate",
    "@container",
    "id",
    "type",
    "proof",
    "__proto__",
    "",
    "as:name",
    "https://unknown.example/term",
)
_STEPS_MAX = 4


def mutated_json(data: bytes, *, seed: int, tokens: Sequence[str] = ()) -> bytes | None:
    """Change a JSON text value by value; None if it is none."""
    chance = random.Random(seed)
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    # Mostly one change: several at once rarely pass the first check.
    for _ in range(chance.choice((1, 1, 1, 2, _STEPS_MAX))):
        value = _step(value, chance, tokens)
    try:
        text = json.dumps(value, ensure_ascii=chance.random() < 0.5)
        return text.encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return None


def mutated_text(data: bytes, *, seed: int, tokens: Sequence[str] = ()) -> bytes:
    """Put in, take out, repeat or replace a piece."""
    chance = random.Random(seed)
    result = bytearray(data)
    for _ in range(chance.randint(1, _STEPS_MAX)):
        start = chance.randint(0, len(result))
        end = min(len(result), start + chance.choice((0, 1, 1, 4, 16)))
        match chance.randrange(5):
            case 0:
                del result[start:end]
            case 1:
                result[start:end] = bytes([chance.randrange(256)])
            case 2:
                result[start:start] = result[start:end] * chance.choice((1, 2, 50))
            case _ if tokens:
                result[start:end] = chance.choice(tokens).encode("utf-8")
            case _:
                result[start:end] = chance.choice(STRINGS).encode(
                    "utf-8", "surrogatepass"
                )
    return bytes(result)


def _step(value: Any, chance: random.Random, tokens: Sequence[str]) -> Any:
    """Change one place of a value."""
    places = _places(value)
    if not places:
        return _invented(chance, tokens)
    parent, key = chance.choice(places)
    match chance.randrange(12):
        case 0:
            del parent[key]
        case 1 | 2 | 3:
            parent[key] = _invented(chance, tokens)
        case 4:
            _add(parent, _invented(chance, tokens), chance, tokens)
        case 5:
            other, other_key = chance.choice(places)
            parent[key] = json.loads(json.dumps(other[other_key]))
        case 6:
            parent[key] = [parent[key]]
        case _:
            parent[key] = _edited(parent[key], chance, tokens)
    return value


def _places(value: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    pending = [value]
    while pending:
        item = pending.pop()
        keys: Sequence[Any] = ()
        if isinstance(item, dict):
            keys = list(item)
        elif isinstance(item, list):
            keys = range(len(item))
        found.extend((item, key) for key in keys)
        pending.extend(item[key] for key in keys)
    return found


def _invented(chance: random.Random, tokens: Sequence[str]) -> Any:
    match chance.randrange(10):
        case 0:
            return None
        case 1:
            return chance.random() < 0.5
        case 2 | 3:
            return chance.choice(NUMBERS)
        case 4:
            return {_key(chance, tokens): _invented(chance, tokens)}
        case 5:
            # Only short values are repeated often: lists in lists would explode.
            if chance.random() < 0.5:
                return [_string(chance, tokens)[:40]] * chance.choice((30, 300))
            return [_invented(chance, tokens)] * chance.choice((0, 1, 2))
        case 6:
            value: Any = []
            for _ in range(chance.choice((3, 31, 33, 400))):
                value = [value] if chance.random() < 0.5 else {"a": value}
            return value
        case _:
            return _string(chance, tokens)


def _string(chance: random.Random, tokens: Sequence[str]) -> str:
    if tokens and chance.random() < 0.5:
        return chance.choice(tokens)
    return chance.choice(STRINGS)


def _key(chance: random.Random, tokens: Sequence[str]) -> str:
    if tokens and chance.random() < 0.5:
        return chance.choice(tokens)
    return chance.choice(KEYS)


def _add(parent: Any, value: Any, chance: random.Random, tokens: Sequence[str]) -> None:
    if isinstance(parent, dict):
        parent[_key(chance, tokens)] = value
    else:
        parent.insert(chance.randint(0, len(parent)), value)


def _edited(value: Any, chance: random.Random, tokens: Sequence[str]) -> Any:
    """Change a value a little instead of replacing it."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, int | float):
        return value + chance.choice((-1, 1, 2**16))
    if isinstance(value, str):
        changed = mutated_text(
            value.encode("utf-8", "surrogatepass"),
            seed=chance.randrange(2**32),
            tokens=tokens,
        )
        return changed.decode("utf-8", "replace")
    if isinstance(value, dict):
        return list(value.items())
    return {str(index): item for index, item in enumerate(value)}
