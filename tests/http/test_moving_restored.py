"""A move and what was put back from a backup: ours, the partner's, and an archive."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from node.archive.making import make_archive
from node.archive.verifying import verify_archive
from node.backup.restoring import Restoring
from node.errors import ConflictError
from node.moving import MoveStanding
from node.storage.database import Transaction
from node.storage.partner_keys import store_keys
from node.storage.partners import update_partner
from tests.http.moving_world import (
    Named,
    Pair,
    compared,
    confirm,
    in_sync,
    move,
    publish,
    standing,
)
from tests.http.nodes import OFFER, MovableClock
from tests.http.whole_nodes import WholeNode, settle


async def test_backup_restore_and_archive_after_a_move(
    two: Pair, tmp_path: Path, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    await publish(nord, "Vorher", external_id="W-1")
    public = {**OFFER, "title": {"de": "Für alle"}, "audience": {"level": "public"}}
    await nord.node.catalogue.publish(nord.office, public)
    await settle(nord)
    (tmp_path / "vault").mkdir()
    early = await nord.node.backups.create(to=tmp_path / "vault")
    keys = await nord.node.key_backups.make(nord.office)
    old = await move(nord)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    await publish(nord, "Nachher", external_id="W-2")
    await settle(nord)

    # The sheet in the safe stays good.
    found_keys = await nord.node.key_backups.check(
        nord.office, keys.content, code=keys.code
    )
    assert found_keys.present == (1,)

    # Proofs and digests of both names, in the trial that every backup goes through.
    clock.advance(hours=1)
    made = await nord.node.backups.create(to=tmp_path / "vault")
    assert made.tried.proofs == 3
    context = nord.node.context
    async with context.database.read() as tx:
        archive = await make_archive(tx, context, with_contacts=False)
    (tmp_path / "archive.zip").write_bytes(archive.data)
    found = verify_archive(tmp_path / "archive.zip")
    assert (found.faults, found.entries, found.base_url) == ((), 1, nord.base_url)

    await nord.stop()
    with pytest.raises(ConflictError):  # of another address
        await restored(nord, early.path)
    clock.advance(minutes=5)
    await restored(nord, made.path)
    await nord.start()
    clock.advance(minutes=2)
    await settle(nord, sued, nord, sued)
    assert set(await sued.held_from(nord)) == {"Vorher", "Für alle", "Nachher"}
    assert await in_sync(nord, sued)
    assert (await nord.partner(sued)).known_as is None
    changed = await publish(nord, "Vorher, geändert", external_id="W-1")
    assert changed.uri.startswith(f"{old}/entries/")
    await settle(nord)
    assert "Vorher, geändert" in await sued.held_from(nord)


async def test_an_answer_that_we_have_forgotten_shows_by_itself(two: Pair) -> None:
    """Nord was put back from a backup of before Süd confirmed."""
    nord, sued = await compared(two)
    old = await move(nord)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    await forget(nord, sued, known_as=old)
    assert await standing(nord, sued) is MoveStanding.ANNOUNCED
    await publish(nord, "Neu", external_id="W-1")
    await settle(nord)
    assert await sued.held_from(nord) == {}
    # Süd signs for the present address: it would not, had it not confirmed.
    await publish(sued, "Von Süd", external_id="S-1")
    await settle(sued, nord)
    assert await standing(nord, sued) is MoveStanding.CONFIRMED
    assert set(await sued.held_from(nord)) == {"Neu"}


async def test_a_partner_that_has_forgotten_the_move_is_told_again(
    two: Pair, clock: MovableClock
) -> None:
    """Süd was put back from a backup of before the announcement."""
    nord, sued = await compared(two)
    old = await move(nord)
    before = await sued.partner(Named(old))
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    moved = await sued.partner(nord)

    async def put_back(tx: Transaction) -> None:
        values = {name: getattr(before, name) for name in ("base_url", "actor_id")}
        await update_partner(tx, moved.id, former_urls=(), **values)
        await store_keys(tx, moved.id, moved.keys[:0], at=clock.now())
        renewed = [replace(each, id=f"again-{each.id[:8]}") for each in before.keys]
        await store_keys(tx, moved.id, renewed, at=clock.now())

    await sued.node.context.database.write(put_back)
    await publish(nord, "Neu", external_id="W-1")
    await settle(nord)
    assert (await nord.partner(sued)).problem_code == "unknown-key"
    clock.advance(hours=2)
    await nord.node.own_move.announce_again(nord.office, sued.base_url)
    await settle(nord)
    assert await standing(nord, sued) is MoveStanding.ANNOUNCED
    await confirm(sued, nord, old)
    await settle(sued, nord)
    assert set(await sued.held_from(nord)) == {"Neu"}


# -- steps --------------------------------------------------------------------------


async def restored(node: WholeNode, file: Path) -> None:
    restoring = Restoring(node.folder, file, clock=node.clock, random=node.random)
    async with restoring.prepared() as prepared:
        await restoring.order(prepared)


async def forget(node: WholeNode, other: WholeNode, **values: Any) -> None:
    partner = await node.partner(other)

    async def work(tx: Transaction) -> None:
        await update_partner(tx, partner.id, **values)

    await node.node.context.database.write(work)
