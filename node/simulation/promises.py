"""What must hold after every step, and what must never leave a node.

The rules of visibility are written down here a second time, in a dozen lines, so
that the product's own are not asked whether they are right.

Source: SPEC.md chapter 1, VIS-010 to VIS-055, FED-050 to FED-057.
"""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus
from typing import Any, Final, TypeAlias

from federation.canonical import canonical_bytes
from federation.exchange import digest_of
from federation.ids import BaseUrl, NodeAddress
from federation.transport.wire import WireAnswer
from federation.version import Version as DocumentVersion
from node.simulation.looking import (
    MARK,
    Copy,
    Eye,
    OwnEntry,
    PartnerRow,
    Sight,
    Unaccounted,
    Version,
)
from node.simulation.machine import Machine
from node.simulation.network import Letter
from node.simulation.put_back import PutBack
from node.simulation.violation import BrokenPromiseError

_ESTABLISHED: Final = frozenset({"active", "paused", "suspended"})
# A page is built and sent at the same moment of virtual time. A change that is
# committed between the two is noticed here, by this many seconds at most.
_SAME_MOMENT_S: Final = 1.0


_Grant: TypeAlias = tuple[str, str, Version]
"""Entry, base URL of a partner, version."""


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose word a mark is."""

    origin: str
    entry_id: str
    version: Version


@dataclass
class Promises:
    """Watches all nodes.

    Attributes:
        liars: Nodes that lie; what they hold or say of their own is not judged.
        forged: Hashes of documents that nobody may hold.
        restores: Nodes whose old database was put back.
    """

    machines: Mapping[str, Machine]
    liars: frozenset[str] = frozenset()
    forged: set[str] = field(default_factory=set)
    restores: PutBack = field(default_factory=PutBack)
    _eyes: dict[str, Eye] = field(default_factory=dict)
    _sights: dict[str, Sight] = field(default_factory=dict)
    _marks: dict[str, _Owner] = field(default_factory=dict)
    _granted: dict[str, set[_Grant]] = field(default_factory=dict)
    _granted_until: dict[tuple[str, _Grant], float] = field(default_factory=dict)
    _accepted: set[int] = field(default_factory=set)
    _carried: set[tuple[str, str]] = field(default_factory=set)
    _told: set[tuple[str, str]] = field(default_factory=set)
    _sent: set[tuple[str, str, Version, str]] = field(default_factory=set)
    _versions: dict[tuple[str, str, Version], str] = field(default_factory=dict)
    _vouched: set[tuple[str, str, str]] = field(default_factory=set)

    # -- what is committed ----------------------------------------------------------

    def sight(self, name: str) -> Sight:
        """Return what stands in a node's database now, judged."""
        machine = self.machines[name]
        if self.restores.is_waited_for(name):
            if not machine.is_open:
                return self._sights[name]  # what is not open yet, nobody can see
            self._open_again(machine)
        eye = self._eyes.setdefault(name, Eye())
        now, has_changed = eye.look(machine.folder / "node.sqlite")
        if has_changed or name not in self._sights:
            before = self._sights.get(name)
            self._sights[name] = now
            self._learn(machine, now)
            self._judge(machine, before, now)
        return now

    def put_back(self, name: str, before: Sight, *, has_journal: bool) -> None:
        """Note that an old database is being put in place; the node is down."""
        self.restores.begin(name, before, has_journal=has_journal)
        if self.machines[name].clock.skew < timedelta():
            self.restores.behind.add(name)
        self._eyes.pop(name, Eye()).close()

    def _open_again(self, machine: Machine) -> None:
        """Judge a node that was put back, now that its doors are open."""
        name = machine.name
        eye = self._eyes.setdefault(name, Eye())
        now, _ = eye.look(machine.folder / "node.sqlite")
        is_judged = name not in self.liars
        try:
            remembers = self.restores.opened(name, now)
        except BrokenPromiseError:
            if is_judged:
                raise
            remembers = False
        if not remembers:
            self._versions = {
                key: mark for key, mark in self._versions.items() if key[0] != name
            }
        self._sights[name] = now
        self._learn(machine, now)
        self._judge(machine, None, now)

    def look_everywhere(self) -> None:
        """Judge every node; what two nodes say of each other, too."""
        for name in self.machines:
            self.sight(name)
        for name in self.machines:
            self._compare(name)

    def rows(self, name: str, sql: str, *values: Any) -> list[Any]:
        """Return the rows of a query on a node's database."""
        eye = self._eyes.setdefault(name, Eye())
        return eye.rows(self.machines[name].folder / "node.sqlite", sql, *values)

    def close(self) -> None:
        """Close what was opened."""
        for eye in self._eyes.values():
            eye.close()

    def _learn(self, machine: Machine, now: Sight) -> None:
        moment, today = machine.loop.time(), machine.clock.now().date()
        for entry in now.entries.values():
            if entry.mark:
                owner = _Owner(machine.name, entry.id, entry.version)
                known = self._marks.setdefault(entry.mark, owner)
                if known != owner:
                    self._marks[entry.mark] = owner  # signed anew, nothing else
        for grant in self._granted.get(machine.name, ()):
            self._granted_until[machine.name, grant] = moment
        self._granted[machine.name] = {
            (entry.id, partner.base_url, entry.version)
            for entry in now.entries.values()
            for partner in now.partners.values()
            if partner.state == "active" and is_granted(entry, partner, today)
        }

    def _judge(self, machine: Machine, before: Sight | None, now: Sight) -> None:
        if machine.name in self.liars:
            return
        for partner in now.partners.values():
            earlier = before.partners.get(partner.base_url) if before else None
            self._judge_partner(machine.name, earlier, partner, now.epoch)
        self._judge_ledger(machine, now)
        self._judge_versions(machine.name, now)
        self._judge_adopted(machine.name, now)
        if before is not None:
            for entry_id, entry in before.entries.items():
                after = now.entries.get(entry_id)
                if after is None or after.version < entry.version:
                    raise BrokenPromiseError(
                        "INV-5",
                        f"{machine.name}'s entry {entry_id} went back from version "
                        f"{entry.version} to {after and after.version}",
                    )

    def _judge_partner(
        self, name: str, earlier: PartnerRow | None, partner: PartnerRow, epoch: str
    ) -> None:
        origin = _name(partner.base_url)
        for copy in partner.copies.values():
            self._judge_copy(name, origin, copy)
        if partner.acked > partner.head:
            raise BrokenPromiseError(
                "INV-3",
                f"{name} believes that {origin} has confirmed "
                f"{partner.acked} of {partner.head} positions",
            )
        if earlier is None:
            return
        if earlier.state not in _ESTABLISHED:
            self.restores.begins(name, partner)
        self._judge_lease(name, earlier, partner)
        self._judge_progress(name, earlier, partner)
        self.restores.require_true_list(name, origin, earlier, partner, epoch)
        if earlier.checked_at != partner.checked_at:
            self.restores.believed(name, origin)

    def _judge_versions(self, name: str, now: Sight) -> None:
        """A version is one content, also before and after a restore."""
        for entry in now.entries.values():
            if entry.state != "published":
                continue
            known = self._versions.setdefault(
                (name, entry.id, entry.version), entry.mark
            )
            if known != entry.mark:
                raise BrokenPromiseError(
                    "INV-5", f"{name} used version {entry.version} of {entry.id} twice"
                )

    def _judge_adopted(self, name: str, now: Sight) -> None:
        """What partners took back before a restore is not published (FED-157)."""
        for partner in now.partners.values():
            if partner.compared_epoch != now.epoch or partner.state != "active":
                continue
            if _name(partner.base_url) in self.liars:
                continue
            for each in partner.unaccounted.values():
                entry = now.entries.get(each.entry_id)
                if (
                    each.settled_as is None
                    and each.state in {"withdrawn", "deleted"}
                    and entry is not None
                    and entry.state == "published"
                    and entry.version <= each.version
                ):
                    raise BrokenPromiseError(
                        "INV-1",
                        f"{name} shows {entry.id}, which {partner.base_url} has as "
                        f"{each.state}",
                    )

    def _judge_lease(self, holder: str, before: PartnerRow, now: PartnerRow) -> None:
        """Copies are renewed, and shown again, by an equal page alone (FED-152)."""
        is_renewed = now.verified_at not in {None, before.verified_at}
        is_shown = before.to_verify_since is not None and now.to_verify_since is None
        is_empty = all(copy.state != "present" for copy in now.copies.values())
        if now.verified_at is None and is_empty:
            return  # a partnership that begins anew
        if not (is_renewed or is_shown):
            return
        if self.restores.is_unsure(_name(now.base_url), holder):
            return  # copies are counted anew once an hour
        what = f"{holder} {'renewed' if is_renewed else 'shows'} its copies of"
        if before.state == now.state == "suspended":
            raise BrokenPromiseError(
                "INV-1", f"{what} {now.base_url}, whose key is in question"
            )
        vouched = (_name(now.base_url), holder, digest_of_copies(now))
        if vouched not in self._vouched:
            raise BrokenPromiseError(
                "INV-3", f"{what} {now.base_url}, which has not said that it is equal"
            )

    def _judge_ledger(self, machine: Machine, now: Sight) -> None:
        """Entry and ledger say the same after every commit (EXC-001)."""
        today = machine.clock.now().date()
        for partner in now.partners.values():
            if partner.state not in _ESTABLISHED:
                continue
            for entry in now.entries.values():
                row = partner.told.get(entry.id)
                is_due = is_granted(entry, partner, today)
                if is_due and (
                    row is None or (row.op == "upsert" and row.version != entry.version)
                ):
                    raise BrokenPromiseError(
                        "INV-2",
                        f"{machine.name}'s ledger has {row and row.version} for "
                        f"{partner.base_url} of {entry.id}, {entry.version}",
                    )
                ran_out = entry.last_day is not None and entry.last_day < today
                if row and row.op == "upsert" and not is_due and not ran_out:
                    raise BrokenPromiseError(
                        "INV-1",
                        f"{machine.name}'s ledger still lets {partner.base_url} have "
                        f"{entry.id}, which is {entry.state} for {entry.level}",
                    )

    def _judge_copy(self, holder: str, origin: str, copy: Copy) -> None:
        if not copy.uri.startswith(f"https://{origin}.example/entries/"):
            raise BrokenPromiseError(
                "INV-5", f"{holder} holds {copy.uri} as an entry of {origin}"
            )
        if copy.state != "present":
            if copy.mark or copy.content_hash is not None:
                raise BrokenPromiseError(
                    "INV-4", f"{holder} keeps content of {copy.uri} ({copy.state})"
                )
            return
        if copy.content_hash in self.forged:
            raise BrokenPromiseError("INV-5", f"{holder} holds the forged {copy.uri}")
        if (holder, copy.uri, copy.version, copy.content_hash or "") not in self._sent:
            raise BrokenPromiseError(
                "INV-5",
                f"{holder} holds {copy.uri} {copy.version}, which {origin} never sent "
                "it in this form",
            )
        owner = self._marks.get(copy.mark)
        if owner is not None and (copy.mark, holder) not in self._carried:
            raise BrokenPromiseError(
                "INV-1", f"{holder} holds {copy.mark} of {owner.origin}, never sent"
            )

    def _judge_progress(self, holder: str, before: PartnerRow, now: PartnerRow) -> None:
        for uri, copy in before.copies.items():
            after = now.copies.get(uri)
            if after is None:
                if (holder, uri) in self.restores.lost_copies:
                    continue
                if copy.state == "deleted" or now.state in _ESTABLISHED:
                    raise BrokenPromiseError(
                        "INV-5", f"{holder} forgot {uri} ({copy.state})"
                    )
                continue
            if after.version < copy.version and after.state != "deleted":
                raise BrokenPromiseError(
                    "INV-5",
                    f"{holder} went back from {copy.version} to {after.version} of "
                    f"{uri}",
                )
            if (
                copy.state == after.state == "present"
                and copy.version == after.version
                and copy.content_hash != after.content_hash
            ):
                raise BrokenPromiseError(
                    "INV-5",
                    f"{holder} took a second content of {copy.version} of {uri}",
                )
            if copy.state == "deleted" and after.state != "deleted":
                raise BrokenPromiseError(
                    "INV-5", f"{uri} was deleted and came back at {holder}"
                )
        digest = hashlib.sha256(bytes.fromhex(now.digest_out)).hexdigest()
        if (
            now.checked_at != before.checked_at
            and now.digest_equal
            and now.acked == now.head
            and not left_with(now)  # more is there than receipts have proven
            and now.receipt_digest != digest
        ):
            raise BrokenPromiseError(
                "INV-3", f"{holder} calls its digest and that of {now.base_url} equal"
            )
        if before.in_epoch == now.in_epoch and now.in_position < before.in_position:
            raise BrokenPromiseError(
                "INV-2",
                f"{holder}'s position in the pages of {now.base_url} went back",
            )

    def _compare(self, name: str) -> None:
        """Hold what a node's ledger says is confirmed against what is there."""
        if name in self.liars:
            return
        mine = f"https://{name}.example"
        for partner in self._sights[name].partners.values():
            other = _name(partner.base_url)
            theirs = self._sights[other].partners.get(mine)
            if other in self.liars or theirs is None:
                continue
            if (name, other) in self.restores.stale:
                continue  # what the other one has forgotten is being found out
            if not {partner.state, theirs.state} <= _ESTABLISHED:
                continue
            disturbed = {name, other} & self.restores.disturbed
            for row in partner.told.values():
                # What waits replaces what was lost with an old database.
                if row.is_acknowledged or (row.held is not None and not disturbed):
                    uri = f"{mine}/entries/{row.entry_id}"
                    self._compare_row(name, other, row, theirs.copies.get(uri))

    def _compare_row(self, name: str, other: str, row: Any, copy: Copy | None) -> None:
        what = f"of {name}'s entry {row.entry_id}"
        if row.op != "upsert" and row.is_acknowledged:
            if (
                copy is not None
                and copy.state == "present"
                and copy.version <= row.version
            ):
                raise BrokenPromiseError(
                    "INV-4",
                    f"{other} confirmed the withdrawal {what} and holds {copy.version}",
                )
            if row.op == "delete" and copy is not None and copy.state != "deleted":
                raise BrokenPromiseError(
                    "INV-5", f"{other} remembers the deletion {what} as {copy.state}"
                )
            if row.receipt_id is None:
                raise BrokenPromiseError(
                    "INV-4", f"the withdrawal {what} at {other} has no receipt"
                )
        if row.held is not None and (copy is None or copy.version < row.held):
            raise BrokenPromiseError(
                "INV-2",
                f"{other} confirmed {row.held} {what} and has {copy and copy.version}",
            )

    # -- what leaves ------------------------------------------------------------------

    def leaves(self, letter: Letter) -> None:
        """Judge a request that leaves."""
        self._judge_text(letter.sender, letter.receiver, letter.request.body)

    def answers(self, letter: Letter, answer: WireAnswer) -> None:
        """Judge an answer that leaves."""
        self._judge_text(letter.receiver, letter.sender, answer.body)
        if answer.status >= HTTPStatus.BAD_REQUEST or letter.path != "/inbox":
            self._note_pull(letter, answer)
            return  # a partner request may come twice, a pull changes nothing
        is_known = letter.number in self._accepted
        if is_known and letter.receiver not in self.restores.behind:
            raise BrokenPromiseError(
                "INV-5", f"{letter.receiver} took one and the same request twice"
            )
        self._accepted.add(letter.number)
        if letter.receiver not in self.liars:
            self._judge_receipt(letter, answer)

    def _note_pull(self, letter: Letter, answer: WireAnswer) -> None:
        if answer.status == HTTPStatus.OK and letter.path.startswith("/holdings"):
            self.restores.asked(letter.sender, letter.receiver)

    def _judge_receipt(self, letter: Letter, answer: WireAnswer) -> None:
        """An answer leaves after the commit, never before (NOD-004)."""
        if b'"Receipt"' not in answer.body:
            return
        receipt = json.loads(answer.body)
        self.restores.confirmed(letter.sender, letter.receiver)
        row = self.sight(letter.receiver).partners.get(
            f"https://{letter.sender}.example"
        )
        if row is None or row.in_epoch != receipt["epoch"]:
            return
        if row.in_position < receipt["position"]:
            raise BrokenPromiseError(
                "INV-2",
                f"{letter.receiver} confirms position {receipt['position']} before "
                "that is on its disk",
            )

    def _judge_text(self, sender: str, receiver: str, body: bytes | None) -> None:
        if not body or not receiver:
            return
        marks = MARK.findall(body.decode("utf-8", "replace"))
        page = _page(body)
        if not marks and page is None:
            return
        self.sight(sender)
        is_honest = sender not in self.liars
        for mark in marks:
            if is_honest:
                self._judge_mark(sender, receiver, mark)
            self._carried.add((mark, receiver))
        if page is not None:
            self._judge_page(sender, receiver, page, is_honest=is_honest)

    def _judge_mark(self, sender: str, receiver: str, mark: str) -> None:
        owner = self._marks.get(mark)
        if owner is None or owner.origin != sender:
            of = "nobody" if owner is None else owner.origin
            raise BrokenPromiseError(
                "INV-1", f"{sender} sent {receiver} {mark}, which is of {of}"
            )
        machine, url = self.machines[sender], f"https://{receiver}.example"
        sight = self._sights[sender]
        entry, partner = sight.entries.get(owner.entry_id), sight.partners.get(url)
        today = machine.clock.now().date()
        is_told = partner is not None and partner.state == "active"
        if entry is None:
            raise BrokenPromiseError(
                "INV-1", f"{sender} sent {receiver} {mark}, which it has lost"
            )
        if (
            entry.mark == mark
            and partner
            and is_told
            and is_granted(entry, partner, today)
        ):
            return
        grant = (owner.entry_id, url, owner.version)
        until = self._granted_until.get((sender, grant), -math.inf)
        if machine.loop.time() - until > _SAME_MOMENT_S:
            raise BrokenPromiseError(
                "INV-1",
                f"{sender} sent {receiver} version {owner.version} of entry "
                f"{owner.entry_id}, which is {entry.state}, {entry.version}, for "
                f"{entry.level} {sorted(entry.named)} until {entry.last_day}",
            )

    def _judge_page(
        self, sender: str, receiver: str, page: dict[str, Any], *, is_honest: bool
    ) -> None:
        origin = NodeAddress(BaseUrl(f"https://{sender}.example"))
        if "digest" in page:
            self._vouched.add((sender, receiver, page["digest"]))
        for item in page["orderedItems"]:
            content = item.get("object")
            if item.get("type") == "Delete":
                if is_honest and (content, receiver) not in self._told:
                    raise BrokenPromiseError(
                        "INV-1",
                        f"{sender} told {receiver} of the end of {content}, which it "
                        "has never heard of",
                    )
                continue
            if not isinstance(content, dict):
                continue
            uri = str(content.get("id"))
            if origin.entry_local_id(uri) is None:
                continue
            version = (content.get("incarnation", 0), content.get("version", 0))
            digest = hashlib.sha256(canonical_bytes(content)).hexdigest()
            self._told.add((uri, receiver))
            self._sent.add((receiver, uri, version, digest))
            if is_honest:
                self._judge_told(sender, receiver, uri, version, digest)

    def _judge_told(
        self, sender: str, receiver: str, uri: str, version: Version, digest: str
    ) -> None:
        row = self._sights[sender].partners.get(f"https://{receiver}.example")
        if row is not None:
            self.restores.require_asked(sender, receiver, row)
        there = self._sights[receiver].partners.get(f"https://{sender}.example")
        copy = None if there is None else there.copies.get(uri)
        if copy is None or copy.state != "present" or copy.version != version:
            return
        if copy.content_hash != digest:
            raise BrokenPromiseError(
                "INV-5",
                f"{sender} told {receiver} {version} of {uri}, of which it has another "
                "content",
            )


