"""What an import of members would do: decided from the file and what is stored.

Pure: nothing here writes, so a dry run is the plan and an import is the plan
carried out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, TypeVar

from node.members.csv_table import Row, Table
from node.members.fields import FieldError
from node.members.import_columns import (
    ORGANISATION_COLUMNS,
    PERSON_COLUMNS,
    Column,
    shown,
)
from node.members.import_report import FieldChange, RowAction, RowError, RowResult
from node.members.model import Organisation, Person, Role
from node.members.rules import may_manage
from node.sentence import Sentence

T = TypeVar("T", Organisation, Person)


@dataclass(frozen=True, slots=True)
class PlannedRow(Generic[T]):
    """One row's result and what has to be written for it.

    Attributes:
        stored: The organisation or person that the row changes; None if new.
        values: Columns of the model to write; all of them for a new one.
    """

    result: RowResult
    stored: T | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def plan_organisations(
    table: Table, stored: Sequence[Organisation]
) -> list[PlannedRow[Organisation]]:
    """Decide for each row of a list of organisations.

    An organisation without external id that has the same name, for example one
    made with a person, is taken over.
    """
    by_key = {each.external_id.casefold(): each for each in stored if each.external_id}
    unkeyed = {
        each.name.casefold(): each for each in stored if each.external_id is None
    }
    planned = []
    for row in table.rows:
        values, errors = read_row(row, table.columns, ORGANISATION_COLUMNS)
        if errors:
            planned.append(_failed(row, errors))
            continue
        found = by_key.get(values["external_id"].casefold())
        found = found or unkeyed.pop(values["name"].casefold(), None)
        planned.append(_planned_organisation(row, values, found))
    return planned


def _planned_organisation(
    row: Row, values: dict[str, Any], found: Organisation | None
) -> PlannedRow[Organisation]:
    before = _organisation_fields(found) if found else {}
    changes = _changes(before, values, ORGANISATION_COLUMNS)
    texts = dict(found.description or {}) if found else {}
    for name in [name for name in values if name.startswith("description.")]:
        text = values.pop(name)
        language = name.partition(".")[2]
        texts.pop(language, None)
        if text is not None:
            texts[language] = text
    result = _result(row, values["name"], found, changes)
    return PlannedRow(result, found, {**values, "description": texts})


def _organisation_fields(organisation: Organisation) -> dict[str, Any]:
    fields = {
        each.field: getattr(organisation, each.field, None)
        for each in ORGANISATION_COLUMNS
    }
    for language, text in (organisation.description or {}).items():
        fields[f"description.{language}"] = text
    return fields


@dataclass(frozen=True, slots=True)
class PersonState:
    """What has to be known to plan a list of persons.

    Attributes:
        actor: Who imports; None for the node itself.
        default_language: For persons without one.
        today: Consents cannot be of a later day.
    """

    organisations: Sequence[Organisation]
    persons: Sequence[Person]
    actor: Person | None
    default_language: str
    today: date


def plan_persons(table: Table, state: PersonState) -> list[PlannedRow[Person]]:
    """Decide for each row of a list of persons.

    A person is found by external id, or by mail address if that person has no
    external id yet.
    """
    index = _PersonIndex(state)
    planned = []
    for row in table.rows:
        values, errors = read_row(row, table.columns, PERSON_COLUMNS)
        errors += index.faults(row, values) if not errors else []
        if errors:
            planned.append(_failed(row, errors))
            continue
        planned.append(index.planned(row, values))
    return planned


class _PersonIndex:
    """Looks things up while a list of persons is planned."""

    def __init__(self, state: PersonState) -> None:
        self._state = state
        self._by_key = {
            each.external_id.casefold(): each
            for each in state.persons
            if each.external_id
        }
        self._by_email = {each.email: each for each in state.persons}
        self._organisations: dict[str, Organisation | None] = {}
        for each in state.organisations:
            name = each.name.casefold()
            # Two organisations of one name: neither is found by it.
            self._organisations[name] = None if name in self._organisations else each
        for each in state.organisations:
            if each.external_id:
                self._organisations[each.external_id.casefold()] = each

    def faults(self, row: Row, values: Mapping[str, Any]) -> list[RowError]:
        """Find what is wrong with a row whose cells are each in order."""

        def fault(column: str, sentence: Sentence) -> RowError:
            return RowError(row.number, sentence, column)

        errors = []
        organisation = self._organisations.get(values["organisation"].casefold())
        if organisation is None:
            errors.append(
                fault(
                    "organisation",
                    Sentence(
                        "There is no organisation {name}; import the organisations "
                        "first.",
                        name=values["organisation"],
                    ),
                )
            )
        found = self._found(values)
        namesake = self._by_email.get(values["email"])
        if namesake is not None and namesake is not found:
            errors.append(
                fault(
                    "email",
                    Sentence(
                        "{email} already belongs to {name} with another external id.",
                        email=values["email"],
                        name=namesake.name,
                    ),
                )
            )
        if found is not None and found.left_at is not None:
            errors.append(
                fault(
                    "external_id",
                    Sentence(
                        "{name} left on {day}; an import does not bring anybody back.",
                        name=found.name,
                        day=found.left_at.date().isoformat(),
                    ),
                )
            )
        errors += self._consent_faults(row, values)
        if organisation is not None and not self._may(found, organisation, values):
            errors.append(
                fault(
                    "role", Sentence("You may not give or change this person's role.")
                )
            )
        return errors

    def _consent_faults(self, row: Row, values: Mapping[str, Any]) -> list[RowError]:
        day, source = values.get("consent_on"), values.get("consent_source")
        if (day is None) != (source is None):
            sentence = Sentence("A consent needs both its day and its source.")
            return [RowError(row.number, sentence, "consent_date")]
        if day is not None and day > self._state.today:
            sentence = Sentence("The consent is dated in the future.")
            return [RowError(row.number, sentence, "consent_date")]
        return []

    def _may(
        self,
        found: Person | None,
        organisation: Organisation,
        values: Mapping[str, Any],
    ) -> bool:
        roles = {values.get("role") or (found.role if found else Role.PERSON)}
        if found is not None:
            roles.add(found.role)
        return all(
            may_manage(self._state.actor, organisation_id=organisation.id, role=role)
            for role in roles
        )

    def _found(self, values: Mapping[str, Any]) -> Person | None:
        found = self._by_key.get(values["external_id"].casefold())
        if found is not None:
            return found
        namesake = self._by_email.get(values["email"])
        return namesake if namesake and namesake.external_id is None else None

    def planned(self, row: Row, values: dict[str, Any]) -> PlannedRow[Person]:
        """Plan a row without faults."""
        found = self._found(values)
        organisation = self._organisations[values.pop("organisation").casefold()]
        if organisation is None:
            msg = "planned before its faults were looked for"
            raise AssertionError(msg)
        before: dict[str, Any] = {}
        if found is not None:
            before = {
                each.field: getattr(found, each.field, None) for each in PERSON_COLUMNS
            }
            before["organisation"] = found.organisation_name
        after = {**values, "organisation": organisation.name}
        changes = _changes(before, after, PERSON_COLUMNS)
        values["organisation_id"] = organisation.id
        if found is None:
            values.setdefault("role", Role.PERSON)
            values.setdefault("language", self._state.default_language)
        return PlannedRow(_result(row, values["name"], found, changes), found, values)


def read_row(
    row: Row, present: Sequence[str], columns: Sequence[Column]
) -> tuple[dict[str, Any], list[RowError]]:
    """Read the cells of a row; columns that the file lacks are left out."""
    values: dict[str, Any] = {}
    errors = []
    for column in columns:
        if column.name not in present:
            continue
        text = row.get(column.name)
        if text:
            try:
                values[column.field] = column.read(text)
            except FieldError as error:
                errors.append(RowError(row.number, error.sentence, column.name))
        elif column.needed:
            sentence = Sentence("{column} is empty.", column=column.name)
            errors.append(RowError(row.number, sentence, column.name))
        elif not column.keeps:
            values[column.field] = None
    return values, errors


def _changes(
    before: Mapping[str, Any], after: Mapping[str, Any], columns: Sequence[Column]
) -> tuple[FieldChange, ...]:
    return tuple(
        FieldChange(
            each.name, shown(before.get(each.field)), shown(after.get(each.field))
        )
        for each in columns
        if each.field in after and before.get(each.field) != after.get(each.field)
    )


def _result(
    row: Row, label: str, found: object | None, changes: tuple[FieldChange, ...]
) -> RowResult:
    key = row.get("external_id")
    if found is None:
        return RowResult(row.number, key, label, RowAction.ADDED)
    action = RowAction.CHANGED if changes else RowAction.UNCHANGED
    return RowResult(row.number, key, label, action, changes=changes)


def _failed(row: Row, errors: list[RowError]) -> PlannedRow[Any]:
    return PlannedRow(
        RowResult(
            row.number,
            row.get("external_id"),
            row.get("name"),
            RowAction.ERROR,
            errors=tuple(errors),
        )
    )
