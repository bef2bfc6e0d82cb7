"""What a restore brings back, and what it must not, on both engines."""

import dataclasses
import json
import os
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from federation.trust import TrustState
from node.backup.replacing import MARK_FILE
from node.catalogue.model import Entry, EntryState
from node.errors import ConflictError, NodeError
from node.members.model import Person, Role
from node.office.restored import last_restore
from node.partners.nonces import PendingNonce
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from node.storage.tables import invitations, mail_outbox, partners, sessions
from node.visibility import PartnerViewer, PublicViewer, Viewer, decide_entry
from node.visibility.policy import Direction, PolicySheet, Preset
from tests.contract.backed_node import BackedNode, backed_node

PARTNERS = ("swissmem", "aviation", "hessen")
URLS = {name: f"https://spalier.{name}.example" for name in PARTNERS}


# -- random histories -----------------------------------------------------------------


class History:
    """Random changes of a node, by its own services."""

    def __init__(self, node: BackedNode, chance: random.Random) -> None:
        self._node = node
        self._chance = chance
        self.persons: list[Person] = []

    async def begin(self) -> None:
        for name in PARTNERS:
            await self._node.partner(name)
        for name in ("Jana", "Erik", "Mila"):
            self.persons.append(await self._node.member(name, Role.ORGANISATION_ADMIN))

        for _ in range(3):
            await self._publish()

    async def play(self, steps: int) -> None:
        weighted = [
            *[self._publish] * 4,
            *[self._republish] * 4,
            *[self._close] * 2,
            self._delete,
            self._partner,
            self._sheet,
            self._person,
            self._tell,
            self._time,
        ]
        for _ in range(steps):
            self._node.clock.advance(seconds=1)
            try:
                await self._chance.choice(weighted)()
            except NodeError:
                continue  # e.g. what is deleted cannot be published again

    def _audience(self) -> dict[str, Any]:
        level = self._chance.choice(["cluster", "partners", "trusted", "public"])
        if level != "partners":
            return {"level": level}
        named = self._chance.sample(PARTNERS, self._chance.randint(1, 3))
        return {"level": level, "partners": [URLS[name] for name in named]}

    async def _author(self) -> Person:
        return await self._node.node.members.person(
            self._chance.choice(self.persons).id
        )

    async def _some_entry(self) -> Entry:
        entries = await self._node.entries()
        return entries[self._chance.choice(sorted(entries))]

    async def _publish(self) -> None:
        author = await self._author()
        until = date(2026, 11, 23) if self._chance.random() < 0.2 else date(2027, 6, 30)
        document = {
            "kind": "capacity_offer",
            "title": {"de": "Freie Stunden"},
            "summary": {"de": "Wir messen."},
            "valid_until": until.isoformat(),
            "equipment_class": "measuring",
            "availability": "on_request",
            "audience": self._audience(),
            "on_behalf_of": {"person": author.email},
        }
        office = await self._node.office()
        await self._node.node.catalogue.publish(office, document)

    async def _republish(self) -> None:
        entry = await self._some_entry()
        await self._node.publish(
            entry.id, audience=self._audience(), valid_until="2027-06-30"
        )

    async def _close(self) -> None:
        entry, office = await self._some_entry(), await self._node.office()
        catalogue = self._node.node.catalogue
        close = self._chance.choice([catalogue.withdraw, catalogue.fulfil])
        await close(office, entry.id)

    async def _delete(self) -> None:
        entry = await self._some_entry()
        await self._node.node.catalogue.delete(await self._node.office(), entry.id)

    async def _partner(self) -> None:
        services = self._node.node.partners
        step = self._chance.choice(
            [services.pause, services.resume, services.hide, services.show_again]
            + [services.end] * (self._chance.random() < 0.3)
        )
        await step(None, URLS[self._chance.choice(PARTNERS)])

    async def _sheet(self) -> None:
        kinds = self._chance.choice([frozenset(), frozenset({"capacity_offer"})])
        sheet = PolicySheet(self._chance.choice(list(Preset)), closed_kinds=kinds)
        await self._node.node.partners.policies.set(
            None,
            URLS[self._chance.choice(PARTNERS)],
            self._chance.choice(list(Direction)),
            sheet,
            reason="a change of mind",
        )

    async def _person(self) -> None:
        person = self._chance.choice(self.persons)
        if self._chance.random() < 0.4:
            await self._node.node.members.mark_left(None, person.id)
            return
        given = self._chance.random() < 0.5
        await self._node.node.members.set_consent(
            None,
            person.id,
            on=date(2026, 1, 1) if given else None,
            source="Formular" if given else None,
        )

    async def _tell(self) -> None:
        await self._node.node.sending.next_page(self._chance.choice(PARTNERS))

    async def _time(self) -> None:
        self._node.clock.advance(hours=self._chance.randint(1, 12))
        await self._node.node.catalogue.expire_due()


