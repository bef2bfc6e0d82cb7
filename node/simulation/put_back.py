"""What must hold of a node whose old database was put back.

It begins a new epoch in a higher incarnation. With the journal nothing is given back
that was taken: deleted stays deleted, withdrawn stays withdrawn, nobody reads what
he could not read before, no partnership lives again. Nobody is told an entry before
it was asked what it holds.

Source: SPEC.md NOD-069 to NOD-071, FED-157.
"""

from dataclasses import dataclass, field
from typing import Final

from node.simulation.looking import OwnEntry, PartnerRow, Sight
from node.simulation.violation import BrokenPromiseError

_ESTABLISHED: Final = frozenset({"active", "paused", "suspended"})
_COUNTED_LESS: Final = "are there, "  # Receiving.held_view
# What a partnership may be again, by what it was before the restore.
_NOT_AGAIN: Final = {
    "paused": frozenset({"active"}),
    "suspended": frozenset({"active", "paused"}),
    "ending": _ESTABLISHED,
    "ended": _ESTABLISHED | {"ending"},
    "refused": _ESTABLISHED,
}


@dataclass(frozen=True, slots=True)
class _Before:
    """How a node stood before its database was replaced."""

    sight: Sight
    has_journal: bool
    asked: frozenset[tuple[str, str]]


@dataclass
class PutBack:
    """Watches the nodes that were put back.

    Attributes:
        disturbed: Nodes that were put back since everything was right last: others
            know of things that they have forgotten.
        forgotten: Messages that may be lost by it.
        stale: (origin, holder) of whom the origin cannot know yet what is there.
        bare: Those of them that had lost their journal.
        behind: Nodes whose clock was behind then: which requests they had before,
            they cannot tell when it is right again.
        lost_copies: (holder, URI) that a disk has lost.
        false_lists: (origin, holder) where the holder's last list was false.
    """

    disturbed: set[str] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    forgotten: set[str] = field(default_factory=set)
    stale: set[tuple[str, str]] = field(default_factory=set)
    false_lists: set[tuple[str, str]] = field(default_factory=set)
    behind: set[str] = field(default_factory=set)
    lost_copies: set[tuple[str, str]] = field(default_factory=set)
    _answered: set[tuple[str, str]] = field(default_factory=set)
    _unsure: set[tuple[str, str]] = field(default_factory=set)
    _before: dict[str, _Before] = field(default_factory=dict)
    _epochs: dict[str, set[str]] = field(default_factory=dict)
    _known_then: dict[str, set[str]] = field(default_factory=dict)
    _asked: set[tuple[str, str]] = field(default_factory=set)

    def begin(self, name: str, before: Sight, *, has_journal: bool) -> None:
        """Note that an old database is in place now; nothing has opened it yet."""
        for url in before.partners:
            other = url.removeprefix("https://").removesuffix(".example")
            for pair in ((name, other), (other, name)):
                self.stale.add(pair)
                self._answered.discard(pair)
        asked = frozenset(pair for pair in self._asked if pair[0] == name)
        self._asked -= asked
        self.forgotten |= before.messages.keys()
        earlier = self._before.get(name)
        if earlier is not None:
            # The first one was never up: what it had to keep is still to be kept.
            before = earlier.sight
            has_journal = has_journal and earlier.has_journal
            asked |= earlier.asked
        if not has_journal:
            self.bare.add(name)
        self._before[name] = _Before(before, has_journal, asked)
        self.disturbed.add(name)

    def lost(self, origin: str, holder: str, uri: str) -> None:
        """Note that a holder's disk has lost a copy; nobody can know yet."""
        self.disturbed.add(holder)
        self.lost_copies.add((holder, uri))
        self.stale.add((origin, holder))
        # Receipts may go on to vouch for it for an hour; see `healed`.
        self._answered.discard((origin, holder))
        self._unsure.add((origin, holder))

    def explains(self, line: str) -> bool:
        """Whether a node had to log an error: it has noticed what its disk lost."""
        return bool(self._unsure) and _COUNTED_LESS in line

    def is_unsure(self, origin: str, holder: str) -> bool:
        """Whether a holder's disk has lost a copy that nobody need know of yet."""
        return (origin, holder) in self._unsure

    def confirmed(self, origin: str, holder: str) -> None:
        """Note that a holder confirms a page; what it says then is how it is."""
        pair = (origin, holder)
        if not self._before.keys() & {origin, holder} and pair not in self._unsure:
            self._answered.add((origin, holder))

    def believed(self, origin: str, holder: str) -> None:
        """Note that an origin has taken a receipt: from then on it must be right."""
        if (origin, holder) in self._answered:
            self.stale.discard((origin, holder))

    def is_waited_for(self, name: str) -> bool:
        """Whether a node that was put back has not opened its doors yet."""
        return name in self._before

    def healed(self) -> None:
        """Note that everything is right again."""
        self.disturbed.clear()
        self.bare.clear()
        self.stale.clear()
        self.behind.clear()
        self.lost_copies.clear()
        self._unsure.clear()

    def asked(self, origin: str, holder: str) -> None:
        """Note that a node has told another what it holds."""
        self._asked.add((origin, holder))

    def opened(self, name: str, now: Sight) -> bool:
        """Judge a node that was put back when its doors open.

        Returns:
            Whether the journal was there: what was used up is still known.

        Raises:
            BrokenPromiseError: It has forgotten what it must remember.
        """
        before = self._before.pop(name)
        was_cut_off = now.epoch == before.sight.epoch
        if (
            was_cut_off
            and now.entries.keys() == before.sight.entries.keys()
            and all(
                now.entries[key].version == entry.version
                for key, entry in before.sight.entries.items()
            )
        ):
            # The restore was cut off before it changed anything.
            self._asked |= before.asked
            return True
        epochs = self._epochs.setdefault(name, set())
        epochs.add(before.sight.epoch)
        if now.epoch in epochs:
            raise BrokenPromiseError(
                "INV-2", f"{name} goes on in epoch {now.epoch} after a restore"
            )
        if before.has_journal and now.incarnation <= before.sight.incarnation:
            raise BrokenPromiseError(
                "INV-5",
                f"{name} begins incarnation {now.incarnation} after a restore, it had "
                f"reached {before.sight.incarnation}",
            )
        self._known_then[name] = {row.id for row in now.partners.values()}
        for row in now.partners.values():
            if row.to_verify_since is None:
                raise BrokenPromiseError(
                    "INV-1",
                    f"{name} shows copies of {row.base_url} after a restore that "
                    "nobody has confirmed",
                )
        if before.has_journal:
            _judge_taken(name, before.sight, now)
        return before.has_journal

    def begins(self, name: str, partner: PartnerRow) -> None:
        """Note that a partnership begins anew: nothing is there that was told."""
        self._known_then.get(name, set()).discard(partner.id)

    def require_true_list(
        self, origin: str, holder: str, before: PartnerRow, now: PartnerRow, epoch: str
    ) -> None:
        """Judge that a node has finished its comparison.

        Raises:
            BrokenPromiseError: The list did not fit the digest that came with it.
        """
        is_done = before.compared_epoch != epoch == now.compared_epoch
        if is_done and before.id == now.id and (origin, holder) in self.false_lists:
            raise BrokenPromiseError(
                "INV-3", f"{origin} believed a list of {holder} that is not its digest"
            )

    def require_asked(self, sender: str, receiver: str, partner: PartnerRow) -> None:
        """Judge that a node tells another an entry.

        Raises:
            BrokenPromiseError: It was put back and does not know what is there.
        """
        if partner.id not in self._known_then.get(sender, ()):
            return
        if (sender, receiver) not in self._asked:
            raise BrokenPromiseError(
                "INV-5",
                f"{sender} told {receiver} entries after a restore and has not asked "
                "what it holds",
            )


