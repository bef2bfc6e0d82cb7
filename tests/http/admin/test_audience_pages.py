"""“Visibility”, groups, the release of the list, members of partners."""

import re

import pytest

from node.catalogue.model import AudienceLevel, Entry
from tests.http.admin.conftest import OFFER, Office


async def published(office: Office, level: str) -> Entry:
    """An entry of a member of its own."""
    found = [
        each
        for each in await office.node.members.list_persons()
        if each.email == "anna@optik.example"
    ]
    person = found[0] if found else await office.member("anna@optik.example", "Optik")
    document = {**OFFER, "audience": {"level": level}}
    return await office.node.catalogue.publish(person, document)


async def connect(nord: Office, sued: Office, **steps: str) -> None:
    """Both offices meet on the pages; `steps` go with accepting and confirming."""
    created = await nord.node.partners.invite(nord.person)
    preview = await sued.post("/admin/partner/code", {"code": created.code})
    compared = {"verglichen": "ja"}
    await sued.post(
        "/admin/partner/code/annehmen", {"code": preview.value("code"), **compared}
    )
    await nord.post(f"{await nord.partner_path()}/bestaetigen", {**compared, **steps})
    await nord.settle()


async def test_the_effect_of_a_ceiling_is_shown_before_it_counts(
    nord: Office, sued: Office
) -> None:
    entry = await published(nord, "trusted")
    await published(nord, "public")
    await connect(nord, sued)
    path = "/admin/sichtbarkeit/art/capacity_offer"
    table = await nord.get("/admin/sichtbarkeit")
    assert "Capacity offer" in table.text
    assert path in table.html
    wish = {"default": "cluster", "ceiling": "cluster"}
    seen = await nord.post(path, wish)
    assert "Affects 2 entries." in seen.text
    assert "2 become invisible to Sued." in seen.text
    assert "1 becomes invisible to everybody without signing in." in seen.text
    assert f"/e/{entry.id}" in seen.html
    assert (await nord.node.audiences.kinds())[0].ceiling is AudienceLevel.PUBLIC
    saved = await nord.post(path, {**wish, "schritt": "speichern"})
    assert (saved.status, saved.location) == (303, "/admin/sichtbarkeit")
    assert "at most “Own cluster”" in (await nord.get("/admin/sichtbarkeit")).text
    wrong = await nord.post(path, {"default": "public", "ceiling": "cluster"})
    assert wrong.status == 422
    assert "goes beyond what is permitted" in wrong.text


async def test_a_group_is_made_changed_and_dissolved(nord: Office) -> None:
    anna = await nord.member("anna@optik.example", "Optik")
    await nord.post(
        "/admin/gruppen/neu",
        {"name": "Arbeitskreis", "organisations": anna.organisation_id},
    )
    (group,) = await nord.node.audiences.groups()
    assert group.organisation_ids == {anna.organisation_id}
    assert "Arbeitskreis" in (await nord.get("/admin/gruppen")).text
    again = await nord.post("/admin/gruppen/neu", {"name": "arbeitskreis"})
    assert again.status in {409, 422}
    assert "already" in again.text
    await nord.node.catalogue.publish(
        anna, {**OFFER, "audience": {"level": "group", "group": group.id}}
    )
    path = f"/admin/gruppen/{group.id}"
    await nord.post(path, {"name": "Kreis Messen"})
    (group,) = await nord.node.audiences.groups()
    assert (group.name, group.organisation_ids) == ("Kreis Messen", frozenset())
    asked = await nord.get(f"{path}/aufloesen")
    assert "1 entry is for this group." in asked.text
    await nord.post(f"{path}/aufloesen")
    assert await nord.node.audiences.groups() == []


@pytest.mark.parametrize("later", [True, False])
async def test_the_list_is_shown_and_released_now_or_later(
    nord: Office, sued: Office, *, later: bool
) -> None:
    entry = await published(nord, "trusted")
    created = await nord.node.partners.invite(nord.person)
    await published(sued, "trusted")
    card = await sued.post("/admin/partner/code", {"code": created.code})
    assert "Nord would see 1 entry" in card.text
    compared = {"verglichen": "ja"}
    when = {"freigabe": "spaeter"} if later else {}
    await sued.post(
        "/admin/partner/code/annehmen",
        {"code": card.value("code"), **compared, **when},
    )
    path = await nord.partner_path()
    asked = await nord.get(path)
    assert "Sued would see 1 entry" in asked.text
    assert f"/e/{entry.id}" in asked.html
    await nord.post(f"{path}/bestaetigen", {**compared, **when})
    await nord.settle()
    await sued.settle()
    (sued_there,) = await nord.node.partners.list()
    assert (sued_there.released_at is None) is later
    todo = "Release to Sued what is for all"
    assert (todo in (await nord.get("/admin")).text) is later
    if later:
        assert "would see 1 entry" in (await nord.get(f"{path}/freigabe")).text
        done = await nord.post(f"{path}/freigabe")
        assert (done.status, done.location) == (303, path)
        assert todo not in (await nord.get("/admin")).text
    assert "Released on" in (await nord.get(f"{path}/freigabe")).text


async def test_members_of_a_partner_are_noted_and_forgotten(
    nord: Office, sued: Office
) -> None:
    await connect(nord, sued)
    path = f"{await nord.partner_path()}/mitglieder"
    wrong = await nord.post(path, {"name": "Rivale"})
    assert wrong.status == 422
    assert "A name alone proves nothing" in wrong.text
    noted = await nord.post(path, {"name": "Rivale", "domains": "rivale.example"})
    assert noted.status == 303
    page = await nord.get(path)
    assert "Rivale rivale.example your office" in page.text
    found = re.search(rf'{path}/([a-z0-9]+)/vergessen"', page.html)
    assert found is not None
    await nord.post(f"{path}/{found[1]}/vergessen")
    assert "Rivale" not in (await nord.get(path)).text
