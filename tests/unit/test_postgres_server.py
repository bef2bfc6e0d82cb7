"""The PostgreSQL the other tests rely on is real, and each gets its own database."""

import os
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from tests.postgres_server import PostgresServer, running_server


async def test_stores_and_reads_through_the_async_engine(postgres_url: str) -> None:
    table = sa.Table("company", sa.MetaData(), sa.Column("name", sa.Text))
    engine = create_async_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.run_sync(table.create)
        await connection.execute(table.insert().values(name="Müller & Söhne"))
    async with engine.connect() as connection:
        names = (await connection.execute(sa.select(table.c.name))).scalars().all()
        version = await connection.scalar(sa.text("SHOW server_version_num"))
    await engine.dispose()
    assert names == ["Müller & Söhne"]
    assert int(version) >= 180000


async def test_one_test_sees_nothing_of_another(
    postgres_server: PostgresServer, postgres_url: str
) -> None:
    first = create_async_engine(postgres_url)
    async with first.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE left_behind (n int)"))
    await first.dispose()
    with postgres_server.fresh_database() as other_url:
        second = create_async_engine(other_url)
        async with second.connect() as connection:
            tables = await connection.run_sync(
                lambda c: sa.inspect(c).get_table_names()
            )
        await second.dispose()
    assert tables == []


def test_leaves_nothing_behind() -> None:
    with running_server() as server:
        folder = server.socket_folder
        process = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(process, 0)
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_touches_no_mode_outside_its_folder() -> None:
    watched = [Path.home(), *Path(__file__).parents]
    before = [path.stat().st_mode for path in watched]
    with running_server():
        assert [path.stat().st_mode for path in watched] == before
