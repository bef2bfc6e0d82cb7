"""Bring an older database in line with the journal, and let the node begin anew.

What was taken back after the backup is taken back again, in the transaction that
also starts the new epoch. Nothing is ever given back: of two audiences the narrower
one counts, and what only became wider since waits for the office.

Source: SPEC.md NOD-069 to NOD-072, FED-157.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import delete, insert, select, update

from federation.ids import random_id
from federation.key_changes import SuspensionReason
from federation.trust import ESTABLISHED, TrustState
from node.audit.noting import note_decision
from node.catalogue.catalogue import Catalogue
from node.catalogue.model import Audience, AudienceLevel, Entry, EntryState
from node.erasure.decisions import (
    Decided,
    EntryDecision,
    KeyDecision,
    NodeMark,
    PartnerDecision,
    PersonDecision,
    of_entry,
)
from node.erasure.narrowing import narrower
from node.erasure.replayed_audiences import limit_again
from node.erasure.replayed_policies import keep_back_again
from node.exchange.wakeup import WakeUp
from node.keys.model import KeyState
from node.keys.opening import read_secrets
from node.keys.rules import missing_secrets
from node.ledger import Ledger
from node.mail.entry_mail import EntryMailer
from node.mail.outbox import MailOutbox
from node.members.model import Person, Role
from node.partners.copies import forget_received, purge_received
from node.partners.history import add_step
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import outgoing
from node.storage.database import Transaction
from node.storage.decision_numbers import raise_decisions
from node.storage.ledger import UPSERT
from node.storage.members import list_persons, update_person
from node.storage.node_keys import list_keys
from node.storage.node_state import note_closing, require_node_state
from node.storage.outgoing import ActivityKind
from node.storage.partners import close_position, list_partners, update_partner
from node.storage.tables import (
    disclosures,
    entries,
    invitations,
    mail_outbox,
    node_keys,
    node_state,
    partner_keys,
    partner_leases,
    partners,
    sessions,
    sign_in_links,
    work_leases,
)

EPOCH_BYTES: Final = 16
STEP: Final = "restored"
"""What the history of a partnership says where a restore has changed it."""
_KEY_ORDER: Final = (
    KeyState.ANNOUNCED,
    KeyState.ACTIVE,
    KeyState.RETIRED,
    KeyState.REVOKED,
)
_ROLES: Final = tuple(Role)  # each includes the ones before
_NEVER_TAKEN_BACK: Final = frozenset({EntryState.PUBLISHED, EntryState.DRAFT})
_OVER: Final = frozenset({TrustState.ENDING, TrustState.ENDED, TrustState.REFUSED})
_TOLD: Final = frozenset({*ESTABLISHED, TrustState.ENDING})


@dataclass(slots=True)
class Replayed:
    """What a restore has changed about the backup; ids, and numbers.

    Attributes:
        deleted: Entries that were deleted again.
        closed: Entries that were withdrawn, or otherwise closed, again.
        narrowed: Entries that are again for fewer readers than in the backup.
        older: Entries that were changed after the backup and show their older text.
        lost: Entries that were published after the backup and are not in it.
        gone: Entries that are not in it either and had been taken back again.
        persons: Persons who have left, or may less, again.
        partners: Partnerships that are again over, stopped or hidden.
        lost_partners: Partnerships that began after the backup.
        purged: Partners whose copies were removed again.
        keys: Numbers of our keys that stand as they did before the restore.
        closing: Whether the cluster closes down again.
        mails: Mails of the backup that are not sent (they may have been).
        invitations: Open invitations that were taken back.
    """

    incarnation: int = 1
    epoch: str = ""
    deleted: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    narrowed: list[str] = field(default_factory=list)
    older: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    persons: list[str] = field(default_factory=list)
    partners: list[str] = field(default_factory=list)
    lost_partners: list[str] = field(default_factory=list)
    purged: list[str] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    closing: bool = False
    mails: int = 0
    invitations: int = 0


async def replay(
    tx: Transaction,
    context: NodeContext,
    known: Decided,
    *,
    folder: Path,
    restored_from: datetime | None,
) -> Replayed:
    """Do everything in the transaction, and the epoch with it.

    Args:
        tx: A transaction of the database that was put back.
        context: The node around this database; its ring follows.
        known: What the journal says.
        folder: The node's folder, for its secret keys.
        restored_from: Of when the backup is; None if nobody knows.
    """
    return await _Replay(tx, context, known).run(folder, restored_from)


class _Replay:
    """One replay, in one transaction."""

    def __init__(self, tx: Transaction, context: NodeContext, known: Decided) -> None:
        self._tx = tx
        self._context = context
        self._known = known
        self._now = context.clock.now()
        self._done = Replayed()
        self._was_in = 0  # the incarnation of the backup
        mailer = EntryMailer(context, MailOutbox(context))
        self._mailer = mailer
        self._ledger = Ledger(context)
        self._catalogue = Catalogue(context, self._ledger, mailer, WakeUp())

    async def run(self, folder: Path, restored_from: datetime | None) -> Replayed:
        await self._begin_anew(restored_from)
        await self._end_what_was_open()
        await self._keys(folder)
        # Partners before entries: whoever is none any more is told nothing new.
        for partner in await list_partners(self._tx):
            await self._partner_keys(partner)
        for partner in await list_partners(self._tx):
            decision = self._known.partners.get(partner.id)
            if decision is None:
                continue
            if await self._partner(partner, decision):
                self._done.partners.append(partner.id)
            await self._purge(partner, decision)
        for setting in self._known.settings.values():
            await limit_again(self._tx, self._context, self._catalogue, setting)
        await self._entries()
        await self._persons(restored_from)
        present = {each.id for each in await list_partners(self._tx)}
        self._done.lost_partners = sorted(self._known.partners.keys() - present)
        return self._done

    # -- the node itself --------------------------------------------------------

    async def _begin_anew(self, restored_from: datetime | None) -> None:
        tx, now = self._tx, self._now
        state = await require_node_state(tx)
        self._was_in = state.incarnation
        mark = self._known.mark
        # Raised also without a mark, when partners hold more than we know.
        reached = max(
            state.incarnation,
            mark.incarnation if mark else 0,
            *(each.version.incarnation for each in self._known.entries.values()),
        )
        self._done.incarnation = reached + 1
        self._done.epoch = self._context.random.bytes(EPOCH_BYTES).hex()
        await tx.execute(
            update(node_state).values(
                epoch=self._done.epoch,
                incarnation=self._done.incarnation,
                restored_at=now,
                restored_from=restored_from,
            )
        )
        tx.decide(
            NodeMark(incarnation=self._done.incarnation, epoch=self._done.epoch, at=now)
        )
        note_decision(
            self._tx,
            self._context,
            "restored",
            actor=None,
            before=None if restored_from is None else {"at": restored_from.isoformat()},
            after={"incarnation": self._done.incarnation},
        )
        # What is decided from now on is newer than all that the journal knows.
        await raise_decisions(tx, self._known.reached)
        closing = self._known.closing
        if closing is not None and state.closing_since is None:
            await note_closing(tx, at=closing.since)
            self._done.closing = True

    async def _end_what_was_open(self) -> None:
        """Let nothing go on that was under way when the backup was made."""
        tx, now = self._tx, self._now
        await tx.execute(delete(sessions))
        await tx.execute(
            update(sign_in_links)
            .where(sign_in_links.c.used_at.is_(None), sign_in_links.c.expires_at > now)
            .values(expires_at=now)
        )
        # They may have left after the backup; nobody gets one twice.
        cancelled = await tx.execute(
            update(mail_outbox)
            .where(
                mail_outbox.c.sent_at.is_(None), mail_outbox.c.cancelled_at.is_(None)
            )
            .values(cancelled_at=now, next_attempt_at=None)
        )
        self._done.mails = int(cancelled.rowcount)
        # Used or taken back after the backup, for all that is known here.
        revoked = await tx.execute(
            update(invitations)
            .where(
                invitations.c.used_at.is_(None),
                invitations.c.revoked_at.is_(None),
                invitations.c.expires_at > now,
            )
            .values(revoked_at=now)
        )
        self._done.invitations = int(revoked.rowcount)
        for leases in (partner_leases, work_leases):
            await tx.execute(delete(leases))
        await tx.execute(
            update(partners).values(
                to_verify_since=now,
                attempts=0,
                next_attempt_at=None,
                failing_since=None,
                next_check_at=None,
                looked_at=None,  # its keys may have changed
            )
        )
        # Pages that are forgotten here may have renewed the partners' copies.
        await tx.execute(
            update(partners)
            .where(partners.c.state.in_(sorted(state.value for state in _TOLD)))
            .values(renewed_at=now)
        )

    async def _keys(self, folder: Path) -> None:
        """Let every key stand as it did last: its file follows, and partners know."""
        tx, ring = self._tx, self._context.keys
        before = {key.number: key for key in await list_keys(tx)}
        for number, decision in sorted(self._known.keys.items()):
            key = before.get(number)
            if key is None and not _is_whole(decision):
                continue
            if key is not None and (
                decision.state is None
                or _KEY_ORDER.index(decision.state) <= _KEY_ORDER.index(key.state)
            ):
                continue
            values = {
                "state": decision.state.value if decision.state else None,
                "activated_at": decision.activated_at,
                "retired_at": decision.retired_at,
                "revoked_at": decision.revoked_at,
            }
            if key is None:
                await tx.execute(
                    insert(node_keys).values(
                        number=number,
                        multibase=decision.multibase,
                        created_at=decision.created_at,
                        **values,
                    )
                )
            else:
                await tx.execute(
                    update(node_keys)
                    .where(node_keys.c.number == number)
                    .values(**values)
                )
            self._done.keys.append(number)
        keys = await list_keys(tx)
        secrets, _ = read_secrets(folder, keys)
        ring.replace(keys, secrets, fault=missing_secrets(keys, secrets))
        await self._told_of_keys()

    async def _told_of_keys(self) -> None:
        """A key retires once partners know its successor; so they do."""
        ring = self._context.keys
        retired = {
            key.number for key in ring.keys if key.state is KeyState.RETIRED
        } & set(self._done.keys)
        for partner in await list_partners(self._tx):
            if partner.told_key_number in retired and not ring.is_known_to(partner):
                await update_partner(
                    self._tx, partner.id, told_key_number=ring.active.number
                )

    # -- partners ---------------------------------------------------------------

    async def _partner_keys(self, partner: Partner) -> None:
        """Let no key of a partner count again that was revoked."""
        columns = partner_keys.c
        revoked = {
            key.id: self._known.partner_keys[key.multibase].revoked_at
            for key in partner.keys
            if key.revoked is None and key.multibase in self._known.partner_keys
        }
        for key_id, at in revoked.items():
            await self._tx.execute(
                update(partner_keys).where(columns.id == key_id).values(revoked=at)
            )
        if not revoked or any(
            key.pinned.is_current and key.id not in revoked for key in partner.keys
        ):
            return
        if partner.state in {TrustState.ACTIVE, TrustState.PAUSED}:
            await self._suspend(partner, SuspensionReason.REVOKED_ITSELF)

    async def _suspend(self, partner: Partner, reason: SuspensionReason) -> None:
        await update_partner(
            self._tx,
            partner.id,
            state=TrustState.SUSPENDED,
            suspended_from=partner.state,
            suspended_because=reason,
        )
        await self._add_step(partner)
        self._done.partners.append(partner.id)

    async def _purge(self, partner: Partner, decision: PartnerDecision) -> None:
        """Remove the copies again that were there when they were removed."""
        at = decision.purged_at
        if decision.purged and at is not None and partner.state not in _OVER:
            removed = await purge_received(
                self._tx, self._context, partner.id, at=at, until=at
            )
            if removed:
                await self._add_step(partner)
                self._done.purged.append(partner.id)

    async def _add_step(self, partner: Partner) -> None:
        await add_step(
            self._tx, self._context, partner.id, event=STEP, person=None, note=None
        )

    async def _partner(self, partner: Partner, decision: PartnerDecision) -> bool:
        changed = await keep_back_again(
            self._tx, self._context, self._ledger, partner, decision
        )
        if decision.hidden and partner.hidden_at is None:
            await update_partner(self._tx, partner.id, hidden_at=self._now)
            changed = True
        state = decision.state
        if state in _OVER and (
            partner.state not in _OVER
            or (state, partner.state) == (TrustState.ENDED, TrustState.ENDING)
        ):
            await self._end(partner, state)
        elif state is TrustState.SUSPENDED and partner.state in {
            TrustState.ACTIVE,
            TrustState.PAUSED,
        }:
            await self._suspend(partner, SuspensionReason.NOT_LISTED)
            return False
        elif state is TrustState.PAUSED and partner.state is TrustState.ACTIVE:
            await update_partner(self._tx, partner.id, state=state)
        else:
            return changed
        await self._add_step(partner)
        return True

    async def _end(self, partner: Partner, state: TrustState) -> None:
        """End it as it was ended; see `Partners.end` and what follows on it."""
        tx = self._tx
        was_established = partner.state in _TOLD
        if not was_established:
            await update_partner(tx, partner.id, state=state, ended_at=self._now)
            return
        ended = TrustState.ENDED if state is TrustState.REFUSED else state
        over = {"ended_at": self._now} if ended is TrustState.ENDED else {}
        await update_partner(tx, partner.id, state=ended, **over)
        leaving = replace(partner, state=ended)
        await self._ledger.withdraw_all(tx, leaving)
        await forget_received(tx, self._context, partner.id)
        if ended is TrustState.ENDED:
            await close_position(tx, partner.id)
            await outgoing.drop_undelivered(tx, partner.id)
            return
        await outgoing.give_up(
            tx,
            partner.id,
            kind=ActivityKind.MESSAGE,
            reason="The partnership has been ended.",
        )
        address, random = self._context.address, self._context.random
        await outgoing.queue_activity(
            tx,
            partner.id,
            kind=ActivityKind.LEAVE,
            subject=partner.actor_id,
            activity_id=address.activity(random_id(random)),
            at=self._now,
        )

    # -- entries ----------------------------------------------------------------

    async def _entries(self) -> None:
        tx = self._tx
        found = {row.id for row in await tx.all(select(entries.c.id))}
        missing = [
            each for each in self._known.entries.values() if each.id not in found
        ]
        self._done.lost = sorted(
            each.id for each in missing if each.state is EntryState.PUBLISHED
        )
        self._done.gone = sorted(
            each.id for each in missing if each.state not in _NEVER_TAKEN_BACK
        )
        for decision in sorted(self._known.entries.values(), key=lambda each: each.id):
            if decision.id not in found:
                continue
            entry = await entry_rows.load_entry(
                tx, self._context.address, decision.id, lock=True
            )
            if entry is not None:
                await self._entry(entry, decision)

    async def _entry(self, entry: Entry, decision: EntryDecision) -> None:
        rank = (entry.version, entry.state is not EntryState.PUBLISHED)
        # After a restore an entry has an older version again; what is decided then
        # counts more than what a backup of before says of later versions.
        is_later = self._known.decided_in[entry.id] > self._was_in
        if entry.state is EntryState.DELETED or (decision.rank < rank and not is_later):
            return
        if decision.rank == rank:
            # A restore before this one may have narrowed it and left its version.
            if entry.state is EntryState.PUBLISHED:
                await self._narrow(entry, decision)
            return
        if decision.state is EntryState.DELETED:
            await self._catalogue.erase_in(
                self._tx, entry, max(entry.version, decision.version)
            )
            self._done.deleted.append(entry.id)
        elif decision.state is not EntryState.PUBLISHED:
            await self._close(entry, decision)
        elif entry.state is EntryState.PUBLISHED:
            await self._narrow(entry, decision)
        else:
            # Taken back in the backup, published again later: it stays closed here.
            self._done.older.append(entry.id)

    async def _close(self, entry: Entry, decision: EntryDecision) -> None:
        later = await self._as_of(entry, decision)
        if entry.state is EntryState.PUBLISHED:
            await self._catalogue.close_in(self._tx, later, decision.state)
            self._done.closed.append(entry.id)
        else:
            state = decision.state.value
            await entry_rows.update_entry(self._tx, entry.id, state=state)

    async def _as_of(self, entry: Entry, decision: EntryDecision) -> Entry:
        """Give a closed entry the version that partners may hold of it."""
        version = max(entry.version, decision.version)
        await entry_rows.update_entry(
            self._tx,
            entry.id,
            incarnation=version.incarnation,
            counter=version.counter,
            document=None,
            content_hash=None,
            key_number=None,
        )
        return replace(
            entry, version=version, document=None, content_hash=None, key_number=None
        )

    async def _narrow(self, entry: Entry, decision: EntryDecision) -> None:
        """Leave the text of the backup, for those who are named by both."""
        if not set(decision.kept) <= set(of_entry(entry).kept):
            # Whom it is kept from, or that its owner is hidden, this copy does not
            # say: it is taken back.
            await self._close(entry, replace(decision, state=EntryState.WITHDRAWN))
            return
        is_same = decision.level is AudienceLevel.GROUP
        group_id = entry.audience.group_id if is_same else None
        then = Audience(decision.level, frozenset(decision.partners), group_id)
        audience = narrower(entry.audience, then)
        if decision.version > entry.version:
            self._done.older.append(entry.id)
        if audience == entry.audience:
            return
        await entry_rows.update_entry(
            self._tx,
            entry.id,
            audience_level=audience.level.value,
            group_id=audience.group_id,
        )
        await entry_rows.replace_audience(self._tx, entry.id, audience.partner_ids)
        narrowed = replace(entry, audience=audience)
        await self._mailer.entry_changed(self._tx, narrowed)
        await self._ledger.record_change(self._tx, narrowed)
        # They may hold the version after this one.
        version = max(entry.version, decision.version)
        await self._tx.execute(
            update(disclosures)
            .where(disclosures.c.entry_id == entry.id, disclosures.c.op != UPSERT)
            .values(incarnation=version.incarnation, counter=version.counter)
        )
        self._done.narrowed.append(entry.id)

    # -- persons ----------------------------------------------------------------

    async def _persons(self, restored_from: datetime | None) -> None:
        for person in await list_persons(self._tx):
            decision = self._known.persons.get(person.id)
            if decision is None:
                continue
            values = _taken(person, decision, since=restored_from)
            if not values:
                continue
            await update_person(self._tx, person.id, values, now=self._now)
            if values.keys() & {"left_at", "consent_on"}:
                await self._take_name_back(person)
            self._done.persons.append(person.id)

    async def _take_name_back(self, person: Person) -> None:
        """Let no entry name the person any more, as after the decision itself."""
        if self._context.keys.fault is None:
            await self._catalogue.refresh_person(self._tx, person.id)
            return
        # Without the secret nothing can be signed anew.
        for entry in await entry_rows.list_entries(
            self._tx,
            self._context.address,
            where=(entries.c.person_id == person.id) & entry_rows.published(),
        ):
            await self._catalogue.close_in(self._tx, entry, EntryState.WITHDRAWN)
            self._done.closed.append(entry.id)


def _is_whole(decision: KeyDecision) -> bool:
    return None not in {decision.multibase, decision.state, decision.created_at}


def _taken(
    person: Person, decision: PersonDecision, *, since: datetime | None
) -> dict[str, object]:
    """Return the columns that take from a person what a decision took."""
    values: dict[str, object] = {}
    if decision.left and person.left_at is None:
        values["left_at"] = decision.at
    if person.consent_on is not None and (decision.left or decision.consented is False):
        values |= {"consent_on": None, "consent_source": None}
    role = decision.role
    if role is not None and _ROLES.index(role) < _ROLES.index(person.role):
        values["role"] = role.value
    replaced = decision.password_at
    if person.has_password and (
        decision.left or (replaced and (since is None or replaced > since))
    ):
        values["password_hash"] = None
    return values
