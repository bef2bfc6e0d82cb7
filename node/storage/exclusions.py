"""What entries exclude, and where it was found (SPEC VIS-071 to VIS-074).

What is found is written down: it stays until the author changes the list, so that
nobody opens an entry by taking a profile back or by importing fewer columns.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Table, delete, exists, func, insert, select, update

from federation.ids import random_id
from federation.ports import RandomSource
from node.catalogue.exclusions import ExcludedOrganisation, Exclusions, Findings
from node.catalogue.model import Kept
from node.members.model import Organisation
from node.storage.database import Transaction
from node.storage.tables import (
    entries,
    entry_excluded_identifiers,
    entry_excluded_organisations,
    entry_excluded_partners,
    entry_hosting_partners,
    entry_kept_organisations,
    organisation_identifiers,
    organisations,
    partner_member_identifiers,
    partner_members,
)

_AT_ONCE = 500  # ids in one query


# -- the list of an entry -----------------------------------------------------------


async def load_exclusions(tx: Transaction, entry_id: str) -> Exclusions:
    """Load the list of an entry as its author wrote it."""
    named = entry_excluded_partners
    partners = await tx.all(
        select(named.c.partner_id).where(named.c.entry_id == entry_id)
    )
    listed = entry_excluded_organisations
    organisations = await tx.all(
        select(listed).where(listed.c.entry_id == entry_id).order_by(listed.c.number)
    )
    return Exclusions(
        frozenset(row.partner_id for row in partners),
        tuple(
            ExcludedOrganisation(
                name=row.name,
                vat_id=row.vat_id,
                register_id=row.register_id,
                domains=tuple(row.domains),
                send_anyway=row.send_anyway,
            )
            for row in organisations
        ),
    )


async def load_findings(tx: Transaction, entry_id: str) -> Findings:
    """Load where the organisations of an entry's list were found."""
    hosting, own = entry_hosting_partners, entry_kept_organisations
    return Findings(
        frozenset(
            (row.number, row.partner_id)
            for row in await tx.all(
                select(hosting).where(hosting.c.entry_id == entry_id)
            )
        ),
        frozenset(
            (row.number, row.organisation_id)
            for row in await tx.all(select(own).where(own.c.entry_id == entry_id))
        ),
    )


async def replace_exclusions(
    tx: Transaction, entry_id: str, exclusions: Exclusions, findings: Findings
) -> None:
    """Write the list of an entry anew, with where it was found."""
    for table in (
        entry_hosting_partners,
        entry_kept_organisations,
        entry_excluded_identifiers,
        entry_excluded_organisations,
        entry_excluded_partners,
    ):
        await tx.execute(delete(table).where(table.c.entry_id == entry_id))
    for partner_id in sorted(exclusions.partner_ids):
        await _add(tx, entry_excluded_partners, entry_id, partner_id=partner_id)
    for number, each in enumerate(exclusions.organisations):
        await _add(
            tx,
            entry_excluded_organisations,
            entry_id,
            number=number,
            name=each.name,
            vat_id=each.vat_id,
            register_id=each.register_id,
            domains=list(each.domains),
            send_anyway=each.send_anyway,
        )
        for identifier in sorted(each.identifiers):
            await _add(
                tx,
                entry_excluded_identifiers,
                entry_id,
                number=number,
                identifier=identifier,
            )
    for number, partner_id in sorted(findings.hosting):
        await _add(
            tx, entry_hosting_partners, entry_id, number=number, partner_id=partner_id
        )
    for number, organisation_id in sorted(findings.own):
        await _add(
            tx,
            entry_kept_organisations,
            entry_id,
            number=number,
            organisation_id=organisation_id,
        )


async def forget_exclusions(tx: Transaction, entry_id: str) -> None:
    """Remove the list of an entry that is deleted, names and all."""
    await replace_exclusions(tx, entry_id, Exclusions(), Findings())


async def _add(tx: Transaction, table: Table, entry_id: str, **values: Any) -> None:
    await tx.execute(insert(table).values(entry_id=entry_id, **values))


