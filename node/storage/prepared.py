"""Statements of every request: put into SQL once, run below SQLAlchemy's bookkeeping.

For each execution SQLAlchemy looks the compiled form of a statement up and makes a
context, a result and its metadata: three times what SQLite takes for a row that an
index finds. A statement that is known when the program starts needs none of that.
SQLAlchemy writes its SQL, and its types translate values and columns; both are
found once for each engine, and from then on only the driver is called.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias, cast

from sqlalchemy import Dialect, Insert, Select, Update
from sqlalchemy.types import TypeEngine

Parameters: TypeAlias = Mapping[str, Any]
"""Values of a statement's `bindparam`s, and of the columns that it writes."""
Preparable: TypeAlias = Select[Any] | Insert | Update
_Translate: TypeAlias = Callable[[Any], Any]


class Record(Protocol):
    """A row: its columns by their names, and in their order."""

    def __getattr__(self, name: str, /) -> Any:
        """Return a column."""

    def __iter__(self) -> Iterator[Any]:
        """Go through the columns in the order of the statement."""


class Prepared:
    """A query, insert or update that is put into SQL once.

    `Transaction.record`, `records` and `change` run it. It takes one value for each
    `bindparam`, so no `IN` of many; an insert or update writes the columns that it
    is given values for.
    """

    __slots__ = ("_texts", "statement")

    def __init__(self, statement: Preparable) -> None:
        self.statement: Final = statement
        self._texts: dict[tuple[str, tuple[str, ...]], PreparedText] = {}

    def text_for(self, dialect: Dialect, parameters: Parameters) -> "PreparedText":
        """Return the SQL for an engine and for values of these names."""
        key = (dialect.name, tuple(parameters))
        found = self._texts.get(key)
        if found is None:
            found = PreparedText(self.statement, dialect, names=key[1])
            self._texts[key] = found
        return found


class PreparedText:
    """The SQL of a statement for one engine, with the way there and back.

    Args:
        statement: The statement.
        dialect: The engine's, with its driver.
        names: Of the values that come with each call.
    """

    __slots__ = ("_columns", "_fixed", "_is_positional", "_record", "_values", "sql")

    def __init__(
        self, statement: Preparable, dialect: Dialect, *, names: Sequence[str]
    ) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names))
        self.sql: Final = str(compiled)
        positions = compiled.positiontup
        self._is_positional: Final = positions is not None
        kinds = {name: bind.type for bind, name in compiled.bind_names.items()}
        self._values: Final = [
            (name, _way_there(kinds[name], dialect))
            for name in (kinds if positions is None else positions)
        ]
        # What stands in the statement itself.
        self._fixed: Final = {
            name: value
            for name, value in compiled.params.items()
            if name not in names and value is not None
        }
        columns = (
            statement.selected_columns.items() if isinstance(statement, Select) else []
        )
        self._record: Final = _record_maker([name for name, _ in columns])
        self._columns: Final = [
            (number, translate)
            for number, (_, column) in enumerate(columns)
            if (translate := _way_back(column.type, dialect)) is not None
        ]

    def bind(self, parameters: Parameters) -> list[Any] | dict[str, Any]:
        """Return what the driver takes, by position or by name.

        Raises:
            KeyError: A value is missing.
        """
        given = {**self._fixed, **parameters} if self._fixed else parameters
        if self._is_positional:
            return [
                given[name] if translate is None else translate(given[name])
                for name, translate in self._values
            ]
        return {
            name: given[name] if translate is None else translate(given[name])
            for name, translate in self._values
        }

    def record(self, row: Sequence[Any]) -> Record:
        """Return a row of the driver as the types of the statement mean it."""
        columns = row
        if self._columns:
            columns = list(row)
            for number, translate in self._columns:
                columns[number] = translate(columns[number])
        return self._record(columns)


def _record_maker(names: Sequence[str]) -> Callable[[Sequence[Any]], Record]:
    made = cast("Any", namedtuple("Record", names, rename=True))
    return cast("Callable[[Sequence[Any]], Record]", made._make)


def _way_there(kind: TypeEngine[Any], dialect: Dialect) -> _Translate | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _way_back(kind: TypeEngine[Any], dialect: Dialect) -> _Translate | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
