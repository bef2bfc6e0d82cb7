"""The erasure journal: complete, without content, and never in the way."""

import json
import random
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from federation.trust import TrustState
from federation.version import Version
from node.catalogue.model import Audience, AudienceLevel, EntryState
from node.erasure.decisions import (
    ClosingDecision,
    Decided,
    EntryDecision,
    NodeMark,
    PartnerDecision,
    PartnerKeyDecision,
    Reached,
    decided,
    from_line,
    to_line,
)
from node.erasure.following import compact_journal, write_what_waits
from node.erasure.journal import JOURNAL_FILE, ErasureJournal
from node.erasure.narrowing import narrower
from node.storage.node_state import require_node_state
from tests.contract.backed_node import BackedNode, backed_node


async def test_a_database_that_was_put_back_by_hand_is_brought_in_line(
    tmp_path: Path,
) -> None:
    async with backed_node(tmp_path) as node:
        entry = await node.publish(audience={"level": "public"})
        await node.close()
        old = (node.folder / "node.sqlite").read_bytes()
        await node.open()
        await node.node.catalogue.withdraw(await node.office(), entry.id)
        await node.close()
        (node.folder / "node.sqlite").write_bytes(old)
        for ending in ("-wal", "-shm"):
            (node.folder / f"node.sqlite{ending}").unlink(missing_ok=True)
        services = await node.open()
        assert (await node.entries())[entry.id].state is EntryState.WITHDRAWN
        async with services.context.database.read() as tx:
            state = await require_node_state(tx)
        assert state.incarnation == 2
        assert state.restored_at is not None
        assert state.restored_from is None
        await node.close()
        services = await node.open()
        async with services.context.database.read() as tx:
            assert await require_node_state(tx) == state


async def test_a_line_that_a_crash_kept_from_the_journal_is_added(
    node: BackedNode,
) -> None:
    entry = await node.publish(audience={"level": "public"})
    made = await node.backup()
    node.node.context.database.recorder = None  # the crash: a commit, and no line
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    await node.close()
    await node.open()
    await node.close()
    await node.restore(made.path)
    await node.open()
    assert (await node.entries())[entry.id].state is EntryState.WITHDRAWN


async def test_half_a_line_is_overwritten(node: BackedNode) -> None:
    entry = await node.publish(audience={"level": "public"})
    path = node.folder / JOURNAL_FILE
    with path.open("ab") as file:
        file.write(b'{"is":"entry","id":"')
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    known = ErasureJournal(node.folder).read()
    assert known.unreadable == 0
    assert known.entries[entry.id].state is EntryState.WITHDRAWN
    assert path.stat().st_mode & 0o777 == 0o600


async def test_a_journal_that_cannot_be_written_is_said_and_made_good(
    node: BackedNode,
) -> None:
    entry = await node.publish(audience={"level": "public"})
    path = node.folder / JOURNAL_FILE
    aside = path.with_name("aside")
    path.rename(aside)
    path.mkdir()  # no file can be opened there
    withdrawn = await node.node.catalogue.withdraw(await node.office(), entry.id)
    assert withdrawn.state is EntryState.WITHDRAWN
    journal = node.node.journal
    assert journal.trouble is not None
    assert journal.trouble.code == "journal-unwritable"
    path.rmdir()
    aside.rename(path)
    await write_what_waits(node.node.context, journal)
    assert journal.trouble is None
    assert journal.read().entries[entry.id].state is EntryState.WITHDRAWN


async def test_the_journal_holds_no_content(node: BackedNode) -> None:
    person = await node.member("Jana")
    entry = await node.publish(title={"de": "Streng vertraulich"})
    await node.node.members.mark_left(None, person.id)
    await node.node.catalogue.delete(await node.office(), entry.id)
    lines = (node.folder / JOURNAL_FILE).read_bytes().splitlines()
    assert lines
    for line in lines:
        from_line(line)
    text = b"\n".join(lines)
    for secret in (b"vertraulich", b"Jana", b"lumen", b"optence", b"office@"):
        assert secret not in text


