"""Rule and SQL filter say the same, for random worlds (SPEC VIS-002).

A world is a handful of organisations, persons, partners and entries with every
combination of state, audience, consent and dates. hypothesis prints the seed of
a failing example (`@reproduce_failure` / `--hypothesis-seed`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import JSON, create_engine, delete, insert, select
from sqlalchemy.engine import Connection

from federation.limits import LEASE_HIDDEN, LEASE_PERSONAL
from federation.trust import TrustState
from federation.version import Version
from node.catalogue.model import (
    Audience,
    AudienceLevel,
    Entry,
    EntryState,
    ReceivedEntry,
    ReceivedState,
)
from node.members.model import Person, Role
from node.storage import tables
from node.storage.columns import UtcDateTime
from node.visibility import (
    Origin,
    PartnerViewer,
    PublicViewer,
    Viewer,
    decide_entry,
    decide_received,
    visible_entries,
    visible_received,
)
from schemas import KINDS

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORGANISATIONS = ("o0", "o1", "o2")
PARTNERS = ("n0", "n1", "n2")

# Around the lengths of the leases, and on the moment itself.
moments = st.sampled_from(
    [
        None,
        *(
            NOW - length + shift
            for length in (timedelta(), LEASE_PERSONAL, LEASE_HIDDEN)
            for shift in (-timedelta(seconds=1), timedelta(), timedelta(seconds=1))
        ),
    ]
)
rarely = st.sampled_from([False, False, False, True])
days = st.none() | st.integers(-3, 3).map(lambda shift: TODAY + timedelta(days=shift))


@dataclass(frozen=True)
class World:
    persons: tuple[Person, ...]
    partner_states: dict[str, TrustState]
    origins: dict[str, Origin]
    entries: tuple[Entry, ...]
    received: tuple[ReceivedEntry, ...]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    persons = tuple(
        Person(
            id=f"p{index}",
            organisation_id=draw(st.sampled_from(ORGANISATIONS)),
            organisation_name="",
            email=f"p{index}@a.example",
            name="P",
            role=draw(st.sampled_from(list(Role))),
            language="de",
            consent_on=draw(st.none() | st.just(TODAY)),
            consent_source=draw(st.sampled_from([None, "", "form"])),
            left_at=draw(st.none() | st.just(NOW)),
        )
        for index in range(draw(st.integers(1, 4)))
    )
    states = {partner: draw(st.sampled_from(list(TrustState))) for partner in PARTNERS}
    entries = tuple(
        draw(_entry(f"e{index}", persons)) for index in range(draw(st.integers(1, 6)))
    )
    received = tuple(
        draw(_received(f"r{index}")) for index in range(draw(st.integers(0, 4)))
    )
    origins = {
        partner: Origin(
            state,
            draw(moments),
            is_hidden=draw(rarely),
            is_unverified=draw(rarely),
        )
        for partner, state in states.items()
    }
    return World(persons, states, origins, entries, received)


@st.composite
def _entry(draw: st.DrawFn, entry_id: str, persons: tuple[Person, ...]) -> Entry:
    owner = draw(st.none() | st.sampled_from(persons))
    level = draw(st.sampled_from(list(AudienceLevel)))
    named = frozenset(draw(st.sets(st.sampled_from(PARTNERS))))
    kind = draw(st.sampled_from(sorted(KINDS)))
    return Entry(
        id=entry_id,
        uri=f"https://a.example/entries/{entry_id}",
        kind=kind,
        state=draw(st.sampled_from(list(EntryState))),
        version=Version(1, 1),
        organisation_id=(
            owner.organisation_id if owner else draw(st.sampled_from(ORGANISATIONS))
        ),
        organisation_name="",
        person_id=owner.id if owner else None,
        person_name=None,
        person_consented=bool(owner and owner.has_consented),
        personal=KINDS[kind].personal,
        audience=Audience(
            level, named if level is AudienceLevel.PARTNERS else frozenset()
        ),
        content={"title": {}, "summary": {}},
        valid_until=draw(days),
        created_at=NOW,
        updated_at=NOW,
    )


@st.composite
def _received(draw: st.DrawFn, entry_id: str) -> ReceivedEntry:
    return ReceivedEntry(
        id=entry_id,
        uri=f"https://b.example/entries/{entry_id}",
        partner_id=draw(st.sampled_from(PARTNERS)),
        partner_name="",
        state=draw(st.sampled_from(list(ReceivedState))),
        kind="event",
        known_kind=True,
        version=Version(1, 1),
        content={},
        owner=None,
        is_public=draw(st.booleans()),
        is_personal=draw(st.booleans()),
        valid_until=draw(days),
        published_at=NOW,
        updated_at=NOW,
        first_received_at=NOW,
        changed_at=draw(moments) or NOW,
    )


def _store(connection: Connection, world: World) -> None:
    for table in reversed(tables.metadata.sorted_tables):
        connection.execute(delete(table))
    for organisation in ORGANISATIONS:
        _insert(connection, "organisations", id=organisation, name=organisation)
    for person in world.persons:
        _insert(
            connection,
            "persons",
            id=person.id,
            organisation_id=person.organisation_id,
            email=person.email,
            role=person.role.value,
            consent_on=person.consent_on,
            consent_source=person.consent_source,
            left_at=person.left_at,
        )
    for partner, state in world.partner_states.items():
        _insert(
            connection,
            "partners",
            id=partner,
            base_url=f"https://{partner}.example",
            state=state.value,
            verified_at=world.origins[partner].verified_at,
            hidden_at=NOW if world.origins[partner].is_hidden else None,
            to_verify_since=NOW if world.origins[partner].is_unverified else None,
        )
    for entry in world.entries:
        _insert(
            connection,
            "entries",
            id=entry.id,
            kind=entry.kind,
            state=entry.state.value,
            organisation_id=entry.organisation_id,
            person_id=entry.person_id,
            audience_level=entry.audience.level.value,
            valid_until=entry.valid_until,
        )
        for partner in entry.audience.partner_ids:
            _insert(
                connection,
                "entry_audience_partners",
                entry_id=entry.id,
                partner_id=partner,
            )
    for received in world.received:
        _insert(
            connection,
            "received_entries",
            id=received.id,
            partner_id=received.partner_id,
            entry_uri=received.uri,
            state=received.state.value,
            kind=received.kind,
            is_public=received.is_public,
            is_personal=received.is_personal,
            changed_at=received.changed_at,
            valid_until=received.valid_until,
        )


_FILLERS: dict[type, Any] = {str: "x", int: 1, bool: False}


def _insert(connection: Connection, table_name: str, **values: Any) -> None:
    """Insert a row; columns that no rule looks at get something valid."""
    table = tables.metadata.tables[table_name]
    for column in table.columns:
        if column.name in values or column.nullable:
            continue
        if isinstance(column.type, UtcDateTime):
            values[column.name] = NOW
        elif isinstance(column.type, JSON):
            values[column.name] = {}
        else:
            values[column.name] = _FILLERS[column.type.python_type]
    connection.execute(insert(table).values(**values))


@pytest.fixture(scope="module")
def connection() -> Any:
    engine = create_engine("sqlite://")
    tables.metadata.create_all(engine)
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def _viewers(world: World) -> list[Viewer]:
    partners: list[Viewer] = [
        PartnerViewer(partner, state) for partner, state in world.partner_states.items()
    ]
    return [*world.persons, *partners, PublicViewer()]


@given(world=worlds())
@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_rule_and_filter_agree(connection: Connection, world: World) -> None:
    _store(connection, world)
    for viewer in _viewers(world):
        listed = set(
            connection.scalars(
                select(tables.entries.c.id).where(visible_entries(viewer, TODAY))
            )
        )
        decided = {
            entry.id
            for entry in world.entries
            if decide_entry(entry, viewer, TODAY).visible
        }
        assert listed == decided, viewer
        listed = set(
            connection.scalars(
                select(tables.received_entries.c.id)
                .join(
                    tables.partners,
                    tables.partners.c.id == tables.received_entries.c.partner_id,
                )
                .where(visible_received(viewer, NOW))
            )
        )
        decided = {
            entry.id
            for entry in world.received
            if decide_received(
                entry, world.origins[entry.partner_id], viewer, NOW
            ).visible
        }
        assert listed == decided, viewer
    connection.rollback()
