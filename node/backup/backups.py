"""Make backups, try them, keep as many as are wanted.

Source: SPEC.md NOD-060 to NOD-065.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Final, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from node import instance_lock
from node.backup.copying import snapshot
from node.backup.file_format import Header, Writer, new_encryption
from node.backup.shelf import (
    KeptBackup,
    backup_path,
    folder_unusable,
    list_backups,
    part_path,
    remove,
    remove_parts,
    superfluous,
)
from node.backup.status import BackupStatus, note, read_status
from node.backup.trial import Tried, try_backup
from node.durable_files import sync_folder
from node.errors import ConflictError, InvalidInputError, NodeError, UnavailableError
from node.limits import PASSPHRASE_BYTES_MAX
from node.ports import NodeContext
from node.sentence import Sentence, system_reason

logger = logging.getLogger(__name__)

RETRY_AFTER: Final = timedelta(minutes=15)
"""So long a failed backup of the schedule is not tried again."""
LOCK_FILE: Final = "node.backup.lock"
_RUNNING: Final = "backup-running"
_INTERNAL: Final = "internal"
_OWNER_ONLY: Final = 0o600

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backup is.

    Attributes:
        stage: `copying` or `trying`.
        done: Rows.
        total: Of how many; 0 if nobody knows.
    """

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class MadeBackup:
    """A backup that counts: its trial restore has succeeded."""

    path: Path
    tried: Tried
    seconds: float
    removed: tuple[Path, ...]


class _StoppedError(Exception):
    """The node stops, and the thread of a backup with it."""


