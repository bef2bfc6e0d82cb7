"""The version of the database schema: bring it up to date, or say what it is."""

from dataclasses import dataclass
from enum import StrEnum

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text

from node.errors import ConflictError
from node.sentence import Sentence
from node.storage.database import Database

_SCRIPTS = "node.storage:migrations"
# Any constant: it keeps two processes from migrating one PostgreSQL database.
_MIGRATION_LOCK = 5_318_008_417


class SchemaStatus(StrEnum):
    """How the database's schema relates to the program."""

    EMPTY = "empty"
    OLDER = "older"
    CURRENT = "current"
    NEWER = "newer"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """What is in the database and what the program wants.

    Attributes:
        revision: Revision of the database; None if it has no tables of ours.
        wanted: Revision that this program works with.
    """

    status: SchemaStatus
    revision: str | None
    wanted: str


async def schema_state(database: Database) -> SchemaState:
    """Compare the database's schema with the program's."""
    return await database.run_sync(_state)


async def migrate(database: Database) -> SchemaState:
    """Bring the schema to the program's revision, in one transaction.

    Returns:
        The state that was found before.

    Raises:
        ConflictError: The database was written by a newer program; nothing is
            changed.
    """
    return await database.run_sync(_upgrade)


def _upgrade(connection: Connection) -> SchemaState:
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK}
        )
    found = _state(connection)
    if found.status is SchemaStatus.NEWER:
        raise ConflictError(
            Sentence(
                "The database has schema {revision}, this program knows schemas up "
                "to {wanted}.",
                revision=found.revision,
                wanted=found.wanted,
            ),
            code="schema-newer",
            hint="Start the version of Spalier that wrote it last, or a newer one.",
        )
    if found.status is not SchemaStatus.CURRENT:
        command.upgrade(_config(connection), "head")
    return found


def _state(connection: Connection) -> SchemaState:
    scripts = ScriptDirectory.from_config(_config(connection))
    wanted = scripts.get_current_head() or ""
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        status = SchemaStatus.EMPTY
    elif revision == wanted:
        status = SchemaStatus.CURRENT
    else:
        status = _status_of_other(scripts, revision)
    return SchemaState(status=status, revision=revision, wanted=wanted)


def _status_of_other(scripts: ScriptDirectory, revision: str) -> SchemaStatus:
    try:
        scripts.get_revision(revision)
    except CommandError:
        return SchemaStatus.NEWER
    return SchemaStatus.OLDER


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    return config
