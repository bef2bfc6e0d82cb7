"""The file of the erasure journal: added to before anybody is told of a commit.

It lies in the node's folder, outside the database, so that putting an old database
back does not undo it. Several processes may add to it; each locks it while it does.
A line that could not be written waits in memory, and the node says that it is not
ready; what a crash keeps from the file is added at the next start (`facts`).

Source: SPEC.md NOD-066 to NOD-068.
"""

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from node.durable_files import replace_file, sync_folder
from node.erasure.decisions import (
    Decided,
    Decision,
    EntryDecision,
    PersonDecision,
    decided,
    is_undamaged,
    to_line,
)
from node.errors import NodeError, UnavailableError
from node.sentence import Sentence, system_reason

logger = logging.getLogger(__name__)

JOURNAL_FILE: Final = "erasures.jsonl"
DAMAGED_FILE: Final = "erasures.damaged"
_OWNER_ONLY: Final = 0o600


class ErasureJournal:
    """The journal of the node in a folder.

    It opens the file for each step, so that nothing is held between two of them.

    Args:
        folder: The node's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / JOURNAL_FILE
        self._waiting: list[Decision] = []
        self._one_at_a_time = threading.Lock()
        self._trouble: NodeError | None = None

    @property
    def trouble(self) -> NodeError | None:
        """Why lines wait in memory; None while none does."""
        return self._trouble

    @property
    def exists(self) -> bool:
        """Whether there is a journal."""
        return self.path.exists()

    @property
    def damaged_path(self) -> Path:
        """Where lines are kept that could not be read."""
        return self.path.with_name(DAMAGED_FILE)

    def append(self, decisions: Sequence[Decision]) -> None:
        """Write decisions that were committed, synced to disk.

        A failure is no error of the caller's, whose change is committed: the lines
        wait, `trouble` says why, and the next call tries again.
        """
        with self._one_at_a_time:
            self._waiting.extend(decisions)
            if not self._waiting:
                return
            try:
                self._write(self._waiting)
            except OSError as error:
                if self._trouble is None:
                    logger.exception("the erasure journal cannot be written")
                self._trouble = _unwritable(self.path, error)
                return
            self._waiting.clear()
            if self._trouble is not None:
                logger.warning("the erasure journal is complete again")
                self._trouble = None

    def read(self) -> Decided:
        """Read the latest decisions; none if there is no journal.

        Raises:
            UnavailableError: It is there and cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH)
                return decided(line for line in file if line.endswith(b"\n"))
        except FileNotFoundError:
            return Decided()
        except OSError as error:
            raise UnavailableError(
                Sentence(
                    "The erasure journal {path} cannot be read: {reason}.",
                    path=self.path,
                    reason=system_reason(error),
                ),
                code="journal-unreadable",
                path=str(self.path),
                hint="Run the command as the user that the folder belongs to.",
            ) from error

    def check_writable(self) -> None:
        """Open it for writing; nothing is written.

        Raises:
            OSError: It cannot be written.
        """
        if self.path.exists():
            with self._locked():
                pass

    def compact(self, *, before: datetime) -> int:
        """Forget what no backup that is kept could undo; return how many lines.

        One line stays for each thing: the latest, and none for entries and persons
        that were decided about `before`. Partners and keys are few and stay.

        Raises:
            OSError: It cannot be written; then all is as before.
        """
        with self._one_at_a_time, self._locked() as descriptor:
            lines = _whole_lines(descriptor)
            known = decided(lines)
            if known.unreadable or known.unknown:
                # Nobody may take it for whole before it is made good; and a newer
                # program finds again what it has written.
                return 0
            kept = [
                each
                for each in known.lines()
                if not isinstance(each, EntryDecision | PersonDecision)
                or each.at >= before
            ]
            if len(kept) < len(lines):
                replace_file(self.path, b"".join(map(to_line, kept)))
            return len(lines) - len(kept)

    def set_damage_aside(self) -> int:
        """Keep lines that cannot be read in a file of their own; return how many.

        Only once the journal was completed from the database. A failure is no
        error: they stay where they are, and are found again.
        """
        with self._one_at_a_time, self._locked() as descriptor:
            lines = _whole_lines(descriptor)
            whole = [line for line in lines if is_undamaged(line)]
            damaged = [line for line in lines if not is_undamaged(line)]
            if not damaged:
                return 0
            logger.error(
                "%d lines of the erasure journal are damaged; it was completed from"
                " the database, and they are kept in %s",
                len(damaged),
                DAMAGED_FILE,
            )
            try:
                with contextlib.suppress(FileNotFoundError):
                    damaged.insert(0, self.damaged_path.read_bytes())
                replace_file(self.damaged_path, b"".join(damaged))
                replace_file(self.path, b"".join(whole))
            except OSError:
                logger.exception("damaged lines stay in the erasure journal")
            return len(damaged)

    def _write(self, decisions: Sequence[Decision]) -> None:
        with self._locked() as descriptor:
            end = _end_of_last_line(descriptor)
            lines = b"".join(map(to_line, decisions))
            try:
                os.ftruncate(descriptor, end)
                _write_all(descriptor, lines, at=end)
                os.fsync(descriptor)
            except OSError:
                # Half of a line would hide the next one.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, end)
                raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Open the file, made if it is missing, and keep others from it."""
        while True:
            is_new = not self.path.exists()
            descriptor = os.open(
                self.path,
                os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW,
                _OWNER_ONLY,
            )
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if not _is_still(self.path, descriptor):
                    continue  # another process has put a shorter one in its place
                if is_new:
                    sync_folder(self.path.parent)
                yield descriptor
                return
            finally:
                os.close(descriptor)


def _whole_lines(descriptor: int) -> list[bytes]:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        file.seek(0)
        return [line for line in file if line.endswith(b"\n")]


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        named = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(descriptor)
    return (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)


_TAIL_BYTES: Final = 64 * 1024


def _end_of_last_line(descriptor: int) -> int:
    """Return where the last whole line ends; what follows was broken off."""
    size = os.fstat(descriptor).st_size
    while size:
        start = max(0, size - _TAIL_BYTES)
        found = os.pread(descriptor, size - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        size = start
    return 0


def _write_all(descriptor: int, data: bytes, *, at: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, at)
        view, at = view[written:], at + written


def _unwritable(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        Sentence(
            "The erasure journal {path} cannot be written: {reason}.",
            path=path,
            reason=system_reason(error),
        ),
        code="journal-unwritable",
        path=str(path),
        hint="Make room on this disk. Until then a restore from a backup could undo "
        "the latest withdrawals and deletions.",
    )
