"""May this viewer see this entry, and why: pure, one verdict per question.

Order matters: the first rule that speaks decides, an explicit no comes before
any yes, and where nothing speaks the answer is no (SPEC VIS-001).
"""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias, assert_never

from federation.lease import LeaseState, lease_begin, lease_state
from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import (
    AudienceLevel,
    Entry,
    EntryState,
    ReceivedEntry,
    ReceivedState,
)
from node.members.model import Person
from node.partners.model import Partner
from node.sentence import Sentence


class Form(StrEnum):
    """How much of an entry a viewer gets."""

    HIDDEN = "hidden"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class PublicViewer:
    """Anybody, without signing in."""


@dataclass(frozen=True, slots=True)
class PartnerViewer:
    """A remote node that we have a record of.

    Attributes:
        partner_id: Our id of it.
        state: Its trust state now.
    """

    partner_id: str
    state: TrustState


Viewer: TypeAlias = Person | PartnerViewer | PublicViewer

# States of a partner in which our entries may be with it: while it is paused or
# suspended nothing moves, but nothing is taken back either.
ENTITLED_STATES = ESTABLISHED

# By which a partner sees a public entry; the ledger names it.
RULE_PUBLIC = "VIS-031"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The form, the rule that decided (SPEC VIS number) and the reason in words."""

    form: Form
    rule: str
    reason: Sentence

    @property
    def visible(self) -> bool:
        """Whether the viewer gets anything at all."""
        return self.form is not Form.HIDDEN


def _yes(rule: str, reason: Sentence) -> Verdict:
    return Verdict(Form.FULL, rule, reason)


def _no(rule: str, reason: Sentence) -> Verdict:
    return Verdict(Form.HIDDEN, rule, reason)


def decide_entry(entry: Entry, viewer: Viewer, today: date) -> Verdict:
    """Decide whether `viewer` may see our own `entry` on the day `today`.

    Source: SPEC.md VIS-010 to VIS-040.
    """
    if entry.state is EntryState.DELETED:
        return _no("VIS-010", Sentence("The entry was deleted."))
    match viewer:
        case Person():
            return _decide_for_person(entry, viewer, today)
        case PartnerViewer():
            return _decide_for_partner(entry, viewer, today)
        case PublicViewer():
            return _decide_for_public(entry, today)
        case _:
            assert_never(viewer)


def _decide_for_person(entry: Entry, person: Person, today: date) -> Verdict:
    if person.left_at is not None:
        return _no("VIS-020", Sentence("The person no longer belongs to the cluster."))
    if person.is_office:
        return _yes(
            "VIS-021", Sentence("The office sees every entry of its own members.")
        )
    if person.organisation_id == entry.organisation_id:
        return _yes(
            "VIS-022", Sentence("The entry belongs to the person's organisation.")
        )
    closed = _closed(entry, today)
    if closed is not None:
        return closed
    if entry.audience.level is AudienceLevel.PARTNERS:
        return _no("VIS-023", Sentence("The entry is for named partner clusters only."))
    return _yes("VIS-024", Sentence("The entry is for the whole cluster."))


def _decide_for_partner(entry: Entry, partner: PartnerViewer, today: date) -> Verdict:
    if partner.state not in ENTITLED_STATES:
        return _no(
            "VIS-030", Sentence("There is no confirmed partnership with this cluster.")
        )
    closed = _closed(entry, today) or _stays_home(entry)
    if closed is not None:
        return closed
    match entry.audience.level:
        case AudienceLevel.PUBLIC:
            return _yes(RULE_PUBLIC, Sentence("The entry is public."))
        case AudienceLevel.TRUSTED:
            return _yes("VIS-032", Sentence("The entry is for all partner clusters."))
        case AudienceLevel.PARTNERS:
            if partner.partner_id in entry.audience.partner_ids:
                return _yes(
                    "VIS-033", Sentence("The entry names this partner cluster.")
                )
            return _no("VIS-034", Sentence("The entry names other partner clusters."))
        case AudienceLevel.CLUSTER:
            return _no("VIS-035", Sentence("The entry stays in the own cluster."))
        case _:
            assert_never(entry.audience.level)


def _decide_for_public(entry: Entry, today: date) -> Verdict:
    closed = _closed(entry, today) or _stays_home(entry)
    if closed is not None:
        return closed
    if entry.audience.level is AudienceLevel.PUBLIC:
        return _yes("VIS-040", Sentence("The entry is public."))
    return _no("VIS-041", Sentence("The entry is not public."))


def _closed(entry: Entry, today: date) -> Verdict | None:
    if entry.state is not EntryState.PUBLISHED:
        return _no("VIS-011", Sentence("The entry is not published."))
    if entry.valid_until is not None and entry.valid_until < today:
        return _no("VIS-012", Sentence("The entry is past its last day."))
    return None


def _stays_home(entry: Entry) -> Verdict | None:
    if entry.personal and not entry.person_consented:
        return _no(
            "VIS-013", Sentence("The person has not agreed to be shown outside.")
        )
    return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a received entry comes from, as far as a rule asks about it.

    Attributes:
        state: The partner's trust state now.
        verified_at: When it made the newest page that was equal to what we held.
        is_hidden: Whether our office hides its entries.
        is_unverified: Whether we were restored and no such page has come since.
    """

    state: TrustState
    verified_at: datetime | None = None
    is_hidden: bool = False
    is_unverified: bool = False

    @classmethod
    def of(cls, partner: Partner) -> "Origin":
        """Return what rules ask about a partner."""
        return cls(
            partner.state,
            partner.verified_at,
            is_hidden=partner.hidden_at is not None,
            is_unverified=partner.to_verify_since is not None,
        )


