"""May this viewer see this entry, and why: pure, one verdict per question.

Order matters: the first rule that speaks decides, an explicit no comes before
any yes, and where nothing speaks the answer is no (SPEC VIS-001).
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias, assert_never

from federation.lease import LeaseState, lease_begin, lease_state
from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import (
    AudienceLevel,
    Entry,
    EntryState,
    ReceivedEntry,
    ReceivedState,
    is_above,
)
from node.chiffre.form import is_chiffre
from node.members.model import Person, Role
from node.sentence import Sentence
from node.visibility.policy import (
    ACQUAINTANCE,
    PolicyRule,
    PolicySheet,
    decide_outgoing,
    effective,
)

if TYPE_CHECKING:
    from node.partners.model import Partner


class Form(StrEnum):
    """How much of an entry a viewer gets."""

    HIDDEN = "hidden"
    CHIFFRE = "chiffre"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class PublicViewer:
    """Anybody, without signing in."""


@dataclass(frozen=True, slots=True)
class PartnerViewer:
    """A remote node that we have a record of, as far as a rule asks about it.

    Attributes:
        partner_id: Our id of it.
        state: Its trust state now.
        released: Whether the office gave it what is for all partners (VIS-076).
        sheet: What we give it, as our office has set it (VIS-080).
        compared: Whether both offices have compared the check number.
    """

    partner_id: str
    state: TrustState
    released: bool = False
    sheet: PolicySheet = ACQUAINTANCE
    compared: bool = False

    @classmethod
    def of(cls, partner: "Partner") -> "PartnerViewer":
        """Return what rules ask about a partner."""
        return cls(
            partner.id,
            partner.state,
            released=partner.released_at is not None,
            sheet=partner.policy_out,
            compared=partner.compared_at is not None,
        )

    def sheet_on(self, today: date) -> PolicySheet:
        """Return what counts of the sheet on a day."""
        return effective(self.sheet, compared=self.compared, today=today)


Viewer: TypeAlias = Person | PartnerViewer | PublicViewer

# States of a partner in which our entries may be with it: while it is paused or
# suspended nothing moves, but nothing is taken back either.
ENTITLED_STATES = ESTABLISHED

# By which a partner sees a public entry; the ledger names it.
RULE_PUBLIC = "VIS-031"
# By which somebody sees the own entry under Chiffre, with the name.
_RULE_OWNER = "VIS-028"


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

    Source: SPEC.md VIS-010 to VIS-041, VIS-060 to VIS-065.
    """
    if entry.state is EntryState.DELETED:
        return _no("VIS-010", Sentence("The entry was deleted."))
    match viewer:
        case Person():
            verdict = _decide_for_person(entry, viewer, today)
        case PartnerViewer():
            verdict = _decide_for_partner(entry, viewer, today)
        case PublicViewer():
            verdict = _decide_for_public(entry, today)
        case _:
            assert_never(viewer)
    if entry.is_chiffre and verdict.form is Form.FULL and verdict.rule != _RULE_OWNER:
        return Verdict(Form.CHIFFRE, verdict.rule, verdict.reason)
    return verdict


def _decide_for_person(entry: Entry, person: Person, today: date) -> Verdict:
    if person.left_at is not None:
        return _no("VIS-020", Sentence("The person no longer belongs to the cluster."))
    if person.is_office:
        return _yes(
            "VIS-021", Sentence("The office sees every entry of its own members.")
        )
    if entry.is_chiffre:
        if _stands_behind(entry, person):
            return _yes(_RULE_OWNER, Sentence("It is the person's own box number."))
    elif person.organisation_id == entry.organisation_id:
        return _yes(
            "VIS-022", Sentence("The entry belongs to the person's organisation.")
        )
    closed = _closed(entry, today)
    if closed is not None:
        return closed
    if person.organisation_id in entry.kept.organisation_ids:
        return _no("VIS-025", Sentence("The entry excludes the person's organisation."))
    return _inside(entry, person)


