"""Three real nodes on loopback, each with its process, database, key and data.

Optence and Swissmem Photonics are partners; Beispiel-Netz Laser has accepted a code
of Optence and waits.
"""

import json
import re
import secrets
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from node.control.client import ask
from node.control.request import ControlRequest
from node.demo import pairing
from node.demo.clusters import LOOPBACK, DemoNode, demo_nodes
from node.demo.data import load_entries
from node.demo.supervisor import Supervisor

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "browser" / "log"
# Below the range from which Linux takes the ports of outgoing connections.
_PORTS = range(18100, 32000, 3)


@dataclass(frozen=True, slots=True)
class Site:
    """A serving node.

    Attributes:
        entries: Address of each sample entry by its external id.
    """

    node: DemoNode
    entries: Mapping[str, str]

    @property
    def base_url(self) -> str:
        return self.node.base_url

    @property
    def name(self) -> str:
        """The cluster's name as the pages write it."""
        return self.node.cluster.name

    def ask(self, command: str, **arguments: object) -> dict[str, Any]:
        """Run a command in the serving node, as the command line does."""
        return ask(self.node.folder, ControlRequest(command, arguments))

    def mailed_link(self, recipient: str) -> str:
        """Read the last link that was mailed to somebody; the pages never show it."""
        address = f"file:{self.node.folder / 'node.sqlite'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            found = connection.execute(
                "SELECT body FROM mail_outbox WHERE recipient = ?"
                " ORDER BY created_at DESC",
                (recipient,),
            ).fetchall()
        for (body,) in found:
            link = re.search(r"/(?:anmelden|bestaetigen)/[\w-]{43}", body)
            if link:
                return link[0]
        message = f"There is no mail with a link to {recipient}."
        raise LookupError(message)

    def entry_path(self, external_id: str) -> str:
        """Path of a sample entry's page in its own cluster."""
        return f"/e/{self.entries[external_id].rpartition('/')[2]}"


@dataclass(frozen=True, slots=True)
class World:
    """The three clusters.

    Attributes:
        password: Everybody's.
    """

    optence: Site
    swissmem: Site
    laser: Site
    password: str

    @property
    def sites(self) -> tuple[Site, ...]:
        return (self.optence, self.swissmem, self.laser)


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Make the nodes, run them, and end every process on the way out."""
    password = f"browser-{secrets.token_hex(6)}"
    with ExitStack() as doors:
        first_port = _reserve_ports(doors)
        nodes = [
            replace(node, log=LOGS / node.log.name)
            for node in demo_nodes(folder, first_port=first_port)
        ]
        for node in nodes:
            node.log.parent.mkdir(parents=True, exist_ok=True)
            node.log.unlink(missing_ok=True)
        entries = _prepare(folder, first_port, nodes, password)
    with Supervisor() as supervisor:
        for node in nodes:
            supervisor.start(node)
        supervisor.wait_until_ready()
        _connect(nodes, entries)
        optence, swissmem, laser = (Site(node, entries[node.slug]) for node in nodes)
        yield World(optence, swissmem, laser, password)
        supervisor.require_alive()


def _reserve_ports(doors: ExitStack) -> int:
    """Hold three free ports in a row until the nodes take them; return the first."""
    for first in _PORTS:
        with ExitStack() as held:
            try:
                for port in range(first, first + 3):
                    door = held.enter_context(socket.socket())
                    door.bind((LOOPBACK, port))
            except OSError:
                continue
            doors.push(held.pop_all())
            return first
    message = "There are no three free ports in a row."
    raise RuntimeError(message)


def _prepare(
    folder: Path, first_port: int, nodes: list[DemoNode], password: str
) -> dict[str, dict[str, str]]:
    """Fill the three nodes beside each other: most of it is hashing passwords."""
    with ExitStack() as running:
        processes = {
            node.slug: running.enter_context(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tests.browser.prepare",
                        str(folder),
                        str(first_port),
                        node.slug,
                        password,
                    ],
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                )
            )
            for node in nodes
        }
        printed = {slug: each.communicate()[0] for slug, each in processes.items()}
        for slug, process in processes.items():
            assert process.returncode == 0, f"{slug} could not be prepared"
    return {slug: json.loads(text) for slug, text in printed.items()}


def _connect(nodes: list[DemoNode], entries: dict[str, dict[str, str]]) -> None:
    """Make the partnerships, and publish what names a partner."""
    host, guest, third = nodes
    pairing.connect(host, guest)
    pairing.confirm(host, guest)
    pairing.connect(host, third)
    base_urls = {node.slug: node.base_url for node in nodes}
    today = datetime.now(UTC).date()
    for node in (host, guest):
        for entry in load_entries(node.slug, today=today, base_urls=base_urls):
            if entry["external_id"] not in entries[node.slug]:
                uri = pairing.publish(node, json.dumps(entry).encode())
                entries[node.slug][entry["external_id"]] = uri
    pairing.wait_for(_all_delivered(host, guest))
    by_slug = {node.slug: node for node in nodes}
    for answer in pairing.CONVERSATIONS:
        uri = entries[answer.owner_cluster][answer.entry]
        pairing.hold_conversation(by_slug, answer, entry_uri=uri)


def _all_delivered(*nodes: DemoNode) -> Callable[[], bool]:
    def check() -> bool:
        done, total = pairing.delivered(*nodes)
        return done == total

    return check