async def _seen(node: BackedNode) -> dict[str, set[str]]:
    """Who sees which entry: the public, every partner, a member of another firm."""
    viewers: dict[str, Viewer] = {"public": PublicViewer()}
    for partner in await node.node.partners.list():
        viewers[partner.id] = PartnerViewer.of(partner)
    office = await node.office()
    viewers["member"] = dataclasses.replace(
        office, id="x", organisation_id="x", role=Role.PERSON
    )
    today = node.clock.now().date()
    entries = (await node.entries()).values()
    return {
        name: {e.id for e in entries if decide_entry(e, viewer, today).visible}
        for name, viewer in viewers.items()
    }


async def _told_by_pages(node: BackedNode, partner_id: str) -> set[str]:
    """Ids of the entries that pages carry to a partner after a restore."""

    async def compared(tx: Transaction) -> None:
        epoch = (await require_node_state(tx)).epoch
        await tx.execute(update(partners).values(compared_epoch=epoch, acked_seq=0))

    await node.node.context.database.write(compared)
    told: set[str] = set()
    after = 0
    while True:
        page = await node.node.sending.next_page(partner_id, after=after)
        told |= {
            item["object"]["id"].rpartition("/")[2]
            for item in page.document["orderedItems"]
            if item["type"] != "Delete"
        }
        if page.sent.last <= after:
            return told
        after = page.sent.last


@pytest.mark.parametrize("number", range(2))
async def test_nothing_that_was_taken_back_comes_back(
    node: BackedNode, number: int
) -> None:
    seed = int(os.environ.get("RESTORE_SEED", "0")) or random.randrange(2**32)
    print(f"RESTORE_SEED={seed} replays this (run {number})")
    chance = random.Random(seed)
    history = History(node, chance)
    await history.begin()
    await history.play(chance.randint(5, 25))
    made = await node.backup()
    seen_then = await _seen(node)
    await history.play(chance.randint(5, 40))
    seen = await _seen(node)
    gone = {
        each.id
        for each in await node.node.members.list_persons()
        if each.left_at is not None
    }
    unnamed = {
        each.name
        for each in await node.node.members.list_persons()
        if not each.has_consented or each.left_at is not None
    }
    over = {
        each.id
        for each in await node.node.partners.list()
        if each.state not in {TrustState.ACTIVE, TrustState.PAUSED}
    }
    paused = {
        each.id
        for each in await node.node.partners.list()
        if each.state is TrustState.PAUSED
    }
    hidden = {
        each.id
        for each in await node.node.partners.list()
        if each.hidden_at is not None
    }
    await node.close()
    await node.restore(made.path)
    await node.open()

    again = await _seen(node)
    for viewer, entries in again.items():
        # Neither more than at last, nor its older text to more than then.
        assert entries <= seen[viewer] & seen_then[viewer], (seed, viewer)
    for person in await node.node.members.list_persons():
        assert person.id not in gone or person.left_at is not None, seed
    for entry in (await node.entries()).values():
        if entry.state is EntryState.PUBLISHED and entry.document is not None:
            owner = json.loads(entry.document)
            for name in unnamed:
                assert name not in json.dumps(owner), (seed, entry.id)
    for partner in await node.node.partners.list():
        assert partner.id not in over or partner.state not in {
            TrustState.ACTIVE,
            TrustState.PAUSED,
        }, seed
        assert partner.id not in paused or partner.state is not TrustState.ACTIVE, seed
        assert partner.id not in hidden or partner.hidden_at is not None, seed
        assert await _told_by_pages(node, partner.id) <= seen[partner.id], seed
    # The journal is complete, and a second restore of the same backup does the same.
    await node.close()
    await node.restore(made.path)
    await node.open()
    for viewer, entries in (await _seen(node)).items():
        assert entries <= again[viewer], (seed, viewer)


async def test_the_journal_says_what_the_database_says(node: BackedNode) -> None:
    """Whoever forgets to write a decision down is found here."""
    from node.erasure.facts import missing_lines, read_facts

    seed = random.randrange(2**32)
    print(f"seed {seed}")
    history = History(node, random.Random(seed))
    await history.begin()
    await history.play(40)
    known = node.node.journal.read()
    async with node.node.context.database.read() as tx:
        facts = await read_facts(tx)
    missing = missing_lines(known, facts, now=node.clock.now(), kept=timedelta(days=44))
    assert list(missing) == [], seed


