"""Publish under Chiffre: take the owner out of the entry, and look for give-aways.

Source: SPEC.md CHI-001 to CHI-007, ADR 0017.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from sqlalchemy import select

from node.catalogue.model import Entry, EntryState, HiddenOwner
from node.catalogue.owners import Owner
from node.chiffre.coarse import visible_from
from node.chiffre.facts import look_around
from node.chiffre.fitting import FITTING_MIN, count_fitting, traits_of
from node.chiffre.form import coarse_content
from node.chiffre.giveaways import (
    Giveaway,
    GiveawayKind,
    OwnerFacts,
    find_giveaways,
)
from node.errors import InputFault, InvalidInputError
from node.members.model import Person
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.tables import organisations

GIVES_AWAY: Final = "gives-owner-away"
_GIVEAWAY_SENTENCES: Final[Mapping[GiveawayKind, str]] = {
    GiveawayKind.NAME: "“{text}” names the owner.",
    GiveawayKind.PRODUCT: "“{text}” is a product or a machine of the owner.",
    GiveawayKind.ADDRESS: "“{text}” is an address.",
    GiveawayKind.TELEPHONE: "“{text}” is a telephone number.",
    GiveawayKind.MODEL: "“{text}” names a make or model, which may be known.",
    GiveawayKind.TOWN: "“{text}” names a town.",
}


async def under_chiffre(
    tx: Transaction,
    context: NodeContext,
    entry: Entry,
    owner: Owner,
    *,
    before: Entry | None,
    author: Person,
    anyway: bool,
) -> Entry:
    """Return an entry that names the office, with its owner beside it.

    Args:
        tx: The caller's transaction.
        context: The node.
        entry: As it would be published in the open.
        owner: Whose it is.
        before: The version that it replaces.
        author: Who publishes it.
        anyway: Whether the author has seen what gives it away.

    Raises:
        InvalidInputError: Something gives the owner away, and the author has not
            said that it is to be published all the same.
    """
    if entry.state is EntryState.PUBLISHED and not anyway:
        await require_hidden(tx, entry, owner, author=author, before=before)
    office = await tx.one_or_none(
        select(organisations.c.id, organisations.c.name).where(
            organisations.c.is_office
        )
    )
    if office is None:
        msg = "a node without an office"
        raise AssertionError(msg)
    content = coarse_content(entry.content)
    last = content.get("valid_until")
    known = None if before is None else before.hidden_owner
    hidden = replace(
        entry,
        organisation_id=office.id,
        organisation_name=office.name,
        person_id=None,
        person_name=None,
        person_consented=False,
        author_id=None,
        content=content,
        valid_until=None if last is None else date.fromisoformat(last),
        is_chiffre=True,
        # Whoever edits it, also the office, does not become its owner.
        hidden_owner=known
        or HiddenOwner(
            owner.organisation.id,
            None if owner.person is None else owner.person.id,
            author.id,
        ),
    )
    return replace(hidden, waits_until=_hour_of(context, hidden, before))


def _hour_of(
    context: NodeContext, entry: Entry, before: Entry | None
) -> datetime | None:
    """Draw the hour for which a new entry waits (SPEC CHI-005).

    A new version waits for nothing: it shows only its day, and to make it invisible
    until then would take back what partners hold.
    """
    if entry.state is not EntryState.PUBLISHED:
        return None
    if (
        before is not None
        and before.is_chiffre
        and before.state is EntryState.PUBLISHED
    ):
        return before.waits_until
    hours = context.config.chiffre.delay_hours
    now = context.clock.now()
    return visible_from(now, hours=hours, random=context.random) if hours else None


async def require_hidden(
    tx: Transaction,
    entry: Entry,
    owner: Owner,
    *,
    author: Person,
    before: Entry | None,
) -> None:
    """Require that nothing that is known here gives the owner away.

    Whoever edits somebody else's box number is told only what its form shows: by
    what counts as the owner's name the office would learn it without a reason.

    Args:
        tx: Reads only.
        entry: As it would be published.
        owner: Whose it is.
        author: Who publishes it.
        before: The version that it replaces; one in the open counts against it.

    Raises:
        InvalidInputError: Each place, and how many organisations it fits.
    """
    entry_id = entry.id if before is None else before.id
    around = await look_around(tx, owner.organisation.id, entry_id=entry_id)
    foreign = (
        before is not None
        and before.is_chiffre
        and author.organisation_id != owner.organisation.id
    )
    facts = OwnerFacts(towns=around.facts.towns) if foreign else around.facts
    found = find_giveaways(entry.content, facts)
    fitting = count_fitting(traits_of(entry.content), around.organisations)
    faults = [_fault(each) for each in found]
    if before is not None and not before.is_chiffre and before.published_at is not None:
        faults.append(
            InputFault(
                "",
                Sentence(
                    "This was published under its owner's name: whoever has read it "
                    "recognises it."
                ),
            )
        )
    if fitting < FITTING_MIN:
        faults.append(InputFault("", fits_sentence(fitting)))
    if faults:
        raise InvalidInputError(
            "Under this box number the owner may be recognised; nothing was stored.",
            faults=faults,
            code=GIVES_AWAY,
            path="/publish_anyway",
            hint="Make it coarser, or publish it anyway.",
        )


def fits_sentence(fitting: int) -> Sentence:
    """Say how many organisations an entry fits, and what that does not say."""
    if fitting <= 1:
        return Sentence(
            "In this node's data only one organisation fits: it would be recognised."
        )
    return Sentence(
        "In this node's data {number} organisations fit; others may recognise you.",
        number=fitting,
    )


def _fault(each: Giveaway) -> InputFault:
    return InputFault(
        each.path, Sentence(_GIVEAWAY_SENTENCES[each.kind], text=each.text)
    )
