"""The demonstration's steps, on a terminal or in a file."""

import sys
import time
from typing import TextIO

from node.cli.wording import gettext as _

STEPS = 5
_BAR = 20  # characters


class Progress:
    """Prints `[3/5] What  ok  0:00:02`; a terminal also sees a moving bar.

    Args:
        stream: Standard output, or standard error beside a JSON document.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._moves = stream.isatty()
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def line(self, text: str = "") -> None:
        """Print a line."""
        self._stream.write(text + "\n")
        self._stream.flush()

    def step(self, number: int, text: str, result: str) -> None:
        """Print that a step is done."""
        clear = "\r\033[K" if self._moves else ""
        self.line(f"{clear}[{number}/{STEPS}] {text:<22} {result}")

    def detail(self, text: str, result: str) -> None:
        """Print that a part of a step is done."""
        clear = "\r\033[K" if self._moves else ""
        self.line(f"{clear}      {text:<22} {result}")

    def moving(self, text: str, done: int, total: int) -> None:
        """Show how far something is, on a terminal only."""
        if not self._moves:
            return
        filled = _BAR * done // total if total else 0
        bar = "━" * filled + "─" * (_BAR - filled)
        self._stream.write(f"\r\033[K      {text:<22} {bar}  {done}/{total}")
        self._stream.flush()


def already_there() -> str:
    """Return what a step says that has nothing to do."""
    return _("already there")


def standard_stream(*, beside_document: bool) -> TextIO:
    """Return where the steps are printed."""
    return sys.stderr if beside_document else sys.stdout
