"""What the database itself says about decisions, compared with the journal.

A crash between a commit and the journal's line leaves the journal behind; the next
start adds what is missing. The other way round, a journal that is ahead shows that
an older database was put in its place.

Source: SPEC.md NOD-068, NOD-069.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from federation.version import Version
from node.catalogue.model import AudienceLevel, EntryState
from node.erasure.decisions import (
    Decided,
    Decision,
    EntryDecision,
    NodeMark,
    PartnerDecision,
    PersonDecision,
    of_key,
)
from node.keys.model import NodeKey
from node.storage.database import Transaction
from node.storage.node_keys import list_keys
from node.storage.node_state import NodeState, require_node_state
from node.storage.partners import list_partners
from node.storage.tables import entries, entry_audience_partners, persons


@dataclass(frozen=True, slots=True)
class Facts:
    """How everything stands in the database that a decision may be about."""

    state: NodeState
    entries: dict[str, EntryDecision]
    persons: dict[str, PersonDecision]
    partners: dict[str, PartnerDecision]
    keys: tuple[NodeKey, ...]


async def read_facts(tx: Transaction) -> Facts:
    """Read them from one snapshot."""
    return Facts(
        state=await require_node_state(tx),
        entries={each.id: each for each in await entry_facts(tx)},
        persons=await _persons(tx),
        partners={
            each.id: PartnerDecision(
                id=each.id, state=each.state, hidden=each.hidden_at is not None
            )
            for each in await list_partners(tx)
        },
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
            entries.c.updated_at,
            entries.c.closed_at,
        )
    )
    return [
        EntryDecision(
            id=row.id,
            version=Version(row.incarnation, row.counter),
            state=EntryState(row.state),
            level=AudienceLevel(row.audience_level),
            partners=tuple(sorted(named.get(row.id, ()))),
            at=max(row.updated_at, row.closed_at or row.updated_at),
        )
        for row in rows
    ]


async def _persons(tx: Transaction) -> dict[str, PersonDecision]:
    rows = await tx.all(
        select(
            persons.c.id, persons.c.left_at, persons.c.consent_on, persons.c.updated_at
        )
    )
    return {
        row.id: PersonDecision(
            id=row.id,
            left=row.left_at is not None,
            consented=row.consent_on is not None,
            at=row.updated_at,
        )
        for row in rows
    }


def is_ahead(journal: Decided, facts: Facts) -> bool:
    """Whether the journal knows of something that this database has not seen.

    A line is written after its commit only, so the database was put back.
    """
    mark = journal.mark
    if mark is not None and mark.incarnation > facts.state.incarnation:
        return True
    if mark is not None and mark.incarnation < facts.state.incarnation:
        return False  # a restore was cut off before it wrote its own mark
    if mark is not None and mark.epoch != facts.state.epoch:
        return True
    known = {key.number for key in facts.keys}
    if not journal.keys_since_mark <= known:
        return True
    return any(
        each.id not in facts.entries or facts.entries[each.id].rank < each.rank
        for each in journal.since_mark.values()
    )


def missing_lines(
    journal: Decided, facts: Facts, *, now: datetime, kept: timedelta
) -> Iterator[Decision]:
    """Yield what the journal does not say yet, a new mark first."""
    mark, state = journal.mark, facts.state
    if mark is None or (mark.incarnation, mark.epoch) != (
        state.incarnation,
        state.epoch,
    ):
        yield NodeMark(incarnation=state.incarnation, epoch=state.epoch, at=now)
    horizon = now - kept
    for entry in facts.entries.values():
        known = journal.entries.get(entry.id)
        if entry.at >= horizon and (known is None or known.rank < entry.rank):
            yield entry
    for person in facts.persons.values():
        said = journal.persons.get(person.id)
        is_new = said is None or (said.left, said.consented) != (
            person.left,
            person.consented,
        )
        if person.at >= horizon and is_new and (said is None or said.at <= person.at):
            yield person
    for partner in facts.partners.values():
        before = journal.partners.get(partner.id)
        if before != partner:
            yield partner
    for key in facts.keys:
        if journal.keys.get(key.number) != of_key(key):
            yield of_key(key)
