"""A partner is found by address, host or name, never by a guess."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from federation.trust import TrustState
from node.errors import InvalidInputError, NotFoundError
from node.partners.finding import find_partner
from node.storage.database import Database, SqliteDatabase, Transaction
from node.storage.partners import insert_partner
from node.storage.schema import migrate
from tests.partner_key import first_key
from tests.unit.node.partners.test_history import partner


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = SqliteDatabase(tmp_path / "node.sqlite")
    await migrate(opened)

    async def work(tx: Transaction) -> None:
        for name, host in (
            ("Optence", "spalier.optence.example"),
            ("Netz Süd", "netz.example:8443"),
            ("Netz Nord", "netz.example"),
        ):
            await insert_partner(
                tx,
                replace(
                    partner(TrustState.ACTIVE),
                    id=name,
                    name=name,
                    base_url=f"https://{host}",
                    keys=(first_key(f"https://{host}"),),
                ),
            )

    await opened.write(work)
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("ref", "name"),
    [
        ("https://spalier.optence.example", "Optence"),
        ("https://spalier.optence.example/", "Optence"),
        ("SPALIER.optence.example", "Optence"),
        (" optence ", "Optence"),
        ("opt", "Optence"),
        ("netz.example:8443", "Netz Süd"),
        ("netz süd", "Netz Süd"),
    ],
)
async def test_found(database: Database, ref: str, name: str) -> None:
    async with database.read() as tx:
        assert (await find_partner(tx, ref)).name == name


@pytest.mark.parametrize("ref", ["netz", "netz.example"])
async def test_ambiguous_names_the_candidates(database: Database, ref: str) -> None:
    async with database.read() as tx:
        with pytest.raises(InvalidInputError) as caught:
            await find_partner(tx, ref)
    assert caught.value.code == "partner-ambiguous"
    assert "Netz Nord" in caught.value.message
    assert "Netz Süd" in caught.value.message
    assert "Optence" not in caught.value.message


@pytest.mark.parametrize("ref", ["", "nobody", "https://netz.example/x", "%"])
async def test_unknown_lists_who_there_is(database: Database, ref: str) -> None:
    async with database.read() as tx:
        with pytest.raises(NotFoundError, match="Optence"):
            await find_partner(tx, ref)
