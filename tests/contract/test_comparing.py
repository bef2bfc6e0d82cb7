"""Comparing with a partner that may say anything, on both engines (FED-156)."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsPage,
    HoldingsScope,
)
from federation.errors import PermanentFetchError
from federation.exchange import HeldState, HeldVersion, ViewDigest, bucket_of
from federation.ids import random_id
from federation.keys import Signer
from federation.limits import HOLDINGS_ITEMS_MAX, HOLDINGS_READ_MAX
from federation.peers import RemotePeer
from federation.version import Version
from node.exchange.comparing import Comparing, Outcome
from node.exchange.unaccounted import UnaccountedEntries
from node.exchange.wakeup import WakeUp
from node.limits import UNACCOUNTED_MAX
from node.storage import tables
from node.storage.database import Database, SqliteDatabase
from node.storage.node_state import require_node_state
from node.storage.unaccounted import list_unaccounted
from tests.simulation.test_exchange import offer as document
from tests.simulation.world import Network, SimNode, VirtualClock, make_network

PARTNER = "anna-bert"


@dataclass
class Teller:
    """Answers `GET /holdings` with what it is told to say, in numbers that fit."""

    held: dict[str, HeldVersion] = field(default_factory=dict)
    epoch: str | None = None
    position: int = 0
    asked: list[HoldingsScope | None] = field(default_factory=list)
    page: Callable[[HoldingsScope], HoldingsPage] | None = None
    numbers: ViewDigest | None = None

    async def fetch_holdings(self, _peer: RemotePeer, *, signer: Signer) -> Holdings:
        assert signer.key_id
        self.asked.append(None)
        view = ViewDigest()
        for entry_id, held in self.held.items():
            if held.state is HeldState.PRESENT and held.content_hash is not None:
                view.add(entry_id, held.version, held.content_hash)
        return Holdings(
            self.epoch, self.position, self.numbers or view, VirtualClock().now()
        )

    async def fetch_holdings_page(
        self, _peer: RemotePeer, scope: HoldingsScope, *, signer: Signer
    ) -> HoldingsPage:
        assert signer.key_id
        self.asked.append(scope)
        if self.page is not None:
            return self.page(scope)
        listed = [
            HeldEntry(entry_id, held)
            for entry_id, held in sorted(self.held.items())
            if scope.bucket in {None, bucket_of(entry_id)}
            and entry_id.rpartition("/")[2] > (scope.after or "")
        ]
        more = None
        if len(listed) > HOLDINGS_ITEMS_MAX:
            last = listed[HOLDINGS_ITEMS_MAX - 1].entry_id.rpartition("/")[2]
            more = HoldingsScope(scope.bucket, last)
        return HoldingsPage(tuple(listed[:HOLDINGS_ITEMS_MAX]), more)


@dataclass
class Scene:
    """Anna's node, on the engine of the test, and what its partner says."""

    network: Network
    anna: SimNode
    teller: Teller
    comparing: Comparing
    unaccounted: UnaccountedEntries
    clock: VirtualClock

    async def publish(self, count: int) -> list[str]:
        found = []
        for index in range(count):
            entry = await self.anna.catalogue.publish(
                self.anna.office,
                document(f"Eintrag {index}", {"level": "trusted"}, "2027-01-31"),
            )
            found.append(entry.id)
        await self.network.settle("anna", "bert")
        return found

    async def say_truth(self) -> None:
        """Let the partner say what it really holds."""
        bert = self.network.nodes["bert"]
        self.teller.held = {
            uri: HeldVersion(
                Version(row.incarnation, row.counter),
                HeldState.PRESENT,
                row.content_hash,
            )
            for uri, row in (await bert.held_from("anna")).items()
        }
        partner = await bert.partner("anna")
        self.teller.epoch, self.teller.position = (
            partner.in_epoch,
            partner.in_position,
        )

    def uri(self, entry_id: str) -> str:
        return self.anna.context.address.entry(entry_id)

    async def compare(self) -> Outcome | None:
        return await self.comparing.compare(PARTNER)

    async def table(self, name: str) -> list[dict[str, Any]]:
        table = tables.metadata.tables[name]
        async with self.anna.context.database.read() as tx:
            rows = [dict(row._mapping) for row in await tx.all(select(table))]
        return sorted(rows, key=repr)

    async def everything(self) -> dict[str, list[dict[str, Any]]]:
        return {name: await self.table(name) for name in tables.metadata.tables}


