"""A number for every transaction that decides what a restore must not undo.

It rises in the transaction itself, and the erasure journal says which one it has
reached. A database whose number is lower than the journal's was put back.

Source: SPEC.md NOD-066, NOD-069.
"""

from typing import Final

from sqlalchemy import bindparam, insert, select, update

from node.erasure.decisions import Reached
from node.storage.prepared import Prepared
from node.storage.tables import decision_numbers
from node.storage.transaction import Transaction

_ONLY_ROW: Final = 1
_number: Final = decision_numbers.c.number
_NEXT: Final = Prepared(update(decision_numbers).values(number=_number + 1))
_NOW: Final = Prepared(select(_number))
_RAISE: Final = Prepared(
    update(decision_numbers)
    .where(_number < bindparam("at_least"))
    .values(number=bindparam("at_least"))
)


async def number_decisions(tx: Transaction) -> None:
    """Number what the transaction has decided, if anything; the last it does.

    On PostgreSQL the number is locked until the commit, which is why nothing may
    follow that waits for somebody.
    """
    if not tx.decisions:
        return
    if await tx.change(_NEXT, {}) == 0:
        await tx.execute(insert(decision_numbers).values(id=_ONLY_ROW, number=1))
    tx.decide(Reached(number=await decisions_made(tx)))


async def decisions_made(tx: Transaction) -> int:
    """Return the number that the database has reached; 0 before the first."""
    row = await tx.record(_NOW, {})
    return 0 if row is None else int(row.number)


async def raise_decisions(tx: Transaction, number: int) -> None:
    """Let the database be no further behind than `number`."""
    if await tx.record(_NOW, {}) is None:
        await tx.execute(insert(decision_numbers).values(id=_ONLY_ROW, number=0))
    await tx.change(_RAISE, {"at_least": number})
