"""Entries, their states and audiences, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from federation.version import Version


class EntryState(StrEnum):
    """Life of an entry (SPEC ENT, "States")."""

    DRAFT = "draft"
    PUBLISHED = "published"
    FULFILLED = "fulfilled"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


class AudienceLevel(StrEnum):
    """Whom an entry is for; `partners` names them, the rest need no list."""

    CLUSTER = "cluster"
    PARTNERS = "partners"
    TRUSTED = "trusted"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class Audience:
    """Level and, for `partners`, the named partner nodes.

    Attributes:
        partner_ids: Ids of our partner records; empty unless level is `partners`.
    """

    level: AudienceLevel
    partner_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Entry:
    """One of our own entries with everything that a rule may ask about it.

    Attributes:
        content: The object of `schemas/entries/<kind>`: kind, title, summary …
        valid_until: Last day on which it holds, in the node's calendar (UTC).
        personal: Whether the kind describes a person.
        person_consented: Consent of the person it belongs to; see `Person`.
        document: The signed wire document of this version, if published.
        key_number: Number of our key that signed it.
    """

    id: str
    uri: str
    kind: str
    state: EntryState
    version: Version
    organisation_id: str
    organisation_name: str
    person_id: str | None
    person_name: str | None
    person_consented: bool
    personal: bool
    audience: Audience
    content: Mapping[str, Any]
    valid_until: date | None
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None = None
    confirmed_at: datetime | None = None
    reminded_at: datetime | None = None
    closed_at: datetime | None = None
    external_id: str | None = None
    author_id: str | None = None
    content_hash: str | None = None
    document: bytes | None = field(default=None, repr=False)
    key_number: int | None = None

    @property
    def title(self) -> Mapping[str, str]:
        """Title by language."""
        title: Mapping[str, str] = self.content["title"]
        return title

    @property
    def summary(self) -> Mapping[str, str]:
        """Summary by language."""
        summary: Mapping[str, str] = self.content["summary"]
        return summary


class ReceivedState(StrEnum):
    """What we hold of a partner's entry."""

    PRESENT = "present"
    QUARANTINED = "quarantined"
    WITHDRAWN = "withdrawn"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class ReceivedEntry:
    """A partner's entry as it was received.

    Attributes:
        id: Our own random id for the page; the origin's id is `uri`.
        owner: `{organisation: {name, …}, person: {name, …} | absent}` or None.
        known_kind: False if a newer partner sent a kind that we do not know.
        is_personal: Whether it names a person.
    """

    id: str
    uri: str
    partner_id: str
    partner_name: str
    state: ReceivedState
    kind: str
    known_kind: bool
    version: Version
    content: Mapping[str, Any]
    owner: Mapping[str, Any] | None
    is_public: bool
    is_personal: bool
    valid_until: date | None
    published_at: datetime
    updated_at: datetime
    first_received_at: datetime
    changed_at: datetime

    @property
    def title(self) -> Mapping[str, str]:
        """Title by language."""
        title: Mapping[str, str] = self.content["title"]
        return title

    @property
    def summary(self) -> Mapping[str, str]:
        """Summary by language."""
        summary: Mapping[str, str] = self.content["summary"]
        return summary
