"""A real database of each engine for every contract test."""

import datetime
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from node.storage.database import Database, SqliteDatabase
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import migrate
from tests.contract.backed_node import BackedNode, backed_node

NOW = datetime.datetime(2026, 3, 2, 8, 0, tzinfo=datetime.UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def empty_database(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Database]:
    """A database without tables."""
    database: Database
    if engine_name == "sqlite":
        database = SqliteDatabase(tmp_path / "node.sqlite")
    else:
        database = PostgresDatabase(request.getfixturevalue("postgres_url"))
    yield database
    await database.close()


@pytest.fixture
async def database(empty_database: Database) -> Database:
    """A database with the program's schema."""
    await migrate(empty_database)
    return empty_database


@pytest.fixture
def now() -> datetime.datetime:
    return NOW


@pytest.fixture
async def node(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[BackedNode]:
    """A whole node in a folder of its own, to be backed up and restored."""
    url = ""
    if engine_name == "postgresql":
        url = str(request.getfixturevalue("postgres_url"))
    async with backed_node(tmp_path, url) as found:
        yield found
