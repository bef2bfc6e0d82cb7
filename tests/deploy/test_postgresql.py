"""deploy/postgresql makes a role and a database in which a node works, and no more."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from node.limits import PAGE_TIMEOUT
from tests.cli.conftest import (
    TestNode,
    clean_environment,
    entry_file,
    free_ports,
    is_ready,
    serving,
    spalier,
)
from tests.deploy.confined import directives
from tests.deploy.programs import DEPLOY
from tests.postgres_server import PostgresServer, _installation

SCRIPT = DEPLOY / "postgresql" / "spalier.sql"


@dataclass(frozen=True, slots=True)
class NodeDatabase:
    """A database that the script made."""

    name: str
    server: PostgresServer

    @property
    def url(self) -> str:
        """For `spalier init --database`."""
        return (
            f"postgresql+psycopg://{self.name}@/{self.name}"
            f"?host={self.server.socket_folder}"
        )

    def connect(
        self, *, user: str | None = None, database: str | None = None
    ) -> psycopg.Connection:
        """Connect as the node does, or as somebody else."""
        return psycopg.connect(
            host=str(self.server.socket_folder),
            user=user or self.name,
            dbname=database or self.name,
            autocommit=True,
        )


@pytest.fixture(scope="module")
def databases(postgres_server: PostgresServer) -> Iterator[list[NodeDatabase]]:
    """Two nodes on one server."""
    made = []
    for name in ("spalier-nord", "spalier-sued"):
        done = subprocess.run(
            [
                *(str(_installation() / "bin" / "psql"), "--no-psqlrc", "--quiet"),
                *("--host", str(postgres_server.socket_folder)),
                *("--username", "postgres", "--dbname", "postgres"),
                *(f"--set=name={name}", f"--file={SCRIPT}"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        made.append(NodeDatabase(name, postgres_server))
    yield made
    with psycopg.connect(
        host=str(postgres_server.socket_folder),
        user="postgres",
        dbname="postgres",
        autocommit=True,
    ) as connection:
        for each in made:
            connection.execute(f'DROP DATABASE "{each.name}" WITH (FORCE)')  # type: ignore[arg-type]
            connection.execute(f'DROP ROLE "{each.name}"')  # type: ignore[arg-type]


def test_node_is_set_up_and_works(
    databases: list[NodeDatabase], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    done = spalier(
        *("init", "--node", tmp_path / "node", "--name", "Cluster Nord"),
        *("--url", f"http://127.0.0.1:{port}", "--allow-loopback-http"),
        *("--database", databases[0].url, "--json"),
    )
    assert done.code == 0, done
    node = TestNode(tmp_path / "node", port, "Cluster Nord", done.document)
    with serving(node):
        published = node.json("entry", "publish", entry_file(tmp_path))
        assert published["state"] == "published"
        shelf = tmp_path / "backups"
        shelf.mkdir(mode=0o700)
        node.json("backup", "create", "--to", shelf)
    # A restore makes schemas beside the tables: the role may do that.
    (backup,) = shelf.iterdir()
    assert node.run("restore", backup, "--yes", "--json").code == 0
    with serving(node):
        shown = node.json("entry", "show", published["id"])
        assert shown["state"] == "published"
    found = node.run("doctor", "--json").document["checks"]
    checks = {check["id"]: check for check in found}
    assert checks["database"]["severity"] == "ok", checks["database"]


def test_settings_hold_for_every_session(databases: list[NodeDatabase]) -> None:
    with databases[1].connect() as connection:

        def shown(name: str) -> str:
            row = connection.execute(f"SHOW {name}").fetchone()  # type: ignore[arg-type]
            assert row is not None
            return str(row[0])

        # The tests' server itself has it off.
        assert shown("synchronous_commit") == "on"
        assert shown("idle_in_transaction_session_timeout") == "2min"
        assert shown("lock_timeout") == "1min"
        assert shown("timezone") == "UTC"
        row = connection.execute(
            "SELECT setting::int FROM pg_settings WHERE name = 'statement_timeout'"
        ).fetchone()
        assert row is not None
        assert row[0] / 1000 > PAGE_TIMEOUT.total_seconds()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE DATABASE other",
        "CREATE ROLE other",
        'DROP DATABASE "spalier-sued"',
        'ALTER DATABASE "spalier-sued" SET synchronous_commit = off',
        "ALTER SYSTEM SET fsync = off",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT rolpassword FROM pg_authid",
    ],
)
def test_role_may_do_no_more(databases: list[NodeDatabase], statement: str) -> None:
    # In its own database, and in that of a neighbour it cannot even look.
    with (
        databases[0].connect() as connection,
        pytest.raises(
            (
                psycopg.errors.InsufficientPrivilege,
                psycopg.errors.ObjectInUse,
            )
        ),
    ):
        connection.execute(statement)  # type: ignore[arg-type]


def test_neighbours_do_not_get_in(databases: list[NodeDatabase]) -> None:
    nord, sued = databases
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        nord.connect(database=sued.name)


def test_worker_works_beside_pages_as_its_unit_says(
    databases: list[NodeDatabase], tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    folder = tmp_path / "node"
    done = spalier(
        *("init", "--node", folder, "--name", "Cluster Süd"),
        *("--url", f"http://127.0.0.1:{port}", "--allow-loopback-http"),
        *("--database", databases[1].url, "--json"),
    )
    assert done.code == 0, done
    units = DEPLOY / "systemd"
    started = {
        "pages": (units / "spalier@.service", "$SERVE_OPTIONS", "--without-worker"),
        "worker": (units / "spalier-worker@.service", "", ""),
    }
    with ExitStack() as stack:
        processes = []
        for name, (unit, old, new) in started.items():
            (command,) = directives(unit)["ExecStart"]
            words = command.replace("/var/lib/spalier/%i", str(folder)).split()[1:]
            notices = stack.enter_context(
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            )
            notices.bind(str(tmp_path / name))
            notices.settimeout(60)
            log = stack.enter_context((tmp_path / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.deploy.confined", str(unit)),
                    *(sys.executable, "-m", "node.cli"),
                    *(new if word == old else word for word in words),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env=clean_environment(NOTIFY_SOCKET=str(tmp_path / name)),
            )
            processes.append(process)
            stack.callback(process.wait, 60)
            stack.callback(process.terminate)
            assert notices.recv(100) == b"READY=1", (
                tmp_path / f"{name}.log"
            ).read_text()
        assert is_ready(f"http://127.0.0.1:{port}")
        assert [process.poll() for process in processes] == [None, None]
    logs = [(tmp_path / f"{name}.log").read_text() for name in started]
    assert [process.returncode for process in processes] == [0, 0], logs
