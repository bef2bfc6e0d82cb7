"""Ceilings and groups in a database that was put back: the narrower counts.

Source: SPEC.md NOD-071, VIS-006, VIS-070, VIS-075.
"""

from dataclasses import replace

from sqlalchemy import ColumnElement

from node.catalogue.catalogue import Catalogue
from node.catalogue.model import AudienceLevel, Ceilings, EntryState
from node.erasure.decisions import SettingDecision
from node.ports import NodeContext
from node.storage import entries as entry_rows
from node.storage.ceilings import KindAudience, kind_settings, store_kind_setting
from node.storage.database import Transaction
from node.storage.groups import find_group, update_group
from node.storage.members import load_organisation, update_organisation
from node.storage.tables import entries


async def limit_again(
    tx: Transaction,
    context: NodeContext,
    catalogue: Catalogue,
    decision: SettingDecision,
) -> None:
    """Let a ceiling be as low, and a group as small, as it was decided last.

    What was widened since the backup stays as it was in it, until somebody widens it
    anew.
    """
    subject, _, name = decision.name.partition(":")
    if subject == "group":
        group = await find_group(tx, name)
        if group is not None:
            both = group.organisation_ids & set(decision.members)
            await update_group(tx, replace(group, organisation_ids=both))
    elif decision.level is not None and subject == "kind":
        now = (await kind_settings(tx)).get(name, KindAudience(name))
        lower = Ceilings(kind=decision.level)
        setting = KindAudience(name, lower.under(now.default), lower.under(now.ceiling))
        if setting != now:
            await store_kind_setting(tx, setting, at=context.clock.now(), by=None)
            await _sign_as_limited(tx, context, catalogue, entries.c.kind == name)
    elif decision.level is not None:
        organisation = await load_organisation(tx, name)
        if organisation is None:
            return
        before = AudienceLevel(organisation.ceiling or AudienceLevel.PUBLIC)
        level = Ceilings(kind=decision.level).under(before)
        if level.value != organisation.ceiling:
            values = {"ceiling": level.value}
            await update_organisation(tx, name, values, now=context.clock.now())
            where = entries.c.organisation_id == name
            await _sign_as_limited(tx, context, catalogue, where)


async def _sign_as_limited(
    tx: Transaction,
    context: NodeContext,
    catalogue: Catalogue,
    where: ColumnElement[bool],
) -> None:
    """Let no document call public what is not; the ledger follows by itself."""
    public = entries.c.audience_level == AudienceLevel.PUBLIC.value
    for entry in await entry_rows.list_entries(
        tx, context.address, where=where & public & entry_rows.published()
    ):
        if entry.open_level is AudienceLevel.PUBLIC:
            continue
        if context.keys.fault is None:
            await catalogue.renew_in(tx, entry, above=entry.version)
        else:  # nothing can be signed without the secret
            await catalogue.close_in(tx, entry, EntryState.WITHDRAWN)
