"""Output for people: sentences and tables."""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from node.cli.wording import spoken_language

_NONE = "\N{EN DASH}"
PIPED_WIDTH = 160  # columns where no terminal says how many there are
_MARKS = {"ok": "green", "note": "cyan", "warning": "yellow", "error": "red"}


def _console(*, on_error_stream: bool = False) -> Console:
    stream = sys.stderr if on_error_stream else sys.stdout
    return Console(
        file=stream,
        highlight=False,
        markup=False,
        soft_wrap=False,
        width=None if stream.isatty() else PIPED_WIDTH,
    )


def say(*lines: str) -> None:
    """Print lines as they are; long ones are left to the terminal."""
    console = _console()
    for line in lines:
        console.print(line, soft_wrap=True)


def say_aside(*lines: str) -> None:
    """Print lines beside the result, on standard error."""
    console = _console(on_error_stream=True)
    for line in lines:
        console.print(line, soft_wrap=True)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without frames."""
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        grid.add_column(heading, overflow="fold")
    for row in rows:
        # Text, so that nothing in a title is taken for a style.
        grid.add_row(*(Text(cell) for cell in row))
    console = _console()
    if sys.stdout.isatty():
        console.print(grid)
        return
    # Nothing behind the last word, so that texts can be compared and copied.
    with console.capture() as printed:
        console.print(grid)
    for line in printed.get().splitlines():
        console.print(line.rstrip(), soft_wrap=True)


def marked(severity: str, word: str, title: str, message: str, fix: str) -> None:
    """Print one finding of a check: word in colour, title, sentence, what to do."""
    console = _console()
    line = Text("  ")
    line.append(f"{word:<9}", style=_MARKS.get(severity, ""))
    line.append(f"{title:<18}", style="bold")
    line.append(f" {message}")
    console.print(line, soft_wrap=True)
    if fix:
        console.print(Text(f"{'':29} → {fix}"), soft_wrap=True)


def moment(text: str | None) -> str:
    """Show a time of a document in the time zone of this machine; a dash for none."""
    if text is None:
        return _NONE
    local = datetime.fromisoformat(text).astimezone()
    pattern = "%d.%m.%Y %H:%M" if spoken_language() == "de" else "%Y-%m-%d %H:%M"
    return local.strftime(pattern)


def day(text: str | None) -> str:
    """Show a day of a document; a dash for none."""
    if text is None:
        return _NONE
    parsed = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return parsed.strftime("%d.%m.%Y" if spoken_language() == "de" else "%Y-%m-%d")
