"""Organisations and persons: who may do what, and imports from a member database."""

import datetime
from dataclasses import replace
from importlib.resources import files
from itertools import product

import pytest

from node.catalogue.model import EntryState
from node.errors import (
    ConflictError,
    InvalidInputError,
    NotAuthorisedError,
    NotFoundError,
)
from node.members.import_report import ImportReport
from node.members.model import Person, Role
from node.storage.database import Database
from tests.contract.member_world import World, make_world

ORGANISATIONS = (
    "external_id;name;website;region;size_class;org_type;description_de\n"
    "o1;Beispiel Optik GmbH;www.optik.example;Hessen;11-49;Unternehmen;Fertigt Linsen\n"
    "o2;Institut für Laser;https://laser.example;DE-SN;;research_institute;\n"
)
PERSONS = (
    "external_id;organisation;name;email;role;function;language;consent_date;consent_source\n"
    "p1;o1;Helga Brandis;Helga.Brandis@optik.example;organisation-admin;Leitung;de;"
    "15.09.2025;Formular\n"
    "p2;Institut für Laser;Jan Muster;jan@laser.example;;;;;\n"
)


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


@pytest.fixture
async def filled(world: World) -> World:
    await world.members.import_members(world.admin, ORGANISATIONS.encode())
    report = await world.members.import_members(world.admin, PERSONS.encode())
    world.extra["links"] = report.links
    return world


def actions(report: ImportReport) -> list[tuple[int, str]]:
    return [(row.row, row.action.value) for row in report.rows]


async def test_add_person_makes_organisation_and_mails_a_link(world: World) -> None:
    person, link = await world.members.add_person(
        world.admin,
        email="Anna@Neu.example",
        name="Anna Neu",
        organisation="Neu GmbH",
    )
    assert person.email == "anna@neu.example"
    assert (await world.members.organisation("Neu GmbH")).id == person.organisation_id
    assert await world.links_in_mails() == [link]
    opened = await world.sign_in.inspect_link(link.rpartition("/")[2])
    assert opened.person.id == person.id


async def test_add_person_without_invitation_mails_nothing(world: World) -> None:
    await world.members.add_person(
        world.admin,
        email="anna@neu.example",
        name="Anna Neu",
        organisation="Neu GmbH",
        send_invitation=False,
    )
    assert await world.mail.list_mails() == []


async def test_an_address_belongs_to_one_member(filled: World) -> None:
    with pytest.raises(ConflictError) as caught:
        await filled.members.add_person(
            filled.admin,
            email="JAN@laser.example",
            name="Jan",
            organisation="o2",
        )
    assert caught.value.code == "email-taken"


async def test_all_faults_of_a_person_are_named_at_once(world: World) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await world.members.add_person(
            world.admin, email="no", name=" ", organisation="X", role="king"
        )
    assert [fault.path for fault in caught.value.faults] == ["email", "name", "role"]
    assert [each.name for each in await world.members.list_organisations()] == [
        "Geschäftsstelle"
    ]


async def person(world: World, email: str) -> Person:
    return await world.members.person_by_email(email)


async def test_nobody_gives_a_role_above_the_own(filled: World) -> None:
    helga = await person(filled, "helga.brandis@optik.example")
    jan = await person(filled, "jan@laser.example")
    add = filled.members.add_person
    await add(helga, email="a@optik.example", name="A B", organisation="o1")
    with pytest.raises(NotAuthorisedError):
        await add(helga, email="b@laser.example", name="B", organisation="o2")
    with pytest.raises(NotAuthorisedError):
        await add(
            helga,
            email="c@optik.example",
            name="C",
            organisation="o1",
            role=Role.OFFICE,
        )
    with pytest.raises(NotAuthorisedError):
        await add(jan, email="d@laser.example", name="D", organisation="o2")
    with pytest.raises(NotAuthorisedError):
        await add(helga, email="e@new.example", name="E", organisation="Neue GmbH")
    office = replace(filled.admin, id="x", role=Role.OFFICE)
    with pytest.raises(NotAuthorisedError):
        await filled.members.change_role(office, jan.id, Role.NODE_ADMIN)
    with pytest.raises(NotAuthorisedError):
        await filled.members.mark_left(office, filled.admin.id)
    changed = await filled.members.change_role(filled.admin, jan.id, Role.OFFICE)
    assert changed.role is Role.OFFICE
    assert len(await filled.members.list_persons()) == 4


async def test_the_last_node_admin_stays(filled: World) -> None:
    with pytest.raises(ConflictError, match="last node administrator"):
        await filled.members.mark_left(filled.admin, filled.admin.id)
    with pytest.raises(ConflictError, match="last node administrator"):
        await filled.members.change_role(filled.admin, filled.admin.id, Role.OFFICE)
    jan = await person(filled, "jan@laser.example")
    await filled.members.change_role(filled.admin, jan.id, Role.NODE_ADMIN)
    await filled.members.mark_left(filled.admin, filled.admin.id)
    assert (await filled.members.office_person()).id == jan.id


