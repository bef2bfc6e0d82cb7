"""Everything works again; then everything must be right within a bounded time.

Source: SPEC.md chapter 1 (INV-2 to INV-4), FED-058 (retries after an hour at most).
"""

import hashlib
import json
from datetime import date, timedelta
from typing import Final

from node.simulation.looking import PartnerRow, Sight
from node.simulation.machine import Machine
from node.simulation.promises import digest_of_copies, granted, left_with
from node.simulation.story import Story
from node.simulation.violation import BrokenPromiseError
from node.simulation.weather import CALM
from node.simulation.world import World

_ROUND_S: Final = 15.0
# Retries come within an hour. Whoever does not know a key any more looks at the
# partner's address within 28 hours, and only then is there something to compare.
_SLEPT: Final = (*[timedelta(minutes=20)] * 5, *[timedelta(hours=8)] * 8)
# After a restore first one side has to learn of keys, then the other to compare, and
# only the next daily comparison shows copies again.
_SLEPT_LONGER: Final = (timedelta(hours=8),) * 10
_ESTABLISHED: Final = frozenset({"active", "paused", "suspended"})


class Healing:
    """Mends everything and waits until nothing is wrong any more."""

    def __init__(self, world: World, story: Story) -> None:
        self._world = world
        self._story = story

    async def heal(self) -> None:
        """Heal, and require that every promise holds.

        Raises:
            BrokenPromiseError: Something is wrong still, or a node is stuck.
        """
        world = self._world
        world.weather.rates = CALM
        world.weather.cut.clear()
        world.record.note("everything works again")
        faults: list[tuple[str, str]] = [("liveness", "nothing was looked at")]
        waits = _SLEPT
        if world.promises.restores.disturbed:
            waits += _SLEPT_LONGER
        for number, slept in enumerate(waits):
            for machine in world.machines.values():
                await self._bring_up(machine)
            await self._tidy_offices(last=number > len(waits) - 6)
            await world.pass_time(_ROUND_S)
            faults = self._faults()
            if not faults:
                world.promises.restores.healed()
                world.record.note(f"healed after {number + 1} rounds")
                return
            world.record.note(f"still wrong: {faults[0][1]}")
            world.sleep_through(slept)
            await world.pass_time(_ROUND_S)
        raise BrokenPromiseError(*faults[0])

    async def _bring_up(self, machine: Machine) -> None:
        machine.clock.skew = timedelta()
        if machine.process is not None:
            machine.process.steps_left = None
            machine.process.on_killed.pop("count", None)
            return
        machine.move_on()
        await machine.start()

    async def _tidy_offices(self, *, last: bool) -> None:
        """Let every office answer what is open for it to answer."""
        world, story = self._world, self._story
        for machine in world.machines.values():
            await story.compare_keys(machine)
            await story.compare_numbers(machine)
            await story.settle(machine)
            sight = world.promises.sight(machine.name)
            for row in sight.partners.values():
                other = world.machines[_name(row.base_url)]
                there = world.promises.sight(other.name).partners.get(machine.base_url)
                await self._tidy(machine, other, row, there, last=last)

    def _has_forgotten(
        self, machine: Machine, other: Machine, there: PartnerRow | None
    ) -> bool:
        """Whether a restore has left only one side of a partnership."""
        if not {machine.name, other.name} & self._world.promises.restores.disturbed:
            return False
        if there is None or there.state == "refused":
            return True
        is_open = there.state in {*_ESTABLISHED, "requested"}
        return not is_open and not there.waiting

    def _has_lost_keys(self, machine: Machine, other: Machine, row: PartnerRow) -> bool:
        """Whether a node that lost its journal has gone back behind its keys.

        A partner takes no older word about them, so both begin anew.
        """
        return bool(
            {machine.name, other.name} & self._world.promises.restores.bare
            and row.last_error
            and "unknown-key" in row.last_error
        )

    async def _tidy(
        self,
        machine: Machine,
        other: Machine,
        row: PartnerRow,
        there: PartnerRow | None,
        *,
        last: bool,
    ) -> None:
        story = self._story
        match row.state:
            case "paused":
                await story.to_partner(machine, row.base_url, "resumes")
            case "requested" if there is not None and there.state == "waiting":
                await story.to_partner(machine, row.base_url, "confirms")
            case "requested":
                await story.to_partner(machine, row.base_url, "refuses")
            case "waiting" if last:
                # Their key was revoked before they confirmed: we never hear of it.
                await story.to_partner(machine, row.base_url, "ends")
            case "waiting" if there is None or (
                there.state not in {"requested", "active"} and not there.waiting
            ):
                await story.to_partner(machine, row.base_url, "ends")
            case "active" | "suspended" if self._has_forgotten(machine, other, there):
                await story.to_partner(machine, row.base_url, "ends")
            case "active" if last and self._has_lost_keys(machine, other, row):
                await story.to_partner(machine, row.base_url, "ends")
            case "ending" if last:
                await story.to_partner(machine, row.base_url, "closes")
            case _:
                pass

    # -- what is wrong -------------------------------------------------------------

    def _faults(self) -> list[tuple[str, str]]:
        world = self._world
        found: list[tuple[str, str]] = []
        sights = {name: world.promises.sight(name) for name in world.machines}
        for machine in world.machines.values():
            found += self._dead(machine)
            for url, row in sights[machine.name].partners.items():
                other = _name(url)
                if {machine.name, other} & world.promises.liars:
                    continue
                there = sights[other].partners.get(machine.base_url)
                found += self._pair(machine, sights[machine.name], row, there)
            found += self._messages(machine, sights)
        return found

    def _dead(self, machine: Machine) -> list[tuple[str, str]]:
        process = machine.process
        if process is None or not machine.is_up:
            return [("liveness", f"{machine.name} is down")]
        return [
            ("liveness", f"{machine.name}'s {task.get_name()} has ended")
            for task in process.tasks
            if task.get_name() in {"serve", "delivery", "clockwork"} and task.done()
        ]

    def _pair(
        self, machine: Machine, sight: Sight, row: PartnerRow, there: PartnerRow | None
    ) -> list[tuple[str, str]]:
        pair = f"{machine.name} to {_name(row.base_url)}"
        state = None if there is None else there.state
        if row.state != "active" or state != "active":
            if row.state in _ESTABLISHED or state in _ESTABLISHED | {"requested"}:
                return [("liveness", f"{pair}: {row.state} here, {state} there")]
            if any(copy.state == "present" for copy in row.copies.values()):
                return [("INV-1", f"{pair}: {row.state}, and copies are left")]
            return []
        assert there is not None  # noqa: S101 - it is active
        today = machine.clock.now().date()
        return [
            (promise, f"{pair}: {what}")
            for promise, what in [
                *_waiting(row),
                *_unfinished(sight, row),
                *_mirror(machine, sight, row, there, today),
                *_digests(row, there),
                *self._receipts(machine, row),
            ]
        ]

    def _receipts(self, machine: Machine, row: PartnerRow) -> list[tuple[str, str]]:
        """Every withdrawal is confirmed, and the receipt is there that says so."""
        found: list[tuple[str, str]] = []
        for told in row.told.values():
            if told.op == "upsert" or told.seq > row.acked:
                continue
            if not told.is_acknowledged or told.receipt_id is None:
                found.append(("INV-4", f"no receipt for {told.op} of {told.entry_id}"))
                continue
            stored = self._world.promises.rows(
                machine.name,
                "SELECT document FROM receipts WHERE id = ?",
                told.receipt_id,
            )
            document = json.loads(stored[0]["document"])
            if document["actor"] != f"{row.base_url}/actor":
                found.append(
                    ("INV-4", f"the receipt for {told.entry_id} is not theirs")
                )
            elif document["position"] < told.seq:
                found.append(("INV-4", f"the receipt for {told.entry_id} ends before"))
        return found

    def _messages(
        self, machine: Machine, sights: dict[str, Sight]
    ) -> list[tuple[str, str]]:
        """What is known to be delivered is there, once and the same."""
        found: list[tuple[str, str]] = []
        for activity, (text, is_delivered) in sights[machine.name].messages.items():
            if not activity.startswith(machine.base_url) or not is_delivered:
                continue
            if activity in self._world.promises.restores.forgotten:
                continue  # it came after the backup that is there now
            there = [
                sight.messages[activity][0]
                for name, sight in sights.items()
                if name != machine.name and activity in sight.messages
            ]
            if there != [text]:
                found.append(("INV-2", f"{machine.name}'s message {text} is {there}"))
        return found


