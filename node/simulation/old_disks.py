"""Old backups, and how they are put back: with the product's own code.

A node's office makes backups at any moment. Later one of them is put back: by
`spalier restore`, with or without the erasure journal, which may be cut off at any of
its steps; or somebody lays an old database into the folder by hand, and the node's
next start finds that out.

Source: SPEC.md NOD-060 to NOD-071.
"""

import shutil
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random
from typing import Final

from node.backup.restoring import Restoring
from node.erasure.journal import JOURNAL_FILE
from node.simulation.machine import CrashedError, Machine
from node.simulation.world import World
from node.storage.database import SQLITE_FILE

_COPIES_KEPT: Final = 4  # of a node's database, the latest
_CUT_OFF: Final = 0.25  # of the restores
_KILLED_WITHIN_STEPS: Final = 120
_STEPS: Final = ("loaded", "replayed", "marked", "moved", "replaced", "done")
_KEYS: Final = "node*.key"
_BESIDE: Final = ("", "-wal", "-shm")


class Way(Enum):
    """How an old database comes back; the value is what it is counted as."""

    COMMAND = "restored"
    WITHOUT_JOURNAL = "restored_bare"
    BY_HAND = "restored_by_hand"


@dataclass
class OldDisks:
    """The backups of all nodes of a world.

    Args:
        world: Where they are.
        chance: Draws which one is put back, and when that is cut off.
    """

    world: World
    chance: Random
    _copies: Counter[str] = field(default_factory=Counter)
    _made: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    async def keep(self, machine: Machine) -> None:
        """Make a backup, and copy the database as somebody with a shell would."""
        shelf = self._shelf(machine)
        made = await self.world.order(
            machine.name, "makes a backup", lambda n, _: n.backups.create(to=shelf)
        )
        if made is None:
            return
        self.world.faults["backup"] += 1
        self._made[machine.name].append(made.path)
        for key in machine.folder.glob(_KEYS):
            beside = self._keys(machine, made.path)
            beside.mkdir(parents=True, exist_ok=True)
            shutil.copy2(key, beside)
        self._copies[machine.name] += 1
        number = self._copies[machine.name]
        copy = self._copy(machine, number)
        copy.parent.mkdir(exist_ok=True)
        with (
            closing(sqlite3.connect(machine.folder / SQLITE_FILE)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.execute("PRAGMA wal_autocheckpoint=0")
            source.backup(target)
        self._copy(machine, number - _COPIES_KEPT).unlink(missing_ok=True)

    def has_any(self, machine: Machine) -> bool:
        """Whether there is anything to put back."""
        return bool(self._backups(machine))

    async def put_back(self, machine: Machine) -> None:
        """Put an old database in place of a node that is down, and start the node.

        Raises:
            CrashedError: The command or the node was killed; so it stays down.
        """
        world = self.world
        before = world.promises.sight(machine.name)
        ways = [way for way in Way if way is not Way.BY_HAND or self._laid(machine)]
        way = min(ways, key=lambda way: (world.faults[way.value], way.value))
        machine.move_on()
        world.promises.put_back(
            machine.name, before, has_journal=way is not Way.WITHOUT_JOURNAL
        )
        world.record.note(f"{machine.name}: an old database is put back: {way.value}")
        world.faults["restore"] += 1
        world.faults[way.value] += 1
        if way is Way.BY_HAND:
            self._lay(machine)
        else:
            file = self.chance.choice(self._backups(machine))
            if way is Way.WITHOUT_JOURNAL:
                self._lose_folder(machine, file)
            is_whole = await self._restore(machine, file)
            if way is Way.WITHOUT_JOURNAL and not is_whole:
                # There is nothing else to go on with.
                await self._restore(machine, file, may_end=False)
        machine.move_on()
        await machine.start()

    def lose_copy(self, machine: Machine) -> bool:
        """Lose one row that a node that is down holds of a partner.

        Returns:
            Whether there was one.
        """
        with closing(sqlite3.connect(machine.folder / SQLITE_FILE)) as database:
            found = database.execute(
                "SELECT e.id, p.base_url, e.entry_uri FROM received_entries AS e"
                " JOIN partners AS p ON p.id = e.partner_id"
                " WHERE e.state = 'present' AND p.state = 'active' ORDER BY e.entry_uri"
            ).fetchall()
            if not found:
                return False
            row, url, uri = self.chance.choice(found)
            database.execute("DELETE FROM received_entries WHERE id = ?", (row,))
            database.commit()
        origin = url.removeprefix("https://").removesuffix(".example")
        self.world.promises.restores.lost(origin, machine.name, uri)
        self.world.faults["copy_lost"] += 1
        self.world.record.note(f"{machine.name}: the disk has lost {uri}")
        return True

    # -- ways ---------------------------------------------------------------------

    def _lay(self, machine: Machine) -> None:
        kept = self._laid(machine)
        for ending in _BESIDE:
            (machine.folder / f"{SQLITE_FILE}{ending}").unlink(missing_ok=True)
        shutil.copyfile(self.chance.choice(kept), machine.folder / SQLITE_FILE)

    def _lose_folder(self, machine: Machine, file: Path) -> None:
        """Leave what an office has elsewhere: a backup, the keys of then, settings."""
        (machine.folder / JOURNAL_FILE).unlink(missing_ok=True)
        for ending in _BESIDE:
            (machine.folder / f"{SQLITE_FILE}{ending}").unlink(missing_ok=True)
        # What was made after it tells of keys that are lost with the folder.
        for copy in self._laid(machine):
            copy.unlink()
        made = self._made[machine.name]
        for later in made[made.index(file) + 1 :]:
            later.unlink(missing_ok=True)
        for key in machine.folder.glob(_KEYS):
            key.unlink()
        for key in self._keys(machine, file).iterdir():
            shutil.copy2(key, machine.folder)

    async def _restore(
        self, machine: Machine, file: Path, *, may_end: bool = True
    ) -> bool:
        """Run the command; say whether it came to its end."""
        cut_off, killed = None, None
        if may_end and self.chance.random() < _CUT_OFF:
            if self.chance.random() < 0.5:  # noqa: PLR2004 - a weight
                cut_off = self.chance.choice(_STEPS)
            else:
                killed = self.chance.randrange(_KILLED_WITHIN_STEPS)
        aside = machine.home / "cut off"

        def step(name: str) -> None:
            if name == cut_off:
                # What the disk has at this moment is what is left.
                shutil.copytree(machine.folder, aside)

        async def command(folder: Path) -> None:
            restoring = Restoring(
                folder,
                file,
                clock=machine.clock,
                random=machine.random,
                step=step,
                on_loop=True,
            )
            async with restoring.prepared() as prepared:
                await restoring.order(prepared)

        try:
            await machine.command(command, steps_left=killed)
        except CrashedError:
            self.world.record.note(f"{machine.name}: the restore is killed")
            machine.move_on()  # what was killed may still have files open
            return False
        if aside.exists():
            self.world.record.note(f"{machine.name}: the restore ends at {cut_off}")
            shutil.rmtree(machine.folder)
            aside.rename(machine.folder)
            return False
        return True

    def _shelf(self, machine: Machine) -> Path:
        return machine.home / "backups"

    def _backups(self, machine: Machine) -> list[Path]:
        """Return what the product has made and not removed, the latest last."""
        return [path for path in self._made[machine.name] if path.exists()]

    def _laid(self, machine: Machine) -> list[Path]:
        return sorted(self._copy(machine, 0).parent.glob("*.sqlite"))

    def _keys(self, machine: Machine, file: Path) -> Path:
        return machine.home / "keys" / file.name

    def _copy(self, machine: Machine, number: int) -> Path:
        return machine.home / "copies" / f"{number:04d}.sqlite"
