"""What happened, in order: a hash of all of it, and the last events in words."""

import hashlib
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final, TextIO

LAST_EVENTS: Final = 60


class Record:
    """Takes every event; the same run gives the same hash.

    Args:
        now: The true time.
        trace: Where every line goes, if anywhere.
    """

    def __init__(
        self, now: Callable[[], datetime], *, trace: TextIO | None = None
    ) -> None:
        self._now = now
        self._trace = trace
        self._hash = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=LAST_EVENTS)
        self.events = 0

    def note(self, text: str) -> None:
        """Write one event down."""
        line = f"{self._now().isoformat(timespec='milliseconds')} {text}"
        self._hash.update(line.encode() + b"\n")
        self.last.append(line)
        self.events += 1
        if self._trace is not None:
            print(line, file=self._trace)

    @property
    def digest(self) -> str:
        """SHA-256 of all events so far, in hex."""
        return self._hash.hexdigest()
