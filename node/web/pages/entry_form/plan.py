"""What a form is made of: fields, groups and rows of an entry, as a plan.

A field is named like its place in the entry, with dots: `price.amount`,
`specs.2.name.de`. So the JSON pointer of a fault leads straight to its field.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Tidy: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Control:
    """How a value is typed.

    Attributes:
        build: Makes the field from label, description, validators and default.
        to_entry: Turns the field's data into what stands in the entry; None, an
            empty text and an empty list mean that nothing does.
        to_form: The way back.
        attributes: HTML attributes of the control.
    """

    build: Callable[..., Any]
    to_entry: Callable[[Any], Any] = lambda data: data
    to_form: Callable[[Any], Any] = lambda value: value
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldPlan:
    """One value of an entry.

    Attributes:
        path: Where it stands, with dots; below its group or row.
        by_language: Whether it is a text for each language.
        most: Characters, if it is a text.
        wrong: What is said if the value does not have the right form.
        default: What stands there unless something else does.
        suggested: What a new form starts with; leaving it open is allowed, too.
        part: `day` or `time` where two fields make one value.
    """

    path: str
    label: str
    control: Control
    hint: str = ""
    required: bool = False
    by_language: bool = False
    most: int | None = None
    wrong: str = ""
    default: Any = None
    suggested: Any = None
    part: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """Fields that make one object of the entry, shown side by side.

    Attributes:
        tidy: Drops what stands there only because it was preselected.
    """

    path: str
    label: str
    fields: tuple[FieldPlan, ...]
    hint: str = ""
    tidy: Tidy = lambda value: value


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsPlan:
    """A list of objects, one row each.

    Attributes:
        one: What one row is called, e.g. "Property".
        more: What the button for a further row says.
        start: Rows of a new form.
        most: Rows at most.
    """

    path: str
    label: str
    one: str
    more: str
    fields: tuple[FieldPlan, ...]
    start: int
    most: int
    hint: str = ""


Item: TypeAlias = FieldPlan | GroupPlan | RowsPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionPlan:
    """Fields under one heading.

    Attributes:
        folded: Whether it can be left closed ("say more").
    """

    name: str
    label: str
    items: tuple[Item, ...]
    hint: str = ""
    folded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class KindPlan:
    """The form of one kind."""

    kind: str
    sections: tuple[SectionPlan, ...]

    @property
    def items(self) -> tuple[Item, ...]:
        """All items, section by section."""
        return tuple(item for section in self.sections for item in section.items)

    @property
    def rows(self) -> tuple[RowsPlan, ...]:
        """The lists that can get further rows."""
        return tuple(item for item in self.items if isinstance(item, RowsPlan))
