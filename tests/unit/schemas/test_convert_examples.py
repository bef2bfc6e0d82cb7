"""Conversion of example objects into entries of the demonstration."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from node.demo.convert_examples import convert
from node.demo.data import CLUSTERS

AS_OF = date(2026, 11, 21)


def an_object(**changes: Any) -> dict[str, Any]:
    item = {
        "id": "co-koordinatenmessmaschine",
        "kind": "capacity_offer",
        "cluster": "optence",
        "title_de": "Freie Stunden",
        "title_en": "Free hours",
        "summary_de": "Tageweise frei.",
        "summary_en": "Free by the day.",
        "tags": ["optik"],
        "nace": "71.20",
        "visibility": "partners",
        "chiffre": False,
        "valid_until": "2026-12-01",
        "details": {
            "organisation": "Beispiel Präzisionsoptik GmbH",
            "resource_type": "measuring_machine",
            "specs": [
                {"name_de": "Weg", "name_en": "Travel", "value": 1.8, "unit": "µm"},
                {"name_de": "Zahl", "name_en": "Count", "max": 20000, "unit": "cycles"},
                {"name_de": "Härte", "name_en": "Hardness", "min": 1800, "unit": "HV"},
            ],
            "price": {"mode": "from", "value": 95, "unit": "CHF/h"},
            "operator_included": True,
            "location_region": "DE-HE",
            "availability": "next_quarter",
        },
    }
    return item | changes


def converted(item: dict[str, Any]) -> dict[str, Any]:
    entries, left_out = convert([item], as_of=AS_OF)
    assert left_out == []
    found = [entry for slug in CLUSTERS for entry in entries[slug]]
    assert len(found) == 1
    return found[0]


def test_units_prices_days_and_names_become_ours() -> None:
    entry = converted(an_object())
    assert entry["specs"] == [
        {"name": {"de": "Weg", "en": "Travel"}, "value": "1.8", "unit": "4H"},
        {"name": {"de": "Zahl", "en": "Count"}, "max": "20000", "unit": "B7"},
        {
            "name": {"de": "Härte", "en": "Hardness"},
            "text": {"de": "ab 1800 HV", "en": "from 1800 HV"},
        },
    ]
    assert entry["price"] == {
        "mode": "from",
        "amount": "95",
        "currency": "CHF",
        "per": "HUR",
    }
    assert entry["valid_until"] == {"in_days": 10}
    assert entry["availability"] == "on_request"
    assert entry["on_behalf_of"] == {"organisation": "opt-101"}


@pytest.mark.parametrize(
    ("visibility", "audience"),
    [
        ("group", {"level": "cluster"}),
        ("cluster", {"level": "cluster"}),
        ("partners", {"level": "partners", "partners": ["{swissmem-photonics}"]}),
        ("trusted", {"level": "trusted"}),
        ("public", {"level": "public"}),
    ],
)
def test_audience(visibility: str, audience: dict[str, Any]) -> None:
    assert converted(an_object(visibility=visibility))["audience"] == audience


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chiffre": True}, "stand behind its box number"),
        ({"kind": "training"}, "kind training does not exist yet"),
        ({"kind": "expert_profile"}, "names no person"),
        ({"id": "co-vr-labor"}, "none of the demonstration's clusters"),
    ],
)
def test_what_does_not_fit_is_left_out_with_its_reason(
    changes: dict[str, Any], reason: str
) -> None:
    entries, left_out = convert([an_object(**changes)], as_of=AS_OF)
    assert not any(entries.values())
    assert len(left_out) == 1
    assert reason in left_out[0][1]


def test_an_organisation_that_the_cluster_lacks_is_an_error() -> None:
    item = an_object()
    item["details"] |= {"organisation": "Beispiel Unbekannt GmbH"}
    with pytest.raises(LookupError, match="Beispiel Unbekannt GmbH"):
        convert([item], as_of=AS_OF)


def test_an_entry_under_chiffre_names_its_owner_only_to_the_own_office() -> None:
    item = an_object(id="co-linsenfertigung", chiffre=True)
    del item["details"]["organisation"]
    entry = converted(item)
    assert entry["contact"] == {"mode": "chiffre"}
    assert entry["publish_anyway"] is True
    assert entry["on_behalf_of"] == {"organisation": "swp-103"}
