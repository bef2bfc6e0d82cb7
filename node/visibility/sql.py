"""The rules of `node.visibility.rules` as SQL filters for lists.

Both say the same for every viewer and entry; tests/property/test_visibility.py
compares them on random worlds. Change one, change the other.
"""

from datetime import date, datetime
from typing import assert_never

from sqlalchemy import ColumnElement, and_, exists, false, or_, select

from federation.lease import lease_length
from node.catalogue.model import AudienceLevel, EntryState, ReceivedState
from node.members.model import Person
from node.storage.tables import (
    entries,
    entry_audience_partners,
    partners,
    persons,
    received_entries,
)
from node.visibility.rules import (
    ENTITLED_STATES,
    PartnerViewer,
    PublicViewer,
    Viewer,
)
from schemas import KINDS

_PERSONAL_KINDS = sorted(name for name, kind in KINDS.items() if kind.personal)


def visible_entries(viewer: Viewer, today: date) -> ColumnElement[bool]:
    """Filter over `entries` that keeps what `decide_entry` would show."""
    not_deleted = entries.c.state != EntryState.DELETED
    match viewer:
        case Person():
            return and_(not_deleted, _for_person(viewer, today))
        case PartnerViewer():
            return _for_partner(viewer, today)
        case PublicViewer():
            return and_(
                _open(today),
                _may_leave(),
                entries.c.audience_level == AudienceLevel.PUBLIC,
            )
        case _:
            assert_never(viewer)


def _open(today: date) -> ColumnElement[bool]:
    return and_(
        entries.c.state == EntryState.PUBLISHED,
        or_(entries.c.valid_until.is_(None), entries.c.valid_until >= today),
    )


def _may_leave() -> ColumnElement[bool]:
    # Correlated with `entries` alone: the query around it may join persons itself.
    consented = exists(
        select(persons.c.id)
        .where(
            persons.c.id == entries.c.person_id,
            persons.c.consent_on.is_not(None),
            persons.c.consent_source.is_not(None),
            persons.c.consent_source != "",
        )
        .correlate(entries)
    )
    return or_(entries.c.kind.not_in(_PERSONAL_KINDS), consented)


def _for_person(person: Person, today: date) -> ColumnElement[bool]:
    if person.left_at is not None:
        return false()
    if person.is_office:
        return entries.c.id.is_not(None)
    return or_(
        entries.c.organisation_id == person.organisation_id,
        and_(_open(today), entries.c.audience_level != AudienceLevel.PARTNERS),
    )


def _for_partner(partner: PartnerViewer, today: date) -> ColumnElement[bool]:
    if partner.state not in ENTITLED_STATES:
        return false()
    named = exists(
        select(entry_audience_partners.c.entry_id)
        .where(
            entry_audience_partners.c.entry_id == entries.c.id,
            entry_audience_partners.c.partner_id == partner.partner_id,
        )
        .correlate(entries)
    )
    return and_(
        _open(today),
        _may_leave(),
        or_(
            entries.c.audience_level.in_([AudienceLevel.PUBLIC, AudienceLevel.TRUSTED]),
            and_(entries.c.audience_level == AudienceLevel.PARTNERS, named),
        ),
    )


def visible_received(viewer: Viewer, now: datetime) -> ColumnElement[bool]:
    """Filter over `received_entries` joined with `partners`; see `decide_received`."""
    if not isinstance(viewer, Person) or viewer.left_at is not None:
        return false()
    return and_(
        received_entries.c.state == ReceivedState.PRESENT,
        partners.c.state.in_(sorted(state.value for state in ENTITLED_STATES)),
        or_(
            received_entries.c.valid_until.is_(None),
            received_entries.c.valid_until >= now.date(),
        ),
        partners.c.hidden_at.is_(None),
        partners.c.to_verify_since.is_(None),
        or_(
            received_entries.c.is_public,
            and_(
                received_entries.c.is_personal,
                _leased_since(now - lease_length(personal=True)),
            ),
            and_(
                received_entries.c.is_personal.is_(False),
                _leased_since(now - lease_length(personal=False)),
            ),
        ),
    )


def _leased_since(moment: datetime) -> ColumnElement[bool]:
    """Copies that came, or were found to be equal, after a moment."""
    return or_(received_entries.c.changed_at > moment, partners.c.verified_at > moment)
