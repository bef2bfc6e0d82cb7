"""What became of the latest backups: one small file in the node's folder.

It lies outside the database, which is no place to look whether the database can be
brought back. Source: SPEC.md NOD-065.
"""

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from node.durable_files import replace_file

STATUS_FILE: Final = "node.backups.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupStatus:
    """How backups have gone; None for what has not happened yet.

    Attributes:
        made_at: When the newest backup that counts was made.
        file: Where it lies.
        bytes: Its size.
        rows: Rows in it.
        seconds: How long it took, the trial included.
        verified_at: When a trial restore of any backup last succeeded.
        failed_at: When making or trying one last failed.
        failure: The code of why; kept until the next success.
    """

    made_at: datetime | None = None
    file: str | None = None
    bytes: int | None = None
    rows: int | None = None
    seconds: float | None = None
    verified_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str | None = None


def read_status(folder: Path) -> BackupStatus:
    """Read it; an empty one if there is none that can be read."""
    try:
        document = json.loads((folder / STATUS_FILE).read_text(encoding="utf-8"))
        return BackupStatus(
            **{name: _value(name, value) for name, value in document.items()}
        )
    except (OSError, ValueError, TypeError, AttributeError):
        return BackupStatus()


def note(folder: Path, **changes: Any) -> BackupStatus:
    """Change what the file says.

    Raises:
        OSError: It cannot be written.
    """
    status = replace(read_status(folder), **changes)
    document = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(status).items()
        if value is not None
    }
    replace_file(
        folder / STATUS_FILE, json.dumps(document, indent=1).encode("utf-8") + b"\n"
    )
    return status


def _value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name.endswith("_at") else value
