"""An older database in the node's place: whatever was decided since still counts."""

import dataclasses
import shutil
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import pytest

from federation.exchange import ViewDigest
from federation.trust import TrustState
from federation.version import Version
from node.app import open_node
from node.backup.replacing import MARK_FILE
from node.catalogue.model import Audience, AudienceLevel, EntryState, ReceivedState
from node.erasure.following import complete_journal
from node.erasure.journal import DAMAGED_FILE, JOURNAL_FILE, ErasureJournal
from node.erasure.narrowing import narrower
from node.errors import ConflictError, UnavailableError
from node.members.model import Role
from node.office.restored import last_restore
from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from node.storage.partner_keys import store_keys
from node.storage.received import present_elements, put_received
from node.storage.tables import metadata
from node.storage.views import load_view, store_view
from tests.contract.backed_node import BackedNode, backed_node
from tests.postgres_server import empty_tables

ENDINGS = ("", "-wal", "-shm")


def put_back_by_hand(node: BackedNode, kept: Path) -> None:
    """What somebody does who does not know `spalier restore`."""
    for ending in ENDINGS:
        (node.folder / f"node.sqlite{ending}").unlink(missing_ok=True)
    shutil.copy(kept, node.folder / "node.sqlite")


async def keep_a_copy(node: BackedNode, tmp_path: Path) -> Path:
    """Copy the database as it is; the node goes on."""
    kept = tmp_path / "kept.sqlite"
    await node.close()
    shutil.copy(node.folder / "node.sqlite", kept)
    await node.open()
    node.clock.advance(seconds=1)
    return kept


