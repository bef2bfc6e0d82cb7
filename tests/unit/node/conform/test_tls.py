"""Letters over https: the certificate is checked, the host is named."""

from __future__ import annotations

import asyncio
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from federation.ids import BaseUrl
from node.clock import SystemClock
from node.conform import http_exchange
from node.conform.http_exchange import Exchange, Letter
from node.errors import UnavailableError

HOST = "spalier.optence.example"


def certificate(folder: Path, host: str) -> Path:
    """A file with a key and a certificate that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize(
    ("trusted", "vouched_for", "reason"),
    [(True, HOST, ""), (False, HOST, "certificate"), (True, "else.example", "match")],
)
async def test_certificate(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trusted: bool,
    vouched_for: str,
    reason: str,
) -> None:
    path = certificate(tmp_path, vouched_for)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(1_000)
        writer.write(b"HTTP/1.1 204 None\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=served)
    port = server.sockets[0].getsockname()[1]

    async def resolved(*_args: Any, **_kwargs: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    monkeypatch.setattr(http_exchange, "is_public", lambda _text: True)
    exchange = Exchange(
        BaseUrl(f"https://{HOST}:{port}"), clock=SystemClock(), allow_loopback=False
    )
    letter = Letter("GET", "/actor", (("Host", HOST),))
    async with server:
        if not reason:
            assert (await exchange.send(letter)).status == 204
            return
        with pytest.raises(UnavailableError, match=f"(?i){reason}"):
            await exchange.send(letter)
