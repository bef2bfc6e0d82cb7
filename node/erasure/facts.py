"""What the database itself says about decisions, compared with the journal.

A crash between a commit and the journal's line leaves the journal behind; the next
start adds what is missing. The other way round, a journal that is ahead shows that
an older database was put in its place.

Source: SPEC.md NOD-068, NOD-069.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from federation.version import Version
from node.catalogue.model import AudienceLevel, EntryState, Kept
from node.erasure.decisions import (
    ClosingDecision,
    Decided,
    Decision,
    EntryDecision,
    NodeMark,
    PartnerDecision,
    PartnerKeyDecision,
    PersonDecision,
    Reached,
    SettingDecision,
    narrowed_by,
    of_key,
    of_partner_keys,
    policy_line,
    setting_of_group,
    setting_of_kind,
    setting_of_organisation,
)
from node.keys.model import NodeKey
from node.members.model import Role
from node.storage.ceilings import kind_settings
from node.storage.database import Transaction
from node.storage.decision_numbers import decisions_made
from node.storage.exclusions import kept_of
from node.storage.groups import list_groups
from node.storage.members import list_organisations
from node.storage.node_keys import list_keys
from node.storage.node_state import NodeState, require_node_state
from node.storage.partner_keys import revoked_keys
from node.storage.partners import list_partners
from node.storage.received import purged_last
from node.storage.tables import entries, entry_audience_partners, persons


@dataclass(frozen=True, slots=True)
class Facts:
    """How everything stands in the database that a decision may be about.

    Attributes:
        number: Of the newest transaction that has decided something.
    """

    number: int
    state: NodeState
    entries: dict[str, EntryDecision]
    settings: tuple[SettingDecision, ...]
    persons: dict[str, PersonDecision]
    partners: dict[str, PartnerDecision]
    partner_keys: tuple[PartnerKeyDecision, ...]
    keys: tuple[NodeKey, ...]


async def read_facts(tx: Transaction) -> Facts:
    """Read them from one snapshot."""
    purged = await purged_last(tx)
    return Facts(
        number=await decisions_made(tx),
        state=await require_node_state(tx),
        entries={each.id: each for each in await entry_facts(tx)},
        settings=tuple(await _settings(tx)),
        persons=await _persons(tx),
        partners={
            each.id: PartnerDecision(
                id=each.id,
                state=each.state,
                hidden=each.hidden_at is not None,
                purged_at=purged.get(each.id),
                given=policy_line(each.policy_out),
                taken=policy_line(each.policy_in),
            )
            for each in await list_partners(tx)
        },
        partner_keys=tuple(of_partner_keys(await revoked_keys(tx))),
        keys=tuple(await list_keys(tx)),
    )


async def entry_facts(tx: Transaction) -> list[EntryDecision]:
    """Read how every entry of ours stands."""
    named: dict[str, list[str]] = {}
    for link in await tx.all(select(entry_audience_partners)):
        named.setdefault(link.entry_id, []).append(link.partner_id)
    rows = await tx.all(
        select(
            entries.c.id,
            entries.c.incarnation,
            entries.c.counter,
            entries.c.state,
            entries.c.audience_level,
            entries.c.group_id,
            entries.c.is_chiffre,
            entries.c.exclusions_id,
            entries.c.home_fields,
            entries.c.updated_at,
            entries.c.closed_at,
        )
    )
    excluding = [row.id for row in rows if row.exclusions_id is not None]
    kept = await kept_of(tx, excluding) if excluding else {}
    return [
        EntryDecision(
            id=row.id,
            version=Version(row.incarnation, row.counter),
            state=EntryState(row.state),
            level=AudienceLevel(row.audience_level),
            partners=tuple(sorted(named.get(row.id, ()))),
            kept=narrowed_by(
                kept.get(row.id, Kept()),
                group_id=row.group_id,
                is_chiffre=row.is_chiffre,
                exclusions_id=row.exclusions_id,
                home_fields=row.home_fields or (),
            ),
            at=max(row.updated_at, row.closed_at or row.updated_at),
        )
        for row in rows
    ]


async def _settings(tx: Transaction) -> list[SettingDecision]:
    kinds = (await kind_settings(tx)).values()
    return [
        *(setting_of_kind(each.kind, each.ceiling) for each in kinds),
        *(
            setting_of_organisation(each.id, AudienceLevel(each.ceiling))
            for each in await list_organisations(tx)
            if each.ceiling is not None
        ),
        *(
            setting_of_group(each.id, each.organisation_ids)
            for each in await list_groups(tx)
        ),
    ]


async def _persons(tx: Transaction) -> dict[str, PersonDecision]:
    rows = await tx.all(
        select(
            persons.c.id,
            persons.c.left_at,
            persons.c.consent_on,
            persons.c.role,
            persons.c.updated_at,
        )
    )
    return {
        row.id: PersonDecision(
            id=row.id,
            left=row.left_at is not None,
            consented=row.consent_on is not None,
            role=Role(row.role),
            at=row.updated_at,
        )
        for row in rows
    }


def is_ahead(journal: Decided, facts: Facts) -> bool:
    """Whether the journal knows of something that this database has not seen.

    A line is written after its commit only, so the database was put back.
    """
    return journal.reached > facts.number


def missing_lines(
    journal: Decided, facts: Facts, *, now: datetime, kept: timedelta
) -> Iterator[Decision]:
    """Yield what the journal does not say yet; the database is not behind it."""
    mark, state = journal.mark, facts.state
    if mark is None or (mark.incarnation, mark.epoch) != (
        state.incarnation,
        state.epoch,
    ):
        yield NodeMark(incarnation=state.incarnation, epoch=state.epoch, at=now)
    if state.closing_since is not None and journal.closing is None:
        yield ClosingDecision(since=state.closing_since)
    yield from _missing_of_entries(journal, facts, now - kept)
    for setting in facts.settings:
        if journal.settings.get(setting.name) != setting:
            yield setting
    yield from _missing_of_persons(journal, facts, now - kept)
    yield from _missing_of_partners(journal, facts)
    for key in facts.keys:
        if journal.keys.get(key.number) != of_key(key):
            yield of_key(key)
    if journal.reached < facts.number:
        yield Reached(number=facts.number)


def _missing_of_entries(
    journal: Decided, facts: Facts, horizon: datetime
) -> Iterator[Decision]:
    for entry in facts.entries.values():
        known = journal.entries.get(entry.id)
        if entry.at < horizon:
            continue
        if known is None or known.rank < entry.rank:
            yield entry
        elif known.rank == entry.rank and known.kept != entry.kept:
            yield entry  # a partner's members were heard of
        elif journal.decided_in[entry.id] < facts.state.incarnation and (
            (known.state, known.level, known.partners)
            != (entry.state, entry.level, entry.partners)
        ):
            yield entry  # decided after a restore, of an older version


def _missing_of_persons(
    journal: Decided, facts: Facts, horizon: datetime
) -> Iterator[Decision]:
    for person in facts.persons.values():
        said = journal.persons.get(person.id)
        is_new = said is None or person != replace(said, password_at=None, at=person.at)
        if person.at >= horizon and is_new and (said is None or said.at <= person.at):
            yield person


def _missing_of_partners(journal: Decided, facts: Facts) -> Iterator[Decision]:
    for partner in facts.partners.values():
        known = journal.partners.get(partner.id)
        before = None if known is None else known.purged_at
        stands = replace(partner, purged=None, purged_at=None)
        if known is None or replace(known, purged=None, purged_at=None) != stands:
            yield replace(partner, purged_at=None)
        # A purge that was undone leaves copies with the time of the one that is known.
        if partner.purged_at is not None and (
            before is None or before < partner.purged_at
        ):
            yield PartnerDecision(
                id=partner.id, purged=True, purged_at=partner.purged_at
            )
    for key in facts.partner_keys:
        if key.id not in journal.partner_keys:
            yield key
