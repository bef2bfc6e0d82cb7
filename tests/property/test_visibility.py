"""Rule and SQL filter say the same, for random worlds (SPEC VIS-002).

A world is a handful of organisations, persons, partners and entries with every
combination of state, audience, consent and dates. hypothesis prints the seed of
a failing example (`@reproduce_failure` / `--hypothesis-seed`).
"""

from dataclasses import dataclass, replace
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
    Ceilings,
    Entry,
    EntryState,
    HiddenOwner,
    Kept,
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
from node.visibility.policy import PolicySheet, Preset, Profiles, topics_text
from schemas import KINDS

TODAY = date(2026, 11, 21)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORGANISATIONS = ("o0", "o1", "o2")
PARTNERS = ("n0", "n1", "n2")
GROUPS = ("g0", "g1")
organisations = st.sampled_from(ORGANISATIONS)
partners = st.sampled_from(PARTNERS)

LEASES = (1, 14, 20, 30)

# Around the lengths of the leases, and on the moment itself.
moments = st.sampled_from(
    [
        None,
        *(
            NOW - length + shift
            for length in (
                timedelta(),
                LEASE_PERSONAL,
                timedelta(days=20),
                LEASE_HIDDEN,
            )
            for shift in (-timedelta(seconds=1), timedelta(), timedelta(seconds=1))
        ),
    ]
)
rarely = st.sampled_from([False, False, False, True])
# Signs of patterns and bars in them, one inside another, the same in capitals.
topics = st.sampled_from(["Laser", "laser", "Laser technik", "La%er", "L_ser", "a|b"])
days = st.none() | st.integers(-3, 3).map(lambda shift: TODAY + timedelta(days=shift))


@dataclass(frozen=True)
class World:
    persons: tuple[Person, ...]
    partner_states: dict[str, TrustState]
    released: frozenset[str]
    compared: frozenset[str]
    sheets: dict[str, PolicySheet]
    ceilings: dict[str, AudienceLevel]
    organisation_ceilings: dict[str, AudienceLevel]
    groups: dict[str, frozenset[str]]
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
    levels = st.sampled_from(list(AudienceLevel))
    ceilings = draw(st.dictionaries(st.sampled_from(sorted(KINDS)), levels))
    organisation_ceilings = draw(
        st.dictionaries(st.sampled_from(ORGANISATIONS), levels)
    )
    groups = {group: frozenset(draw(st.sets(organisations))) for group in GROUPS}
    entries = tuple(
        _in_world(
            draw(_entry(f"e{index}", persons)), ceilings, organisation_ceilings, groups
        )
        for index in range(draw(st.integers(1, 6)))
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
            lease_days=draw(st.none() | st.sampled_from(LEASES)),
        )
        for partner, state in states.items()
    }
    released = frozenset(draw(st.sets(st.sampled_from(PARTNERS))))
    compared = frozenset(draw(st.sets(partners)))
    sheets = {partner: draw(_sheet()) for partner in PARTNERS}
    return World(
        persons,
        states,
        released,
        compared,
        sheets,
        ceilings,
        organisation_ceilings,
        groups,
        origins,
        entries,
        received,
    )


@st.composite
def _sheet(draw: st.DrawFn) -> PolicySheet:
    return PolicySheet(
        preset=draw(st.sampled_from(list(Preset))),
        closed_kinds=frozenset(
            draw(st.sets(st.sampled_from(sorted(KINDS)), max_size=3))
        ),
        closed_topics=frozenset(draw(st.sets(topics, max_size=2))),
        profiles=draw(st.none() | st.sampled_from(list(Profiles))),
        chiffre=draw(st.none() | st.booleans()),
        valid_until=draw(days),
    )


def _in_world(
    entry: Entry,
    ceilings: dict[str, AudienceLevel],
    organisation_ceilings: dict[str, AudienceLevel],
    groups: dict[str, frozenset[str]],
) -> Entry:
    return replace(
        entry,
        ceilings=Ceilings(
            ceilings.get(entry.kind),
            organisation_ceilings.get(entry.answerable.organisation_id),
        ),
        group_organisation_ids=groups.get(entry.audience.group_id or "", frozenset()),
    )


@st.composite
def _entry(draw: st.DrawFn, entry_id: str, persons: tuple[Person, ...]) -> Entry:
    owner = draw(st.none() | st.sampled_from(persons))
    level = draw(st.sampled_from(list(AudienceLevel)))
    named = frozenset(draw(st.sets(st.sampled_from(PARTNERS))))
    kind = draw(st.sampled_from(sorted(KINDS)))
    group = draw(st.none() | st.sampled_from(GROUPS))
    excludes = draw(st.booleans())
    hidden = draw(_hidden(persons)) if draw(rarely) else None
    if hidden is not None:
        owner = None
    return Entry(
        id=entry_id,
        uri=f"https://a.example/entries/{entry_id}",
        kind=kind,
        state=draw(st.sampled_from(list(EntryState))),
        version=Version(1, 1),
        organisation_id=(
            owner.organisation_id if owner else draw(st.sampled_from(ORGANISATIONS))
        ),
        is_chiffre=hidden is not None,
        hidden_owner=hidden,
        waits_until=NOW if hidden is not None and draw(st.booleans()) else None,
        organisation_name="",
        person_id=owner.id if owner else None,
        person_name=None,
        person_consented=bool(owner and owner.has_consented),
        personal=KINDS[kind].personal,
        audience=Audience(
            level,
            named if level is AudienceLevel.PARTNERS else frozenset(),
            group if level is AudienceLevel.GROUP else None,
        ),
        exclusions_id="x" if excludes else None,
        kept=Kept(
            frozenset(draw(st.sets(partners))),
            frozenset(draw(st.sets(partners))),
            frozenset(draw(st.sets(organisations))),
        )
        if excludes
        else Kept(),
        content={
            "title": {},
            "summary": {},
            "topics": draw(st.lists(topics, max_size=3)),
        },
        valid_until=draw(days),
        created_at=NOW,
        updated_at=NOW,
    )


