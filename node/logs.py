"""Structured logs on standard error: one line an event, no secret, no forged line."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from federation.ports import Clock
from node.config_sections import LogConfig

_HIDDEN: Final = "[hidden]"
_SECRET_NAME: Final = re.compile(
    r"passw|secret|token|cookie|authorization|private_key|(invitation|partner)_code",
    re.IGNORECASE,
)
# Tokens in links and passwords in database addresses, wherever they stand in a text.
_SECRET_TEXT: Final = (
    (re.compile(r"(/(?:anmelden|bestaetigen)/)[A-Za-z0-9_-]{20,}"), r"\1[hidden]"),
    (
        re.compile(r"(\b[a-z][a-z0-9+]{2,30}://[^\s:/@]{1,100}:)[^\s@]+@"),
        r"\1[hidden]@",
    ),
)
# C0, DEL, C1, line and paragraph separator, direction marks.
_CONTROL: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e]"
)
_QUIET: Final = ("alembic", "asyncio", "sqlalchemy", "aiohttp.access")


def configure_logs(
    settings: LogConfig, *, clock: Clock, stream: TextIO | None = None
) -> None:
    """Send all logs, also those of libraries, to one stream in one form.

    Args:
        settings: Level and format.
        clock: Where the time of an event comes from.
        stream: Standard error if left out.
    """

    def add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["time"] = clock.now().isoformat(timespec="milliseconds")
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        add_time,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide_secrets,
                *_renderers(settings),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.level.upper())
    for name in _QUIET:
        # Statements, requests and their values are no matter for a node's log.
        logging.getLogger(name).setLevel(max(root.level, logging.WARNING))


def _renderers(settings: LogConfig) -> list[Processor]:
    if settings.format == "json":
        # ASCII only: escapes leave no way to forge or to hide a line.
        return [structlog.processors.JSONRenderer(ensure_ascii=True, default=str)]
    return [
        escape_control_characters,
        structlog.dev.ConsoleRenderer(colors=False, sort_keys=False),
    ]


def hide_secrets(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Replace values whose name speaks of a secret, and secrets inside texts."""
    for name, value in event.items():
        event[name] = _HIDDEN if _SECRET_NAME.search(name) else _without_secrets(value)
    return event


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {
            name: _HIDDEN if _SECRET_NAME.search(str(name)) else _without_secrets(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner) for inner in value]
    if isinstance(value, str):
        for pattern, replacement in _SECRET_TEXT:
            value = pattern.sub(replacement, value)
    return value


def escape_control_characters(
    _logger: WrappedLogger, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Write control characters out, so that a value stays on its line.

    A traceback keeps its lines, each marked: none can pass for an event.
    """
    for name, value in event.items():
        if isinstance(value, str):
            lines = value.splitlines() if name == "exception" else [value]
            start = "  | " if name == "exception" else ""
            event[name] = "\n".join(
                start + _CONTROL.sub(lambda found: ascii(found[0])[1:-1], line)
                for line in lines
            )
    return event