# -- what begins anew -----------------------------------------------------------------


async def test_who_was_signed_in_and_what_waited_begins_anew(node: BackedNode) -> None:
    office = await node.office()
    services = node.node
    await node.partner("swissmem")
    person = await node.member("Jana")
    await services.members.invite(None, person.id)
    await services.partners.invite(office)
    made = await node.backup()
    async with services.context.database.read() as tx:
        before = await require_node_state(tx)
    await node.close()
    prepared = await node.restore(made.path)
    services = await node.open()
    assert prepared.done.mails >= 1
    assert prepared.done.invitations == 1
    async with services.context.database.read() as tx:
        state = await require_node_state(tx)
        assert await tx.all(select(sessions)) == []
        assert all(row.cancelled_at for row in await tx.all(select(mail_outbox)))
        assert all(row.revoked_at for row in await tx.all(select(invitations)))
    assert state.epoch != before.epoch
    assert state.incarnation == before.incarnation + 1
    assert state.restored_from == made.tried.header.created
    partner = await services.partners.find(URLS["swissmem"])
    assert partner.to_verify_since == state.restored_at
    assert partner.compared_epoch == before.epoch
    assert await services.mail.send_due() == 0
    shown = await last_restore(services.context, node.folder)
    assert shown is not None
    assert [(each.ours, each.theirs) for each in shown.partners] == [(False, False)]
    entry = await node.publish()
    assert (entry.version.incarnation, entry.version.counter) == (2, 1)


async def test_a_request_from_before_the_restore_is_not_taken_again(
    node: BackedNode,
) -> None:
    made = await node.backup()
    await node.close()
    await node.restore(made.path)
    context = (await node.open()).context
    at = context.restored_at
    assert at is not None
    window = timedelta(seconds=360)  # age and clock difference, federation.limits

    async def takes(created_after: int) -> bool:
        pending = PendingNonce(context.database, restored_at=at)
        created = at + timedelta(seconds=created_after)
        return await pending.remember(
            "key", f"n{created_after}", until=created + window
        )

    assert not await takes(-300)
    assert not await takes(0)
    assert not await takes(60)  # signed before, by a clock that is ahead
    assert await takes(61)


async def test_keys_that_changed_since_the_backup_stay_as_they_are(
    node: BackedNode,
) -> None:
    await node.partner("swissmem", TrustState.ENDED)
    entry = await node.publish(audience={"level": "public"})
    made = await node.backup()
    keys = node.node.own_keys
    await keys.rotate(None)
    await keys.activate(None)
    await keys.retire(None)
    stages = [(key.number, key.state) for key in node.node.context.keys.keys]
    await node.close()
    prepared = await node.restore(made.path)
    assert prepared.done.keys == [1, 2]
    services = await node.open()
    assert [(key.number, key.state) for key in services.context.keys.keys] == stages
    assert services.context.keys.active.number == 2
    assert (await node.entries())[entry.id].key_number == 1
    assert (await node.publish()).key_number == 2


async def test_a_revoked_key_does_not_come_back(node: BackedNode) -> None:
    entry = await node.publish(audience={"level": "public"})
    made = await node.backup()
    await node.node.own_keys.revoke(None, reason="stolen")
    await node.close()
    await node.restore(made.path)
    services = await node.open()
    assert services.context.keys.is_revoked(1)
    while await services.own_keys.advance():
        pass
    again = (await node.entries())[entry.id]
    assert again.key_number == 2
    assert again.version.incarnation == 2


async def test_persons_keep_what_was_taken_from_them(node: BackedNode) -> None:
    office = await node.office()
    person = await node.member("Jana", Role.OFFICE)
    made = await node.backup()
    node.clock.advance(seconds=1)
    await node.node.members.change_role(office, person.id, Role.PERSON)
    await node.close()
    prepared = await node.restore(made.path)
    assert prepared.done.persons == [person.id]
    services = await node.open()
    assert (await services.members.person(person.id)).role is Role.PERSON


# -- while it is under way ------------------------------------------------------------


async def test_nobody_restores_under_a_running_node(node: BackedNode) -> None:
    made = await node.backup()
    with pytest.raises(ConflictError) as caught:
        await node.restore(made.path)
    assert caught.value.code == "node-in-use"


