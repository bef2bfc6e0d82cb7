"""A disk that takes nothing more, and a database server that is gone for a while.

The kernel lets the node's process write to no place beyond the limit of a file's size
(`RLIMIT_FSIZE`, changed while it runs): every write to the log fails, as on a disk
that is full or was remounted read-only, and works again when the limit is lifted.
"""

import contextlib
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from node.control.request import CommandFailedError
from tests.cli.conftest import (
    TestNode,
    clean_environment,
    free_ports,
    make_node,
    spalier,
    wait_until,
)
from tests.postgres_server import PostgresServer
from tests.processes.running import (
    ROOT,
    Launcher,
    Running,
    answers,
    command,
    connect,
    ended,
    eventually,
    in_sync,
    publish,
)

TRUSTED = {"level": "trusted"}
PUBLIC = {"level": "public"}
LIMIT_BYTES = 64 * 1024
BEGINS, ENDS = "nothing can be written", "can be written again"


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    retry_after: str | None


def get(url: str, data: bytes | None = None) -> Answer:
    headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return Answer(answer.status, answer.read().decode(), None)
    except urllib.error.HTTPError as error:
        retry_after = error.headers.get("Retry-After")
        return Answer(error.code, error.read().decode(), retry_after)


@contextlib.contextmanager
def full_disk(process: Running) -> Iterator[None]:
    """Let the process write nothing behind what it has written."""
    log = process.folder / "node.sqlite-wal"
    assert log.stat().st_size > LIMIT_BYTES, "the log is too short to be limited"
    infinite = resource.RLIM_INFINITY
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (LIMIT_BYTES, infinite))
    try:
        yield
    finally:
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (infinite, infinite))


def lines(process: Running, words: str) -> int:
    return process.log.read_text().count(words)


def test_a_full_disk_stops_writing_and_nothing_else(
    launcher: Launcher, tmp_path: Path
) -> None:
    nord, sued = (
        make_node(tmp_path / "nord", "Nord"),
        make_node(tmp_path / "sued", "Süd"),
    )
    processes: list[Running] = []
    with ended(processes):
        for node in (nord, sued):
            log = tmp_path / f"{node.name}.log"
            processes.append(launcher.start("serve", node.folder, log=log))
        process = processes[0]
        wait_until(lambda: answers(nord.folder) and answers(sued.folder))
        connect(nord.folder, sued.folder)
        link = command(
            nord.folder,
            "members.add",
            email="mo@firma.example",
            name="Mo",
            organisation="Firma",
        )["links"][0]["link"]
        shown = publish(nord.folder, audience=PUBLIC)
        for _ in range(8):
            publish(nord.folder, audience=TRUSTED)
        eventually(lambda: in_sync(nord.folder), 30, "not in sync")
        with full_disk(process):
            check_full(nord, link, shown["id"])
            publish(sued.folder, audience=TRUSTED)
            waiting = eventually(lambda: not in_sync(sued.folder), 10, "it was taken")
            assert waiting < 10
            time.sleep(0.5)
            assert not in_sync(sued.folder), "a receipt for what is not stored"
        check_again(nord, link)
        publish(nord.folder, audience=TRUSTED)  # its page ends the partner's waiting
        eventually(
            lambda: in_sync(nord.folder) and in_sync(sued.folder), 60, "not in sync"
        )
        assert (lines(process, BEGINS), lines(process, ENDS)) == (1, 1)
        assert "Traceback" not in process.log.read_text()
    check_file(nord)


def check_full(nord: TestNode, link: str, shown: str) -> None:
    """Writing is refused with a word about when to come back; reading goes on."""
    with pytest.raises(CommandFailedError) as refused:
        publish(nord.folder, audience=TRUSTED)
    assert refused.value.code == "storage-unavailable"
    ready = get(f"{nord.base_url}/readyz")
    assert (ready.status, ready.text) == (503, "storage-unavailable\n")
    assert get(f"{nord.base_url}/livez").status == 200
    public = get(f"{nord.base_url}/")
    assert public.status == 200
    assert get(shown).status == 200
    assert command(nord.folder, "entry.list")["entries"]
    sent = get(
        link, data=b"password=four+plain+words+suffice&again=four+plain+words+suffice"
    )
    assert (sent.status, sent.retry_after) == (503, "10")
    door = get(f"{nord.base_url}/partner-requests", data=b"{}")
    assert door.status < 500, "a door that refuses without writing"


def check_again(nord: TestNode, link: str) -> None:
    """It recovers by itself, and what was refused can be done now."""
    eventually(lambda: get(f"{nord.base_url}/readyz").status == 200, 10, "not ready")
    sent = get(
        link, data=b"password=four+plain+words+suffice&again=four+plain+words+suffice"
    )
    assert sent.status == 200


