"""Nodes as processes of their own: set up, start, watch, stop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_REPOSITORY: Final = Path(__file__).resolve().parents[1]
_COMMAND_SECONDS: Final = 120
_START_SECONDS: Final = 60
_STOP_SECONDS: Final = 30
_CALM_CPU_SHARE: Final = 0.03  # of a core
_CALM_SECONDS: Final = 4
_CALM_AFTER_SECONDS: Final = 180
LIMITS_FACTOR: Final = 1_000_000
"""Raises all rates of the measured node (setting `limits.factor`)."""


class BenchError(Exception):
    """The measurement could not be made; the text says why."""


def free_port() -> int:
    """Return a port of 127.0.0.1 on which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """A node that `spalier init` made.

    Attributes:
        path: Its folder.
        port: Port on 127.0.0.1.
    """

    path: Path
    port: int

    @property
    def base_url(self) -> str:
        """The node's address."""
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    def initialise(cls, path: Path, *, name: str, database: str = "") -> NodeFolder:
        """Set up a node on loopback in an empty folder.

        Args:
            path: The folder.
            name: Of the cluster.
            database: URL of an empty PostgreSQL database; without it, SQLite.
        """
        port = free_port()
        arguments = ("init", "--node", str(path), "--name", name)
        address = ("--url", f"http://127.0.0.1:{port}", "--allow-loopback-http")
        engine = ("--database", database) if database else ()
        run_command(*arguments, *address, *engine, "--office", "office@nord.example")
        return cls(path, port)

    def command(self, *arguments: str) -> dict[str, Any]:
        """Run a command on this node; return its document."""
        return run_command(*arguments, "--node", str(self.path))


def run_command(*arguments: str) -> dict[str, Any]:
    """Run `spalier` with `--json`; return its document.

    Raises:
        BenchError: It failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "node.cli", *arguments, "--json"],
        cwd=_REPOSITORY,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=_COMMAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise BenchError(f"spalier {arguments[0]}: {done.stdout or done.stderr}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


class WatchedProcess:
    """A server in a process of its own, with what it costs the machine."""

    def __init__(
        self, command: list[str], *, url: str, log: Path, cwd: Path = _REPOSITORY
    ) -> None:
        """Start the server and wait for its first answer.

        Args:
            command: What to run.
            url: Address that answers 200 once the server is there.
            log: Where its output goes.
            cwd: Where it runs.

        Raises:
            BenchError: It ended, or gave no answer in time.
        """
        begun = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env=_environment(),
                stdout=output,
                stderr=output,
            )
        while not _answers(url):
            if self._process.poll() is not None:
                tail = log.read_text(errors="replace")[-2000:]
                raise BenchError(f"the server ended at its start:\n{tail}")
            if time.perf_counter() - begun > _START_SECONDS:
                self.stop()
                raise BenchError("the server gave no answer in time")
            time.sleep(0.005)
        self.seconds_to_first_answer = time.perf_counter() - begun

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far, as the scheduler counts it.

        `/proc/PID/stat` counts in ticks of 10 ms, which misses short turns.
        """
        spent = 0
        for thread in Path(f"/proc/{self._process.pid}/task").iterdir():
            spent += int((thread / "schedstat").read_text(encoding="ascii").split()[0])
        return spent / 1e9

    @property
    def resident_mib(self) -> float:
        """Resident memory now, in MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def until_calm(self) -> None:
        """Wait until it has done what was due at its start.

        Raises:
            BenchError: It never came to rest.
        """
        until = time.perf_counter() + _CALM_AFTER_SECONDS
        while True:
            before = self.cpu_seconds
            time.sleep(_CALM_SECONDS)
            if self.cpu_seconds - before < _CALM_CPU_SHARE * _CALM_SECONDS:
                return
            if time.perf_counter() > until:
                raise BenchError("a node with nothing to do never came to rest")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it in order, and wait for that."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()


def serve(folder: NodeFolder, *, profile: Path | None = None) -> WatchedProcess:
    """Start a node.

    Args:
        folder: From `NodeFolder.initialise`.
        profile: If given, the node runs under a profiler and writes there what it
            found when it stops.
    """
    program = ["-m", "node.cli", "serve"]
    if profile is not None:
        program = ["-m", "bench.profiled_node", str(profile)]
    return WatchedProcess(
        [sys.executable, *program, "--node", str(folder.path)],
        url=f"{folder.base_url}/livez",
        log=folder.path / "serve.log",
    )


@contextmanager
def running_echo(folder: Path) -> Iterator[tuple[str, WatchedProcess]]:
    """Run a bare server beside the node; give its address and its process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    echo = WatchedProcess(
        [sys.executable, "-m", "bench.echo_server", str(port)],
        url=f"{url}/livez",
        log=folder / "echo.log",
    )
    try:
        yield url, echo
    finally:
        echo.stop()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _environment() -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SPALIER_", "LC_", "LANG"))
    }
    return {
        **kept,
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "SPALIER_LIMITS__FACTOR": str(LIMITS_FACTOR),
    }
