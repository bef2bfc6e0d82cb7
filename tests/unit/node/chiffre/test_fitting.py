"""How many organisations an entry fits."""

import pytest

from node.chiffre.fitting import Traits, count_fitting, traits_of

LENSES = Traits(
    frozenset({"production"}), frozenset({"schleifen", "glas"}), frozenset({"DE-HE"})
)


def test_traits_are_read_from_the_fields_of_every_kind() -> None:
    content = {
        "kind": "capacity_offer",
        "equipment_class": "measuring",
        "processes": ["Interferometrie"],
        "materials": ["Glas"],
        "topics": ["Optik"],
        "regions": ["DE-HE"],
        "specs": [{"name": {"de": "Losgröße"}}],
    }
    assert traits_of(content) == Traits(
        frozenset({"measuring"}),
        frozenset({"interferometrie", "glas", "optik"}),
        frozenset({"DE-HE"}),
    )
    profile = {"kind": "organisation_profile", "competences": ["Schleifen"]}
    assert traits_of(profile) == Traits(terms=frozenset({"schleifen"}))


@pytest.mark.parametrize(
    ("entry", "fits"),
    [
        (Traits(), True),
        (Traits(equipment_classes=frozenset({"production"})), True),
        (Traits(equipment_classes=frozenset({"measuring"})), False),
        (Traits(terms=frozenset({"glas", "keramik"})), True),
        (Traits(terms=frozenset({"keramik"})), False),
        (Traits(regions=frozenset({"DE"})), True),
        (Traits(regions=frozenset({"DE-HE"})), True),
        (Traits(regions=frozenset({"DE-BY", "CH"})), False),
        (Traits(regions=frozenset({"D"})), False),
    ],
)
def test_every_sort_that_the_entry_names_has_to_occur(
    entry: Traits, fits: bool
) -> None:
    assert count_fitting(entry, [LENSES]) == fits


def test_an_organisation_of_unknown_region_is_not_ruled_out() -> None:
    entry = Traits(regions=frozenset({"CH"}))
    assert count_fitting(entry, [LENSES, Traits(), Traits()]) == 2


def test_what_an_organisation_says_in_several_entries_counts_together() -> None:
    joined = LENSES | Traits(frozenset({"measuring"}), frozenset({"keramik"}))
    entry = Traits(frozenset({"measuring"}), frozenset({"glas"}))
    assert count_fitting(entry, [LENSES]) == 0
    assert count_fitting(entry, [joined]) == 1
