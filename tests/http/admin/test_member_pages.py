"""Members: lists, adding, roles, consent, leaving, import."""

import re

import pytest

from admin_ui.views.imports import FILE_BYTES_MAX, packed, unpacked
from node.errors import InvalidInputError
from node.members.model import Role
from tests.http.admin.conftest import Answer, Office
from tests.http.nodes import MovableClock

IMPORT = "/admin/mitglieder/import"
ORGANISATIONS = (
    "external_id;name;city\nM-1;Optik GmbH;Wetzlar\nM-2;Läser AG;Zürich\n"
).encode()


async def test_added_person_gets_a_link_that_is_shown_once(nord: Office) -> None:
    answer = await nord.post(
        "/admin/mitglieder/neu",
        {
            "name": "Anna Beispiel",
            "email": "Anna@Optik.example",
            "organisation": "Optik GmbH",
            "role": "person",
        },
    )
    assert answer.status == 200
    link = re.search(r"http://[^<]*/anmelden/[\w-]{43}", answer.html)
    assert link is not None
    person = await nord.node.members.person_by_email("anna@optik.example")
    assert (person.organisation_name, person.role) == ("Optik GmbH", Role.PERSON)
    assert link[0] not in (await nord.get("/admin/mitglieder")).html
    assert link[0] not in (await nord.get(f"/admin/mitglieder/person/{person.id}")).html


async def test_faults_stand_at_their_fields_and_values_stay(nord: Office) -> None:
    answer = await nord.post(
        "/admin/mitglieder/neu",
        {"name": "Anna", "email": "anna", "organisation": "Optik", "role": "person"},
    )
    assert answer.status == 422
    assert 'id="email-error"' in answer.html
    assert 'value="Anna"' in answer.html
    assert len(await nord.node.members.list_persons()) == 1


async def test_known_address_is_refused_at_the_field(nord: Office) -> None:
    await nord.member("anna@optik.example", "Optik")
    answer = await nord.post(
        "/admin/mitglieder/neu",
        {
            "name": "Anna",
            "email": "anna@optik.example",
            "organisation": "Optik",
            "role": "person",
        },
    )
    assert answer.status == 422
    assert "belongs to a member already" in answer.text


async def test_search_and_lists(nord: Office) -> None:
    await nord.member("anna@optik.example", "Optik GmbH")
    await nord.member("ben@laser.example", "Laser AG")
    found = await nord.get("/admin/mitglieder?q=optik")
    assert "anna@optik.example" in found.text
    assert "ben@laser.example" not in found.text
    assert "Nobody fits" in (await nord.get("/admin/mitglieder?q=zzz")).text
    organisations = await nord.get("/admin/mitglieder?liste=organisationen")
    assert "Laser AG" in organisations.text
    assert "/neu?fuer=" in organisations.html


async def test_role_consent_and_leaving(nord: Office, clock: MovableClock) -> None:
    person = await nord.member("anna@optik.example", "Optik GmbH")
    base = f"/admin/mitglieder/person/{person.id}"
    await nord.post(f"{base}/rolle", {"role": "organisation-admin"})
    assert (await nord.node.members.person(person.id)).role is Role.ORGANISATION_ADMIN
    on = clock.now().date()
    await nord.post(f"{base}/einwilligung", {"on": on.isoformat(), "source": "Brief"})
    assert (await nord.node.members.person(person.id)).has_consented
    wrong = await nord.post(f"{base}/einwilligung", {"on": "heute", "source": "Brief"})
    assert wrong.status == 422
    await nord.post(f"{base}/einwilligung", {"zurueck": "ja"})
    assert not (await nord.node.members.person(person.id)).has_consented
    assert "signed out everywhere" in (await nord.get(f"{base}/ausscheiden")).text
    await nord.post(f"{base}/ausscheiden")
    assert (await nord.node.members.person(person.id)).left_at is not None
    assert "Anna" in (await nord.get("/admin/mitglieder?liste=fort")).text
    assert "Anna" not in (await nord.get("/admin/mitglieder")).text