@pytest.fixture
async def scene(database: Database, tmp_path: Any) -> AsyncIterator[Scene]:
    clock = VirtualClock()
    other = SqliteDatabase(tmp_path / "bert.sqlite")
    network = await make_network(
        {"anna": database, "bert": other}, random=Random(7), clock=clock
    )
    anna = network.nodes["anna"]
    teller = Teller()
    wakeup = WakeUp()
    unaccounted = UnaccountedEntries(anna.context, anna.catalogue, wakeup)
    yield Scene(
        network,
        anna,
        teller,
        Comparing(anna.context, client=teller, entries=unaccounted),
        unaccounted,
        clock,
    )
    await other.close()


async def test_the_truth_changes_nothing(scene: Scene) -> None:
    await scene.publish(5)
    await scene.say_truth()
    before = await scene.everything()
    outcome = await scene.compare()
    assert outcome == Outcome()
    after = await scene.everything()
    for name in before:
        if name != "partners":
            assert before[name] == after[name], name
    # Nothing differs, so nothing is listed.
    assert scene.teller.asked == [None]


async def test_what_is_confirmed_is_added_to_the_history(scene: Scene) -> None:
    one, other = await scene.publish(2)
    await scene.anna.catalogue.withdraw(scene.anna.office, one)
    await scene.network.settle("anna", "bert")
    history = sorted(await scene.table("disclosure_history"), key=lambda x: x["seq"])
    assert [(row["seq"], row["entry_id"], row["op"]) for row in history] == [
        (1, one, "upsert"),
        (2, other, "upsert"),
        (3, one, "withdraw"),
    ]
    receipts = {row["id"] for row in await scene.table("receipts")}
    for row in history:
        assert row["acknowledged_at"] == scene.clock.now()
        assert row["receipt_id"] in receipts
        assert row["told_at"] is not None
    # Told again after the partner lost it, a position stays what it was.
    await scene.anna.sending.rewind(PARTNER, 1)
    scene.clock.pass_time(timedelta(hours=5))
    await scene.network.settle("anna", "bert")
    again = sorted(await scene.table("disclosure_history"), key=lambda x: x["seq"])
    assert again == history


async def test_lost_entries_are_told_again_and_only_these(scene: Scene) -> None:
    ids = await scene.publish(12)
    await scene.say_truth()
    lost = {ids[2], ids[7]}
    for each in lost:
        del scene.teller.held[scene.uri(each)]
    before = {row["entry_id"]: row["seq"] for row in await scene.table("disclosures")}
    outcome = await scene.compare()
    assert outcome is not None
    assert outcome.sent_again == 2
    after = {row["entry_id"]: row["seq"] for row in await scene.table("disclosures")}
    assert {each for each in ids if before[each] != after[each]} == lost
    assert len(set(after.values())) == len(after)
    partner = await scene.anna.partner("bert")
    assert partner.head_seq == max(after.values())
    # The copies are there in truth; that is what the next receipt says.
    await scene.network.settle("anna", "bert")
    assert (await scene.anna.partner("bert")).digest_equal is True


