"""A new version beside the old one, and the way back."""

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.conftest import (
    clean_environment,
    entry_file,
    free_ports,
    is_ready,
    wait_until,
)
from tests.deploy.programs import ROOT

# Environments of releases see the packages of the tests, so that pip finds what the
# lock names and fetches nothing; Spalier itself is built and installed.
PYTHON = """#!/bin/sh
"{python}" "$@" || exit
if [ "$1 $2" = "-m venv" ]; then
  cd "$3"/lib/python3*/site-packages && rm -rf setuptools*
  echo "{packages}" >seen.pth
fi
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without history, as from an archive."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("node", "federation", "schemas", "admin_ui", "deploy"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        shutil.copy(ROOT / name, folder)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where releases are: /opt/spalier of a test."""
    return tmp_path_factory.mktemp("opt")


Release = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def release(
    checkout: Path, server: Path, tmp_path_factory: pytest.TempPathFactory
) -> Release:
    """deploy/release.sh of the checkout."""
    python = tmp_path_factory.mktemp("python") / "python"
    packages = sysconfig.get_path("purelib")
    python.write_text(PYTHON.format(python=sys.executable, packages=packages))
    python.chmod(0o755)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(checkout / "deploy/release.sh"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=clean_environment(
                PREFIX=str(server), PYTHON=str(python), PIP_NO_INDEX="1"
            ),
        )

    return run


