"""A broken promise, with what led to it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """What was broken.

    Attributes:
        promise: `INV-1` …, `liveness` or `log` (SPEC chapter 1).
        what: In one sentence.
        step: After which step of the run it was found.
    """

    promise: str
    what: str
    step: int


class BrokenPromiseError(Exception):
    """The run ends here; a promise is broken."""

    def __init__(self, promise: str, what: str) -> None:
        super().__init__(f"{promise}: {what}")
        self.promise = promise
        self.what = what
