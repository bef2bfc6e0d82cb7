"""Put a prepared database in the place of the node's own, which is kept aside.

For SQLite a mark says that the prepared file is complete and was ordered; whoever
opens the folder next finishes what was broken off. On PostgreSQL the tables change
their schemas in one transaction.

Source: SPEC.md NOD-070.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from node.durable_files import replace_file, sync_folder
from node.errors import ConflictError, UnavailableError
from node.sentence import Sentence, system_reason
from node.storage.database import SQLITE_FILE
from node.storage.tables import metadata

STAGE_FILE: Final = "node.restoring.sqlite"
MARK_FILE: Final = "node.restore-unfinished"
STAGE_SCHEMA: Final = "spalier_restoring"
_BESIDE: Final = ("-wal", "-shm", "-journal")
_LOCK_WAIT: Final = "10s"

Step = Callable[[str], None]
"""Is told which step is done."""


@contextlib.contextmanager
def naming(folder: Path) -> Iterator[None]:
    """Let a failure of the file system name the folder."""
    try:
        yield
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "The folder {folder} cannot be used: {reason}.",
                folder=folder,
                reason=system_reason(error),
            ),
            code="folder-unusable",
            path=str(folder),
            hint="Make room on this disk, or run the command as the user that the "
            "folder belongs to.",
        ) from error


# -- SQLite -----------------------------------------------------------------------


def remove_stage(folder: Path) -> None:
    """Remove a prepared file that nobody ordered."""
    for ending in ("", *_BESIDE):
        (folder / f"{STAGE_FILE}{ending}").unlink(missing_ok=True)


def name_aside(url: str, *, at: datetime) -> str:
    """Return the name that the replaced database will have: a file, or a schema."""
    if url:
        return f"spalier_replaced_{at:%Y%m%dt%H%M%Sz}"
    return f"node.replaced-{at:%Y%m%dT%H%M%SZ}.sqlite"


def replace_database(folder: Path, *, aside: str, step: Step) -> None:
    """Put the prepared file in place, and the old one aside.

    Raises:
        OSError: The folder cannot be written.
    """
    replace_file(folder / MARK_FILE, aside.encode("ascii"))
    step("marked")
    _finish(folder, aside, step)


def finish_replacing(folder: Path) -> None:
    """Finish a restore of SQLite that was broken off; the caller holds the lock.

    Raises:
        UnavailableError: The folder cannot be written.
    """
    mark = folder / MARK_FILE
    with naming(folder):
        if mark.exists():
            _finish(folder, mark.read_text(encoding="ascii"), lambda _: None)


def _finish(folder: Path, aside: str, step: Step) -> None:
    stage, own = folder / STAGE_FILE, folder / SQLITE_FILE
    if stage.exists():
        _write_log_into(own)
        # The log first: beside another file it would be taken for that one's.
        for ending in (*_BESIDE, ""):
            old = folder / f"{SQLITE_FILE}{ending}"
            if old.exists():
                old.rename(folder / f"{aside}{ending}")
        sync_folder(folder)
        step("moved")
        stage.rename(own)
        sync_folder(folder)
        step("replaced")
    (folder / MARK_FILE).unlink(missing_ok=True)
    sync_folder(folder)


def _write_log_into(path: Path) -> None:
    """Leave one file, if the database can be opened at all."""
    if not path.exists():
        return
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(path)) as old,
    ):
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


# -- PostgreSQL -------------------------------------------------------------------


def staged_url(url: str) -> URL:
    """Return the address whose connections see the prepared tables."""
    found = make_url(url)
    before = found.query.get("options", "")
    options = before if isinstance(before, str) else " ".join(before)
    path = f"{options} -csearch_path={STAGE_SCHEMA}".strip()
    return found.update_query_dict({"options": path})


def make_stage_schema(url: str) -> None:
    """Make an empty schema beside the node's own.

    Raises:
        UnavailableError: The account may not.
    """
    with _connected(url) as connection:
        try:
            connection.execute(text(f"DROP SCHEMA IF EXISTS {STAGE_SCHEMA} CASCADE"))
            connection.execute(text(f"CREATE SCHEMA {STAGE_SCHEMA}"))
            connection.commit()
        except DBAPIError as error:
            raise UnavailableError(
                "The database's account may not make a schema for the restore.",
                code="schema-forbidden",
                hint="GRANT CREATE ON DATABASE … TO that account, or make it the "
                "owner of the database.",
            ) from error


def drop_stage_schema(url: str) -> None:
    """Remove prepared tables that nobody ordered."""
    with _connected(url) as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {STAGE_SCHEMA} CASCADE"))
        connection.commit()


def require_nobody_else(url: str) -> None:
    """Refuse while another program is connected to the node's database.

    Raises:
        ConflictError: There is one.
    """
    try:
        with _connected(url) as connection:
            _require_alone(connection)
    except DBAPIError as error:
        raise UnavailableError(
            "The database cannot be reached.",
            code="storage-unavailable",
            path="database.url",
            hint="Start the database server; the restore fills its database.",
        ) from error


def _require_alone(connection: Connection) -> None:
    # Read anew: what a transaction has seen of it once, it keeps.
    connection.execute(text("SELECT pg_stat_clear_snapshot()"))
    others = connection.scalar(
        text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = "
            "current_database() AND pid <> pg_backend_pid() AND "
            "backend_type = 'client backend'"
        )
    )
    if others:
        raise ConflictError(
            "Another program is connected to the node's database.",
            code="node-in-use",
            hint="Stop every process of the node, on every machine, and other "
            "programs that use this database.",
        )


def replace_schema(url: str, *, aside: str, step: Step) -> None:
    """Put the prepared tables in place, and the old ones into the schema `aside`.

    Raises:
        ConflictError: Another program has connected meanwhile.
        UnavailableError: Somebody keeps them locked.
    """
    with _connected(url) as connection:
        own = connection.scalar(text("SELECT current_schema()"))
        connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))
        try:
            _move_tables(connection, from_schema=str(own), to_schema=aside, make=True)
            # The tables are ours alone from here on; whoever came since the restore
            # began would go on with what it knows of the old ones.
            _require_alone(connection)
            step("moved")
            _move_tables(connection, from_schema=STAGE_SCHEMA, to_schema=str(own))
            connection.execute(text(f"DROP SCHEMA {STAGE_SCHEMA} CASCADE"))
            connection.commit()
        except DBAPIError as error:
            raise UnavailableError(
                "The tables cannot be replaced; nothing was changed.",
                code="storage-unavailable",
                hint="Stop every process of the node and other programs that use "
                "this database.",
            ) from error
    step("replaced")


def _move_tables(
    connection: Connection, *, from_schema: str, to_schema: str, make: bool = False
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    if make:
        connection.execute(text(f"CREATE SCHEMA {quote(to_schema)}"))
    present = set(inspect(connection).get_table_names(schema=from_schema))
    ours = {*metadata.tables, "alembic_version"}
    for name in sorted(present & ours):
        table = f"{quote(from_schema)}.{quote(name)}"
        connection.execute(text(f"ALTER TABLE {table} SET SCHEMA {quote(to_schema)}"))


def _connected(url: str) -> contextlib.AbstractContextManager[Connection]:
    engine: Engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    return _disposing(engine)


@contextlib.contextmanager
def _disposing(engine: Engine) -> Any:
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
