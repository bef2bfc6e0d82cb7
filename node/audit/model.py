"""Decisions as the audit log keeps them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class SubjectKind(StrEnum):
    """What a decision is about."""

    PARTNER = "partner"
    PERSON = "person"
    ORGANISATION = "organisation"
    ENTRY = "entry"
    KEY = "key"
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditNote:
    """A decision on its way into the log; it gets its number when it is stored.

    Names of people and titles are not copied: the log says them as they are when it
    is read, and a name that was erased is in no row (SPEC AUD-004).

    Attributes:
        id: Random, 128 bits; it keeps short details from being guessed by their hash.
        event: Code of `node.audit.sentences.AUDIT_SENTENCES`.
        person_id: Who decided; None for the node itself or another node.
        subject_id: Our id of what it is about; None for the node.
        reason: In the words of whoever decided.
        before: What changed, as it was; JSON without fractions.
        after: What changed, as it is now.
    """

    id: str
    at: datetime
    event: str
    person_id: str | None = None
    subject_kind: SubjectKind = SubjectKind.NODE
    subject_id: str | None = None
    reason: str | None = None
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """A row of the log.

    Attributes:
        number: 1, 2, 3 … without a gap.
        details: `{id, reason, before, after}`; None once they are erased.
        details_hash: SHA-256 of the canonical form of the details, hexadecimal.
        hash: Of this row and, through `previous`, of all before it.
        previous: Hash of the row before; 64 zeros at the beginning.
    """

    number: int
    at: datetime
    event: str
    person_id: str | None
    subject_kind: SubjectKind
    subject_id: str | None
    details: Mapping[str, Any] | None
    details_hash: str
    previous: str
    hash: str

    @property
    def reason(self) -> str | None:
        """Why, in the words of whoever decided."""
        return None if self.details is None else self.details["reason"]


@dataclass(frozen=True, slots=True)
class AuditHead:
    """The newest row: its number and its hash."""

    number: int
    hash: str
