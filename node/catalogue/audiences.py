"""Whom an entry is for and whom it excludes: names into what this node knows."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date

from federation.ids import random_id
from federation.ports import RandomSource
from federation.trust import ESTABLISHED
from node.catalogue.audience_preview import KnownNames
from node.catalogue.exclusions import Exclusions, Findings
from node.catalogue.model import (
    Audience,
    AudienceLevel,
    Ceilings,
    Entry,
    Kept,
    is_above,
)
from node.catalogue.publication import Publication, read_publication
from node.errors import InputFault, InvalidInputError
from node.partners.model import Partner
from node.sentence import Sentence
from node.storage.ceilings import ceilings_for, default_levels
from node.storage.database import Transaction
from node.storage.exclusions import (
    find_members,
    load_exclusions,
    load_findings,
    replace_exclusions,
)
from node.storage.groups import find_group
from node.storage.members import list_organisations
from node.storage.partner_members import names_by_partner
from node.storage.partners import list_partners
from node.visibility.fields import staying_by_default


@dataclass(frozen=True, slots=True)
class Chosen:
    """Everything around the content of an entry that a rule asks about.

    Attributes:
        exclusions_id: Of the list; None if it is empty.
    """

    audience: Audience
    exclusions: Exclusions
    findings: Findings
    exclusions_id: str | None
    ceilings: Ceilings
    group_organisation_ids: frozenset[str]
    home_fields: frozenset[str]

    @property
    def kept(self) -> Kept:
        """Whom the entry is kept from."""
        return Kept(
            self.exclusions.partner_ids,
            frozenset(partner_id for _, partner_id in self.findings.hosting),
            frozenset(own for _, own in self.findings.own),
        )

    def on(self, entry: Entry) -> Entry:
        """Return an entry with this around it."""
        return replace(
            entry,
            audience=self.audience,
            exclusions_id=self.exclusions_id,
            kept=self.kept,
            ceilings=self.ceilings,
            group_organisation_ids=self.group_organisation_ids,
            home_fields=self.home_fields,
        )


async def read_with_defaults(
    tx: Transaction, document: object, *, today: date
) -> Publication:
    """Read a publication; where it says nothing, the office's default counts."""
    defaults = await default_levels(tx)
    return read_publication(document, today=today, defaults=defaults)


async def choose_audience(
    tx: Transaction,
    publication: Publication,
    *,
    organisation_id: str,
    before: Entry | None,
    random: RandomSource,
) -> Chosen:
    """Find whom a publication names, and what limits it.

    Args:
        tx: The caller's transaction.
        publication: What is to be published.
        organisation_id: Of the owner.
        before: The entry that it replaces. What it excludes and the publication does
            not speak of stays excluded.
        random: For the id of the list of exclusions.

    Raises:
        InvalidInputError: A partner or a group that this node does not have, or an
            audience above the ceiling of the office or of the organisation.
    """
    names_some = (
        publication.level is AudienceLevel.PARTNERS
        or publication.excluded_partners is not None
    )
    # A thousand of them are not read for an entry that names none.
    partners = await list_partners(tx) if names_some else []
    audience, members = named_audience(publication, partners), frozenset[str]()
    if publication.level is AudienceLevel.GROUP:
        audience, members = await _group(tx, publication.group or "")
    ceilings = await ceilings_for(tx, publication.kind, organisation_id)
    if before is None or before.audience.level is not audience.level:
        _require_below(audience.level, ceilings)
    exclusions, findings = await _exclusions(tx, publication, partners, before)
    same = before is not None and (exclusions, findings) == await _listed(tx, before)
    return Chosen(
        audience,
        exclusions,
        findings,
        _list_id(exclusions, before if same else None, random),
        ceilings,
        members,
        _home_fields(publication, before),
    )


def _list_id(
    exclusions: Exclusions, same: Entry | None, random: RandomSource
) -> str | None:
    """Name a list; one that has not changed keeps its name."""
    if not exclusions:
        return None
    return random_id(random) if same is None else same.exclusions_id


async def _listed(tx: Transaction, before: Entry) -> tuple[Exclusions, Findings]:
    if before.exclusions_id is None:
        return Exclusions(), Findings()
    return await load_exclusions(tx, before.id), await load_findings(tx, before.id)


def _home_fields(publication: Publication, before: Entry | None) -> frozenset[str]:
    if publication.home is not None:
        return publication.home
    if before is not None:
        return before.home_fields
    return staying_by_default(publication.kind)


async def store_audience(tx: Transaction, entry: Entry, chosen: Chosen) -> None:
    """Write what an entry excludes; its level and its names are written with it."""
    if chosen.exclusions or entry.exclusions_id is not None:
        await replace_exclusions(tx, entry.id, chosen.exclusions, chosen.findings)


