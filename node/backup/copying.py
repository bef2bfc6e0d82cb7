"""Copy a database into a backup file, from one snapshot, beside the node's work.

A connection of its own reads; on SQLite it neither writes nor checkpoints, on
PostgreSQL its transaction is REPEATABLE READ. It runs on a thread.

Source: SPEC.md NOD-060, NOD-061.
"""

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Connection,
    Date,
    Engine,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    cast,
    create_engine,
    func,
    select,
    text,
    type_coerce,
)
from sqlalchemy.pool import NullPool

from node.backup.file_format import Writer
from node.errors import ConflictError, UnavailableError
from node.sentence import Sentence
from node.storage.columns import UtcDateTime
from node.storage.database import SQLITE_FILE
from node.storage.tables import metadata

ROWS_AT_ONCE: Final = 500
# What ends with a restore anyway; who is signed in need not lie in a backup either.
LEFT_OUT: Final = frozenset(
    {
        *("partner_leases", "work_leases"),
        *("sessions", "sign_in_links", "seen_nonces"),
    }
)

Advance = Callable[[int, int], None]
"""Is told how many rows are done, of how many."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A database as it was at one moment, until the block ends."""

    connection: Connection
    schema: str
    state: Any

    def require_sound(self) -> None:
        """Require that the file itself is not damaged; PostgreSQL looks by itself.

        A damaged index hides rows: they would be missing in the backup, and nothing
        in it would show that.

        Raises:
            UnavailableError: It is damaged.
        """
        if self.connection.dialect.name != "sqlite":
            return
        said = self.connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar()
        if said != "ok":
            raise UnavailableError(
                Sentence("The database itself is damaged: {what}", what=said),
                code="database-damaged",
                hint="Keep a copy of the node's folder, then restore the latest "
                "backup: spalier restore FILE",
            )

    def copy(self, writer: Writer, advance: Advance) -> None:
        """Write every table; the writer is not finished."""
        total, done = sum(map(self._count, copied_tables())), 0
        for table in copied_tables():
            writer.begin_table(
                table.name, [(column.name, kind_of(column)) for column in table.c]
            )
            convert = [_CONVERT.get(kind_of(column)) for column in table.c]
            result = self.connection.execute(
                _rows_of(table).execution_options(
                    yield_per=ROWS_AT_ONCE, stream_results=True
                )
            )
            for batch in result.partitions():
                for row in batch:
                    writer.row(
                        [
                            value if change is None or value is None else change(value)
                            for value, change in zip(row, convert, strict=True)
                        ]
                    )
                done += len(batch)
                advance(done, max(total, done))

    def _count(self, table: Table) -> int:
        return int(self.connection.scalar(select(func.count()).select_from(table)) or 0)


def copied_tables() -> list[Table]:
    """Return the tables of a backup, each behind those that it refers to."""
    return [each for each in metadata.sorted_tables if each.name not in LEFT_OUT]


@contextmanager
def snapshot(url: str, *, folder: Path) -> Iterator[Snapshot]:
    """Open the node's database for reading.

    Args:
        url: The setting `database.url`; empty for SQLite in the folder.
        folder: The node's folder.

    Raises:
        ConflictError: It belongs to no node.
        sqlalchemy.exc.SQLAlchemyError: It cannot be read.
    """
    engine = _engine(url, folder)
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_autocheckpoint=0")
                connection.exec_driver_sql("PRAGMA query_only=ON")
                connection.exec_driver_sql("BEGIN")
            state = connection.execute(select(metadata.tables["node_state"])).first()
            if state is None:
                raise ConflictError(
                    "The database belongs to no node yet.", code="not-initialised"
                )
            schema = connection.scalar(text("SELECT version_num FROM alembic_version"))
            yield Snapshot(connection, str(schema), state)
    finally:
        engine.dispose()


def kind_of(column: Column[Any]) -> str:
    """Return how a column's values stand in a backup."""
    match column.type:
        case UtcDateTime() | BigInteger() | Integer():
            return "int"
        case Boolean():
            return "bool"
        case Date():
            return "date"
        case JSON():
            return "json"
        case LargeBinary():
            return "bytes"
        case _:
            return "text"


def _rows_of(table: Table) -> Select[Any]:
    return select(*(_plain(column) for column in table.c)).order_by(
        *table.primary_key.columns
    )


def _plain(column: Column[Any]) -> Any:
    """Select a column without what makes objects of its values."""
    if isinstance(column.type, UtcDateTime):
        return type_coerce(column, BigInteger)
    if isinstance(column.type, JSON):
        return cast(column, Text)
    return column


def _engine(url: str, folder: Path) -> Engine:
    if url:
        return create_engine(
            url,
            poolclass=NullPool,
            hide_parameters=True,
            isolation_level="REPEATABLE READ",
        )
    path = folder / SQLITE_FILE
    return create_engine(
        f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true",
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        connect_args={"check_same_thread": False},
    )


_CONVERT: Final[dict[str, Callable[[Any], object]]] = {
    "bytes": lambda value: base64.b64encode(value).decode("ascii"),
    "date": lambda value: value.isoformat(),
}
