"""One entry as a form: fields from a document, and the document from the fields.

The document is the FILE form of an entry (schemas, "publication"): its content and,
beside it, the audience. What is not filled in is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import wtforms
from multidict import MultiMapping
from wtforms.fields import SelectChoice  # type: ignore[attr-defined] # new in 3.3

from node.errors import InputFault
from node.web.forms import Form
from node.web.i18n import gettext as _
from node.web.pages.entry_form.controls import validators_for
from node.web.pages.entry_form.faults import fault_words
from node.web.pages.entry_form.kinds import PLANS
from node.web.pages.entry_form.plan import FieldPlan, GroupPlan, KindPlan, RowsPlan
from node.web.pages.entry_form.typed import is_language_tag, language_name

LANGUAGES_MAX: Final = 8  # schemas, "values": maxProperties of a language map
SHAPE_LANGUAGES: Final = "shape.languages"
_SHAPE_ROWS: Final = "shape.rows."
Beside: TypeAlias = Callable[[], Mapping[str, Any]]
_NOTHING: Final[tuple[Any, ...]] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides which fields a form has.

    Attributes:
        languages: Tags; the first is the language that the entry is written in.
        rows: Number of rows of each list.
    """

    languages: tuple[str, ...]
    rows: Mapping[str, int]

    def hidden(self) -> list[tuple[str, str]]:
        """The hidden fields that carry it."""
        rows = [(f"{_SHAPE_ROWS}{name}", str(n)) for name, n in self.rows.items()]
        return [(SHAPE_LANGUAGES, ",".join(self.languages)), *rows]

    def with_row(self, name: str, most: int) -> "Shape":
        """The same with one row more."""
        rows = {**self.rows, name: min(self.rows.get(name, 0) + 1, most)}
        return Shape(self.languages, rows)

    def with_language(self, tag: str) -> "Shape":
        """The same with one language more."""
        if not is_language_tag(tag) or tag in self.languages:
            return self
        return Shape((*self.languages, tag)[:LANGUAGES_MAX], self.rows)


@dataclass(frozen=True, slots=True)
class PlacedField:
    """A field plan at its place in a form.

    Attributes:
        name: Name of the form field: the place in the entry, with dots.
        language: Tag, if it is the text in one language.
        row: 0-based row, if it stands in a list.
    """

    name: str
    plan: FieldPlan
    label: str
    language: str = ""
    row: int | None = None


@dataclass(slots=True)
class EntryForm:
    """The form of one entry.

    Attributes:
        fields: The WTForms form, with the fields beside the content.
        placed: The fields of the content, in their order.
    """

    plan: KindPlan
    shape: Shape
    fields: Form
    placed: tuple[PlacedField, ...]
    _kept_rows: dict[str, list[int]] = field(default_factory=dict)

    def check(self) -> bool:
        """Check what can be said without the schema: needed and readable values."""
        in_order = self.fields.validate()
        for plan in self.plan.items:
            if isinstance(plan, FieldPlan) and plan.required and plan.by_language:
                in_order = self._check_languages(plan) and in_order
        return in_order

    def _check_languages(self, plan: FieldPlan) -> bool:
        if self._value(plan, plan.path) or any(self._errors_of(plan)):
            return True
        first = self.fields[f"{plan.path}.{self.shape.languages[0]}"]
        first.errors = [first.gettext("This field is required.")]
        return False

    def _errors_of(self, plan: FieldPlan) -> Iterator[object]:
        for language in self.shape.languages:
            yield from self.fields[f"{plan.path}.{language}"].errors

    def content(self) -> dict[str, Any]:
        """Return the entry's content as it was filled in."""
        found: dict[str, Any] = {"kind": self.plan.kind}
        for item in self.plan.items:
            if isinstance(item, FieldPlan):
                value = self._value(item, item.path)
            elif isinstance(item, GroupPlan):
                value = item.tidy(self._object(item.fields, item.path))
            else:
                value = self._rows(item)
            if value not in _NOTHING:
                found[item.path] = value
        return found

    def _object(self, plans: Iterable[FieldPlan], prefix: str) -> dict[str, Any]:
        values = {
            plan.path: self._value(plan, f"{prefix}.{plan.path}") for plan in plans
        }
        return {key: value for key, value in values.items() if value not in _NOTHING}

    def _rows(self, plan: RowsPlan) -> list[dict[str, Any]]:
        rows, kept = [], []
        for number in range(self.shape.rows[plan.path]):
            row = self._object(plan.fields, f"{plan.path}.{number}")
            if row:
                rows.append(row)
                kept.append(number)
        self._kept_rows[plan.path] = kept
        return rows

    def _value(self, plan: FieldPlan, name: str) -> Any:
        if plan.part:
            return self._moment(name)
        if not plan.by_language:
            return self._typed(plan, name)
        texts = {
            language: self._typed(plan, f"{name}.{language}")
            for language in self.shape.languages
        }
        return {language: text for language, text in texts.items() if text}

    def _typed(self, plan: FieldPlan, name: str) -> Any:
        data = self.fields[name].data
        return None if data is None else plan.control.to_entry(data)

    def _moment(self, name: str) -> str:
        day, time = self.fields[f"{name}.day"].data, self.fields[f"{name}.time"].data
        return f"{day.isoformat()}T{time}" if day and time else ""

    def show_faults(self, faults: Iterable[InputFault]) -> list[str]:
        """Put faults at their fields; return the sentences that fit nowhere."""
        elsewhere = []
        plans = {placed.name: placed.plan for placed in self.placed}
        for fault in faults:
            name = self._field_of(fault.path)
            wrong = plans[name].wrong if name in plans else ""
            words = fault_words(fault.message, wrong=wrong)
            if name is None:
                place = fault.path.lstrip("/").replace("/", ".")
                elsewhere.append(f"{place}: {words}" if place else words)
                continue
            shown = self.fields[name]
            if words not in shown.errors:
                shown.errors = [*shown.errors, words]
        return elsewhere

    def _field_of(self, pointer: str) -> str | None:
        """Find the field for a JSON pointer: the value, its list, or its first part."""
        steps = pointer.strip("/").split("/")
        kept = self._kept_rows.get(steps[0])
        if kept is not None and len(steps) > 1 and steps[1].isdigit():
            steps[1] = str(kept[int(steps[1])])
        names = [known.name for known in self.fields]
        for length in range(len(steps), 0, -1):
            place = ".".join(steps[:length])
            if place in names:
                return place
            below = [name for name in names if name.startswith(f"{place}.")]
            if below and length == len(steps):
                return below[0]
        return None


