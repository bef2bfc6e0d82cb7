"""The kinds of entry: how each is called, travels and ages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["KINDS", "KindInfo", "Purpose"]

Purpose = Literal["offer", "request"]

_HALF_YEAR = 182
_YEAR = 365
_YEAR_AND_A_HALF = 548


@dataclass(frozen=True, slots=True)
class KindInfo:
    """What holds for every entry of one kind.

    Attributes:
        name: The kind as it stands in an entry.
        purpose: On which side of the exchange it stands; None for the rest.
        wire_type: The ActivityStreams or FEP-0837 type it travels as.
        label: Its full name, by language (``de``, ``en``).
        short: Its heading in lists, by language.
        default_lifetime_days: Days until it expires, if the owner names no day;
            None where the content itself says (the end of an event).
        confirm_every_days: Days after which the owner is asked whether it still
            holds; None if never.
        personal: Whether the whole entry is about a person, so that it needs a
            recorded consent before it leaves the node.
    """

    name: str
    purpose: Purpose | None
    wire_type: Literal["Document", "Proposal", "Event"]
    label: Mapping[str, str]
    short: Mapping[str, str]
    default_lifetime_days: int | None
    confirm_every_days: int | None
    personal: bool = False


def _words(*, de: str, en: str) -> Mapping[str, str]:
    return MappingProxyType({"de": de, "en": en})


_OFFER = _words(de="Bieten", en="Offer")
_REQUEST = _words(de="Suchen", en="Request")
_PROFILE = _words(de="Profil", en="Profile")

_ALL = (
    KindInfo(
        name="capacity_offer",
        purpose="offer",
        wire_type="Proposal",
        label=_words(de="Kapazitätsangebot", en="Capacity offer"),
        short=_OFFER,
        default_lifetime_days=90,
        confirm_every_days=30,
    ),
    KindInfo(
        name="capacity_request",
        purpose="request",
        wire_type="Proposal",
        label=_words(de="Kapazitätsgesuch", en="Capacity request"),
        short=_REQUEST,
        default_lifetime_days=30,
        confirm_every_days=None,
    ),
    KindInfo(
        name="technology_offer",
        purpose="offer",
        wire_type="Proposal",
        label=_words(de="Technologieangebot", en="Technology offer"),
        short=_OFFER,
        default_lifetime_days=_YEAR,
        confirm_every_days=_HALF_YEAR,
    ),
    KindInfo(
        name="technology_request",
        purpose="request",
        wire_type="Proposal",
        label=_words(de="Technologiegesuch", en="Technology request"),
        short=_REQUEST,
        default_lifetime_days=_YEAR,
        confirm_every_days=_HALF_YEAR,
    ),
    KindInfo(
        name="event",
        purpose=None,
        wire_type="Event",
        label=_words(de="Veranstaltung", en="Event"),
        short=_words(de="Termin", en="Event"),
        default_lifetime_days=None,
        confirm_every_days=None,
    ),
    KindInfo(
        name="expert_profile",
        purpose=None,
        wire_type="Document",
        label=_words(de="Expertenprofil", en="Expert profile"),
        short=_PROFILE,
        default_lifetime_days=_YEAR_AND_A_HALF,
        confirm_every_days=_YEAR,
        personal=True,
    ),
    KindInfo(
        name="organisation_profile",
        purpose=None,
        wire_type="Document",
        label=_words(de="Organisationsprofil", en="Organisation profile"),
        short=_PROFILE,
        default_lifetime_days=_YEAR_AND_A_HALF,
        confirm_every_days=_YEAR,
    ),
)

KINDS: Mapping[str, KindInfo] = MappingProxyType({kind.name: kind for kind in _ALL})
