"""What a partner must hold, and whether our ledger says the same as our rules.

Two ways to the same number. `granted` asks the rules for every entry, in two
queries; it is what the daily comparison rests on, and it mends the ledger where that
says something else. `expected_after` starts from what receipts have proven and adds
the rows that wait; it costs as much as these, and is right as long as every change
of an entry, of its owner's consent and of the partnership has written its row, which
the first way checks within 28 hours. What changes by the date alone is looked for.

Source: SPEC.md FED-150, EXC-019.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import select

from federation.exchange import HeldVersion, ViewDigest
from federation.ids import NodeAddress
from federation.version import Version
from node.partners.model import Partner
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage import ledger as rows
from node.storage.database import Transaction
from node.storage.ledger import UPSERT, WITHDRAW, Disclosure
from node.storage.ledger_changes import write_row
from node.storage.tables import entries
from node.storage.unaccounted import UnaccountedRow, left_with
from node.storage.views import load_view, store_view
from node.visibility import Form, PartnerViewer, decide_entry, visible_entries

logger = logging.getLogger(__name__)

_AT_ONCE = 500  # ids in one query
_Held: TypeAlias = tuple[Version, str] | None


@dataclass(frozen=True, slots=True)
class _Granted:
    """An entry that the rules grant the partner now."""

    version: Version
    content_hash: str


@dataclass(frozen=True, slots=True)
class Sent:
    """A row that waits, and what the page that tells it says of its entry.

    Attributes:
        version: The version that is told; None for what is taken back.
        content_hash: Its hash.
    """

    row: Disclosure
    version: Version | None
    content_hash: str | None


class Verification:
    """Computes what a partner must hold."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def granted(self, tx: Transaction, partner: Partner) -> ViewDigest | None:
        """Return what the rules grant a partner, without what it keeps out.

        A row of the ledger that says something else is a fault of ours: it is
        mended, and what follows from it waits to be told.

        Args:
            tx: The caller's transaction, with the partner's row locked.
            partner: The partner, entitled now.

        Returns:
            What it must hold once it has applied everything that waits; None if
            something had to be mended, so that more waits now.
        """
        shown = await self._shown(tx, partner)
        known = {
            row.entry_id: row for row in await rows.rows_of_partner(tx, partner.id)
        }
        faulty = _faulty(shown, known)
        if faulty:
            today = self._context.clock.now().date()
            # What has run out since the clock's work was done last is no fault.
            by_date = await entry_rows.is_any_past(tx, today)
            logger.log(
                logging.INFO if by_date else logging.ERROR,
                "the ledger of %s differs from the rules for %d entries",
                partner.id,
                len(faulty),
            )
            await self._mend(tx, partner, sorted(faulty), known)
            return None
        view = ViewDigest()
        for entry_id, entry in shown.items():
            row = known.get(entry_id)
            if row is not None and row.op == UPSERT and row.refused_reason is None:
                uri = self._context.address.entry(entry_id)
                view.add(uri, entry.version, entry.content_hash)
        await self._mend_view(tx, partner, shown, known, view)
        return with_left(
            view,
            await left_with(tx, partner.id),
            known,
            address=self._context.address,
            holds=lambda entry_id, _: _expected(shown, known, entry_id),
        )

    async def expected_after(
        self, tx: Transaction, partner: Partner, sent: Iterable[Sent]
    ) -> ViewDigest | None:
        """Return what a partner must hold after rows that no receipt has confirmed.

        Args:
            tx: The caller's transaction, with the partner's row locked.
            partner: The partner.
            sent: All rows that it has not confirmed.

        Returns:
            None if that cannot be said without asking every rule: entries have run
            out since the clock's work was done last, or the office has left copies
            with the partner that we cannot account for.
        """
        if await entry_rows.is_any_past(tx, self._context.clock.now().date()):
            return None
        if await left_with(tx, partner.id):
            return None
        view = await load_view(tx, partner.id, "out")
        for each in sent:
            uri = self._context.address.entry(each.row.entry_id)
            if each.row.held is not None and each.row.held_hash is not None:
                view.discard(uri, each.row.held, each.row.held_hash)
            if each.version is not None and each.content_hash is not None:
                view.add(uri, each.version, each.content_hash)
        return view

    async def as_confirmed(
        self, tx: Transaction, partner: Partner, view: ViewDigest
    ) -> ViewDigest:
        """Return what receipts prove, and what our office has left with a partner."""
        left = await left_with(tx, partner.id)
        if not left:
            return view
        known = await rows.rows_named(tx, partner.id, [row.entry_id for row in left])
        return with_left(
            view,
            left,
            known,
            address=self._context.address,
            holds=lambda _, row: _proven(row),
        )

    # Inside

    async def _shown(self, tx: Transaction, partner: Partner) -> dict[str, _Granted]:
        viewer = PartnerViewer.of(partner)
        found = await tx.all(
            select(
                entries.c.id,
                entries.c.incarnation,
                entries.c.counter,
                entries.c.content_hash,
            ).where(
                visible_entries(viewer, self._context.clock.now().date()),
                entries.c.content_hash.is_not(None),
            )
        )
        return {
            row.id: _Granted(Version(row.incarnation, row.counter), row.content_hash)
            for row in found
        }

    async def _mend(
        self,
        tx: Transaction,
        partner: Partner,
        faulty: list[str],
        known: Mapping[str, Disclosure],
    ) -> None:
        now = self._context.clock.now()
        viewer = PartnerViewer.of(partner)
        for start in range(0, len(faulty), _AT_ONCE):
            chunk = faulty[start : start + _AT_ONCE]
            for entry in await entry_rows.list_entries(
                tx, self._context.address, where=entries.c.id.in_(chunk)
            ):
                verdict = decide_entry(entry, viewer, now.date())
                row = known.get(entry.id)
                if not verdict.visible and row is not None and row.told_at is None:
                    await rows.drop_row(tx, partner.id, entry.id)
                    continue
                await write_row(
                    tx,
                    partner_id=partner.id,
                    entry_id=entry.id,
                    op=UPSERT if verdict.visible else WITHDRAW,
                    version=entry.version,
                    form=verdict.form if verdict.visible else Form.HIDDEN,
                    reason=verdict.rule,
                    at=now,
                    known=row,
                )

    async def _mend_view(
        self,
        tx: Transaction,
        partner: Partner,
        shown: Mapping[str, _Granted],
        known: Mapping[str, Disclosure],
        view: ViewDigest,
    ) -> None:
        """Bring what receipts have proven in line with their rows, if it is not."""
        waiting = [row for row in known.values() if row.acknowledged_at is None]
        if waiting:
            return
        stored = await load_view(tx, partner.id, "out")
        if stored.to_bytes() == view.to_bytes():
            return
        logger.error("what %s was proven to hold is put together anew", partner.id)
        await rows.note_found(
            tx,
            partner.id,
            [
                (row.entry_id, entry.version, entry.content_hash, None)
                for row in known.values()
                if row.op == UPSERT
                and row.refused_reason is None
                and (entry := shown.get(row.entry_id)) is not None
                and (row.held, row.held_hash) != (entry.version, entry.content_hash)
            ],
        )
        await store_view(tx, partner.id, "out", view)