def spalier(server: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command of the release that is in use."""
    return subprocess.run(
        [str(server / "current/bin/spalier"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=clean_environment(),
        cwd="/",
    )


def publish_with(server: Path, node: Path, port: int, folder: Path) -> None:
    """Serve the node with the release in use, publish, stop."""
    log = folder / "serve.log"
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(server / "current/bin/spalier"), "serve", "--node", str(node)],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
            cwd="/",
        )
    try:
        wait_until(
            lambda: is_ready(f"http://127.0.0.1:{port}"),
            what=log.read_text,
            alive=lambda: process.poll() is None,
        )
        done = spalier(server, "entry", "publish", entry_file(folder), "--node", node)
        assert done.returncode == 0, done.stderr
    finally:
        process.terminate()
        code = process.wait(40)
    assert code == 0, log.read_text()


def test_upgrade_and_way_back(
    release: Release, server: Path, checkout: Path, tmp_path: Path
) -> None:
    first = release("install")
    assert first.returncode == 0, first.stderr
    assert first.stdout == "0.1.0\n"
    assert release("use", "0.1.0").returncode == 0
    # Nothing of the tests' own environment: the release holds Spalier itself.
    place = subprocess.run(
        [str(server / "current/bin/python"), "-c", "import node; print(node.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    ).stdout
    assert place.startswith(str(server)), place

    node = tmp_path / "node"
    (port,) = free_ports(1)
    made = spalier(
        server,
        *("init", "--node", node, "--name", "Cluster Nord"),
        *("--url", f"http://127.0.0.1:{port}", "--allow-loopback-http"),
    )
    assert made.returncode == 0, made.stderr
    publish_with(server, node, port, tmp_path)

    settings = checkout / "pyproject.toml"
    text = settings.read_text()
    settings.write_text(text.replace('version = "0.1.0"', 'version = "0.1.1"'))
    # An attempt that was broken off counts as none and is made anew.
    (server / "releases/0.1.1/bin").mkdir(parents=True)
    assert release("list").stdout == "* 0.1.0\n"
    assert release("use", "0.1.1").returncode == 1
    second = release("install")
    assert second.stdout == "0.1.1\n", second.stderr
    # Beside the old one, which is still in use.
    assert release("list").stdout == "* 0.1.0\n  0.1.1\n"
    assert spalier(server, "version").stdout == "spalier 0.1.0\n"

    assert release("use", "0.1.1").returncode == 0
    assert spalier(server, "version").stdout == "spalier 0.1.1\n"
    publish_with(server, node, port, tmp_path)
    found = spalier(server, "doctor", "--node", node, "--json")
    assert '"database"' in found.stdout

    # Back: the same schema, so the old one opens it as it is.
    assert release("use", "0.1.0").returncode == 0
    publish_with(server, node, port, tmp_path)
    refused = release("remove", "0.1.0")
    assert (refused.returncode, refused.stderr) == (1, "0.1.0 is in use.\n")
    assert release("remove", "0.1.1").returncode == 0
    assert release("list").stdout == "* 0.1.0\n"


# As a later version would bring it; the program itself has one revision so far.
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "{new}"
down_revision = "{old}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("entries", sa.Column("later", sa.Text(), nullable=True))
    op.execute("UPDATE entries SET later = id")
"""


def with_version(checkout: Path, version: str) -> None:
    settings = checkout / "pyproject.toml"
    line = re.compile(r'^version = ".*"$', re.MULTILINE)
    text = line.sub(f'version = "{version}"', settings.read_text())
    settings.write_text(text)


def with_new_schema(checkout: Path) -> str:
    """Add a revision to the checkout; return its name."""
    module = checkout / "node/storage/schema.py"
    text = module.read_text()
    (old,) = re.findall(r'^HEAD: Final = "(.*?)"', text, re.MULTILINE)
    new = f"{int(old) + 1:04d}"
    module.write_text(text.replace(f'HEAD: Final = "{old}"', f'HEAD: Final = "{new}"'))
    versions = checkout / "node/storage/migrations/versions"
    (versions / f"{new}_later.py").write_text(REVISION.format(new=new, old=old))
    return new


def revision_of(node: Path) -> str:
    with closing(sqlite3.connect(node / "node.sqlite")) as database:
        (row,) = database.execute("SELECT version_num FROM alembic_version").fetchall()
    return str(row[0])


def test_upgrade_to_a_new_schema_and_way_back(
    release: Release, server: Path, checkout: Path, tmp_path: Path
) -> None:
    """As OPERATING.md says, step by step; the way back goes through the backup."""
    with_version(checkout, "0.3.0")
    assert release("install").returncode == 0
    assert release("use", "0.3.0").returncode == 0
    node, shelf = tmp_path / "node", tmp_path / "backups"
    (port,) = free_ports(1)
    made = spalier(
        server,
        *("init", "--node", node, "--name", "Cluster Nord"),
        *("--url", f"http://127.0.0.1:{port}", "--allow-loopback-http"),
    )
    assert made.returncode == 0, made.stderr
    publish_with(server, node, port, tmp_path)
    old = revision_of(node)

    with_version(checkout, "0.4.0")
    new = with_new_schema(checkout)
    assert release("install").returncode == 0
    backup = spalier(server, "backup", "create", "--to", shelf, "--node", node)
    assert backup.returncode == 0, backup.stderr
    (file,) = shelf.iterdir()
    assert release("use", "0.4.0").returncode == 0
    publish_with(server, node, port, tmp_path)
    assert revision_of(node) == new
    with closing(sqlite3.connect(node / "node.sqlite")) as database:
        rows = database.execute("SELECT id, later FROM entries").fetchall()
    assert len(rows) == 2
    assert sum(later == id_ for id_, later in rows) == 1  # the one from before

    # The way back: the old program does not touch what it does not know.
    assert release("use", "0.3.0").returncode == 0
    refused = spalier(server, "entry", "list", "--node", node, "--json")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "schema-newer"
    assert revision_of(node) == new
    restored = spalier(server, "restore", file, "--yes", "--node", node)
    assert restored.returncode == 0, restored.stderr
    assert revision_of(node) == old
    publish_with(server, node, port, tmp_path)
    listed = spalier(server, "entry", "list", "--node", node, "--json")
    assert len(json.loads(listed.stdout)["entries"]) == 2
    report = spalier(server, "backup", "report", "--node", node, "--json")
    assert len(json.loads(report.stdout)["lost"]) == 1

    # And there again: the new one also restores the backup of the old one.
    assert release("use", "0.4.0").returncode == 0
    restored = spalier(server, "restore", file, "--yes", "--node", node)
    assert restored.returncode == 0, restored.stderr
    assert revision_of(node) == new
    publish_with(server, node, port, tmp_path)


def test_release_that_is_not_there_is_not_used(release: Release, server: Path) -> None:
    for name in ("9.9.9", "../current", "."):
        done = release("use", name)
        assert done.returncode == 1, name
        assert "There is no release" in done.stderr
    assert release("use").returncode == 2
