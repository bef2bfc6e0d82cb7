"""Real processes of the command line, each with an environment of its own."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.warm_commands import STDIN_BYTES_MAX, warm_commands

START_SECONDS = 60.0
COMMAND_SECONDS = 90.0
# Commands that were started from nothing.
_STARTED: set[tuple[str, ...]] = set()


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """Standard output, which must be exactly one JSON document."""
        document = json.loads(self.out)
        assert isinstance(document, dict), self.out
        return document

    @property
    def error(self) -> dict[str, Any]:
        """The document of a failure, checked for its form."""
        error = self.document["error"]
        assert {"code", "message", "path", "hint"} <= set(error), error
        assert "Traceback" not in self.err
        return error


Spalier = Callable[..., Done]


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without settings of a node and with a known language."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPALIER_", "LC_", "LANG"))
    }
    return {**kept, "LANG": "C.UTF-8", "NO_COLOR": "1", **more}


def spalier(
    *arguments: object, stdin: str | None = None, env: dict[str, str] | None = None
) -> Done:
    """Run one command to its end, in a process of its own.

    Each command is started from nothing once; after that, by `warm_commands`.
    """
    words = [*map(str, arguments)]
    environment = clean_environment(**(env or {}))
    command = tuple(itertools.takewhile(re.compile("[a-z][a-z-]*").fullmatch, words))
    is_known = command[:2] in _STARTED and len((stdin or "").encode()) < STDIN_BYTES_MAX
    if is_known and not any(name.startswith("PYTHON") for name in env or {}):
        return Done(
            *warm_commands().run(
                words,
                stdin=(stdin or "").encode(),
                environment=environment,
                seconds=COMMAND_SECONDS,
            )
        )
    _STARTED.add(command[:2])
    done = subprocess.run(
        [sys.executable, "-m", "node.cli", *words],
        input="" if stdin is None else stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        env=environment,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def free_ports(number: int) -> list[int]:
    """Ports in a row that nobody listens on now."""
    for _ in range(50):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first = probe.getsockname()[1]
        if first + number < 65_000 and all(
            _is_free(port) for port in range(first, first + number)
        ):
            return list(range(first, first + number))
    pytest.fail("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@dataclass(frozen=True)
class TestNode:
    """A node on loopback that was set up by `spalier init`."""

    __test__ = False

    folder: Path
    port: int
    name: str
    first: dict[str, Any]

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *arguments: object, **options: Any) -> Done:
        """Run a command on this node."""
        return spalier(*arguments, "--node", self.folder, **options)

    def json(self, *arguments: object, **options: Any) -> dict[str, Any]:
        """Run a command that must succeed; return its document."""
        done = self.run(*arguments, "--json", **options)
        assert done.code == 0, (arguments, done)
        return done.document


def make_node(folder: Path, name: str) -> TestNode:
    """Set up a node with a free port."""
    (port,) = free_ports(1)
    done = spalier(
        *("init", "--node", folder, "--url", f"http://127.0.0.1:{port}"),
        *("--name", name, "--allow-loopback-http", "--json"),
    )
    assert done.code == 0, done
    return TestNode(folder, port, name, done.document)


@contextmanager
def serving(node: TestNode) -> Iterator[subprocess.Popen[bytes]]:
    """Serve a node inside the block; unless the test killed it, it ends in order."""
    log = node.folder / "serve.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "node.cli", "serve", "--node", str(node.folder)],
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
        )
    try:
        wait_until(
            lambda: is_ready(node.base_url),
            what=log.read_text,
            alive=lambda: process.poll() is None,
        )
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(40)
    assert code in {0, -signal.SIGKILL}, log.read_text()


def is_ready(base_url: str) -> bool:
    """Whether a node answers its health address."""
    try:
        with urllib.request.urlopen(f"{base_url}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def wait_until(
    condition: Callable[[], bool],
    *,
    what: Callable[[], str] = str,
    alive: Callable[[], bool] = lambda: True,
    seconds: float = START_SECONDS,
) -> None:
    """Wait until something is so; fail with an explanation."""
    deadline = time.monotonic() + seconds
    while not condition():
        if not alive() or time.monotonic() > deadline:
            pytest.fail(what())
        time.sleep(0.05)


def capacity_offer(**changes: Any) -> dict[str, Any]:
    """A publication that is in order."""
    return {
        "kind": "capacity_offer",
        "title": {"de": "Freie Stunden auf dem Interferometer"},
        "summary": {"de": "Wir prüfen Linsen bis 150 mm Durchmesser."},
        "valid_until": "2035-06-30",
        "equipment_class": "measuring",
        "availability": "on_request",
        "audience": {"level": "cluster"},
        **changes,
    }


def entry_file(folder: Path, name: str = "entry.json", **changes: Any) -> Path:
    """A file for `entry publish`."""
    path = folder / name
    path.write_text(json.dumps(capacity_offer(**changes)), encoding="utf-8")
    return path
