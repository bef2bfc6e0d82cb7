"""Ask the serving process; plain sockets, so that a command starts fast."""

import json
import socket
from pathlib import Path
from typing import Any

from node.control.request import (
    ANSWER_BYTES_MAX,
    PROGRESS,
    CommandFailedError,
    ControlRequest,
    encode_request,
)
from node.control.socket_path import reachable_socket_path
from node.errors import UnavailableError
from node.sentence import Sentence

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 120.0  # a large import, or a handshake with a slow partner
_PROGRESS_BEGINS = f'{{"{PROGRESS}"'.encode("ascii")


class NotServingError(Exception):
    """Nobody listens on the folder's socket."""


def ask(
    folder: Path, request: ControlRequest, *, answer_seconds: float = ANSWER_SECONDS
) -> dict[str, Any]:
    """Send one request to the process that serves the node in `folder`.

    Args:
        folder: The node's folder.
        request: The command.
        answer_seconds: How long the process may take, or say nothing meanwhile.

    Returns:
        The command's document, after the node has committed.

    Raises:
        NotServingError: No process listens.
        CommandFailedError: The command was refused or failed.
        UnavailableError: The process took the request and does not answer.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(CONNECT_SECONDS)
        try:
            with reachable_socket_path(folder) as path:
                connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
            raise NotServingError from error
        except PermissionError as error:
            raise UnavailableError(
                Sentence(
                    "This account may not use the control socket in {folder}.",
                    folder=folder,
                ),
                code="permission-denied",
                path=str(folder),
                hint="Run the command as the account that runs the node.",
            ) from error
        except OSError as error:
            raise _no_answer(folder) from error
        connection.settimeout(answer_seconds)
        try:
            connection.sendall(encode_request(request))
            line = _read_answer(connection, request)
        except OSError as error:
            raise _no_answer(folder) from error
    return _document(folder, line)


def _read_answer(connection: socket.socket, request: ControlRequest) -> bytes:
    """Read until the answer; each line before it says how far the command is."""
    with connection.makefile("rb") as lines:
        while True:
            line = lines.readline(ANSWER_BYTES_MAX + 1)
            if not line.endswith(b"\n"):
                raise ConnectionError
            if not line.startswith(_PROGRESS_BEGINS):
                return line
            if request.tell is not None:
                request.tell(json.loads(line)[PROGRESS])


def _document(folder: Path, line: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise _no_answer(folder) from error
    if "error" in answer:
        raise CommandFailedError(answer["error"])
    document: dict[str, Any] = answer["document"]
    return document


def _no_answer(folder: Path) -> UnavailableError:
    return UnavailableError(
        Sentence(
            "The node in {folder} is running, but does not answer on its "
            "control socket.",
            folder=folder,
        ),
        code="node-silent",
        path=str(folder),
        hint="Look into the node's log; a restart of the node helps.",
    )
