"""The real clock and the real source of randomness.

These are the only places below the command line that read ambient time or
entropy; everything else takes a `Clock` or a `RandomSource` (DESIGN: determinism).
"""

import os
from datetime import UTC, datetime


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, aware, UTC."""
        return datetime.now(UTC)


class SystemRandom:
    """The operating system's entropy."""

    def bytes(self, count: int) -> bytes:
        """Return `count` unpredictable bytes."""
        return os.urandom(count)
