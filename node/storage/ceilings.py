"""Defaults and ceilings of audiences in the database (SPEC VIS-075)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select

from node.catalogue.model import AudienceLevel, Ceilings
from node.storage.database import Transaction
from node.storage.tables import kind_audiences, organisations


@dataclass(frozen=True, slots=True)
class KindAudience:
    """What the office sets for one kind of entry.

    Attributes:
        default: Proposed where nothing is said.
        ceiling: The widest audience.
    """

    kind: str
    default: AudienceLevel = AudienceLevel.CLUSTER
    ceiling: AudienceLevel = AudienceLevel.PUBLIC


async def kind_settings(tx: Transaction) -> Mapping[str, KindAudience]:
    """Load what is set, by kind; a kind that is not there has no limit."""
    return {
        row.kind: KindAudience(
            row.kind, AudienceLevel(row.default_level), AudienceLevel(row.ceiling)
        )
        for row in await tx.all(select(kind_audiences))
    }


async def store_kind_setting(
    tx: Transaction, setting: KindAudience, *, at: datetime, by: str | None
) -> None:
    """Write what is set for a kind."""
    await tx.execute(
        delete(kind_audiences).where(kind_audiences.c.kind == setting.kind)
    )
    await tx.execute(
        insert(kind_audiences).values(
            kind=setting.kind,
            default_level=setting.default.value,
            ceiling=setting.ceiling.value,
            changed_at=at,
            changed_by=by,
        )
    )


async def default_levels(tx: Transaction) -> Mapping[str, AudienceLevel]:
    """Load the default audience by kind."""
    return {kind: each.default for kind, each in (await kind_settings(tx)).items()}


async def ceilings_for(tx: Transaction, kind: str, organisation_id: str) -> Ceilings:
    """Load what limits an entry of a kind of an organisation."""
    of_kind = await tx.scalar(
        select(kind_audiences.c.ceiling).where(kind_audiences.c.kind == kind)
    )
    of_organisation = await tx.scalar(
        select(organisations.c.ceiling).where(organisations.c.id == organisation_id)
    )
    return Ceilings(
        None if of_kind is None else AudienceLevel(of_kind),
        None if of_organisation is None else AudienceLevel(of_organisation),
    )