def _waiting(row: PartnerRow) -> list[tuple[str, str]]:
    found = []
    if row.acked < row.head:
        found.append(
            ("liveness", f"{row.head - row.acked} rows wait: {row.last_error}")
        )
    if row.waiting:
        found.append(("liveness", f"{row.waiting} activities wait: {row.last_error}"))
    return found


def _unfinished(sight: Sight, row: PartnerRow) -> list[tuple[str, str]]:
    """After a restore both sides are compared, and what is held is shown again."""
    found = []
    if row.compared_epoch != sight.epoch:
        found.append(("liveness", f"nobody has asked what is there: {row.last_error}"))
    if row.to_verify_since is not None:
        found.append(("liveness", "its copies are hidden since a restore"))
    return found + [
        ("liveness", f"{each.entry_id} is unaccounted for")
        for each in row.unaccounted.values()
        if each.settled_as is None
    ]


def _mirror(
    machine: Machine, sight: Sight, row: PartnerRow, there: PartnerRow, today: date
) -> list[tuple[str, str]]:
    """The partner holds exactly what it may have."""
    wanted = {
        f"{machine.base_url}/entries/{entry.id}": (entry.version, entry.content_hash)
        for entry in granted(sight, row, today)
    }
    for each in left_with(row).values():
        wanted[f"{machine.base_url}/entries/{each.entry_id}"] = (
            each.version,
            each.content_hash,
        )
    held = {
        uri: (copy.version, copy.content_hash)
        for uri, copy in there.copies.items()
        if copy.state == "present"
    }
    if held == wanted:
        return []
    more, less = (
        sorted(held.keys() - wanted.keys()),
        sorted(wanted.keys() - held.keys()),
    )
    other = [
        uri for uri in sorted(wanted.keys() & held.keys()) if wanted[uri] != held[uri]
    ]
    promise = "INV-1" if more else "INV-2"
    return [(promise, f"holds too much {more}, too little {less}, otherwise {other}")]