@st.composite
def _hidden(draw: st.DrawFn, persons: tuple[Person, ...]) -> HiddenOwner:
    """Whose an entry under Chiffre is: a person and an author of anywhere."""
    ids = st.none() | st.sampled_from([person.id for person in persons])
    return HiddenOwner(draw(st.sampled_from(ORGANISATIONS)), draw(ids), draw(ids))


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
        is_not_taken=draw(rarely),
    )


def _store(connection: Connection, world: World) -> None:
    for table in reversed(tables.metadata.sorted_tables):
        connection.execute(delete(table))
    _store_settings(connection, world)
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
            released_at=NOW if partner in world.released else None,
            in_lease_days=world.origins[partner].lease_days,
        )
    for entry in world.entries:
        _store_entry(connection, entry)
    for received in world.received:
        _insert(
            connection,
            "received_entries",
            id=received.id,
            partner_id=received.partner_id,
            entry_uri=received.uri,
            state=ReceivedState.QUARANTINED.value
            if received.is_not_taken
            else received.state.value,
            kind=received.kind,
            is_public=received.is_public,
            is_personal=received.is_personal,
            changed_at=received.changed_at,
            valid_until=received.valid_until,
        )


def _store_settings(connection: Connection, world: World) -> None:
    for organisation in ORGANISATIONS:
        _insert(
            connection,
            "organisations",
            id=organisation,
            name=organisation,
            ceiling=world.organisation_ceilings.get(organisation),
        )
    for kind, ceiling in world.ceilings.items():
        _insert(connection, "kind_audiences", kind=kind, ceiling=ceiling.value)
    for group, members in world.groups.items():
        _insert(connection, "groups", id=group, name=group)
        for member in members:
            _insert(
                connection,
                "group_organisations",
                group_id=group,
                organisation_id=member,
            )


def _store_entry(connection: Connection, entry: Entry) -> None:
    _insert(
        connection,
        "entries",
        id=entry.id,
        kind=entry.kind,
        state=entry.state.value,
        organisation_id=entry.organisation_id,
        person_id=entry.person_id,
        audience_level=entry.audience.level.value,
        group_id=entry.audience.group_id,
        exclusions_id=entry.exclusions_id,
        valid_until=entry.valid_until,
        topics=topics_text(entry.content),
        is_chiffre=entry.is_chiffre,
        waits_until=entry.waits_until,
    )
    if entry.hidden_owner is not None:
        _insert(
            connection,
            "chiffre_owners",
            entry_id=entry.id,
            organisation_id=entry.hidden_owner.organisation_id,
            person_id=entry.hidden_owner.person_id,
            author_id=entry.hidden_owner.author_id,
        )
    for table, column, kept in (
        ("entry_excluded_partners", "partner_id", entry.kept.partner_ids),
        ("entry_hosting_partners", "partner_id", entry.kept.hosting_ids),
        (
            "entry_kept_organisations",
            "organisation_id",
            entry.kept.organisation_ids,
        ),
    ):
        for each in kept:
            _insert(connection, table, entry_id=entry.id, **{column: each})
    for partner in entry.audience.partner_ids:
        _insert(
            connection,
            "entry_audience_partners",
            entry_id=entry.id,
            partner_id=partner,
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
        PartnerViewer(
            partner,
            state,
            released=partner in world.released,
            sheet=world.sheets[partner],
            compared=partner in world.compared,
        )
        for partner, state in world.partner_states.items()
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


@given(
    lease=st.sampled_from(LEASES),
    came=moments.filter(bool),
    verified=moments,
    is_public=rarely,
    is_personal=st.booleans(),
)
@settings(
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rule_and_filter_agree_on_a_shorter_lease(
    connection: Connection,
    lease: int,
    came: datetime,
    verified: datetime | None,
    is_public: bool,
    is_personal: bool,
) -> None:
    origin = Origin(TrustState.ACTIVE, verified, lease_days=lease)
    reader = Person(
        id="p0",
        organisation_id="o0",
        organisation_name="",
        email="p0@a.example",
        name="P",
        role=Role.PERSON,
        language="de",
    )
    entry = ReceivedEntry(
        id="r0",
        uri="https://b.example/entries/r0",
        partner_id="n0",
        partner_name="",
        state=ReceivedState.PRESENT,
        kind="event",
        known_kind=True,
        version=Version(1, 1),
        content={},
        owner=None,
        is_public=is_public,
        is_personal=is_personal,
        valid_until=None,
        published_at=NOW,
        updated_at=NOW,
        first_received_at=NOW,
        changed_at=came,
    )
    world = World(
        persons=(reader,),
        partner_states={"n0": TrustState.ACTIVE},
        released=frozenset(),
        compared=frozenset(),
        sheets={},
        ceilings={},
        organisation_ceilings={},
        groups={},
        origins={"n0": origin},
        entries=(),
        received=(entry,),
    )
    _store(connection, world)
    listed = connection.scalars(
        select(tables.received_entries.c.id)
        .join(
            tables.partners,
            tables.partners.c.id == tables.received_entries.c.partner_id,
        )
        .where(visible_received(reader, NOW))
    ).all()
    decided = decide_received(entry, origin, reader, NOW)
    assert bool(listed) == decided.visible, decided
    connection.rollback()
