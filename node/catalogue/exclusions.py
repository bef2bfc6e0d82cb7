"""Whom an entry excludes: partner clusters, and organisations wherever they are.

Source: SPEC.md VIS-071 to VIS-074.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from node.members.identifiers import Known


@dataclass(frozen=True, slots=True, kw_only=True)
class ExcludedOrganisation:
    """An organisation that must not read an entry.

    Attributes:
        send_anyway: Whether a partner cluster gets the entry though it has the
            organisation as member.
    """

    name: str
    vat_id: str | None = None
    register_id: str | None = None
    domains: tuple[str, ...] = ()
    send_anyway: bool = False

    @property
    def identifiers(self) -> frozenset[str]:
        """What it is recognised by; empty if only its name is known."""
        return Known(
            name=self.name,
            vat_id=self.vat_id,
            register_id=self.register_id,
            domains=self.domains,
        ).identifiers


@dataclass(frozen=True, slots=True)
class Exclusions:
    """The list of one entry, as its author wrote it.

    Attributes:
        partner_ids: Our ids of the partner clusters.
    """

    partner_ids: frozenset[str] = frozenset()
    organisations: tuple[ExcludedOrganisation, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.partner_ids or self.organisations)


@dataclass(frozen=True, slots=True)
class Findings:
    """Where the excluded organisations of a list are members.

    Attributes:
        hosting: Number of the organisation in the list, id of the partner.
        own: Number of the organisation in the list, id of our own member.
    """

    hosting: frozenset[tuple[int, str]] = frozenset()
    own: frozenset[tuple[int, str]] = frozenset()

    def carried(self, before: Exclusions, now: Exclusions) -> "Findings":
        """Return what was found for organisations that are still in the list."""
        numbers = {
            old: new
            for old, one in enumerate(before.organisations)
            for new, other in enumerate(now.organisations)
            if _is_same(one, other)
        }
        withheld = _withheld(now.organisations)
        return Findings(
            frozenset(
                (numbers[number], partner_id)
                for number, partner_id in self.hosting
                if numbers.get(number) in withheld
            ),
            frozenset(
                (numbers[number], organisation_id)
                for number, organisation_id in self.own
                if number in numbers
            ),
        )


def _withheld(organisations: Sequence[ExcludedOrganisation]) -> frozenset[int]:
    return frozenset(
        number for number, each in enumerate(organisations) if not each.send_anyway
    )


def _is_same(one: ExcludedOrganisation, other: ExcludedOrganisation) -> bool:
    return one.name == other.name or not one.identifiers.isdisjoint(other.identifiers)