def _stands_behind(entry: Entry, person: Person) -> bool:
    """Whether a member knows whose Chiffre it is: its own, or as administrator."""
    owner = entry.hidden_owner
    if owner is None or owner.organisation_id != person.organisation_id:
        return False
    return person.role is Role.ORGANISATION_ADMIN or person.id in {
        owner.person_id,
        owner.author_id,
    }


def _inside(entry: Entry, person: Person) -> Verdict:
    """Decide by the audience for a member of another organisation."""
    match entry.audience.level:
        case AudienceLevel.PARTNERS:
            return _no(
                "VIS-023", Sentence("The entry is for named partner clusters only.")
            )
        case AudienceLevel.GROUP:
            if person.organisation_id in entry.group_organisation_ids:
                return _yes("VIS-026", Sentence("The entry is for the person's group."))
            return _no("VIS-027", Sentence("The entry is for a group of members."))
        case AudienceLevel.CLUSTER | AudienceLevel.TRUSTED | AudienceLevel.PUBLIC:
            return _yes("VIS-024", Sentence("The entry is for the whole cluster."))
        case _:
            assert_never(entry.audience.level)


def _decide_for_partner(entry: Entry, partner: PartnerViewer, today: date) -> Verdict:
    if partner.state not in ENTITLED_STATES:
        return _no(
            "VIS-030", Sentence("There is no confirmed partnership with this cluster.")
        )
    refused = (
        _closed(entry, today)
        or _stays_home(entry)
        or _kept_from(entry, partner)
        or _above_ceiling(entry, for_partner=True)
        or _held_back(entry, partner.sheet_on(today))
    )
    if refused is not None:
        return refused
    match entry.open_level:
        case AudienceLevel.PUBLIC:
            return _yes(RULE_PUBLIC, Sentence("The entry is public."))
        case AudienceLevel.TRUSTED if not partner.released:
            return _no(
                "VIS-036",
                Sentence(
                    "The office has not released to this cluster what is for all."
                ),
            )
        case AudienceLevel.TRUSTED:
            return _yes("VIS-032", Sentence("The entry is for all partner clusters."))
        case AudienceLevel.PARTNERS:
            if partner.partner_id in entry.audience.partner_ids:
                return _yes(
                    "VIS-033", Sentence("The entry names this partner cluster.")
                )
            return _no("VIS-034", Sentence("The entry names other partner clusters."))
        case AudienceLevel.CLUSTER | AudienceLevel.GROUP:
            return _no("VIS-035", Sentence("The entry stays in the own cluster."))
        case _:
            assert_never(entry.open_level)


def _decide_for_public(entry: Entry, today: date) -> Verdict:
    refused = (
        _closed(entry, today)
        or _stays_home(entry)
        or _above_ceiling(entry, for_partner=False)
    )
    if refused is not None:
        return refused
    if entry.audience.level is AudienceLevel.PUBLIC:
        return _yes("VIS-040", Sentence("The entry is public."))
    return _no("VIS-041", Sentence("The entry is not public."))


def _closed(entry: Entry, today: date) -> Verdict | None:
    if entry.state is not EntryState.PUBLISHED:
        return _no("VIS-011", Sentence("The entry is not published."))
    if entry.waits_until is not None:
        return _no(
            "VIS-014", Sentence("Under a box number, its hour has not come yet.")
        )
    if entry.valid_until is not None and entry.valid_until < today:
        return _no("VIS-012", Sentence("The entry is past its last day."))
    return None


def _kept_from(entry: Entry, partner: PartnerViewer) -> Verdict | None:
    if partner.partner_id in entry.kept.partner_ids:
        return _no("VIS-060", Sentence("The entry excludes this cluster."))
    if partner.partner_id in entry.kept.hosting_ids:
        return _no(
            "VIS-061",
            Sentence("An organisation that the entry excludes is a member there."),
        )
    return None


