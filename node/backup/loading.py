"""Put the rows of a backup into an empty database of either engine.

Names in the file are believed only if the schema has them. Source: SPEC.md NOD-063.
"""

import base64
import binascii
from collections.abc import Callable
from datetime import date
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Connection,
    Date,
    LargeBinary,
    TextClause,
    bindparam,
    inspect,
    text,
)
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from node.backup.copying import ROWS_AT_ONCE, Advance
from node.backup.file_format import Reader, TableHead, damaged
from node.errors import InvalidInputError
from node.sentence import Sentence
from node.storage.schema import SchemaStatus, migrate_to, schema_status

_TYPES: Final = {"bool": Boolean, "date": Date, "bytes": LargeBinary}


def require_known_schema(connection: Connection, revision: str) -> None:
    """Refuse the backup of a newer program.

    Raises:
        InvalidInputError: This program does not know the schema.
    """
    if schema_status(connection, revision) is SchemaStatus.NEWER:
        raise InvalidInputError(
            Sentence(
                "The backup has schema {revision}, which is newer than this program.",
                revision=revision,
            ),
            code="backup-newer",
            path="file",
            hint="Use the version of spalier that made it, or a newer one.",
        )


def load(connection: Connection, reader: Reader, advance: Advance) -> None:
    """Make the schema that the backup has, insert its rows, bring it up to date.

    Args:
        connection: Of a database without tables; the caller commits.
        reader: The backup, nothing of it read yet.
        advance: Is told how many rows are in; 0 of them in all.

    Raises:
        InvalidInputError: The backup is damaged, or newer than this program.
    """
    require_known_schema(connection, reader.header.schema)
    migrate_to(connection, reader.header.schema)
    known = {
        name: {column["name"] for column in inspect(connection).get_columns(name)}
        for name in inspect(connection).get_table_names()
    }
    batch = _Batch(connection)
    done = 0
    try:
        for line in reader.lines():
            if isinstance(line, TableHead):
                batch.flush()
                if {name for name, _ in line.columns} - known.get(line.name, set()):
                    raise damaged()
                batch.begin(line)
                continue
            batch.add(line)
            done += 1
            if done % ROWS_AT_ONCE == 0:
                advance(done, 0)
        batch.flush()
    except (DBAPIError, binascii.Error, ValueError, TypeError, OverflowError) as error:
        if isinstance(error, DBAPIError) and not _is_about_rows(error):
            raise
        raise damaged() from error
    migrate_to(connection, "head")


class _Batch:
    """Rows of one table that are inserted together."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[dict[str, Any]] = []
        self._insert: TextClause | None = None
        self._convert: list[Callable[[Any], Any] | None] = []

    def begin(self, head: TableHead) -> None:
        self._insert = _insert(head, dialect=self._connection.dialect.name)
        self._convert = [_CONVERT.get(kind) for _, kind in head.columns]

    def add(self, values: list[Any]) -> None:
        if len(values) != len(self._convert):
            raise damaged()
        self._rows.append(
            {
                f"v{index}": value if change is None or value is None else change(value)
                for index, (value, change) in enumerate(
                    zip(values, self._convert, strict=True)
                )
            }
        )
        if len(self._rows) >= ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if self._rows and self._insert is not None:
            self._connection.execute(self._insert, self._rows)
        self._rows = []


def _insert(head: TableHead, *, dialect: str) -> TextClause:
    names = ", ".join(f'"{name}"' for name, _ in head.columns)
    # The names are those of our own schema; see `load`.
    places = ", ".join(
        f"CAST(:v{index} AS JSON)"
        if kind == "json" and dialect == "postgresql"
        else f":v{index}"
        for index, (_, kind) in enumerate(head.columns)
    )
    statement = text(
        f'INSERT INTO "{head.name}" ({names}) VALUES ({places})'  # noqa: S608
    )
    return statement.bindparams(
        *(
            bindparam(f"v{index}", type_=_TYPES[kind])
            for index, (_, kind) in enumerate(head.columns)
            if kind in _TYPES
        )
    )


def _is_about_rows(error: DBAPIError) -> bool:
    """Whether the rows are to blame (a constraint, a type), not the machine."""
    return isinstance(error, DataError | IntegrityError)


_CONVERT: Final[dict[str, Callable[[Any], Any]]] = {
    "bytes": lambda value: base64.b64decode(value, validate=True),
    "date": date.fromisoformat,
}
