"""The precedence table of SPEC.md chapter 6, row by row."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from federation.lease import LeaseState
from federation.trust import TrustState
from federation.version import Version
from node.catalogue.model import (
    Audience,
    AudienceLevel,
    Ceilings,
    Entry,
    EntryState,
    Kept,
    ReceivedEntry,
    ReceivedState,
)
from node.members.model import Person, Role
from node.visibility import (
    Origin,
    PartnerViewer,
    PublicViewer,
    Viewer,
    decide_entry,
    decide_received,
    lease_of,
)
from node.visibility.policy import PolicySheet, Preset, Profiles

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)
YESTERDAY = date(2026, 11, 20)

ENTRY = Entry(
    id="e",
    uri="https://a.example/entries/e",
    kind="capacity_offer",
    state=EntryState.PUBLISHED,
    version=Version(1, 1),
    organisation_id="owner",
    organisation_name="Owner",
    person_id="author",
    person_name="Author",
    person_consented=False,
    personal=False,
    audience=Audience(AudienceLevel.TRUSTED),
    content={"title": {}, "summary": {}},
    valid_until=TODAY,
    created_at=NOW,
    updated_at=NOW,
)
MEMBER = Person(
    id="m",
    organisation_id="other",
    organisation_name="Other",
    email="m@a.example",
    name="M",
    role=Role.PERSON,
    language="de",
)
COLLEAGUE = replace(MEMBER, id="c", organisation_id="owner")
OFFICE = replace(MEMBER, id="o", role=Role.OFFICE)
_KNOWN: dict[str, Any] = {
    "released": True,
    "sheet": PolicySheet(Preset.CLOSE),
    "compared": True,
}
PARTNER = PartnerViewer("p", TrustState.ACTIVE, **_KNOWN)
STRANGER = PartnerViewer("q", TrustState.ACTIVE, **_KNOWN)
UNRELEASED = replace(PARTNER, released=False)
PUBLIC = PublicViewer()


def with_sheet(preset: Preset, *, compared: bool = True, **said: Any) -> PartnerViewer:
    """The partner under a policy sheet."""
    return replace(PARTNER, sheet=PolicySheet(preset, **said), compared=compared)


MET = with_sheet(Preset.ACQUAINTANCE)
USUAL = with_sheet(Preset.PARTNER)
NO_CHIFFRE = with_sheet(Preset.CLOSE, chiffre=False)
NAMED = Audience(AudienceLevel.PARTNERS, frozenset({"p"}))
GROUP = {"audience": Audience(AudienceLevel.GROUP, group_id="g")}
EXCLUDES_US = {"kept": Kept(organisation_ids=frozenset({"other"}))}
EXCLUDES_P = {"kept": Kept(partner_ids=frozenset({"p"}))}
FOUND_AT_P = {"kept": Kept(hosting_ids=frozenset({"p"}))}
PROFILE = {"kind": "expert_profile", "personal": True, "person_consented": True}
KIND = frozenset({"capacity_offer"})
TOPIC = frozenset({"Laser  Technik"})
ABOUT_IT = {"content": {"title": {}, "summary": {}, "topics": ["laser technik"]}}


def audience(level: AudienceLevel) -> dict[str, Any]:
    return {"audience": Audience(level)}


def ceiling(level: str, **limits: str) -> dict[str, Any]:
    """An entry for `level` under the ceilings of its kind and its organisation."""
    found = {name: AudienceLevel(limit) for name, limit in limits.items()}
    named = frozenset({"p"}) if level == "partners" else frozenset()
    return {
        "audience": Audience(AudienceLevel(level), named),
        "ceilings": Ceilings(**found),
    }


@pytest.mark.parametrize(
    ("rule", "viewer", "changes", "visible"),
    [
        ("VIS-010", OFFICE, {"state": EntryState.DELETED}, False),
        ("VIS-010", COLLEAGUE, {"state": EntryState.DELETED}, False),
        ("VIS-020", replace(OFFICE, left_at=NOW), {}, False),
        ("VIS-020", replace(COLLEAGUE, left_at=NOW), {}, False),
        ("VIS-021", OFFICE, {"state": EntryState.DRAFT}, True),
        ("VIS-021", OFFICE, {"audience": NAMED}, True),
        ("VIS-022", COLLEAGUE, {"state": EntryState.WITHDRAWN}, True),
        ("VIS-022", COLLEAGUE, {"audience": NAMED}, True),
        ("VIS-011", MEMBER, {"state": EntryState.DRAFT}, False),
        ("VIS-011", MEMBER, {"state": EntryState.FULFILLED}, False),
        ("VIS-011", PARTNER, {"state": EntryState.WITHDRAWN}, False),
        ("VIS-011", PUBLIC, {"state": EntryState.EXPIRED}, False),
        ("VIS-012", MEMBER, {"valid_until": YESTERDAY}, False),
        ("VIS-012", PARTNER, {"valid_until": YESTERDAY}, False),
        ("VIS-012", PUBLIC, {"valid_until": YESTERDAY}, False),
        ("VIS-025", MEMBER, EXCLUDES_US, False),
        ("VIS-025", MEMBER, {**EXCLUDES_US, "audience": NAMED}, False),
        ("VIS-025", MEMBER, {**EXCLUDES_US, **GROUP}, False),
        ("VIS-021", OFFICE, EXCLUDES_US, True),
        (
            "VIS-022",
            COLLEAGUE,
            {"kept": Kept(frozenset(), frozenset(), frozenset({"owner"}))},
            True,
        ),
        ("VIS-024", MEMBER, EXCLUDES_P, True),
        ("VIS-023", MEMBER, {"audience": NAMED}, False),
        (
            "VIS-026",
            MEMBER,
            {**GROUP, "group_organisation_ids": frozenset({"other"})},
            True,
        ),
        (
            "VIS-027",
            MEMBER,
            {**GROUP, "group_organisation_ids": frozenset({"third"})},
            False,
        ),
        ("VIS-027", MEMBER, {"audience": Audience(AudienceLevel.GROUP)}, False),
        ("VIS-024", MEMBER, {}, True),
        ("VIS-024", MEMBER, ceiling("public", kind="cluster"), True),
        ("VIS-024", MEMBER, audience(AudienceLevel.CLUSTER), True),
        ("VIS-024", MEMBER, audience(AudienceLevel.PUBLIC), True),
        ("VIS-024", MEMBER, {"personal": True}, True),
        ("VIS-030", PartnerViewer("p", TrustState.REQUESTED), {}, False),
        ("VIS-030", PartnerViewer("p", TrustState.WAITING), {}, False),
        ("VIS-030", PartnerViewer("p", TrustState.REFUSED), {}, False),
        ("VIS-030", PartnerViewer("p", TrustState.ENDING), {}, False),
        ("VIS-030", PartnerViewer("p", TrustState.ENDED), {}, False),
        ("VIS-030", PartnerViewer("p", TrustState.ENDED), {"audience": NAMED}, False),
        ("VIS-013", PARTNER, {"personal": True}, False),
        (
            "VIS-013",
            PUBLIC,
            {"personal": True, **audience(AudienceLevel.PUBLIC)},
            False,
        ),
        ("VIS-032", PARTNER, {"personal": True, "person_consented": True}, True),
        ("VIS-060", PARTNER, EXCLUDES_P, False),
        ("VIS-060", PARTNER, {**EXCLUDES_P, "audience": NAMED}, False),
        ("VIS-032", STRANGER, EXCLUDES_P, True),
        ("VIS-061", PARTNER, FOUND_AT_P, False),
        ("VIS-061", PARTNER, {**FOUND_AT_P, "audience": NAMED}, False),
        ("VIS-032", STRANGER, FOUND_AT_P, True),
        ("VIS-062", PARTNER, ceiling("trusted", kind="partners"), False),
        ("VIS-062", PARTNER, ceiling("public", kind="cluster"), False),
        ("VIS-062", PARTNER, ceiling("partners", kind="group"), False),
        ("VIS-033", PARTNER, ceiling("partners", kind="partners"), True),
        ("VIS-062", PUBLIC, ceiling("public", kind="trusted"), False),
        ("VIS-062", PUBLIC, ceiling("trusted", kind="cluster"), False),
        ("VIS-063", PARTNER, ceiling("trusted", organisation="cluster"), False),
        (
            "VIS-063",
            PARTNER,
            ceiling("trusted", kind="trusted", organisation="partners"),
            False,
        ),
        ("VIS-063", PUBLIC, ceiling("public", organisation="trusted"), False),
        # What is for everybody stays for all partners under their ceiling.
        ("VIS-032", PARTNER, ceiling("public", kind="trusted"), True),
        ("VIS-032", PARTNER, ceiling("public", organisation="trusted"), True),
        ("VIS-036", UNRELEASED, ceiling("public", kind="trusted"), False),
        ("VIS-036", UNRELEASED, {}, False),
        ("VIS-031", UNRELEASED, audience(AudienceLevel.PUBLIC), True),
        ("VIS-033", UNRELEASED, {"audience": NAMED}, True),
        ("VIS-064", MET, {}, False),
        ("VIS-064", MET, {"audience": NAMED}, False),
        ("VIS-064", MET, PROFILE, False),
        ("VIS-035", MET, audience(AudienceLevel.CLUSTER), False),
        ("VIS-031", MET, audience(AudienceLevel.PUBLIC), True),
        ("VIS-065", MET, {**PROFILE, **audience(AudienceLevel.PUBLIC)}, False),
        (
            "VIS-031",
            MET,
            {"kind": "organisation_profile", **audience(AudienceLevel.PUBLIC)},
            True,
        ),
        ("VIS-064", replace(USUAL, compared=False), {}, False),
        (
            "VIS-031",
            replace(USUAL, compared=False),
            audience(AudienceLevel.PUBLIC),
            True,
        ),
        ("VIS-064", with_sheet(Preset.CLOSE, valid_until=YESTERDAY), {}, False),
        ("VIS-032", with_sheet(Preset.CLOSE, valid_until=TODAY), {}, True),
        ("VIS-032", USUAL, {}, True),
        ("VIS-033", USUAL, {"audience": NAMED}, True),
        ("VIS-065", USUAL, PROFILE, False),
        ("VIS-032", USUAL, {"kind": "organisation_profile"}, True),
        (
            "VIS-032",
            with_sheet(Preset.PARTNER, profiles=Profiles.PERSONS),
            PROFILE,
            True,
        ),
        (
            "VIS-065",
            with_sheet(Preset.CLOSE, profiles=Profiles.NONE),
            {"kind": "organisation_profile"},
            False,
        ),
        ("VIS-064", with_sheet(Preset.CLOSE, closed_kinds=KIND), {}, False),
        (
            "VIS-064",
            with_sheet(Preset.CLOSE, closed_kinds=KIND),
            audience(AudienceLevel.PUBLIC),
            False,
        ),
        ("VIS-064", with_sheet(Preset.CLOSE, closed_topics=TOPIC), ABOUT_IT, False),
        ("VIS-032", with_sheet(Preset.CLOSE, closed_topics=TOPIC), {}, True),
        ("VIS-064", MET, {"is_chiffre": True, **audience(AudienceLevel.PUBLIC)}, False),
        ("VIS-032", USUAL, {"is_chiffre": True}, True),
        (
            "VIS-064",
            with_sheet(Preset.CLOSE, chiffre=False),
            {"is_chiffre": True},
            False,
        ),
        ("VIS-013", MET, {"personal": True}, False),
        ("VIS-031", PARTNER, audience(AudienceLevel.PUBLIC), True),
        ("VIS-032", replace(PARTNER, state=TrustState.PAUSED), {}, True),
        ("VIS-033", PARTNER, {"audience": NAMED}, True),
        ("VIS-034", STRANGER, {"audience": NAMED}, False),
        ("VIS-035", PARTNER, audience(AudienceLevel.CLUSTER), False),
        (
            "VIS-035",
            PARTNER,
            {**GROUP, "group_organisation_ids": frozenset({"other"})},
            False,
        ),
        ("VIS-041", PUBLIC, GROUP, False),
        ("VIS-040", PUBLIC, audience(AudienceLevel.PUBLIC), True),
        ("VIS-041", PUBLIC, {}, False),
        ("VIS-041", PUBLIC, {"audience": NAMED}, False),
    ],
)
def test_own_entry(
    rule: str, viewer: Viewer, changes: dict[str, Any], visible: bool
) -> None:
    verdict = decide_entry(replace(ENTRY, **changes), viewer, TODAY)
    assert (verdict.rule, verdict.visible) == (rule, visible)
    assert verdict.reason


def test_last_day_still_counts() -> None:
    assert decide_entry(ENTRY, PARTNER, TODAY).visible
    without_end = replace(ENTRY, valid_until=None)
    assert decide_entry(without_end, PARTNER, TODAY).visible


RECEIVED = ReceivedEntry(
    id="r",
    uri="https://b.example/entries/r",
    partner_id="p",
    partner_name="B",
    state=ReceivedState.PRESENT,
    kind="event",
    known_kind=True,
    version=Version(1, 1),
    content={},
    owner=None,
    is_public=True,
    is_personal=False,
    valid_until=TODAY,
    published_at=NOW,
    updated_at=NOW,
    first_received_at=NOW,
    changed_at=NOW,
)


@pytest.mark.parametrize(
    ("rule", "viewer", "state", "changes", "visible"),
    [
        ("VIS-050", PUBLIC, TrustState.ACTIVE, {}, False),
        ("VIS-050", STRANGER, TrustState.ACTIVE, {}, False),
        ("VIS-050", PARTNER, TrustState.ACTIVE, {}, False),
        ("VIS-051", replace(MEMBER, left_at=NOW), TrustState.ACTIVE, {}, False),
        ("VIS-052", OFFICE, TrustState.ACTIVE, {"state": "withdrawn"}, False),
        ("VIS-052", OFFICE, TrustState.ACTIVE, {"state": "deleted"}, False),
        ("VIS-052", OFFICE, TrustState.ACTIVE, {"state": "quarantined"}, False),
        (
            "VIS-059",
            OFFICE,
            TrustState.ACTIVE,
            {"state": "quarantined", "is_not_taken": True},
            False,
        ),
        ("VIS-053", OFFICE, TrustState.ENDED, {}, False),
        ("VIS-053", MEMBER, TrustState.ENDING, {}, False),
        ("VIS-054", MEMBER, TrustState.ACTIVE, {"valid_until": YESTERDAY}, False),
        ("VIS-055", MEMBER, TrustState.ACTIVE, {}, True),
        ("VIS-055", MEMBER, TrustState.PAUSED, {"is_public": False}, True),
    ],
)
def test_received_entry(
    rule: str,
    viewer: Viewer,
    state: TrustState,
    changes: dict[str, Any],
    visible: bool,
) -> None:
    if "state" in changes:
        changes = {**changes, "state": ReceivedState(changes["state"])}
    received = replace(RECEIVED, **changes)
    verdict = decide_received(received, Origin(state), viewer, NOW)
    assert (verdict.rule, verdict.visible) == (rule, visible)
    assert verdict.reason


@pytest.mark.parametrize(
    ("rule", "origin", "changes", "days", "visible"),
    [
        ("VIS-056", {"is_hidden": True}, {}, 0, False),
        ("VIS-057", {"is_unverified": True}, {}, 0, False),
        # From the day on which it came.
        ("VIS-055", {}, {"is_public": False}, 29.99, True),
        ("VIS-058", {}, {"is_public": False}, 30, False),
        ("VIS-055", {}, {"is_public": False, "is_personal": True}, 13.99, True),
        ("VIS-058", {}, {"is_public": False, "is_personal": True}, 14, False),
        # A policy sheet makes it shorter, never longer.
        ("VIS-055", {"lease_days": 5}, {"is_public": False}, 4.99, True),
        ("VIS-058", {"lease_days": 5}, {"is_public": False}, 5, False),
        ("VIS-055", {"lease_days": 5}, {}, 5, True),
        (
            "VIS-058",
            {"lease_days": 20},
            {"is_public": False, "is_personal": True},
            14,
            False,
        ),
        # A public copy is never hidden by its lease, whatever is in it.
        ("VIS-055", {}, {"is_personal": True}, 4_000, True),
        # From the last equal comparison, if that is later.
        ("VIS-055", {"verified_at": 10}, {"is_public": False}, 39.99, True),
        ("VIS-058", {"verified_at": 10}, {"is_public": False}, 40, False),
        ("VIS-055", {"verified_at": -10}, {"is_public": False}, 29.99, True),
        # A clock that goes back hides nothing.
        ("VIS-055", {}, {"is_public": False}, -400, True),
    ],
)
def test_hidden_restored_and_lapsed(
    rule: str,
    origin: dict[str, Any],
    changes: dict[str, Any],
    days: float,
    visible: bool,
) -> None:
    if "verified_at" in origin:
        verified = NOW + timedelta(days=origin["verified_at"])
        origin = {"verified_at": verified}
    received = replace(RECEIVED, **{"valid_until": None, **changes})
    verdict = decide_received(
        received,
        Origin(TrustState.ACTIVE, **origin),
        MEMBER,
        NOW + timedelta(days=days),
    )
    assert (verdict.rule, verdict.visible) == (rule, visible)


@pytest.mark.parametrize(
    ("days", "public", "state"),
    [
        (13.99, True, LeaseState.CONFIRMED),
        (14, True, LeaseState.UNCONFIRMED),
        (13.99, False, LeaseState.CONFIRMED),
        (14, False, LeaseState.UNCONFIRMED),
        (30, False, LeaseState.LAPSED),
        (400, True, LeaseState.UNCONFIRMED),
    ],
)
def test_readers_are_told_what_is_not_confirmed(
    days: float, public: bool, state: LeaseState
) -> None:
    received = replace(RECEIVED, is_public=public)
    origin = Origin(TrustState.ACTIVE)
    assert lease_of(received, origin, NOW + timedelta(days=days)) is state
