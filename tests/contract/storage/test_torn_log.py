"""What is left of SQLite's write-ahead log when a machine stops in the middle.

SIGKILL of a process leaves every byte that it wrote. A power failure may not: the
end of the log may be missing or garbage, wherever the flush had got to. Here the
files are copied after a number of commits and the log's copy is cut or corrupted at
any offset. SQLite's rule then is: the commits up to the damage are there, whole, and
nothing of what comes after (sqlite.org/fileformat2.html#the_write_ahead_log). With
`synchronous=FULL` a commit is answered after the flush of its frames, so nothing that
was answered can lie behind the damage.
"""

import os
import random
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from node.storage.database import SqliteDatabase, Transaction

SEED = int(os.environ.get("SPALIER_PROCESS_SEED", "0")) or random.randrange(1, 10**6)
CUTS = int(os.environ.get("SPALIER_TORN_LOGS", "120"))
COMMITS = 40


@dataclass(frozen=True)
class Committed:
    """A database whose log was never brought into the file.

    Attributes:
        ends: Length of the log after each commit, in bytes.
    """

    folder: Path
    ends: list[int]


@pytest.fixture
async def committed(tmp_path: Path) -> Committed:
    chance = random.Random(SEED)
    path = tmp_path / "node.sqlite"
    database = SqliteDatabase(path)
    await database.write(_tables)
    await database.close()  # the tables are in the file, the log begins anew
    database = SqliteDatabase(path)
    ends = []
    for number in range(COMMITS):
        await database.write(_change(number, chance))
        ends.append(_log(path).stat().st_size)
    left = tmp_path / "left"
    left.mkdir()
    for name in (path, _log(path)):
        shutil.copy(name, left / name.name)
    await database.close()
    return Committed(left, ends)


async def _tables(tx: Transaction) -> None:
    await tx.execute(text("CREATE TABLE entries (id INTEGER PRIMARY KEY, body TEXT)"))
    await tx.execute(text("CREATE TABLE ledger (seq INTEGER PRIMARY KEY, entry INT)"))


def _change(number: int, chance: random.Random):  # type: ignore[no-untyped-def]
    body = "x" * chance.randrange(10, 9000)

    async def work(tx: Transaction) -> None:
        await tx.execute(
            text("INSERT INTO entries VALUES (:id, :body)"),
            {"id": number, "body": body},
        )
        await tx.execute(
            text("INSERT INTO ledger VALUES (:seq, :id)"), {"seq": number, "id": number}
        )

    return work


def _log(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _damage(log: bytes, how: str, at: int, chance: random.Random) -> bytes:
    """Return the log as a machine may have left it that stopped at offset `at`."""
    if how == "cut":
        return log[:at]
    if how == "zeros":  # the file has its length, the blocks were never written
        return log[:at] + bytes(len(log) - at)
    garbage = bytes([log[at] ^ (1 << chance.randrange(8))])
    return log[:at] + garbage + log[at + 1 :]


async def test_what_was_answered_before_the_damage_is_there(
    committed: Committed, tmp_path: Path
) -> None:
    print(f"SPALIER_PROCESS_SEED={SEED}")
    chance = random.Random(SEED + 1)
    log = (committed.folder / "node.sqlite-wal").read_bytes()
    assert committed.ends[-1] == len(log)
    edges = [end + shift for end in committed.ends for shift in (-1, 0, 1)]
    for number in range(CUTS):
        how = chance.choice(("cut", "zeros", "garbage"))
        at = chance.choice(edges) if number % 3 == 0 else chance.randrange(len(log))
        at = min(at, len(log) - 1)
        where = f"seed {SEED}, {how} at {at} of {len(log)}"
        folder = tmp_path / "reopened"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(committed.folder, folder)
        damaged = _damage(log, how, at, chance)
        (folder / "node.sqlite-wal").write_bytes(damaged)
        # The damage may begin later: what was overwritten by zeros were zeros, perhaps.
        pairs = enumerate(zip(log[at:], damaged[at:], strict=False), at)
        intact = next((place for place, (a, b) in pairs if a != b), len(damaged))
        expected = sum(end <= intact for end in committed.ends)
        await _check(folder / "node.sqlite", expected, where)


async def _check(path: Path, expected: int, where: str) -> None:
    database = SqliteDatabase(path)
    try:
        async with database.read() as tx:
            entries = [row.id for row in await tx.all(text("SELECT id FROM entries"))]
            rows = await tx.all(text("SELECT entry FROM ledger"))
        assert entries == list(range(expected)), where
        assert [row.entry for row in rows] == entries, f"{where}: a half transaction"
        # It goes on as if nothing had been: the next commits are stored and stay.
        await database.write(_change(1000, random.Random(0)))
    finally:
        await database.close()
    with closing(sqlite3.connect(path)) as reopened:
        assert reopened.execute("PRAGMA integrity_check").fetchall() == [("ok",)], where
        (count,) = reopened.execute("SELECT count(*) FROM entries").fetchone()
    assert count == expected + 1, where


async def test_the_rule_sees_a_lost_commit(
    committed: Committed, tmp_path: Path
) -> None:
    """The check itself: a log without its last commit is not taken for whole."""
    log = (committed.folder / "node.sqlite-wal").read_bytes()
    (committed.folder / "node.sqlite-wal").write_bytes(log[: committed.ends[-1] - 1])
    with pytest.raises(AssertionError, match="whole"):
        await _check(committed.folder / "node.sqlite", COMMITS, "whole")