def new_form(
    kind: str,
    languages: tuple[str, ...],
    *,
    values: Mapping[str, Any],
    beside: Beside,
) -> EntryForm:
    """Make the form of a new entry.

    Args:
        kind: The kind of entry.
        languages: Tags; the first is the one that is shown openly.
        values: What is filled in beforehand, by field name.
        beside: Makes further WTForms fields by name: audience, owner.
    """
    plan = PLANS[kind]
    rows = {rows.path: rows.start for rows in plan.rows}
    shape = Shape(languages, rows)
    suggested = {each.name: each.plan.suggested for each in _place(plan, shape)}
    filled = {name: value for name, value in suggested.items() if value is not None}
    return _build(plan, shape, beside, data={**filled, **values})


def form_of_document(
    document: Mapping[str, Any],
    languages: tuple[str, ...],
    *,
    values: Mapping[str, Any],
    beside: Beside,
) -> EntryForm:
    """Make the form of an entry that exists.

    Args:
        document: Content of the entry.
        languages: Offered beside those that the entry is written in.
        values: Values of the fields beside the content.
        beside: Makes further WTForms fields by name.
    """
    plan = PLANS[document["kind"]]
    written = list(dict.fromkeys([*_languages_in(document), *languages]))
    rows = {
        rows.path: max(rows.start, len(document.get(rows.path, ())))
        for rows in plan.rows
    }
    shape = Shape(tuple(written[:LANGUAGES_MAX]), rows)
    filled = {**_values_of(plan, document), **values}
    return _build(plan, shape, beside, data=filled)


def sent_form(
    kind: str,
    sent: MultiMapping[Any],
    *,
    shape: Shape,
    beside: Beside,
) -> EntryForm:
    """Make the form with what was sent."""
    return _build(PLANS[kind], shape, beside, sent=sent)


def sent_shape(kind: str, sent: Mapping[str, Any], languages: tuple[str, ...]) -> Shape:
    """Read which fields the form had that was sent; bounded, whatever was sent."""
    tags = str(sent.get(SHAPE_LANGUAGES, "")).split(",")
    known = list(dict.fromkeys(tag for tag in tags if is_language_tag(tag)))
    rows = {}
    for plan in PLANS[kind].rows:
        number = str(sent.get(f"{_SHAPE_ROWS}{plan.path}", ""))
        count = int(number) if number.isdecimal() else plan.start
        rows[plan.path] = max(1, min(count, plan.most))
    return Shape(tuple(known[:LANGUAGES_MAX]) or languages, rows)


