"""The life of an entry, on both engines: states, versions, rights, mails, ledger."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest

import schemas
from node.catalogue.model import AudienceLevel, EntryState
from node.errors import (
    ConflictError,
    InvalidInputError,
    NotAuthorisedError,
    NotFoundError,
)
from node.members.model import Organisation, Person, Role
from node.storage.database import Database, SqliteDatabase, Transaction
from node.storage.mail import list_mails
from node.storage.members import (
    insert_organisation,
    insert_person,
    load_organisation,
    load_person,
)
from node.visibility import PublicViewer
from tests.simulation.world import SimNode, VirtualClock, make_network


def offer(**changes: Any) -> dict[str, Any]:
    document = {
        "kind": "technology_offer",
        "title": {"de": "Messkopf"},
        "summary": {"de": "Misst Schichten."},
        "partnership_types": ["technical_cooperation"],
        "valid_until": "2027-01-31",
        "audience": {"level": "trusted"},
    }
    return {**document, **changes}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
async def node(
    empty_database: Database, tmp_path: Any, clock: VirtualClock
) -> AsyncIterator[SimNode]:
    """A node with one partner, whose side of the network is not used."""
    other = SqliteDatabase(tmp_path / "other.sqlite")
    network = await make_network(
        {"anna": empty_database, "bert": other}, random=Random(1), clock=clock
    )
    yield network.nodes["anna"]
    await other.close()


async def test_in_anothers_name_publish_only_administrators_and_the_office(
    node: SimNode,
) -> None:
    member = await add_person(node, "max", "optik", Role.PERSON)
    colleague = await add_person(node, "eva", "optik", Role.PERSON)
    admin = await add_person(node, "ida", "optik", Role.ORGANISATION_ADMIN)
    other = await add_person(node, "jan", "laser", Role.ORGANISATION_ADMIN)
    document = offer(on_behalf_of={"person": colleague.email})
    for actor in (member, other):
        with pytest.raises(NotAuthorisedError) as caught:
            await node.catalogue.publish(actor, document)
        assert caught.value.path.startswith("/on_behalf_of/")
    assert await node.entries() == []
    for actor in (colleague, admin, node.office):
        entry = await node.catalogue.publish(actor, document)
        assert entry.person_id == colleague.id


async def add_person(node: SimNode, name: str, firm: str, role: Role) -> Person:
    organisation = Organisation(id=f"org-{firm}", name=firm)
    person = replace(
        node.office,
        id=f"person-{name}",
        organisation_id=organisation.id,
        organisation_name=firm,
        email=f"{name}@{firm}.example",
        name=name,
        role=role,
    )

    async def work(tx: Transaction) -> Person:
        if await load_organisation(tx, organisation.id) is None:
            await insert_organisation(tx, organisation, now=node.context.clock.now())
        await insert_person(tx, person, now=node.context.clock.now())
        loaded = await load_person(tx, person.id)
        assert loaded is not None
        return loaded

    return await node.context.database.write(work)


async def test_publishing_signs_and_records(node: SimNode) -> None:
    entry = await node.catalogue.publish(node.office, offer())
    assert entry.state is EntryState.PUBLISHED
    assert (entry.version.incarnation, entry.version.counter) == (1, 1)
    assert entry.document is not None
    assert b"Messkopf" in entry.document
    (line,) = await node.ledger.lines_of_entry(entry.id)
    assert (line.op, line.reason, line.told_at) == ("upsert", "VIS-032", None)


async def test_change_is_a_new_version_of_the_same_entry(node: SimNode) -> None:
    first = await node.catalogue.publish(node.office, offer())
    second = await node.catalogue.publish(
        node.office, offer(title={"de": "Neuer Messkopf"}), entry_ref=first.uri
    )
    assert (second.id, second.version.counter) == (first.id, 2)
    assert second.content_hash != first.content_hash
    (line,) = await node.ledger.lines_of_entry(first.id)
    assert line.version == (1, 2)


async def test_external_id_finds_the_entry_again(node: SimNode) -> None:
    first = await node.catalogue.publish(node.office, offer(external_id="A-1"))
    second = await node.catalogue.publish(node.office, offer(external_id="A-1"))
    assert second.id == first.id
    assert second.version.counter == 2


async def test_draft_leaves_no_trace_outside(node: SimNode) -> None:
    entry = await node.catalogue.publish(node.office, offer(), draft=True)
    assert entry.document is None
    assert await node.ledger.lines_of_entry(entry.id) == []
    with pytest.raises(NotFoundError):
        await node.catalogue.show(PublicViewer(), entry.id)


async def test_every_fault_is_named_and_nothing_is_stored(node: SimNode) -> None:
    broken = offer(title={}, valid_until="31.01.2027", unknown="x")
    with pytest.raises(InvalidInputError) as caught:
        await node.catalogue.publish(node.office, broken)
    assert {"/title", "/unknown", "/valid_until"} <= {
        fault.path for fault in caught.value.faults
    }
    assert await node.entries() == []


async def test_day_that_is_over(node: SimNode) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await node.catalogue.publish(node.office, offer(valid_until="2026-11-20"))
    assert caught.value.faults[0].path == "/valid_until"


async def test_partner_that_is_none(node: SimNode) -> None:
    audience = {"level": "partners", "partners": ["https://nobody.example"]}
    with pytest.raises(InvalidInputError) as caught:
        await node.catalogue.publish(node.office, offer(audience=audience))
    assert caught.value.faults[0].path == "/audience/partners/0"
    assert await node.entries() == []


async def test_who_may_change_what(node: SimNode) -> None:
    author = await add_person(node, "author", "firm", Role.PERSON)
    colleague = await add_person(node, "colleague", "firm", Role.PERSON)
    admin = await add_person(node, "admin", "firm", Role.ORGANISATION_ADMIN)
    stranger = await add_person(node, "stranger", "rival", Role.ORGANISATION_ADMIN)
    entry = await node.catalogue.publish(author, offer())
    with pytest.raises(NotAuthorisedError):
        await node.catalogue.withdraw(colleague, entry.id)
    with pytest.raises(NotAuthorisedError):
        await node.catalogue.withdraw(stranger, entry.id)
    await node.catalogue.withdraw(admin, entry.id)
    await node.catalogue.publish(author, offer(), entry_ref=entry.id)
    await node.catalogue.withdraw(node.office, entry.id)


async def test_hidden_entry_is_absent_for_a_member_who_wants_to_change_it(
    node: SimNode,
) -> None:
    author = await add_person(node, "author", "firm", Role.PERSON)
    stranger = await add_person(node, "stranger", "rival", Role.PERSON)
    audience = {"level": "partners", "partners": ["https://bert.example"]}
    entry = await node.catalogue.publish(author, offer(audience=audience))
    with pytest.raises(NotFoundError) as hidden:
        await node.catalogue.withdraw(stranger, entry.id)
    with pytest.raises(NotFoundError) as absent:
        await node.catalogue.withdraw(stranger, entry.id[::-1])
    assert str(hidden.value).replace(entry.id, "") == str(absent.value).replace(
        entry.id[::-1], ""
    )


async def test_office_publishes_on_behalf(node: SimNode) -> None:
    author = await add_person(node, "author", "firm", Role.PERSON)
    document = offer(on_behalf_of={"organisation": "firm", "person": author.email})
    entry = await node.catalogue.publish(node.office, document)
    assert (entry.organisation_id, entry.person_id) == ("org-firm", author.id)
    rival = await add_person(node, "rival", "rival", Role.ORGANISATION_ADMIN)
    with pytest.raises(NotAuthorisedError):
        await node.catalogue.publish(rival, document)


async def test_withdrawn_never_told_leaves_no_row(node: SimNode) -> None:
    entry = await node.catalogue.publish(node.office, offer())
    await node.catalogue.withdraw(node.office, entry.id)
    assert await node.ledger.lines_of_entry(entry.id) == []


async def test_told_entry_is_withdrawn_deleted_and_never_comes_back(
    node: SimNode,
) -> None:
    entry = await node.catalogue.publish(node.office, offer())
    await node.sending.next_page(node.partner_ids["bert"])
    await node.catalogue.withdraw(node.office, entry.id)
    (line,) = await node.ledger.lines_of_entry(entry.id)
    assert line.op == "withdraw"
    gone = await node.catalogue.delete(node.office, entry.id)
    assert dict(gone.content) == {
        "kind": "technology_offer",
        "title": {},
        "summary": {},
    }
    (line,) = await node.ledger.lines_of_entry(entry.id)
    assert (line.op, line.version) == ("delete", (1, 2))
    with pytest.raises(NotFoundError):
        await node.catalogue.publish(node.office, offer(), entry_ref=entry.id)


async def test_states_that_do_not_follow(node: SimNode) -> None:
    entry = await node.catalogue.publish(node.office, offer())
    await node.catalogue.withdraw(node.office, entry.id)
    with pytest.raises(ConflictError):
        await node.catalogue.fulfil(node.office, entry.id)
    other_kind = offer(
        kind="capacity_offer", equipment_class="measuring", availability="now"
    )
    del other_kind["partnership_types"]
    with pytest.raises(ConflictError):
        await node.catalogue.publish(node.office, other_kind, entry_ref=entry.id)


async def test_expiry_reminds_closes_and_can_be_undone(
    node: SimNode, clock: VirtualClock
) -> None:
    entry = await node.catalogue.publish(node.office, offer(valid_until="2026-12-01"))
    assert await node.catalogue.remind_due() == 0
    clock.pass_time(timedelta(days=4))
    assert await node.catalogue.remind_due() == 1
    assert await node.catalogue.remind_due() == 0
    clock.pass_time(timedelta(days=7))
    assert await node.catalogue.expire_due() == 1
    assert await node.catalogue.expire_due() == 0
    async with node.context.database.read() as tx:
        kinds = {mail.kind for mail in await list_mails(tx, limit=10)}
    assert kinds == {"entry-expires", "entry-expired"}
    again = await node.catalogue.confirm(None, entry.id)
    assert again.state is EntryState.PUBLISHED
    assert again.version.counter == 2
    assert again.valid_until is not None
    assert again.valid_until > clock.now().date()


async def test_profile_without_consent_stays_home(node: SimNode) -> None:
    content, _ = schemas.split_file(
        schemas.examples("expert_profile", valid=True)[0].document
    )
    document = {**content, "audience": {"level": "public"}}
    entry = await node.catalogue.publish(node.office, document)
    assert await node.ledger.lines_of_entry(entry.id) == []
    assert not (await node.catalogue.why(PublicViewer(), entry.id)).visible


async def test_preview_tells_who_would_see_it(node: SimNode) -> None:
    audience = {"level": "partners", "partners": ["https://bert.example"]}
    shown = await node.catalogue.preview(node.office, offer(audience=audience))
    assert [(each.name, each.verdict.visible) for each in shown] == [
        ("anna", False),
        ("bert", True),
        (None, False),
    ]
    assert await node.entries() == []


async def test_narrowing_is_told_as_withdrawal_and_widening_as_new(
    node: SimNode,
) -> None:
    entry = await node.catalogue.publish(node.office, offer())
    await node.sending.next_page(node.partner_ids["bert"])
    narrowed = await node.catalogue.publish(
        node.office, offer(audience={"level": "cluster"}), entry_ref=entry.id
    )
    assert narrowed.audience.level is AudienceLevel.CLUSTER
    (line,) = await node.ledger.lines_of_entry(entry.id)
    assert (line.op, line.version) == ("withdraw", (1, 2))
    await node.catalogue.publish(node.office, offer(), entry_ref=entry.id)
    (line,) = await node.ledger.lines_of_entry(entry.id)
    assert (line.op, line.version) == ("upsert", (1, 3))
