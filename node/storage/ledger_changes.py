"""New lines of the ledger, and lines that say something else from now on.

Positions are taken as everywhere (`node.storage.ledger`), and for many at once.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, update

from federation.version import Version
from node.storage.database import Transaction
from node.storage.tables import disclosures, partners

_ROWS_AT_ONCE = 100  # others have their turn in between
_INSERT = insert(disclosures)
_MOVE = update(disclosures).where(
    disclosures.c.partner_id == bindparam("of_partner"),
    disclosures.c.entry_id == bindparam("of_entry"),
)
_RAISE = (
    update(partners)
    .where(partners.c.id.in_(bindparam("raised", expanding=True)))
    .values(head_seq=partners.c.head_seq + bindparam("by"))
    .returning(partners.c.id, partners.c.head_seq)
)


@dataclass(frozen=True, slots=True)
class Change:
    """What the line of (partner, entry) has to say from now on.

    Attributes:
        op: `upsert`, `withdraw` or `delete`.
        is_new: Whether there is no such line yet.
    """

    partner_id: str
    entry_id: str
    op: str
    version: Version
    form: str
    reason: str
    is_new: bool


async def write_rows(
    tx: Transaction, changes: Sequence[Change], *, at: datetime
) -> None:
    """Write lines, or move them to the heads of their partners.

    In portions: one change may concern a thousand partners, one partner ten thousand
    entries.

    Args:
        tx: The caller's transaction, with the partners' rows locked.
        changes: Each pair of partner and entry once.
        at: The time.
    """
    for start in range(0, len(changes), _ROWS_AT_ONCE):
        some = changes[start : start + _ROWS_AT_ONCE]
        seqs = await _positions(tx, [each.partner_id for each in some])
        written = [
            (each.is_new, _values(each, seq, at))
            for each, seq in zip(some, seqs, strict=True)
        ]
        new = [{**values, "told_public": False} for is_new, values in written if is_new]
        moved = [
            {"of_partner": values.pop("partner_id"), "of_entry": values.pop("entry_id")}
            | values
            for is_new, values in written
            if not is_new
        ]
        if new:
            await tx.execute(_INSERT, new)
        if moved:
            await tx.execute(_MOVE, moved)


async def write_row(  # noqa: PLR0913 - the row
    tx: Transaction,
    *,
    partner_id: str,
    entry_id: str,
    op: str,
    version: Version,
    form: str,
    reason: str,
    at: datetime,
    known: object | None,
) -> None:
    """Write or move one line; `known` is the one that there is, if any."""
    change = Change(
        partner_id=partner_id,
        entry_id=entry_id,
        op=op,
        version=version,
        form=form,
        reason=reason,
        is_new=known is None,
    )
    await write_rows(tx, [change], at=at)


def _values(change: Change, seq: int, at: datetime) -> dict[str, Any]:
    return {
        "partner_id": change.partner_id,
        "entry_id": change.entry_id,
        "seq": seq,
        "op": change.op,
        "incarnation": change.version.incarnation,
        "counter": change.version.counter,
        "form": change.form,
        "reason": change.reason,
        "recorded_at": at,
        "acknowledged_at": None,
        "refused_reason": None,
        # The receipt was for what this position said before.
        "receipt_id": None,
    }


async def _positions(tx: Transaction, partner_ids: Sequence[str]) -> list[int]:
    """Raise the heads of partners; return a new position for each id, in order."""
    by_number: dict[int, list[str]] = {}
    for partner_id, number in Counter(partner_ids).items():
        by_number.setdefault(number, []).append(partner_id)
    following: dict[str, int] = {}
    for number, those in by_number.items():
        rows = await tx.all(_RAISE, {"raised": those, "by": number})
        following |= {row.id: row.head_seq - number for row in rows}
    seqs = []
    for partner_id in partner_ids:
        following[partner_id] += 1
        seqs.append(following[partner_id])
    return seqs
