"""What was taken back does not come back: old pages, old versions, another order."""

from dataclasses import dataclass
from typing import Any

import pytest

from federation.documents import Receipt
from federation.errors import PermanentFetchError
from federation.exchange import HeldState
from node.catalogue.model import Entry
from node.partners.directory import known_peer
from node.storage.received import held_versions
from tests.http.nodes import OFFER, RunningNode
from tests.http.test_partnership import received_titles

Pair = tuple[RunningNode, RunningNode]


@dataclass
class Replayed:
    """Nord can send again whatever it has sent before; its key is its own."""

    nord: RunningNode
    sued: RunningNode
    entry: Entry
    first: dict[str, Any]
    """The page with the entry's first version."""

    async def page(self) -> dict[str, Any]:
        """The page from the beginning, as it is now."""
        partner = await self.nord.partner(self.sued)
        page = await self.nord.sending.next_page(partner.id, after=0)
        return dict(page.document)

    async def push(self, page: dict[str, Any]) -> Receipt:
        partner = await self.nord.partner(self.sued)
        return await self.nord.client.push_page(
            known_peer(partner), page, signer=self.nord.context.keys.signer_for(partner)
        )

    async def held(self) -> HeldState | None:
        """What Süd holds of the entry."""
        partner = await self.sued.partner(self.nord)
        async with self.sued.database.read() as tx:
            found = await held_versions(tx, partner.id, [self.entry.uri])
        return found[self.entry.uri].state if found else None


@pytest.fixture
async def replayed(partners: Pair) -> Replayed:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    made = Replayed(nord, sued, entry, {})
    made.first = await made.page()
    await nord.settle()
    assert await received_titles(sued) == ["Prüfung von Linsen"]
    return made


@pytest.mark.parametrize("taken", ["withdraw", "delete", "narrow"])
async def test_old_page_brings_nothing_back(replayed: Replayed, taken: str) -> None:
    nord, entry = replayed.nord, replayed.entry
    if taken == "withdraw":
        await nord.catalogue.withdraw(nord.office, entry.id)
    elif taken == "delete":
        await nord.catalogue.delete(nord.office, entry.id)
    else:
        narrowed = {**OFFER, "audience": {"level": "cluster"}}
        await nord.catalogue.publish(nord.office, narrowed, entry_ref=entry.id)
    await nord.settle()
    gone = HeldState.DELETED if taken == "delete" else HeldState.WITHDRAWN
    assert await replayed.held() is gone
    receipt = await replayed.push(replayed.first)
    assert receipt.held == 0
    assert await replayed.held() is gone
    assert await received_titles(replayed.sued) == []


async def test_old_version_does_not_replace_a_newer_one(replayed: Replayed) -> None:
    nord = replayed.nord
    new = {**OFFER, "title": {"de": "Prüfung von Spiegeln"}}
    await nord.catalogue.publish(nord.office, new, entry_ref=replayed.entry.id)
    await nord.settle()
    await replayed.push(replayed.first)
    assert await received_titles(replayed.sued) == ["Prüfung von Spiegeln"]


async def test_withdrawal_that_comes_before_its_entry_holds(replayed: Replayed) -> None:
    """A page in which somebody has put the withdrawal first."""
    nord = replayed.nord
    (told,) = replayed.first["orderedItems"]
    await nord.catalogue.withdraw(nord.office, replayed.entry.id)
    page = await replayed.page()
    (removal,) = page["orderedItems"]
    both = {**page, "from": 1, "through": 2, "head": 2}
    for name in ("held", "digest", "published"):
        both.pop(name, None)
    await replayed.push({**both, "orderedItems": [removal, told]})
    assert await replayed.held() is HeldState.WITHDRAWN
    await replayed.push({**both, "orderedItems": [told, removal]})
    assert await replayed.held() is HeldState.WITHDRAWN


async def test_withdrawal_again_takes_no_later_version(replayed: Replayed) -> None:
    nord = replayed.nord
    await nord.catalogue.withdraw(nord.office, replayed.entry.id)
    old = await replayed.page()
    await nord.settle()
    await nord.catalogue.publish(nord.office, OFFER, entry_ref=replayed.entry.id)
    await nord.settle()
    assert await replayed.held() is HeldState.PRESENT
    await replayed.push(old)
    assert await replayed.held() is HeldState.PRESENT


async def test_deletion_beats_a_version_of_the_future(replayed: Replayed) -> None:
    nord = replayed.nord
    new = {**OFFER, "title": {"de": "Prüfung von Spiegeln"}}
    await nord.catalogue.publish(nord.office, new, entry_ref=replayed.entry.id)
    newer = await replayed.page()
    await nord.catalogue.delete(nord.office, replayed.entry.id)
    await nord.settle()
    assert await replayed.held() is HeldState.DELETED
    await replayed.push(newer)
    assert await replayed.held() is HeldState.DELETED
    with pytest.raises(PermanentFetchError):
        # Positions cannot be skipped to get past what is known.
        await replayed.push({**newer, "from": 9, "through": 9, "head": 9})
    assert await received_titles(replayed.sued) == []
