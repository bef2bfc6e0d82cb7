"""Planted bugs: each replaces one function of the product, and must be caught.

A bug that stays in the code for long does so because nothing looks. So the simulator
itself is measured here: what it does not catch within its steps it would not
catch in the product either.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from sqlalchemy import update

from federation.documents import entry as entry_documents
from federation.documents.receipt import SentRange
from federation.documents.signed import SignedDocument
from federation.exchange import HeldState
from federation.transport import client
from federation.trust import TrustState
from node.catalogue.catalogue import Catalogue
from node.catalogue.model import AudienceLevel
from node.erasure.replay import _Replay
from node.exchange import comparing, delivery, receiving, sending, verifying
from node.exchange.receiving import Receiving
from node.exchange.sending import Sending
from node.exchange.unaccounted import UnaccountedEntries
from node.ledger import Ledger
from node.ledger import ledger as ledger_module
from node.partners.copies import Copies
from node.partners.nonces import PendingNonce
from node.storage import database, outgoing
from node.storage import ledger as ledger_rows
from node.storage.database import SqliteDatabase
from node.storage.node_state import require_node_state
from node.storage.partners import update_partner
from node.storage.tables import disclosures, node_state, partners
from node.storage.views import load_view

Plant = Callable[[pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Mutant:
    """One bug.

    Attributes:
        steps_max: Within so many steps, over all seeds, it must be caught.
        nodes: How many it takes to show it; of three one lies.
        actions: What happens more often than usual, so that it comes sooner.
        promise: What it breaks, as far as that is known.
    """

    name: str
    plant: Plant
    steps_max: int = 3000
    nodes: int = 2
    actions: dict[str, int] | None = None
    promise: str | None = None


MUTANTS: list[Mutant] = []
CANDIDATES: list[Mutant] = []
"""Not shown yet to be caught within their steps; hunted by name alone."""


def mutant(
    *,
    steps_max: int = 3000,
    nodes: int = 2,
    promise: str | None = None,
    candidate: bool = False,
    **actions: int,
) -> Callable[[Plant], Plant]:
    def add(plant: Plant) -> Plant:
        name = plant.__name__
        into = CANDIDATES if candidate else MUTANTS
        into.append(Mutant(name, plant, steps_max, nodes, actions or None, promise))
        return plant

    return add


# -- the sending half ---------------------------------------------------------------


@mutant(idle=90, let_expire=120, cut=60, mend=80)
def the_rule_is_not_asked_again(patch: pytest.MonkeyPatch) -> None:
    """A page carries what the ledger says, whatever the rules say by then."""
    patch.setattr(Sending, "_may_see", lambda *_: True)


@mutant()
def what_is_narrowed_is_not_withdrawn(patch: pytest.MonkeyPatch) -> None:
    change = Ledger._change

    def wrong(self: Any, entry: Any, partner_id: str, verdict: Any, *rest: Any) -> Any:
        if entry.state == "published" and not verdict.visible:
            return None
        return change(self, entry, partner_id, verdict, *rest)

    patch.setattr(Ledger, "_change", wrong)


@mutant()
def the_ledger_is_written_after_the_change(patch: pytest.MonkeyPatch) -> None:
    """Entry and row are two transactions."""
    tell = Catalogue._tell

    async def later(self: Any, tx: Any, entry: Any) -> None:
        async def write() -> None:
            await self._context.database.write(lambda own: tell(self, own, entry))

        tx.after_commit(lambda: _keep(asyncio.create_task(write())))

    patch.setattr(Catalogue, "_tell", later)


@mutant()
def a_version_is_used_twice(patch: pytest.MonkeyPatch) -> None:
    async def same(_self: Any, _tx: Any, entry: Any) -> Any:
        return entry.version

    patch.setattr(Catalogue, "_next_version", same)


@mutant()
def a_page_holds_what_was_there_when_it_was_queued(patch: pytest.MonkeyPatch) -> None:
    first: dict[tuple[str, str], bytes] = {}
    item = Sending._item

    async def stale(
        self: Any, tx: Any, partner: Any, row: Any, entry: Any, **rest: Any
    ) -> Any:
        if entry.document is not None:
            kept = first.setdefault((partner.id, entry.id), entry.document)
            entry = replace(entry, document=kept)
        return await item(self, tx, partner, row, entry, **rest)

    patch.setattr(Sending, "_item", stale)


@mutant(pause=30)
def a_paused_partner_is_told_entries(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sending, "_may", lambda *_: True)


@mutant(nodes=3)
def named_partners_are_all_partners(patch: pytest.MonkeyPatch) -> None:
    """The audience is read too widely, everywhere alike."""
    for module in (sending, ledger_module):
        decide = module.decide_entry

        def wide(entry: Any, *rest: Any, decide: Any = decide) -> Any:
            if entry.audience.level is AudienceLevel.PARTNERS:
                audience = replace(entry.audience, level=AudienceLevel.TRUSTED)
                entry = replace(entry, audience=audience)
            return decide(entry, *rest)

        patch.setattr(module, "decide_entry", wide)


@mutant()
def it_is_not_noted_who_was_told(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        pass

    patch.setattr(ledger_rows, "mark_told", nothing)


@mutant()
def a_receipt_confirms_what_has_moved_on(patch: pytest.MonkeyPatch) -> None:
    between = ledger_rows.rows_between

    async def all_of_them(tx: Any, partner_id: str, *, after: int, through: int) -> Any:
        return await between(tx, partner_id, after=after, through=2**40)

    patch.setattr(ledger_rows, "rows_between", all_of_them)


@mutant(nodes=3)
def a_receipt_may_say_any_position(patch: pytest.MonkeyPatch) -> None:
    read = client.parse_receipt

    def wide(document: Any, *, sent: SentRange, **rest: Any) -> Any:
        last = max(sent.last, int(document.get("position", 0)))
        return read(document, sent=SentRange(sent.epoch, sent.first, last), **rest)

    patch.setattr(client, "parse_receipt", wide)


@mutant(nodes=3)
def the_digest_is_not_compared(patch: pytest.MonkeyPatch) -> None:
    apply = Sending._apply_receipt

    async def equal(self: Any, tx: Any, partner: Any, *rest: Any, **more: Any) -> bool:
        await apply(self, tx, partner, *rest, **more)
        await tx.execute(
            update(partners)
            .where(partners.c.id == partner.id)
            .values(digest_equal=True)
        )
        return True

    patch.setattr(Sending, "_apply_receipt", equal)


@mutant()
def receipts_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    """What is confirmed is noted, the proof of it is thrown away."""
    confirm = ledger_rows.confirm

    async def without(tx: Any, *rest: Any, **more: Any) -> None:
        await confirm(tx, *rest, **more)
        await tx.execute(update(disclosures).values(receipt_id=None))

    patch.setattr(ledger_rows, "confirm", without)


# -- delivery -------------------------------------------------------------------------


@mutant(cut=30, promise="liveness")
def a_partner_is_given_up(patch: pytest.MonkeyPatch) -> None:
    due = delivery.DeliveryWorker._is_due

    def once(self: Any, partner: Any) -> bool:
        return partner.attempts < 2 and due(self, partner)

    patch.setattr(delivery.DeliveryWorker, "_is_due", once)


@mutant(end=20)
def the_end_is_not_told(patch: pytest.MonkeyPatch) -> None:
    queue = outgoing.queue_activity

    async def silent(tx: Any, partner_id: str, *, kind: Any, **rest: Any) -> Any:
        if kind is outgoing.ActivityKind.LEAVE:
            return None
        return await queue(tx, partner_id, kind=kind, **rest)

    patch.setattr(outgoing, "queue_activity", silent)


@mutant(write_message=60)
def a_message_counts_as_delivered_when_it_leaves(patch: pytest.MonkeyPatch) -> None:
    deliver = delivery.DeliveryWorker._deliver_activity

    async def hopeful(self: Any, partner: Any) -> bool:
        async with self._context.database.read() as tx:
            found = await outgoing.next_undelivered(tx, partner.id)
        if found is not None and found.kind is outgoing.ActivityKind.MESSAGE:
            async with self._context.database.read() as tx:
                built = await self._activities.build(tx, partner, found)
            await self._delivered(partner, found, built)
        return await deliver(self, partner)

    patch.setattr(delivery.DeliveryWorker, "_deliver_activity", hopeful)


# -- the receiving half ---------------------------------------------------------------


@mutant()
def the_position_is_stored_before_the_effect(patch: pytest.MonkeyPatch) -> None:
    store = Receiving._store

    async def later(self: Any, tx: Any, state: Any) -> None:
        async def write() -> None:
            await self._context.database.write(lambda own: store(self, own, state))

        tx.after_commit(lambda: _keep(asyncio.create_task(write())))

    patch.setattr(Receiving, "_store", later)


@mutant()
def the_receipt_leaves_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """A group commit that tells its callers too early."""
    run = SqliteDatabase._run_group

    async def hasty(self: Any, group: list[Any]) -> None:
        run_job = database._run_job

        async def told(writer: Any, job: Any) -> None:
            await run_job(writer, job)
            job.settle()
            await asyncio.sleep(0.01)

        patch.setattr(database, "_run_job", told)
        try:
            await run(self, group)
        finally:
            patch.setattr(database, "_run_job", run_job)

    patch.setattr(SqliteDatabase, "_run_group", hasty)


@mutant(withdraw=30, change_audience=60)
def a_tombstone_yields_to_an_older_version(patch: pytest.MonkeyPatch) -> None:
    decide = receiving.decide_item

    def forgetful(item: Any, held: Any) -> Any:
        gone = {HeldState.WITHDRAWN, HeldState.DELETED}
        return decide(item, None if held is not None and held.state in gone else held)

    patch.setattr(receiving, "decide_item", forgetful)


@mutant(delete=30)
def a_deletion_is_a_withdrawal(patch: pytest.MonkeyPatch) -> None:
    tombstone = receiving._tombstone

    def mild(withdrawal: Any) -> dict[str, Any]:
        return {**tombstone(withdrawal), "state": "withdrawn"}

    patch.setattr(receiving, "_tombstone", mild)


@mutant()
def a_tombstone_keeps_the_content(patch: pytest.MonkeyPatch) -> None:
    put = receiving.rows.put_received

    async def half(tx: Any, partner_id: str, values: Any) -> None:
        kept = [
            {**row, "content": {"title": {"de": "M0123456789ab"}}}
            if row["state"] in {"withdrawn", "deleted"}
            else row
            for row in values
        ]
        await put(tx, partner_id, kept)

    patch.setattr(receiving.rows, "put_received", half)


@mutant(end=20)
def the_end_leaves_copies(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> int:
        return 0

    patch.setattr(Copies, "forget", nothing)


@mutant(steps_max=800)
def nonces_are_not_kept(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> None:
        pass

    patch.setattr(PendingNonce, "store", nothing)


@mutant(nodes=3, promise="INV-5", publish=40)
def proofs_are_not_verified(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        entry_documents,
        "require_proof",
        lambda document, **_: SignedDocument.of(document),
    )


# -- leases ---------------------------------------------------------------------------


@mutant(idle=20, promise="INV-3")
def any_page_renews_copies(patch: pytest.MonkeyPatch) -> None:
    """The numbers of a verifying page are not compared with what is held."""

    def hopeful(state: Any, page: Any) -> dict[str, Any]:
        return {"verified_at": state.now, "to_verify_since": None} if page else {}

    patch.setattr(receiving, "_verified", hopeful)


@mutant(promise="INV-3")
def any_contact_renews_copies(patch: pytest.MonkeyPatch) -> None:
    """An origin that is stuck, and only says that it is there, keeps copies alive."""
    note = Receiving._note_contact

    async def renewing(
        self: Any, tx: Any, partner: Any, now: Any, **position: Any
    ) -> None:
        await note(self, tx, partner, now, **position)
        await update_partner(tx, partner.id, verified_at=now)

    patch.setattr(Receiving, "_note_contact", renewing)


@mutant(revoke=40, idle=60, rotate=30, promise="INV-1", candidate=True)
def a_suspended_partner_renews_copies(patch: pytest.MonkeyPatch) -> None:
    renewed = receiving._RENEWED_WHILE | {TrustState.SUSPENDED}
    patch.setattr(receiving, "_RENEWED_WHILE", renewed)


@mutant(lose_copy=60, idle=40, candidate=True)
def copies_are_not_counted_anew(patch: pytest.MonkeyPatch) -> None:
    """What a disk has lost is vouched for as long as the stored number says so."""

    async def stored(_self: Any, tx: Any, partner: Any) -> Any:
        return await load_view(tx, partner.id, "in")

    patch.setattr(Receiving, "held_view", stored)


# -- restores -------------------------------------------------------------------------


@mutant(restore=30, back_up=30, promise="INV-2")
def the_epoch_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    """A restored node goes on counting where the backup stopped."""
    _keep_of_node_state(patch, "epoch")


@mutant(restore=30, back_up=30, promise="INV-5")
def the_incarnation_is_forgotten(patch: pytest.MonkeyPatch) -> None:
    _keep_of_node_state(patch, "incarnation")


@mutant(restore=30, back_up=30, delete=20, withdraw=20)
def the_journal_is_not_replayed(patch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Any) -> None:
        pass

    patch.setattr(_Replay, "_entries", nothing)


@mutant(restore=30, back_up=30, pause=20, end=10, promise="INV-1")
def a_partnership_lives_again(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> bool:
        return False

    patch.setattr(_Replay, "_partner", nothing)


@mutant(restore=30, back_up=30, promise="INV-5")
def entries_are_told_before_asking(patch: pytest.MonkeyPatch) -> None:
    may_tell = Sending.may_tell

    def hasty(self: Any, partner: Any, *, epoch: str) -> bool:
        return may_tell(self, replace(partner, compared_epoch=epoch), epoch=epoch)

    patch.setattr(Sending, "may_tell", hasty)


@mutant(restore=30, back_up=30, candidate=True)
def going_back_confirms_what_is_lost(patch: pytest.MonkeyPatch) -> None:
    """A partner whose database was put back is only moved to its old position."""

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    patch.setattr(ledger_rows, "unconfirm", nothing)


@mutant(restore=40, back_up=30, settle_some=30, candidate=True)
def what_the_office_left_is_not_counted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verifying, "with_left", lambda view, *_, **__: view)


@mutant(restore=60, back_up=15, edit=40, candidate=True)
def incarnations_of_partners_are_not_heeded(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(comparing, "raised_incarnation", lambda ours, _: ours)


@mutant(restore=40, back_up=20, withdraw=30, promise="INV-1", candidate=True)
def what_partners_took_back_is_not_adopted(patch: pytest.MonkeyPatch) -> None:
    async def nothing(*_: Any) -> bool:
        return False

    patch.setattr(UnaccountedEntries, "take_back", nothing)


@mutant(nodes=3, restore=40, back_up=20, publish=30, promise="INV-3", candidate=True)
def a_list_need_not_fit_its_digest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(comparing, "_require_consistent", lambda *_: None)


@mutant(restore=30, back_up=20, lose_copy=40, candidate=True)
def nothing_is_told_again(patch: pytest.MonkeyPatch) -> None:
    """A comparison finds what is missing, and it is not queued."""

    async def nothing(*_: Any, **__: Any) -> None:
        pass

    patch.setattr(ledger_rows, "queue_again", nothing)


def _keep_of_node_state(patch: pytest.MonkeyPatch, column: str) -> None:
    begin = _Replay._begin_anew

    async def forgetful(self: Any, restored_from: Any) -> None:
        before = getattr(await require_node_state(self._tx), column)
        await begin(self, restored_from)
        await self._tx.execute(update(node_state).values({column: before}))

    patch.setattr(_Replay, "_begin_anew", forgetful)


_KEPT: set[asyncio.Task[Any]] = set()


def _keep(task: asyncio.Task[Any]) -> None:
    _KEPT.add(task)
