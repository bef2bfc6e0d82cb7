"""A real database of each engine for every contract test."""

import asyncio
import datetime
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from node.storage.database import Database, SqliteDatabase
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import migrate
from node.storage.tables import metadata
from tests.contract.backed_node import BackedNode, backed_node
from tests.postgres_server import PostgresServer, empty_tables

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


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the program's schema, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "node.sqlite"
    _on_a_loop_of_its_own(lambda: _migrate(SqliteDatabase(path)))
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres_server: PostgresServer) -> Iterator[str]:
    """A PostgreSQL database with the program's schema, for one test at a time."""
    with postgres_server.fresh_database() as url:
        _on_a_loop_of_its_own(lambda: _migrate(PostgresDatabase(url)))
        yield url


@pytest.fixture
async def database(
    engine_name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> AsyncIterator[Database]:
    """A database with the program's schema."""
    async with AsyncExitStack() as stack:
        database: Database
        if engine_name == "sqlite":
            path = tmp_path / "node.sqlite"
            shutil.copy(request.getfixturevalue("migrated_file"), path)
            database = SqliteDatabase(path)
        else:
            url = request.getfixturevalue("migrated_postgres")
            empty_tables(url, [table.name for table in metadata.sorted_tables])
            database = PostgresDatabase(url)
        stack.push_async_callback(database.close)
        yield database


async def _migrate(database: Database) -> None:
    await migrate(database)
    await database.close()


def _on_a_loop_of_its_own(work: Callable[[], Coroutine[None, None, None]]) -> None:
    # The loop of the tests runs already, or would be closed by `asyncio.run`.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(work())).result()


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