async def test_what_no_backup_could_undo_is_forgotten(node: BackedNode) -> None:
    entry = await node.publish(audience={"level": "public"})
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    context, journal = node.node.context, node.node.journal
    node.clock.advance(days=43)
    await compact_journal(context, journal)
    assert entry.id in journal.read().entries
    node.clock.advance(days=2)
    await compact_journal(context, journal)
    known = journal.read()
    assert known.entries == {}
    assert known.keys[1].state is not None
    await node.close()
    await node.open()
    assert node.node.journal.read().entries == {}


def test_compaction_says_the_same() -> None:
    chance = random.Random(7)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    lines: list[Any] = []
    for number in range(200):
        lines.append(
            chance.choice(
                [
                    EntryDecision(
                        id=f"e{chance.randrange(9)}",
                        version=Version(1 + number // 80, chance.randint(1, 9)),
                        state=chance.choice(list(EntryState)),
                        level=chance.choice(list(AudienceLevel)),
                        at=at,
                    ),
                    PartnerDecision(id="p", state=chance.choice(list(TrustState))),
                    PartnerDecision(id="p", hidden=chance.random() < 0.5),
                    PartnerKeyDecision(id=f"z{chance.randrange(3)}", revoked_at=at),
                    ClosingDecision(since=at),
                    Reached(number=number),
                    NodeMark(incarnation=1 + number // 80, epoch=f"{number}", at=at),
                ]
            )
        )
        known = Decided()
        for line in lines:
            known.take(line)
        short = Decided()
        for line in known.lines():
            short.take(line)
        assert short == known


def test_any_changed_byte_of_a_line_is_noticed() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    line = to_line(
        EntryDecision(
            id="4otptyvl5sds542j4o5vaf3phm",
            version=Version(1, 7),
            state=EntryState.WITHDRAWN,
            level=AudienceLevel.PUBLIC,
            at=at,
        )
    )
    assert decided([line]).entries
    for place in range(len(line) - 1):
        for bit in range(8):
            changed = bytearray(line)
            changed[place] ^= 1 << bit
            known = decided([bytes(changed)])
            assert (known.unreadable, known.entries) == (1, {}), (place, bit)


def test_lines_of_a_newer_program_are_kept(tmp_path: Path) -> None:
    """Whoever goes back a version, and forth again, loses none of them."""
    document = {"is": "something-new", "id": "x"}
    body = json.dumps(document, separators=(",", ":")).encode()
    newer = json.dumps(
        document | {"crc": f"{zlib.crc32(body):08x}"}, separators=(",", ":")
    )
    journal = ErasureJournal(tmp_path)
    partner = PartnerDecision(id="p", hidden=True)
    journal.append([partner, partner])
    with journal.path.open("a") as file:
        file.write(newer + "\n")
    known = journal.read()
    assert (known.unknown, known.unreadable) == (1, 0)
    assert journal.compact(before=datetime(2030, 1, 1, tzinfo=UTC)) == 0
    assert journal.set_damage_aside() == 0
    assert newer in journal.path.read_text()


def test_of_two_audiences_the_narrower_one_counts() -> None:
    level = AudienceLevel

    def audience(kind: AudienceLevel, *ids: str) -> Audience:
        return Audience(kind, frozenset(ids))

    audiences = [
        audience(level.CLUSTER),
        audience(level.PARTNERS, "a", "b"),
        audience(level.PARTNERS, "b", "c"),
        audience(level.PARTNERS),
        audience(level.TRUSTED),
        audience(level.PUBLIC),
    ]

    def readers(of: Audience) -> set[str]:
        match of.level:
            case level.CLUSTER:
                return {"member"}
            case level.PARTNERS:
                return set(of.partner_ids)
            case level.TRUSTED:
                return {"member", "a", "b", "c"}
            case level.PUBLIC:
                return {"member", "a", "b", "c", "public"}
        raise AssertionError(of)

    for one in audiences:
        for other in audiences:
            found = narrower(one, other)
            assert readers(found) == readers(one) & readers(other)