def _digests(row: PartnerRow, there: PartnerRow) -> list[tuple[str, str]]:
    """Both digests are those of what is held; what was sent is held or refused."""
    held = digest_of_copies(there)
    left = left_with(row)
    found = []
    for side, buckets in (("ours", row.digest_out), ("theirs", there.digest_in)):
        if side == "ours" and left:
            continue  # receipts prove less than the office has left there
        if buckets and _digest(buckets) != held:
            found.append(("INV-3", f"{side} is not the digest of what is held"))
    if row.digest_equal is False:
        found.append(("INV-3", "the digests differ"))
    acknowledged = [
        told
        for told in row.told.values()
        if told.op == "upsert" and told.is_acknowledged
    ]
    refused = [told for told in acknowledged if told.refused is not None]
    beyond = left.keys() - row.told.keys()
    present = sum(
        copy.state == "present" and _local(copy.uri) not in beyond
        for copy in there.copies.values()
    )
    if len(acknowledged) != present + len(refused):
        found.append(
            (
                "INV-3",
                f"{len(acknowledged)} sent, {present} held, {len(refused)} refused",
            )
        )
    return found


def _local(uri: str) -> str:
    return uri.rpartition("/")[2]


def _digest(buckets: str) -> str:
    return hashlib.sha256(bytes.fromhex(buckets)).hexdigest()


def _name(base_url: str) -> str:
    return base_url.removeprefix("https://").removesuffix(".example")
