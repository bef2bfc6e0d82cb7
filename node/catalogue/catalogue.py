"""Publish, change, close and delete entries: entry and ledger in one transaction."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta

from federation.ids import random_id
from federation.version import Version
from node.catalogue.audience_preview import AudiencePreview
from node.catalogue.audiences import (
    Chosen,
    choose_audience,
    read_with_defaults,
    store_audience,
)
from node.catalogue.model import Entry, EntryState
from node.catalogue.new_entries import in_state, new_entry
from node.catalogue.own_lists import owned_by
from node.catalogue.owners import Owner, hold_owner, resolve_owner
from node.catalogue.ports import EntryMail
from node.catalogue.previewing import foresee_readers
from node.catalogue.publication import Publication, may_be_confirmed
from node.catalogue.signing import sign_entry
from node.catalogue.states import entry_not_found, erased, not_closable
from node.chiffre.coarse import end_of_month
from node.chiffre.publishing import under_chiffre
from node.conversations.titles import DELETED_TITLE
from node.errors import (
    ConflictError,
    NotAuthorisedError,
    NotFoundError,
)
from node.exchange.wakeup import WakeUp
from node.ledger import Ledger
from node.members.model import Person
from node.ports import NodeContext
from node.storage import entries as rows
from node.storage.conversations import forget_titles
from node.storage.database import Transaction
from node.storage.exclusions import forget_exclusions
from node.storage.members import load_person
from node.storage.node_state import (
    hold_partnerships,
    require_node_state,
    require_not_closing,
)
from node.storage.partners import load_partner
from node.storage.tables import entries
from node.visibility import (
    PartnerViewer,
    PublicViewer,
    Verdict,
    Viewer,
    decide_entry,
    visible_entries,
)
from node.visibility.fields import for_outside
from schemas import KINDS

REMINDER_DAYS = 7  # before the last day
RENEWED_AT_ONCE = 50  # entries signed anew in one transaction
_CLOSABLE_FROM: Mapping[EntryState, frozenset[EntryState]] = {
    EntryState.WITHDRAWN: frozenset(
        {
            EntryState.DRAFT,
            EntryState.PUBLISHED,
            EntryState.FULFILLED,
            EntryState.EXPIRED,
        }
    ),
    EntryState.FULFILLED: frozenset({EntryState.PUBLISHED}),
}


class Catalogue:
    """All entries of this node, with the rules of their life.

    Every method that changes something checks who acts, writes the entry and
    the ledger in one transaction and wakes the delivery after the commit.
    """

    def __init__(
        self,
        context: NodeContext,
        ledger: Ledger,
        mail: EntryMail,
        wakeup: WakeUp,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._mail = mail
        self._wakeup = wakeup

    # Reading

    async def show(self, viewer: Viewer, reference: str) -> tuple[Entry, Verdict]:
        """Load one of our entries for a viewer.

        Raises:
            NotFoundError: Absent or hidden; the answer is the same.
        """
        async with self._context.database.read() as tx:
            entry = await self._load(tx, reference)
        verdict = decide_entry(entry, viewer, self._today())
        if not verdict.visible:
            raise entry_not_found(reference)
        inside = isinstance(viewer, Person)
        return entry if inside else for_outside(entry), verdict

    async def why(self, viewer: Viewer, reference: str) -> Verdict:
        """Say how the rules decide for a viewer; for the office and the owner."""
        async with self._context.database.read() as tx:
            entry = await self._load(tx, reference)
        return decide_entry(entry, viewer, self._today())

    async def mine(self, person: Person) -> list[Entry]:
        """Entries of the person's organisation; for the office those of all."""
        async with self._context.database.read() as tx:
            return await rows.list_entries(
                tx,
                self._context.address,
                where=owned_by(person, self._today()),
                order_by=[entries.c.updated_at.desc(), entries.c.id],
            )

    async def public_entries(
        self, *, limit: int, kind: str | None = None
    ) -> list[Entry]:
        """Entries for the public page, newest first."""
        where = visible_entries(PublicViewer(), self._today())
        if kind is not None:
            where &= entries.c.kind == kind
        async with self._context.database.read() as tx:
            found = await rows.list_entries(
                tx,
                self._context.address,
                where=where,
                order_by=[entries.c.published_at.desc(), entries.c.id],
                limit=limit,
            )
        return [for_outside(entry) for entry in found]

    async def preview(
        self, actor: Person, document: object, *, entry_ref: str | None = None
    ) -> list[AudiencePreview]:
        """Tell who would see `document` if it were published now; stores nothing.

        Args:
            actor: Who publishes.
            document: What is to be published.
            entry_ref: The entry that it replaces.
        """
        async with self._context.database.read() as tx:
            before = None if entry_ref is None else await self._load(tx, entry_ref)
            return await foresee_readers(tx, self._context, actor, document, before)

    # Changing

    async def publish(
        self,
        actor: Person,
        document: object,
        *,
        entry_ref: str | None = None,
        draft: bool = False,
    ) -> Entry:
        """Publish a new entry, or a new version of `entry_ref`.

        Raises:
            InvalidInputError: The document breaks its schema; every fault is named.
            NotAuthorisedError: The actor may not act for the organisation.
            NotFoundError: `entry_ref` is absent or hidden from the actor.
            ConflictError: `entry_ref` was deleted, or its kind would change.
        """

        async def work(tx: Transaction) -> Entry:
            return await self.publish_in(
                tx, actor, document, entry_ref=entry_ref, draft=draft
            )

        return await self._context.database.write(work)

    async def publish_in(
        self,
        tx: Transaction,
        actor: Person,
        document: object,
        *,
        entry_ref: str | None = None,
        draft: bool = False,
    ) -> Entry:
        """`publish` inside the caller's transaction, e.g. an import."""
        await require_not_closing(tx)
        # Before the members of partners are looked at; see `learn_members`.
        await hold_partnerships(tx, alone=False)
        publication = await read_with_defaults(tx, document, today=self._today())
        owner = await hold_owner(tx, actor, publication)
        now = self._context.clock.now()
        before = await self._version_before(tx, actor, publication, entry_ref)
        chosen = await choose_audience(
            tx,
            publication,
            organisation_id=owner.organisation.id,
            before=before,
            random=self._context.random,
        )
        earlier = before  # whoever held the open version knows its id (CHI-006)
        if before is not None and before.is_chiffre is not publication.is_chiffre:
            await self.erase_in(tx, before, await self._next_version(tx, before))
            before = None
        if before is None:
            version = Version((await require_node_state(tx)).incarnation, 1)
            entry = self._new_entry(publication, chosen, owner, now)
            entry = replace(entry, version=version, author_id=actor.id)
        else:
            entry = replace(
                self._new_entry(publication, chosen, owner, now),
                id=before.id,
                uri=before.uri,
                version=await self._next_version(tx, before),
                external_id=publication.external_id or before.external_id,
                author_id=before.author_id,
                created_at=before.created_at,
                published_at=before.published_at,
            )
        entry = in_state(entry, draft=draft, at=now)
        if publication.is_chiffre:
            entry = await under_chiffre(
                tx,
                self._context,
                entry,
                owner,
                before=earlier,
                author=actor,
                anyway=publication.anyway,
            )
        entry = sign_entry(entry, owner, self._context)
        if before is None:
            await rows.insert_entry(tx, rows.values_of(entry))
        else:
            values = rows.values_of(entry)
            del values["id"]
            await rows.update_entry(tx, entry.id, **values)
        await rows.replace_hidden_owner(tx, entry.id, entry.hidden_owner)
        await rows.replace_audience(tx, entry.id, entry.audience.partner_ids)
        await store_audience(tx, before or entry, chosen)
        await self._tell(tx, entry)
        return entry

    async def withdraw(self, actor: Person, reference: str) -> Entry:
        """Take an entry back everywhere; it can be published again later."""
        return await self._close(actor, reference, EntryState.WITHDRAWN)

    async def fulfil(self, actor: Person, reference: str) -> Entry:
        """Close an entry because it found what it looked for."""
        return await self._close(actor, reference, EntryState.FULFILLED)

    async def delete(self, actor: Person, reference: str) -> Entry:
        """Delete an entry everywhere, for good; only its id and version stay."""

        async def work(tx: Transaction) -> Entry:
            entry = await self._load_own(tx, actor, reference)
            return await self.erase_in(tx, entry, await self._next_version(tx, entry))

        return await self._context.database.write(work)

    async def erase_in(self, tx: Transaction, entry: Entry, version: Version) -> Entry:
        """Delete an entry inside the caller's transaction; the caller may do so."""
        gone = erased(entry, version, at=self._context.clock.now())
        values = rows.values_of(gone)
        del values["id"]
        await rows.update_entry(tx, gone.id, **values)
        await forget_exclusions(tx, gone.id)
        await self._mail.cancel_for_entry(tx, gone.id)
        await forget_titles(tx, [gone.uri], instead=DELETED_TITLE)
        await self._tell(tx, gone)
        return gone

    async def confirm(self, actor: Person | None, reference: str) -> Entry:
        """Say "yes, it still holds": the last day moves on by the kind's lifetime.

        Args:
            actor: None when the owner came through the link in the mail.
            reference: The entry.
        """

        async def work(tx: Transaction) -> Entry:
            if actor is None:
                entry = await self._load(tx, reference, lock=True)
            else:
                entry = await self._load_own(tx, actor, reference)
            if not may_be_confirmed(entry.kind, entry.state):
                raise ConflictError(
                    "This entry cannot be extended.",
                    code="not-extendable",
                    hint="Publish it again with a new last day.",
                )
            return await self._extend(tx, entry)

        return await self._context.database.write(work)

    async def refresh_person(self, tx: Transaction, person_id: str) -> None:
        """Bring a person's entries in line after consent or membership changed.

        Every signed entry may name the person, so each becomes a new version. The
        profile of somebody who left is taken back.
        """
        person = await load_person(tx, person_id)
        gone = person is None or person.left_at is not None
        found = await rows.list_entries(
            tx,
            self._context.address,
            where=(entries.c.person_id == person_id)
            & (entries.c.state == EntryState.PUBLISHED),
        )
        for each in found:
            entry = await self._load(tx, each.id, lock=True)
            if entry.state is not EntryState.PUBLISHED:
                continue
            if gone and entry.personal:
                await self.close_in(tx, entry, EntryState.WITHDRAWN)
            else:
                await self._new_version(tx, entry, confirmed=False)

    async def sign_anew(self, limit: int) -> int:
        """Sign published entries again whose key was revoked; return how many.

        Each becomes its next version, which partners get like any other.
        """
        keys = self._context.keys
        revoked = [key.number for key in keys.keys if keys.is_revoked(key.number)]
        if not revoked:
            return 0

        async def work(tx: Transaction) -> int:
            found = await rows.list_entries(
                tx,
                self._context.address,
                where=rows.published(signed_by=revoked),
                limit=limit,
            )
            for each in found:
                entry = await self._load(tx, each.id, lock=True)
                if entry.state is EntryState.PUBLISHED:
                    await self._new_version(tx, entry, confirmed=False)
            return len(found)

        return await self._context.database.write(work)

    async def renew_taken_back(
        self, partner_id: str, *, viewer: PartnerViewer | None = None
    ) -> int:
        """Make new versions of what was taken back from a partner that may see it.

        After an end that was called off, or another rule about the partner: what was
        withdrawn comes back only with a higher version (SPEC FED-063). Each call
        renews some of them.

        Args:
            partner_id: The partner.
            viewer: As the rules will see it; by default as they see it now.

        Returns:
            Number of new versions.
        """

        async def work(tx: Transaction) -> int:
            partner = await load_partner(tx, partner_id)
            if partner is None:
                return 0
            found = await rows.list_entries(
                tx,
                self._context.address,
                where=visible_entries(
                    viewer or PartnerViewer.of(partner), self._today()
                )
                & rows.taken_back_from(partner.id),
                limit=RENEWED_AT_ONCE,
            )
            for each in found:
                entry = await self._load(tx, each.id, lock=True)
                await self._new_version(tx, entry, confirmed=False)
            return len(found)

        return await self._context.database.write(work)

    async def renew_in(self, tx: Transaction, entry: Entry, *, above: Version) -> Entry:
        """Publish a version that is newer than `above`; the caller may do so."""
        newest = replace(entry, version=max(entry.version, above))
        return await self._new_version(tx, newest, confirmed=False)

    async def close_in(self, tx: Transaction, entry: Entry, state: EntryState) -> Entry:
        """Close an entry inside the caller's transaction; the caller may do so."""
        now = self._context.clock.now()
        closed = replace(entry, state=state, closed_at=now, updated_at=now)
        await rows.update_entry(
            tx, entry.id, state=state.value, closed_at=now, updated_at=now
        )
        await self._mail.cancel_for_entry(tx, entry.id)
        await self._tell(tx, closed)
        return closed

    async def appear_in(self, tx: Transaction, entry_id: str) -> None:
        """Show an entry that has waited under Chiffre, in the caller's transaction."""
        entry = await self._load(tx, entry_id, lock=True)
        await rows.update_entry(tx, entry.id, waits_until=None)
        await self._tell(tx, replace(entry, waits_until=None))

    # Work of the clock

    async def expire_due(self) -> int:
        """Close every entry whose last day is over; return how many."""

        async def work(tx: Transaction) -> int:
            due = await rows.list_entries(
                tx,
                self._context.address,
                where=rows.past_last_day(self._today()),
                limit=200,
            )
            now = self._context.clock.now()
            for each in due:
                entry = await self._load(tx, each.id, lock=True)
                if not _is_over(entry, self._today()):
                    continue  # extended or closed by somebody a moment ago
                closed = replace(entry, state=EntryState.EXPIRED, closed_at=now)
                await rows.update_entry(
                    tx, entry.id, state=EntryState.EXPIRED.value, closed_at=now
                )
                await self._mail.entry_expired(tx, closed)
                await self._tell(tx, closed)
            return len(due)

        return await self._context.database.write(work)

    async def remind_due(self) -> int:
        """Mail the owners of entries that end within a week; return how many."""

        async def work(tx: Transaction) -> int:
            due = await rows.list_entries(
                tx,
                self._context.address,
                where=rows.ends_by(self._today() + timedelta(days=REMINDER_DAYS)),
                limit=200,
            )
            now = self._context.clock.now()
            for entry in due:
                await rows.update_entry(tx, entry.id, reminded_at=now)
                if may_be_confirmed(entry.kind, entry.state):
                    await self._mail.entry_expires(tx, entry)
            return len(due)

        return await self._context.database.write(work)

    # Inside

    async def _close(self, actor: Person, reference: str, state: EntryState) -> Entry:
        async def work(tx: Transaction) -> Entry:
            entry = await self._load_own(tx, actor, reference)
            if entry.state is state:
                return entry
            if entry.state not in _CLOSABLE_FROM[state]:
                raise ConflictError(
                    not_closable(entry.state, wanted=state),
                    code="wrong-state",
                )
            return await self.close_in(tx, entry, state)

        return await self._context.database.write(work)

    async def _extend(self, tx: Transaction, entry: Entry) -> Entry:
        lifetime = KINDS[entry.kind].default_lifetime_days or 0
        last_day = self._today() + timedelta(days=lifetime)
        if entry.valid_until is not None and entry.valid_until > last_day:
            last_day = entry.valid_until
        if entry.is_chiffre:
            last_day = end_of_month(last_day)
        content = {**entry.content, "valid_until": last_day.isoformat()}
        return await self._new_version(
            tx,
            replace(entry, content=content, valid_until=last_day),
            confirmed=True,
        )

    async def _new_version(
        self, tx: Transaction, entry: Entry, *, confirmed: bool
    ) -> Entry:
        now = self._context.clock.now()
        owner = await resolve_owner(tx, None, entry)
        renewed = replace(
            entry,
            state=EntryState.PUBLISHED,
            version=await self._next_version(tx, entry),
            updated_at=now,
            confirmed_at=now if confirmed else entry.confirmed_at,
            reminded_at=None if confirmed else entry.reminded_at,
            closed_at=None,
        )
        renewed = sign_entry(renewed, owner, self._context)
        values = rows.values_of(renewed)
        del values["id"]
        await rows.update_entry(tx, renewed.id, **values)
        await self._tell(tx, renewed)
        return renewed

    async def _tell(self, tx: Transaction, entry: Entry) -> None:
        await self._mail.entry_changed(tx, entry)
        for partner_id in await self._ledger.record_change(tx, entry):
            tx.after_commit(_poke(self._wakeup, partner_id))

    async def _load(
        self, tx: Transaction, reference: str, *, lock: bool = False
    ) -> Entry:
        entry_id = self._context.address.entry_local_id(reference) or reference
        entry = await rows.load_entry(tx, self._context.address, entry_id, lock=lock)
        if entry is None:
            raise entry_not_found(reference)
        return entry

    async def _load_own(self, tx: Transaction, actor: Person, reference: str) -> Entry:
        entry = await self._load(tx, reference, lock=True)
        if not decide_entry(entry, actor, self._today()).visible:
            raise entry_not_found(reference)
        behind = entry.answerable
        if not actor.may_change(
            organisation_id=behind.organisation_id,
            person_ids={behind.person_id, behind.author_id},
        ):
            raise NotAuthorisedError(
                "Somebody else is responsible for this entry.",
                hint="Ask its author, the organisation's administrator or the office.",
            )
        return entry

    async def _version_before(
        self,
        tx: Transaction,
        actor: Person,
        publication: Publication,
        entry_ref: str | None,
    ) -> Entry | None:
        before: Entry | None = None
        if entry_ref is not None:
            before = await self._load_own(tx, actor, entry_ref)
        elif publication.external_id is not None:
            await rows.hold_external_id(tx, publication.external_id)
            before = await rows.find_by_external_id(
                tx, self._context.address, publication.external_id
            )
            if before is not None:
                before = await self._own_by_external_id(tx, actor, before)
        if before is not None and before.kind != publication.kind:
            raise ConflictError(
                "The kind of an entry cannot change.",
                path="/kind",
                hint="Withdraw it and publish a new one.",
            )
        return before

    async def _own_by_external_id(
        self, tx: Transaction, actor: Person, found: Entry
    ) -> Entry:
        try:
            return await self._load_own(tx, actor, found.id)
        except NotFoundError as error:
            # Hidden from the actor: neither its id nor its owner may be told.
            raise ConflictError(
                "This external id is taken.",
                code="external-id-taken",
                path="/external_id",
                hint="Choose another one.",
            ) from error

    async def _next_version(self, tx: Transaction, entry: Entry) -> Version:
        incarnation = (await require_node_state(tx)).incarnation
        if incarnation > entry.version.incarnation:
            return Version(incarnation, 1)
        return entry.version.next()

    def _new_entry(
        self, publication: Publication, chosen: Chosen, owner: Owner, now: datetime
    ) -> Entry:
        entry_id = random_id(self._context.random)
        uri = self._context.address.entry(entry_id)
        return new_entry(publication, chosen, owner, entry_id=entry_id, uri=uri, at=now)

    def _today(self) -> date:
        return self._context.clock.now().date()


def _is_over(entry: Entry, today: date) -> bool:
    return (
        entry.state is EntryState.PUBLISHED
        and entry.valid_until is not None
        and entry.valid_until < today
    )


def _poke(wakeup: WakeUp, partner_id: str) -> Callable[[], None]:
    return lambda: wakeup.poke(partner_id)
