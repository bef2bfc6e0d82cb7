"""The version of the database schema: bring it up to date, or say what it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, inspect, text

from node.errors import ConflictError
from node.sentence import Sentence
from node.storage.database import Database

if TYPE_CHECKING:
    from alembic.config import Config

# Alembic takes 10 MiB and is imported only if something has to be migrated.
HEAD: Final = "0001"  # the newest revision in migrations/versions
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


def migrate_to(connection: Connection, revision: str) -> None:
    """Bring the schema of a connection's database to a revision, or to `head`."""
    from alembic import command  # noqa: PLC0415 - see HEAD

    command.upgrade(_config(connection), revision)


def schema_status(connection: Connection, revision: str) -> SchemaStatus:
    """Say how a revision relates to this program."""
    if revision == HEAD:
        return SchemaStatus.CURRENT
    return _status_of_other(connection, revision)


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
        migrate_to(connection, "head")
    return found


def _state(connection: Connection) -> SchemaState:
    revision = None
    if inspect(connection).has_table("alembic_version"):
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision is None:
        status = SchemaStatus.EMPTY
    else:
        status = schema_status(connection, revision)
    return SchemaState(status=status, revision=revision, wanted=HEAD)


def _status_of_other(connection: Connection, revision: str) -> SchemaStatus:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - see HEAD
    from alembic.util import CommandError  # noqa: PLC0415

    try:
        ScriptDirectory.from_config(_config(connection)).get_revision(revision)
    except CommandError:
        return SchemaStatus.NEWER
    return SchemaStatus.OLDER


def _config(connection: Connection) -> "Config":
    from alembic.config import Config  # noqa: PLC0415 - see HEAD

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", _SCRIPTS)
    config.set_main_option("path_separator", "os")
    return config
