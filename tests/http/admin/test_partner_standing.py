"""One line for each partner: what both sides hold, what waits, which days it was."""

import json
from typing import Any

from federation.json_types import JsonObject
from federation.signatures.proof import verify_proof
from node.control.registry import run_command
from node.control.request import ControlRequest
from tests.http.admin.conftest import Office, offer
from tests.http.nodes import MovableClock


async def ask(office: Office, command: str, **arguments: Any) -> dict[str, Any]:
    return await run_command(office.node, ControlRequest(command, arguments, None))


async def test_strip_says_in_words_what_happened_on_each_day(
    partners: tuple[Office, Office], clock: MovableClock
) -> None:
    nord, _sued = partners
    base = await nord.partner_path()
    clock.advance(days=2)
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    for path in ("/admin/partner", base, f"{base}/zustellung"):
        page = await nord.get(path)
        assert page.html.count('<li class="day-') == 14, path
        assert page.html.count('<li class="day-ok"') == 2, path
        assert "21/11/2026: exchanged" in page.text
        assert "22/11/2026: nothing due" in page.text
        assert "23/11/2026: exchanged" in page.text
        summary = "Last 14 days: exchanged on 2 days, nothing due on 12 days"
        assert f'<ol class="strip" aria-label="{summary}">' in page.html, path


async def test_both_directions_stand_beside_each_other(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await sued.node.catalogue.publish(sued.person, offer(title={"de": "Von Süd"}))
    waiting = (await nord.get(await nord.partner_path())).text
    assert "Waits for delivery: 1 entry." in waiting
    await nord.settle()
    await sued.settle()
    page = (await nord.get(await nord.partner_path())).text
    assert "In sync: 1 sent = 1 held + 0 refused by their rules" in page
    assert "From there: 1 held + 0 kept out by your rules" in page
    assert "confirmed as complete 11:00" in page
    document = await ask(nord, "partner.show", partner="Sued")
    assert document["in_sync"] == {
        "agreement": "in-sync",
        "sent": 1,
        "held": 1,
        "refused": 0,
        "waiting": 0,
        "digest_equal": True,
        "checked_at": "2026-11-21T10:00:00Z",
    }
    assert document["received"]["held"] == 1
    assert document["waiting"] == {"entries": 0, "withdrawals": 0, "messages": 0}
    assert document["restored"] is None
    assert document["unaccounted"] == 0
    assert [each["day"] for each in document["days"]][-1] == "2026-11-21"
    assert len(document["days"]) == 14
    listed = await ask(nord, "partner.list")
    assert listed == {"partners": [document]}


async def test_entry_shows_its_holders_its_history_and_signed_receipts(
    partners: tuple[Office, Office], clock: MovableClock
) -> None:
    nord, _sued = partners
    entry = await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    clock.advance(hours=1)
    await nord.node.catalogue.publish(
        nord.person, offer(title={"de": "Neuer Titel"}), entry_ref=entry.id
    )
    path = f"/admin/zustellung/eintrag/{entry.id}"
    assert f'href="{path}"' in (await nord.get("/admin/zustellung")).html
    between = (await nord.get(path)).text
    assert "Sued on its way version 1" in between
    await nord.settle()
    clock.advance(hours=1)
    await nord.node.catalogue.delete(nord.person, entry.id)
    await nord.settle()
    page = await nord.get(path)
    assert "This entry was deleted" in page.text
    assert "Sued taken back, confirmed nothing" in page.text
    told = [
        "Sued confirmed that it has deleted its copy.",
        "Sued confirmed that it holds version 2.",
        "Sued confirmed that it holds version 1.",
    ]
    places = [page.text.index(sentence) for sentence in told]
    assert places == sorted(places)
    links = [part.partition('"')[0] for part in page.html.split('href="')]
    receipts = [link for link in links if "quittung?" in link]
    assert len(receipts) == 4  # of the row, and of three steps
    answer = await nord.get(receipts[0])
    assert answer.status == 200
    await _is_signed_by_sued(nord, json.loads(answer.body))
    document = await ask(nord, "ledger.history", entry=entry.uri)
    assert [each["op"] for each in document["history"]] == [
        "delete",
        "upsert",
        "upsert",
    ]
    receipt = document["history"][0]["receipt"]
    shown = await ask(nord, "ledger.receipt", receipt=receipt)
    assert shown["document"] == json.loads(answer.body)


async def _is_signed_by_sued(nord: Office, receipt: JsonObject) -> None:
    (partner,) = await nord.node.partners.list()
    assert receipt["type"] == "Receipt"
    assert receipt["actor"] == partner.actor_id
    key = partner.key.pinned
    proof = verify_proof(
        receipt, find_key=lambda key_id, _at: {key.key_id: key.public_key}.get(key_id)
    )
    assert proof.verification_method == key.key_id


async def test_evidence_is_for_the_office_and_names_only_what_there_is(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    entry = await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    member = await nord.member("anna@nord.example", "Nordwerk")
    rows = (await ask(nord, "ledger", entry=entry.uri))["rows"]
    receipt = rows[0]["receipt"]
    for path in (
        f"/admin/zustellung/eintrag/{entry.id}",
        f"/admin/zustellung/quittung?id={receipt}",
    ):
        assert (await nord.get(path)).status == 200, path
        assert (await nord.get(path, who=member.email)).status == 403, path
    for path in ("eintrag/nichts", "quittung?id=nichts", "quittung"):
        assert (await nord.get(f"/admin/zustellung/{path}")).status == 404, path


async def test_pages_of_the_ledger_are_cut_by_the_database(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    for number in range(53):
        await nord.node.catalogue.publish(
            nord.person, offer(title={"de": f"Nummer {number:02}"})
        )
    first = await nord.get("/admin/zustellung?stand=waiting")
    second = await nord.get("/admin/zustellung?stand=waiting&seite=2")
    assert first.text.count("Nummer") == 50
    assert second.text.count("Nummer") == 3
    assert "not confirmed yet 53" in first.text
    assert "seite=2" in first.html
    beyond = await nord.get("/admin/zustellung?stand=waiting&seite=99")
    assert beyond.text.count("Nummer") == 3
    assert (await nord.get("/admin/zustellung?stand=unsinn")).text.count("Nummer") == 50
    limited = await ask(nord, "ledger", limit=7)
    assert len(limited["rows"]) == 7
    assert len((await ask(nord, "ledger"))["rows"]) == 53


async def test_what_is_still_held_counts_until_its_removal_is_confirmed(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    entries = [
        await nord.node.catalogue.publish(nord.person, offer(title={"de": f"N {n}"}))
        for n in range(3)
    ]
    await nord.settle()
    await nord.node.catalogue.withdraw(nord.person, entries[0].id)
    await nord.node.catalogue.publish(
        nord.person, offer(title={"de": "Anders"}), entry_ref=entries[1].id
    )
    waiting = (await nord.get("/admin/partner")).text
    assert "Not everything is confirmed: 3 sent = 3 held + 0 refused" in waiting
    assert "Waits for delivery: 1 entry, 1 withdrawal." in waiting
    await nord.settle()
    assert "In sync: 2 sent = 2 held + 0" in (await nord.get("/admin/partner")).text
