"""The engines of a process share the SQL of their statements."""

from pathlib import Path

import pytest
from sqlalchemy import column, select, table
from sqlalchemy.engine import CursorResult
from sqlalchemy.engine.interfaces import CacheStats

from node.storage.database import SqliteDatabase


def _cache_hit(result: CursorResult[object]) -> CacheStats:
    result.close()
    return result.context.cache_hit  # type: ignore[attr-defined]


@pytest.mark.parametrize("reader", ["read", "look_up"])
async def test_statement_is_compiled_once_for_all_nodes(
    tmp_path: Path, reader: str
) -> None:
    # A name of its own: no other test has run this statement.
    names = table("sqlite_master", column("name")).alias(f"names_{reader}")
    found = []
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        database = SqliteDatabase(tmp_path / folder / "node.sqlite")
        # Only the writer may make the file.
        await database.run_sync(lambda _connection: None)
        async with getattr(database, reader)() as tx:
            found.append(await tx.fetch(select(names), None, _cache_hit))
        await database.close()
    assert found == [CacheStats.CACHE_MISS, CacheStats.CACHE_HIT]