def check_file(node: TestNode) -> None:
    with closing(sqlite3.connect(node.folder / "node.sqlite")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def _may_mount(folder: Path) -> str:
    """Say what keeps this machine from making a disk; empty if nothing does."""
    missing = [
        name for name in ("unshare", "mkfs.ext4", "mount") if shutil.which(name) is None
    ]
    if missing:
        return f"not there: {', '.join(missing)}"
    image, disk = folder / "try", folder / "try-disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(8 * 1024 * 1024)
    made = subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private", "sh", "-c"),
            (
                f"mkfs.ext4 -q -F '{image}' && mount -o loop '{image}' '{disk}'"
                f" && mount -o remount,abort '{disk}'"
            ),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if made.returncode == 0 else f"not permitted: {made.stderr.strip()[:200]}"


def test_a_disk_that_turns_read_only_stops_writing_and_nothing_else(
    tmp_path: Path,
) -> None:
    """As a kernel does with a failing disk; the test above does the same by a limit."""
    if reason := _may_mount(tmp_path):
        pytest.skip(f"no disk of its own for this test: {reason}")
    done = subprocess.run(
        [
            *("unshare", "--mount", "--propagation", "private"),
            *(sys.executable, "-m", "tests.processes.failing_disk", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["before"] == 200
    assert found["refused"] == "storage-unavailable"
    assert found["ready"] == [503, "storage-unavailable"]
    assert (found["livez"], found["shown"], found["listed"]) == (200, 200, 1)
    assert found["log"].count(BEGINS) == 1
    assert "Traceback" not in found["log"]
    assert found["started_read_only"] == [1, "folder-unusable"]
    assert (found["after"], found["kept"]) == (200, True)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """At the start: one sentence that says what and where, and nothing is changed."""
    node = make_node(tmp_path / "nord", "Nord")
    (node.folder / "node.lock").unlink()
    # Root may write everywhere; a folder in the place of the file stops it too.
    (node.folder / "node.lock").mkdir()
    done = node.run("serve", "--json")
    assert (done.code, done.error["code"]) == (1, "folder-unusable")
    assert str(node.folder / "node.lock") in done.error["message"]


def test_a_database_server_that_is_gone_comes_back(
    launcher: Launcher, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """On PostgreSQL: nothing ends, readiness says so, and everything goes on."""
    with postgres_server.fresh_database() as url:
        (port,) = free_ports(1)
        folder = tmp_path / "nord"
        made = spalier(
            *("init", "--node", folder, "--url", f"http://127.0.0.1:{port}"),
            *("--name", "Nord", "--allow-loopback-http", "--database", url, "--json"),
        )
        assert made.code == 0, made
        nord = TestNode(folder, port, "Nord", made.document)
        sued = make_node(tmp_path / "sued", "Süd")
        processes: list[Running] = []
        with ended(processes):
            for node in (nord, sued):
                log = tmp_path / f"{node.name}.log"
                processes.append(launcher.start("serve", node.folder, log=log))
            wait_until(lambda: answers(nord.folder) and answers(sued.folder))
            connect(nord.folder, sued.folder)
            publish(nord.folder, audience=TRUSTED)
            eventually(lambda: in_sync(nord.folder), 30, "not in sync")
            with nobody_may_connect(url):
                ready = get(f"{nord.base_url}/readyz")
                assert (ready.status, ready.text) == (503, "storage-unavailable\n")
                with pytest.raises(CommandFailedError) as refused:
                    publish(nord.folder, audience=TRUSTED)
                assert refused.value.code == "storage-unavailable"
                time.sleep(5)  # every loop of the process meets it
            eventually(lambda: get(f"{nord.base_url}/readyz").status == 200, 15, "gone")
            publish(nord.folder, audience=TRUSTED)
            eventually(lambda: in_sync(nord.folder), 30, "deliveries have ended")
            assert "Traceback" not in processes[0].log.read_text()
            assert lines(processes[0], BEGINS) == 1


@contextlib.contextmanager
def nobody_may_connect(url: str) -> Iterator[None]:
    """End all connections to one database of the server and let no new one in."""
    address = url.replace("postgresql+psycopg", "postgresql")
    name = make_url(url).database
    assert name is not None
    others = address.replace(f"/{name}?", "/postgres?")

    def allow(connections: bool) -> None:
        with psycopg.connect(others, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(name), sql.Literal(connections)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = %s",
                (name,),
            )

    allow(False)
    try:
        yield
    finally:
        allow(True)
