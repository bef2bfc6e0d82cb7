"""Entries, their states and audiences, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

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
    """Whom an entry is for; `partners` and `group` name them, the rest need no list."""

    GROUP = "group"
    CLUSTER = "cluster"
    PARTNERS = "partners"
    TRUSTED = "trusted"
    PUBLIC = "public"


# From the fewest outside to the most; what stays in the cluster is equal.
_OPENNESS: Final[Mapping[AudienceLevel, int]] = {
    AudienceLevel.GROUP: 0,
    AudienceLevel.CLUSTER: 0,
    AudienceLevel.PARTNERS: 1,
    AudienceLevel.TRUSTED: 2,
    AudienceLevel.PUBLIC: 3,
}


def is_above(level: AudienceLevel, ceiling: AudienceLevel | None) -> bool:
    """Whether an audience is more open outside the cluster than a ceiling permits."""
    return ceiling is not None and _OPENNESS[level] > _OPENNESS[ceiling]


@dataclass(frozen=True, slots=True)
class Audience:
    """Level and, for `partners` and `group`, whom it names.

    Attributes:
        partner_ids: Ids of our partner records; empty unless level is `partners`.
        group_id: The group of own members; None unless level is `group`, or if the
            office has dissolved it.
    """

    level: AudienceLevel
    partner_ids: frozenset[str] = frozenset()
    group_id: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Whom an entry is kept from, as far as it is known (SPEC VIS-071 to VIS-074).

    What was known once stays so until the author changes the list: a partner that
    takes a profile back opens nothing (VIS-006).

    Attributes:
        partner_ids: Partner clusters that the entry excludes.
        hosting_ids: Partner clusters known to have an excluded organisation as
            member, unless the author chose to send it all the same.
        organisation_ids: Own members that are an excluded organisation.
    """

    partner_ids: frozenset[str] = frozenset()
    hosting_ids: frozenset[str] = frozenset()
    organisation_ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The widest audience that the office and the employer permit (SPEC VIS-075).

    Attributes:
        kind: What the office permits for the kind; None for anything.
        organisation: What the organisation permits its persons; None for anything.
    """

    kind: AudienceLevel | None = None
    organisation: AudienceLevel | None = None

    def under(self, level: AudienceLevel) -> AudienceLevel:
        """Return how open an audience is outside the cluster under both."""
        for ceiling in (self.kind, self.organisation):
            if ceiling is not None and is_above(level, ceiling):
                level = ceiling
        return level


@dataclass(frozen=True, slots=True)
class HiddenOwner:
    """Whose an entry under Chiffre is (SPEC CHI-003).

    Attributes:
        person_id: The person it belongs to; None if it names none.
        author_id: Who published it.
    """

    organisation_id: str
    person_id: str | None
    author_id: str | None


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
        group_organisation_ids: Organisations of the group that it is for.
        exclusions_id: Names the list of what it excludes; None if that is nothing.
        kept: Whom it is kept from.
        ceilings: What limits its audience.
        home_fields: Fields of its content that stay in the own cluster (VIS-077).
        is_chiffre: Under Chiffre: organisation, person and author are the office and
            nobody (ADR 0017).
        waits_until: The full hour at which it becomes visible; None if it is.
        hidden_owner: Whose it is, for the rules and for whoever acts for the owner.
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
    group_organisation_ids: frozenset[str] = frozenset()
    exclusions_id: str | None = None
    kept: Kept = Kept()
    ceilings: Ceilings = Ceilings()
    home_fields: frozenset[str] = frozenset()
    is_chiffre: bool = False
    waits_until: datetime | None = None
    hidden_owner: HiddenOwner | None = field(default=None, repr=False)

    @property
    def answerable(self) -> HiddenOwner:
        """Who answers for it, also under Chiffre; shown to nobody but them."""
        if self.hidden_owner is not None:
            return self.hidden_owner
        return HiddenOwner(self.organisation_id, self.person_id, self.author_id)

    @property
    def open_level(self) -> AudienceLevel:
        """How open it is outside the cluster: its audience under its ceilings."""
        return self.ceilings.under(self.audience.level)

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
        is_not_taken: Kept out by our own policy sheet; nothing of it is held.
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
    is_not_taken: bool = False

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