def _faulty(shown: Mapping[str, _Granted], known: Mapping[str, Disclosure]) -> set[str]:
    """Return the entries of which the ledger says something else than the rules."""
    faulty = {
        entry_id
        for entry_id, row in known.items()
        if row.op == UPSERT and entry_id not in shown
    }
    for entry_id, entry in shown.items():
        row = known.get(entry_id)
        if row is None:
            faulty.add(entry_id)
        elif row.op == UPSERT:
            if row.version != entry.version:
                faulty.add(entry_id)
        elif row.op == WITHDRAW and row.version < entry.version:
            # A withdrawal yields to a later version alone (FED-053).
            faulty.add(entry_id)
    return faulty


def _expected(
    shown: Mapping[str, _Granted], known: Mapping[str, Disclosure], entry_id: str
) -> _Held:
    row, entry = known.get(entry_id), shown.get(entry_id)
    if row is None or entry is None or row.op != UPSERT:
        return None
    return None if row.refused_reason else (entry.version, entry.content_hash)


def _proven(row: Disclosure | None) -> _Held:
    if row is None or row.held is None or row.held_hash is None:
        return None
    return row.held, row.held_hash


def with_left(
    view: ViewDigest,
    left: Collection[UnaccountedRow],
    known: Mapping[str, Disclosure],
    *,
    address: NodeAddress,
    holds: Callable[[str, Disclosure | None], _Held],
) -> ViewDigest:
    """Return a view with the copies that our office has left with a partner.

    Such a copy counts until we take the entry back, or tell a later version of it.

    Args:
        view: Without them; not changed.
        left: What the partner says it holds.
        known: Our rows of these entries.
        address: Our own address.
        holds: What `view` counts of an entry.
    """
    changed = ViewDigest.from_bytes(view.to_bytes())
    for each in left:
        row, claim = known.get(each.entry_id), each.held
        if claim.content_hash is None or not _still_counts(row, claim):
            continue
        uri = address.entry(each.entry_id)
        counted = holds(each.entry_id, row)
        if counted is not None:
            changed.discard(uri, *counted)
        changed.add(uri, claim.version, claim.content_hash)
    return changed


def _still_counts(row: Disclosure | None, claim: HeldVersion) -> bool:
    return row is None or (row.op == UPSERT and row.version <= claim.version)
