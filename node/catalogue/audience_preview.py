"""Who would see an entry, before it is published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from federation.trust import ESTABLISHED
from node.catalogue.model import Entry
from node.members.model import Person
from node.partners.model import Partner
from node.visibility import PartnerViewer, PublicViewer, Verdict, decide_entry


@dataclass(frozen=True, slots=True)
class AudiencePreview:
    """What one reader would see of an entry, before it is published.

    Attributes:
        name: The cluster's name, or None for the public.
        members: Members of that cluster as it states them, if it does.
    """

    name: str | None
    own: bool
    verdict: Verdict
    members: int | None


def readers_of(
    entry: Entry,
    actor: Person,
    partners: Sequence[Partner],
    *,
    cluster: tuple[str, Mapping[str, Any]],
    today: date,
) -> list[AudiencePreview]:
    """Ask the rules for the own cluster, every partner and the public.

    Args:
        entry: As it would be published.
        actor: Who publishes; a colleague without a role stands for the cluster.
        partners: All partners, whatever their state.
        cluster: Name and card of the own cluster.
        today: For the last day.
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
        )
    ]
    shown.extend(
        AudiencePreview(
            name=partner.name,
            own=False,
            verdict=decide_entry(
                entry, PartnerViewer(partner.id, partner.state), today
            ),
            members=_members(partner.card),
        )
        for partner in partners
        if partner.state in ESTABLISHED
    )
    public = decide_entry(entry, PublicViewer(), today)
    shown.append(AudiencePreview(None, own=False, verdict=public, members=None))
    return shown


def _members(card: Mapping[str, Any]) -> int | None:
    members = card.get("members")
    return members if isinstance(members, int) else None
