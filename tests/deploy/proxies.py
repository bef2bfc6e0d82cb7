"""nginx and Caddy with the files of deploy/, on ports and in folders of a test.

The files are taken as they are. What changes is where they listen, the names, the
places of certificates and logs, and that time limits are shorter.
"""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.authority import Authority
from tests.deploy.programs import DEPLOY, program
from tests.http.raw import RawAnswer, parsed

KINDS = ("nginx", "caddy")
EXAMPLE = "netz.example.org"
EXAMPLE_NODE = "127.0.0.1:8080"
START_SECONDS = 30.0
SHORT_SECONDS = 3.0
# Another address of this machine than that of the nodes and proxies.
CLIENT = "127.0.0.2"
# How the other side's end looks while we are still sending or reading.
CLOSED = (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running reverse proxy."""

    kind: str
    port: int
    plain_port: int
    root: Path
    log: Path

    def connect(
        self, host: str, *, source: str = CLIENT, seconds: float = 20.0
    ) -> ssl.SSLSocket:
        """Open a connection with TLS, as a client at another address."""
        context = ssl.create_default_context(cafile=str(self.root))
        plain = socket.create_connection(
            ("127.0.0.1", self.port), timeout=seconds, source_address=(source, 0)
        )
        return context.wrap_socket(plain, server_hostname=host)

    def exchange(
        self, host: str, data: bytes, *, source: str = CLIENT, seconds: float = 20.0
    ) -> bytes:
        """Send bytes and read one answer."""
        with self.connect(host, source=source, seconds=seconds) as wire:
            # Refused before all of it was sent: the answer is there.
            with contextlib.suppress(*CLOSED):
                wire.sendall(data)
            return read_answer(wire)

    def ask(
        self,
        host: str,
        target: str,
        *,
        method: str = "GET",
        fields: Mapping[str, str] | None = None,
        body: bytes | None = None,
        source: str = CLIENT,
    ) -> RawAnswer:
        """Send one request and return its answer."""
        lines = {
            "Host": f"{host}:{self.port}",
            "Connection": "close",
            **({} if body is None else {"Content-Length": str(len(body))}),
            **(fields or {}),
        }
        head = f"{method} {target} HTTP/1.1\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        data = f"{head}\r\n".encode("latin-1") + (body or b"")
        return parsed(self.exchange(host, data, source=source))


def read_all(wire: socket.socket) -> bytes:
    """Read until the other side closes."""
    parts = []
    with contextlib.suppress(*CLOSED):
        while part := wire.recv(65_536):
            parts.append(part)
    return b"".join(parts)


def read_answer(wire: socket.socket) -> bytes:
    """Read one answer, or what there is of it."""
    data = b""
    with contextlib.suppress(*CLOSED):
        while part := wire.recv(65_536):
            data += part
            head, end, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                break
    return data


def in_time_of_a_test(text: str) -> str:
    """Return settings with shorter limits; that of a body stays above the node's."""
    return text.replace(" 15s", f" {SHORT_SECONDS:.0f}s").replace(" 120s", " 17s")


@contextmanager
def running(
    kind: str,
    nodes: Mapping[str, str],
    *,
    folder: Path,
    ports: tuple[int, int],
    authority: Authority,
) -> Iterator[Proxy]:
    """Run a proxy before nodes.

    Args:
        kind: `nginx` or `caddy`.
        nodes: Host name to address and port where the node listens.
        folder: For everything that it writes.
        ports: Where it listens, with TLS and without.
        authority: Signs the certificates of the names.
    """
    prepare = _prepare_nginx if kind == "nginx" else _prepare_caddy
    command = prepare(nodes, folder=folder, ports=ports, authority=authority)
    log = folder / "output.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=folder,
            env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
        )
    try:
        _wait_until_listening(process, ports[0], log)
        yield Proxy(kind, ports[0], ports[1], authority.root, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(20)


def _wait_until_listening(process: subprocess.Popen, port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(log.read_text(errors="replace"))
            time.sleep(0.05)
        else:
            return


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    """Replace texts that must be there."""
    for old, new in pairs:
        assert old in text, f"{old!r} is gone from the file"
        text = text.replace(old, new)
    return text


# -- nginx ----------------------------------------------------------------------

_NGINX_MAIN = """
daemon off;
{user}
worker_processes 2;
pid {folder}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 768; }}
http {{
    # As in Debian's nginx.conf.
    ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3;
    ssl_prefer_server_ciphers on;
    access_log {folder}/access.log;
    gzip on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/conf.d/*.conf;
    include {folder}/sites-enabled/*;
}}
"""


def _prepare_nginx(
    nodes: Mapping[str, str],
    *,
    folder: Path,
    ports: tuple[int, int],
    authority: Authority,
) -> list[str]:
    secure, plain = ports

    def placed(text: str) -> str:
        without_ipv6 = re.sub(r" *listen \[::\].*\n", "", text)
        located = without_ipv6.replace("/etc/nginx/", f"{folder}/")
        located = located.replace("/var/log/nginx/", f"{folder}/")
        located = located.replace("listen 443", f"listen 127.0.0.1:{secure}")
        located = located.replace("listen 80", f"listen 127.0.0.1:{plain}")
        return in_time_of_a_test(located)

    def shipped(name: str) -> str:
        return (DEPLOY / "nginx" / name).read_text()

    for name in ("conf.d", "sites-enabled"):
        (folder / name).mkdir()
    (folder / "conf.d/spalier.conf").write_text(placed(shipped("spalier.conf")))
    for name in ("spalier-server.conf", "spalier-locations.conf"):
        (folder / name).write_text(placed(shipped(name)))
    for host, node in nodes.items():
        files = authority.certify(host)
        of_node = replaced(
            shipped("spalier-node.conf"),
            (f"/etc/letsencrypt/live/{EXAMPLE}/fullchain.pem", str(files.chain)),
            (f"/etc/letsencrypt/live/{EXAMPLE}/privkey.pem", str(files.key)),
            (EXAMPLE, host),
            (EXAMPLE_NODE, node),
        )
        (folder / "sites-enabled" / host).write_text(placed(of_node))
    main = _NGINX_MAIN.format(
        folder=folder, user="user root;" if os.geteuid() == 0 else ""
    )
    (folder / "nginx.conf").write_text(main)
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    checked = subprocess.run(
        [*command, "-t"], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "[warn]" not in checked.stderr, checked.stderr
    return command


# -- Caddy ----------------------------------------------------------------------

_CADDY_OPTIONS = """admin off
	https_port {secure}
	http_port {plain}
	default_bind 127.0.0.1
	skip_install_trust"""


def _prepare_caddy(
    nodes: Mapping[str, str],
    *,
    folder: Path,
    ports: tuple[int, int],
    authority: Authority,
) -> list[str]:
    shipped = (DEPLOY / "caddy" / "Caddyfile").read_text()
    start = shipped.index(f"{EXAMPLE} {{")
    text = replaced(
        shipped[:start],
        (
            "admin unix//var/lib/caddy/admin.socket",
            _CADDY_OPTIONS.format(secure=ports[0], plain=ports[1]),
        ),
    )
    for host, node in nodes.items():
        files = authority.certify(host)
        text += replaced(
            shipped[start:],
            ("import spalier\n", f"import spalier\n\ttls {files.chain} {files.key}\n"),
            (EXAMPLE, host),
            (EXAMPLE_NODE, node),
        )
    (folder / "Caddyfile").write_text(in_time_of_a_test(text))
    return [program("caddy"), "run", "--config", str(folder / "Caddyfile")]
