"""Entries of all members, their import, who sees them, mails, the node itself."""

import re
from pathlib import Path

import pytest

from admin_ui.views.imports import packed
from schemas import KINDS
from tests.http.admin.conftest import Office, connect, offer, office_of
from tests.http.nodes import MovableClock

IMPORT = "/admin/eintraege/import"


@pytest.mark.parametrize("kind", KINDS)
async def test_entry_template_can_be_imported(nord: Office, kind: str) -> None:
    for name in ("organisationen", "personen"):
        file = await nord.get(f"/admin/mitglieder/vorlage/{name}")
        await nord.post("/admin/mitglieder/import", {"packed": packed(file.body)})
    template = await nord.get(f"/admin/eintraege/vorlage/{kind}")
    look = await nord.upload(IMPORT, template.body)
    assert "1 new" in look.text, look.text
    assert "mean nothing here" not in look.text
    assert await nord.node.catalogue.mine(nord.person) == []
    done = await nord.post(IMPORT, {"packed": look.value("packed")})
    assert "The import is done." in done.text
    (entry,) = await nord.node.catalogue.mine(nord.person)
    assert (entry.kind, entry.organisation_name) == (kind, "Optik Beispiel GmbH")
    again = await nord.upload(IMPORT, template.body)
    assert "1 unchanged" in again.text
    assert "There is nothing to import." in again.text


async def test_list_shows_state_owner_and_audience(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    owner = await nord.member("olga@optik.example", "Optik GmbH")
    await nord.node.catalogue.publish(
        owner,
        offer(audience={"level": "partners", "partners": [sued.base_url]}),
    )
    await nord.node.catalogue.publish(
        nord.person, offer(title={"de": "Entwurf"}), draft=True
    )
    listed = await nord.get("/admin/eintraege")
    assert "Optik GmbH" in listed.text
    assert "published Sued" in listed.text
    drafts = await nord.get("/admin/eintraege?zustand=draft")
    assert "Entwurf" in drafts.text
    assert "Linsen" not in drafts.text
    assert "No entry fits." in (await nord.get("/admin/eintraege?q=zzz")).text


async def test_visibility_of_an_entry_for_everybody(nord: Office, sued: Office) -> None:
    await connect(nord, sued)
    entry = await nord.node.catalogue.publish(nord.person, offer())
    answer = await nord.get(f"/admin/sichtbarkeit/pruefen?eintrag={entry.id}")
    assert "Sued sees it The entry is for all partner clusters. VIS-032" in answer.text
    assert "does not see it The entry is not public. VIS-041" in answer.text


@pytest.mark.parametrize(
    ("who", "sentence"),
    [
        ("public", "does not see it The entry is not public."),
        ("Sued", "sees it The entry is for all partner clusters."),
        ("anna@laser.example", "sees it The entry is for the whole cluster."),
    ],
)
async def test_visibility_for_one_viewer_by_words_of_the_title(
    partners: tuple[Office, Office], who: str, sentence: str
) -> None:
    nord, _sued = partners
    await nord.member("anna@laser.example", "Laser AG")
    await nord.node.catalogue.publish(nord.person, offer())
    path = f"/admin/sichtbarkeit/pruefen?eintrag=linsen&wer={who}"
    assert sentence in (await nord.get(path)).text


async def test_visibility_asks_back(nord: Office) -> None:
    for title in ("Linsen schleifen", "Linsen polieren"):
        await nord.node.catalogue.publish(nord.person, offer(title={"de": title}))
    several = await nord.get("/admin/sichtbarkeit/pruefen?eintrag=linsen")
    assert "Which entry do you mean?" in several.text
    none = await nord.get("/admin/sichtbarkeit/pruefen?eintrag=Prisma")
    assert (none.status, "No entry fits “Prisma”" in none.text) == (422, True)
    nobody = await nord.get("/admin/sichtbarkeit/pruefen?eintrag=polieren&wer=Atlantis")
    assert (nobody.status, "Nobody is known" in nobody.text) == (422, True)


async def test_mails_are_shown_and_not_sent(nord: Office) -> None:
    person = await nord.member("anna@optik.example", "Optik GmbH")
    await nord.post(f"/admin/mitglieder/person/{person.id}/einladen")
    listed = await nord.get("/admin/post")
    assert "Mails are not sent, only shown here." in listed.text
    assert "anna@optik.example" in listed.text
    path = re.search(r'href="(/admin/post/[^"?]+)"', listed.html)
    assert path is not None
    mail = await nord.get(path[1])
    assert "/anmelden/" in mail.text
    assert "Send again now" not in mail.text


async def test_system_shows_checks_and_key(nord: Office) -> None:
    answer = await nord.get("/admin/system")
    assert answer.status == 200
    assert nord.node.context.signer.key.public_key.fingerprint in answer.text
    assert nord.base_url in answer.text
    assert "in order" in answer.text


async def test_pages_speak_german(tmp_path: Path, clock: MovableClock) -> None:
    async with office_of(tmp_path / "ost", "Ost", clock=clock, language="de") as office:
        for path, words in (
            ("/admin", "Alles erledigt."),
            ("/admin/partner", "Noch keine Partner-Cluster"),
            ("/admin/zustellung", "Noch nichts hat Ihren Cluster verlassen"),
        ):
            answer = await office.get(path)
            assert words in answer.text
            assert '<html lang="de">' in answer.html
