"""Hide, purge, end and their undoing on the office's pages, in both languages."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from node.control.registry import run_command
from node.control.request import ControlRequest
from node.errors import ConflictError
from node.storage.database import Transaction
from node.storage.partners import update_partner
from tests.http.admin.conftest import Office, connect, offer, office_of
from tests.http.nodes import MovableClock


@pytest.fixture
async def told(partners: tuple[Office, Office]) -> tuple[Office, Office]:
    """Süd holds one entry of Nord."""
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    return nord, sued


@pytest.fixture
async def german(tmp_path: Path, clock: MovableClock) -> AsyncIterator[Office]:
    """A German office that holds an entry of a partner."""
    async with (
        office_of(tmp_path / "west", "West", clock=clock) as west,
        office_of(tmp_path / "ost", "Ost", clock=clock, language="de") as ost,
    ):
        await connect(west, ost)
        await west.node.catalogue.publish(west.person, offer())
        await west.settle()
        yield ost


async def take(office: Office, step: str) -> str:
    """Take a step on its page; return what the overview says then."""
    base = await office.partner_path()
    page = await office.get(f"{base}/{step}")
    assert page.status == 200, page.location
    answer = await office.post(f"{base}/{step}")
    assert (answer.status, answer.location) == (303, base)
    return (await office.get(base)).text


async def test_hiding_is_previewed_with_numbers_and_undone(
    told: tuple[Office, Office],
) -> None:
    _nord, sued = told
    base = await sued.partner_path()
    preview = (await sued.get(f"{base}/verbergen")).text
    assert "1 entry of Nord disappears for your 1 members." in preview
    assert "0 conversations stay." in preview
    shown = await take(sued, "verbergen")
    assert f"{sued.person.name} has hidden these entries from your members" in shown
    assert "connected, hidden from members" in shown
    assert "Hide entries" not in shown
    assert "Prüfung von Linsen" not in (await sued.get("/start")).text
    again = await take(sued, "zeigen")
    assert "has hidden" not in again
    assert "Prüfung von Linsen" in (await sued.get("/start")).text
    history = (await sued.get(f"{base}/verlauf")).text
    assert f"{sued.person.name} hid the entries of Nord." in history
    assert f"{sued.person.name} showed the entries of Nord again." in history


async def test_step_that_is_over_says_so(told: tuple[Office, Office]) -> None:
    _nord, sued = told
    base = await sued.partner_path()
    for step in ("zeigen", "kopien-entfernen", "neu-holen", "ende-zuruecknehmen"):
        answer = await sued.get(f"{base}/{step}")
        assert (answer.status, answer.location) == (303, base), step


async def test_purge_and_fetch_anew(told: tuple[Office, Office]) -> None:
    _nord, sued = told
    base = await sued.partner_path()
    await take(sued, "pausieren")
    preview = (await sued.get(f"{base}/kopien-entfernen")).text
    assert "1 entry of Nord disappears" in preview
    assert "fetch everything anew from Nord" in preview
    shown = await take(sued, "kopien-entfernen")
    assert "1 copy of an entry from there was removed by your office." in shown
    assert "Once the partnership is resumed, you can fetch them anew." in shown
    shown = await take(sued, "fortsetzen")
    assert "You can fetch them anew." in shown
    await take(sued, "neu-holen")
    await sued.settle()
    assert "Prüfung von Linsen" in (await sued.get("/start")).text
    history = (await sued.get(f"{base}/verlauf")).text
    assert f"{sued.person.name} removed the copies of the entries of Nord." in history
    assert f"{sued.person.name} fetched the entries of Nord anew." in history


async def test_end_is_taken_back_on_the_page_and_the_report_says_what_is_open(
    told: tuple[Office, Office],
) -> None:
    nord, _sued = told
    base = await nord.partner_path()
    assert "within 30 days" in (await nord.get(f"{base}/beenden")).text
    await nord.post(f"{base}/beenden", {"reason": "Fusion"})
    shown = (await nord.get(base)).text
    assert "You can take the end back until 21 December 2026" in shown
    report = (await nord.get(f"{base}/bericht")).text
    assert "Report on the partnership of Nord and Sued" in report
    assert f"{nord.person.name} of your office" in report
    assert "Fusion" in report
    assert "Removal not confirmed 1" in report
    assert "Its copy lapses by 21 December 2026 at the latest." in report
    shown = await take(nord, "ende-zuruecknehmen")
    assert "paused" in shown


async def test_end_that_is_complete_says_how_to_begin_again(
    told: tuple[Office, Office],
) -> None:
    nord, sued = told
    base = await nord.partner_path()
    await nord.post(f"{base}/beenden")
    await nord.settle()
    for office in (nord, sued):
        base = await office.partner_path()
        shown = (await office.get(base)).text
        assert "A new code starts a new one; the history stays." in shown
        assert (await office.get(f"{base}/ende-zuruecknehmen")).status == 303
    history = (await nord.get(f"{await nord.partner_path()}/verlauf")).text
    assert "1 of 1 entry is confirmed as removed." in history
    history = (await sued.get(f"{await sued.partner_path()}/verlauf")).text
    assert "Nothing had to be taken back." in history
    assert "removed everything" not in history


async def test_the_same_in_german(german: Office) -> None:
    base = await german.partner_path()
    preview = (await german.get(f"{base}/verbergen")).text
    assert "1 Eintrag von West verschwindet für Ihre 1 Mitglieder." in preview
    shown = await take(german, "verbergen")
    assert "vor Ihren Mitgliedern ausgeblendet" in shown
    await take(german, "pausieren")
    shown = await take(german, "kopien-entfernen")
    assert "1 Kopie eines Eintrags von dort hat Ihre Geschäftsstelle entfernt." in shown
    report = (await german.get(f"{base}/bericht")).text
    assert "Bericht über die Partnerschaft von Ost und West" in report
    history = (await german.get(f"{base}/verlauf")).text
    assert "hat die Kopien der Einträge von West entfernt." in history


async def test_failure_is_said_in_the_readers_language(
    told: tuple[Office, Office], german: Office
) -> None:
    nord, _sued = told
    for office, words in (
        (nord, "The other node cannot be reached"),
        (german, "Der andere Knoten ist nicht erreichbar"),
    ):
        (partner,) = await office.node.partners.list()
        partner_id = partner.id

        async def move(tx: Transaction, partner_id: str = partner_id) -> None:
            # A port at which nobody listens.
            await update_partner(tx, partner_id, base_url="http://127.0.0.1:9")

        await office.node.context.database.write(move)
        await office.node.catalogue.publish(office.person, offer())
        await office.settle()
        base = await office.partner_path()
        assert words in (await office.get(f"{base}/zustellung")).text
        (partner,) = await office.node.partners.list()
        assert partner.problem_code == "connection"
        assert partner.failing_since is not None


async def test_commands_do_the_same_and_describe_it(
    told: tuple[Office, Office],
) -> None:
    _nord, sued = told

    async def run(command: str) -> dict[str, Any]:
        request = ControlRequest(f"partner.{command}", {"partner": "Nord"}, None)
        return await run_command(sued.node, request)

    effects = (await run("effects"))["effects"]
    assert (effects["held"], effects["members"], effects["conversations"]) == (1, 1, 0)
    assert (await run("hide"))["hidden_since"] == "2026-11-21T10:00:00Z"
    assert (await run("show-again"))["hidden_since"] is None
    assert (await run("pause"))["state"] == "paused"
    assert (await run("purge"))["removed"] == 1
    assert (await run("resume"))["state"] == "active"
    assert (await run("fetch-again"))["coming"] == 1
    await sued.settle()
    report = await run("report")
    assert (report["copies_held"], report["told"], report["ended_by"]) == (1, 0, None)
    assert [each["name"] for each in (await run("try"))["partners"]] == ["Nord"]
    await run("end")
    with pytest.raises(ConflictError) as caught:
        await run("stay")
    # Nothing was told, so `Leave` may have left at once.
    assert caught.value.code == "end-is-told"
    report = await run("report")
    assert (report["copies_removed"], report["copies_held"]) == (1, 0)
    assert report["ended_by"] == {
        "us": True,
        "person": sued.person.name,
        "reason": None,
    }
