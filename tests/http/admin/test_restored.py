"""What the office sees and decides after a restore."""

import json
from datetime import timedelta
from pathlib import Path

from sqlalchemy import insert, update

from node.backup.status import note
from node.catalogue.model import EntryState
from node.erasure.report import REPORT_FILE
from node.exchange.unaccounted import Settlement
from node.storage.database import Transaction
from node.storage.tables import node_state, unaccounted_entries
from tests.http.admin.conftest import Office, offer

PATH = "/admin/wiederherstellung"


async def _claim(office: Office, entry_id: str, partner_id: str) -> None:
    async def work(tx: Transaction) -> None:
        await tx.execute(
            insert(unaccounted_entries).values(
                partner_id=partner_id,
                entry_id=entry_id,
                state="present",
                incarnation=7,
                counter=3,
                content_hash="0" * 64,
                found_at=office.node.context.clock.now(),
            )
        )

    await office.node.context.database.write(work)


async def test_a_node_that_was_never_restored(nord: Office) -> None:
    page = await nord.get(PATH)
    assert "This node was never restored from a backup." in page.text
    assert "Nothing waits for a decision." in page.text
    member = await nord.member("mo@firma.example", "Firma")
    assert (await nord.get(PATH, who=member.email)).status == 403


async def test_what_was_changed_and_who_has_compared(
    partners: tuple[Office, Office],
) -> None:
    nord, _ = partners
    kept = await nord.node.catalogue.publish(
        nord.person, offer(title={"de": "Älterer <b>Text</b>"})
    )
    context = nord.node.context
    now = context.clock.now()
    made = now - timedelta(hours=5)

    async def restored(tx: Transaction) -> None:
        await tx.execute(
            update(node_state).values(
                restored_at=now, restored_from=made, epoch="f" * 32
            )
        )

    await context.database.write(restored)
    report = {
        "epoch": "f" * 32,
        "deleted": ["a", "b"],
        "older": [kept.id],
        "lost": ["c"],
        "mails": 3,
        "purged": ["p"],
        "closing": True,
    }
    path: Path = nord.node.folder / REPORT_FILE
    path.write_text(json.dumps(report))
    page = await nord.get(PATH)
    assert "2 entries were deleted again" in page.text
    assert "1 entry was changed after the backup" in page.text
    assert "Älterer <b>Text</b>" in page.text  # as text, not as markup
    assert "<b>Text</b>" not in page.html
    assert f'href="/eintraege/{kept.id}"' in page.html
    assert "1 entry was published after the backup and is lost here." in page.text
    assert "3 mails that waited in the backup are not sent" in page.text
    assert "The copies of 1 partner cluster were removed again." in page.text
    assert "The cluster closes down, as was ordered." in page.text
    assert "Sued Your entries there: not compared yet: gets no entries" in page.text
    # A report of another restore is not this one's.
    path.write_text(json.dumps({**report, "epoch": "e" * 32}))
    assert "2 entries" not in (await nord.get(PATH)).text


async def test_a_partner_that_never_says_what_it_holds_is_told_on_order(
    partners: tuple[Office, Office],
) -> None:
    nord, _ = partners
    context = nord.node.context
    now = context.clock.now()

    async def restored(tx: Transaction) -> None:
        await tx.execute(update(node_state).values(restored_at=now, epoch="f" * 32))

    await context.database.write(restored)
    (partner,) = await nord.node.partners.list()
    page = await nord.get(PATH)
    assert "Tell it entries without a comparison" in page.text
    assert "is forgotten here is then told again" in page.text
    member = await nord.member("mo@firma.example", "Firma")
    told = {"partner": partner.id}
    refused = await nord.post(f"{PATH}/mitteilen", told, who=member.email)
    assert refused.status == 403
    answer = await nord.post(f"{PATH}/mitteilen", told)
    assert (answer.status, answer.location) == (303, PATH)
    page = await nord.get(PATH)
    assert "Your entries there: is told everything again" in page.text
    assert "Tell it entries without a comparison" not in page.text
    history = await nord.get(f"/admin/partner/{partner.id}/verlauf")
    assert "be told your entries without a comparison" in history.text
    # Once more it is said, and is no error of the page.
    answer = await nord.post(f"{PATH}/mitteilen", told)
    assert answer.status == 303
    assert (await nord.node.partners.list())[0].next_check_at == now


async def test_the_office_decides(partners: tuple[Office, Office]) -> None:
    nord, _ = partners
    (partner,) = await nord.node.partners.list()
    ours = await nord.node.catalogue.publish(nord.person, offer())
    await _claim(nord, ours.id, partner.id)
    await _claim(nord, "unknown", partner.id)
    assert "Decide about 2 entries" in (await nord.get("/admin")).text
    page = await nord.get(PATH)
    assert "Sued holds version 7.3." in page.text
    assert "Entry that is not known here" in page.text
    assert page.html.count(f'action="{PATH}/entscheiden"') == 4

    async def choose(entry_id: str, decision: str) -> str:
        answer = await nord.post(
            f"{PATH}/entscheiden",
            {"partner": partner.id, "eintrag": entry_id, "entscheidung": decision},
        )
        assert (answer.status, answer.location) == (303, PATH)
        return answer.location

    await choose(ours.id, Settlement.OURS)
    async with nord.node.context.database.read() as tx:
        from node.storage.entries import load_entry

        again = await load_entry(tx, nord.node.context.address, ours.id)
    assert again is not None
    assert again.version.incarnation >= 7
    assert again.state is EntryState.PUBLISHED
    await choose("unknown", Settlement.TAKEN_BACK)
    assert await nord.node.unaccounted.listed() == []
    await choose("unknown", Settlement.LEFT)  # settled meanwhile: said, no error
    bad = await nord.post(f"{PATH}/entscheiden", {"entscheidung": "everything"})
    assert bad.status == 422


async def test_the_system_page_shows_the_last_backup(nord: Office) -> None:
    assert "Last backup never" in (await nord.get("/admin/system")).text
    at = nord.node.context.clock.now()
    note(nord.node.folder, made_at=at, verified_at=at, bytes=1)
    page = await nord.get("/admin/system")
    assert "Last backup never" not in page.text
    assert "its trial restore succeeded" in page.text


async def test_a_journal_that_cannot_be_written_is_not_ready(nord: Office) -> None:
    entry = await nord.node.catalogue.publish(nord.person, offer())
    journal = nord.node.journal.path
    aside = journal.with_name("aside")
    journal.rename(aside)
    journal.mkdir()
    await nord.node.catalogue.withdraw(nord.person, entry.id)
    nord.node.context.clock.advance(seconds=2)  # type: ignore[attr-defined]
    async with nord.session.get(f"{nord.base_url}/readyz") as answer:
        assert (answer.status, await answer.text()) == (503, "journal-unwritable\n")
    journal.rmdir()
    aside.rename(journal)
    await nord.node.catalogue.delete(nord.person, entry.id)
    nord.node.context.clock.advance(seconds=2)  # type: ignore[attr-defined]
    async with nord.session.get(f"{nord.base_url}/readyz") as answer:
        assert answer.status == 200
