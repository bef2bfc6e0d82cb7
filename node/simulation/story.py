"""What offices do and what breaks, drawn from the seed."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from node.errors import NodeError
from node.simulation.looking import OwnEntry
from node.simulation.machine import CrashedError, Machine
from node.simulation.office_orders import compare_numbers, comparing, settling
from node.simulation.old_disks import OldDisks
from node.simulation.promises import is_granted
from node.simulation.weather import Rates
from node.simulation.world import World

_LIVE_ENTRIES_MAX: Final = 14
_CRASH_WITHIN_STEPS: Final = 250
_TOPICS: Final = ("Optik", "Messtechnik", "Beschichtung")
_IDLE: Final = (
    timedelta(minutes=11),
    timedelta(hours=2),
    timedelta(hours=9),
    timedelta(days=1),
)
_SKEWS_S: Final = (-7200.0, -280.0, -40.0, 25.0, 55.0, 200.0, 3600.0)

Weights = dict[str, int]

ACTIONS: Final[Weights] = {
    # changes
    "publish": 12,
    "change_audience": 26,
    "edit": 6,
    "let_expire": 9,
    "withdraw": 9,
    "delete": 8,
    "pause": 6,
    "resume": 14,
    "end": 4,
    "join": 24,
    "rotate": 6,
    "revoke": 4,
    "compare_key": 18,
    "write_message": 14,
    "settle_some": 8,
    "back_up": 6,
    # faults
    "restore": 5,
    "lose_copy": 3,
    "idle": 5,
    "crash": 8,
    "stop": 3,
    "start": 16,
    "cut": 4,
    "cut_one_way": 4,
    "mend": 12,
    "skew": 4,
    "set_clock": 8,
}
FOUL: Final = Rates()
_SPEAKS_EVERY_S: Final = 8.0
_LATE_FIRST: Final = 0.85
_RAREST: Final = 4
# What an action brings about, so that nothing stays rare in a short run.
_BRINGS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("change_audience", ("narrowed", "widened")),
    ("let_expire", ("expired",)),
    ("withdraw", ("withdrawn",)),
    ("delete", ("deleted",)),
    ("pause", ("paused", "resumed")),
    ("resume", ("resumed",)),
    ("end", ("ended",)),
    ("rotate", ("key_rotated",)),
    ("revoke", ("key_revoked",)),
    ("write_message", ("message",)),
    ("idle", ("idle",)),
    ("crash", ("crash",)),
    ("start", ("restart",)),
    ("cut", ("partition",)),
    ("cut_one_way", ("one_way",)),
    ("skew", ("clock_skew",)),
    ("set_clock", ("clock_jump",)),
    ("back_up", ("backup",)),
    ("restore", ("restore",)),
    ("lose_copy", ("copy_lost",)),
    ("make_the_liar_speak", ("equivocated", "forged", "replayed", "withheld")),
    ("speak_to_the_liar", ("wrong_digest", "false_receipt")),
)


@dataclass
class Story:
    """Plays actions in a world until it has had enough steps.

    Attributes:
        weights: How often each action is drawn.
        gap_s: Virtual seconds between two of them, on average.
        late_first: How often one is played instead whose faults are rare so far.
    """

    world: World
    weights: Weights = field(default_factory=lambda: dict(ACTIONS))
    gap_s: float = 1.5
    late_first: float = _LATE_FIRST
    _texts: int = 0
    _spoke: dict[str, float] = field(default_factory=dict)
    _old: OldDisks = field(init=False)

    def __post_init__(self) -> None:
        """Begin without any backup."""
        self._old = OldDisks(self.world, self.world.chance)

    async def play(self, steps: int) -> None:
        """Play for a number of further steps.

        Raises:
            BrokenPromiseError: A promise was broken.
        """
        world, chance = self.world, self.world.chance
        world.weather.rates = FOUL
        names, weights = list(self.weights), list(self.weights.values())
        until = world.steps + steps
        while world.steps < until:
            await world.pass_time(chance.expovariate(1 / self.gap_s))
            action = chance.choices(names, weights=weights)[0]
            late = [name for name, kinds in _BRINGS if any(map(world.lags, kinds))]
            if late and chance.random() < self.late_first:
                action = chance.choice(sorted(late, key=self._rarest)[:_RAREST])
            await self._act(getattr(self, f"_{action}"))

    async def _act(self, action: Callable[[Machine], Awaitable[None]]) -> None:
        machine = self._fitting(action)
        try:
            await action(machine)
        except CrashedError:
            self.world.record.note(f"{machine.name}: crashed while it started")
        except NodeError as error:
            self.world.break_promise("liveness", f"{machine.name}: {error!r}")
        self.world.look_everywhere()
        self.world.require_whole()

    # -- entries -------------------------------------------------------------------

    async def _publish(self, machine: Machine) -> None:
        live = self._live(machine)
        if len(live) > _LIVE_ENTRIES_MAX:
            await self._delete(machine)
            return
        await self._store(machine, "publishes", self._document(machine))

    async def _change_audience(self, machine: Machine) -> None:
        entry = self._pick(machine)
        if entry is None:
            return
        document = self._document(machine)
        before = self._readers(machine, entry.id)
        if not await self._store(machine, "re-addresses", document, entry=entry.id):
            return
        after = self._readers(machine, entry.id)
        if before - after:
            self.world.faults["narrowed"] += 1
        if after - before:
            self.world.faults["widened"] += 1

    async def _edit(self, machine: Machine) -> None:
        entry = self._pick(machine)
        if entry is None:
            return
        audience = {"level": entry.level, "partners": sorted(entry.named)}
        if entry.level != "partners":
            del audience["partners"]
        document = {**self._document(machine), "audience": audience}
        await self._store(machine, "edits", document, entry=entry.id)

    async def _let_expire(self, machine: Machine) -> None:
        entry = self._pick(machine)
        if entry is None:
            return
        today = machine.clock.now().date()
        document = {**self._document(machine), "valid_until": today.isoformat()}
        if await self._store(machine, "dates", document, entry=entry.id):
            self.world.faults["expired"] += 1

    async def _withdraw(self, machine: Machine) -> None:
        entry = self._pick(machine)
        if entry is None or entry.state == "withdrawn":
            return
        done = await self.world.order(
            machine.name, "withdraws", lambda n, o: n.catalogue.withdraw(o, entry.id)
        )
        self.world.faults["withdrawn"] += done is not None

    async def _delete(self, machine: Machine) -> None:
        entry = self._pick(machine)
        if entry is None:
            return
        done = await self.world.order(
            machine.name, "deletes", lambda n, o: n.catalogue.delete(o, entry.id)
        )
        self.world.faults["deleted"] += done is not None

    async def _store(
        self,
        machine: Machine,
        what: str,
        document: dict[str, Any],
        *,
        entry: str | None = None,
    ) -> bool:
        done = await self.world.order(
            machine.name,
            what,
            lambda n, o: n.catalogue.publish(o, document, entry_ref=entry),
        )
        return done is not None

    def _document(self, machine: Machine) -> dict[str, Any]:
        chance = self.world.chance
        last = machine.clock.now().date() + timedelta(days=chance.randint(0, 9))
        mark = f"M{chance.getrandbits(48):012x}"
        return {
            "kind": "technology_offer",
            "title": {"de": f"Angebot {mark}"},
            "summary": {"de": "Etwas Nützliches."},
            "topics": [chance.choice(_TOPICS)],
            "partnership_types": ["technical_cooperation"],
            "valid_until": last.isoformat(),
            "audience": self._audience(machine),
        }

    def _audience(self, machine: Machine) -> dict[str, Any]:
        chance = self.world.chance
        level = chance.choice(["cluster", "partners", "partners", "trusted", "public"])
        others = [
            partner.base_url
            for partner in self._partners(machine)
            if partner.state in {"active", "paused", "suspended"}
        ]
        if level != "partners" or not others:
            return {"level": "cluster" if level == "partners" else level}
        named = chance.sample(others, chance.randint(1, len(others)))
        return {"level": "partners", "partners": named}

    # -- partners ------------------------------------------------------------------

    async def _pause(self, machine: Machine) -> None:
        if await self._to_some(machine, "active", "pauses"):
            self.world.faults["paused"] += 1

    async def _resume(self, machine: Machine) -> None:
        if await self._to_some(machine, "paused", "resumes"):
            self.world.faults["resumed"] += 1

    async def _end(self, machine: Machine) -> None:
        if await self._to_some(machine, "active", "ends"):
            self.world.faults["ended"] += 1

    async def _to_some(self, machine: Machine, state: str, what: str) -> bool:
        found = [p.base_url for p in self._partners(machine) if p.state == state]
        if not found:
            return False
        return await self.to_partner(machine, self.world.chance.choice(found), what)

    async def to_partner(self, machine: Machine, url: str, what: str) -> bool:
        """Let an office do something with one of its partnerships."""
        orders: dict[str, Any] = {
            "pauses": lambda n, o: n.partners.pause(o, url),
            "resumes": lambda n, o: n.partners.resume(o, url),
            "ends": lambda n, o: n.partners.end(o, url),
            "refuses": lambda n, o: n.partners.refuse(o, url),
            "confirms": lambda n, o: n.partners.confirm(o, url, compared=True),
            "closes": lambda n, o: n.partners.close_unconfirmed(o, url),
        }
        name = url.removeprefix("https://").removesuffix(".example")
        done = await self.world.order(machine.name, f"{what} {name}", orders[what])
        return done is not None

    async def _join(self, machine: Machine) -> None:
        if await self._to_some(machine, "requested", "confirms"):
            return
        strangers = [
            other
            for other in self.world.machines.values()
            if other is not machine and not self._stand(machine, other)
        ]
        if not strangers:
            return
        await self.invite(machine, self.world.chance.choice(strangers))

    async def invite(self, host: Machine, guest: Machine) -> None:
        """Let one office invite another, which uses the code at once."""
        created = await self.world.order(
            host.name, f"invites {guest.name}", lambda n, o: n.partners.invite(o)
        )
        if created is not None:
            await self.world.order(
                guest.name,
                f"accepts {host.name}",
                lambda n, o: n.partners.accept(o, created.code),
            )
            await self.compare_numbers(guest)

    def _stand(self, machine: Machine, other: Machine) -> bool:
        """Whether there is, or may soon be, a partnership of the two."""
        here = self.world.promises.sight(machine.name).partners.get(other.base_url)
        there = self.world.promises.sight(other.name).partners.get(machine.base_url)
        open_states = {"active", "paused", "suspended", "requested"}
        return any(
            row is not None and row.state in open_states for row in (here, there)
        )

    # -- keys and messages ---------------------------------------------------------

    async def _rotate(self, machine: Machine) -> None:
        done = await self.world.order(
            machine.name, "rotates its key", lambda n, _: n.own_keys.rotate(None)
        )
        if done is None:
            done = await self.world.order(
                machine.name, "uses its new key", lambda n, _: n.own_keys.activate(None)
            )
        self.world.faults["key_rotated"] += done is not None

    async def _revoke(self, machine: Machine) -> None:
        done = await self.world.order(
            machine.name,
            "revokes its key",
            lambda n, _: n.own_keys.revoke(None, reason="lost"),
        )
        self.world.faults["key_revoked"] += done is not None

    async def _compare_key(self, machine: Machine) -> None:
        await self.compare_keys(machine)

    async def compare_numbers(self, machine: Machine) -> None:
        """Let an office telephone with those whose check number nobody has compared."""
        await self.world.order(machine.name, "compares check numbers", compare_numbers)

    async def compare_keys(self, machine: Machine) -> None:
        """Let an office telephone with those whose key is in question."""
        for partner in self._partners(machine):
            if partner.state != "suspended":
                continue
            url = partner.base_url
            name = url.removeprefix("https://").removesuffix(".example")
            other = self.world.machines[name]
            if other.node is None:
                continue
            shown = other.node.context.signer.key.public_key.fingerprint
            done = await self.world.order(
                machine.name, f"compares the key of {name}", comparing(url, shown)
            )
            if done is None and name in self.world.promises.restores.disturbed:
                # It has gone back to a key that is over, and hears so by telephone.
                await self._revoke(other)

    async def _write_message(self, machine: Machine) -> None:
        uris = [
            copy.uri
            for partner in self._partners(machine)
            for copy in partner.copies.values()
            if copy.state == "present" and partner.state == "active"
        ]
        if not uris:
            return
        uri = self.world.chance.choice(uris)
        self._texts += 1
        text = f"Noch frei? ({self._texts})"
        done = await self.world.order(
            machine.name, "writes", lambda n, o: n.conversations.answer(o, uri, text)
        )
        self.world.faults["message"] += done is not None

    async def _settle_some(self, machine: Machine) -> None:
        await self.settle(machine)

    async def settle(self, machine: Machine) -> None:
        """Let an office decide about what partners hold and nothing explains."""
        for row in self._partners(machine):
            for each in row.unaccounted.values():
                if each.settled_as is None:
                    chosen = self.world.chance.random()
                    await self.world.order(
                        machine.name,
                        f"settles {each.entry_id}",
                        settling(row.id, each.entry_id, chosen),
                    )

    async def _make_the_liar_speak(self, _: Machine) -> None:
        faults = self.world.faults
        is_enough = faults["withheld"] >= faults["replayed"]
        if is_enough and self.world.let_the_liar_speak():
            return
        for name in sorted(self.world.promises.liars):
            liar = self.world.machines[name]
            if self._may_speak(liar):
                await self._speak(liar, {"level": "trusted"})
            elif not is_enough:
                self.world.let_the_liar_speak()

    async def _speak_to_the_liar(self, _: Machine) -> None:
        """Tell the liar alone, so that it has a page to confirm."""
        liars = self.world.promises.liars
        honest = [m for m in self.world.machines.values() if m.name not in liars]
        self.world.chance.shuffle(honest)
        for name in sorted(liars):
            url = self.world.machines[name].base_url
            for machine in honest:
                if self._can_tell(machine, url) and self._may_speak(machine):
                    # Whoever hears of it does not wait before telling it.
                    self.world.let_the_liar_speak(machine.name)
                    audience = {"level": "partners", "partners": [url]}
                    await self._speak(machine, audience)
                    break

    def _can_tell(self, machine: Machine, url: str) -> bool:
        """Whether a node tells a partner entries now."""
        sight = self.world.promises.sight(machine.name)
        row = sight.partners.get(url)
        return (
            machine.is_up
            and row is not None
            and row.state == "active"
            and row.compared_epoch == sight.epoch
        )

    def _may_speak(self, machine: Machine) -> bool:
        """Connect the liar again; whoever has just told something need not."""
        world = self.world
        for link in list(world.weather.cut):
            if world.promises.liars & {*link}:
                del world.weather.cut[link]
        now = world.loop.time()
        if now - self._spoke.get(machine.name, -math.inf) < _SPEAKS_EVERY_S:
            return False
        self._spoke[machine.name] = now
        return True

    async def _speak(self, machine: Machine, audience: dict[str, Any]) -> None:
        document = {**self._document(machine), "audience": audience}
        live = self._live(machine)
        named = frozenset(audience.get("partners", ()))
        fitting = [e for e in live if e.level == audience["level"] and e.named == named]
        entry = self.world.chance.choice(fitting) if fitting else None
        if entry is None and len(live) > _LIVE_ENTRIES_MAX:
            entry = self._pick(machine)
        await self._store(
            machine, "tells", document, entry=None if entry is None else entry.id
        )

    # -- machines and links --------------------------------------------------------

    async def _idle(self, _: Machine) -> None:
        self.world.sleep_through(self.world.chance.choice(_IDLE))
        self.world.faults["idle"] += 1

    async def _crash(self, machine: Machine) -> None:
        process = machine.process
        if process is None or not machine.is_up or process.steps_left is not None:
            return
        process.steps_left = self.world.chance.randrange(_CRASH_WITHIN_STEPS)
        process.on_killed["count"] = self._count_crash

    def _count_crash(self) -> None:
        self.world.faults["crash"] += 1

    async def _back_up(self, machine: Machine) -> None:
        if machine.is_up:
            await self._old.keep(machine)

    async def _restore(self, machine: Machine) -> None:
        """Put an old database of a node back; it stops in order before."""
        if machine.name in self.world.promises.liars or not machine.is_up:
            return
        if not self._old.has_any(machine):
            await self._old.keep(machine)
            return
        await self._stop(machine)
        await self._old.put_back(machine)

    async def _lose_copy(self, machine: Machine) -> None:
        """Let a node lose something that it holds while it is down for a moment."""
        if machine.name in self.world.promises.liars or not machine.is_up:
            return
        if not any(
            copy.state == "present"
            for partner in self._partners(machine)
            for copy in partner.copies.values()
            if partner.state == "active"
        ):
            return
        await self._stop(machine)
        machine.move_on()
        self._old.lose_copy(machine)
        await machine.start()

    async def _stop(self, machine: Machine) -> None:
        if machine.is_up and machine.process is not None:
            machine.process.on_killed.pop("count", None)
            machine.process.steps_left = None
            await machine.stop()
            self.world.record.note(f"{machine.name}: stops")

    async def _start(self, _: Machine) -> None:
        down = [m for m in self.world.machines.values() if m.process is None]
        if not down:
            return
        machine = self.world.chance.choice(down)
        machine.move_on()
        await machine.start()
        self.world.faults["restart"] += 1
        self.world.record.note(f"{machine.name}: starts")

    async def _cut(self, machine: Machine) -> None:
        other = self._other(machine)
        cut = self.world.weather.cut
        cut[machine.name, other.name] = cut[other.name, machine.name] = "partition"
        self.world.record.note(f"{machine.name} and {other.name} are cut off")

    async def _cut_one_way(self, machine: Machine) -> None:
        other = self._other(machine)
        self.world.weather.cut[machine.name, other.name] = "one_way"
        self.world.record.note(f"nothing goes from {machine.name} to {other.name}")

    async def _mend(self, _: Machine) -> None:
        cut = self.world.weather.cut
        if cut:
            one, other = self.world.chance.choice(list(cut))
            cut.pop((one, other), None)
            cut.pop((other, one), None)
            self.world.record.note(f"{one} and {other} are connected")

    async def _skew(self, machine: Machine) -> None:
        seconds = self.world.chance.choice(_SKEWS_S)
        machine.clock.skew = timedelta(seconds=seconds)
        self.world.faults["clock_skew"] += 1
        self.world.record.note(f"{machine.name}: the clock is off by {seconds} s")

    async def _set_clock(self, machine: Machine) -> None:
        if machine.clock.skew:
            machine.clock.skew = timedelta()
            self.world.faults["clock_jump"] += 1
            self.world.record.note(f"{machine.name}: the clock is set")

    def _fitting(self, action: Callable[[Machine], Awaitable[None]]) -> Machine:
        """Choose a node, one that is up if there is one."""
        machines = list(self.world.machines.values())
        if action == self._set_clock:
            machines = [each for each in machines if each.clock.skew] or machines
        up = [each for each in machines if each.is_up]
        return self.world.chance.choice(up or machines)

    def _rarest(self, action: str) -> int:
        kinds = next(kinds for name, kinds in _BRINGS if name == action)
        return min(self.world.faults[kind] for kind in kinds)

    # -- looking -------------------------------------------------------------------

    def _other(self, machine: Machine) -> Machine:
        others = [m for m in self.world.machines.values() if m is not machine]
        return self.world.chance.choice(others)

    def _partners(self, machine: Machine) -> list[Any]:
        return list(self.world.promises.sight(machine.name).partners.values())

    def _live(self, machine: Machine) -> list[OwnEntry]:
        sight = self.world.promises.sight(machine.name)
        return [entry for entry in sight.entries.values() if entry.state != "deleted"]

    def _pick(self, machine: Machine) -> OwnEntry | None:
        live = self._live(machine)
        return self.world.chance.choice(live) if live else None

    def _readers(self, machine: Machine, entry_id: str) -> set[str]:
        sight = self.world.promises.sight(machine.name)
        today = machine.clock.now().date()
        entry = sight.entries.get(entry_id)
        if entry is None:
            return set()
        return {
            url
            for url, partner in sight.partners.items()
            if is_granted(entry, partner, today)
        }