class Backups:
    """Backups of one node; one is made or tried at a time.

    Args:
        context: The node.
        folder: Its folder.
    """

    def __init__(self, context: NodeContext, *, folder: Path) -> None:
        self._context = context
        self._folder = folder
        self._config = context.config.backup
        self._busy = False
        self._progress: Progress | None = None

    @property
    def progress(self) -> Progress | None:
        """How far the one under way is; None while there is none."""
        return self._progress

    @property
    def status(self) -> BackupStatus:
        """How the latest ones have gone."""
        return read_status(self._folder)

    async def create(
        self, *, to: Path | None = None, passphrase_file: Path | None = None
    ) -> MadeBackup:
        """Make a backup, try it, and remove those that need not be kept.

        Args:
            to: The folder; by default that of the settings.
            passphrase_file: Whose first line encrypts it; by default that of the
                settings.

        Raises:
            InvalidInputError: No folder is named, or the passphrase is none.
            ConflictError: One is under way.
            UnavailableError: It cannot be written; nothing is left of it.
        """
        folder = self._target(to)
        passphrase = self._passphrase(passphrase_file)
        try:
            made = await self._one(
                lambda advance: self._make(folder, passphrase, advance)
            )
        except NodeError as error:
            if error.code != _RUNNING:
                self._note(failed_at=self._now(), failure=error.code)
            raise
        except Exception:
            # A row that nobody expected, a bug: without a backup either way.
            self._note(failed_at=self._now(), failure=_INTERNAL)
            raise
        self._note(
            made_at=made.tried.header.created,
            file=str(made.path),
            bytes=made.tried.bytes,
            rows=sum(made.tried.rows.values()),
            seconds=round(made.seconds, 3),
            verified_at=self._now(),
            failed_at=None,
            failure=None,
        )
        return made

    async def verify(self, path: Path, *, passphrase_file: Path | None = None) -> Tried:
        """Try a backup again; nothing of it is put back.

        Raises:
            InvalidInputError: It is damaged, incomplete, or no backup.
            ConflictError: Another node's, or one is under way.
        """
        passphrase = self._passphrase(passphrase_file)
        try:
            tried = await self._one(
                lambda advance: try_backup(
                    path,
                    scratch=self._folder,
                    passphrase=passphrase,
                    advance=lambda done, _: advance("trying", done, 0),
                )
            )
        except InvalidInputError as error:
            self._note(failed_at=self._now(), failure=error.code)
            raise
        if tried.header.node_id != self._context.node_id:
            raise other_node(tried.header)
        self._note(verified_at=self._now(), failed_at=None, failure=None)
        return tried

    async def kept(self, folder: Path | None = None) -> list[KeptBackup]:
        """Return the backups of this node in a folder, the newest first.

        Raises:
            InvalidInputError: No folder is named.
            UnavailableError: It cannot be read.
        """
        return await asyncio.to_thread(self._on_shelf, self._target(folder))

    async def make_due(self) -> int:
        """Make the backup of the schedule if it is due; 0, so that it rests then."""
        if not self._config.folder or not self._is_due(self._now()):
            return 0
        try:
            made = await self.create()
        except NodeError as error:
            logger.error("no backup was made: %s", error.message)  # noqa: TRY400
            return 0
        logger.info("backup made and tried in %.1f s", made.seconds)
        return 0

    def _is_due(self, now: datetime) -> bool:
        status = self.status
        # What lies ahead was noted by a clock that was wrong (NOD-059).
        if status.failed_at is not None and (
            timedelta() <= now - status.failed_at < RETRY_AFTER
        ):
            return False
        every = timedelta(hours=self._config.every_hours)
        return status.made_at is None or not (
            timedelta() <= now - status.made_at < every
        )

    # -- on the thread ----------------------------------------------------------

    def _make(
        self, folder: Path, passphrase: bytes | None, advance: Callable[..., None]
    ) -> MadeBackup:
        began = perf_counter()
        authority = self._context.address.authority
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            remove_parts(folder, authority)
            path = backup_path(folder, authority, self._now())
            part = part_path(path)
            try:
                self._write(part, passphrase, advance)
                tried = try_backup(
                    part,
                    scratch=self._folder,
                    passphrase=passphrase,
                    advance=lambda done, _: advance("trying", done, 0),
                )
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)
            sync_folder(folder)
        except OSError as error:
            raise folder_unusable(folder, error) from error
        # By the time of a clock that is wrong it may not be the newest.
        gone = [
            each
            for each in superfluous(self._on_shelf(folder), daily=self._config.keep)
            if each.path != path
        ]
        remove(gone)
        removed = tuple(each.path for each in gone)
        return MadeBackup(path, tried, perf_counter() - began, removed)

    def _write(
        self, part: Path, passphrase: bytes | None, advance: Callable[..., None]
    ) -> None:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            # Before the snapshot: what happens from now on may be in it or not.
            created = self._now().replace(microsecond=0)
            url = self._context.config.database.url
            try:
                with snapshot(url, folder=self._folder) as found:
                    found.require_sound()
                    header = Header(
                        node_id=found.state.node_id,
                        base_url=found.state.base_url,
                        name=found.state.name,
                        language=found.state.default_language,
                        created=created,
                        schema=found.schema,
                        engine=self._context.database.engine_name,
                        program=version("spalier"),
                        incarnation=found.state.incarnation,
                        epoch=found.state.epoch,
                        encryption=None
                        if passphrase is None
                        else new_encryption(self._context.random),
                    )
                    writer = Writer(file, header, passphrase=passphrase)
                    found.copy(
                        writer, lambda done, total: advance("copying", done, total)
                    )
                    writer.finish()
            except SQLAlchemyError as error:
                raise UnavailableError(
                    "The database cannot be read for a backup.",
                    code="storage-unavailable",
                    hint="spalier doctor says what is wrong with it.",
                ) from error
            file.flush()
            os.fsync(descriptor)

    def _on_shelf(self, folder: Path) -> list[KeptBackup]:
        return list_backups(
            folder,
            node_id=self._context.node_id,
            authority=self._context.address.authority,
        )

    # -- around it --------------------------------------------------------------

    async def _one(self, job: Callable[[Callable[..., None]], T]) -> T:
        """Run a job on a thread; it ends soon if this call is cancelled."""
        if self._busy:
            raise _running()
        stop = threading.Event()

        def advance(stage: str, done: int, total: int) -> None:
            if stop.is_set():
                raise _StoppedError
            self._progress = Progress(stage, done, total)

        def alone() -> T:
            # Other processes of the node may use the same folders.
            try:
                lock = instance_lock.acquire(self._folder, name=LOCK_FILE)
            except ConflictError as error:
                raise _running() from error
            with lock:
                return job(advance)

        self._busy = True
        try:
            return await asyncio.to_thread(alone)
        except asyncio.CancelledError:
            stop.set()
            raise
        finally:
            self._busy, self._progress = False, None

    def _target(self, folder: Path | None) -> Path:
        if folder is not None:
            return folder
        if self._config.folder:
            return self._folder / self._config.folder
        raise InvalidInputError(
            "Nothing says where backups are kept.",
            code="backup-folder-missing",
            path="backup.folder",
            hint="Name a folder with --to FOLDER, or in node.toml: folder in [backup].",
        )

    def _passphrase(self, file: Path | None) -> bytes | None:
        if file is None and self._config.passphrase_file:
            file = self._folder / self._config.passphrase_file
        return None if file is None else read_passphrase(file)

    def _note(self, **changes: object) -> None:
        try:
            note(self._folder, **changes)
        except OSError as error:
            logger.warning("the state of backups is not noted: %s", error)

    def _now(self) -> datetime:
        return self._context.clock.now()


def _running() -> ConflictError:
    return ConflictError(
        "A backup is being made or tried already.",
        code=_RUNNING,
        hint="Wait until it is done: spalier backup list",
    )


def read_passphrase(file: Path) -> bytes:
    """Return the first line of a file, without the spaces around it.

    Raises:
        InvalidInputError: It cannot be read, is empty or too long.
    """
    try:
        with file.open("rb") as stream:
            line = stream.readline(PASSPHRASE_BYTES_MAX + 1).strip()
    except OSError as error:
        raise InvalidInputError(
            Sentence(
                "The file {name} cannot be read: {reason}.",
                name=file,
                reason=system_reason(error),
            ),
            code="file-unreadable",
            path=str(file),
        ) from error
    if not line or len(line) > PASSPHRASE_BYTES_MAX:
        raise InvalidInputError(
            Sentence(
                "The first line of {name} must hold a passphrase of at most {limit} "
                "bytes.",
                name=file,
                limit=PASSPHRASE_BYTES_MAX,
            ),
            code="passphrase-empty",
            path=str(file),
        )
    return line


def other_node(header: Header) -> ConflictError:
    """Return the error for the backup of another node."""
    return ConflictError(
        Sentence("This is a backup of {url}, another node.", url=header.base_url),
        code="backup-of-other-node",
        path="file",
        hint="Take a backup of this node; their names begin with its address.",
    )