async def find_members(tx: Transaction, exclusions: Exclusions) -> Findings:
    """Say where the organisations of a list are members, as far as it is known."""
    hosting: set[tuple[int, str]] = set()
    own: set[tuple[int, str]] = set()
    members, theirs, ours = (
        partner_members,
        partner_member_identifiers,
        organisation_identifiers,
    )
    for number, each in enumerate(exclusions.organisations):
        # In our own list a name means one member.
        named = await tx.all(
            select(organisations.c.id).where(
                func.lower(organisations.c.name) == each.name.lower()
            )
        )
        own |= {(number, row.id) for row in named}
        wanted = sorted(each.identifiers)
        if not wanted:
            continue
        if not each.send_anyway:
            rows = await tx.all(
                select(members.c.partner_id)
                .join(theirs, theirs.c.member_id == members.c.id)
                .where(theirs.c.identifier.in_(wanted))
            )
            hosting |= {(number, row.partner_id) for row in rows}
        rows = await tx.all(
            select(ours.c.organisation_id).where(ours.c.identifier.in_(wanted))
        )
        own |= {(number, row.organisation_id) for row in rows}
    return Findings(frozenset(hosting), frozenset(own))


async def kept_of(tx: Transaction, entry_ids: Sequence[str]) -> Mapping[str, Kept]:
    """Say whom entries are kept from; only those that exclude something are asked."""
    found: dict[str, tuple[set[str], set[str], set[str]]] = {
        entry_id: (set(), set(), set()) for entry_id in entry_ids
    }
    for start in range(0, len(entry_ids), _AT_ONCE):
        chunk = entry_ids[start : start + _AT_ONCE]
        for place, (table, column) in enumerate(
            (
                (entry_excluded_partners, entry_excluded_partners.c.partner_id),
                (entry_hosting_partners, entry_hosting_partners.c.partner_id),
                (entry_kept_organisations, entry_kept_organisations.c.organisation_id),
            )
        ):
            for row in await tx.all(
                select(table.c.entry_id, column.label("kept")).where(
                    table.c.entry_id.in_(chunk)
                )
            ):
                found[row.entry_id][place].add(row.kept)
    return {
        entry_id: Kept(frozenset(partners), frozenset(hosting), frozenset(own))
        for entry_id, (partners, hosting, own) in found.items()
    }


# -- what comes to be known later ---------------------------------------------------


async def note_organisation(tx: Transaction, organisation: Organisation) -> None:
    """Write down what an own member is known by; it reads no more what excludes it."""
    ours, wanted = organisation_identifiers, entry_excluded_identifiers
    await tx.execute(delete(ours).where(ours.c.organisation_id == organisation.id))
    for identifier in sorted(organisation.known.identifiers):
        await tx.execute(
            insert(ours).values(organisation_id=organisation.id, identifier=identifier)
        )
    own = entry_kept_organisations
    rows = await tx.all(
        select(wanted.c.entry_id, wanted.c.number)
        .where(
            wanted.c.identifier.in_(sorted(organisation.known.identifiers)),
            ~exists(
                select(own.c.entry_id).where(
                    own.c.entry_id == wanted.c.entry_id,
                    own.c.number == wanted.c.number,
                    own.c.organisation_id == organisation.id,
                )
            ),
        )
        .distinct()
    )
    for row in rows:
        await _add(
            tx,
            own,
            row.entry_id,
            number=row.number,
            organisation_id=organisation.id,
        )


async def note_hosting(
    tx: Transaction,
    partner_id: str,
    identifiers: Collection[str],
    random: RandomSource,
) -> list[str]:
    """Write down that a partner has members that entries of ours exclude.

    Returns:
        Ids of the entries that are kept from it from now on, in order.
    """
    if not identifiers:
        return []
    wanted, listed, hosting = (
        entry_excluded_identifiers,
        entry_excluded_organisations,
        entry_hosting_partners,
    )
    rows = await tx.all(
        select(wanted.c.entry_id, wanted.c.number)
        .join(
            listed,
            (listed.c.entry_id == wanted.c.entry_id)
            & (listed.c.number == wanted.c.number),
        )
        .where(
            wanted.c.identifier.in_(sorted(identifiers)),
            listed.c.send_anyway.is_(False),
            ~exists(
                select(hosting.c.entry_id).where(
                    hosting.c.entry_id == wanted.c.entry_id,
                    hosting.c.number == wanted.c.number,
                    hosting.c.partner_id == partner_id,
                )
            ),
        )
        .distinct()
    )
    for row in rows:
        await _add(tx, hosting, row.entry_id, number=row.number, partner_id=partner_id)
    found = sorted({row.entry_id for row in rows})
    for entry_id in found:
        await tx.execute(
            update(entries)
            .where(entries.c.id == entry_id)
            .values(exclusions_id=random_id(random))
        )
    return found