def is_granted(entry: OwnEntry, partner: PartnerRow, today: date) -> bool:
    """Say whether a partner may have an entry: the rules, written a second time."""
    if entry.state != "published" or partner.state not in _ESTABLISHED:
        return False
    if entry.last_day is not None and entry.last_day < today:
        return False
    if entry.level in {"trusted", "public"}:
        return True
    return entry.level == "partners" and partner.base_url in entry.named


def digest_of_copies(row: PartnerRow) -> str:
    """Return the digest of what is held of a partner, from the copies alone."""
    return digest_of(
        (copy.uri, DocumentVersion(*copy.version), copy.content_hash or "")
        for copy in row.copies.values()
        if copy.state == "present"
    )


def left_with(row: PartnerRow) -> dict[str, Unaccounted]:
    """Return copies that an office has left with a partner, though nothing explains."""
    return {
        each.entry_id: each
        for each in row.unaccounted.values()
        if each.settled_as == "left"
        and each.state == "present"
        and (
            (told := row.told.get(each.entry_id)) is None
            or (told.op == "upsert" and told.version <= each.version)
        )
    }


def granted(sight: Sight, partner: PartnerRow, today: date) -> Iterable[OwnEntry]:
    """Return everything that a partner may have."""
    return (
        entry for entry in sight.entries.values() if is_granted(entry, partner, today)
    )


def _name(base_url: str) -> str:
    return base_url.removeprefix("https://").removesuffix(".example")


def _page(body: bytes) -> dict[str, Any] | None:
    if b'"OrderedCollectionPage"' not in body:
        return None
    try:
        document = json.loads(body)
    except ValueError:
        return None
    if not isinstance(document, dict) or "orderedItems" not in document:
        return None
    return document
