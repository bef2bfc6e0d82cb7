"""Real nodes with https addresses, each behind nginx and behind Caddy."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (
    COMMAND_SECONDS,
    Done,
    clean_environment,
    free_ports,
    is_ready,
    wait_until,
)
from tests.deploy.authority import Authority
from tests.deploy.proxies import KINDS, Proxy, running

NORD, SUED = "nord.spalier.test", "sued.spalier.test"


@dataclass(frozen=True)
class ProxiedNode:
    """A node whose address leads to a proxy.

    Attributes:
        folder: Its folder.
        host: Its name.
        base_url: Its address, with the proxy's port.
        port: Where it listens itself.
        root: The authority that it trusts.
    """

    folder: Path
    host: str
    base_url: str
    port: int
    root: Path

    def command(self, *arguments: object) -> list[str]:
        """The words that run `spalier` on this node."""
        program = [sys.executable, "-m", "tests.deploy.named_cli"]
        return [*program, *map(str, arguments), "--node", str(self.folder)]

    @property
    def environment(self) -> dict[str, str]:
        """The environment of its processes."""
        return clean_environment(SSL_CERT_FILE=str(self.root))

    def run(self, *arguments: object) -> Done:
        """Run a command on this node."""
        done = subprocess.run(
            self.command(*arguments),
            input="",
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            env=self.environment,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *arguments: object) -> dict[str, Any]:
        """Run a command that must succeed; return its document."""
        done = self.run(*arguments, "--json")
        assert done.code == 0, (arguments, done)
        return done.document

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.folder / "serve.log").read_text()

    def log_lines(self, event: str) -> list[dict[str, Any]]:
        """Its lines about one event."""
        lines = (
            json.loads(line) for line in self.log.splitlines() if line.startswith("{")
        )
        return [line for line in lines if line.get("event") == event]

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """Serve inside the block."""
        with (self.folder / "serve.log").open("ab") as file:
            process = subprocess.Popen(
                self.command("serve"),
                stdout=file,
                stderr=file,
                stdin=subprocess.DEVNULL,
                env=self.environment,
            )
        try:
            wait_until(
                lambda: is_ready(f"http://127.0.0.1:{self.port}"),
                what=lambda: self.log,
                alive=lambda: process.poll() is None,
            )
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            code = process.wait(40)
        assert code == 0, self.log


@dataclass(frozen=True)
class Server:
    """One machine: a proxy and two nodes behind it."""

    proxy: Proxy
    nord: ProxiedNode
    sued: ProxiedNode


def make_proxied_node(
    folder: Path, host: str, name: str, *, proxy_port: int, port: int, root: Path
) -> ProxiedNode:
    """Set up a node that listens at `port` and is reached at the proxy's."""
    base_url = f"https://{host}:{proxy_port}"
    node = ProxiedNode(folder, host, base_url, port, root)
    node.json(
        *("init", "--url", base_url, "--name", name),
        *("--listen", f"127.0.0.1:{port}", "--allow-loopback-http"),
    )
    return node


@contextmanager
def server(kind: str, folder: Path) -> Iterator[Server]:
    """Run one machine."""
    secure, plain, *ports = free_ports(4)
    authority = Authority(folder)
    nord, sued = (
        make_proxied_node(
            folder / host.partition(".")[0],
            host,
            name,
            proxy_port=secure,
            port=port,
            root=authority.root,
        )
        for host, name, port in (
            (NORD, "Cluster Nord", ports[0]),
            (SUED, "Cluster Süd", ports[1]),
        )
    )
    place = folder / kind
    place.mkdir()
    with ExitStack() as stack:
        for node in (nord, sued):
            stack.enter_context(node.serving())
        proxy = stack.enter_context(
            running(
                kind,
                {each.host: f"127.0.0.1:{each.port}" for each in (nord, sued)},
                folder=place,
                ports=(secure, plain),
                authority=authority,
            )
        )
        yield Server(proxy, nord, sued)


@pytest.fixture(scope="module", params=KINDS)
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A machine with nginx, and one with Caddy."""
    kind = str(request.param)
    with server(kind, tmp_path_factory.mktemp(kind)) as found:
        yield found