async def known_names(tx: Transaction, partners: Sequence[Partner]) -> KnownNames:
    """Load the names of own members, and of partners' members that are known."""
    return KnownNames(
        {each.id: each.name for each in await list_organisations(tx)},
        await names_by_partner(tx, [each.id for each in partners]),
    )


def named_audience(publication: Publication, partners: Sequence[Partner]) -> Audience:
    """Find the named partners; a name that is none is a fault, never ignored."""
    if publication.level is not AudienceLevel.PARTNERS:
        return Audience(publication.level)
    ids, faults = _named(
        publication.partners, partners, path="/audience/partners", states=ESTABLISHED
    )
    if not faults and not ids:
        fault = InputFault("/audience/partners", "Name at least one partner cluster.")
        faults.append(fault)
    _require_known(faults)
    return Audience(AudienceLevel.PARTNERS, frozenset(ids))


def _named(
    names: Sequence[str],
    partners: Sequence[Partner],
    *,
    path: str,
    states: Collection[object],
) -> tuple[set[str], list[InputFault]]:
    known = [each for each in partners if each.state in states]
    ids: set[str] = set()
    faults: list[InputFault] = []
    for index, named in enumerate(names):
        wanted = named.rstrip("/")
        found = [
            each.id
            for each in known
            if wanted in {each.base_url, each.base_url.partition("://")[2], each.name}
        ]
        if len(found) == 1:
            ids.add(found[0])
        else:
            message = Sentence(
                "{name} is not a partner cluster of this node.", name=named
            )
            faults.append(InputFault(f"{path}/{index}", message))
    return ids, faults


def _require_known(faults: Sequence[InputFault]) -> None:
    if faults:
        raise InvalidInputError(
            "The entry names partners that this node does not have.",
            faults=list(faults),
            code="unknown-partner",
            hint="See the list of partner clusters for their addresses.",
        )


async def _group(tx: Transaction, reference: str) -> tuple[Audience, frozenset[str]]:
    group = await find_group(tx, reference)
    if group is None:
        fault = InputFault(
            "/audience/group",
            Sentence("There is no group {name}.", name=reference),
        )
        raise InvalidInputError(
            "The entry is for a group that does not exist.",
            faults=[fault],
            code="unknown-group",
            hint="The office makes the groups; see the list of groups.",
        )
    return Audience(AudienceLevel.GROUP, group_id=group.id), group.organisation_ids


def _require_below(level: AudienceLevel, ceilings: Ceilings) -> None:
    limits = (ceilings.kind, ceilings.organisation)
    for ceiling, sentence in zip(limits, _CEILING_SENTENCES, strict=True):
        if ceiling is not None and is_above(level, ceiling):
            message = Sentence(sentence, level=LEVEL_SENTENCES[ceiling])
            raise InvalidInputError(
                message,
                faults=[InputFault("/audience/level", message)],
                code="above-ceiling",
                hint="Choose a narrower audience.",
            )


_CEILING_SENTENCES = (
    "The office permits this kind of entry at most for: {level}.",
    "Your organisation permits at most: {level}.",
)
LEVEL_SENTENCES = {
    AudienceLevel.GROUP: Sentence("the own cluster"),
    AudienceLevel.CLUSTER: Sentence("the own cluster"),
    AudienceLevel.PARTNERS: Sentence("named partner clusters"),
    AudienceLevel.TRUSTED: Sentence("all partner clusters"),
    AudienceLevel.PUBLIC: Sentence("everybody, also without signing in"),
}


async def _exclusions(
    tx: Transaction,
    publication: Publication,
    partners: Sequence[Partner],
    before: Entry | None,
) -> tuple[Exclusions, Findings]:
    had, found = Exclusions(), Findings()
    if before is not None:
        had, found = await _listed(tx, before)
    if publication.excluded_partners is None:
        wanted = had
    else:
        ids, faults = _named(
            publication.excluded_partners,
            partners,
            path="/audience/exclude/partners",
            states={each.state for each in partners},
        )
        _require_known(faults)
        # Whoever is no partner now is in no list to choose from, and may come back.
        present = {each.id for each in partners if each.state in ESTABLISHED}
        ids |= had.partner_ids - present
        wanted = Exclusions(frozenset(ids), publication.excluded_organisations)
    if not wanted:
        return wanted, Findings()
    if publication.level is AudienceLevel.PUBLIC:
        message = "What everybody can read excludes nobody."
        raise InvalidInputError(
            message,
            faults=[InputFault("/audience/exclude", message)],
            code="public-excludes",
            hint="Choose a narrower audience, or take the exclusions out.",
        )
    now, kept = await find_members(tx, wanted), found.carried(had, wanted)
    return wanted, Findings(now.hosting | kept.hosting, now.own | kept.own)
