"""Start the three nodes as processes, watch them, end them by their ids."""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from node.cli.wording import gettext as _
from node.demo.clusters import LOOPBACK, DemoNode
from node.errors import UnavailableError
from node.sentence import Sentence

READY_SECONDS = 60.0
STOP_SECONDS = 30.0
KILL_SECONDS = 5.0
_POLL_SECONDS = 0.1
_WATCH_SECONDS = 0.5
_LOG_LINES = 8
_HTTP_OK = 200
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True, slots=True)
class Child:
    """A node's process."""

    node: DemoNode
    process: subprocess.Popen[bytes]


class Supervisor:
    """The processes of the demonstration; leaving the block ends them all."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self, node: DemoNode) -> None:
        """Start a node; what it prints goes to its log."""
        node.log.parent.mkdir(exist_ok=True)
        with node.log.open("ab") as log:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "node.cli",
                    "serve",
                    "--node",
                    str(node.folder),
                    # Its standard input is our pipe: it ends when we end, also
                    # when nobody had the time to tell it.
                    "--with-parent",
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        self._children.append(Child(node, process))

    def wait_until_ready(self) -> None:
        """Wait until every node answers its health address.

        Raises:
            UnavailableError: One ended, or does not answer in time.
        """
        deadline = time.monotonic() + READY_SECONDS
        for child in self._children:
            while not _is_ready(child.node):
                self.require_alive()
                if time.monotonic() > deadline:
                    raise _failed(
                        child.node, _("%(name)s does not start.", name=_name(child))
                    )
                time.sleep(_POLL_SECONDS)

    def require_alive(self) -> None:
        """Look after every process.

        Raises:
            UnavailableError: One has ended by itself; says what its log says.
        """
        for child in self._children:
            code = child.process.poll()
            if code is not None:
                message = _(
                    "%(name)s has ended unexpectedly (exit code %(code)s).",
                    name=_name(child),
                    code=code,
                )
                raise _failed(child.node, message)

    def watch(self) -> None:
        """Wait until somebody stops us.

        Raises:
            UnavailableError: A process has ended by itself.
        """
        while True:
            self.require_alive()
            time.sleep(_WATCH_SECONDS)

    def stop(self) -> None:
        """End every process in order, by force only if it does not go."""
        # A second Ctrl-C must not leave a process behind.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
        try:
            self._end_all()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _end_all(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for child in self._children:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.0, deadline - time.monotonic()))
            if child.process.poll() is None:
                child.process.kill()
                child.process.wait(KILL_SECONDS)
            if child.process.stdin is not None:
                child.process.stdin.close()
        self._children.clear()

    @property
    def process_ids(self) -> Iterable[int]:
        """Ids of the processes."""
        return tuple(child.process.pid for child in self._children)


def _is_ready(node: DemoNode) -> bool:
    connection = http.client.HTTPConnection(LOOPBACK, node.port, timeout=2.0)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == _HTTP_OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _name(child: Child) -> str:
    return child.node.cluster.name


def _failed(node: DemoNode, message: str) -> UnavailableError:
    try:
        lines = node.log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    shown = "".join(f"\n    {line}" for line in lines[-_LOG_LINES:])
    return UnavailableError(
        Sentence("{message}{lines}", message=message, lines=shown),
        code="node-ended",
        path=str(node.log),
        hint=_("The whole log: %(path)s", path=node.log),
    )
