"""Who floods a node: run as a process of its own, ended by its parent.

    python -m tests.cli.flood BASE_URL KEY_ID KEY_FILE PAGE_FILE

From three addresses of the loopback network at once: a partner that sends a page of
200 entries without end, each request signed anew (127.0.0.3); somebody without a key
who sends long bodies with wrong signatures (127.0.0.2); and connections that send
their head byte by byte (127.0.0.4). Answers are counted and printed at the end.
"""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from federation.ids import NodeAddress, parse_base_url
from federation.keys import Signer, SigningKey
from federation.signatures.digest import content_digest
from federation.signatures.http import HttpMessage, sign_message
from federation.signatures.structured import Component
from node.node_key import load_key

WORKERS = 24
SLOW_CONNECTIONS = 200
GARBAGE = b'{"type": "Create", "x": "' + b"y" * 200_000 + b'"}'

COVERED = tuple(
    Component(name)
    for name in ("@method", "@target-uri", "@authority", "content-digest")
)

answers: Counter[str] = Counter()


async def send(base_url: str, source: str, fields: dict[str, str], body: bytes) -> str:
    """POST a body and return the first line of the answer."""
    host, port = base_url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(
        host, int(port), local_addr=(source, 0)
    )
    try:
        lines = [
            "POST /inbox HTTP/1.1",
            f"Host: {host}:{port}",
            "Content-Type: application/activity+json",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in fields.items()),
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        status = (await reader.readline()).decode("latin-1").split(" ")[1:2]
        await reader.read()
        return status[0] if status else "closed"
    finally:
        writer.close()


def signed(base_url: str, signer: Signer, digest: str) -> dict[str, str]:
    """Sign a request for a body whose digest is known: cheap for who floods."""
    message = HttpMessage("POST", f"{base_url}/inbox", [("Content-Digest", digest)])
    fields = sign_message(
        message,
        COVERED,
        signer=signer,
        created=datetime.now(UTC),
        nonce=secrets.token_urlsafe(18),
    )
    return {"Content-Digest": digest, **fields}


async def attack(
    name: str, source: str, base_url: str, signer: Signer, body: bytes
) -> None:
    """Send one body without end, each time with a new signature."""
    digest = content_digest(body)
    while True:
        try:
            fields = signed(base_url, signer, digest)
            status = await send(base_url, source, fields, body)
        except (OSError, asyncio.IncompleteReadError):
            status = "closed"
            await asyncio.sleep(0.01)
        answers[f"{name} {status}"] += 1


async def crawl(base_url: str) -> None:
    """Open a connection, send a head byte by byte, and begin anew when it is cut."""
    host, port = base_url.removeprefix("http://").split(":")
    while True:
        try:
            _reader, writer = await asyncio.open_connection(
                host, int(port), local_addr=("127.0.0.4", 0)
            )
            for byte in b"POST /inbox HTTP/1.1\r\nX: " + b"x" * 1000:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.5)
        except OSError:
            answers["slow closed"] += 1
            await asyncio.sleep(0.2)


async def main(base_url: str, key_id: str, folder: str, page: str) -> None:
    """Flood until the parent says that it is enough."""
    # Attackers have machines of their own; here they get what the others leave.
    os.nice(15)
    origin = parse_base_url(key_id.partition("/actor")[0], allow_loopback_http=True)
    number = int(key_id.rpartition("-")[2])
    signer = Signer(NodeAddress(origin), load_key(Path(folder)), number)
    nobody = Signer(NodeAddress(origin), SigningKey.from_bytes(bytes(32)), number)
    body = Path(page).read_bytes()
    tasks = [
        *(
            asyncio.create_task(attack("partner", "127.0.0.3", base_url, signer, body))
            for _ in range(WORKERS)
        ),
        *(
            asyncio.create_task(
                attack("garbage", "127.0.0.2", base_url, nobody, GARBAGE)
            )
            for _ in range(WORKERS)
        ),
        *(asyncio.create_task(crawl(base_url)) for _ in range(SLOW_CONNECTIONS)),
    ]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    print(json.dumps(dict(sorted(answers.items()))))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
