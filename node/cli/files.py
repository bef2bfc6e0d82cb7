"""Read and write files that somebody names on the command line."""

import os
import sys
from pathlib import Path

from node.cli.wording import gettext as _
from node.control.request import FILE_BYTES_MAX, packed_file
from node.errors import ConflictError, InvalidInputError, UnavailableError
from node.sentence import system_reason

STANDARD_INPUT = "-"


def read_packed(name: str) -> str:
    """Read a file, or standard input for `-`, in the form a request carries.

    Raises:
        InvalidInputError: It cannot be read, or is too long.
    """
    try:
        if name == STANDARD_INPUT:
            data = sys.stdin.buffer.read(FILE_BYTES_MAX + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise InvalidInputError(
            _(
                "The file %(name)s cannot be read: %(reason)s.",
                name=name,
                reason=system_reason(error).translated(_),
            ),
            code="file-unreadable",
            path=name,
        ) from error
    return packed_file(data)


class NewFile:
    """A file that only its owner can read and that did not exist before."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def open(self) -> None:
        """Take the name.

        Raises:
            ConflictError: There is such a file.
            UnavailableError: It cannot be written.
        """
        try:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600
            )
        except FileExistsError as error:
            raise ConflictError(
                _("The file %(name)s exists already.", name=self._path),
                code="file-exists",
                path=str(self._path),
                hint=_("Choose another name; nothing is overwritten."),
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def write(self, content: bytes) -> None:
        """Write all of it, synced to disk."""
        if self._descriptor is None:
            msg = "the file is not open"
            raise RuntimeError(msg)
        try:
            with os.fdopen(self._descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise self._unwritable(error) from error

    def remove(self) -> None:
        """Give the name back; a backup that nobody confirmed is worth nothing."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)

    def _unwritable(self, error: OSError) -> UnavailableError:
        return UnavailableError(
            _(
                "The file %(name)s cannot be written: %(reason)s.",
                name=self._path,
                reason=system_reason(error).translated(_),
            ),
            code="file-unwritable",
            path=str(self._path),
        )
