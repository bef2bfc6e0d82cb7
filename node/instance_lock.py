"""One process owns a node's folder at a time, if its database is a file in there.

Several processes may share a node whose database is PostgreSQL; they hold the lock
together and keep `spalier init` out.

The lock is the kernel's (flock): it ends with the process, however that ends. The
file itself stays; removing it would let two processes lock two different files.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from node.errors import ConflictError, UnavailableError
from node.sentence import Sentence, system_reason

LOCK_FILE = "node.lock"
_OWNER_ONLY = 0o600
_PID_CHARACTERS_MAX = 20


class InstanceLock:
    """A lock that is held until `release`."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let the next process in. A second call does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def acquire(
    folder: Path, *, shared: bool = False, name: str = LOCK_FILE
) -> InstanceLock:
    """Lock a node's folder for this process, without waiting.

    Args:
        folder: The node's folder.
        shared: Together with others that share it; the file then names nobody.
        name: Of the lock file.

    Raises:
        ConflictError: With code `node-in-use`, naming the process that holds it.
        UnavailableError: The lock file cannot be opened.
    """
    path = folder / name
    try:
        descriptor = os.open(
            path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _OWNER_ONLY
        )
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "The lock file {path} cannot be opened: {reason}.",
                path=path,
                reason=system_reason(error),
            ),
            code="folder-unusable",
            path=str(path),
            hint="Run the command as the user that the folder belongs to.",
        ) from error
    try:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, _PID_CHARACTERS_MAX, 0).decode("ascii", "replace")
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise UnavailableError(
                Sentence(
                    "{path} cannot be locked: {reason}.",
                    path=path,
                    reason=system_reason(error),
                ),
                code="folder-unusable",
                path=str(path),
                hint="A node's folder must be on a local disk.",
            ) from error
        raise _in_use(folder, holder.strip()) from error
    os.ftruncate(descriptor, 0)
    if not shared:
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return InstanceLock(descriptor)


def _in_use(folder: Path, holder: str) -> ConflictError:
    who = (
        Sentence("process {number}", number=holder)
        if holder.isdigit()
        else Sentence("another process")
    )
    return ConflictError(
        Sentence("The node in {folder} is in use by {who}.", folder=folder, who=who),
        code="node-in-use",
        path=str(folder),
        hint="Stop that process first, or wait until it has finished.",
    )