async def _leaves(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    await node.node.members.mark_left(None, person.id)


async def _no_consent(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    await node.node.members.set_consent(None, person.id, on=None, source=None)


async def _lower_role(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    office = await node.office()
    await node.node.members.change_role(office, person.id, Role.PERSON)


async def _ends(node: BackedNode) -> None:
    await node.node.partners.end(None, "swissmem")


async def _pauses(node: BackedNode) -> None:
    await node.node.partners.pause(None, "swissmem")


async def _hides(node: BackedNode) -> None:
    await node.node.partners.hide(None, "swissmem")


Step = Callable[[BackedNode], Awaitable[None]]


async def _standing(node: BackedNode) -> tuple[object, ...]:
    (jana,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    partner: Partner = await node.node.partners.find("swissmem")
    state = partner.state
    return (
        jana.left_at is not None,
        jana.consent_on is not None,
        jana.role,
        TrustState.ENDED if state is TrustState.ENDING else state,
        partner.hidden_at is not None,
    )


@pytest.mark.parametrize(
    "step", [_leaves, _no_consent, _lower_role, _ends, _pauses, _hides]
)
async def test_one_decision_alone_is_missed_in_a_database_put_back_by_hand(
    tmp_path: Path, step: Step
) -> None:
    async with backed_node(tmp_path) as node:
        person = await node.member("Jana", Role.OFFICE)
        await node.node.members.set_consent(
            None, person.id, on=date(2026, 1, 1), source="Formular"
        )
        await node.partner("swissmem")
        kept = await keep_a_copy(node, tmp_path)
        before = await _standing(node)
        await step(node)
        after = await _standing(node)
        assert after != before
        await node.close()
        put_back_by_hand(node, kept)
        services = await node.open()
        assert await _standing(node) == after
        async with services.context.database.read() as tx:
            state = await require_node_state(tx)
        assert state.incarnation == 2
        # It is settled with that.
        await node.close()
        services = await node.open()
        async with services.context.database.read() as tx:
            assert await require_node_state(tx) == state


async def test_a_restore_knows_what_only_the_present_database_says(
    node: BackedNode,
) -> None:
    """As after a crash, or a full disk, that kept lines from the journal."""
    entry = await node.publish(audience={"level": "public"})
    await node.partner("swissmem")
    made = await node.backup()
    node.node.context.database.recorder = None
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    await node.node.partners.end(None, "swissmem")
    await node.close()
    await node.restore(made.path)
    await node.open()
    assert (await node.entries())[entry.id].state is EntryState.WITHDRAWN
    partner = await node.node.partners.find("swissmem")
    assert partner.state in {TrustState.ENDING, TrustState.ENDED}


# -- what else a restore must not undo ------------------------------------------------


async def _receive(node: BackedNode, name: str) -> None:
    """Take a copy of a partner's entry, as if it had come in a page."""
    uri = f"https://spalier.swissmem.example/entries/{name}"

    async def work(tx: Transaction) -> None:
        values = {
            "id": name,
            "entry_uri": uri,
            "state": ReceivedState.PRESENT.value,
            "kind": "capacity_offer",
            "known_kind": True,
            "incarnation": 1,
            "counter": 1,
            "is_public": True,
            "is_personal": False,
            "search_text": "",
            "content": {"title": {"de": "Freie Stunden"}},
            "document": b"{}",
            "content_hash": "0" * 64,
            "changed_at": node.clock.now(),
        }
        await put_received(tx, "swissmem", [values])
        view = await load_view(tx, "swissmem", "in")
        view.add(uri, Version(1, 1), "0" * 64)
        await store_view(tx, "swissmem", "in", view)

    await node.node.context.database.write(work)
    node.clock.advance(seconds=1)


async def _held(node: BackedNode) -> set[str]:
    """Names of the copies that are there; what is stored of the view fits them."""
    async with node.node.context.database.read() as tx:
        elements = await present_elements(tx, "swissmem")
        stored = await load_view(tx, "swissmem", "in")
    counted = ViewDigest()
    for element in elements:
        counted.add(*element)
    assert counted.to_bytes() == stored.to_bytes()
    return {uri.rpartition("/")[2] for uri, _, _ in elements}


async def test_purged_copies_do_not_come_back(node: BackedNode) -> None:
    office = await node.office()
    await node.partner("swissmem")
    await _receive(node, "before")
    first = await node.backup()
    await node.node.partners.pause(office, "swissmem")
    assert await node.node.partners.purge(office, "swissmem") == 1
    node.clock.advance(seconds=1)
    await node.node.partners.resume(office, "swissmem")
    await _receive(node, "after")
    node.clock.advance(hours=2)  # of one hour, one is kept
    second = await node.backup()
    await node.close()
    prepared = await node.restore(first.path)
    assert prepared.done.purged == ["swissmem"]
    await node.open()
    assert await _held(node) == set()
    await node.close()
    # What came after the purge is no part of it.
    await node.restore(second.path)
    await node.open()
    assert await _held(node) == {"after"}


async def test_a_purge_that_was_undone_is_not_repeated(node: BackedNode) -> None:
    office = await node.office()
    await node.partner("swissmem")
    await _receive(node, "before")
    made = await node.backup()
    await node.node.partners.pause(office, "swissmem")
    await node.node.partners.purge(office, "swissmem")
    await node.node.partners.resume(office, "swissmem")
    await node.node.partners.fetch_again(office, "swissmem")
    await node.close()
    prepared = await node.restore(made.path)
    assert prepared.done.purged == []
    await node.open()
    assert await _held(node) == {"before"}


async def test_a_cluster_that_closes_down_goes_on_closing(node: BackedNode) -> None:
    office = await node.office()
    entry = await node.publish(audience={"level": "public"})
    made = await node.backup()
    await node.node.closing.begin(office, typed=node.node.config.name)
    since = (await node.node.closing.progress()).closing_since
    await node.close()
    prepared = await node.restore(made.path)
    assert prepared.done.closing
    services = await node.open()
    assert (await services.closing.progress()).closing_since == since
    with pytest.raises(ConflictError):
        await node.publish()
    assert (await node.entries())[entry.id].state is EntryState.DELETED


async def test_a_key_that_a_partner_revoked_does_not_count_again(
    node: BackedNode,
) -> None:
    partner = await node.partner("swissmem")
    made = await node.backup()

    async def revoke(tx: Transaction) -> None:
        (key,) = partner.keys
        ended = dataclasses.replace(key, revoked=node.clock.now())
        await store_keys(tx, partner.id, [ended], at=node.clock.now())

    await node.node.context.database.write(revoke)
    await node.close()
    await node.restore(made.path)
    services = await node.open()
    again = await services.partners.find("swissmem")
    assert [key.revoked is not None for key in again.keys] == [True]
    assert again.state is TrustState.SUSPENDED
    assert again.looked_at is None  # its address is asked at once


# -- a journal that cannot be trusted -------------------------------------------------


def _damage(node: BackedNode) -> None:
    """Let a line in the middle be none, as a failing disk does."""
    path = node.folder / JOURNAL_FILE
    first, second, *rest = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([first, b"\0" * 20 + second[20:], *rest]))


async def test_a_damaged_journal_is_said_aloud_and_made_good(
    node: BackedNode, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await node.publish(audience={"level": "public"})
    made = await node.backup()
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    await node.close()
    _damage(node)
    before = (node.folder / JOURNAL_FILE).read_bytes()
    with pytest.raises(ConflictError) as refused:
        await node.restore(made.path)
    assert refused.value.code == "journal-damaged"
    assert (node.folder / JOURNAL_FILE).read_bytes() == before
    services = await node.open()
    assert "lines of the erasure journal are damaged" in caplog.text
    known = services.journal.read()
    assert known.unreadable == 0
    assert known.entries[entry.id].state is EntryState.WITHDRAWN
    kept = node.folder / DAMAGED_FILE
    assert b"\0" * 20 in kept.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600
    await node.close()
    await node.restore(made.path)
    await node.open()
    assert (await node.entries())[entry.id].state is EntryState.WITHDRAWN


async def test_nobody_shortens_a_damaged_journal(tmp_path: Path) -> None:
    async with backed_node(tmp_path) as node:
        await node.publish()
        await node.close()
        _damage(node)
        before = (node.folder / JOURNAL_FILE).read_bytes()
        journal = ErasureJournal(node.folder)
        assert journal.compact(before=node.clock.now()) == 0
        assert (node.folder / JOURNAL_FILE).read_bytes() == before


async def test_whoever_has_nothing_else_may_go_on(tmp_path: Path) -> None:
    async with backed_node(tmp_path) as node:
        entry = await node.publish()
        made = await node.backup()
        await node.close()
        _damage(node)
        await node.restore(made.path, despite_damage=True)
        await node.open()
        assert set(await node.entries()) == {entry.id}


# -- who tells what was done ----------------------------------------------------------


async def test_an_older_database_put_back_by_hand_is_reported(tmp_path: Path) -> None:
    async with backed_node(tmp_path) as node:
        kept = await keep_a_copy(node, tmp_path)
        gone = await node.publish(audience={"level": "public"})
        await node.node.catalogue.withdraw(await node.office(), gone.id)
        await node.close()
        put_back_by_hand(node, kept)
        services = await node.open()
        shown = await last_restore(services.context, node.folder)
        assert shown is not None
        assert shown.restored_from is None
        # Taken back from partners without asking anybody (NOD-072).
        assert shown.named("gone") == [gone.id]


async def test_a_restore_that_was_cut_off_is_reported(node: BackedNode) -> None:
    made = await node.backup()
    gone = await node.publish(audience={"level": "public"})
    await node.node.catalogue.withdraw(await node.office(), gone.id)
    await node.close()

    class CutOffError(BaseException):
        pass

    def step(name: str) -> None:
        if name == "replaced":
            raise CutOffError

    with pytest.raises(CutOffError):
        await node.restore(made.path, step=step)
    services = await node.open()
    shown = await last_restore(services.context, node.folder)
    assert shown is not None
    assert shown.named("gone") == [gone.id]


async def test_every_folder_knows_what_others_have_decided(
    tmp_path: Path, migrated_postgres: str
) -> None:
    """On another machine: a copy of the folder, and the same database."""
    empty_tables(migrated_postgres, [table.name for table in metadata.sorted_tables])
    async with backed_node(tmp_path, migrated_postgres) as node:
        copy = tmp_path / "copy"
        shutil.copytree(node.folder, copy, ignore=shutil.ignore_patterns("*.sock"))
        entry = await node.publish(audience={"level": "public"})
        async with open_node(copy, clock=node.clock, random=node.random) as other:
            await node.node.catalogue.withdraw(await node.office(), entry.id)
            known = other.journal.read()
            assert known.entries[entry.id].state is EntryState.PUBLISHED
            assert await complete_journal(other.context, other.journal) == 0
            known = other.journal.read()
            assert known.entries[entry.id].state is EntryState.WITHDRAWN
            before = other.journal.path.read_bytes()
            await complete_journal(other.context, other.journal)
            assert other.journal.path.read_bytes() == before


# -- rules beside the audience ---------------------------------------------------------


async def test_whom_an_entry_was_kept_from_later_does_not_see_it_again(
    node: BackedNode,
) -> None:
    await node.partner("swissmem")
    entry = await node.publish(audience={"level": "trusted"})
    untouched = await node.publish(audience={"level": "trusted"})
    made = await node.backup()
    swissmem = "https://spalier.swissmem.example"
    excluding = {"level": "trusted", "exclude": {"partners": [swissmem]}}
    await node.publish(entry.id, audience=excluding)
    await node.close()
    prepared = await node.restore(made.path)
    assert prepared.done.closed == [entry.id]
    await node.open()
    entries = await node.entries()
    assert entries[entry.id].state is EntryState.WITHDRAWN
    assert entries[untouched.id].state is EntryState.PUBLISHED


def test_of_a_group_and_a_wider_audience_the_group_counts() -> None:
    level = AudienceLevel
    group = Audience(level.GROUP, group_id="g")
    for wide in (level.CLUSTER, level.TRUSTED, level.PUBLIC):
        assert narrower(group, Audience(wide)) == group
        assert narrower(Audience(wide), group) == group
    assert narrower(group, group) == group
    nobody = Audience(level.PARTNERS)
    assert narrower(group, Audience(level.GROUP, group_id="h")) == nobody
    named = Audience(level.PARTNERS, frozenset({"p"}))
    assert narrower(named, group) == narrower(group, named) == nobody


async def test_a_backup_older_than_the_journal_remembers_is_said_to_be(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        made = await node.backup()
        await node.close()
        for days, forgotten in ((44, False), (2, True)):
            node.clock.advance(days=days - 1, hours=23)
            async with node.restoring(made.path).prepared() as prepared:
                assert prepared.is_forgotten is forgotten


async def test_what_keeps_a_broken_off_restore_from_being_finished_is_named(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        await node.close()
        (node.folder / MARK_FILE).mkdir()  # it cannot be read
        with pytest.raises(UnavailableError) as refused:
            await node.open()
        assert refused.value.code == "folder-unusable"
        (node.folder / MARK_FILE).rmdir()
