"""What partners hold and our ledger cannot explain: the office decides.

A partner's word alone changes nothing of ours. The office sees what it says, with
version and day, and chooses for each entry what may be chosen.

Source: SPEC.md FED-156, FED-157.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from federation.exchange import HeldState, HeldVersion
from federation.limits import COUNTER_BELIEVED_MAX, INCARNATION_LEAP_MAX
from federation.version import Version
from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.catalogue.catalogue import Catalogue
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.erasure.decisions import of_entry
from node.errors import ConflictError, NotAuthorisedError, NotFoundError
from node.exchange.wakeup import WakeUp
from node.members.model import Person
from node.partners.model import Partner
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage import unaccounted as unaccounted_rows
from node.storage.database import Transaction
from node.storage.ledger import DELETE, WITHDRAW
from node.storage.ledger_changes import write_row
from node.storage.members import office_persons
from node.storage.partners import (
    load_partner,
    load_partners,
    lock_partner,
    update_partner,
)
from node.storage.tables import entries
from node.storage.unaccounted import UnaccountedRow
from node.visibility import Form, PartnerViewer, decide_entry

# Of a stub nothing is ever shown but that it is gone; it needs some kind.
_STUB_KIND = "organisation_profile"
_RULE_DELETED = "VIS-010"


class Settlement(StrEnum):
    """What the office decides about an entry."""

    OURS = "ours"
    """Publish it again, in a version that is newer than what the partner holds."""
    TAKEN_BACK = "taken-back"
    """Take the partner's copy back; of an entry that we do not have, for ever."""
    LEFT = "left"
    """Leave it as it is; both sides count as equal with it."""


@dataclass(frozen=True, slots=True)
class UnaccountedEntry:
    """One entry of ours that a partner says it holds, and we cannot explain.

    Attributes:
        title: Of our entry with this id; None if we have none.
        held: What the partner says: version, state, hash.
        choices: What the office may decide.
        settled_as: What it has decided; None while it has not.
    """

    partner_id: str
    partner_name: str
    entry_id: str
    entry_uri: str
    title: Mapping[str, str] | None
    held: HeldVersion
    found_at: datetime
    choices: tuple[Settlement, ...]
    settled_at: datetime | None = None
    settled_as: Settlement | None = None


