"""Every target, by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz.document_targets import DOCUMENT_TARGETS
from tests.fuzz.request_targets import REQUEST_TARGETS
from tests.fuzz.table_targets import TABLE_TARGETS
from tests.fuzz.target import Target
from tests.fuzz.text_targets import TEXT_TARGETS

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        *DOCUMENT_TARGETS,
        *REQUEST_TARGETS,
        *TABLE_TARGETS,
        *TEXT_TARGETS,
    )
}
