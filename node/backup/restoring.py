"""Put a backup back: prepared beside the node's database, then in its place.

Everything that may fail happens to the prepared copy: it is loaded and examined, the
erasure journal is replayed on it, the new epoch begins in it. Whoever ordered the
restore then sees what it will do; only after that the copy takes the place of the
node's own database, which is kept aside. No door can open on a copy that the journal
was not replayed on.

Source: SPEC.md NOD-069 to NOD-072, FED-157.
"""

import asyncio
import contextlib
import logging
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from federation.ids import NodeAddress, parse_base_url
from federation.ports import Clock, RandomSource
from node import instance_lock
from node.backup.backups import other_node, read_passphrase
from node.backup.copying import snapshot
from node.backup.file_format import Header, read_header
from node.backup.replacing import (
    STAGE_FILE,
    Step,
    drop_stage_schema,
    finish_replacing,
    make_stage_schema,
    name_aside,
    naming,
    remove_stage,
    replace_database,
    replace_schema,
    require_nobody_else,
    staged_url,
)
from node.backup.trial import Tried, load_and_examine, load_into_file
from node.config import (
    CONFIG_FILE,
    NodeConfig,
    check_settings,
    load_config,
    render_config,
)
from node.durable_files import replace_file, sync_file
from node.erasure.decisions import Decided
from node.erasure.facts import is_ahead, missing_lines, read_facts
from node.erasure.following import kept
from node.erasure.journal import ErasureJournal
from node.erasure.replay import Replayed, replay
from node.erasure.report import write_report
from node.errors import ConflictError, InvalidInputError, NodeError, UnavailableError
from node.keys.ring import KeyRing
from node.ports import NodeContext
from node.sentence import Sentence, system_reason
from node.storage.database import SQLITE_FILE, Database, SqliteDatabase, open_database
from node.storage.node_state import load_names

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A restore that only has to be ordered.

    Attributes:
        done: What the journal and the new epoch have changed in the copy.
        journal_exists: Whether there is a journal; without one only partners know
            what was taken back after the backup.
        unreadable: Lines of the journal that are damaged, or from a newer program.
        is_forgotten: Whether the backup is older than what the journal remembers of
            entries and persons.
        replaces: Whether there is a database, which will be kept aside.
        at: When it was prepared; the restore counts from then.
    """

    tried: Tried
    done: Replayed
    journal_exists: bool
    unreadable: int
    is_forgotten: bool
    replaces: bool
    at: datetime

    @property
    def header(self) -> Header:
        """The first line of the backup."""
        return self.tried.header


class Restoring:
    """A restore of one node from one backup.

    Args:
        folder: The node's folder; without node.toml one is made from the backup.
        file: The backup.
        clock: The time.
        random: Source of the epoch.
        passphrase_file: If the backup is encrypted; by default that of the settings.
        despite_damage: Go on although the journal has lines that cannot be read.
        step: Is told what was done, for progress.
        on_loop: For a loop that has no threads; see `SqliteDatabase` (simulator).
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        *,
        clock: Clock,
        random: RandomSource,
        passphrase_file: Path | None = None,
        despite_damage: bool = False,
        step: Step = lambda _: None,
        on_loop: bool = False,
    ) -> None:
        self._folder = folder
        self._file = file
        self._clock = clock
        self._random = random
        self._passphrase_file = passphrase_file
        self._despite_damage = despite_damage
        self._step = step
        self._on_loop = on_loop
        self._config: NodeConfig | None = None

    @asynccontextmanager
    async def prepared(self) -> AsyncIterator[Prepared]:
        """Hold the node's folder and prepare the copy; `order` puts it in place.

        Raises:
            InvalidInputError: The file is no backup, damaged, newer than this
                program, or the passphrase is wrong.
            ConflictError: The node runs, or the backup is another node's.
            UnavailableError: There is no room, or the database cannot be used.
        """
        with self._opened() as file:
            header, _ = read_header(file)
            config = self._config = self._settings(header)
            passphrase = self._passphrase(header, config)
            with instance_lock.acquire(self._folder), naming(self._folder):
                if not config.database.url:
                    finish_replacing(self._folder)
                self._require_same_node(header, config)
                if config.database.url:
                    require_nobody_else(config.database.url)
                await self._complete_journal(config)
                file.seek(0)
                try:
                    tried = await self._load(file, passphrase, config)
                    self._step("loaded")
                    prepared = await self._replay(tried, config)
                    self._step("replayed")
                    yield prepared
                finally:
                    self._drop_stage(config)

    async def order(self, prepared: Prepared) -> dict[str, Any]:
        """Put the prepared copy in place; return the report, which is stored too.

        Raises:
            UnavailableError: The database cannot be replaced.
        """
        if self._config is None:
            msg = "nothing is prepared"
            raise RuntimeError(msg)
        settings = self._folder / CONFIG_FILE
        if not settings.exists():
            text = render_config(_settings_of(prepared.header))
            replace_file(settings, text.encode("utf-8"))
        url = self._config.database.url
        aside = name_aside(url, at=prepared.at)
        with naming(self._folder):
            # Before the database: what is cut off then is finished without us.
            report = write_report(
                self._folder,
                prepared.done,
                restored_at=prepared.at.isoformat(),
                restored_from=prepared.header.created.isoformat(),
                file=str(self._file),
                replaced=aside if prepared.replaces else None,
                journal=prepared.journal_exists,
                rows=sum(prepared.tried.rows.values()),
            )
            if not url:
                replace_database(self._folder, aside=aside, step=self._step)
        if url:
            replace_schema(url, aside=aside, step=self._step)
        self._step("done")
        return report

    # -- steps --------------------------------------------------------------------

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            with self._file.open("rb") as file:
                yield file
        except FileNotFoundError as error:
            if error.filename != str(self._file):
                raise
            raise InvalidInputError(
                Sentence(
                    "The file {name} cannot be read: {reason}.",
                    name=self._file,
                    reason=system_reason(error),
                ),
                code="file-unreadable",
                path=str(self._file),
            ) from error

    def _passphrase(self, header: Header, config: NodeConfig) -> bytes | None:
        file = self._passphrase_file
        if file is None and header.is_encrypted and config.backup.passphrase_file:
            file = self._folder / config.backup.passphrase_file
        return None if file is None else read_passphrase(file)

    def _require_whole(self, journal: ErasureJournal, known: Decided) -> None:
        if not known.unreadable or self._despite_damage:
            return
        raise ConflictError(
            Sentence(
                "{number} lines of the erasure journal {path} are damaged: what they "
                "took back could come back.",
                number=known.unreadable,
                path=journal.path,
            ),
            code="journal-damaged",
            path=str(journal.path),
            hint="Put a copy of it in its place, or start the node once with its "
            "present database, which makes it good. If there is neither: "
            "--despite-damaged-journal",
        )

    def _settings(self, header: Header) -> NodeConfig:
        """Return the node's settings, or those that the backup gives a new folder."""
        if (self._folder / CONFIG_FILE).exists():
            return load_config(self._folder)
        if (self._folder / SQLITE_FILE).exists():
            raise ConflictError(
                Sentence(
                    "There is a database in {folder}, but no {file}.",
                    folder=self._folder,
                    file=CONFIG_FILE,
                ),
                code="settings-missing",
                path=str(self._folder),
                hint="Put the settings back, or choose another folder.",
            )
        with naming(self._folder):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return check_settings(_settings_of(header))

    def _require_same_node(self, header: Header, config: NodeConfig) -> None:
        if header.base_url != config.base_url:
            raise other_node(header)
        if not config.database.url and not (self._folder / SQLITE_FILE).exists():
            return
        try:
            with snapshot(config.database.url, folder=self._folder) as found:
                node_id = found.state.node_id
        except (SQLAlchemyError, sqlite3.Error, NodeError):
            return  # it cannot be read; that may be why it is replaced
        if node_id != header.node_id:
            raise other_node(header)

    async def _load(
        self, file: Any, passphrase: bytes | None, config: NodeConfig
    ) -> Tried:
        def advance(done: int, _total: int) -> None:
            self._step(f"loading {done}")

        url = config.database.url
        try:
            if not url:
                remove_stage(self._folder)
                stage = self._folder / STAGE_FILE
                # Made here for its mode, which SQLite's log files take over.
                os.close(os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                tried = await asyncio.to_thread(
                    load_into_file, stage, file, passphrase=passphrase, advance=advance
                )
                sync_file(stage)
                return tried
            make_stage_schema(url)
            engine = create_engine(
                staged_url(url), poolclass=NullPool, hide_parameters=True
            )
            try:
                with engine.connect() as connection:
                    return load_and_examine(
                        connection, file, passphrase=passphrase, advance=advance
                    )
            finally:
                engine.dispose()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise UnavailableError(
                Sentence(
                    "The backup cannot be restored into {folder}; nothing was changed.",
                    folder=self._folder,
                ),
                code="restore-impossible",
                path=str(self._folder),
                hint="A restore needs as much free room as the database has, beside "
                "the present one.",
            ) from error

    async def _complete_journal(self, config: NodeConfig) -> None:
        """Let the journal know what only the present database does.

        A crash, or a full disk, may have kept the latest lines from it.

        Raises:
            ConflictError: It is damaged.
            UnavailableError: It cannot be read or written.
        """
        journal = ErasureJournal(self._folder)
        known = journal.read()
        self._require_whole(journal, known)
        database: Database | None = None
        try:
            database = open_database(
                config.database.url, folder=self._folder, on_loop=self._on_loop
            )
            async with database.read() as tx:
                facts = await read_facts(tx)
        except (SQLAlchemyError, sqlite3.Error, NodeError) as error:
            # That may be why it is replaced; or another program wrote it.
            logger.info("the present database is not looked at: %s", error)
            return
        finally:
            if database is not None:
                await database.close()
        if not is_ahead(known, facts):
            now = self._clock.now()
            journal.append([*missing_lines(known, facts, now=now, kept=kept(config))])
            if journal.trouble is not None:
                raise journal.trouble

    async def _replay(self, tried: Tried, config: NodeConfig) -> Prepared:
        journal = ErasureJournal(self._folder)
        exists, known = journal.exists, journal.read()
        base_url = parse_base_url(
            config.base_url, allow_loopback_http=config.network.allow_loopback_http
        )
        database = self._staged_database(config)
        try:
            async with database.read() as tx:
                address = await load_names(tx, NodeAddress(base_url))
            context = NodeContext(
                config=config,
                clock=self._clock,
                random=self._random,
                database=database,
                address=address,
                keys=KeyRing(address, (), {}),
                node_id=tried.header.node_id,
            )
            done = await _replayed(context, known, self._folder, tried.header.created)
        finally:
            await database.close()
        return Prepared(
            tried=tried,
            done=done,
            journal_exists=exists,
            unreadable=known.unreadable + known.unknown,
            is_forgotten=tried.header.created < self._clock.now() - kept(config),
            replaces=bool(config.database.url) or (self._folder / SQLITE_FILE).exists(),
            at=self._clock.now(),
        )

    def _staged_database(self, config: NodeConfig) -> Database:
        if not config.database.url:
            return SqliteDatabase(self._folder / STAGE_FILE, on_loop=self._on_loop)
        from node.storage.postgres_database import PostgresDatabase  # noqa: PLC0415

        url = staged_url(config.database.url)
        return PostgresDatabase(url.render_as_string(hide_password=False))

    def _drop_stage(self, config: NodeConfig) -> None:
        """Remove what nobody ordered; what was ordered is not there any more."""
        if config.database.url:
            drop_stage_schema(config.database.url)
        else:
            remove_stage(self._folder)


async def _replayed(
    context: NodeContext, known: Decided, folder: Path, restored_from: datetime
) -> Replayed:
    async def work(tx: Any) -> Replayed:
        return await replay(
            tx, context, known, folder=folder, restored_from=restored_from
        )

    return await context.database.write(work)


def _settings_of(header: Header) -> dict[str, Any]:
    """Return the settings of a new folder: what partners know, and nothing else."""
    settings: dict[str, Any] = {
        "base_url": header.base_url,
        "name": header.name,
        "default_language": header.language,
    }
    if header.base_url.startswith("http://127.0.0.1:"):
        settings["network.allow_loopback_http"] = True
        settings["listen.port"] = int(header.base_url.rpartition(":")[2])
    return settings
