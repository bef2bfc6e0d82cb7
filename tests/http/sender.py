"""Requests as anybody could send them, and the proof that they left no trace."""

import asyncio
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from federation.inbox import ACTIVITY_JSON
from federation.keys import Signer
from federation.signatures.http import sign_request
from tests.http.nodes import START, RunningNode

PROBLEM = "https://w3id.org/spalier/problems#"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


@dataclass
class Answer:
    """A finished answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Last part of the problem type, after checks of the form (RFC 9457)."""
        problem = json.loads(self.body)
        assert self.headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == self.status
        assert problem["title"]
        assert problem["detail"]
        assert problem["type"].startswith(PROBLEM)
        return str(problem["type"].removeprefix(PROBLEM))


class Sender:
    """Sends any bytes in the name of a node, signed or not."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.count = 0

    async def post(
        self,
        node: RunningNode,
        body: bytes,
        *,
        signer: Signer | None = None,
        path: str = "/inbox",
        created: Any = START,
        nonce: str | None = None,
        headers: Mapping[str, str] | None = None,
        sent: bytes | None = None,
    ) -> Answer:
        """POST `sent` (by default `body`) with a signature made for `body`."""
        self.count += 1
        fields = {"Content-Type": ACTIVITY_JSON}
        target = f"{node.base_url}{path}"
        if signer is not None:
            fields |= sign_request(
                "POST",
                target,
                body=body,
                signer=signer,
                created=created,
                nonce=nonce or f"{self.count:022d}",
            )
        fields |= headers or {}
        data = io.BytesIO(body if sent is None else sent)
        async with self.session.post(target, data=data, headers=fields) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(
        self,
        node: RunningNode,
        path: str,
        *,
        signer: Signer | None = None,
        accept: str = ACTIVITY_JSON,
    ) -> Answer:
        """GET a path, signed if there is a signer."""
        self.count += 1
        target = f"{node.base_url}{path}"
        fields = {"Accept": accept}
        if signer is not None:
            fields |= sign_request(
                "GET",
                target,
                body=None,
                signer=signer,
                created=START,
                nonce=f"{self.count:022d}",
            )
        async with self.session.get(
            target, headers=fields, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


async def head_only(
    node: RunningNode,
    request: str,
    *,
    length: int,
    headers: Mapping[str, str] | None = None,
) -> str:
    """Announce a body and send none of it; return the head of the answer.

    Args:
        node: Who is asked.
        request: Method and path.
        length: Bytes announced.
        headers: Further fields.
    """
    host = node.base_url.removeprefix("http://")
    fields = {"Host": host, "Content-Length": str(length), **(headers or {})}
    lines = [f"{request} HTTP/1.1", *(f"{key}: {fields[key]}" for key in fields)]
    reader, writer = await asyncio.open_connection(*host.split(":"))
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode())
        async with asyncio.timeout(5):
            return (await reader.readuntil(b"\r\n\r\n")).decode()
    finally:
        writer.close()
        await writer.wait_closed()


def as_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


class Untouched:
    """Shows that a node stored nothing, and nobody sent anything.

    Compared are every row of every table, the queue of mails among them, every
    request that the nodes sent, and every request that reached the others.
    """

    def __init__(self, node: RunningNode, *others: RunningNode) -> None:
        self.node = node
        self.others = others

    async def __aenter__(self) -> None:
        self.before = await self.node.tables()
        self.reached = [list(other.reached) for other in self.others]
        self.sent = [list(each.client.sent) for each in (self.node, *self.others)]

    async def __aexit__(self, *_: object) -> None:
        after = await self.node.tables()
        for name, rows in self.before.items():
            assert after[name] == rows, name
        assert [list(other.reached) for other in self.others] == self.reached
        sent = [list(each.client.sent) for each in (self.node, *self.others)]
        assert sent == self.sent
