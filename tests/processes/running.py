"""Processes of nodes that a test starts, stops, pauses and kills."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from node.control.client import NotServingError, ask
from node.control.request import ControlRequest, packed_file
from tests.cli.conftest import capacity_offer, clean_environment, is_ready, wait_until

ROOT = Path(__file__).parents[2]
END_SECONDS = 40.0


class Launcher:
    """Forks processes of nodes; see `tests.processes.launcher`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.processes.launcher"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(PYTHONPATH=str(ROOT)),
            cwd=ROOT,
            text=True,
        )
        self._answer("ready")

    def start(self, what: str, folder: Path, *, log: Path, **more: Any) -> "Running":
        """Start a process: `serve`, `doors` (without a worker) or `worker`."""
        order = {"what": what, "folder": str(folder), "log": str(log), **more}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Running(int(self._answer()), what, folder, log)

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(END_SECONDS) == 0
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _answer(self, wanted: str | None = None) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the launcher has ended"
        assert wanted in {None, line}
        return line


@dataclass
class Running:
    """One process."""

    pid: int
    what: str
    folder: Path
    log: Path
    killed_at: float | None = field(default=None)

    @property
    def is_alive(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once: no chance to finish, to flush or to say goodbye."""
        self.send(signal.SIGKILL)
        self.wait()
        self.killed_at = time.time()

    def stop(self) -> None:
        """End it in order."""
        if self.is_alive:
            self.send(signal.SIGCONT)
            self.send(signal.SIGTERM)
            self.wait()

    def wait(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self.is_alive:
            if time.monotonic() > deadline:
                pytest.fail(f"{self.pid} does not end:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.002)

    def events(self) -> list[dict[str, Any]]:
        """The lines of its log; others may write into the same file."""
        return [
            json.loads(line)
            for line in self.log.read_text().splitlines()
            if line.startswith("{")
        ]

    def ready(self, base_url: str) -> None:
        wait_until(
            lambda: is_ready(base_url),
            what=lambda: self.log.read_text()[-4000:],
            alive=lambda: self.is_alive,
        )


@contextmanager
def ended(processes: list[Running]) -> Iterator[None]:
    """Leave nothing running behind, whatever happens in the block."""
    try:
        yield
    finally:
        for process in processes:
            if process.is_alive:
                process.send(signal.SIGCONT)
                process.send(signal.SIGTERM)
        for process in processes:
            process.wait()


def command(folder: Path, name: str, /, **arguments: Any) -> dict[str, Any]:
    """Ask the process that listens in a folder; no interpreter has to start."""
    return ask(folder, ControlRequest(name, arguments))


def publish(folder: Path, *, ref: str | None = None, **changes: Any) -> dict[str, Any]:
    """Publish an offer, or a new version of `ref`; return once it is acknowledged."""
    document = json.dumps(capacity_offer(**changes)).encode()
    arguments: dict[str, Any] = {"file": packed_file(document)}
    if ref is not None:
        arguments["entry"] = ref
    return command(folder, "entry.publish", **arguments)


def connect(host: Path, guest: Path) -> None:
    """Make two nodes partners."""
    code = command(host, "partner.invite", days=7)["code"]
    command(guest, "partner.accept", code=code)
    (partner,) = command(host, "partner.list")["partners"]
    command(host, "partner.confirm", partner=partner["base_url"])
    wait_until(lambda: state_of(guest) == "active" and state_of(host) == "active")
    for folder in (host, guest):
        # Before that, only what is public passes (SPEC VIS-081).
        (partner,) = command(folder, "partner.list")["partners"]
        command(folder, "partner.compared", partner=partner["base_url"])


def state_of(folder: Path) -> str:
    (partner,) = command(folder, "partner.list")["partners"]
    return str(partner["state"])


def in_sync(folder: Path) -> bool:
    """Whether the only partner has confirmed everything, with an equal digest."""
    (partner,) = command(folder, "partner.list")["partners"]
    state = partner["in_sync"]
    return bool(
        state["digest_equal"]
        and state["waiting"] == 0
        and state["sent"] == state["held"] + state["refused"]
    )


def answers(folder: Path) -> bool:
    try:
        command(folder, "ping")
    except (NotServingError, OSError):
        return False
    return True


def eventually(condition: Callable[[], bool], seconds: float, what: str) -> float:
    """Wait until something is so; return how long it took."""
    begun = time.monotonic()
    wait_until(condition, seconds=seconds, what=lambda: what)
    return time.monotonic() - begun
