"""Which program listens on a port of this machine (Linux: from /proc)."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_LISTEN = "0A"  # TCP_LISTEN in include/net/tcp_states.h
_STATE_COLUMN, _INODE_COLUMN = 3, 9


@dataclass(frozen=True, slots=True)
class PortOwner:
    """A process that listens."""

    process: int
    program: str


def owner_of_port(port: int, *, proc: Path = _PROC) -> PortOwner | None:
    """Return who listens on a TCP port.

    Returns:
        None if nobody does, or where /proc does not tell (another system, or a
        process of another account).
    """
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port, proc)}
    if not inodes:
        return None
    for folder in proc.glob("[0-9]*"):
        if any(target in inodes for target in _open_files(folder)):
            return PortOwner(int(folder.name), _program(folder))
    return None


def _listening_inodes(port: int, proc: Path) -> Iterator[str]:
    for table in ("net/tcp", "net/tcp6"):
        try:
            lines = (proc / table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            if columns[_STATE_COLUMN] != _LISTEN:
                continue
            if int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[_INODE_COLUMN]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for entry in (process / "fd").iterdir():
            yield str(entry.readlink())
    except OSError:  # it has ended, or belongs to somebody else
        return


def _program(process: Path) -> str:
    try:
        return (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
