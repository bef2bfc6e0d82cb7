"""Typed access to parsed JSON, at the edge where documents become objects.

The closed schema of a document has been checked before; these readers only tell
the type checker, and refuse if a schema should ever be wider than the reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from federation.errors import SchemaInvalidError
from federation.timestamps import parse_timestamp

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue


def text(source: JsonObject, name: str) -> str:
    """Return a required text."""
    value = source.get(name)
    if not isinstance(value, str):
        raise _wrong(name, "a text")
    return value


def optional_text(source: JsonObject, name: str) -> str | None:
    """Return a text, None if the field is absent."""
    return text(source, name) if name in source else None


def integer(source: JsonObject, name: str) -> int:
    """Return a required whole number."""
    value = source.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number")
    return value


def optional_integer(source: JsonObject, name: str) -> int | None:
    """Return a whole number, None if the field is absent."""
    return integer(source, name) if name in source else None


def member(source: JsonObject, name: str) -> JsonObject:
    """Return a required object."""
    value = source.get(name)
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def array(source: JsonObject, name: str) -> list[JsonValue]:
    """Return a required list."""
    value = source.get(name)
    if not isinstance(value, list):
        raise _wrong(name, "a list")
    return value


def objects(source: JsonObject, name: str) -> list[JsonObject]:
    """Return a required list of objects."""
    found = [item for item in array(source, name) if isinstance(item, dict)]
    if len(found) != len(array(source, name)):
        raise _wrong(name, "a list of objects")
    return found


def texts(source: JsonObject, name: str) -> tuple[str, ...]:
    """Return a required list of texts."""
    found = tuple(item for item in array(source, name) if isinstance(item, str))
    if len(found) != len(array(source, name)):
        raise _wrong(name, "a list of texts")
    return found


def optional_texts(source: JsonObject, name: str) -> tuple[str, ...]:
    """Return a list of texts, empty if the field is absent."""
    return texts(source, name) if name in source else ()


def text_map(source: JsonObject, name: str) -> dict[str, str]:
    """Return a required object whose members are texts."""
    value = member(source, name)
    found = {key: item for key, item in value.items() if isinstance(item, str)}
    if len(found) != len(value):
        raise _wrong(name, "an object of texts")
    return found


def timestamp(source: JsonObject, name: str) -> datetime:
    """Return a required time."""
    return parse_timestamp(text(source, name))


def optional_timestamp(source: JsonObject, name: str) -> datetime | None:
    """Return a time, None if the field is absent."""
    return timestamp(source, name) if name in source else None


def _wrong(name: str, expected: str) -> SchemaInvalidError:
    return SchemaInvalidError(f"/{name}: This must be {expected}.")
