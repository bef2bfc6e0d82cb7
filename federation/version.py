"""The version of an entry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """An ordered pair: the incarnation counts first, then the counter.

    A node that was restored from a backup raises its incarnation, so that every
    version it makes afterwards is newer than all that it made and forgot.

    Source: SPEC.md FED-010.
    """

    incarnation: int
    counter: int

    def __post_init__(self) -> None:
        """Refuse values that the wire form cannot carry."""
        if self.incarnation < 1 or self.counter < 1:
            raise ValueError("incarnation and counter start at 1")

    @property
    def shown(self) -> str:
        """The form for logs and screens."""
        return f"{self.incarnation}.{self.counter}"

    def next(self) -> Version:
        """Return the version after this one in the same incarnation."""
        return Version(self.incarnation, self.counter + 1)
