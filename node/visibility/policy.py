"""Policy sheets: what may go to a partner, and what we take from it. Pure.

There is one sheet for each partner and direction: a preset and exceptions from it.
It only ever says no; that an entry may go there is said by its own audience.

Source: SPEC.md VIS-080 to VIS-084.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Any, Final

from node.catalogue.model import AudienceLevel
from schemas import KINDS


class Direction(StrEnum):
    """Which way a sheet looks."""

    OUT = "out"
    """What we give."""
    IN = "in"
    """What we take."""


class Preset(StrEnum):
    """How far two clusters have come; each lets pass what the one before does."""

    ACQUAINTANCE = "acquaintance"
    """Public entries, no profiles of persons (“Kennenlernen”)."""
    PARTNER = "partner"
    """Also entries for partners, box numbers and profiles of organisations."""
    CLOSE = "close"
    """Also profiles of persons (“Enger Partner”)."""


class Profiles(StrEnum):
    """Which profiles pass; each includes the ones before."""

    NONE = "none"
    ORGANISATIONS = "organisations"
    PERSONS = "persons"


class PolicyRule(Enum):
    """The rule of SPEC.md chapter 6 by which a sheet says no."""

    AUDIENCE_KIND_OR_TOPIC = "VIS-064"
    PROFILE = "VIS-065"


_PRESETS: Final = tuple(Preset)
_SCOPES: Final = tuple(Profiles)
_PROFILES_OF: Final = MappingProxyType(
    {
        Preset.ACQUAINTANCE: Profiles.ORGANISATIONS,
        Preset.PARTNER: Profiles.ORGANISATIONS,
        Preset.CLOSE: Profiles.PERSONS,
    }
)
_FOR_PARTNERS: Final = frozenset({AudienceLevel.PARTNERS, AudienceLevel.TRUSTED})
_ORGANISATION_PROFILE: Final = "organisation_profile"


@dataclass(frozen=True, slots=True)
class PolicySheet:
    """What may pass in one direction.

    Attributes:
        preset: What passes if nothing else is said.
        closed_kinds: Kinds that do not pass.
        closed_topics: Topics that do not pass, as the office wrote them; capitals
            make no difference (`topic_key`).
        chiffre: Whether box numbers pass; None for what the preset says.
        profiles: Which profiles pass; None for what the preset says.
        approval: Whether the office looks at each entry first. Without effect as
            long as there is no such step.
        lease_days: Of the other direction: how long a copy that is not public is
            shown without its origin's word, if that is shorter than FED-153.
        retention_days: Of the other direction: for how long content stays here that
            is shown no more.
        valid_until: The last day on which the sheet counts; None for no end.
    """

    preset: Preset
    closed_kinds: frozenset[str] = frozenset()
    closed_topics: frozenset[str] = frozenset()
    chiffre: bool | None = None
    profiles: Profiles | None = None
    approval: bool = False
    lease_days: int | None = None
    retention_days: int | None = None
    valid_until: date | None = None

    @property
    def profiles_passing(self) -> Profiles:
        """Which profiles pass: the exception, else what the preset says."""
        return self.profiles or _PROFILES_OF[self.preset]

    @property
    def chiffre_passes(self) -> bool:
        """Whether box numbers pass: the exception, else what the preset says."""
        if self.chiffre is not None:
            return self.chiffre
        return self.preset is not Preset.ACQUAINTANCE

    @property
    def has_exceptions(self) -> bool:
        """Whether it says more than its preset and its end date."""
        return replace(self, valid_until=None) != PolicySheet(self.preset)


ACQUAINTANCE: Final = PolicySheet(Preset.ACQUAINTANCE)
"""What counts at most until the check number was compared, and where nothing is set."""
_BARE: Final = MappingProxyType({preset: PolicySheet(preset) for preset in Preset})


def topic_key(topic: str) -> str:
    """Return a topic as topics are compared: capitals and spaces make no difference."""
    return " ".join(
        unicodedata.normalize("NFKC", topic).casefold().replace("|", " ").split()
    )


def topic_keys(content: Mapping[str, Any]) -> frozenset[str]:
    """Return the topics of an entry's content (schemas/entries) for comparison."""
    return frozenset(
        topic_key(topic)
        for topic in content.get("topics", ())
        if isinstance(topic, str)
    )