async def test_who_has_left_is_out_at_once(filled: World) -> None:
    jan = await person(filled, "jan@laser.example")
    link = await filled.members.invite(filled.admin, jan.id)
    session = await filled.sign_in.redeem_link(link.rpartition("/")[2])
    await filled.sign_in.set_password(jan, "vier Wörter in Reihe", keep=session.value)
    await filled.sign_in.start_link("jan@laser.example")
    await filled.members.mark_left(filled.admin, jan.id)
    assert await filled.sign_in.session(session.value) is None
    assert (
        await filled.sign_in.sign_in_with_password(
            "jan@laser.example", "vier Wörter in Reihe"
        )
        is None
    )
    for each in await filled.links_in_mails():
        with pytest.raises(NotFoundError):
            await filled.sign_in.inspect_link(each.rpartition("/")[2])
    assert {mail.state.value for mail in await filled.mail.list_mails()} == {
        "cancelled"
    }


async def test_import_stores_every_column(filled: World) -> None:
    optics = await filled.members.organisation("o1")
    assert optics.website == "https://www.optik.example"
    assert optics.region == "DE-HE"
    assert optics.org_type == "company"
    assert optics.description == {"de": "Fertigt Linsen"}
    helga = await person(filled, "helga.brandis@optik.example")
    assert helga.role is Role.ORGANISATION_ADMIN
    assert helga.consent_on == datetime.date(2025, 9, 15)
    assert helga.organisation_id == optics.id
    jan = await person(filled, "jan@laser.example")
    assert (jan.role, jan.language, jan.has_consented) == (Role.PERSON, "de", False)
    assert [link.email for link in filled.extra["links"]] == [helga.email, jan.email]


async def test_repeat_shows_no_change_and_then_the_differences(filled: World) -> None:
    again = await filled.members.import_members(filled.admin, PERSONS.encode())
    assert (again.added, again.changed, again.unchanged) == (0, 0, 2)
    assert again.links == ()
    changed = PERSONS.replace("Leitung", "Einkauf").replace("o1;Helga", "o2;Helga")
    report = await filled.members.import_members(filled.admin, changed.encode())
    assert actions(report) == [(2, "changed"), (3, "unchanged")]
    assert [
        (each.column, each.before, each.after) for each in report.changes[0].changes
    ] == [
        ("organisation", "Beispiel Optik GmbH", "Institut für Laser"),
        ("function", "Leitung", "Einkauf"),
    ]
    helga = await person(filled, "helga.brandis@optik.example")
    assert (helga.function, helga.organisation_name) == (
        "Einkauf",
        "Institut für Laser",
    )


async def test_a_column_that_the_file_lacks_stays(filled: World) -> None:
    file = "external_id;name\no1;Beispiel Optik AG\n"
    report = await filled.members.import_members(filled.admin, file.encode())
    assert [each.column for each in report.changes[0].changes] == ["name"]
    optics = await filled.members.organisation("o1")
    assert optics.name == "Beispiel Optik AG"
    assert optics.description == {"de": "Fertigt Linsen"}


async def test_dry_run_tells_the_same_and_stores_nothing(world: World) -> None:
    dry = await world.members.import_members(
        world.admin, ORGANISATIONS.encode(), dry_run=True
    )
    assert dry.dry_run
    assert [each.name for each in await world.members.list_organisations()] == [
        "Geschäftsstelle"
    ]
    real = await world.members.import_members(world.admin, ORGANISATIONS.encode())
    assert dry.rows == real.rows
    dry = await world.members.import_members(
        world.admin, PERSONS.encode(), dry_run=True
    )
    assert (dry.added, dry.links, dry.without_consent) == (2, (), 1)
    assert len(await world.members.list_persons()) == 1


async def test_rows_with_faults_are_named_and_left_out(filled: World) -> None:
    file = (
        "external_id;organisation;name;email;role;consent_date;consent_source\n"
        "p3;o9;Ohne Firma;ohne@firma.example;;;\n"
        "p4;o1;Falsche Adresse;nicht-da;;;\n"
        "p5;o1;Rolle Falsch;rolle@firma.example;chef;;\n"
        "p6;o1;Halb Einwilligung;halb@firma.example;;2025-01-01;\n"
        "p7;o1;Zukunft;zukunft@firma.example;;2027-01-01;Formular\n"
        "p8;o1;Doppelt;jan@laser.example;;;\n"
        "p9;o1;;ohnename@firma.example;;;\n"
        "p10;o1;Gut Gemeint;gut@firma.example;;;\n"
        "p11;o1;Zu Viel;viel@firma.example;;;;überzählig\n"
    )
    report = await filled.members.import_members(filled.admin, file.encode())
    assert [(each.row, each.column) for each in report.errors] == [
        (2, "organisation"),
        (3, "email"),
        (4, "role"),
        (5, "consent_date"),
        (6, "consent_date"),
        (7, "email"),
        (8, "name"),
        (10, ""),
    ]
    assert report.added == 1
    assert len(await filled.members.list_persons()) == 4
    assert await person(filled, "gut@firma.example")


