"""The keys of partners in the database, with those that count no more.

A key is never overwritten and never forgotten while its partner is known: a
receipt of years ago is explained by the key that signed it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from node.erasure.decisions import of_partner_keys
from node.partners.model import KeyOrigin, PartnerKey
from node.storage.database import Transaction
from node.storage.prepared import Prepared, Record
from node.storage.tables import partner_keys, persons

_ROWS_OF_PARTNERS_MAX = 500  # bound variables of one statement

_OF_ONE = Prepared(
    select(partner_keys)
    .where(
        partner_keys.c.partner_id == bindparam("of_partner"),
        partner_keys.c.replaced_at.is_(None),
    )
    .order_by(partner_keys.c.position)
)


def _key(row: Record, *, person_name: str | None = None) -> PartnerKey:
    return PartnerKey(
        id=row.id,
        key_id=row.key_id,
        multibase=row.multibase,
        origin=KeyOrigin(row.origin),
        pinned_at=row.pinned_at,
        person_id=row.person_id,
        person_name=person_name,
        expires=row.expires,
        revoked=row.revoked,
        replaced_at=row.replaced_at,
    )


async def keys_in_force(
    tx: Transaction, partner_ids: Sequence[str]
) -> dict[str, tuple[PartnerKey, ...]]:
    """Load the keys that count for some partners, the one that signs now first."""
    if len(partner_ids) == 1:
        (only,) = partner_ids
        rows = await tx.records(_OF_ONE, {"of_partner": only})
        return {only: tuple([_key(row) for row in rows])}
    found: dict[str, list[PartnerKey]] = {each: [] for each in partner_ids}
    for start in range(0, len(partner_ids), _ROWS_OF_PARTNERS_MAX):
        some = partner_ids[start : start + _ROWS_OF_PARTNERS_MAX]
        rows = await tx.all(
            select(partner_keys)
            .where(
                partner_keys.c.partner_id.in_(some),
                partner_keys.c.replaced_at.is_(None),
            )
            .order_by(partner_keys.c.partner_id, partner_keys.c.position)
        )
        for row in rows:
            found[row.partner_id].append(_key(row))
    return {partner_id: tuple(keys) for partner_id, keys in found.items()}


async def list_keys(tx: Transaction, partner_id: str) -> list[PartnerKey]:
    """Load every key that a partner ever had, the newest first."""
    rows = await tx.all(
        select(partner_keys, persons.c.name.label("person_name"))
        .outerjoin(persons, persons.c.id == partner_keys.c.person_id)
        .where(partner_keys.c.partner_id == partner_id)
        .order_by(
            partner_keys.c.replaced_at.is_not(None),
            partner_keys.c.pinned_at.desc(),
            partner_keys.c.position,
        )
    )
    return [_key(row, person_name=row.person_name) for row in rows]


async def store_keys(
    tx: Transaction, partner_id: str, keys: Sequence[PartnerKey], *, at: datetime
) -> None:
    """Make exactly these keys count for a partner; others are kept as replaced.

    Args:
        tx: The transaction; the partner's row is locked in it.
        partner_id: The partner.
        keys: The one that signs now first. Rows are known by their id.
        at: When the others were replaced.
    """
    columns = partner_keys.c
    known = {
        row.id
        for row in await tx.all(
            select(columns.id).where(columns.partner_id == partner_id)
        )
    }
    # First, so that a key id is free for the key that has it from now on.
    await tx.execute(
        update(partner_keys)
        .where(
            columns.partner_id == partner_id,
            columns.replaced_at.is_(None),
            columns.id.not_in([key.id for key in keys]),
        )
        .values(replaced_at=at)
    )
    for decision in of_partner_keys((key.multibase, key.revoked) for key in keys):
        tx.decide(decision)
    for position, key in enumerate(keys):
        values = {"position": position, **_changing(key)}
        if key.id in known:
            await tx.execute(
                update(partner_keys).where(columns.id == key.id).values(**values)
            )
            continue
        await tx.execute(
            insert(partner_keys).values(
                id=key.id,
                partner_id=partner_id,
                key_id=key.key_id,
                multibase=key.multibase,
                origin=key.origin.value,
                person_id=key.person_id,
                pinned_at=key.pinned_at,
                **values,
            )
        )


async def revoked_keys(tx: Transaction) -> list[tuple[str, datetime]]:
    """Return every key of any partner that was revoked (Multikey), and from when on."""
    columns = partner_keys.c
    rows = await tx.all(
        select(columns.multibase, columns.revoked).where(columns.revoked.is_not(None))
    )
    return [(row.multibase, row.revoked) for row in rows]


async def restore_keys(
    tx: Transaction, partner_id: str, keys: Sequence[PartnerKey]
) -> None:
    """Undo `store_keys`: what came since never counted and is removed."""
    columns = partner_keys.c
    await tx.execute(
        partner_keys.delete().where(
            columns.partner_id == partner_id,
            columns.replaced_at.is_(None),
            columns.id.not_in([key.id for key in keys]),
        )
    )
    for position, key in enumerate(keys):
        await tx.execute(
            update(partner_keys)
            .where(columns.id == key.id)
            .values(position=position, **_changing(key))
        )


def _changing(key: PartnerKey) -> dict[str, Any]:
    return {"expires": key.expires, "revoked": key.revoked, "replaced_at": None}
