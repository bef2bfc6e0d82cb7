"""Digest buckets of a partner's view, in either direction."""

from typing import Literal

from sqlalchemy import and_, bindparam, delete, insert, select, update

from federation.exchange import ViewDigest
from node.storage.database import Transaction
from node.storage.tables import partner_views

Direction = Literal["in", "out"]

_OF_VIEW = and_(
    partner_views.c.partner_id == bindparam("of_partner"),
    partner_views.c.direction == bindparam("in_direction"),
)
_BUCKETS = select(partner_views.c.buckets).where(_OF_VIEW)
_REPLACE = update(partner_views).where(_OF_VIEW)


async def load_view(
    tx: Transaction, partner_id: str, direction: Direction
) -> ViewDigest:
    """Load the buckets; an unknown view is empty."""
    buckets = await tx.scalar(
        _BUCKETS, {"of_partner": partner_id, "in_direction": direction}
    )
    return ViewDigest() if buckets is None else ViewDigest.from_bytes(bytes(buckets))


async def store_view(
    tx: Transaction, partner_id: str, direction: Direction, view: ViewDigest
) -> None:
    """Store the buckets."""
    result = await tx.execute(
        _REPLACE,
        {
            "of_partner": partner_id,
            "in_direction": direction,
            "buckets": view.to_bytes(),
        },
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
