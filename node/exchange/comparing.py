"""Compare what a partner holds with our ledger, entry by entry, and mend both.

The partner is asked for the whole in numbers, then for the entries of the buckets
that differ; after a restore from backup for all. What it lists has to be what it
has given the numbers of. The decisions are `federation.comparison`'s; they are
applied in small transactions, each with the ledger as it is then, so that changes
in between are seen and nobody waits.

Source: SPEC.md FED-155 to FED-158.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from federation.comparison import (
    Adopt,
    Difference,
    LedgerEntry,
    LedgerState,
    NoteHeld,
    NoteKeptOut,
    SendAgain,
    Unaccounted,
    WithdrawAgain,
    compare_entry,
    raised_incarnation,
)
from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsPage,
    HoldingsScope,
)
from federation.errors import PermanentFetchError, TemporaryFetchError
from federation.exchange import HeldState, HeldVersion, ViewDigest, bucket_of
from federation.keys import Signer
from federation.limits import HOLDINGS_ITEMS_MAX, HOLDINGS_READ_MAX, REPAIR_AGAIN
from federation.peers import RemotePeer
from federation.version import Version
from node.errors import ConflictError, NotAuthorisedError, NotFoundError
from node.exchange.sending import is_told
from node.limits import COMPARISON_TIME_MAX, UNACCOUNTED_MAX
from node.members.model import Person
from node.partners.directory import known_peer
from node.partners.history import add_step
from node.partners.model import Partner
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage import unaccounted as unaccounted_rows
from node.storage.database import Transaction
from node.storage.ledger import UPSERT, Disclosure
from node.storage.node_state import (
    hold_partnerships,
    raise_incarnation,
    require_node_state,
)
from node.storage.partners import load_partner, lock_partner, update_partner
from node.storage.views import load_view, store_view

logger = logging.getLogger(__name__)

ENTRIES_AT_ONCE: Final = 500  # in one transaction
KEPT_OUT: Final = "kept out"  # the reason stood in a receipt that we have lost
_NOT_THERE: Final = frozenset({404, 405})


class HoldingsClient(Protocol):
    """Asks partners what they hold (federation.transport)."""

    async def fetch_holdings(self, peer: RemotePeer, *, signer: Signer) -> Holdings:
        """Ask for the whole in numbers."""
        ...

    async def fetch_holdings_page(
        self, peer: RemotePeer, scope: HoldingsScope, *, signer: Signer
    ) -> HoldingsPage:
        """Ask for a part of the list."""
        ...


class TakesBack(Protocol):
    """Our own entries (node.exchange.unaccounted)."""

    async def take_back(self, entry_id: str) -> bool:
        """Withdraw an entry that was withdrawn before a restore.

        Returns:
            Whether it was published.
        """
        ...


@dataclass(slots=True)
class _Found:
    """What is to be done in one transaction."""

    again: list[tuple[str, Version]] = field(default_factory=list)
    noted: list[tuple[str, Version | None, str | None, str | None]] = field(
        default_factory=list
    )
    unaccounted: dict[str, HeldVersion] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)

    def add(self, entry_id: str, row: Disclosure | None, decision: Difference) -> None:
        """Take up what was decided about an entry."""
        match decision:
            case Adopt(held=held) | Unaccounted(held=held):
                self.unaccounted[entry_id] = held
                if isinstance(decision, Adopt):
                    self.adopted.append(entry_id)
                return
            case SendAgain(version=version) | WithdrawAgain(version=version):
                self.again.append((entry_id, version))
            case NoteHeld(held=held) if not _is_noted(row, held):
                self.noted.append((entry_id, held.version, held.content_hash, None))
            case NoteKeptOut() if row is not None:
                reason = row.refused_reason or KEPT_OUT
                self.noted.append((entry_id, None, None, reason))
            case _:
                pass
        self.settled.append(entry_id)


def _is_noted(row: Disclosure | None, held: HeldVersion) -> bool:
    return row is not None and (row.held, row.held_hash, row.refused_reason) == (
        held.version,
        held.content_hash,
        None,
    )


@dataclass(slots=True)
class Outcome:
    """What a comparison has found.

    Attributes:
        compared: Entries that were looked at.
        sent_again: Entries and withdrawals that are told once more.
        unaccounted: Entries that the office has to decide about.
        adopted: Entries that were withdrawn here too.
    """

    compared: int = 0
    sent_again: int = 0
    unaccounted: int = 0
    adopted: int = 0


class Comparing:
    """Comparisons with partners."""

    def __init__(
        self, context: NodeContext, *, client: HoldingsClient, entries: TakesBack
    ) -> None:
        self._context = context
        self._client = client
        self._entries = entries
        # Kept in memory: after a restart a partner may be asked once more.
        self._not_before: dict[str, datetime] = {}

    def may_ask(self, partner_id: str) -> bool:
        """Tell whether a partner may be asked now: at most once an hour."""
        not_before, now = self._not_before.get(partner_id), self._context.clock.now()
        # A time farther away was noted by a clock that has been set back since.
        return not_before is None or not now < not_before <= now + REPAIR_AGAIN

    async def compare(self, partner_id: str) -> Outcome | None:
        """Ask a partner what it holds, and mend what differs.

        Returns:
            What was found; None if the partner's node does not answer this.

        Raises:
            FetchError: The partner does not answer now, or not as it must.
        """
        partner, epoch = await self._standing(partner_id)
        peer, signer = known_peer(partner), self._context.keys.signer_for(partner)
        restored = partner.compared_epoch != epoch
        try:
            holdings = await self._client.fetch_holdings(peer, signer=signer)
        except PermanentFetchError as error:
            self._asked(partner_id)
            if error.status in _NOT_THERE:
                logger.warning("%s does not tell what it holds", partner_id)
                return None
            raise
        self._asked(partner_id)
        if holdings.epoch == epoch and holdings.position < partner.acked_seq:
            # It has lost pages: they come again, which is simpler than this.
            await self._go_back(partner_id, holdings.position)
            return Outcome()
        if holdings.epoch == epoch and holdings.position > partner.head_seq:
            logger.error(
                "%s has positions of ours that we do not know: was an older database"
                " put in place without `spalier restore`?",
                partner_id,
            )
        scopes = await self._scopes(partner, holdings, restored=restored)
        claims: dict[str, HeldVersion] = {}
        try:
            async with asyncio.timeout(COMPARISON_TIME_MAX.total_seconds()):
                for scope in scopes:
                    await self._read(peer, scope, signer=signer, into=claims)
        except TimeoutError as error:
            raise TemporaryFetchError(
                "The partner takes too long to list what it holds.",
                problem_code="holdings-slow",
            ) from error
        _require_consistent(holdings, scopes, claims, self._context)
        return await self._mend(partner, holdings, scopes, claims, restored=restored)

    async def tell_uncompared(self, actor: Person | None, partner_id: str) -> Partner:
        """Tell a partner entries although it does not say what it holds (FED-158).

        Args:
            actor: Who decides; None for whoever may use the node's folder.
            partner_id: Our id of the partner.

        Raises:
            NotAuthorisedError: The actor does not belong to the office.
            NotFoundError: There is no such partner.
            ConflictError: Nothing is told to it, or it has said what it holds.
        """
        if actor is not None and not actor.is_office:
            raise NotAuthorisedError(
                "Only the office may decide about this.",
                hint="Ask your cluster's office.",
            )

        async def work(tx: Transaction) -> Partner:
            partner = await lock_partner(tx, partner_id)
            if partner is None:
                raise NotFoundError("This partner no longer exists.")
            epoch = (await require_node_state(tx)).epoch
            if partner.compared_epoch == epoch or not is_told(partner.state):
                raise ConflictError(
                    Sentence("{name} waits for no comparison.", name=partner.name),
                    code="nothing-to-compare",
                    hint="See the page of the partner.",
                )
            now = self._context.clock.now()
            await update_partner(
                tx,
                partner_id,
                compared_epoch=epoch,
                next_check_at=now,
                next_attempt_at=None,
            )
            await add_step(
                tx,
                self._context,
                partner_id,
                event="we_told_uncompared",
                person=actor,
                note=None,
            )
            return replace(partner, compared_epoch=epoch, next_check_at=now)

        return await self._context.database.write(work)

    # Asking

    def _asked(self, partner_id: str) -> None:
        self._not_before[partner_id] = self._context.clock.now() + REPAIR_AGAIN

    async def _standing(self, partner_id: str) -> tuple[Partner, str]:
        async with self._context.database.read() as tx:
            partner = await load_partner(tx, partner_id)
            epoch = (await require_node_state(tx)).epoch
        if partner is None:
            msg = f"no partner {partner_id}"
            raise LookupError(msg)
        return partner, epoch

    async def _scopes(
        self, partner: Partner, holdings: Holdings, *, restored: bool
    ) -> list[HoldingsScope]:
        """Choose what is listed: the buckets that differ, or everything."""
        if restored:
            return [HoldingsScope()]
        async with self._context.database.read() as tx:
            ours = await load_view(tx, partner.id, "out")
        differ = ours.buckets_that_differ(holdings.view)
        lists = 1 + max(ours.count, holdings.view.count) // HOLDINGS_ITEMS_MAX
        if len(differ) > lists:
            return [HoldingsScope()]  # fewer requests
        return [HoldingsScope(bucket) for bucket in differ]

    async def _read(
        self,
        peer: RemotePeer,
        scope: HoldingsScope,
        *,
        signer: Signer,
        into: dict[str, HeldVersion],
    ) -> None:
        more: HoldingsScope | None = scope
        while more is not None:
            page = await self._client.fetch_holdings_page(peer, more, signer=signer)
            for each in page.entries:
                into[self._local(each)] = each.held
            if len(into) > HOLDINGS_READ_MAX:
                raise PermanentFetchError(
                    f"The partner lists more than {HOLDINGS_READ_MAX} entries.",
                    problem_code="too-many-held",
                )
            more = page.more

    def _local(self, entry: HeldEntry) -> str:
        local = self._context.address.entry_local_id(entry.entry_id)
        if local is None:  # `parse_holdings_page` lets none through
            msg = f"{entry.entry_id} is not ours"
            raise ValueError(msg)
        return local

    # Mending

    async def _go_back(self, partner_id: str, position: int) -> None:
        async def work(tx: Transaction) -> None:
            partner = await lock_partner(tx, partner_id)
            if partner is None or not is_told(partner.state):
                return  # our office has closed it meanwhile
            if position < partner.acked_seq:
                await update_partner(tx, partner_id, acked_seq=position)
                await rows.unconfirm(tx, partner_id, after=position)

        await self._context.database.write(work)

    async def _mend(
        self,
        partner: Partner,
        holdings: Holdings,
        scopes: list[HoldingsScope],
        claims: Mapping[str, HeldVersion],
        *,
        restored: bool,
    ) -> Outcome:
        async with self._context.database.read() as tx:
            ledger = await rows.entries_of_partner(tx, partner.id)
            listed = await unaccounted_rows.list_unaccounted(tx, partner_id=partner.id)
        ours = [each for each in ledger if self._is_in(each, scopes)]
        # With no bucket to be listed, all of it is explained.
        ours += [
            row.entry_id
            for row in listed
            if not scopes or self._is_in(row.entry_id, scopes)
        ]
        ids = sorted({*ours, *claims})
        outcome = Outcome(compared=len(ids))
        adopted: list[str] = []
        for start in range(0, len(ids), ENTRIES_AT_ONCE):
            chunk = ids[start : start + ENTRIES_AT_ONCE]
            found = await self._mend_some(partner.id, chunk, claims, restored=restored)
            adopted += found.adopted
            outcome.sent_again += len(found.again)
            outcome.unaccounted += len(found.unaccounted)
        for entry_id in adopted:
            # Not in the transactions above: an entry is locked before its partners.
            outcome.adopted += await self._entries.take_back(entry_id)
        await self._finish(
            partner.id,
            holdings,
            [held.version.incarnation for held in claims.values()],
            restored=restored,
        )
        logger.warning(
            "compared with %s: %d entries, %d told again, %d unaccounted, %d adopted",
            partner.id,
            outcome.compared,
            outcome.sent_again,
            outcome.unaccounted,
            outcome.adopted,
        )
        return outcome

    def _is_in(self, entry_id: str, scopes: list[HoldingsScope]) -> bool:
        bucket = bucket_of(self._context.address.entry(entry_id))
        return any(scope.bucket in {None, bucket} for scope in scopes)

    async def _mend_some(
        self,
        partner_id: str,
        ids: list[str],
        claims: Mapping[str, HeldVersion],
        *,
        restored: bool,
    ) -> _Found:
        async def work(tx: Transaction) -> _Found:
            partner = await lock_partner(tx, partner_id)
            found = _Found()
            if partner is None:
                return found
            known = await rows.rows_named(tx, partner_id, ids)
            hashes = await entry_rows.hashes_of(tx, ids)
            view = await load_view(tx, partner_id, "out")
            for entry_id in ids:
                row = known.get(entry_id)
                ours = None if row is None else _ledger_entry(row, hashes)
                held = claims.get(entry_id)
                found.add(entry_id, row, compare_entry(ours, held, restored=restored))
            self._count(view, known, found)
            await self._write(tx, partner_id, found, view)
            return found

        return await self._context.database.write(work)

    def _count(
        self, view: ViewDigest, known: Mapping[str, Disclosure], found: _Found
    ) -> None:
        """Bring what the partner was proven to hold in line."""
        for entry_id, _ in found.again:
            self._uncount(view, known[entry_id])
        for entry_id, version, content_hash, _ in found.noted:
            self._uncount(view, known[entry_id])
            if version is not None and content_hash is not None:
                view.add(self._context.address.entry(entry_id), version, content_hash)

    def _uncount(self, view: ViewDigest, row: Disclosure) -> None:
        if row.held is not None and row.held_hash is not None:
            view.discard(
                self._context.address.entry(row.entry_id), row.held, row.held_hash
            )

    async def _write(
        self, tx: Transaction, partner_id: str, found: _Found, view: ViewDigest
    ) -> None:
        now = self._context.clock.now()
        await rows.queue_again(tx, partner_id, found.again, at=now)
        await rows.note_found(tx, partner_id, found.noted)
        await store_view(tx, partner_id, "out", view)
        await unaccounted_rows.drop_unaccounted(tx, partner_id, found.settled)
        room = UNACCOUNTED_MAX - await unaccounted_rows.count_unaccounted(
            tx, partner_id
        )
        # What is withdrawn here at a partner's word is listed in any case, so that
        # the office can publish it again: they are no more than we had told.
        adopted = set(found.adopted)
        others = [each for each in found.unaccounted if each not in adopted]
        listed = {*adopted, *others[: max(0, room)]}
        await unaccounted_rows.put_unaccounted(
            tx,
            partner_id,
            {each: held for each, held in found.unaccounted.items() if each in listed},
            at=now,
        )

    async def _finish(
        self,
        partner_id: str,
        holdings: Holdings,
        incarnations: Iterable[int],
        *,
        restored: bool,
    ) -> None:
        """Go on: after a restore in the new epoch, and with a comparison soon."""

        async def work(tx: Transaction) -> None:
            if restored:
                # Before the partner's row, as whoever publishes.
                await hold_partnerships(tx, alone=True)
            partner = await lock_partner(tx, partner_id)
            state = await require_node_state(tx)
            if partner is None:
                return
            values: dict[str, object] = {"next_check_at": self._context.clock.now()}
            if restored:
                raised = raised_incarnation(state.incarnation, incarnations)
                await raise_incarnation(tx, raised)
                values["compared_epoch"] = state.epoch
            if holdings.epoch != state.epoch:
                # Positions begin anew there; what is confirmed is not told again.
                values["acked_seq"] = 0
            await update_partner(tx, partner_id, **values)

        await self._context.database.write(work)


def _ledger_entry(
    row: Disclosure, hashes: Mapping[str, tuple[Version, str | None]]
) -> LedgerEntry:
    confirmed = row.acknowledged_at is not None
    if row.op != UPSERT:
        state = LedgerState.TAKEN_BACK if confirmed else LedgerState.BEING_TAKEN_BACK
        return LedgerEntry(state, row.version)
    version, content_hash = hashes.get(row.entry_id, (None, None))
    if version != row.version:
        content_hash = row.held_hash
    state = LedgerState.TOLD if confirmed else LedgerState.WAITING
    return LedgerEntry(state, row.version, content_hash)


def _require_consistent(
    holdings: Holdings,
    scopes: list[HoldingsScope],
    claims: Mapping[str, HeldVersion],
    context: NodeContext,
) -> None:
    """Require that what is listed is what the numbers are of.

    Raises:
        PermanentFetchError: It is not; something changed meanwhile, or is made up.
    """
    listed = ViewDigest()
    for entry_id, held in claims.items():
        if held.state is HeldState.PRESENT and held.content_hash is not None:
            listed.add(context.address.entry(entry_id), held.version, held.content_hash)
    differ = set(listed.buckets_that_differ(holdings.view))
    asked = {scope.bucket for scope in scopes}
    if differ if None in asked else differ & asked:
        raise PermanentFetchError(
            "What the partner lists does not fit the digest that it tells.",
            problem_code="holdings-inconsistent",
        )