def topics_text(content: Mapping[str, Any]) -> str | None:
    """Return an entry's topics as its row has them: each between bars, or none."""
    keys = sorted(topic_keys(content))
    return f"|{'|'.join(keys)}|" if keys else None


def profile_of(kind: str) -> Profiles | None:
    """Return whose profile a kind is; None for what is no profile.

    A kind that we do not know is taken for none.
    """
    known = KINDS.get(kind)
    if known is not None and known.personal:
        return Profiles.PERSONS
    return Profiles.ORGANISATIONS if kind == _ORGANISATION_PROFILE else None


def closed_profile_kinds(scope: Profiles) -> frozenset[str]:
    """Return the kinds that are profiles beyond a scope."""
    return frozenset(
        kind
        for kind in KINDS
        if (profile := profile_of(kind)) is not None and not _within(profile, scope)
    )


def effective(sheet: PolicySheet, *, compared: bool, today: date) -> PolicySheet:
    """Return what counts of a sheet today.

    Before both offices have compared the check number, and after its last day, a
    sheet counts as `ACQUAINTANCE` at most; what it keeps back it still keeps back.

    Args:
        sheet: As the office set it.
        compared: Whether the check number was compared.
        today: The day, UTC.
    """
    if compared and not is_over(sheet, today):
        return sheet
    return replace(narrower(sheet, ACQUAINTANCE), valid_until=sheet.valid_until)


def is_over(sheet: PolicySheet, today: date) -> bool:
    """Tell whether a sheet's last day is behind us."""
    return sheet.valid_until is not None and sheet.valid_until < today


def narrower(one: PolicySheet, other: PolicySheet) -> PolicySheet:
    """Return the sheet that lets pass only what both let pass."""
    preset = min(one.preset, other.preset, key=_PRESETS.index)
    chiffre = one.chiffre_passes and other.chiffre_passes
    profiles = min(one.profiles_passing, other.profiles_passing, key=_SCOPES.index)
    bare = _BARE[preset]
    return PolicySheet(
        preset=preset,
        closed_kinds=one.closed_kinds | other.closed_kinds,
        closed_topics=one.closed_topics | other.closed_topics,
        # No exception from what the preset says by itself.
        chiffre=None if chiffre == bare.chiffre_passes else chiffre,
        profiles=None if profiles is bare.profiles_passing else profiles,
        approval=one.approval or other.approval,
        lease_days=_least(one.lease_days, other.lease_days),
        retention_days=_least(one.retention_days, other.retention_days),
        valid_until=_least(one.valid_until, other.valid_until),
    )


def lets_more_pass(sheet: PolicySheet, before: PolicySheet) -> bool:
    """Tell whether a sheet may let something pass that another one did not."""
    now, then = (
        replace(each, approval=False, lease_days=None, valid_until=None)
        for each in (sheet, before)
    )
    return narrower(now, then) != narrower(now, now)


def refusal(
    sheet: PolicySheet,
    *,
    for_partners: bool,
    kind: str,
    topics: Iterable[str],
    is_chiffre: bool,
) -> PolicyRule | None:
    """Say by which rule a sheet lets an entry not pass; None if it does.

    Args:
        sheet: What counts of it today (`effective`).
        for_partners: The entry is for partners and not public.
        kind: Of the entry.
        topics: Of the entry, as `topic_keys` returns them.
        is_chiffre: It goes out under a box number.
    """
    if is_chiffre and not sheet.chiffre_passes:
        return PolicyRule.AUDIENCE_KIND_OR_TOPIC
    if for_partners and sheet.preset is Preset.ACQUAINTANCE:
        return PolicyRule.AUDIENCE_KIND_OR_TOPIC
    if kind in sheet.closed_kinds:
        return PolicyRule.AUDIENCE_KIND_OR_TOPIC
    if sheet.closed_topics and not {
        topic_key(each) for each in sheet.closed_topics
    }.isdisjoint(topics):
        return PolicyRule.AUDIENCE_KIND_OR_TOPIC
    profile = profile_of(kind)
    if profile is not None and not _within(profile, sheet.profiles_passing):
        return PolicyRule.PROFILE
    return None


