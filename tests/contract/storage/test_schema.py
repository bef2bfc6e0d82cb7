"""The revisions make exactly the tables that the program works with."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from node.errors import ConflictError
from node.storage.database import Database, SqliteDatabase, Transaction
from node.storage.schema import HEAD, SchemaStatus, migrate, schema_state
from node.storage.tables import metadata


async def test_revisions_and_tables_agree(database: Database) -> None:
    """If this fails: python -m node.storage.migrations (see its docstring)."""

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, metadata))

    assert await database.run_sync(differences) == []


def _definitions(path: Path) -> dict[str, list[str]]:
    """Each table and index with its parts; the order of constraints is no matter."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
        )
        return {
            name: sorted(" ".join(sql.split()).removesuffix(" )").split(", "))
            for name, sql in rows
        }


async def test_sqlite_gets_the_same_text(tmp_path: Path) -> None:
    """Also what the comparison leaves out: checks and names."""
    database = SqliteDatabase(tmp_path / "migrated.sqlite")
    await migrate(database)
    await database.close()
    engine = create_engine(f"sqlite:///{tmp_path / 'direct.sqlite'}")
    metadata.create_all(engine)
    engine.dispose()
    migrated = _definitions(tmp_path / "migrated.sqlite")
    assert migrated.pop("alembic_version")
    assert migrated == _definitions(tmp_path / "direct.sqlite")


async def test_state_before_and_after(empty_database: Database) -> None:
    before = await schema_state(empty_database)
    assert (before.status, before.revision) == (SchemaStatus.EMPTY, None)
    assert await migrate(empty_database) == before
    after = await schema_state(empty_database)
    assert (after.status, after.revision) == (SchemaStatus.CURRENT, before.wanted)
    assert await migrate(empty_database) == after


async def test_newer_schema_is_refused_and_left_alone(database: Database) -> None:
    async def pretend(tx: Transaction) -> None:
        await tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    await database.write(pretend)
    with pytest.raises(ConflictError) as caught:
        await migrate(database)
    assert caught.value.code == "schema-newer"
    assert "9999" in caught.value.message
    assert (await schema_state(database)).status is SchemaStatus.NEWER


async def test_failing_revision_leaves_nothing(empty_database: Database) -> None:
    """A table in the way stops the revision after it has made others."""

    async def block(tx: Transaction) -> None:
        await tx.execute(text("CREATE TABLE messages (id integer)"))

    await empty_database.write(block)
    with pytest.raises(Exception, match="already exists"):
        await migrate(empty_database)

    def tables(connection: Connection) -> set[str]:
        return set(connection.dialect.get_table_names(connection))

    assert await empty_database.run_sync(tables) == {"messages"}
    assert (await schema_state(empty_database)).status is SchemaStatus.EMPTY


def test_the_newest_revision_is_the_one_that_is_named() -> None:
    config = Config()
    config.set_main_option("script_location", "node.storage:migrations")
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_current_sqlite_needs_no_alembic_and_no_postgresql_driver() -> None:
    """Both are large, and a node on SQLite that is up to date uses neither."""
    code = (
        "import sys, node.app, node.web.server, admin_ui.routes\n"
        "print([n for n in ('alembic', 'psycopg')"
        " if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
