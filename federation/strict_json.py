"""The only reader of JSON that came from outside.

The standard reader keeps the last of two equal keys, takes NaN, UTF-16 and lone
surrogates, and overflows its stack at a thousand brackets. Whatever two readers
could understand differently is refused here. Source: SPEC.md FED-020.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NoReturn, cast

from federation.errors import LimitExceededError, MalformedError
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    ACTIVITY_NODES_MAX,
    JSON_DEPTH_MAX,
    JSON_INTEGER_MAX,
)

if TYPE_CHECKING:
    from federation.json_types import JsonObject, JsonValue

_INTEGER_DIGITS_MAX: Final = 17
_ESCAPE: Final = re.compile(r"\\.", re.DOTALL)
_LEVELS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}
_NO_BRACKETS: Final = bytes(set(range(256)) - _LEVELS.keys())


def loads(
    data: bytes,
    *,
    bytes_max: int = ACTIVITY_BYTES_MAX,
    nodes_max: int = ACTIVITY_NODES_MAX,
    depth_max: int = JSON_DEPTH_MAX,
) -> JsonValue:
    """Read one JSON text as I-JSON without fractions.

    Args:
        data: UTF-8 bytes, no byte order mark.
        bytes_max: Longest text.
        nodes_max: Most values: containers, members and items together.
        depth_max: Deepest nesting.

    Returns:
        The value. Numbers are integers of at most 2^53-1 in magnitude.

    Raises:
        LimitExceededError: Too long, too deep or too many values.
        MalformedError: Not JSON, or JSON that readers understand differently:
            equal keys, NaN, fractions, lone surrogates, NUL, another encoding.
    """
    if len(data) > bytes_max:
        raise LimitExceededError(f"The document is longer than {bytes_max} bytes.")
    try:
        text = data.decode("utf-8", errors="strict")
    except UnicodeDecodeError as error:
        raise MalformedError("The document is not UTF-8.") from error
    if text.startswith("\ufeff"):
        raise MalformedError("The document starts with a byte order mark.")
    _check_size(text, nodes_max=nodes_max, depth_max=depth_max)
    try:
        value = cast(
            "JsonValue",
            json.loads(
                text,
                object_pairs_hook=_object_without_duplicates,
                parse_float=_refuse_number,
                parse_constant=_refuse_number,
                parse_int=_bounded_integer,
            ),
        )
    except MalformedError:
        raise
    except json.JSONDecodeError as error:
        if error.msg.startswith("Unterminated string"):
            raise MalformedError(
                "The document is not JSON: a text has no end."
            ) from error
        raise MalformedError("The document is not JSON.") from error
    except RecursionError as error:
        raise MalformedError("The document is not JSON.") from error
    # An escaped \ud800 survives reading; it has no UTF-8 form. NUL cannot be
    # stored in a PostgreSQL text, so it must not be signed either.
    if "\\u" in text:
        _check_escapes(value)
    if "\x00" in text:
        raise MalformedError("The document contains U+0000.")
    return value


def loads_object(
    data: bytes,
    *,
    bytes_max: int = ACTIVITY_BYTES_MAX,
    nodes_max: int = ACTIVITY_NODES_MAX,
    depth_max: int = JSON_DEPTH_MAX,
) -> JsonObject:
    """Read one JSON object; otherwise like `loads`."""
    value = loads(data, bytes_max=bytes_max, nodes_max=nodes_max, depth_max=depth_max)
    if not isinstance(value, dict):
        raise MalformedError("The document is not a JSON object.")
    return value


def check_size(data: bytes, *, nodes_max: int) -> None:
    """Require that a text, which `loads` has read, is within a narrower limit.

    Raises:
        LimitExceededError: It has more than `nodes_max` values.
    """
    _check_size(data.decode("utf-8"), nodes_max=nodes_max, depth_max=len(data))


def _check_size(text: str, *, nodes_max: int, depth_max: int) -> None:
    """Count brackets and commas outside strings, before anything is built."""
    opened = text.count("[") + text.count("{")
    if opened <= depth_max and opened + text.count(",") + text.count(":") <= nodes_max:
        return  # few enough, even if all of them stood outside strings
    # Without escapes every quote begins or ends a string. A backslash outside one
    # is no JSON; what stands behind it will never be built.
    plain = _ESCAPE.sub("", text) if "\\" in text else text
    quotes = plain.count('"')
    # Each string is a value or a key, and has two.
    if quotes > 2 * (nodes_max + 1):
        raise _too_many(nodes_max)
    outside = "".join(plain.split('"')[::2]).encode("utf-8")
    if sum(map(outside.count, (b"[", b"{", b",", b":"))) > nodes_max:
        raise _too_many(nodes_max)
    brackets = outside.translate(None, _NO_BRACKETS)
    if max(accumulate(map(_LEVELS.__getitem__, brackets)), default=0) > depth_max:
        raise LimitExceededError(
            f"The document is nested deeper than {depth_max} levels."
        )


def _too_many(nodes_max: int) -> LimitExceededError:
    return LimitExceededError(f"The document has more than {nodes_max} values.")


def _object_without_duplicates(pairs: list[tuple[str, JsonValue]]) -> JsonObject:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise MalformedError("The document has two equal keys in one object.")
    return result


def _refuse_number(_text: str) -> NoReturn:
    raise MalformedError(
        "The document contains a fraction, NaN or Infinity; "
        "amounts are integers or decimal texts."
    )


def _bounded_integer(text: str) -> int:
    # int() takes quadratic time in the digits, so the length is checked first.
    # "-0" is 0 after reading but has another byte form: refused.
    if len(text) > _INTEGER_DIGITS_MAX or text == "-0":
        raise MalformedError("The document contains a number out of range.")
    value = int(text)
    if abs(value) > JSON_INTEGER_MAX:
        raise MalformedError("The document contains a number out of range.")
    return value


def _check_escapes(value: JsonValue) -> None:
    """Refuse texts that have no UTF-8 form or contain U+0000."""
    pending: list[JsonValue] = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            pending.extend(item.keys())
            pending.extend(item.values())
        elif isinstance(item, list):
            pending.extend(item)
        elif isinstance(item, str):
            if "\x00" in item:
                raise MalformedError("The document contains U+0000.")
            try:
                item.encode("utf-8", errors="strict")
            except UnicodeEncodeError as error:
                raise MalformedError(
                    "The document contains half of a surrogate pair."
                ) from error
