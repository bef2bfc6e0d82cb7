"""The rules of `node.visibility.rules` as SQL filters for lists.

Both say the same for every viewer and entry; tests/property/test_visibility.py
compares them on random worlds. Change one, change the other.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import assert_never

from sqlalchemy import (
    ColumnElement,
    Table,
    and_,
    exists,
    false,
    not_,
    or_,
    select,
)

from federation.lease import lease_length
from node.catalogue.model import AudienceLevel, EntryState, ReceivedState
from node.members.model import Person, Role
from node.storage.tables import (
    chiffre_owners,
    entries,
    entry_audience_partners,
    entry_excluded_partners,
    entry_hosting_partners,
    entry_kept_organisations,
    group_organisations,
    kind_audiences,
    organisations,
    partners,
    persons,
    received_entries,
)
from node.visibility.policy_sql import leased_by_policy, let_out
from node.visibility.rules import (
    ENTITLED_STATES,
    PartnerViewer,
    PublicViewer,
    Viewer,
)
from schemas import KINDS

_AT_HOME = (AudienceLevel.GROUP, AudienceLevel.CLUSTER)
_FOR_ALL_PARTNERS = (AudienceLevel.TRUSTED, AudienceLevel.PUBLIC)
_FOR_THE_CLUSTER = (AudienceLevel.CLUSTER, *_FOR_ALL_PARTNERS)
_BELOW_PUBLIC = tuple(each for each in AudienceLevel if each != AudienceLevel.PUBLIC)
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
                not_(_has_ceiling(_BELOW_PUBLIC)),
            )
        case _:
            assert_never(viewer)


def _open(today: date) -> ColumnElement[bool]:
    return and_(
        entries.c.state == EntryState.PUBLISHED,
        entries.c.waits_until.is_(None),
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
        and_(
            entries.c.is_chiffre.is_(False),
            entries.c.organisation_id == person.organisation_id,
        ),
        and_(entries.c.is_chiffre, stands_behind(person)),
        and_(
            _open(today),
            or_(
                entries.c.exclusions_id.is_(None),
                not_(_is_kept(entry_kept_organisations, person)),
            ),
            or_(
                entries.c.audience_level.in_(_FOR_THE_CLUSTER),
                and_(
                    entries.c.audience_level == AudienceLevel.GROUP,
                    _in_group(person),
                ),
            ),
        ),
    )


def stands_behind(person: Person) -> ColumnElement[bool]:
    """Entries under Chiffre of which a member knows that they are the own ones."""
    wanted = [chiffre_owners.c.organisation_id == person.organisation_id]
    if person.role is not Role.ORGANISATION_ADMIN:
        wanted.append(
            or_(
                chiffre_owners.c.person_id == person.id,
                chiffre_owners.c.author_id == person.id,
            )
        )
    return exists(
        select(chiffre_owners.c.entry_id)
        .where(chiffre_owners.c.entry_id == entries.c.id, *wanted)
        .correlate(entries)
    )


def _in_group(person: Person) -> ColumnElement[bool]:
    return exists(
        select(group_organisations.c.group_id)
        .where(
            group_organisations.c.group_id == entries.c.group_id,
            group_organisations.c.organisation_id == person.organisation_id,
        )
        .correlate(entries)
    )


def _is_kept(table: Table, viewer: Person | PartnerViewer) -> ColumnElement[bool]:
    """Whether an entry is kept from a viewer by a row of one of three tables."""
    column, wanted = (
        (table.c.organisation_id, viewer.organisation_id)
        if isinstance(viewer, Person)
        else (table.c.partner_id, viewer.partner_id)
    )
    return exists(
        select(table.c.entry_id)
        .where(table.c.entry_id == entries.c.id, column == wanted)
        .correlate(entries)
    )


def _has_ceiling(ceilings: Sequence[AudienceLevel]) -> ColumnElement[bool]:
    """Whether the ceiling of the kind or of the organisation is one of these."""
    of_kind = exists(
        select(kind_audiences.c.kind)
        .where(
            kind_audiences.c.kind == entries.c.kind,
            kind_audiences.c.ceiling.in_(ceilings),
        )
        .correlate(entries)
    )
    of_organisation = exists(
        select(organisations.c.id)
        .where(
            organisations.c.id == entries.c.organisation_id,
            organisations.c.ceiling.in_(ceilings),
        )
        .correlate(entries)
    )
    behind_chiffre = exists(
        select(organisations.c.id)
        .join(chiffre_owners, chiffre_owners.c.organisation_id == organisations.c.id)
        .where(
            chiffre_owners.c.entry_id == entries.c.id,
            organisations.c.ceiling.in_(ceilings),
        )
        .correlate(entries)
    )
    return or_(
        of_kind,
        and_(entries.c.is_chiffre.is_(False), of_organisation),
        and_(entries.c.is_chiffre, behind_chiffre),
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
    for_all: ColumnElement[bool] = entries.c.audience_level.in_(_FOR_ALL_PARTNERS)
    is_public = and_(
        entries.c.audience_level == AudienceLevel.PUBLIC,
        not_(_has_ceiling([AudienceLevel.TRUSTED])),
    )
    if not partner.released:
        for_all = is_public
    return and_(
        _open(today),
        _may_leave(),
        or_(
            entries.c.exclusions_id.is_(None),
            and_(
                not_(_is_kept(entry_excluded_partners, partner)),
                not_(_is_kept(entry_hosting_partners, partner)),
            ),
        ),
        not_(_has_ceiling(_AT_HOME)),
        let_out(partner.sheet_on(today), is_public=is_public),
        or_(
            and_(for_all, not_(_has_ceiling([AudienceLevel.PARTNERS]))),
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
        leased_by_policy(now),
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
