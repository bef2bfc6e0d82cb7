"""Who would see an entry, before it is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from federation.trust import ESTABLISHED
from node.catalogue.exclusions import ExcludedOrganisation
from node.catalogue.model import Entry
from node.members.identifiers import same_names
from node.members.model import Person
from node.partners.model import Partner
from node.visibility import PartnerViewer, PublicViewer, Verdict, decide_entry


@dataclass(frozen=True, slots=True)
class AudiencePreview:
    """What one reader would see of an entry, before it is published.

    Attributes:
        name: The cluster's name, or None for the public.
        members: Members of that cluster as it states them, if it does.
        known: How many of its members are known here by name; None if that does not
            matter, because no organisation is excluded or all are known.
        kept_from: Own members that do not see it, as they are excluded.
        alike: Members whose name alone is that of an excluded organisation.
    """

    name: str | None
    own: bool
    verdict: Verdict
    members: int | None
    known: int | None = None
    kept_from: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Names of organisations, to be compared with those that are excluded.

    Attributes:
        own: Of our own members, by our ids of them.
        by_partner: Of the members of partners that are known, by partner.
    """

    own: Mapping[str, str] = field(default_factory=dict)
    by_partner: Mapping[str, Sequence[str]] = field(default_factory=dict)


def readers_of(
    entry: Entry,
    actor: Person,
    partners: Sequence[Partner],
    *,
    cluster: tuple[str, Mapping[str, Any]],
    today: date,
    excluded: Sequence[ExcludedOrganisation] = (),
    names: KnownNames = KnownNames(),
) -> list[AudiencePreview]:
    """Ask the rules for the own cluster, every partner and the public.

    Args:
        entry: As it would be published.
        actor: Who publishes; a colleague without a role stands for the cluster.
        partners: All partners, whatever their state.
        cluster: Name and card of the own cluster.
        today: For the last day.
        excluded: Organisations that must not read it.
        names: What is known of members.
    """
    name, card = cluster
    colleague = replace(
        actor, id="", organisation_id="", role=type(actor.role).PERSON, left_at=None
    )
    shown = [
        AudiencePreview(
            name=name,
            own=True,
            verdict=decide_entry(entry, colleague, today),
            members=_members(card),
            kept_from=tuple(
                sorted(names.own[each] for each in entry.kept.organisation_ids)
            ),
            alike=_alike(
                excluded,
                [
                    name
                    for each, name in names.own.items()
                    if each not in entry.kept.organisation_ids
                ],
            ),
        )
    ]
    for partner in partners:
        if partner.state not in ESTABLISHED:
            continue
        verdict = decide_entry(entry, PartnerViewer.of(partner), today)
        members, theirs = _members(partner.card), names.by_partner.get(partner.id, ())
        asks = verdict.visible and any(not each.send_anyway for each in excluded)
        all_known = members is not None and len(theirs) >= members
        shown.append(
            AudiencePreview(
                name=partner.name,
                own=False,
                verdict=verdict,
                members=members,
                known=len(theirs) if asks and not all_known else None,
                alike=_alike(excluded, theirs) if verdict.visible else (),
            )
        )
    public = decide_entry(entry, PublicViewer(), today)
    shown.append(AudiencePreview(None, own=False, verdict=public, members=None))
    return shown


def _alike(
    excluded: Sequence[ExcludedOrganisation], names: Sequence[str]
) -> tuple[str, ...]:
    found = {each for one in excluded for each in same_names(one.name, names)}
    return tuple(sorted(found))


def _members(card: Mapping[str, Any]) -> int | None:
    members = card.get("members")
    return members if isinstance(members, int) else None
