"""What an import did, or in a dry run would do, row by row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from node.signin.links import IssuedLink


class RowAction(StrEnum):
    """What happens with a row."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    ERROR = "error"


class ImportSubject(StrEnum):
    """What a file lists."""

    ORGANISATIONS = "organisations"
    PERSONS = "persons"
    ENTRIES = "entries"


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row was left out.

    Attributes:
        row: Number in the file; the header is row 1.
        message: A `node.sentence.Sentence`, where it can be translated.
        column: The column it is about; empty for the row as a whole.
    """

    row: int
    message: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A difference between what was stored and what the file says."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row of the file with what happens to it.

    Attributes:
        key: External id, if the row has one.
        label: What a person recognises it by.
        changes: Differences, for `changed`.
        errors: Reasons, for `error`.
    """

    row: int
    key: str
    label: str
    action: RowAction
    changes: tuple[FieldChange, ...] = ()
    errors: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of an import.

    Attributes:
        rows: Every row, in the file's order.
        dry_run: Nothing was stored.
        links: First-password links of persons who were added; empty in a dry run.
        without_consent: Profiles or persons whose consent is not recorded: what
            is theirs stays home.
        ignored_columns: Headings that mean nothing here.
    """

    subject: ImportSubject
    rows: tuple[RowResult, ...]
    dry_run: bool
    links: tuple[IssuedLink, ...] = field(default=(), repr=False)
    without_consent: int = 0
    ignored_columns: tuple[str, ...] = ()

    @property
    def added(self) -> int:
        """Rows that are new."""
        return self._count(RowAction.ADDED)

    @property
    def changed(self) -> int:
        """Rows that differ from what was stored."""
        return self._count(RowAction.CHANGED)

    @property
    def unchanged(self) -> int:
        """Rows that say what was stored already."""
        return self._count(RowAction.UNCHANGED)

    @property
    def errors(self) -> tuple[RowError, ...]:
        """All reasons for which rows were left out."""
        return tuple(error for row in self.rows for error in row.errors)

    @property
    def changes(self) -> tuple[RowResult, ...]:
        """The rows that changed, with their differences."""
        return tuple(row for row in self.rows if row.action is RowAction.CHANGED)

    def as_json(self) -> Mapping[str, Any]:
        """Return the report as commands print it."""
        return {
            "added": self.added,
            "changed": self.changed,
            "unchanged": self.unchanged,
            "errors": [
                {"row": each.row, "column": each.column, "message": str(each.message)}
                for each in self.errors
            ],
            "links": [{"email": each.email, "link": each.link} for each in self.links],
            "changes": [
                {
                    "row": each.row,
                    "key": each.key,
                    "fields": [
                        {"column": one.column, "before": one.before, "after": one.after}
                        for one in each.changes
                    ],
                }
                for each in self.changes
            ],
            "without_consent": self.without_consent,
            "ignored_columns": list(self.ignored_columns),
            "dry_run": self.dry_run,
        }

    def _count(self, action: RowAction) -> int:
        return sum(1 for row in self.rows if row.action is action)
