"""The control socket of the serving process.

Of several processes that share a folder one at a time listens; when it ends, the next
one does. Until then a command opens the database itself (SPEC NOD-057).
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from node import instance_lock
from node.control.failures import INTERNAL_CODE, error_document
from node.control.registry import run_command
from node.control.request import (
    PROGRESS,
    REQUEST_BYTES_MAX,
    SOCKET_NAME,
    ControlRequest,
    decode_request,
    encode_answer,
)
from node.control.socket_path import reachable_socket_path
from node.errors import ConflictError, InvalidInputError, NodeError
from node.instance_lock import InstanceLock
from node.limits import CONTROL_CONNECTIONS_MAX

if TYPE_CHECKING:
    from node.app import Node

logger = logging.getLogger(__name__)

LOCK_NAME = "control.lock"
TURN_SECONDS = 2.0  # how often a process looks whether nobody listens any more
STOP_SECONDS = 10.0  # for commands that are running when the node stops
_SOCKET_MODE = 0o600


class ControlServer:
    """Answers newline-delimited requests; connections do not wait for each other.

    Args:
        node: The open node; its folder gets the socket.
    """

    def __init__(self, node: "Node") -> None:
        self._node = node
        self._lock: InstanceLock | None = None
        self._turn: asyncio.Task[None] | None = None
        self._folder = node.folder
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._busy: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; where others share the folder, as soon as none of them does."""
        if not self._node.processes.are_several:
            # The caller holds the folder's lock, so an old socket is dead.
            await self._listen()
        elif not await self._listen_if_free():
            self._turn = asyncio.create_task(self._wait_for_turn(), name="control")

    async def _wait_for_turn(self) -> None:
        while True:
            await asyncio.sleep(TURN_SECONDS)
            try:
                if await self._listen_if_free():
                    return
            except (NodeError, OSError) as error:
                logger.warning("the control socket cannot be opened: %s", error)

    async def _listen_if_free(self) -> bool:
        try:
            lock = instance_lock.acquire(self._folder, name=LOCK_NAME)
        except ConflictError:
            return False
        try:
            await self._listen()
        except BaseException:
            lock.release()
            raise
        self._lock = lock
        return True

    async def _listen(self) -> None:
        own = self._folder / SOCKET_NAME
        own.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with reachable_socket_path(self._folder) as path:
                listener.bind(str(path))
            # Before listen(): until then nobody can connect.
            own.chmod(_SOCKET_MODE)
            self._server = await asyncio.start_unix_server(
                self._accept,
                sock=listener,
                limit=REQUEST_BYTES_MAX,
                backlog=CONTROL_CONNECTIONS_MAX,
            )
        except BaseException:
            listener.close()
            raise

    async def stop(self) -> None:
        """Take no more requests, finish the running ones, remove the socket."""
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.gather(self._turn, return_exceptions=True)
        if self._server is None:
            return
        self._server.close()
        try:
            (self._folder / SOCKET_NAME).unlink(missing_ok=True)
        except OSError as error:
            # On a disk that went read-only: nobody listens on it, and the next
            # start removes it.
            logger.warning("the control socket stays: %s", error.strerror)
        if self._busy:
            await asyncio.wait(self._busy, timeout=STOP_SECONDS)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._server = None
        if self._lock is not None:
            self._lock.release()

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        if task is None:  # a callback of the server always runs in a task
            return
        self._connections.add(task)
        try:
            await self._converse(task, reader, writer)
        except ConnectionError:
            logger.debug("control connection closed early")
        finally:
            self._connections.discard(task)
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _converse(
        self,
        task: asyncio.Task[None],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        while True:
            try:
                line = await reader.readline()
            except ValueError:  # longer than the limit; the rest cannot be skipped
                error = InvalidInputError("The request is too long.", code="too-large")
                writer.write(encode_answer(error_document(error)))
                await writer.drain()
                return
            if not line.endswith(b"\n"):
                return
            self._busy.add(task)
            try:
                writer.write(encode_answer(await self._answer(line, writer)))
                await writer.drain()
            finally:
                self._busy.discard(task)

    async def _answer(
        self, line: bytes, writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        def tell(progress: Mapping[str, Any]) -> None:
            writer.write(encode_answer({PROGRESS: dict(progress)}))

        command = ""
        try:
            request: ControlRequest = replace(decode_request(line), tell=tell)
            command = request.command
            return {"document": await run_command(self._node, request)}
        except Exception as error:
            answer = error_document(error)
            if answer["error"]["code"] == INTERNAL_CODE:
                logger.exception("command %s failed", command)
            return answer
