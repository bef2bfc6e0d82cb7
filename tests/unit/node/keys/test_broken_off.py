"""Broken off after any step: the folder can be opened, and it goes on.

Every write to the database and every file that is made or removed is a step. The
story below is told once for each of them, with the node dying right after it.
"""

import itertools
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node.app import Node, open_node
from node.errors import ConfigInvalidError
from node.initialise import initialise
from node.keys import new_secrets, own_keys
from node.keys.backup import open_backup, read_backup
from node.keys.opening import unknown_files
from node.keys.rules import OVERLAP
from node.node_key import key_file, load_key, store_key, stored_numbers
from tests.http.nodes import OFFER, MovableClock, SeededRandom

BASE_URL = "http://127.0.0.1:18098"
# Every process draws other random bytes than the one before.
OPENINGS = itertools.count()


class DiedError(BaseException):
    """The process is gone; nothing may catch it."""


class Death:
    """Dies after a number of steps."""

    def __init__(self, after: int | None) -> None:
        self.steps = 0
        self._after = after

    def step(self) -> None:
        self.steps += 1
        if self.steps == self._after:
            raise DiedError

    def after(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def done(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            self.step()
            return result

        return done


@asynccontextmanager
async def opened(
    folder: Path,
    clock: MovableClock,
    death: Death,
    monkeypatch: pytest.MonkeyPatch,
    *,
    without_secrets: bool = False,
) -> AsyncIterator[Node]:
    random = SeededRandom(f"{next(OPENINGS)}")
    async with open_node(
        folder, clock=clock, random=random, without_secrets=without_secrets
    ) as node:
        write = node.context.database.write

        async def dying_write(work: Any) -> Any:
            result = await write(work)
            death.step()
            return result

        with monkeypatch.context() as patch:
            patch.setattr(type(node.context.database), "write", _bound(dying_write))
            patch.setattr(
                new_secrets, "create_key", death.after(new_secrets.create_key)
            )
            patch.setattr(own_keys, "remove_key", death.after(own_keys.remove_key))
            yield node


def _bound(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda _self, *arguments: function(*arguments)


@pytest.fixture
async def template(tmp_path: Path) -> Path:
    """A node with two published entries."""
    folder = tmp_path / "template"
    clock, random = MovableClock(), SeededRandom("template")
    await initialise(
        folder,
        base_url=BASE_URL,
        name="Nord",
        office_email="office@nord.example",
        clock=clock,
        random=random,
        allow_loopback_http=True,
    )
    async with open_node(folder, clock=clock, random=random) as node:
        office = await node.members.office_person()
        for _ in range(2):
            await node.catalogue.publish(office, OFFER)
    return folder


async def go_on(node: Node, clock: MovableClock) -> None:
    """What the clockwork does in the next hour."""
    clock.advance(seconds=OVERLAP.total_seconds() + 1)
    while await node.own_keys.advance():
        pass


async def story(node: Node, clock: MovableClock) -> None:
    await node.own_keys.rotate(None)
    await go_on(node, clock)
    await go_on(node, clock)
    await node.own_keys.rotate(None)
    await node.own_keys.revoke(None, reason="Einbruch")
    await go_on(node, clock)


async def assert_in_order(node: Node, folder: Path) -> None:
    """Secrets fit the table, and every entry can be verified."""
    ring = node.context.keys
    assert ring.fault is None
    live = {key.number for key in ring.keys if key.is_live}
    stored = set(stored_numbers(folder))
    assert stored - set(unknown_files(folder, ring.keys)) == live
    for key in ring.keys:
        if key.is_live:
            assert load_key(folder, number=key.number).public_key == key.public_key
    office = await node.members.office_person()
    entries = await node.catalogue.mine(office)
    assert len(entries) == 2
    for entry in entries:
        assert entry.key_number is not None
        assert not ring.is_revoked(entry.key_number)


async def steps_of_the_story(
    template: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> int:
    shutil.copytree(template, folder)
    clock, death = MovableClock(), Death(None)
    async with opened(folder, clock, death, monkeypatch) as node:
        await story(node, clock)
        await assert_in_order(node, folder)
        assert [key.state.value for key in node.context.keys.keys] == [
            "retired",
            "revoked",
            "revoked",
            "active",
        ]
    return death.steps


async def test_death_after_any_step(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = await steps_of_the_story(template, tmp_path / "whole", monkeypatch)
    assert steps > 10
    for after in range(1, steps + 1):
        folder = tmp_path / f"dies-{after}"
        shutil.copytree(template, folder)
        clock = MovableClock()
        with pytest.raises(DiedError):
            async with opened(folder, clock, Death(after), monkeypatch) as node:
                await story(node, clock)
        async with opened(folder, clock, Death(None), monkeypatch) as node:
            await go_on(node, clock)
            await go_on(node, clock)
            await assert_in_order(node, folder)
            # Nothing stands in the way of the next change.
            number = (await node.own_keys.rotate(None)).number
            await go_on(node, clock)
            await go_on(node, clock)
            assert node.context.keys.active.number == number
            await assert_in_order(node, folder)
            assert unknown_files(folder, node.context.keys.keys) == []


async def test_interrupted_rotation_takes_up_the_secret_that_was_made(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "node", MovableClock()
    shutil.copytree(template, folder)
    with pytest.raises(DiedError):
        async with opened(folder, clock, Death(1), monkeypatch) as node:
            await node.own_keys.rotate(None)
    made = load_key(folder, number=2).public_key
    async with opened(folder, clock, Death(None), monkeypatch) as node:
        assert [key.number for key in node.context.keys.keys] == [1]
        assert unknown_files(folder, node.context.keys.keys) == [2]
        assert (await node.own_keys.rotate(None)).public_key == made


async def test_secret_that_was_written_by_half_is_left_alone(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "node", MovableClock()
    shutil.copytree(template, folder)
    (folder / key_file(2)).write_bytes(b"-----BEGIN PRIV")
    (folder / key_file(2)).chmod(0o600)
    async with opened(folder, clock, Death(None), monkeypatch) as node:
        assert (await node.own_keys.rotate(None)).number == 3
    assert (folder / key_file(2)).read_bytes() == b"-----BEGIN PRIV"


async def test_no_entry_of_a_revoked_key_leaves_before_it_is_signed_anew(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dead between revocation and new signatures: pages wait for them."""
    folder, clock = tmp_path / "node", MovableClock()
    shutil.copytree(template, folder)
    with pytest.raises(DiedError):
        async with opened(folder, clock, Death(2), monkeypatch) as node:
            await node.own_keys.revoke(None, reason="Einbruch")
    async with opened(folder, clock, Death(None), monkeypatch) as node:
        office = await node.members.office_person()
        assert {each.key_number for each in await node.catalogue.mine(office)} == {1}
        assert node.context.keys.is_revoked(1)
        await go_on(node, clock)
        assert {each.key_number for each in await node.catalogue.mine(office)} == {2}


async def test_restoring_can_be_broken_off(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, clock = tmp_path / "node", MovableClock()
    shutil.copytree(template, folder)
    async with opened(folder, clock, Death(None), monkeypatch) as node:
        await node.own_keys.rotate(None)
        made = await node.key_backups.make(None)
    for number in (1, 2):
        (folder / key_file(number)).unlink()
    # Dead after the first of two files.
    secrets = open_backup(read_backup(made.content), made.code)
    store_key(folder, secrets[1], number=1)
    with pytest.raises(ConfigInvalidError):
        async with opened(folder, clock, Death(None), monkeypatch):
            pass
    async with opened(
        folder, clock, Death(None), monkeypatch, without_secrets=True
    ) as node:
        done = await node.key_backups.restore(None, made.content, code=made.code)
        assert (done.restored, done.present) == ((2,), (1,))
        await assert_in_order(node, folder)
