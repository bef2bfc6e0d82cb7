"""What a refused request must not leave behind, and who looks.

`Witness.untouched` is the one check of the whole folder: no row in any table of
the node differs, nobody opened a connection or asked for a name, no mail waits,
no error and no traceback stand in the log, and an honest request still works.
"""

import io
import json
import logging
import socket
import sqlite3
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import structlog

from node.config_sections import LogConfig
from node.logs import configure_logs
from node.storage.database import SQLITE_FILE
from node.storage.tables import metadata
from tests.hostile.wire import FROM_TEST
from tests.http.nodes import MovableClock
from tests.http.pages.sites import Site


@dataclass
class Outbound:
    """Every attempt of the product to reach something, whatever came of it."""

    attempts: list[tuple[str, str]] = field(default_factory=list)

    def note(self, what: str, where: object) -> None:
        if not FROM_TEST.get():
            self.attempts.append((what, str(where)))


@contextmanager
def recorded_outbound() -> Iterator[Outbound]:
    """Patch the socket itself: no library can go around it.

    Nothing leaves the machine: another address than loopback is refused.
    """
    outbound = Outbound()
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex
    sendto, getaddrinfo = socket.socket.sendto, socket.getaddrinfo

    def guard(what: str, address: Any) -> None:
        outbound.note(what, address)
        if isinstance(address, tuple) and not str(address[0]).startswith("127."):
            raise OSError(f"no test leaves this machine: {what} {address}")

    def noted_connect(self: socket.socket, address: Any) -> None:
        guard("connect", address)
        return connect(self, address)

    def noted_connect_ex(self: socket.socket, address: Any) -> int:
        guard("connect", address)
        return connect_ex(self, address)

    def noted_sendto(self: socket.socket, data: Any, *rest: Any) -> int:
        guard("sendto", rest[-1])
        return sendto(self, data, *rest)

    def noted_getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        outbound.note("resolve", host)
        return getaddrinfo(host, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", noted_connect)
        patch.setattr(socket.socket, "connect_ex", noted_connect_ex)
        patch.setattr(socket.socket, "sendto", noted_sendto)
        patch.setattr(socket, "getaddrinfo", noted_getaddrinfo)
        yield outbound


@dataclass
class Log:
    """What the nodes wrote to their log, as the product formats it."""

    stream: io.StringIO

    def mark(self) -> int:
        return len(self.stream.getvalue())

    def since(self, mark: int = 0) -> str:
        return self.stream.getvalue()[mark:]

    def faults(self, mark: int = 0) -> list[str]:
        """Lines that speak of a mistake of ours."""
        found = []
        for line in self.since(mark).splitlines():
            event = json.loads(line)
            is_bad = event.get("level") in {"error", "critical"}
            if is_bad or "exception" in event or "Traceback" in line:
                found.append(line[:2000])
        return found


@contextmanager
def recorded_log(clock: MovableClock) -> Iterator[Log]:
    """Log as `serve` does, into memory."""
    settings = structlog.get_config()
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    levels = {
        name: logger.level
        for name, logger in root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    stream = io.StringIO()
    configure_logs(LogConfig(level="info", format="json"), clock=clock, stream=stream)
    try:
        yield Log(stream)
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for name, logger in root.manager.loggerDict.items():
            if isinstance(logger, logging.Logger):
                logger.setLevel(levels.get(name, logging.NOTSET))
        structlog.configure(**settings)


class Rows:
    """Every row of every table of a node, read past its own code."""

    def __init__(self, folder: Path) -> None:
        path = folder / SQLITE_FILE
        self._database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        self._names = sorted(
            name
            for (name,) in self._database.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
            )
        )
        assert {table.name for table in metadata.sorted_tables} <= set(self._names)

    def close(self) -> None:
        self._database.close()

    def commits(self) -> int:
        """A number that changes with every commit of somebody else."""
        (number,) = self._database.execute("PRAGMA data_version").fetchone()
        return int(number)

    def hashes(self) -> dict[str, str]:
        """A hash of each table's rows."""
        return {
            name: sha256(
                repr(
                    sorted(map(repr, self._database.execute(f'SELECT * FROM "{name}"')))
                ).encode()
            ).hexdigest()
            for name in self._names
        }

    def all(self, table: str) -> list[tuple[Any, ...]]:
        return self._database.execute(f'SELECT * FROM "{table}"').fetchall()

    def dump(self) -> str:
        """Everything that is stored, as one text."""
        return "\n".join(repr(self.all(name)) for name in self._names)


@dataclass
class Witness:
    """Looks at the nodes of a test."""

    outbound: Outbound
    log: Log
    rows: dict[str, Rows] = field(default_factory=dict)

    def watch(self, site: Site) -> None:
        self.rows[site.base_url] = Rows(site.node.folder)

    def close(self) -> None:
        for rows in self.rows.values():
            rows.close()

    def untouched(
        self, site: Site, *, honest: Callable[[], Awaitable[None]] | None = None
    ) -> "Untouched":
        return Untouched(self, site, honest)


class Untouched:
    """Shows that what happens inside the block leaves no trace at a node.

    Inside, `check(label)` looks after each case of a family; what it finds is
    collected, so that one run names every case that is wrong.
    """

    def __init__(
        self,
        witness: Witness,
        site: Site,
        honest: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._witness = witness
        self._rows = witness.rows[site.base_url]
        self._honest = honest
        self.wrong: list[str] = []

    async def __aenter__(self) -> "Untouched":
        self._look()
        return self

    def _look(self) -> None:
        self._commits = self._rows.commits()
        self._before = self._rows.hashes()
        self._sent = len(self._witness.outbound.attempts)
        self._mark = self._witness.log.mark()

    def check(self, label: object) -> None:
        """Note what the case left behind, and begin anew."""
        found = self._traces(quick=True)
        if found:
            self.wrong += [f"{label}: {trace}" for trace in found]
            self._look()

    def expect(self, label: object, *, got: object, wanted: object) -> None:
        """Note an answer that is not the right one, and look for traces."""
        right = got in wanted if isinstance(wanted, set) else got == wanted
        if not right:
            self.wrong.append(f"{label}: {got} instead of {wanted}")
        self.check(label)

    def _traces(self, *, quick: bool = False) -> list[str]:
        found = []
        if not quick or self._rows.commits() != self._commits:
            after = self._rows.hashes()
            found += [
                f"table {name} changed"
                for name in after
                if after[name] != self._before[name]
            ]
        sent = self._witness.outbound.attempts[self._sent :]
        found += [f"outbound {attempt}" for attempt in sent]
        found += [f"log {line}" for line in self._witness.log.faults(self._mark)]
        return found

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            return
        self.wrong += self._traces()
        if not self.wrong and self._honest is not None:
            await self._honest()
        shown = "\n".join(self.wrong[:40])
        assert not self.wrong, f"{len(self.wrong)} wrong:\n{shown}"
