"""Rules between fields, which a JSON Schema cannot express.

They hold for content that its schema accepts; call them after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

__all__ = ["BrokenRule", "broken_rules"]


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A value that contradicts another one.

    Attributes:
        path: JSON pointer of the value.
        message: What is wrong, a plain English sentence.
    """

    path: str
    message: str


def broken_rules(content: Mapping[str, Any]) -> tuple[BrokenRule, ...]:
    """Returns all contradictions in an entry's content; none if it is in order.

    Args:
        content: An entry's content that its kind's schema accepts.
    """
    return (*_ranges(content), *_lot_size(content), *_needed(content), *_times(content))


def _ranges(content: Mapping[str, Any]) -> Iterator[BrokenRule]:
    for index, spec in enumerate(content.get("specs", [])):
        if "min" in spec and "max" in spec and _above(spec["min"], spec["max"]):
            yield BrokenRule(f"/specs/{index}/max", "The maximum is below the minimum.")


def _above(left: str, right: str) -> bool:
    return Decimal(left) > Decimal(right)


def _lot_size(content: Mapping[str, Any]) -> Iterator[BrokenRule]:
    size = content.get("lot_size", {})
    if size.get("min", 0) > size.get("max", size.get("min", 0)):
        yield BrokenRule("/lot_size/max", "The maximum is below the minimum.")


def _needed(content: Mapping[str, Any]) -> Iterator[BrokenRule]:
    first = content.get("needed_from")
    last = content.get("needed_until")
    # Days in RFC 3339 form sort as text.
    if first and last and last < first:
        yield BrokenRule(
            "/needed_until", "The last day it is needed is before the first."
        )


def _times(content: Mapping[str, Any]) -> Iterator[BrokenRule]:
    starts, ends = content.get("starts"), content.get("ends")
    if not (starts and ends):
        return
    # Both are on the same clock; seconds may be left out.
    if ends.ljust(19, "0") <= starts.ljust(19, "0"):
        yield BrokenRule("/ends", "The event ends before it starts.")
    closes = content.get("registration_until")
    if closes and closes > ends[:10]:
        yield BrokenRule(
            "/registration_until", "Registration closes after the event is over."
        )