def decide_outgoing(
    sheet: PolicySheet,
    *,
    level: AudienceLevel,
    kind: str,
    content: Mapping[str, Any],
    is_chiffre: bool,
) -> PolicyRule | None:
    """Say by which rule an entry of ours does not go to a partner; None if it may.

    Args:
        sheet: What counts of it today (`effective`).
        level: The entry's audience.
        kind: Of the entry.
        content: Of the entry (schemas/entries).
        is_chiffre: It goes out under a box number.
    """
    return refusal(
        sheet,
        for_partners=level in _FOR_PARTNERS,
        kind=kind,
        topics=topic_keys(content) if sheet.closed_topics else (),
        is_chiffre=is_chiffre,
    )


def takes(
    sheet: PolicySheet,
    *,
    is_public: bool,
    kind: str,
    content: Mapping[str, Any],
    is_chiffre: bool,
    last_day: date | None,
    today: date,
) -> bool:
    """Tell whether we take an entry of a partner, or go on holding it.

    Args:
        sheet: What counts of it today (`effective`).
        is_public: Its origin calls it public.
        kind: Of the entry, perhaps one that we do not know.
        content: What we read of it.
        is_chiffre: It came under a box number.
        last_day: Until when it holds; None without end.
        today: The day, UTC.
    """
    days = sheet.retention_days
    kept_from = None if days is None else today - timedelta(days=days)
    if kept_from is not None and last_day is not None and last_day < kept_from:
        return False
    return (
        refusal(
            sheet,
            for_partners=not is_public,
            kind=kind,
            topics=topic_keys(content) if sheet.closed_topics else (),
            is_chiffre=is_chiffre,
        )
        is None
    )


# -- as it is stored ------------------------------------------------------------


def to_document(sheet: PolicySheet) -> dict[str, Any]:
    """Return a sheet as a JSON object; what is not set is left out."""
    document: dict[str, Any] = {"preset": sheet.preset.value}
    if sheet.closed_kinds:
        document["closed_kinds"] = sorted(sheet.closed_kinds)
    if sheet.closed_topics:
        document["closed_topics"] = sorted(sheet.closed_topics)
    if sheet.chiffre is not None:
        document["chiffre"] = sheet.chiffre
    if sheet.profiles is not None:
        document["profiles"] = sheet.profiles.value
    if sheet.approval:
        document["approval"] = True
    for name in ("lease_days", "retention_days"):
        if getattr(sheet, name) is not None:
            document[name] = getattr(sheet, name)
    if sheet.valid_until is not None:
        document["valid_until"] = sheet.valid_until.isoformat()
    return document


def from_document(document: Mapping[str, Any] | None) -> PolicySheet:
    """Read what `to_document` wrote; nothing at all is `ACQUAINTANCE`."""
    if not document:
        return ACQUAINTANCE
    preset = Preset(document["preset"])
    if len(document) == 1:
        return _BARE[preset]
    profiles, until = document.get("profiles"), document.get("valid_until")
    return PolicySheet(
        preset=preset,
        closed_kinds=frozenset(document.get("closed_kinds", ())),
        closed_topics=frozenset(document.get("closed_topics", ())),
        chiffre=document.get("chiffre"),
        profiles=None if profiles is None else Profiles(profiles),
        approval=document.get("approval", False),
        lease_days=document.get("lease_days"),
        retention_days=document.get("retention_days"),
        valid_until=None if until is None else date.fromisoformat(until),
    )


def _within(profile: Profiles, scope: Profiles) -> bool:
    return _SCOPES.index(profile) <= _SCOPES.index(scope)


def _least(one: Any, other: Any) -> Any:
    return other if one is None else one if other is None else min(one, other)
