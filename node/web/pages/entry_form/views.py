"""The entry form as the template draws it: sections with fields, groups and rows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import wtforms

from node.web.i18n import gettext as _
from node.web.pages.entry_form.form import EntryForm
from node.web.pages.entry_form.plan import FieldPlan, GroupPlan, RowsPlan, SectionPlan
from node.web.pages.entry_form.typed import language_name

_MANY_CHOICES = 5


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field and how it is drawn.

    Attributes:
        label: Its short name within a row.
        many: Whether it has so many boxes that they go in columns.
        suggested: What a new form has there beforehand.
    """

    field: wtforms.Field
    label: str
    attributes: Mapping[str, Any]
    many: bool = False
    suggested: str = ""
    kind: Literal["field"] = "field"


@dataclass(frozen=True, slots=True)
class GroupView:
    """Fields side by side under one name."""

    label: str
    hint: str
    fields: tuple[FieldView, ...]
    kind: Literal["group"] = "group"


@dataclass(frozen=True, slots=True)
class RowsView:
    """A list of rows.

    Attributes:
        path: Name for the button that adds one.
        may_grow: Whether there is room for another row.
    """

    path: str
    label: str
    one: str
    more: str
    hint: str
    rows: tuple[tuple[FieldView, ...], ...]
    may_grow: bool
    kind: Literal["rows"] = "rows"


ItemView: TypeAlias = FieldView | GroupView | RowsView


@dataclass(frozen=True, slots=True)
class SectionView:
    """Fields under one heading, open or folded."""

    name: str
    label: str
    hint: str
    folded: bool
    open: bool
    items: tuple[ItemView, ...]


def sections_of(form: EntryForm, *, opened: str = "") -> list[SectionView]:
    """Draw up the sections: the entry's, then one for each further language.

    Args:
        form: The form.
        opened: Section, list of rows or language that was just asked for.
    """
    drawn = [_section(form, section, opened) for section in form.plan.sections]
    drawn.extend(_language(form, tag, opened) for tag in form.shape.languages[1:])
    return drawn


def _section(form: EntryForm, section: SectionPlan, opened: str) -> SectionView:
    items = tuple(
        _item(form, item)
        for item in section.items
        if not (isinstance(item, FieldPlan) and item.part == "time")
    )
    asked = opened in {section.name, *(item.path for item in section.items)}
    return SectionView(
        section.name,
        str(section.label),
        str(section.hint),
        section.folded,
        asked or any(_is_used(each) for each in _fields_in(items)),
        items,
    )


def _item(form: EntryForm, item: FieldPlan | GroupPlan | RowsPlan) -> ItemView:
    if isinstance(item, FieldPlan):
        if item.part:
            return _moment(form, item)
        return _field(form, item, item.path)
    if isinstance(item, GroupPlan):
        parts = tuple(
            _field(form, part, f"{item.path}.{part.path}") for part in item.fields
        )
        return GroupView(str(item.label), str(item.hint), parts)
    count = form.shape.rows[item.path]
    rows = tuple(
        tuple(
            _field(form, part, f"{item.path}.{row}.{part.path}") for part in item.fields
        )
        for row in range(count)
    )
    return RowsView(
        item.path,
        str(item.label),
        str(item.one),
        str(item.more),
        str(item.hint),
        rows,
        count < item.most,
    )


def _moment(form: EntryForm, item: FieldPlan) -> GroupView:
    names = (f"{item.path}.day", f"{item.path}.time")
    plans = {placed.name: placed.plan for placed in form.placed}
    parts = tuple(_drawn(form, plans[name], name) for name in names)
    words = _("Begin") if item.path == "starts" else _("End")
    return GroupView(words, "", parts)


def _field(form: EntryForm, plan: FieldPlan, name: str) -> FieldView:
    if plan.by_language:
        name = f"{name}.{form.shape.languages[0]}"
    return _drawn(form, plan, name)


def _drawn(
    form: EntryForm, plan: FieldPlan, name: str, *, label: str = ""
) -> FieldView:
    attributes = dict(plan.control.attributes)
    columns = int(attributes.pop("columns", 0))  # type: ignore[call-overload]
    return FieldView(
        form.fields[name],
        label or str(plan.label),
        attributes,
        many=columns > _MANY_CHOICES,
        suggested=plan.suggested or "",
    )


def _language(form: EntryForm, tag: str, opened: str) -> SectionView:
    items = tuple(
        _drawn(form, placed.plan, placed.name, label=placed.label)
        for placed in form.placed
        if placed.language == tag and _is_wanted(form, placed.row, placed.name)
    )
    return SectionView(
        f"in-{tag}",
        _("In another language: %(language)s", language=language_name(tag)),
        _("Optional. Who reads this language sees it instead."),
        folded=True,
        open=opened == tag or any(_is_used(each) for each in items),
        items=items,
    )


def _is_wanted(form: EntryForm, row: int | None, name: str) -> bool:
    """Whether a text has something to translate; empty rows have not."""
    if row is None:
        return True
    stem, _dot, tag = name.rpartition(".")
    languages = [tag, form.shape.languages[0]]
    return any(
        form.fields[f"{stem}.{each}"].data or form.fields[f"{stem}.{each}"].errors
        for each in languages
    )


def _fields_in(items: tuple[ItemView, ...]) -> Iterator[FieldView]:
    for item in items:
        if isinstance(item, FieldView):
            yield item
        elif isinstance(item, GroupView):
            yield from item.fields
        else:
            for row in item.rows:
                yield from row


def _is_used(drawn: FieldView) -> bool:
    data, default = drawn.field.data, drawn.field.default
    if drawn.field.errors:
        return True
    return bool(data) and data not in (default, drawn.suggested)
