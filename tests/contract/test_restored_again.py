"""A node that is restored more than once: what was taken in between stays taken."""

from pathlib import Path

from node.catalogue.model import AudienceLevel, EntryState
from tests.contract.backed_node import BackedNode, backed_node


async def _goes_back_to(node: BackedNode, backup: Path) -> None:
    await node.close()
    node.clock.advance(seconds=1)
    await node.restore(backup)
    await node.open()


async def _changed_after_a_backup(node: BackedNode) -> tuple[str, Path, Path]:
    """An entry, a backup of its first version, and one of its second."""
    first = await node.publish(audience={"level": "public"})
    older = (await node.backup()).path
    node.clock.advance(seconds=3600)  # of one hour only the newest is kept
    await node.publish(first.id, audience={"level": "public"}, summary={"de": "Neu."})
    newer = (await node.backup()).path
    return first.id, older, newer


async def test_withdrawn_after_one_restore_is_withdrawn_after_the_next(
    tmp_path: Path,
) -> None:
    """The journal knows a later version that was published; that one is lost."""
    async with backed_node(tmp_path) as node:
        entry_id, older, newer = await _changed_after_a_backup(node)
        await _goes_back_to(node, older)
        await node.node.catalogue.withdraw(await node.office(), entry_id)
        for backup in (older, newer):
            await _goes_back_to(node, backup)
            entry = (await node.entries())[entry_id]
            assert entry.state is EntryState.WITHDRAWN, backup


async def test_a_crash_before_the_journal_does_not_bring_it_back(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        entry_id, older, _ = await _changed_after_a_backup(node)
        await _goes_back_to(node, older)
        journal = node.folder / "erasures.jsonl"
        before = journal.read_bytes()
        await node.node.catalogue.withdraw(await node.office(), entry_id)
        await node.close()
        journal.write_bytes(before)
        await node.open()  # completes it
        await _goes_back_to(node, older)
        assert (await node.entries())[entry_id].state is EntryState.WITHDRAWN


async def test_what_is_forgotten_of_the_journal_leaves_the_order(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        entry_id, older, _ = await _changed_after_a_backup(node)
        await _goes_back_to(node, older)
        await node.node.catalogue.withdraw(await node.office(), entry_id)
        journal = node.node.journal
        before = journal.read()
        journal.compact(before=before.entries[entry_id].at)
        after = journal.read()
        assert (after.entries, after.decided_in) == (before.entries, before.decided_in)
        assert after.mark == before.mark
        await _goes_back_to(node, older)
        assert (await node.entries())[entry_id].state is EntryState.WITHDRAWN


async def test_narrowed_by_a_restore_is_narrow_after_the_next(tmp_path: Path) -> None:
    """A restore narrows an entry and leaves its version; the first journal is lost."""
    async with backed_node(tmp_path) as node:
        entry_id, older, _ = await _changed_after_a_backup(node)
        await node.publish(entry_id, audience={"level": "cluster"})
        await _goes_back_to(node, older)
        assert (await node.entries())[entry_id].audience.level is AudienceLevel.CLUSTER
        await node.close()
        (node.folder / "erasures.jsonl").unlink()
        await node.open()  # begins another one
        await _goes_back_to(node, older)
        assert (await node.entries())[entry_id].audience.level is AudienceLevel.CLUSTER
