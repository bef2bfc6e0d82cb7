import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import structlog

from node.config_sections import LogConfig
from node.logs import configure_logs

TOKEN = "HVCU8BTe9PDF_me7cTIrYCtUWPl6ON0wUYAlI3pRWNU"


class Fixed:
    def now(self) -> datetime:
        return datetime(2026, 3, 2, 8, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def configured(**settings: str) -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogConfig(**settings), clock=Fixed(), stream=stream)  # type: ignore[arg-type]
    return stream


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_both_kinds_of_logger_write_the_same_form() -> None:
    stream = configured()
    logging.getLogger("federation.x").warning("late by %d s", 3)
    structlog.get_logger("node.x").info("page sent", partner="p1", entries=3)
    assert records(stream) == [
        {
            "event": "late by 3 s",
            "level": "warning",
            "logger": "federation.x",
            "time": "2026-03-02T08:00:00.123+00:00",
        },
        {
            "event": "page sent",
            "level": "info",
            "logger": "node.x",
            "partner": "p1",
            "entries": 3,
            "time": "2026-03-02T08:00:00.123+00:00",
        },
    ]


def test_level_is_obeyed() -> None:
    stream = configured(level="error")
    logging.getLogger("node").warning("no")
    structlog.get_logger("node").error("yes")
    assert [record["event"] for record in records(stream)] == ["yes"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_secrets_are_hidden(form: str) -> None:
    stream = configured(format=form)
    log = structlog.get_logger("node")
    log.info(
        "x",
        password="geheim1",
        session_token="geheim2",
        nested={"smtp_password": "geheim3", "list": [{"cookie": "geheim4"}]},
        text=f"see https://a.example/anmelden/{TOKEN} now",
        url="postgresql+psycopg://user:geheim5@host/db",
    )
    try:
        raise ValueError(f"https://a.example/anmelden/{TOKEN}")
    except ValueError:
        log.exception("failed")
    assert "geheim" not in stream.getvalue()
    assert TOKEN not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


def test_codes_of_errors_are_no_secrets() -> None:
    stream = configured()
    structlog.get_logger("node").warning("refused", code="schema-newer")
    assert records(stream)[0]["code"] == "schema-newer"


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("character", ["\n", "\r", "\x1b", "\x85", "\u2028", "\u202e"])
def test_values_cannot_forge_lines(form: str, character: str) -> None:
    stream = configured(format=form)
    text = f"a{character}2026-03-02 [error] forged"
    structlog.get_logger("node").info("name changed", name=text)
    logging.getLogger("node").info("name: %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("node").exception("failed")
    written = stream.getvalue()
    # Only a marked line of a traceback may follow a real line break.
    assert character == "\n" or character not in written
    lines = written.splitlines()
    assert not [line for line in lines if line.startswith("2026-03-02 [error]")]


def test_libraries_do_not_chatter() -> None:
    stream = configured(level="debug")
    for name in ("sqlalchemy.engine", "alembic.runtime", "asyncio"):
        logging.getLogger(name).info("statement with values")
    assert stream.getvalue() == ""
