"""Entries under Chiffre on both engines: who learns whose they are, and when."""

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from federation.trust import TrustState
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.chiffre.appearing import show_due
from node.errors import InvalidInputError, NotAuthorisedError, NotFoundError
from node.members.model import Person, Role
from node.storage.database import Database, Transaction
from node.storage.entries import list_entries
from node.storage.tables import metadata
from node.visibility import (
    Form,
    PartnerViewer,
    PublicViewer,
    Viewer,
    decide_entry,
    visible_entries,
)
from node.visibility.policy import PolicySheet, Preset
from tests.contract.member_world import World, capacity_offer, make_world

PARTNER = PartnerViewer(
    "p",
    TrustState.ACTIVE,
    released=True,
    sheet=PolicySheet(Preset.PARTNER),
    compared=True,
)


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


async def member(
    world: World, name: str, organisation: str, role: Role = Role.PERSON
) -> Person:
    person, _link = await world.members.add_person(
        world.admin,
        email=f"{name.lower()}@{organisation.lower()}.example",
        name=f"{name} Muster",
        organisation=organisation,
        role=role,
        send_invitation=False,
    )
    return person


def chiffre(**changes: Any) -> dict[str, Any]:
    return capacity_offer(
        **{
            "contact": {"mode": "chiffre"},
            "audience": {"level": "trusted"},
            "publish_anyway": True,
            **changes,
        }
    )


async def appear(world: World) -> int:
    world.clock.advance(hours=4)
    return await show_due(world.context, world.catalogue)


async def sees(world: World, viewer: Viewer, entry: Entry) -> bool:
    """Ask the rule and the filter, which must agree."""
    today = world.clock.now().date()
    async with world.context.database.read() as tx:
        (stored,) = await list_entries(
            tx, world.context.address, where=metadata.tables["entries"].c.id == entry.id
        )
        listed = await list_entries(
            tx, world.context.address, where=visible_entries(viewer, today)
        )
    by_rule = decide_entry(stored, viewer, today).visible
    assert by_rule is (entry.id in {each.id for each in listed})
    return by_rule


async def form_of(world: World, viewer: Viewer, entry: Entry) -> tuple[Form, str]:
    verdict = await world.catalogue.why(viewer, entry.id)
    return verdict.form, verdict.rule


async def test_row_and_document_name_the_office_alone(world: World) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    entry = await world.catalogue.publish(anna, chiffre())
    assert entry.organisation_name == "Geschäftsstelle"
    assert (entry.person_id, entry.author_id) == (None, None)
    assert entry.document is not None
    document = json.loads(entry.document)
    assert "owner" not in document
    day = "2026-11-21T00:00:00Z"
    assert (document["published"], document["updated"]) == (day, day)
    assert document["proof"]["created"] == day
    assert document["endTime"] == "2027-01-31T23:59:59Z"
    middle = await world.catalogue.publish(anna, chiffre(valid_until="2027-02-03"))
    assert middle.valid_until == date(2027, 2, 28)

    # Whose it is stands in one table, and nowhere in the row or its search text.
    async with world.context.database.read() as tx:
        row = await tx.one_or_none(
            select(metadata.tables["entries"]).where(
                metadata.tables["entries"].c.id == entry.id
            )
        )
    text = str(tuple(row))
    for canary in ("Linsenwerk", "Anna", anna.id, anna.organisation_id):
        assert canary not in text
    assert "hidden_owner" not in repr(entry)


async def test_who_learns_whose_it_is(world: World) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    chief = await member(world, "Chef", "Linsenwerk", Role.ORGANISATION_ADMIN)
    colleague = await member(world, "Carl", "Linsenwerk")
    other = await member(world, "Otto", "Laser")
    entry = await world.catalogue.publish(anna, chiffre())

    # Before its hour only those who know anyway, and the office.
    for viewer in (colleague, other, PARTNER, PublicViewer()):
        assert await sees(world, viewer, entry) is False
    assert await form_of(world, other, entry) == (Form.HIDDEN, "VIS-014")
    assert await form_of(world, anna, entry) == (Form.FULL, "VIS-028")

    assert await appear(world) == 1
    assert await appear(world) == 0
    for viewer, rule in (
        (colleague, "VIS-024"),
        (other, "VIS-024"),
        (PARTNER, "VIS-032"),
        (world.admin, "VIS-021"),
    ):
        assert await sees(world, viewer, entry) is True
        assert await form_of(world, viewer, entry) == (Form.CHIFFRE, rule)
    for viewer in (anna, chief):
        assert await form_of(world, viewer, entry) == (Form.FULL, "VIS-028")
    assert await sees(world, PublicViewer(), entry) is False

    # Only who knows finds it among the own ones.
    mine = {
        person.name: [each.id for each in await world.catalogue.mine(person)]
        for person in (anna, chief, colleague, other)
    }
    assert mine == {
        "Anna Muster": [entry.id],
        "Chef Muster": [entry.id],
        "Carl Muster": [],
        "Otto Muster": [],
    }


