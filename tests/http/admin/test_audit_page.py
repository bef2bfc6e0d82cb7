"""The office's log: sentences, filters, the file, and damage."""

import json
import re

from sqlalchemy import update

from node.members.model import Role
from node.storage.database import Transaction
from node.storage.tables import audit_log
from tests.http.admin.conftest import Office

PAGE = "/admin/protokoll"


async def test_decisions_are_read_filtered_and_downloaded(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    person, _link = await nord.node.members.add_person(
        nord.person, email="neu@nord.example", name="Nele Neu", organisation="Nord"
    )
    await nord.node.members.change_role(nord.person, person.id, Role.ORGANISATION_ADMIN)
    page = await nord.get(PAGE)
    assert page.status == 200
    assert "complete: every row fits the one before" in page.text
    assert "The request of Sued was confirmed." in page.text
    assert (
        "The role of Nele Neu was changed. role: Member → Organisation's administrator"
        in page.text
    )
    mine = await nord.get(f"{PAGE}?wer={nord.person.id}")
    assert "Nele Neu became a member." in mine.text
    assert "Sued used our code" not in mine.text
    nothing = await nord.get(f"{PAGE}?von=2999-01-01&bis=quatsch&vor=x")
    assert "No decision fits." in nothing.text

    file = await nord.get(f"{PAGE}/datei")
    rows = [json.loads(line) for line in file.body.splitlines()]
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert rows[-1]["event"] == "role_changed"
    assert rows[-1]["after"] == {"role": "organisation-admin"}


async def test_damage_shows(partners: tuple[Office, Office]) -> None:
    nord, _sued = partners

    async def forge(tx: Transaction) -> None:
        await tx.execute(
            update(audit_log).where(audit_log.c.number == 1).values(event="we_ended")
        )

    await nord.node.context.database.write(forge)
    assert "damaged at row 1" in (await nord.get(PAGE)).text


async def test_members_do_not_read_it(nord: Office) -> None:
    person, _link = await nord.node.members.add_person(
        None, email="neu@nord.example", name="Nele Neu", organisation="Firma"
    )
    assert (await nord.get(PAGE, who=person.email)).status == 403
    assert (await nord.get(f"{PAGE}/datei", who=person.email)).status == 403
    assert (await nord.get(f"{PAGE}/datei")).status == 200


async def test_older_ones_are_on_the_next_page(nord: Office) -> None:
    for number in range(101):
        await nord.node.members.add_person(
            None,
            email=f"p{number}@nord.example",
            name=f"Person {number:03d}",
            organisation="Firma",
            send_invitation=False,
        )
    first = await nord.get(PAGE)
    assert "Person 100 became" in first.text
    assert "Person 000 became" not in first.text
    link = re.search(r'class="button" href="([^"]*vor=[0-9]+)"', first.html)
    assert link is not None
    second = await nord.get(link[1])
    assert "Person 000 became" in second.text
    assert "Person 100 became" not in second.text
