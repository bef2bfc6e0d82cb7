"""Fedify under the same load in the same run, if `make interop` has installed it.

Fedify is the nearest of the well-known libraries for the same protocol family. Its
server takes signed `Create`s of a `Note`, in the form that it verifies fastest: an
RSA signature of the request (draft-cavage), with the sender's key in its cache.
"""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import format_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.load import Prepared
from bench.node_process import WatchedProcess, free_port
from federation.inbox import ACTIVITY_JSON
from node.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

INSTALLED: Final = Path(__file__).resolve().parents[1] / "build" / "interop"
INBOX: Final = "/users/cluster/inbox"
_ACTOR: Final = "/actor"
_KEY_BITS: Final = 2048


def why_not(folder: Path) -> str | None:
    """Return why Fedify cannot be measured, None if it can."""
    if not (folder / "node-path").exists():
        return f"not measured: no Fedify in {folder.name}; `make interop` installs it"
    return None


@dataclass(frozen=True, slots=True)
class FedifyServer:
    """A running Fedify server.

    Attributes:
        process: Its process.
        base_url: Its address.
        version: Its version.
    """

    process: WatchedProcess
    base_url: str
    version: str

    @classmethod
    def start(cls, folder: Path, *, log: Path) -> FedifyServer:
        """Start the server that lies in a folder of `make interop`."""
        port = free_port()
        node = (folder / "node-path").read_text(encoding="utf-8").strip()
        package = folder / "node_modules" / "@fedify" / "fedify" / "package.json"
        version = json.loads(package.read_text(encoding="utf-8"))["version"]
        base_url = f"http://127.0.0.1:{port}"
        process = WatchedProcess(
            [node, str(folder / "server.mjs"), str(port)],
            url=f"{base_url}/count",
            log=log,
            cwd=folder,
        )
        return cls(process, base_url, str(version))


class NoteSender:
    """An actor with an RSA key that writes notes to a Fedify server."""

    def __init__(self, server: FedifyServer) -> None:
        self._server = server
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        self._port = free_port()
        self._count = 0

    @property
    def _actor(self) -> str:
        return f"http://127.0.0.1:{self._port}{_ACTOR}"

    @asynccontextmanager
    async def reachable(self) -> AsyncIterator[None]:
        """Answer with the actor document, which Fedify fetches once."""
        app = web.Application()
        app.router.add_get(_ACTOR, self._answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self._port).start()
            yield
        finally:
            await runner.cleanup()

    async def _answer(self, _request: web.Request) -> web.Response:
        public = self._key.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        actor = {
            "@context": [
                "https://www.w3.org/ns/activitystreams",
                "https://w3id.org/security/v1",
            ],
            "id": self._actor,
            "type": "Application",
            "inbox": f"{self._actor}/inbox",
            "publicKey": {
                "id": f"{self._actor}#main-key",
                "owner": self._actor,
                "publicKeyPem": pem.decode("ascii"),
            },
        }
        return web.Response(body=json.dumps(actor), content_type=ACTIVITY_JSON)

    def notes(self, count: int, *, text: str) -> list[Prepared]:
        """Return signed requests, each with a note of its own."""
        return [self._note(text) for _ in range(count)]

    def _note(self, text: str) -> Prepared:
        self._count += 1
        name = f"http://127.0.0.1:{self._port}/notes/{self._count}"
        activity = {
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": f"{name}/activity",
            "type": "Create",
            "actor": self._actor,
            "object": {
                "id": name,
                "type": "Note",
                "attributedTo": self._actor,
                "content": text,
            },
        }
        body = json.dumps(activity, ensure_ascii=False).encode("utf-8")
        host = self._server.base_url.removeprefix("http://")
        date = format_datetime(SystemClock().now(), usegmt=True)
        digest = "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        covered = {
            "(request-target)": f"post {INBOX}",
            "host": host,
            "date": date,
            "digest": digest,
        }
        lines = "\n".join(f"{key}: {value}" for key, value in covered.items())
        signed = self._key.sign(lines.encode("ascii"), padding.PKCS1v15(), SHA256())
        signature = (
            f'keyId="{self._actor}#main-key",algorithm="rsa-sha256",'
            f'headers="{" ".join(covered)}",'
            f'signature="{base64.b64encode(signed).decode("ascii")}"'
        )
        fields = {"Date": date, "Digest": digest, "Signature": signature}
        return Prepared(body, {"Content-Type": ACTIVITY_JSON, **fields})