async def test_a_restore_that_nobody_orders_changes_nothing(node: BackedNode) -> None:
    await node.publish()
    made = await node.backup()
    await node.publish()
    before = await node.rows()
    await node.close()
    files = {path.name for path in node.folder.iterdir()}
    async with node.restoring(made.path).prepared() as prepared:
        assert len(prepared.done.lost) == 1
    left = {path.name for path in node.folder.iterdir()}
    assert left - files <= {"node.sqlite-shm", "node.sqlite-wal"}
    await node.open()
    assert await node.rows() == before


class _KilledError(BaseException):
    pass


@pytest.mark.parametrize(
    "killed_after", ["loaded", "replayed", "marked", "moved", "replaced"]
)
async def test_a_restore_may_be_cut_off_anywhere(
    node: BackedNode, killed_after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after kill -9: nothing is tidied up; the next start finds all as it was."""
    from node.backup import restoring as module

    if killed_after == "marked" and node.database_url:
        pytest.skip("PostgreSQL needs no mark: it is one transaction")
    kept = await node.publish(audience={"level": "public"})
    withdrawn = await node.publish(audience={"level": "public"})
    made = await node.backup()
    await node.node.catalogue.withdraw(await node.office(), withdrawn.id)
    later = await node.publish()
    await node.close()

    def step(name: str) -> None:
        if name == killed_after:
            raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module.Restoring, "_drop_stage", lambda *_: None)
        with pytest.raises(_KilledError):
            await node.restore(made.path, step=step)
    await node.open()
    entries = await node.entries()
    assert not (node.folder / MARK_FILE).exists()
    assert entries[withdrawn.id].state is EntryState.WITHDRAWN
    assert entries[kept.id].state is EntryState.PUBLISHED
    was_restored = later.id not in entries
    decided_at = {"marked", "moved", "replaced"}
    if node.database_url:
        decided_at = {"replaced"}
    assert was_restored == (killed_after in decided_at)
    await node.close()
    await node.restore(made.path)
    await node.open()
    entries = await node.entries()
    assert entries[withdrawn.id].state is EntryState.WITHDRAWN
    assert later.id not in entries


async def test_the_replaced_database_is_kept(node: BackedNode) -> None:
    made = await node.backup()
    entry = await node.publish()
    await node.close()
    restoring = node.restoring(made.path)
    async with restoring.prepared() as prepared:
        report = await restoring.order(prepared)
    aside = report["replaced"]
    if node.database_url:
        import psycopg

        url = node.database_url.replace("postgresql+psycopg", "postgresql")
        with psycopg.connect(url) as connection:
            found = connection.execute(f"SELECT id FROM {aside}.entries").fetchall()
    else:
        import sqlite3

        with sqlite3.connect(node.folder / aside) as connection:
            found = connection.execute("SELECT id FROM entries").fetchall()
    assert found == [(entry.id,)]
    assert (node.folder / "node.restored.json").stat().st_mode & 0o777 == 0o600


async def test_a_broken_database_is_replaced(tmp_path: Path) -> None:
    async with backed_node(tmp_path) as node:
        entry = await node.publish()
        made = await node.backup()
        await node.close()
        (node.folder / "node.sqlite").write_bytes(b"SQLite format 3\0" + b"x" * 9000)
        await node.restore(made.path)
        await node.open()
        assert set(await node.entries()) == {entry.id}


async def test_what_was_published_and_taken_back_since_is_taken_back_from_partners(
    node: BackedNode,
) -> None:
    from sqlalchemy import insert

    from node.office.restored import take_back_known
    from node.storage.tables import disclosures, unaccounted_entries

    await node.partner("swissmem")
    made = await node.backup()
    lost = await node.publish(audience={"level": "trusted"})
    gone = await node.publish(audience={"level": "trusted"})
    await node.node.catalogue.withdraw(await node.office(), gone.id)
    await node.close()
    prepared = await node.restore(made.path)
    assert (prepared.done.lost, prepared.done.gone) == ([lost.id], [gone.id])
    services = await node.open()

    async def says(tx: Transaction) -> None:
        for entry in (lost, gone):
            await tx.execute(
                insert(unaccounted_entries).values(
                    partner_id="swissmem",
                    entry_id=entry.id,
                    state="present",
                    incarnation=1,
                    counter=1,
                    content_hash="0" * 64,
                    found_at=node.clock.now(),
                )
            )

    await services.context.database.write(says)
    await take_back_known(services.context, node.folder, services.unaccounted)
    entries = await node.entries()
    assert entries[gone.id].state is EntryState.DELETED
    assert lost.id not in entries
    assert [each.entry_id for each in await services.unaccounted.listed()] == [lost.id]
    async with services.context.database.read() as tx:
        (row,) = await tx.all(select(disclosures))
    assert (row.entry_id, row.op) == (gone.id, "delete")
