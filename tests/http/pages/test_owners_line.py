"""The owner reads who confirmed a removal, who did not, and by when copies lapse."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from federation.limits import LEASE_HIDDEN
from node.catalogue.model import Entry
from node.control.registry import run_command
from node.control.request import ControlRequest
from node.members.model import Person
from tests.http.nodes import START, MovableClock
from tests.http.pages.sites import Site, site_of


@dataclass
class Told:
    """Nord told Süd and Ost an entry; then Ost went away."""

    nord: Site
    owner: Person
    entry: Entry
    clock: MovableClock

    async def page(self, language: str = "en") -> str:
        browser = await self.nord.signed_in(self.owner.email, language=language)
        return (await browser.get(f"/e/{self.entry.id}")).text

    async def own_entries(self, language: str = "en") -> str:
        browser = await self.nord.signed_in(self.owner.email, language=language)
        return (await browser.get("/meine")).text


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[Told]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord = await stack.enter_async_context(
            site_of(tmp_path / "nord", "Nord", clock=clock)
        )
        sued = await stack.enter_async_context(
            site_of(tmp_path / "sued", "Süd", clock=clock)
        )
        away = await stack.enter_async_context(AsyncExitStack())
        ost = await away.enter_async_context(
            site_of(tmp_path / "ost", "Ost", clock=clock)
        )
        office = await nord.node.members.office_person()
        for other in (sued, ost):
            created = await nord.node.partners.invite(office)
            guest = await other.node.members.office_person()
            await other.node.partners.accept(guest, created.code)
            await other.node.partners.mark_compared(guest, nord.base_url)
            await nord.node.partners.confirm(office, other.base_url, compared=True)
        owner = await nord.member("olga@optik.example", "Optik GmbH")
        entry = await nord.publish(owner)
        await nord.settle()
        await away.aclose()
        yield Told(nord, owner, entry, clock)


async def test_everybody_has_confirmed(told: Told) -> None:
    words = "2 of 2 partner clusters have confirmed that it arrived."
    assert words in await told.page()
    assert words in await told.own_entries()


async def test_one_is_away(told: Told) -> None:
    await told.nord.node.catalogue.withdraw(told.owner, told.entry.id)
    await told.nord.settle()
    told.clock.advance(days=2)
    lapse = f"{(START + LEASE_HIDDEN).day} December 2026"
    words = (
        "1 of 2 partner clusters have confirmed that it was removed. Ost has not been"
        f" reachable since Sat 21 November. Its copy lapses by {lapse} at the latest."
    )
    assert words in await told.page()
    assert words in await told.own_entries()
    told.clock.advance(days=40)
    assert f"Its copy has lapsed, on {lapse} at the latest." in await told.page()


async def test_the_same_in_german(told: Told) -> None:
    await told.nord.node.catalogue.withdraw(told.owner, told.entry.id)
    await told.nord.settle()
    words = (
        "1 von 2 Partner-Clustern haben bestätigt, dass der Eintrag entfernt ist. Ost"
        " ist seit Sa., 21. November nicht erreichbar. Die Kopie dort läuft spätestens"
        " am 21. Dezember 2026 ab."
    )
    assert words in await told.page("de")
    assert words in await told.own_entries("de")


async def test_public_copy_does_not_lapse(told: Told) -> None:
    document = {**told.entry.content, "audience": {"level": "public"}}
    public = await told.nord.node.catalogue.publish(told.owner, document)
    await told.nord.settle()
    await told.nord.node.catalogue.withdraw(told.owner, public.id)
    browser = await told.nord.signed_in(told.owner.email)
    page = (await browser.get(f"/e/{public.id}")).text
    assert "Its copy is public and does not lapse by itself." in page


async def test_deleted_entry_is_listed_until_everybody_has_confirmed(
    told: Told,
) -> None:
    await told.nord.node.catalogue.delete(told.owner, told.entry.id)
    await told.nord.settle()
    page = await told.own_entries()
    assert "Deleted, but not confirmed by everybody yet" in page
    assert "1 of 2 partner clusters have confirmed that it was removed." in page
    assert "Linsen" not in page
    stranger = await told.nord.member("nora@laser.example", "Laser AG")
    browser = await told.nord.signed_in(stranger.email)
    assert "not confirmed by everybody" not in (await browser.get("/meine")).text


async def test_commands_say_the_same(told: Told) -> None:
    await told.nord.node.catalogue.withdraw(told.owner, told.entry.id)
    await told.nord.settle()
    node = told.nord.node
    arguments = {"entry": told.entry.id}
    shown = await run_command(node, ControlRequest("entry.show", arguments, None))
    standing = shown["standing"]
    assert (standing["taken_back"], standing["removed"]) == (2, 1)
    (waiting,) = standing["open"]
    assert waiting["lapses"] is True
    assert waiting["unreachable_since"] == "2026-11-21T10:00:00Z"
    assert waiting["lapses_at"].startswith("2026-12-21")
    ledger = await run_command(node, ControlRequest("ledger", arguments, None))
    assert sorted(row["lapses_at"] or "" for row in ledger["rows"]) == [
        "",
        waiting["lapses_at"],
    ]
    tried = await run_command(node, ControlRequest("partner.try", {}, None))
    assert [each["name"] for each in tried["partners"]] == ["Ost"]
    assert tried["partners"][0]["problem"] == "connection"
    # The owner's colleagues elsewhere do not read who was told.
    stranger = await told.nord.member("nora@laser.example", "Laser AG")
    with pytest.raises(Exception, match="no entry"):
        await run_command(node, ControlRequest("entry.show", arguments, stranger.email))