async def test_import_does_not_give_roles_above_the_importers(filled: World) -> None:
    office = replace(filled.admin, id="x", role=Role.OFFICE)
    file = (
        "external_id;organisation;name;email;role\n"
        "p20;o1;Neue Technik;technik@optik.example;node-admin\n"
        "p21;Geschäftsstelle;Übernahme;buero@optence.example;person\n"
    )
    report = await filled.members.import_members(office, file.encode())
    assert [(each.row, each.column) for each in report.errors] == [
        (2, "role"),
        (3, "role"),
    ]
    helga = await person(filled, "helga.brandis@optik.example")
    with pytest.raises(NotAuthorisedError):
        await filled.members.import_members(helga, file.encode())


BAD_FILES = [
    (ORGANISATIONS.encode("utf-16"), "wrong-encoding"),
    (ORGANISATIONS.encode("cp850"), "wrong-encoding"),
    (b"external_id;city\no1;Wetzlar\n", "missing-column"),
    (b"external_id;email\np1;a@b.example\n", "missing-column"),
    (b"external_id;name\no7;A\no8;B\nO7;C\n", "duplicate-key"),
    (
        b"external_id;organisation;name;email\nx;o1;A;a@b.example\ny;o1;B;A@b.example\n",
        "duplicate-key",
    ),
    (b"", "no-table"),
    (b'external_id;name\no1;"open\n', "no-table"),
    (b"kind;external_id;name\n", "wrong-list"),
]


async def test_a_bad_file_stores_nothing_and_sends_nothing(
    filled: World,
) -> None:
    before = (
        await filled.members.list_organisations(),
        await filled.members.list_persons(),
        await filled.mail.list_mails(),
    )
    for (file, code), dry_run in product(BAD_FILES, (True, False)):
        with pytest.raises(InvalidInputError) as caught:
            await filled.members.import_members(
                filled.admin, file, dry_run=dry_run, invite=True
            )
        assert caught.value.code == code
    assert before == (
        await filled.members.list_organisations(),
        await filled.members.list_persons(),
        await filled.mail.list_mails(),
    )


async def test_invitations_go_out_only_when_asked_for(world: World) -> None:
    await world.members.import_members(world.admin, ORGANISATIONS.encode())
    report = await world.members.import_members(
        world.admin, PERSONS.encode(), invite=True
    )
    assert sorted(await world.links_in_mails()) == sorted(
        link.link for link in report.links
    )


async def test_withdrawn_consent_takes_the_profile_back(filled: World) -> None:
    helga = await person(filled, "helga.brandis@optik.example")
    entry = await filled.catalogue.publish(
        helga,
        {
            "kind": "expert_profile",
            "title": {"de": "Expertin für Optik"},
            "summary": {"de": "Berät."},
            "name": "Helga Brandis",
            "expertise": ["Optik"],
            "audience": {"level": "trusted"},
        },
    )
    assert entry.person_consented
    file = PERSONS.replace("15.09.2025;Formular", ";")
    report = await filled.members.import_members(filled.admin, file.encode())
    assert [each.column for each in report.changes[0].changes] == [
        "consent_date",
        "consent_source",
    ]
    assert report.without_consent == 2
    after, _ = await filled.catalogue.show(filled.admin, entry.id)
    assert not after.person_consented
    assert after.version > entry.version
    assert after.state is EntryState.PUBLISHED


async def test_the_sample_data_can_be_imported_twice(world: World) -> None:
    folder = files("node.demo.data")
    for cluster, name in product(
        ("optence", "swissmem-photonics", "beispiel-netz-laser"),
        ("organisations.csv", "persons.csv"),
    ):
        content = (folder / cluster / name).read_bytes()
        first = await world.members.import_members(world.admin, content)
        assert first.errors == ()
        assert first.ignored_columns == ()
        again = await world.members.import_members(world.admin, content)
        assert (again.added, again.changed) == (0, 0)
        assert again.unchanged == first.added


async def test_an_organisation_without_key_is_taken_over_by_its_name(
    world: World,
) -> None:
    file = "external_id;name\nopt-001;GESCHÄFTSSTELLE\n"
    report = await world.members.import_members(world.admin, file.encode())
    assert [each.column for each in report.changes[0].changes] == [
        "external_id",
        "name",
    ]
    office = await world.members.organisation("opt-001")
    assert (office.id, office.is_office) == ("office", True)
