"""Who would see an entry if it were published now; nothing is stored."""

from dataclasses import replace

from federation.ids import random_id
from node.catalogue.audience_preview import AudiencePreview, KnownNames, readers_of
from node.catalogue.audiences import choose_audience, known_names, read_with_defaults
from node.catalogue.model import Entry, EntryState
from node.catalogue.new_entries import new_entry
from node.catalogue.owners import resolve_owner
from node.chiffre.publishing import require_hidden
from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_state import require_node_state
from node.storage.partners import list_partners


async def foresee_readers(
    tx: Transaction,
    context: NodeContext,
    actor: Person,
    document: object,
    before: Entry | None,
) -> list[AudiencePreview]:
    """Read a publication and ask the rules for every reader.

    Args:
        tx: The caller's transaction.
        context: The node.
        actor: Who publishes.
        document: What is to be published.
        before: The entry that it replaces.
    """
    now = context.clock.now()
    publication = await read_with_defaults(tx, document, today=now.date())
    partners = await list_partners(tx)
    owner = await resolve_owner(tx, actor, publication)
    chosen = await choose_audience(
        tx,
        publication,
        organisation_id=owner.organisation.id,
        before=before,
        random=context.random,
    )
    excluded = chosen.exclusions.organisations
    entry_id = random_id(context.random)
    entry = new_entry(
        publication,
        chosen,
        owner,
        entry_id=entry_id,
        uri=context.address.entry(entry_id),
        at=now,
    )
    if publication.is_chiffre and not publication.anyway:
        await require_hidden(tx, entry, owner, author=actor, before=before)
    return readers_of(
        replace(entry, state=EntryState.PUBLISHED, is_chiffre=publication.is_chiffre),
        actor,
        partners,
        cluster=(context.config.name, (await require_node_state(tx)).card),
        today=now.date(),
        excluded=excluded,
        names=await known_names(tx, partners) if excluded else KnownNames(),
    )