class UnaccountedEntries:
    """The office's list, and what follows from its decisions."""

    def __init__(
        self, context: NodeContext, catalogue: Catalogue, wakeup: WakeUp
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._wakeup = wakeup

    async def listed(
        self, *, partner_id: str | None = None, is_open: bool = True
    ) -> list[UnaccountedEntry]:
        """List what partners hold and we cannot explain.

        Args:
            partner_id: Of one partner alone.
            is_open: Without what the office has decided about.
        """
        async with self._context.database.read() as tx:
            found = await unaccounted_rows.list_unaccounted(
                tx, partner_id=partner_id, is_open=is_open
            )
            holders = await load_partners(tx, {row.partner_id for row in found})
            partners = {each.id: each for each in holders}
            known = await self._entries(tx, sorted({row.entry_id for row in found}))
        return [
            self._shown(row, partners[row.partner_id], known.get(row.entry_id))
            for row in found
        ]

    async def settle(
        self, actor: Person | None, entry_id: str, partner_id: str, decided: Settlement
    ) -> UnaccountedEntry:
        """Do what the office decides about an entry of one partner.

        An entry that is taken back for ever, or published again, is settled for every
        partner that says it holds it.

        Args:
            actor: Who decides; None for whoever may use the node's folder.
            entry_id: Local id of the entry.
            partner_id: Our id of the partner.
            decided: One of the entry's choices.

        Raises:
            NotAuthorisedError: The actor does not belong to the office.
            NotFoundError: The partner says nothing of such an entry, or it is settled.
            ConflictError: This cannot be chosen.
        """
        if actor is not None and not actor.is_office:
            raise NotAuthorisedError(
                "Only the office may decide about this.",
                hint="Ask your cluster's office.",
            )

        async def work(tx: Transaction) -> UnaccountedEntry:
            entry = await entry_rows.load_entry(
                tx, self._context.address, entry_id, lock=True
            )
            said = await unaccounted_rows.find_unaccounted(tx, entry_id)
            row = next((each for each in said if each.partner_id == partner_id), None)
            if row is None or row.settled_at is not None:
                raise _not_found(entry_id)
            partner = await load_partner(tx, partner_id)
            if partner is None:
                raise _not_found(entry_id)
            shown = self._shown(row, partner, entry)
            if decided not in shown.choices:
                raise _not_possible(decided)
            match decided:
                case Settlement.OURS if entry is not None:
                    settled = await self._publish_again(tx, entry, said)
                case Settlement.TAKEN_BACK:
                    settled = await self._take_copies_back(tx, entry, said, row)
                case _:
                    settled = [partner_id]
            now = self._context.clock.now()
            await unaccounted_rows.mark_settled(
                tx,
                entry_id,
                partner_ids=settled,
                settled_as=decided.value,
                by=None if actor is None else actor.id,
                at=now,
            )
            note_decision(
                tx,
                self._context,
                "unaccounted_settled",
                actor=actor,
                about=(SubjectKind.ENTRY, entry_id),
                after={"decided": decided.value},
            )
            for each in settled:
                await update_partner(tx, each, next_check_at=now)
                self._poke_after_commit(tx, each)
            return shown

        return await self._context.database.write(work)

    async def take_back(self, entry_id: str) -> bool:
        """Withdraw an entry that was withdrawn before a restore (FED-157).

        Returns:
            Whether it was published.
        """

        async def work(tx: Transaction) -> bool:
            entry = await entry_rows.load_entry(
                tx, self._context.address, entry_id, lock=True
            )
            if entry is None or entry.state is not EntryState.PUBLISHED:
                return False
            await self._catalogue.close_in(tx, entry, EntryState.WITHDRAWN)
            return True

        return await self._context.database.write(work)

    # Inside

    async def _entries(self, tx: Transaction, ids: list[str]) -> dict[str, Entry]:
        found = await entry_rows.list_entries(
            tx, self._context.address, where=entries.c.id.in_(ids)
        )
        return {entry.id: entry for entry in found}

    def _shown(
        self, row: UnaccountedRow, partner: Partner, entry: Entry | None
    ) -> UnaccountedEntry:
        return UnaccountedEntry(
            partner_id=partner.id,
            partner_name=partner.name,
            entry_id=row.entry_id,
            entry_uri=self._context.address.entry(row.entry_id),
            title=None if entry is None else entry.title,
            held=row.held,
            found_at=row.found_at,
            choices=self._choices(row, partner, entry),
            settled_at=row.settled_at,
            settled_as=None if row.settled_as is None else Settlement(row.settled_as),
        )

    def _choices(
        self, row: UnaccountedRow, partner: Partner, entry: Entry | None
    ) -> tuple[Settlement, ...]:
        is_there = row.held.state is HeldState.PRESENT
        if entry is None:
            return (Settlement.TAKEN_BACK, Settlement.LEFT)
        choices = []
        if self._may_be_published(entry, row.held):
            choices.append(Settlement.OURS)
        if is_there and not self._is_granted(entry, partner):
            choices.append(Settlement.TAKEN_BACK)
        return (*choices, Settlement.LEFT)

    def _is_granted(self, entry: Entry, partner: Partner) -> bool:
        viewer = PartnerViewer.of(partner)
        return decide_entry(entry, viewer, self._context.clock.now().date()).visible

    def _may_be_published(self, entry: Entry, held: HeldVersion) -> bool:
        """Whether the partner would take a newer version, and there can be one."""
        today = self._context.clock.now().date()
        return (
            entry.state in {EntryState.PUBLISHED, EntryState.WITHDRAWN}
            and (entry.valid_until is None or entry.valid_until >= today)
            and held.state is not HeldState.DELETED
            # Ours would be newer, so it must leave room for all that follow.
            and held.version.counter <= COUNTER_BELIEVED_MAX
            and held.version.incarnation
            <= entry.version.incarnation + INCARNATION_LEAP_MAX
        )

    async def _publish_again(
        self, tx: Transaction, entry: Entry, said: list[UnaccountedRow]
    ) -> list[str]:
        newest = max(
            row.held.version
            for row in said
            if self._may_be_published(entry, row.held) and row.settled_at is None
        )
        await self._catalogue.renew_in(tx, entry, above=newest)
        return [row.partner_id for row in said if row.held.version <= newest]

    async def _take_copies_back(
        self,
        tx: Transaction,
        entry: Entry | None,
        said: list[UnaccountedRow],
        row: UnaccountedRow,
    ) -> list[str]:
        if entry is not None:
            version = max(entry.version, row.held.version)
            await self._withdraw(tx, row.partner_id, entry.id, WITHDRAW, version)
            return [row.partner_id]
        version = max(each.held.version for each in said)
        await self._insert_stub(tx, row.entry_id, version)
        for each in said:
            await self._withdraw(tx, each.partner_id, row.entry_id, DELETE, version)
        return [each.partner_id for each in said]

    async def _withdraw(
        self,
        tx: Transaction,
        partner_id: str,
        entry_id: str,
        operation: str,
        version: Version,
    ) -> None:
        now = self._context.clock.now()
        await lock_partner(tx, partner_id)
        await write_row(
            tx,
            partner_id=partner_id,
            entry_id=entry_id,
            op=operation,
            version=version,
            form=Form.HIDDEN,
            reason=_RULE_DELETED,
            at=now,
            known=await rows.row_of(tx, partner_id, entry_id),
        )
        # It says itself that it was told.
        await rows.mark_told(tx, partner_id, [entry_id], now)

    async def _insert_stub(
        self, tx: Transaction, entry_id: str, version: Version
    ) -> None:
        """Write down that an entry is deleted of which nothing else is known."""
        now = self._context.clock.now()
        stub = {
            "id": entry_id,
            "kind": _STUB_KIND,
            "state": EntryState.DELETED.value,
            "incarnation": version.incarnation,
            "counter": version.counter,
            "organisation_id": (await office_persons(tx))[0].organisation_id,
            "audience_level": AudienceLevel.CLUSTER.value,
            "content": {"kind": _STUB_KIND, "title": {}, "summary": {}},
            "search_text": "",
            "created_at": now,
            "updated_at": now,
            "closed_at": now,
        }
        await entry_rows.insert_entry(tx, stub)
        entry = await entry_rows.load_entry(tx, self._context.address, entry_id)
        if entry is not None:
            tx.decide(of_entry(entry))

    def _poke_after_commit(self, tx: Transaction, partner_id: str) -> None:
        tx.after_commit(lambda: self._wakeup.poke(partner_id))


def _not_found(entry_id: str) -> NotFoundError:
    return NotFoundError(
        Sentence("There is nothing to decide about entry {entry}.", entry=entry_id),
        code="nothing-unaccounted",
        hint="It may have been settled by somebody else.",
    )


def _not_possible(decided: Settlement) -> ConflictError:
    return ConflictError(
        Sentence(
            "This cannot be chosen for the entry: {choice}.", choice=decided.value
        ),
        code="choice-not-possible",
        hint="Look at the list again; the entry may have changed.",
    )
