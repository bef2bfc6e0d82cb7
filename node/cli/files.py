"""Read a file that somebody names on the command line."""

import sys
from pathlib import Path

from node.cli.wording import gettext as _
from node.control.request import FILE_BYTES_MAX, packed_file
from node.errors import InvalidInputError
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