async def test_only_who_stands_behind_it_and_the_office_change_it(
    world: World,
) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    colleague = await member(world, "Carl", "Linsenwerk")
    chief = await member(world, "Chef", "Linsenwerk", Role.ORGANISATION_ADMIN)
    entry = await world.catalogue.publish(anna, chiffre())
    with pytest.raises(NotFoundError):
        await world.catalogue.withdraw(colleague, entry.id)
    await appear(world)
    with pytest.raises(NotAuthorisedError):
        await world.catalogue.withdraw(colleague, entry.id)
    changed = await world.catalogue.publish(
        chief, chiffre(title={"de": "Neu gefasst"}), entry_ref=entry.id
    )
    assert changed.id == entry.id
    assert changed.hidden_owner is not None
    assert changed.hidden_owner.author_id == anna.id
    assert changed.waits_until is None  # what partners hold is not taken back
    assert (await world.catalogue.withdraw(anna, entry.id)).state is (
        EntryState.WITHDRAWN
    )
    again = await world.catalogue.publish(anna, chiffre(), entry_ref=entry.id)
    assert again.waits_until is not None
    await world.catalogue.delete(world.admin, entry.id)


async def test_open_and_chiffre_are_two_entries(world: World) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    opened = await world.catalogue.publish(anna, capacity_offer())
    hidden = await world.catalogue.publish(anna, chiffre(), entry_ref=opened.id)
    assert hidden.id != opened.id
    back = await world.catalogue.publish(anna, capacity_offer(), entry_ref=hidden.id)
    assert len({opened.id, hidden.id, back.id}) == 3
    assert back.organisation_name == "Linsenwerk"
    assert back.hidden_owner is None
    today = world.clock.now().date()
    async with world.context.database.read() as tx:
        stored = await list_entries(
            tx,
            world.context.address,
            where=metadata.tables["entries"].c.id.in_([opened.id, hidden.id]),
        )
    assert [each.state for each in stored] == [EntryState.DELETED] * 2
    assert not decide_entry(stored[0], world.admin, today).visible


async def test_what_gives_the_owner_away_has_to_be_confirmed(world: World) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    telling = chiffre(
        summary={"de": "Das Linsenwerk misst, Fragen an anna@linsenwerk.example."}
    )
    with pytest.raises(InvalidInputError) as caught:
        await world.catalogue.publish(anna, {**telling, "publish_anyway": False})
    assert caught.value.code == "gives-owner-away"
    told = {(fault.path, str(fault.message)) for fault in caught.value.faults}
    assert ("/summary/de", "“Linsenwerk” names the owner.") in told
    assert ("/summary/de", "“anna@linsenwerk.example” is an address.") in told
    assert any("only one organisation fits" in message for _, message in told)
    assert await world.catalogue.mine(anna) == []
    assert (await world.catalogue.publish(anna, telling)).is_chiffre
    draft = {**telling, "publish_anyway": False}
    assert (await world.catalogue.publish(anna, draft, draft=True)).is_chiffre


