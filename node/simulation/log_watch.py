"""Everything that the nodes' code logs as an error, and nothing on the screen."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from typing_extensions import override


class _Collector(logging.Handler):
    def __init__(self, found: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._found = found

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            text = f"{text}: {logging.Formatter().formatException(record.exc_info)}"
        self._found.append(f"{record.name}: {text}")


@contextmanager
def watched_log() -> Iterator[list[str]]:
    """Collect errors inside the block; the settings of before come back."""
    found: list[str] = []
    handler = _Collector(found)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before: dict[str, Any] = structlog.get_config()
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.render_to_log_kwargs,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    root.handlers[:] = [handler]
    root.setLevel(logging.ERROR)
    try:
        yield found
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.configure(**before)