async def test_last_administrator_cannot_leave(nord: Office) -> None:
    base = f"/admin/mitglieder/person/{nord.person.id}"
    answer = await nord.post(f"{base}/ausscheiden")
    assert (answer.status, answer.location) == (303, base)
    assert (await nord.node.members.person(nord.person.id)).left_at is None


async def test_import_is_looked_at_before_it_is_done(nord: Office) -> None:
    look = await nord.upload(IMPORT, ORGANISATIONS)
    assert look.status == 200
    assert "Nothing is stored yet." in look.text
    assert "2 new" in look.text
    assert "Läser AG" in look.text
    names = {each.name for each in await nord.node.members.list_organisations()}
    assert "Optik GmbH" not in names
    done = await nord.post(IMPORT, {"packed": look.value("packed")})
    assert "The import is done." in done.text
    names = {each.name for each in await nord.node.members.list_organisations()}
    assert {"Optik GmbH", "Läser AG"} <= names

    changed = ORGANISATIONS.replace(b"Wetzlar", b"Jena")
    again = await nord.upload(IMPORT, changed)
    assert "1 changed" in again.text
    assert "1 unchanged" in again.text
    assert "city: “Wetzlar” becomes “Jena”" in again.text


async def test_rows_with_faults_are_named_and_left_out(nord: Office) -> None:
    await nord.post(IMPORT, {"packed": packed(ORGANISATIONS)})
    persons = (
        b"external_id;organisation;name;email\n"
        b"P-1;M-1;Anna;anna@optik.example\n"
        b"P-2;M-9;Ben;ben@laser.example\n"
        b"P-3;M-1;Cem;cem\n"
    )
    look = await nord.upload(IMPORT, persons)
    assert "1 new" in look.text
    assert "2 left out" in look.text
    assert "M-9" in look.text
    done = await nord.post(IMPORT, {"packed": look.value("packed")})
    assert re.search(r"/anmelden/[\w-]{43}", done.html)
    emails = {each.email for each in await nord.node.members.list_persons()}
    assert "anna@optik.example" in emails
    assert "ben@laser.example" not in emails


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("external_id;name\nM-1;Optik\n".encode("utf-16"), "UTF-16"),
        (b"name;city\nOptik;Jena\n", "external_id"),
        (b"external_id;name\nM-1;Optik\nM-1;Laser\n", "M-1"),
        (b"", "Choose a file"),
    ],
)
async def test_file_that_cannot_be_used(
    nord: Office, content: bytes, words: str
) -> None:
    answer = await nord.upload(IMPORT, content)
    assert answer.status == 422
    assert words in answer.text or not content
    assert len(await nord.node.members.list_organisations()) == 1


async def test_no_file_is_a_fault_of_the_form(nord: Office) -> None:
    answer = await nord.post(IMPORT, {"file": ""})
    assert answer.status == 422
    assert 'id="file-error"' in answer.html


async def test_too_large_file_is_refused(nord: Office) -> None:
    answer = await nord.upload(IMPORT, b"x" * (FILE_BYTES_MAX + 1))
    assert answer.status == 422
    assert "larger than 2 MB" in answer.text


def test_packed_file_comes_back_and_nothing_larger() -> None:
    assert unpacked(packed(ORGANISATIONS)) == ORGANISATIONS
    largest = b"y" * FILE_BYTES_MAX
    assert unpacked(packed(largest)) == largest
    for wrong in (packed(largest + b"y"), "", "%%%", packed(b"abc")[:-5], "ü"):
        with pytest.raises(InvalidInputError):
            unpacked(wrong)


@pytest.mark.parametrize("name", ["organisationen", "personen"])
async def test_templates_can_be_imported(nord: Office, name: str) -> None:
    if name == "personen":
        first = await nord.get("/admin/mitglieder/vorlage/organisationen")
        await nord.post(IMPORT, {"packed": packed(first.body)})
    template: Answer = await nord.get(f"/admin/mitglieder/vorlage/{name}")
    look = await nord.upload(IMPORT, template.body)
    assert "1 new" in look.text
    assert "0 left out" in look.text
    assert "mean nothing here" not in look.text
