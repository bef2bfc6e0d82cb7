"""Every place inside a JSON document, and what can be done to it."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Place:
    """A value inside a document."""

    document: Any
    steps: tuple[str | int, ...]
    value: Any

    @property
    def pointer(self) -> str:
        return "".join(f"/{step}" for step in self.steps)

    def _copy(self) -> tuple[Any, Any]:
        whole = copy.deepcopy(self.document)
        holder = whole
        for step in self.steps[:-1]:
            holder = holder[step]
        return whole, holder

    def replaced(self, value: Any) -> Any:
        """A copy of the document with another value here."""
        if not self.steps:
            return value
        whole, holder = self._copy()
        holder[self.steps[-1]] = value
        return whole

    def removed(self) -> Any:
        """A copy of the document without this."""
        whole, holder = self._copy()
        del holder[self.steps[-1]]
        return whole


def paths_of(
    document: Any, *, skip: frozenset[str] = frozenset({"@context"})
) -> list[Place]:
    """Every place, from outside to inside; contexts as one value."""
    found: list[Place] = []

    def walk(value: Any, steps: tuple[str | int, ...]) -> None:
        found.append(Place(document, steps, value))
        if steps and steps[-1] in skip:
            return
        if isinstance(value, dict):
            for name, item in value.items():
                walk(item, (*steps, name))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, (*steps, index))

    walk(document, ())
    return found


def other_value(value: Any) -> Any:
    """A value of the same sort that says something else."""
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str():
            return value[:-1] + ("a" if value[-1:] != "a" else "b")
        case list():
            return [*value, *value[:1]] if value else ["x"]
        case dict():
            return {**value, "x": "y"}
        case _:
            return "x"


def changed_everywhere(document: Any) -> Iterator[tuple[str, Any]]:
    """Delete, change and add at every place of a document."""
    for place in paths_of(document):
        if place.steps:
            yield f"without {place.pointer}", place.removed()
            yield f"changed {place.pointer}", place.replaced(other_value(place.value))
        if isinstance(place.value, dict):
            yield f"added at {place.pointer}", place.replaced({**place.value, "x": "y"})
        if isinstance(place.value, list):
            yield f"added at {place.pointer}", place.replaced([*place.value, "x"])
