"""`spalier demo`: three clusters on this machine, ready to be tried."""

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from node.cli.node_commands import port_in_use
from node.cli.wording import gettext as _
from node.clock import SystemClock, SystemRandom
from node.demo import pairing
from node.demo.clusters import LOOPBACK, DemoNode, demo_nodes
from node.demo.data import load_entries
from node.demo.farewell import demo_document, show_ready
from node.demo.progress import Progress, already_there, standard_stream
from node.demo.record import (
    LOGINS_FILE,
    RECORD_FILE,
    DemoRecord,
    Logins,
    load_record,
    logins_of,
)
from node.demo.supervisor import Supervisor
from node.errors import ConflictError, InvalidInputError
from node.instance_lock import LOCK_FILE, acquire

Announce = Callable[[Mapping[str, Any]], None]


class Demonstration:
    """Set up what is missing, start the nodes, wait until somebody stops us.

    Args:
        folder: Absolute; everything lives here and nowhere else.
        first_port: Wanted first port; None for that of the last start.
        default_port: First port of a new demonstration.
    """

    def __init__(
        self, folder: Path, *, first_port: int | None, default_port: int
    ) -> None:
        self._folder = folder
        self._wanted_port = first_port
        self._default_port = default_port
        self._clock = SystemClock()
        self._random = SystemRandom()

    def reset(self) -> None:
        """Remove a demonstration that is not running.

        Raises:
            ConflictError: It runs, or the folder holds something else.
        """
        if not self._folder.exists():
            return
        known = {"log", RECORD_FILE, LOGINS_FILE, LOCK_FILE}
        known |= {node.slug for node in self._nodes(self._default_port)}
        strange = sorted(
            path.name for path in self._folder.iterdir() if path.name not in known
        )
        if strange:
            raise ConflictError(
                _(
                    "%(folder)s holds more than a demonstration (%(names)s).",
                    folder=self._folder,
                    names=", ".join(strange[:5]),
                ),
                code="folder-in-use",
                path=str(self._folder),
                hint=_("Choose another folder with --folder."),
            )
        with self._locked():
            shutil.rmtree(self._folder)

    def run(self, *, announce: Announce | None) -> None:
        """Run until Ctrl-C or SIGTERM.

        Args:
            announce: Takes the description of the running demonstration, for
                scripts; the steps then go to standard error.

        Raises:
            NodeError: A port is taken, a node ended, or the folder is in use.
        """
        progress = Progress(standard_stream(beside_document=announce is not None))
        progress.line(
            _("Spalier: demonstration with three clusters (Ctrl-C ends everything)")
        )
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _stopped_by_signals(), self._locked():
            record = self._record()
            nodes = self._nodes(record.first_port)
            _require_free_ports(nodes)
            logins = logins_of(self._folder, self._random)
            logins.store(self._folder, nodes)
            self._make(nodes, progress)
            self._load(nodes, record, logins, progress)
            with Supervisor() as supervisor:
                for node in nodes:
                    supervisor.start(node)
                supervisor.wait_until_ready()
                self._connect(nodes, record, progress)
                if announce is not None:
                    announce(demo_document(nodes, logins, progress.seconds))
                show_ready(nodes, logins, self._folder, progress)
                with contextlib.suppress(KeyboardInterrupt):
                    supervisor.watch()
                progress.line(_("Stopping the three nodes …"))

    def _record(self) -> DemoRecord:
        record = load_record(self._folder)
        if record is None:
            record = DemoRecord(self._wanted_port or self._default_port)
            record.store(self._folder)
        elif self._wanted_port not in {None, record.first_port}:
            raise InvalidInputError(
                _(
                    "The demonstration in %(folder)s has the ports from %(port)s on.",
                    folder=self._folder,
                    port=record.first_port,
                ),
                code="demo-has-ports",
                path="port",
                hint=_(
                    "Addresses are fixed. Start anew with --reset, or beside it "
                    "with --folder."
                ),
            )
        return record

    def _nodes(self, first_port: int) -> tuple[DemoNode, ...]:
        return demo_nodes(self._folder, first_port=first_port)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            lock = acquire(self._folder)
        except ConflictError as error:
            raise ConflictError(
                _("The demonstration in %(folder)s runs already.", folder=self._folder),
                code="demo-running",
                path=str(self._folder),
                hint=_("End it with Ctrl-C where it runs."),
            ) from error
        with lock:
            yield

    def _make(self, nodes: tuple[DemoNode, ...], progress: Progress) -> None:
        names = " · ".join(node.slug for node in nodes)
        missing = [node for node in nodes if not node.exists]
        if not missing:
            # A start with nothing to do does not load what makes nodes.
            progress.step(3, _("Three nodes"), f"{names}  {already_there()}")
            return
        from node.demo.loading import make_node

        async def make_all() -> None:
            for node in missing:
                await make_node(node, clock=self._clock, random=self._random)

        asyncio.run(make_all())
        own = _("ok (a key and an SQLite file each)")
        progress.step(3, _("Three nodes"), f"{names}  {own}")

    def _load(
        self,
        nodes: tuple[DemoNode, ...],
        record: DemoRecord,
        logins: Logins,
        progress: Progress,
    ) -> None:
        from node.demo.loading import load_sample_data

        missing = [node for node in nodes if node.slug not in record.loaded]
        if not missing:
            progress.step(4, _("Sample data"), already_there())
            return
        base_urls = {node.slug: node.base_url for node in nodes}
        persons = 0
        for number, node in enumerate(missing):
            progress.moving(_("Sample data"), number, len(missing))
            loaded = asyncio.run(
                load_sample_data(node, base_urls=base_urls, password=logins.password)
            )
            persons += loaded.persons
            record.entries.update(loaded.entries)
            record.loaded.append(node.slug)
            record.store(self._folder)
        progress.step(
            4,
            _("Sample data"),
            _(
                "%(clusters)s clusters, %(persons)s persons, %(entries)s entries",
                clusters=len(nodes),
                persons=persons,
                entries=len(record.entries),
            ),
        )

    def _connect(
        self, nodes: tuple[DemoNode, ...], record: DemoRecord, progress: Progress
    ) -> None:
        host, guest, third = nodes
        if record.paired and record.talked:
            progress.step(5, _("Partners"), already_there())
        else:
            pairing.connect(host, guest)
            pairing.confirm(host, guest)
            pairing.connect(host, third)
            progress.step(
                5,
                _("Partners"),
                _(
                    "%(host)s ⇄ %(guest)s   %(third)s → %(host)s (waits)",
                    host=host.slug,
                    guest=guest.slug,
                    third=third.slug,
                ),
            )
            self._publish_for_partners((host, guest), nodes, record)
            record.paired = True
            record.store(self._folder)
        self._wait_for_delivery(host, guest, progress)
        if not record.talked:
            by_slug = {node.slug: node for node in nodes}
            for answer in pairing.CONVERSATIONS:
                uri = record.entries[answer.entry]
                pairing.hold_conversation(by_slug, answer, entry_uri=uri)
            record.talked = True
            record.store(self._folder)

    def _publish_for_partners(
        self,
        pair: tuple[DemoNode, ...],
        nodes: tuple[DemoNode, ...],
        record: DemoRecord,
    ) -> None:
        """Publish what names a partner that exists only since now."""
        base_urls = {node.slug: node.base_url for node in nodes}
        today = self._clock.now().date()
        for node in pair:
            for entry in load_entries(node.slug, today=today, base_urls=base_urls):
                if entry["external_id"] in record.entries:
                    continue
                uri = pairing.publish(node, json.dumps(entry).encode())
                record.entries[entry["external_id"]] = uri

    def _wait_for_delivery(
        self, host: DemoNode, guest: DemoNode, progress: Progress
    ) -> None:
        text = _("Delivery")

        def all_delivered() -> bool:
            done, total = pairing.delivered(host, guest)
            progress.moving(text, done, total)
            return done == total

        pairing.wait_for(all_delivered)
        done, total = pairing.delivered(host, guest)
        progress.detail(text, _("%(done)s/%(total)s confirmed", done=done, total=total))


def _require_free_ports(nodes: tuple[DemoNode, ...]) -> None:
    for node in nodes:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            # As the server does: a port in TIME_WAIT is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, node.port))
            except OSError as error:
                raise port_in_use(
                    node.port, hint=_("Another range: make demo PORT=8200")
                ) from error


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """Treat SIGTERM and SIGHUP like Ctrl-C inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {
        number: signal.signal(number, interrupt)
        for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
