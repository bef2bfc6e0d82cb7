"""The page on which a technical administrator closes the cluster down."""

import io
import zipfile
from pathlib import Path

from node.members.model import Role
from tests.http.admin.conftest import Office, offer, office_of
from tests.http.nodes import MovableClock

PAGE = "/admin/system/schliessen"


async def test_it_is_previewed_typed_and_followed(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    page = await nord.get(PAGE)
    assert "1 entry of your members is deleted" in page.text
    assert "1 partnership ends" in page.text
    wrong = await nord.post(PAGE, {"typed": "Sued"})
    assert wrong.status == 422
    assert "This is not the name: Nord" in wrong.text
    assert await nord.node.closing.advance() == 0
    begun = await nord.post(PAGE, {"typed": "nord"})
    assert (begun.status, begun.location) == (303, PAGE)
    page = await nord.get(PAGE)
    assert "The cluster is closing down since" in page.text
    assert "Close down for good" not in page.text
    for _round in range(3):
        while await nord.node.closing.advance():
            pass
        await nord.settle()
        await sued.settle()
    assert "It is complete since" in (await nord.get(PAGE)).text


async def test_archive_is_downloaded(nord: Office) -> None:
    await nord.node.catalogue.publish(nord.person, offer(audience={"level": "public"}))
    answer = await nord.post(f"{PAGE}/archiv")
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert "manifest.json" in archive.namelist()


async def test_only_technical_administrators_see_it(nord: Office) -> None:
    clerk, _link = await nord.node.members.add_person(
        None,
        email="clerk@nord.example",
        name="Clerk",
        organisation="Nord",
        role=Role.OFFICE,
    )
    assert (await nord.get(PAGE, who=clerk.email)).status == 403
    assert (await nord.post(PAGE, {"typed": "Nord"}, who=clerk.email)).status == 403
    assert PAGE not in (await nord.get("/admin/system", who=clerk.email)).html
    assert PAGE in (await nord.get("/admin/system")).html


async def test_it_speaks_german(tmp_path: Path, clock: MovableClock) -> None:
    async with office_of(tmp_path / "w", "West", clock=clock, language="de") as west:
        page = (await west.get(PAGE)).text
        assert "Cluster schließen" in page
        assert "0 Partnerschaften enden" in page
