"""Time and chance of the nodes of a test, which are the test's own."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)


@dataclass
class MovableClock:
    """One clock for all nodes of a test."""

    moment: datetime = START

    def now(self) -> datetime:
        return self.moment

    def advance(self, **parts: float) -> None:
        self.moment += timedelta(**parts)


@dataclass
class SeededRandom:
    """Reproducible bytes; every node has its own seed."""

    seed: str
    drawn: int = 0

    def bytes(self, count: int, /) -> bytes:
        self.drawn += 1
        return hashlib.shake_256(f"{self.seed}/{self.drawn}".encode()).digest(count)
