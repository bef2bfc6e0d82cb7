"""What a restore has changed, for the office: one small file in the node's folder.

Source: SPEC.md NOD-072.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from node.durable_files import replace_file
from node.erasure.replay import Replayed

REPORT_FILE: Final = "node.restored.json"


def write_report(
    folder: Path, done: Replayed, **more: str | int | bool | None
) -> dict[str, Any]:
    """Write it, before the database that it is about takes its place.

    Args:
        folder: The node's folder.
        done: What was changed; its epoch says which restore the report is about.
        more: What else is to be said.

    Raises:
        OSError: It cannot be written.
    """
    report = {**more, **asdict(done)}
    content = json.dumps(report, indent=1).encode("utf-8") + b"\n"
    replace_file(folder / REPORT_FILE, content)
    return report


def read_report(folder: Path, *, epoch: str) -> Mapping[str, Any] | None:
    """Return the report of the restore that began an epoch, None if there is none."""
    try:
        report = json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(report, dict) or report.get("epoch") != epoch:
        return None
    return report
