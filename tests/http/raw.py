"""Bytes on a socket, as nobody's library would send them."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from tests.http.nodes import RunningNode


@dataclass(frozen=True)
class RawAnswer:
    """An answer as it came, byte for byte."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1])

    @property
    def fields(self) -> list[tuple[str, str]]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        pairs = (line.partition(": ") for line in lines if line)
        return [(name, value) for name, _colon, value in pairs]

    def field(self, name: str) -> str | None:
        return next(
            (value for key, value in self.fields if key.lower() == name.lower()), None
        )

    @property
    def without_date(self) -> bytes:
        """Everything apart from the moment of the answer."""
        kept = [
            line
            for line in self.head.split(b"\r\n")
            if not line.lower().startswith(b"date:")
        ]
        return b"\r\n".join(kept) + b"\r\n\r\n" + self.body


def port_of(node: RunningNode) -> int:
    return int(node.base_url.rpartition(":")[2])


async def exchange(
    node: RunningNode,
    data: bytes,
    *,
    seconds: float = 10.0,
    source: str = "127.0.0.1",
) -> bytes:
    """Send bytes and read until the other side closes."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port_of(node), local_addr=(source, 0)
    )
    try:
        async with asyncio.timeout(seconds):
            writer.write(data)
            await writer.drain()
            return await reader.read()
    finally:
        writer.close()


def request_bytes(
    node: RunningNode,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> bytes:
    """A request with the fields that it needs, if none overrides them."""
    fields = {
        "Host": node.base_url.removeprefix("http://"),
        "Connection": "close",
        **({} if body is None else {"Content-Length": str(len(body))}),
        **(headers or {}),
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


async def ask(
    node: RunningNode,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    source: str = "127.0.0.1",
) -> RawAnswer:
    """Send one request and return its answer."""
    data = request_bytes(node, method, path, headers=headers, body=body)
    return parsed(await exchange(node, data, source=source))


def parsed(data: bytes) -> RawAnswer:
    head, _, body = data.partition(b"\r\n\r\n")
    return RawAnswer(head, body)
