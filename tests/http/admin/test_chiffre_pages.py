"""The office's page of box numbers, and the look behind one."""

from node.chiffre.appearing import show_due
from node.members.model import Role
from tests.http.admin.conftest import Office, offer
from tests.http.nodes import MovableClock

PAGE = "/admin/chiffre"
FIRM = "Zwetschgenwerk"


async def publish(nord: Office, clock: MovableClock) -> str:
    owner, _link = await nord.node.members.add_person(
        nord.person,
        email="zenobia@zwetschge.example",
        name="Zenobia Zwilling",
        organisation=FIRM,
    )
    entry = await nord.node.catalogue.publish(
        owner, offer(contact={"mode": "chiffre"}, publish_anyway=True)
    )
    clock.advance(hours=4)
    await show_due(nord.node.context, nord.node.catalogue)
    return entry.id


async def test_names_stay_hidden_without_a_reason(
    nord: Office, clock: MovableClock
) -> None:
    assert "No entry is under a box number" in (await nord.get(PAGE)).text
    entry_id = await publish(nord, clock)
    page = await nord.get(PAGE)
    assert "no answer yet" in page.text
    for path in (PAGE, f"{PAGE}/{entry_id}", f"/e/{entry_id}", "/start", "/meine"):
        html = (await nord.get(path)).html
        assert FIRM not in html, path
        assert "Zenobia" not in html, path
    refused = await nord.post(f"{PAGE}/{entry_id}", {"grund": "  "})
    assert refused.status == 422
    assert "Give a reason" in refused.text
    assert FIRM not in refused.html
    assert (await nord.get(f"{PAGE}/unbekannt")).status == 404


async def test_a_look_is_logged_and_the_owner_sees_it(
    nord: Office, clock: MovableClock
) -> None:
    entry_id = await publish(nord, clock)
    behind = await nord.post(f"{PAGE}/{entry_id}", {"grund": "Beschwerde von C"})
    assert behind.status == 200
    assert FIRM in behind.text
    assert "Zenobia Zwilling" in behind.text
    log = await nord.get("/admin/protokoll")
    assert "The office looked who stands behind" in log.text
    assert "Beschwerde von C" in log.text
    assert FIRM not in log.text.partition("became a member")[0]
    mine = await nord.get(f"/e/{entry_id}", who="zenobia@zwetschge.example")
    assert "Who looked behind the box number" in mine.text
    assert "Beschwerde von C" in mine.text


async def test_members_do_not_look(nord: Office, clock: MovableClock) -> None:
    entry_id = await publish(nord, clock)
    await nord.node.members.add_person(
        None,
        email="otto@laser.example",
        name="Otto",
        organisation="Laser",
        role=Role.ORGANISATION_ADMIN,
    )
    for who in ("otto@laser.example", "zenobia@zwetschge.example"):
        assert (await nord.get(PAGE, who=who)).status == 403
        looked = await nord.post(f"{PAGE}/{entry_id}", {"grund": "neugierig"}, who=who)
        assert looked.status == 403
    others = await nord.get(f"/e/{entry_id}", who="otto@laser.example")
    assert FIRM not in others.html
    assert "box number" in others.text
    colleague = await nord.node.members.add_person(
        None, email="carl@zwetschge.example", name="Carl", organisation=FIRM
    )
    assert colleague
    theirs = await nord.get("/meine", who="carl@zwetschge.example")
    assert entry_id not in theirs.html