def _build(
    plan: KindPlan,
    shape: Shape,
    beside: Beside,
    *,
    sent: MultiMapping[Any] | None = None,
    data: Mapping[str, Any] | None = None,
) -> EntryForm:
    placed = tuple(_place(plan, shape))
    # WTForms keeps the order in which fields are made; faults are listed in it.
    made = {each.name: _make(each) for each in placed}
    fields = type("EntryFields", (Form,), {**made, **beside()})(sent, data=data)
    for each in fields:
        _offer_what_is_stored(each)
    return EntryForm(plan, shape, fields, placed)


def _make(placed: PlacedField) -> Any:
    plan = placed.plan
    first = placed.language == "" or placed.label == str(plan.label)
    return plan.control.build(
        placed.label,
        description=str(plan.hint) if first else "",
        default=plan.default,
        validators=validators_for(
            required=plan.required and first,
            by_language=plan.by_language,
            most=plan.most,
        ),
        render_kw={"lang": placed.language} if placed.language else {},
    )


def _offer_what_is_stored(form_field: wtforms.Field) -> None:
    # A code from another vocabulary must not be changed by opening the form.
    if isinstance(form_field, wtforms.SelectField) and form_field.data:
        offered: list[Any] = list(form_field.choices or ())
        if str(form_field.data) not in {str(each.value) for each in offered}:
            stored = SelectChoice(form_field.data, str(form_field.data))
            form_field.choices = [*offered, stored]


def _place(plan: KindPlan, shape: Shape) -> Iterator[PlacedField]:
    for item in plan.items:
        if isinstance(item, FieldPlan):
            yield from _in_languages(item, item.path, str(item.label), shape)
        elif isinstance(item, GroupPlan):
            for part in item.fields:
                name = f"{item.path}.{part.path}"
                yield from _in_languages(part, name, str(part.label), shape)
        else:
            yield from _in_rows(item, shape)


def _in_rows(item: RowsPlan, shape: Shape) -> Iterator[PlacedField]:
    for row in range(shape.rows[item.path]):
        for part in item.fields:
            label = _(
                "%(thing)s %(number)s: %(field)s",
                thing=item.one,
                number=row + 1,
                field=part.label,
            )
            name = f"{item.path}.{row}.{part.path}"
            yield from _in_languages(part, name, label, shape, row=row)


def _in_languages(
    plan: FieldPlan, name: str, label: str, shape: Shape, *, row: int | None = None
) -> Iterator[PlacedField]:
    if plan.part:
        yield PlacedField(f"{name}.{plan.part}", plan, label, row=row)
    elif not plan.by_language:
        yield PlacedField(name, plan, label, row=row)
    else:
        for place, tag in enumerate(shape.languages):
            words = f"{label} ({language_name(tag)})" if place else label
            yield PlacedField(f"{name}.{tag}", plan, words, language=tag, row=row)


def _languages_in(document: Mapping[str, Any]) -> Iterator[str]:
    yield from document.get("title", {})
    plan = PLANS[document["kind"]]
    for item in plan.items:
        value = document.get(item.path)
        if value is None:
            continue
        if isinstance(item, FieldPlan):
            yield from value if item.by_language else ()
        elif isinstance(item, GroupPlan):
            yield from _languages_of_object(item.fields, value)
        else:
            for row in value:
                yield from _languages_of_object(item.fields, row)


def _languages_of_object(
    plans: Iterable[FieldPlan], value: Mapping[str, Any]
) -> Iterator[str]:
    for plan in plans:
        if plan.by_language:
            yield from value.get(plan.path, ())


def _values_of(plan: KindPlan, document: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for item in plan.items:
        if item.path not in document:
            continue
        value = document[item.path]
        if isinstance(item, FieldPlan):
            values.update(_named_values(item, item.path, value))
        elif isinstance(item, GroupPlan):
            values.update(_values_of_object(item.fields, item.path, value))
        else:
            for number, row in enumerate(value):
                prefix = f"{item.path}.{number}"
                values.update(_values_of_object(item.fields, prefix, row))
    return values


def _values_of_object(
    plans: Iterable[FieldPlan], prefix: str, value: Mapping[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for plan in plans:
        if plan.path in value:
            name = f"{prefix}.{plan.path}"
            values.update(_named_values(plan, name, value[plan.path]))
    return values


def _named_values(plan: FieldPlan, name: str, value: Any) -> dict[str, Any]:
    if plan.part:
        day, __, time = value.partition("T")
        part = day if plan.part == "day" else f"{time}:00"[: len("HH:MM:SS")]
        return {f"{name}.{plan.part}": plan.control.to_form(part)}
    if plan.by_language:
        return {
            f"{name}.{tag}": plan.control.to_form(text) for tag, text in value.items()
        }
    return {name: plan.control.to_form(value)}
