"""Commands in processes of their own that need not import everything first.

A process that has imported the program waits for commands and forks for each: the
child has its own environment, working folder, standard streams and exit code, as any
process, and saves the second that importing takes. It is started when it is first
needed and ends with the process that asks it.

    python -m tests.cli.warm_commands DESCRIPTOR
"""

import atexit
import functools
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, NoReturn

ROOT = Path(__file__).resolve().parents[2]
# What fits into a pipe without a reader.
STDIN_BYTES_MAX = 60_000
_MESSAGE_BYTES = 200_000


class WarmCommands:
    """The way to the process that forks; threads may use it side by side."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._lock = threading.Lock()

    def close(self) -> None:
        self._socket.close()
        self._process.wait()

    def run(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        seconds: float,
    ) -> tuple[int, str, str]:
        """Run one command to its end; return exit code, output and errors.

        Raises:
            TimeoutError: It took too long and was killed.
        """
        order = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": str(Path.cwd()),
        }
        reading, writing = os.pipe()
        os.write(writing, stdin)
        os.close(writing)
        ours, theirs = socket.socketpair()
        with (
            ours,
            tempfile.TemporaryFile() as out,
            tempfile.TemporaryFile() as err,
        ):
            streams = [reading, out.fileno(), err.fileno(), theirs.fileno()]
            with self._lock:
                socket.send_fds(self._socket, [json.dumps(order).encode()], streams)
            os.close(reading)
            theirs.close()
            code = _wait(ours, seconds)
            return code, _text(out), _text(err)


@functools.cache
def warm_commands() -> WarmCommands:
    """The one of this process."""
    commands = WarmCommands()
    atexit.register(commands.close)
    return commands


def _wait(reply: socket.socket, seconds: float) -> int:
    """Read the child's number, and at its end its exit code."""
    lines = reply.makefile("r")
    reply.settimeout(seconds)
    child = int(lines.readline())
    try:
        code = lines.readline()
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        raise
    return int(code) if code else -signal.SIGKILL


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _serve(orders: socket.socket) -> None:
    import node.control.direct
    import node.initialise
    from node.cli import program

    assert node.control.direct
    assert node.initialise
    assert program
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the children
    while True:
        message, streams, _flags, _address = socket.recv_fds(orders, _MESSAGE_BYTES, 4)
        if not message:
            return
        if os.fork() == 0:
            orders.close()
            _obey(json.loads(message), streams)
        for stream in streams:
            os.close(stream)


def _obey(order: dict[str, object], streams: Sequence[int]) -> NoReturn:
    """Be the process of one command."""
    from node.cli import main

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    *standard, reply = streams
    for number, stream in enumerate(standard):
        os.dup2(stream, number)
        os.close(stream)
    os.write(reply, f"{os.getpid()}\n".encode())
    os.environ.clear()
    os.environ.update(order["environment"])  # type: ignore[arg-type]
    os.chdir(str(order["folder"]))
    sys.argv = ["spalier", *order["arguments"]]  # type: ignore[misc]
    code: object = 1
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(reply, f"{code}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as _orders:
        _serve(_orders)