def _above_ceiling(entry: Entry, *, for_partner: bool) -> Verdict | None:
    """Say which ceiling keeps an entry from partners, or from the public.

    What is for everybody stays for all partners under a ceiling of "all partners";
    nothing else that is above a ceiling is for anybody in particular outside.
    """
    level, ceilings = entry.audience.level, entry.ceilings
    limits = (
        (
            "VIS-062",
            ceilings.kind,
            Sentence("The office permits less for this kind of entry."),
        ),
        (
            "VIS-063",
            ceilings.organisation,
            Sentence("The owner's organisation permits less."),
        ),
    )
    for rule, ceiling, reason in limits:
        stays = for_partner and ceiling is AudienceLevel.TRUSTED
        if is_above(level, ceiling) and not stays:
            return _no(rule, reason)
    return None


def _stays_home(entry: Entry) -> Verdict | None:
    if entry.personal and not entry.person_consented:
        return _no(
            "VIS-013", Sentence("The person has not agreed to be shown outside.")
        )
    return None


def _held_back(entry: Entry, sheet: PolicySheet) -> Verdict | None:
    """Say why a policy sheet does not let an entry go to a partner."""
    rule = decide_outgoing(
        sheet,
        level=entry.open_level,
        kind=entry.kind,
        content=entry.content,
        is_chiffre=entry.is_chiffre,
    )
    match rule:
        case None:
            return None
        case PolicyRule.AUDIENCE_KIND_OR_TOPIC:
            return _no(
                rule.value,
                Sentence("The rules for this partner cluster keep such entries back."),
            )
        case PolicyRule.PROFILE:
            return _no(
                rule.value,
                Sentence("The rules for this partner cluster keep such profiles back."),
            )
        case _:
            assert_never(rule)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a received entry comes from, as far as a rule asks about it.

    Attributes:
        state: The partner's trust state now.
        verified_at: When it made the newest page that was equal to what we held.
        is_hidden: Whether our office hides its entries.
        is_unverified: Whether we were restored and no such page has come since.
        lease_days: A shorter lease that our office has set for it.
    """

    state: TrustState
    verified_at: datetime | None = None
    is_hidden: bool = False
    is_unverified: bool = False
    lease_days: int | None = None

    @classmethod
    def of(cls, partner: "Partner") -> "Origin":
        """Return what rules ask about a partner."""
        return cls(
            partner.state,
            partner.verified_at,
            is_hidden=partner.hidden_at is not None,
            is_unverified=partner.to_verify_since is not None,
            lease_days=partner.policy_in.lease_days,
        )


def lease_of(entry: ReceivedEntry, origin: Origin, now: datetime) -> LeaseState:
    """Say whether a copy may be shown without a newer word of its origin (FED-153)."""
    return lease_state(
        lease_begin(entry.changed_at, origin.verified_at),
        now=now,
        public=entry.is_public,
        personal=entry.is_personal,
        at_most=None
        if origin.lease_days is None
        else timedelta(days=origin.lease_days),
    )


def decide_received(
    entry: ReceivedEntry, origin: Origin, viewer: Viewer, now: datetime
) -> Verdict:
    """Decide whether `viewer` may see a partner's entry that we hold.

    Only our own members may: nothing received is passed on, also not what its
    origin calls public (SPEC VIS-050 to VIS-059).
    """
    if not isinstance(viewer, Person):
        return _no(
            "VIS-050", Sentence("What a partner sent is for our own members only.")
        )
    if viewer.left_at is not None:
        return _no("VIS-051", Sentence("The person no longer belongs to the cluster."))
    if entry.is_not_taken:
        return _no("VIS-059", Sentence("The office's rules do not take the entry."))
    if entry.state is not ReceivedState.PRESENT:
        return _no("VIS-052", Sentence("The origin took the entry back."))
    if origin.state not in ENTITLED_STATES:
        return _no(
            "VIS-053", Sentence("The partnership with the origin is not active.")
        )
    if entry.valid_until is not None and entry.valid_until < now.date():
        return _no("VIS-054", Sentence("The entry is past its last day."))
    return _not_shown(entry, origin, now) or Verdict(
        form_of(entry),
        "VIS-055",
        Sentence("The origin published the entry for our cluster."),
    )


def form_of(entry: ReceivedEntry) -> Form:
    """Return the form in which a copy came: its origin names the owner, or not."""
    return Form.CHIFFRE if is_chiffre(entry.content) else Form.FULL


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