async def test_everything_is_lost_in_many_transactions(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.exchange.comparing.ENTRIES_AT_ONCE", 3)
    ids = await scene.publish(8)
    await scene.say_truth()
    scene.teller.held.clear()
    outcome = await scene.compare()
    assert outcome is not None
    assert (outcome.compared, outcome.sent_again) == (8, 8)
    rows = {row["entry_id"]: row for row in await scene.table("disclosures")}
    assert {rows[each]["acknowledged_at"] for each in ids} == {None}
    assert {rows[each]["held_hash"] for each in ids} == {None}
    await scene.network.settle("anna", "bert")
    assert (await scene.anna.partner("bert")).digest_equal is True


async def test_a_change_meanwhile_is_seen(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger counts as it is when an entry is decided, not when it was asked."""
    (entry,) = await scene.publish(1)
    await scene.say_truth()
    scene.teller.held.clear()
    plain = scene.teller.fetch_holdings_page

    async def with_a_change(*args: Any, **named: Any) -> HoldingsPage:
        page = await plain(*args, **named)
        await scene.anna.catalogue.withdraw(scene.anna.office, entry)
        return page

    monkeypatch.setattr(scene.teller, "fetch_holdings_page", with_a_change)
    outcome = await scene.compare()
    assert outcome is not None
    assert outcome.sent_again == 0
    (row,) = await scene.table("disclosures")
    assert row["op"] == "withdraw"


# -- what a partner may invent ------------------------------------------------------


def invented(scene: Scene, count: int) -> dict[str, HeldVersion]:
    return {
        scene.uri(random_id(scene.anna.context.random)): HeldVersion(
            Version(1, 1), HeldState.PRESENT, "f" * 64
        )
        for _ in range(count)
    }


async def test_a_list_that_does_not_fit_its_numbers_counts_for_nothing(
    scene: Scene,
) -> None:
    await scene.publish(3)
    await scene.say_truth()
    scene.teller.numbers = ViewDigest()
    before = await scene.everything()
    with pytest.raises(PermanentFetchError) as caught:
        await scene.compare()
    assert caught.value.problem_code == "holdings-inconsistent"
    assert await scene.everything() == before


async def test_an_endless_list_is_given_up(scene: Scene) -> None:
    await scene.publish(1)
    ids = iter(range(10**9))

    def endless(scope: HoldingsScope) -> HoldingsPage:
        gone = HeldVersion(Version(1, 1), HeldState.WITHDRAWN)
        entries = tuple(
            HeldEntry(scene.uri(_base32(next(ids))), gone)
            for _ in range(HOLDINGS_ITEMS_MAX)
        )
        last = entries[-1].entry_id.rpartition("/")[2]
        return HoldingsPage(entries, HoldingsScope(scope.bucket, last))

    scene.teller.page = endless
    before = await scene.everything()
    with pytest.raises(PermanentFetchError) as caught:
        await scene.compare()
    assert caught.value.problem_code == "too-many-held"
    assert len(scene.teller.asked) == 2 + HOLDINGS_READ_MAX // HOLDINGS_ITEMS_MAX
    assert await scene.everything() == before


async def test_what_is_invented_does_not_fill_our_storage(scene: Scene) -> None:
    (entry,) = await scene.publish(1)
    await scene.say_truth()
    truth = dict(scene.teller.held)
    for _ in range(2):  # each time other ids
        scene.teller.held = {**truth, **invented(scene, UNACCOUNTED_MAX + 700)}
        await scene.compare()
        listed = await scene.table("unaccounted_entries")
        assert len(listed) == UNACCOUNTED_MAX
    # What it does not say any more is forgotten.
    scene.teller.held = truth
    await scene.compare()
    assert await scene.table("unaccounted_entries") == []
    assert [row["id"] for row in await scene.table("entries")] == [entry]


async def test_what_stays_unaccounted_keeps_its_day_and_decision(scene: Scene) -> None:
    await scene.publish(1)
    await scene.say_truth()
    scene.teller.held |= invented(scene, 2)
    found_at = scene.clock.now()
    await scene.compare()
    first, second = await scene.unaccounted.listed()
    await scene.unaccounted.settle(None, first.entry_id, PARTNER, first.choices[-1])
    scene.clock.pass_time(timedelta(hours=30))
    await scene.compare()
    (open_one,) = await scene.unaccounted.listed()
    assert (open_one.entry_id, open_one.found_at) == (second.entry_id, found_at)
    # It says something else now: that is new.
    uri = scene.uri(first.entry_id)
    scene.teller.held[uri] = replace(scene.teller.held[uri], version=Version(1, 2))
    await scene.compare()
    async with scene.anna.context.database.read() as tx:
        rows = {row.entry_id: row for row in await list_unaccounted(tx)}
    assert rows[first.entry_id].settled_at is None
    assert rows[first.entry_id].found_at == scene.clock.now()


async def test_nothing_of_a_partner_is_asked_twice_within_the_hour(
    scene: Scene,
) -> None:
    assert scene.comparing.may_ask(PARTNER)
    await scene.compare()
    assert not scene.comparing.may_ask(PARTNER)
    scene.clock.pass_time(timedelta(hours=1))
    assert scene.comparing.may_ask(PARTNER)


async def test_a_position_before_ours_takes_us_back(scene: Scene) -> None:
    ids = await scene.publish(4)
    await scene.say_truth()
    scene.teller.position = 1
    assert await scene.compare() == Outcome()
    partner = await scene.anna.partner("bert")
    assert partner.acked_seq == 1
    rows = {row["entry_id"]: row for row in await scene.table("disclosures")}
    confirmed = [rows[each]["acknowledged_at"] is not None for each in ids]
    assert confirmed == [True, False, False, False]


async def test_after_a_restore_everything_is_listed_once(scene: Scene) -> None:
    await scene.publish(4)
    await scene.say_truth()

    async def forget(tx: Any) -> None:
        await tx.execute(tables.partners.update().values(compared_epoch="0" * 32))

    await scene.anna.context.database.write(forget)
    partner = await scene.anna.partner("bert")
    async with scene.anna.context.database.read() as tx:
        epoch = (await require_node_state(tx)).epoch
    assert not scene.anna.sending.may_tell(partner, epoch=epoch)
    outcome = await scene.compare()
    assert outcome == Outcome(compared=4)
    assert scene.teller.asked == [None, HoldingsScope()]
    assert scene.anna.sending.may_tell(await scene.anna.partner("bert"), epoch=epoch)


def _base32(number: int) -> str:
    letters = "234567abcdefghijklmnopqrstuvwxyz"
    text = ""
    for _ in range(26):
        number, rest = divmod(number, 32)
        text = letters[rest] + text
    return text
