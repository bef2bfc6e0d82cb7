"""The shape of parsed JSON, so that no untyped value enters the library."""

from __future__ import annotations

from typing import TypeAlias

JsonValue: TypeAlias = (
    "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"
)
"""Any JSON value. Floats are refused on reading and never built by us."""

JsonObject: TypeAlias = dict[str, JsonValue]
"""A JSON object."""
