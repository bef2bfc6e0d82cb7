"""Digest buckets of a partner's view, in either direction."""

from typing import Literal

from sqlalchemy import delete, insert, select, update

from federation.exchange import ViewDigest
from node.storage.database import Transaction
from node.storage.tables import partner_views

Direction = Literal["in", "out"]


async def load_view(
    tx: Transaction, partner_id: str, direction: Direction
) -> ViewDigest:
    """Load the buckets; an unknown view is empty."""
    buckets = await tx.scalar(
        select(partner_views.c.buckets).where(
            partner_views.c.partner_id == partner_id,
            partner_views.c.direction == direction,
        )
    )
    return ViewDigest() if buckets is None else ViewDigest.from_bytes(bytes(buckets))


async def store_view(
    tx: Transaction, partner_id: str, direction: Direction, view: ViewDigest
) -> None:
    """Store the buckets."""
    result = await tx.execute(
        update(partner_views)
        .where(
            partner_views.c.partner_id == partner_id,
            partner_views.c.direction == direction,
        )
        .values(buckets=view.to_bytes())
    )
    if result.rowcount == 0:
        await tx.execute(
            insert(partner_views).values(
                partner_id=partner_id, direction=direction, buckets=view.to_bytes()
            )
        )


async def drop_views(tx: Transaction, partner_id: str) -> None:
    """Forget both views of a partner; both are empty afterwards."""
    await tx.execute(
        delete(partner_views).where(partner_views.c.partner_id == partner_id)
    )
