"""How many organisations an entry would fit: few mean that its owner is guessed.

Pure: the caller brings what the node knows of each organisation, own members and
partners' alike (SPEC CHI-007). It is an estimate from this node's data; others know
more, and the screens say so.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from node.feed.folding import fold

FITTING_MIN: Final = 5  # organisations; fewer need *publish anyway*
_TERM_FIELDS: Final = ("processes", "materials", "applications", "topics", "keywords")
_PROFILE_FIELDS: Final = ("competences", "products", "markets", "expertise", "methods")


@dataclass(frozen=True, slots=True)
class Traits:
    """What an entry or an organisation is about, in folded words.

    Attributes:
        equipment_classes: Codes of `equipment_classes`.
        terms: Processes, materials, topics … each folded as a whole.
        regions: ISO 3166 codes.
    """

    equipment_classes: frozenset[str] = frozenset()
    terms: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def __or__(self, other: "Traits") -> "Traits":
        """Join what two entries of one organisation say about it."""
        return Traits(
            self.equipment_classes | other.equipment_classes,
            self.terms | other.terms,
            self.regions | other.regions,
        )


def traits_of(content: Mapping[str, Any]) -> Traits:
    """Read the traits out of an entry's content (schemas/entries)."""
    equipment_class = content.get("equipment_class")
    terms = {
        fold(term)
        for field in (*_TERM_FIELDS, *_PROFILE_FIELDS)
        for term in content.get(field, ())
        if isinstance(term, str)
    }
    return Traits(
        frozenset() if equipment_class is None else frozenset({equipment_class}),
        frozenset(terms),
        frozenset(content.get("regions", ())),
    )


def count_fitting(entry: Traits, organisations: Iterable[Traits]) -> int:
    """Count the organisations that the entry could come from."""
    return sum(_fits(entry, each) for each in organisations)


def _fits(entry: Traits, organisation: Traits) -> bool:
    """Whether nothing that the entry says speaks against an organisation.

    Each sort of trait that the entry names has to occur. An organisation of which
    no region is known fits every region: it cannot be ruled out.
    """
    if not entry.equipment_classes <= organisation.equipment_classes:
        return False
    if entry.terms and not entry.terms & organisation.terms:
        return False
    return (
        not entry.regions
        or not organisation.regions
        or any(
            _overlap(one, other)
            for one in entry.regions
            for other in organisation.regions
        )
    )


def _overlap(one: str, other: str) -> bool:
    """Whether two regions are the same or one lies in the other (DE, DE-HE)."""
    return one == other or one.startswith(f"{other}-") or other.startswith(f"{one}-")