async def test_five_that_fit_and_nothing_told_need_no_confirmation(
    world: World,
) -> None:
    for number in range(5):
        person = await member(world, f"P{number}", f"Firma{number}")
        await world.catalogue.publish(person, capacity_offer(processes=["Messen"]))
    entry = await world.catalogue.publish(
        person, chiffre(processes=["Messen"], publish_anyway=False)
    )
    assert entry.is_chiffre


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"contact": {"mode": "chiffre", "phone": "+49 6441 1234"}}, "/contact/phone"),
        ({"equipment": {"name": "KMG", "model": "X1"}}, "/equipment/model"),
        (
            {"equipment": {"name": "KMG", "manufacturer": "M"}},
            "/equipment/manufacturer",
        ),
        ({"equipment": {"name": "KMG", "year_built": 2019}}, "/equipment/year_built"),
    ],
)
async def test_what_must_not_be_in_it(
    world: World, changes: dict[str, Any], path: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await world.catalogue.publish(world.admin, chiffre(**changes))
    assert [fault.path for fault in caught.value.faults] == [path]


async def test_a_profile_is_never_under_chiffre(world: World) -> None:
    document = {
        "kind": "organisation_profile",
        "title": {"de": "Firma"},
        "summary": {"de": "Firma"},
        "legal_name": "Firma",
        "org_type": "company",
        "audience": {"level": "cluster"},
        "contact": {"mode": "chiffre"},
    }
    with pytest.raises(InvalidInputError) as caught:
        await world.catalogue.publish(world.admin, document)
    assert [fault.path for fault in caught.value.faults] == ["/contact/mode"]


async def test_the_employers_ceiling_holds_under_chiffre(world: World) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    entry = await world.catalogue.publish(anna, chiffre())
    await appear(world)
    assert await sees(world, PARTNER, entry)
    organisations = metadata.tables["organisations"]

    async def limit(tx: Transaction) -> None:
        await tx.execute(
            organisations.update()
            .where(organisations.c.id == anna.organisation_id)
            .values(ceiling=AudienceLevel.CLUSTER.value)
        )

    await world.context.database.write(limit)
    assert not await sees(world, PARTNER, entry)
    assert await form_of(world, PARTNER, entry) == (Form.HIDDEN, "VIS-063")


async def test_two_members_write_byte_for_byte_the_same(database: Database) -> None:
    """A behavioural twin: only who wrote it differs."""
    world = await make_world(database)
    written = []
    for name in ("Linsenwerk", "Laserwerk"):
        person = await member(world, "Anna", name)
        # The same chance for both: only the writer differs.
        world.context.random._calls = 10_000  # type: ignore[attr-defined]
        entry = await world.catalogue.publish(person, chiffre())
        await world.catalogue.delete(person, entry.id)
        written.append(entry.document)
        await forget(world, entry)
    assert written[0] == written[1]


async def forget(world: World, entry: Entry) -> None:
    """Make room for the second twin, which has the same id."""
    hidden, entries = (metadata.tables[name] for name in ("chiffre_owners", "entries"))

    async def work(tx: Transaction) -> None:
        await tx.execute(hidden.delete().where(hidden.c.entry_id == entry.id))
        await tx.execute(entries.delete().where(entries.c.id == entry.id))

    await world.context.database.write(work)


async def test_confirming_moves_the_last_day_to_the_end_of_a_month(
    world: World,
) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    entry = await world.catalogue.publish(anna, chiffre())
    await appear(world)
    world.clock.time += timedelta(days=60)
    longer = await world.catalogue.confirm(anna, entry.id)
    assert longer.valid_until is not None
    assert (longer.valid_until + timedelta(days=1)).day == 1
    assert longer.hidden_owner == entry.hidden_owner
    assert replace(longer, document=None).is_chiffre


async def test_the_office_learns_and_changes_no_owner_by_editing(
    world: World,
) -> None:
    anna = await member(world, "Anna", "Linsenwerk")
    entry = await world.catalogue.publish(anna, chiffre())
    guess = chiffre(
        summary={"de": "Das Linsenwerk und das Laserwerk."}, publish_anyway=False
    )
    with pytest.raises(InvalidInputError) as caught:
        await world.catalogue.publish(world.admin, guess, entry_ref=entry.id)
    assert not [each for each in caught.value.faults if "werk" in str(each.message)]
    changed = await world.catalogue.publish(
        world.admin, chiffre(title={"de": "Neu gefasst"}), entry_ref=entry.id
    )
    assert changed.hidden_owner == entry.hidden_owner


async def test_what_was_open_before_has_to_be_confirmed(world: World) -> None:
    for number in range(5):
        person = await member(world, f"P{number}", f"Firma{number}")
        opened = await world.catalogue.publish(
            person, capacity_offer(processes=["Messen"])
        )
    again = chiffre(processes=["Messen"], publish_anyway=False)
    with pytest.raises(InvalidInputError) as caught:
        await world.catalogue.publish(person, again, entry_ref=opened.id)
    told = [str(each.message) for each in caught.value.faults]
    assert any("whoever has read it" in each for each in told)
    assert [each.id for each in await world.catalogue.mine(person)] == [opened.id]