def _judge_taken(name: str, before: Sight, now: Sight) -> None:
    """Whatever was taken before, is taken now."""
    for entry_id, then in before.entries.items():
        entry = now.entries.get(entry_id)
        if entry is None:
            continue
        if then.state == "deleted" != entry.state:
            raise BrokenPromiseError(
                "INV-5", f"{name}'s entry {entry_id} was deleted and came back"
            )
        if entry.state == "published" != then.state:
            raise BrokenPromiseError(
                "INV-1",
                f"{name}'s entry {entry_id} was {then.state} and is published again",
            )
        if entry.state == "published":
            _judge_readers(name, then, entry, before, now)
    for url, row in now.partners.items():
        earlier = before.partners.get(url)
        if earlier is None or earlier.id != row.id:
            continue
        if row.state in _NOT_AGAIN.get(earlier.state, ()):
            raise BrokenPromiseError(
                "INV-1",
                f"{name} and {url} are {row.state} after a restore, they were "
                f"{earlier.state}",
            )


def _judge_readers(
    name: str, then: OwnEntry, entry: OwnEntry, before: Sight, now: Sight
) -> None:
    for url in now.partners:
        if url in before.partners and _reads(entry, url) and not _reads(then, url):
            raise BrokenPromiseError(
                "INV-1",
                f"{name} lets {url} read {entry.id} after a restore, which was for "
                f"{then.level} {sorted(then.named)}",
            )


def _reads(entry: OwnEntry, url: str) -> bool:
    if entry.level == "partners":
        return url in entry.named
    return entry.level in {"trusted", "public"}
