"""Backups on both engines: what is in them, when they count, who may stay."""

import asyncio
import dataclasses
import io
import json
import re
import resource
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from node.backup import backups as backups_module
from node.backup.backups import Backups
from node.backup.file_format import Header, Reader, TableHead, Writer, new_encryption
from node.backup.restoring import Restoring
from node.backup.shelf import KeptBackup, superfluous
from node.errors import ConflictError, InvalidInputError, NodeError, UnavailableError
from node.limits import BACKUPS_HOURLY
from node.members.model import Role
from tests.contract.backed_node import BackedNode, backed_node
from tests.http.nodes import SeededRandom


async def _filled(node: BackedNode) -> None:
    await node.member("Jana", Role.ORGANISATION_ADMIN)
    await node.partner("swissmem")
    await node.publish(audience={"level": "public"})
    await node.publish(
        audience={"level": "partners", "partners": ["https://spalier.swissmem.example"]}
    )
    await node.publish(title={"de": "Größen: µm „quoted“ \\ 100 %"})


async def test_every_row_comes_back(node: BackedNode) -> None:
    await _filled(node)
    before = await node.rows()
    made = await node.backup()
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert made.tried.proofs == 3
    assert made.tried.rows == {name: len(rows) for name, rows in before.items()}
    await node.close()
    await node.restore(made.path)
    await node.open()
    after = await node.rows()
    changed = {name for name in before if before[name] != after[name]}
    # A new epoch, what has to be verified, that it is written down, nothing else.
    assert changed - {"audit_log", "audit_head"} == {
        *("node_state", "decision_numbers", "partners", "mail_outbox")
    }
    assert [path.name for path in node.folder.glob("node.trial*")] == []


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_backup_of_one_engine_is_restored_on_the_other(
    tmp_path: Path, postgres_url: str, *, encrypted: bool
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("ein langer Satz\n")
    options = {"passphrase_file": passphrase} if encrypted else {}
    async with backed_node(tmp_path, "") as on_sqlite:
        await _filled(on_sqlite)
        entries = await on_sqlite.entries()
        first = await on_sqlite.backup(**options)
        await on_sqlite.close()
        settings = on_sqlite.folder / "node.toml"
        text = settings.read_text()
        settings.write_text(f'{text}\n[database]\nurl = "{postgres_url}"\n')
        on_sqlite.database_url = postgres_url
        settings.write_text(text.replace('# url = ""', f'url = "{postgres_url}"'))
        await on_sqlite.restore(first.path, **options)
        node = await on_sqlite.open()
        assert node.context.database.engine_name == "postgresql"
        assert await on_sqlite.entries() == entries
        back = await on_sqlite.backup(**options)
        await on_sqlite.close()
        settings.write_text(text)
        await on_sqlite.restore(back.path, **options)
        node = await on_sqlite.open()
        assert node.context.database.engine_name == "sqlite"
        assert await on_sqlite.entries() == entries
        async with node.context.database.read() as tx:
            from node.storage.node_state import require_node_state

            assert (await require_node_state(tx)).incarnation == 3


async def test_a_passphrase_keeps_everything_secret(
    tmp_path: Path, node: BackedNode
) -> None:
    passphrase, other = tmp_path / "right", tmp_path / "wrong"
    passphrase.write_text("korrekt\n")
    other.write_text("falsch\n")
    await node.publish(title={"de": "Geheimnisvoller Titel"})
    made = await node.backup(passphrase_file=passphrase)
    content = made.path.read_bytes()
    assert b"Geheimnis" not in content
    with pytest.raises(zlib.error):
        zlib.decompress(content.split(b"\n", 1)[1])
    with pytest.raises(InvalidInputError) as wrong:
        await node.node.backups.verify(made.path, passphrase_file=other)
    assert wrong.value.code == "passphrase-wrong"
    with pytest.raises(InvalidInputError) as missing:
        await node.node.backups.verify(made.path)
    assert missing.value.code == "passphrase-missing"
    assert (await node.node.backups.verify(made.path, passphrase_file=passphrase)).rows


async def test_a_backup_of_another_node_is_refused(
    tmp_path: Path, node: BackedNode
) -> None:
    async with backed_node(tmp_path, name="other") as other:
        foreign = await other.backup()
    with pytest.raises(ConflictError) as verified:
        await node.node.backups.verify(foreign.path)
    assert verified.value.code == "backup-of-other-node"
    before = await node.rows()
    await node.close()
    with pytest.raises(ConflictError) as restored:
        await node.restore(foreign.path)
    assert restored.value.code == "backup-of-other-node"
    await node.open()
    assert await node.rows() == before


def _swapped(content: bytes, change: Callable[[dict[str, object]], None]) -> bytes:
    line, rest = content.split(b"\n", 1)
    header = json.loads(line)
    change(header)
    return json.dumps(header).encode() + b"\n" + rest


def _with_lines(content: bytes, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Change lines and leave their checksum as it was."""
    line, rest = content.split(b"\n", 1)
    lines = zlib.decompress(rest).splitlines(keepends=True)
    return line + b"\n" + zlib.compress(b"".join(change(lines)))


DAMAGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "not-a-backup"),
    "text": (lambda _: b"hello\n", "not-a-backup"),
    "a key backup": (lambda _: b'{"format": "spalier-key-backup"}\n', "not-a-backup"),
    "cut off": (lambda content: content[:-1], "backup-damaged"),
    "half": (lambda content: content[: len(content) // 2], "backup-damaged"),
    "header alone": (
        lambda content: content.split(b"\n", 1)[0] + b"\n",
        "backup-damaged",
    ),
    "appended": (lambda content: content + b"x", "backup-damaged"),
    "one bit": (
        lambda content: content[:900] + bytes([content[900] ^ 1]) + content[901:],
        "backup-damaged",
    ),
    "a newer format": (
        lambda content: _swapped(content, lambda header: header.update(version=2)),
        "backup-version",
    ),
    "a newer schema": (
        lambda content: _swapped(content, lambda header: header.update(schema="0999")),
        "backup-newer",
    ),
    "another header": (
        lambda content: _swapped(content, lambda header: header.update(incarnation=7)),
        "backup-damaged",
    ),
    "a row less": (
        lambda content: _with_lines(content, lambda lines: lines[:-2] + lines[-1:]),
        "backup-damaged",
    ),
    "another row": (
        lambda content: _with_lines(
            content,
            lambda lines: [line.replace(b"Optence", b"Optense") for line in lines],
        ),
        "backup-damaged",
    ),
    "a number that fits no column": (
        lambda content: _with_lines(
            content,
            lambda lines: [
                re.sub(rb"^\[1,\d+\]\n$", b"[1,%d]\n" % 2**70, line) for line in lines
            ],
        ),
        "backup-damaged",
    ),
    "a table that is ours no more": (
        lambda content: _with_lines(
            content,
            lambda lines: [
                line.replace(b'{"table":"persons"', b'{"table":"sqlite_master"')
                for line in lines
            ],
        ),
        "backup-damaged",
    ),
}


async def test_what_is_no_whole_backup_changes_nothing(
    node: BackedNode, tmp_path: Path
) -> None:
    await node.publish()
    made = await node.backup()
    before = await node.rows()
    content = made.path.read_bytes()
    path = tmp_path / "damaged"
    for damage, (change, code) in DAMAGES.items():
        path.write_bytes(change(content))
        with pytest.raises(InvalidInputError) as tried:
            await node.node.backups.verify(path)
        assert tried.value.code == code, damage
        assert node.node.backups.status.failure == code, damage
    await node.close()
    files = {each.name for each in node.folder.iterdir()}
    for damage, (change, code) in DAMAGES.items():
        path.write_bytes(change(content))
        with pytest.raises(InvalidInputError) as restored:
            await node.restore(path)
        assert restored.value.code == code, damage
        left = {each.name for each in node.folder.iterdir()} - files
        assert left <= {"node.sqlite-shm", "node.sqlite-wal"}, damage
    await node.open()
    assert await node.rows() == before


async def test_a_view_that_contradicts_its_rows_does_not_count(
    node: BackedNode,
) -> None:
    from sqlalchemy import insert

    from federation.exchange import ViewDigest
    from federation.version import Version
    from node.storage.database import Transaction
    from node.storage.tables import partner_views

    await node.partner("swissmem")

    async def work(tx: Transaction) -> None:
        view = ViewDigest()
        view.add("https://x.example/entries/1", Version(1, 1), "0" * 64)
        await tx.execute(
            insert(partner_views).values(
                partner_id="swissmem", direction="in", buckets=view.to_bytes()
            )
        )

    await node.node.context.database.write(work)
    with pytest.raises(InvalidInputError) as caught:
        await node.backup()
    assert caught.value.code == "trial-failed"
    # It never gets its name, and the one before stays the last one.
    assert list(node.backups.iterdir()) == []
    assert node.node.backups.status.made_at is None
    assert node.node.backups.status.failure == "trial-failed"


async def test_nothing_is_left_where_a_backup_cannot_be_written(
    node: BackedNode, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(UnavailableError) as caught:
        await node.node.backups.create(to=blocked)
    assert caught.value.code == "backup-folder-unusable"
    with pytest.raises(InvalidInputError) as unnamed:
        await node.node.backups.create()
    assert unnamed.value.code == "backup-folder-missing"


async def test_two_are_not_made_at_once(node: BackedNode) -> None:
    results = await asyncio.gather(node.backup(), node.backup(), return_exceptions=True)
    refused = [each for each in results if isinstance(each, NodeError)]
    assert [each.code for each in refused] == ["backup-running"]
    assert len(list(node.backups.iterdir())) == 1


def _planned(node: BackedNode, folder: Path, **more: Any) -> Backups:
    """Backups of the node as settings order them."""
    given = {"folder": str(folder), "every_hours": 2, **more}
    backup = node.node.config.backup.model_copy(update=given)
    config = node.node.config.model_copy(update={"backup": backup})
    context = dataclasses.replace(node.node.context, config=config)
    return Backups(context, folder=node.folder)


async def test_two_processes_do_not_make_one_at_once(tmp_path: Path) -> None:
    """On PostgreSQL several processes have one folder, and one scratch folder in it."""
    async with backed_node(tmp_path) as node:
        other = Backups(node.node.context, folder=node.folder)
        results = await asyncio.gather(
            node.backup(), other.create(to=node.backups), return_exceptions=True
        )
        refused = [each for each in results if isinstance(each, NodeError)]
        assert [each.code for each in refused] == ["backup-running"]
        assert node.node.backups.status.failure is None
        assert len(list(node.backups.iterdir())) == 1
        await other.create(to=node.backups)


async def test_a_clock_that_was_wrong_keeps_no_backup_from_being_made(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        planned = _planned(node, tmp_path / "planned", keep=1)
        right = node.clock.now()
        for day in range(12):
            node.clock.advance(days=400 + day)
            await planned.make_due()
        ahead = planned.status.made_at
        node.clock.advance(seconds=(right - node.clock.now()).total_seconds())
        await planned.make_due()
        made_at, file = planned.status.made_at, planned.status.file
        assert made_at is not None
        assert ahead is not None
        assert made_at < ahead
        # It is not the newest by its time, and stays all the same.
        assert Path(str(file)).exists()


async def test_a_failure_that_nobody_expected_is_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with backed_node(tmp_path) as node:

        def broken(*_: object, **__: object) -> None:
            raise LookupError("a row that nobody expected")

        monkeypatch.setattr(backups_module, "try_backup", broken)
        with pytest.raises(LookupError):
            await node.backup()
        assert node.node.backups.status.failure == "internal"
        assert list(node.backups.iterdir()) == []


async def test_a_damaged_index_hides_no_row_from_a_backup(tmp_path: Path) -> None:
    """Rows are read by their index: what it lacks the backup would lack."""
    async with backed_node(tmp_path) as node:
        await node.publish(audience={"level": "public"})
        await node.close()
        with closing(sqlite3.connect(node.folder / "node.sqlite")) as database:
            database.execute("PRAGMA writable_schema=ON")
            database.execute("CREATE TABLE bare (id TEXT PRIMARY KEY)")
            database.execute(
                "UPDATE sqlite_master SET rootpage = (SELECT rootpage FROM"
                " sqlite_master WHERE name = 'sqlite_autoindex_bare_1')"
                " WHERE name = 'sqlite_autoindex_entries_1'"
            )
            database.commit()
        with closing(sqlite3.connect(node.folder / "node.sqlite")) as database:
            hidden = database.execute("SELECT id FROM entries ORDER BY id").fetchall()
        assert hidden == [], "the damage is none"
        await node.open()
        with pytest.raises(UnavailableError) as refused:
            await node.backup()
        assert refused.value.code == "database-damaged"
        assert list(node.backups.iterdir()) == []
        assert node.node.backups.status.failure == "database-damaged"


async def test_a_restore_takes_the_passphrase_of_the_settings(tmp_path: Path) -> None:
    async with backed_node(tmp_path) as node:
        entry = await node.publish()
        passphrase = tmp_path / "passphrase"
        passphrase.write_text("korrekt\n")
        made = await node.backup(passphrase_file=passphrase)
        await node.close()
        with pytest.raises(InvalidInputError) as missing:
            await node.restore(made.path)
        assert missing.value.code == "passphrase-missing"
        settings = node.folder / "node.toml"
        text = settings.read_text()
        assert text.count("[backup]\n") == 1
        named = f'[backup]\npassphrase_file = "{passphrase}"\n'
        settings.write_text(text.replace("[backup]\n", named))
        await node.restore(made.path)
        await node.open()
        assert set(await node.entries()) == {entry.id}


async def test_the_schedule_makes_one_when_it_is_due(
    node: BackedNode, tmp_path: Path
) -> None:
    planned = _planned(node, tmp_path / "planned")

    def number() -> int:
        return len(list((tmp_path / "planned").glob("*.spalier-backup")))

    assert await planned.make_due() == 0
    assert number() == 1
    node.clock.advance(hours=1, minutes=59)
    await planned.make_due()
    assert number() == 1
    node.clock.advance(minutes=2)
    await planned.make_due()
    assert number() == 2
    assert planned.status.verified_at == node.clock.now()


def _kept(moment: datetime) -> KeptBackup:
    header = Header(
        node_id="n",
        base_url="https://a.example",
        name="A",
        language="de",
        created=moment,
        schema="0001",
        engine="sqlite",
        program="1",
        incarnation=1,
        epoch="0" * 32,
    )
    return KeptBackup(Path(f"/b/{moment:%Y%m%dT%H%M%SZ}"), header, 1)


def test_the_latest_hours_and_days_are_kept() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    shelf: list[KeptBackup] = []
    for half_hours in range(48 * 40):
        shelf.append(_kept(start + timedelta(minutes=30 * half_hours)))
        gone = {each.path for each in superfluous(shelf, daily=14)}
        shelf = [each for each in shelf if each.path not in gone]
    times = [each.header.created for each in shelf]
    newest = max(times)
    hourly = [each for each in times if newest - each < timedelta(hours=24)]
    assert len(hourly) == BACKUPS_HOURLY
    days = {each.date() for each in times}
    assert len(days) == 14
    assert len(times) <= BACKUPS_HOURLY + 14
    assert newest in times


def test_a_long_line_and_many_pieces_come_back() -> None:
    random = SeededRandom("format")
    big = "x" * 3_000_000 + random.bytes(40).hex()
    rows = [[index, random.bytes(60).hex()] for index in range(20_000)]
    for encryption in (None, new_encryption(random)):
        header = dataclasses.replace(
            _kept(datetime(2026, 1, 1, tzinfo=UTC)).header, encryption=encryption
        )
        file = io.BytesIO()
        writer = Writer(file, header, passphrase=b"p")
        writer.begin_table("one", [("a", "int"), ("b", "text")])
        for row in [*rows, [1, big]]:
            writer.row(row)
        writer.begin_table("two", [("a", "int")])
        writer.finish()
        file.seek(0)
        reader = Reader(file, passphrase=b"p")
        found = [line for line in reader.lines() if not isinstance(line, TableHead)]
        assert found == [*rows, [1, big]]
        assert reader.rows == {"one": 20_001, "two": 0}
        content = file.getvalue()
        for cut in range(len(header.to_line()), len(content), 200_003):
            with pytest.raises(InvalidInputError):
                list(Reader(io.BytesIO(content[:cut]), passphrase=b"p").lines())


async def test_pieces_of_an_encrypted_backup_keep_their_order() -> None:
    random = SeededRandom("pieces")
    header = dataclasses.replace(
        _kept(datetime(2026, 1, 1, tzinfo=UTC)).header,
        encryption=new_encryption(random),
    )
    file = io.BytesIO()
    writer = Writer(file, header, passphrase=b"p")
    writer.begin_table("one", [("a", "text")])
    for _ in range(60):
        writer.row([random.bytes(50_000).hex()])
    writer.finish()
    content = file.getvalue()
    head = len(header.to_line())
    pieces, at = [], head
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big") + 4
        pieces.append(content[at : at + length])
        at += length
    assert len(pieces) > 3
    for changed in (
        [pieces[1], pieces[0], *pieces[2:]],
        pieces[:-1],
        [*pieces[:-2], pieces[-1]],
        [*pieces, pieces[-1]],
    ):
        broken = io.BytesIO(content[:head] + b"".join(changed))
        with pytest.raises(InvalidInputError):
            list(Reader(broken, passphrase=b"p").lines())


async def test_a_new_folder_gets_its_settings_from_the_backup(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        entry = await node.publish(audience={"level": "public"})
        made = await node.backup()
        keys = await node.node.key_backups.make(None)
        clock, random = node.clock, node.random
    fresh = tmp_path / "fresh"
    restoring = Restoring(fresh, made.path, clock=clock, random=random)
    async with restoring.prepared() as prepared:
        assert not prepared.journal_exists
        assert not prepared.replaces
        await restoring.order(prepared)
    again = BackedNode(fresh, tmp_path / "backups", clock=clock, random=random)
    found = await again.open(without_secrets=True)
    await found.key_backups.restore(None, keys.content, code=keys.code)
    await again.close()
    found = await again.open()
    assert found.config.name == "Optence e. V."
    assert set(await again.entries()) == {entry.id}
    await again.publish()
    await again.close()


@contextmanager
def _files_end_at(limit: int) -> Iterator[None]:
    """Let this process write no file beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_leaves_neither_half_a_backup_nor_half_a_database(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        for _ in range(20):
            await node.publish()
        good = await node.backup()
        before = await node.rows()
        # First the file itself does not fit, then only the trial's database.
        for limit, code in (
            (2_000, "backup-folder-unusable"),
            (good.tried.bytes * 2, "trial-impossible"),
        ):
            with _files_end_at(limit), pytest.raises(UnavailableError) as made:
                await node.node.backups.create(to=node.backups)
            assert made.value.code == code
            assert [path.name for path in node.backups.iterdir()] == [good.path.name]
        assert node.node.backups.status.made_at == good.tried.header.created
        await node.close()
        with _files_end_at(100_000), pytest.raises(UnavailableError) as restored:
            await node.restore(good.path)
        assert restored.value.code == "restore-impossible"
        await node.open()
        assert await node.rows() == before
