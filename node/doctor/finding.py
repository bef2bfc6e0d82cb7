"""What a check found, and what a check is."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from node.config import NodeConfig
from node.doctor.facts import DatabaseFacts


class Severity(StrEnum):
    """How much a finding matters; an error makes the command exit with 1."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination.

    Attributes:
        id: Stable name of the check, for scripts.
        title: Its name for people.
        message: One sentence.
        fix: What to do; empty if nothing.
    """

    id: str
    title: str
    severity: Severity
    message: str
    fix: str = ""

    @property
    def is_error(self) -> bool:
        """Whether the node cannot go on like this."""
        return self.severity is Severity.ERROR


@dataclass(frozen=True, slots=True)
class Subject:
    """What the checks look at.

    Attributes:
        config: The node's settings.
        facts: What the database says; None if it could not be read.
        serving: Whether a process answers on the control socket.
        now: The time.
    """

    folder: Path
    config: NodeConfig
    facts: DatabaseFacts | None
    serving: bool
    now: datetime


class Check(Protocol):
    """One check; it changes nothing.

    Attributes:
        id: Stable name.
    """

    id: ClassVar[str]

    @property
    def title(self) -> str:
        """Name for people, in the language that is spoken."""
        ...

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Return what it found, at least one finding."""
        ...
