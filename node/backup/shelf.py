"""A folder with backups: which there are, and which may go.

Only files are touched whose name and first line say that they are this node's.

Source: SPEC.md NOD-064.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from node.backup.file_format import SUFFIX, Header, read_header
from node.durable_files import sync_folder
from node.errors import NodeError, UnavailableError
from node.limits import BACKUP_FILES_READ_MAX, BACKUPS_HOURLY
from node.sentence import Sentence, system_reason

_STAMP: Final = "%Y%m%dT%H%M%SZ"
_PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class KeptBackup:
    """A backup that lies in a folder."""

    path: Path
    header: Header
    bytes: int


def backup_path(folder: Path, authority: str, created: datetime) -> Path:
    """Return the name of a new backup; nothing has it yet."""
    stem = f"{_plain(authority)}-{created:{_STAMP}}"
    number = 1
    path = folder / f"{stem}{SUFFIX}"
    while path.exists():
        number += 1
        path = folder / f"{stem}-{number}{SUFFIX}"
    return path


def part_path(path: Path) -> Path:
    """Return where a backup is written before it counts."""
    return path.with_name(f".{path.name}{_PART}")


def remove_parts(folder: Path, authority: str) -> None:
    """Remove what backups of this node that were broken off have left."""
    for path in folder.glob(f".*{SUFFIX}{_PART}"):
        if _is_named(path.name[1 : -len(_PART)], authority):
            path.unlink(missing_ok=True)


def list_backups(folder: Path, *, node_id: str, authority: str) -> list[KeptBackup]:
    """Return this node's backups in a folder, the newest first.

    Raises:
        UnavailableError: The folder cannot be read.
    """
    try:
        names = sorted(
            (path.name for path in folder.iterdir() if _is_named(path.name, authority)),
            reverse=True,
        )
    except OSError as error:
        raise folder_unusable(folder, error) from error
    found = []
    for name in names[:BACKUP_FILES_READ_MAX]:
        path = folder / name
        try:
            with path.open("rb") as file:
                header, _ = read_header(file)
            size = path.stat().st_size
        except (OSError, NodeError):
            continue
        if header.node_id == node_id:
            found.append(KeptBackup(path, header, size))
    return sorted(
        found, key=lambda each: (each.header.created, each.path.name), reverse=True
    )


def superfluous(backups: Iterable[KeptBackup], *, daily: int) -> list[KeptBackup]:
    """Return the backups that need not be kept.

    Kept are the newest one of each of the latest `BACKUPS_HOURLY` hours and of each
    of the latest `daily` days that have any.
    """
    newest_first = sorted(
        backups, key=lambda each: (each.header.created, each.path.name), reverse=True
    )
    kept: set[Path] = set()
    for period, most in (("%Y%m%d%H", BACKUPS_HOURLY), ("%Y%m%d", daily)):
        newest_of: dict[str, Path] = {}
        for each in newest_first:
            newest_of.setdefault(f"{each.header.created:{period}}", each.path)
        kept |= set(list(newest_of.values())[:most])
    return [each for each in newest_first if each.path not in kept]


def remove(backups: Sequence[KeptBackup]) -> None:
    """Remove backups that are superfluous.

    Raises:
        UnavailableError: One cannot be removed.
    """
    for each in backups:
        try:
            each.path.unlink(missing_ok=True)
        except OSError as error:
            raise folder_unusable(each.path.parent, error) from error
    if backups:
        sync_folder(backups[0].path.parent)


def folder_unusable(folder: Path, error: OSError) -> UnavailableError:
    """Return the error for a folder of backups that cannot be used."""
    return UnavailableError(
        Sentence(
            "The folder for backups {folder} cannot be used: {reason}.",
            folder=folder,
            reason=system_reason(error),
        ),
        code="backup-folder-unusable",
        path=str(folder),
        hint="The account that runs the node must be able to write there.",
    )


def _plain(authority: str) -> str:
    return re.sub(r"[^a-z0-9.-]", "-", authority)


def _is_named(name: str, authority: str) -> bool:
    pattern = rf"{re.escape(_plain(authority))}-\d{{8}}T\d{{6}}Z(-\d+)?"
    return bool(re.fullmatch(pattern + re.escape(SUFFIX), name))