def lease_of(entry: ReceivedEntry, origin: Origin, now: datetime) -> LeaseState:
    """Say whether a copy may be shown without a newer word of its origin (FED-153)."""
    return lease_state(
        lease_begin(entry.changed_at, origin.verified_at),
        now=now,
        public=entry.is_public,
        personal=entry.is_personal,
    )


def decide_received(
    entry: ReceivedEntry, origin: Origin, viewer: Viewer, now: datetime
) -> Verdict:
    """Decide whether `viewer` may see a partner's entry that we hold.

    Only our own members may: nothing received is passed on, also not what its
    origin calls public (SPEC VIS-050 to VIS-058).
    """
    if not isinstance(viewer, Person):
        return _no(
            "VIS-050", Sentence("What a partner sent is for our own members only.")
        )
    if viewer.left_at is not None:
        return _no("VIS-051", Sentence("The person no longer belongs to the cluster."))
    if entry.state is not ReceivedState.PRESENT:
        return _no("VIS-052", Sentence("The origin took the entry back."))
    if origin.state not in ENTITLED_STATES:
        return _no(
            "VIS-053", Sentence("The partnership with the origin is not active.")
        )
    if entry.valid_until is not None and entry.valid_until < now.date():
        return _no("VIS-054", Sentence("The entry is past its last day."))
    return _not_shown(entry, origin, now) or _yes(
        "VIS-055", Sentence("The origin published the entry for our cluster.")
    )


def _not_shown(entry: ReceivedEntry, origin: Origin, now: datetime) -> Verdict | None:
    """Say why a copy is not shown though its origin has not taken it back."""
    if origin.is_hidden:
        return _no("VIS-056", Sentence("The office hides this cluster's entries."))
    if origin.is_unverified:
        return _no(
            "VIS-057",
            Sentence("This node was restored and has not compared the entry yet."),
        )
    if lease_of(entry, origin, now) is LeaseState.LAPSED:
        return _no(
            "VIS-058", Sentence("The origin has not confirmed the entry for too long.")
        )
    return None
