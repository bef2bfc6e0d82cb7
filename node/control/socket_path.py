"""The control socket lies in the node's folder, however long its path is."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node.control.request import SOCKET_NAME

# sockaddr_un.sun_path holds 108 bytes on Linux and 104 on the BSDs, including
# the zero at the end (unix(7)).
SOCKET_PATH_BYTES_MAX = 103


@contextmanager
def reachable_socket_path(folder: Path) -> Iterator[Path]:
    """Yield a path of the folder's socket that is short enough to bind or connect.

    A path that is too long is shortened by a symbolic link in a private
    temporary folder, which exists inside the block only: both sides make their
    own, so nothing has to be recorded anywhere.
    """
    path = folder.absolute() / SOCKET_NAME
    if len(str(path).encode()) <= SOCKET_PATH_BYTES_MAX:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="spalier-") as short:
        link = Path(short) / "n"
        link.symlink_to(path.parent, target_is_directory=True)
        yield link / SOCKET_NAME
