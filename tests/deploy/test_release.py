"""A new version beside the old one, and the way back."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
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


def test_release_that_is_not_there_is_not_used(release: Release, server: Path) -> None:
    for name in ("9.9.9", "../current", "."):
        done = release("use", name)
        assert done.returncode == 1, name
        assert "There is no release" in done.stderr
    assert release("use").returncode == 2
