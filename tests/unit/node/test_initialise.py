import asyncio
import contextlib
import datetime
import hashlib
import os
import random
import shutil
import sqlite3
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from node.config import load_config
from node.errors import (
    ConflictError,
    InvalidInputError,
    UnavailableError,
)
from node.initialise import Initialised, initialise
from node.instance_lock import acquire
from node.node_key import load_key
from node.storage.database import open_database
from node.storage.node_state import require_node_state
from node.storage.postgres_database import PostgresDatabase
from node.storage.schema import SchemaStatus, schema_state

NOW = datetime.datetime(2026, 3, 2, 8, 0, tzinfo=datetime.UTC)


class Fixed:
    def now(self) -> datetime.datetime:
        return NOW


class Seeded:
    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


async def set_up(folder: Path, *, seed: int = 1, **changes: Any) -> Initialised:
    wish: dict[str, Any] = {
        "base_url": "http://127.0.0.1:8101",
        "name": "Optence e.V.",
        "office_email": " Office@Optence.example ",
        "allow_loopback_http": True,
        "card": {"field": "Photonik", "regions": ["DE-HE"]},
    }
    return await initialise(
        folder, clock=Fixed(), random=Seeded(seed), **(wish | changes)
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def check_working(folder: Path, made: Initialised) -> None:
    """Everything is there once, fits together, and belongs to this attempt."""
    config = load_config(folder, {})
    assert load_key(folder).public_key.fingerprint == made.fingerprint
    assert not (folder / "node.init-unfinished").exists()
    database = open_database(config.database.url, folder=folder)
    try:
        assert (await schema_state(database)).status is SchemaStatus.CURRENT
        async with database.read() as tx:
            state = await require_node_state(tx)
            counts = [
                await tx.scalar(text(f"SELECT count(*) FROM {table}"))
                for table in ("organisations", "persons", "sign_in_links")
            ]
    finally:
        await database.close()
    assert state.node_id == made.node_id
    assert counts == [1, 1, 1]


async def test_a_node_is_set_up(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "node"
    made = await set_up(folder, demo=True)
    await check_working(folder, made)
    assert made.actor == "http://127.0.0.1:8101/actor"
    assert made.admin_email == "office@optence.example"
    config = load_config(folder, {})
    assert config.demo is True
    assert config.listen.port == 8101
    with contextlib.closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        connection.row_factory = sqlite3.Row
        person = dict(connection.execute("SELECT * FROM persons").fetchone())
        office = dict(connection.execute("SELECT * FROM organisations").fetchone())
        link = dict(connection.execute("SELECT * FROM sign_in_links").fetchone())
        state = dict(connection.execute("SELECT * FROM node_state").fetchone())
    assert (person["email"], person["role"], person["name"]) == (
        "office@optence.example",
        "node-admin",
        "Geschäftsstelle",
    )
    assert (office["name"], office["is_office"]) == ("Optence e.V.", 1)
    assert person["organisation_id"] == office["id"]
    assert (link["purpose"], link["person_id"]) == ("first-password", person["id"])
    prefix, _, token = made.admin_link.rpartition("/")
    assert prefix == "http://127.0.0.1:8101/anmelden"
    assert link["token_hash"] == hashlib.sha256(token.encode()).hexdigest()
    assert link["expires_at"] > link["created_at"]
    assert state["incarnation"] == 1
    assert len(bytes.fromhex(state["epoch"])) == 16


async def test_only_the_owner_can_read(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        await set_up(tmp_path / "node")
    finally:
        os.umask(previous)
    assert mode(tmp_path / "node") == 0o700
    modes = {path.name: mode(path) for path in (tmp_path / "node").iterdir()}
    assert modes == dict.fromkeys(
        ("node.key", "node.lock", "node.sqlite", "node.toml"), 0o600
    )


async def test_existing_empty_folder_is_taken_and_closed(tmp_path: Path) -> None:
    (tmp_path / "lost+found").mkdir()
    tmp_path.chmod(0o755)
    await check_working(tmp_path, await set_up(tmp_path))
    assert mode(tmp_path) == 0o700


async def test_folder_with_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    tmp_path.chmod(0o755)
    with pytest.raises(InvalidInputError) as caught:
        await set_up(tmp_path)
    assert caught.value.code == "folder-not-empty"
    assert mode(tmp_path) == 0o755
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


async def test_second_set_up_changes_nothing(tmp_path: Path) -> None:
    await set_up(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ConflictError) as caught:
        await set_up(tmp_path, seed=2)
    assert caught.value.code == "already-initialised"
    assert str(tmp_path) in caught.value.message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("name", ["node.key", "node.sqlite", "node.toml"])
async def test_remains_of_a_node_are_not_touched(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")
    with pytest.raises(ConflictError):
        await set_up(tmp_path)
    assert (tmp_path / name).read_text() == "precious"


async def test_all_faults_at_once_and_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await set_up(
            tmp_path / "node",
            base_url="https://Optence.example/path",
            name=" ",
            office_email="office",
            card={"colour": "red"},
            listen=("127.0.0.1", 0),
            default_language="fr",
        )
    assert {fault.path for fault in caught.value.faults} == {
        "url",
        "name",
        "office",
        "card.colour",
        "listen.port",
        "default_language",
    }
    assert list(tmp_path.iterdir()) == []


async def test_plain_address_needs_its_permission(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await set_up(tmp_path / "node", allow_loopback_http=False)
    assert [fault.path for fault in caught.value.faults] == ["url"]


async def test_folder_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as caught:
        await set_up(tmp_path / "file" / "node")
    assert caught.value.code == "folder-unusable"
    assert caught.value.path == str(tmp_path / "file" / "node")


@contextlib.contextmanager
def _somebody_else() -> Iterator[None]:
    """Act without the rights of root, to whom no folder is closed."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_folder_without_rights() -> None:
    parent = Path(tempfile.mkdtemp())
    try:
        parent.chmod(0o555)
        with _somebody_else(), pytest.raises(UnavailableError) as caught:
            await set_up(parent / "node")
        assert caught.value.path == str(parent / "node")
        assert caught.value.hint
        assert list(parent.iterdir()) == []
    finally:
        parent.chmod(0o700)
        shutil.rmtree(parent)


async def test_two_at_once_make_one_node(tmp_path: Path) -> None:
    with acquire(tmp_path), pytest.raises(ConflictError) as caught:
        await set_up(tmp_path)
    assert caught.value.code == "node-in-use"
    results = await asyncio.gather(
        *(set_up(tmp_path, seed=seed) for seed in (1, 2)), return_exceptions=True
    )
    [made] = [result for result in results if isinstance(result, Initialised)]
    assert [type(result) for result in results].count(ConflictError) == 1
    await check_working(tmp_path, made)


class Crash(BaseException):
    """The power fails."""


def fail_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the step-th write to the disk (or removal of a file) be the last."""
    steps = iter(range(1, step + 1))
    for owner, name in ((os, "fsync"), (Path, "unlink")):
        real = getattr(owner, name)

        def counting(*args: Any, _real: Any = real, **options: Any) -> Any:
            if next(steps, step) == step:
                raise Crash
            return _real(*args, **options)

        monkeypatch.setattr(owner, name, counting)


async def test_interrupted_anywhere_the_next_one_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crashes = 0
    for step in range(1, 100):
        folder = tmp_path / str(step)
        with monkeypatch.context() as patch:
            fail_at(patch, step)
            try:
                made = await set_up(folder, seed=1)
            except Crash:
                crashes += 1
            else:
                break
        finished = not (folder / "node.init-unfinished").exists()
        if finished and (folder / "node.toml").exists():
            # Only the last sync was missing: it is a node.
            with pytest.raises(ConflictError):
                await set_up(folder, seed=2)
            continue
        if (folder / "node.toml").exists():
            with pytest.raises(ConflictError) as caught:
                load_config(folder, {})
            assert caught.value.code == "init-unfinished"
        made = await set_up(folder, seed=2)
        await check_working(folder, made)
    assert crashes >= 8
    assert made.node_id


async def test_interrupted_with_postgres_the_next_one_works(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows are there, the mark too: they are known to be leftovers."""

    def crash(*_: Any, **__: Any) -> None:
        raise Crash

    def crash_after_database(folder: Path) -> None:
        if (folder / "node.toml").exists():
            filled.append(folder)
        if len(filled) == 2:
            raise Crash

    filled: list[Path] = []
    with monkeypatch.context() as patch:
        patch.setattr("node.initialise.sync_folder", crash_after_database)
        with pytest.raises(Crash):
            await set_up(tmp_path, database_url=postgres_url)
    database = PostgresDatabase(postgres_url)
    async with database.read() as tx:
        assert (await require_node_state(tx)).name == "Optence e.V."
    await database.close()
    with monkeypatch.context() as patch:
        # Interrupted once more, before it reaches the database.
        patch.setattr("node.initialise.create_key", crash)
        with pytest.raises(Crash):
            await set_up(tmp_path, seed=2, database_url=postgres_url)
    made = await set_up(tmp_path, seed=3, database_url=postgres_url)
    await check_working(tmp_path, made)


async def test_database_of_another_node_is_refused(
    tmp_path: Path, postgres_url: str
) -> None:
    made = await set_up(tmp_path / "a", database_url=postgres_url)
    with pytest.raises(ConflictError) as caught:
        await set_up(tmp_path / "b", seed=2, database_url=postgres_url)
    assert caught.value.code == "database-in-use"
    await check_working(tmp_path / "a", made)
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["node.lock"]
    await check_working(tmp_path / "b", await set_up(tmp_path / "b", seed=3))


async def test_damaged_mark_is_a_mark(tmp_path: Path) -> None:
    (tmp_path / "node.init-unfinished").write_text('{"node_')
    (tmp_path / "node.key").write_text("half")
    await check_working(tmp_path, await set_up(tmp_path))
