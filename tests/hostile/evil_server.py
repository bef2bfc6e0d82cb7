"""A node that answers as it likes: bytes over a socket, no library between."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.hostile.wire import ACTIVITY_JSON


@dataclass(frozen=True)
class Asked:
    """What our client sent."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def field(self, name: str) -> str:
        return {key.lower(): value for key, value in self.headers}.get(name, "")


Writer: TypeAlias = asyncio.StreamWriter
# Writes whatever it wants; the connection is closed afterwards.
Answering: TypeAlias = Callable[[Asked, Writer], Awaitable[None]]


@dataclass
class EvilServer:
    """Where it listens, what it was asked, and what it answers."""

    base_url: str
    answer: Answering
    asked: list[Asked] = field(default_factory=list)

    def says(self, *parts: bytes) -> None:
        """Answer everything with these bytes."""

        async def answer(_asked: Asked, writer: Writer) -> None:
            for part in parts:
                writer.write(part)
            await writer.drain()

        self.answer = answer


def reply(
    body: bytes | Any = b"",
    *,
    status: str = "200 OK",
    media_type: str | None = ACTIVITY_JSON,
    headers: tuple[tuple[str, str], ...] = (),
    length: int | None = None,
) -> bytes:
    """An answer with a body; a document becomes JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status}", "Connection: close"]
    if media_type is not None:
        lines.append(f"Content-Type: {media_type}")
    if length != -1:
        lines.append(f"Content-Length: {len(content) if length is None else length}")
    lines += [f"{name}: {value}" for name, value in headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


@asynccontextmanager
async def evil_server(port: int = 0) -> AsyncIterator[EvilServer]:
    """Listen on loopback; a connection answers one request."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, path, _ = lines[0].split(" ")
            headers = tuple(
                (line.partition(":")[0], line.partition(":")[2].strip())
                for line in lines[1:]
                if line
            )
            length = int({k.lower(): v for k, v in headers}.get("content-length", 0))
            body = await reader.readexactly(length)
            asked = Asked(method, path, headers, body)
            server.asked.append(asked)
            await server.answer(asked, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", port)
    number = listening.sockets[0].getsockname()[1]
    server = EvilServer(f"http://127.0.0.1:{number}", _silent)
    try:
        yield server
    finally:
        listening.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _silent(_asked: Asked, _writer: Writer) -> None:
    return None
