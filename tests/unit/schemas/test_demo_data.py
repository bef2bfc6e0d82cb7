"""The demonstration's data: complete, valid, invented, never expired."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from node.demo.data import CLUSTERS, DemoCluster, load_cluster, load_entries
from schemas import (
    FORMATS,
    KINDS,
    broken_rules,
    load_schema,
    registry,
    split_file,
    vocabulary,
)

ADDRESSES = {slug: f"http://127.0.0.1:{8001 + n}" for n, slug in enumerate(CLUSTERS)}
# A Saturday, a leap day, the end of a year, and a plain Wednesday.
DAYS = [date(2026, 11, 21), date(2028, 2, 29), date(2026, 12, 31), date(2027, 6, 2)]
ORGANISATION_HEAD = (
    "external_id;name;short_name;website;region;city;size_class;org_type;"
    "description_de;description_en"
)
PERSON_HEAD = (
    "external_id;organisation;name;email;role;function;language;phone;"
    "consent_date;consent_source"
)


def rows(data: bytes) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8")), delimiter=";")
    return list(reader)


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> DemoCluster:
    return load_cluster(request.param)


def entries_of(slug: str, today: date = DAYS[0]) -> tuple[dict[str, Any], ...]:
    return load_entries(slug, today=today, base_urls=ADDRESSES)


def faults_of(entry: dict[str, Any]) -> list[str]:
    content, beside = split_file(entry)
    faults = []
    for name, part in ((f"entries/{entry['kind']}", content), ("publication", beside)):
        validator = Draft202012Validator(
            load_schema(name), registry=registry(), format_checker=FORMATS
        )
        faults += [f"{e.json_path}: {e.message}" for e in validator.iter_errors(part)]
    return faults or [f"{rule.path}: {rule.message}" for rule in broken_rules(content)]


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_every_entry_is_valid_on_any_day(cluster: DemoCluster, today: date) -> None:
    for entry in entries_of(cluster.slug, today):
        assert faults_of(entry) == [], entry["external_id"]


@pytest.mark.parametrize("today", DAYS, ids=str)
def test_nothing_is_expired_for_three_weeks(cluster: DemoCluster, today: date) -> None:
    later = (today + timedelta(days=20)).isoformat()
    for entry in entries_of(cluster.slug, today):
        if entry["kind"] != "organisation_profile" or "valid_until" in entry:
            last_day = entry.get("valid_until") or entry["ends"][:10]
            assert last_day > later, entry["external_id"]
        if entry["kind"] == "event":
            assert date.fromisoformat(entry["starts"][:10]).weekday() < 5


def test_every_kind_and_audience_is_there(cluster: DemoCluster) -> None:
    entries = entries_of(cluster.slug)
    assert len(entries) >= 12
    assert {entry["kind"] for entry in entries} == set(KINDS)
    levels = {entry["audience"]["level"] for entry in entries}
    # A group is made by the office of each cluster; the data come with none.
    assert levels == {term.code for term in vocabulary("audience_levels")} - {"group"}
    assert max(Counter(entry["external_id"] for entry in entries).values()) == 1


def test_partners_are_real_addresses_of_other_clusters(cluster: DemoCluster) -> None:
    others = {url for slug, url in ADDRESSES.items() if slug != cluster.slug}
    named = [
        entry["audience"].get("partners", []) for entry in entries_of(cluster.slug)
    ]
    assert {url for urls in named for url in urls} <= others


def test_owners_exist_and_persons_publish_for_their_own_organisation(
    cluster: DemoCluster,
) -> None:
    organisations = {row["external_id"] for row in rows(cluster.organisations_csv)}
    employer = {row["email"]: row["organisation"] for row in rows(cluster.persons_csv)}
    for entry in entries_of(cluster.slug):
        owner = entry.get("on_behalf_of", {})
        assert owner.get("organisation", "") in organisations | {""}
        if "person" in owner:
            assert employer[owner["person"]] == owner["organisation"]


def test_a_person_without_consent_has_a_profile_for_the_own_cluster_only(
    cluster: DemoCluster,
) -> None:
    agreed = {row["email"]: row["consent_date"] for row in rows(cluster.persons_csv)}
    profiles = [e for e in entries_of(cluster.slug) if e["kind"] == "expert_profile"]
    levels = {
        bool(agreed[e["on_behalf_of"]["person"]]): e["audience"]["level"]
        for e in profiles
    }
    assert levels[False] == "cluster"
    assert levels[True] != "cluster"


def test_organisations(cluster: DemoCluster) -> None:
    table = rows(cluster.organisations_csv)
    assert ";".join(table[0]) == ORGANISATION_HEAD
    assert len(table) >= 9
    assert max(Counter(row["external_id"] for row in table).values()) == 1
    regions = {term.code for term in vocabulary("regions")}
    for row in table:
        assert row["region"] in regions
        assert row["size_class"] in {t.code for t in vocabulary("size_classes")}
        assert row["org_type"] in {t.code for t in vocabulary("org_types")}


def test_everything_is_marked_as_invented(cluster: DemoCluster) -> None:
    for row in rows(cluster.organisations_csv):
        assert "Beispiel" in row["name"] or "(Vorführung)" in row["name"]
        assert row["description_de"].endswith("(erfunden)")
        assert row["website"].endswith(".example")
    for row in rows(cluster.persons_csv):
        assert row["email"].endswith(".example")
    assert cluster.card["contact"].endswith(".example")
    assert "erfunden" in cluster.card["note"]["de"]


def test_persons(cluster: DemoCluster) -> None:
    table = rows(cluster.persons_csv)
    assert ";".join(table[0]) == PERSON_HEAD
    assert len(table) >= 15
    for column in ("external_id", "email"):
        assert max(Counter(row[column] for row in table).values()) == 1
    organisations = {row["external_id"] for row in rows(cluster.organisations_csv)}
    assert {row["organisation"] for row in table} == organisations
    roles = Counter(row["role"] for row in table)
    assert roles.keys() == {"person", "organisation-admin", "office", "node-admin"}
    assert roles["node-admin"] == 1
    assert roles["organisation-admin"] > 3
    with_consent = [row for row in table if row["consent_date"]]
    assert 4 <= len(with_consent) <= len(table) - 4
    for row in table:
        assert bool(row["consent_date"]) == bool(row["consent_source"])
    assert all(date.fromisoformat(r["consent_date"]) < DAYS[0] for r in with_consent)


def test_printed_facts_are_on_the_cards() -> None:
    optence = load_cluster("optence")
    assert optence.name == "Optence e. V."
    assert optence.card["founded"] == 2001
    assert (optence.card["members"], optence.card["sme"]) == (71, 49)
    swissmem = load_cluster("swissmem-photonics")
    assert (swissmem.card["members"], swissmem.card["sme"]) == (42, 34)
    for real in (optence, swissmem):
        assert not real.invented
        assert "Broschüre" in real.source["de"]
    assert load_cluster("beispiel-netz-laser").invented


def test_swiss_texts_know_no_sharp_s() -> None:
    for entry in entries_of("swissmem-photonics"):
        texts = [text for key, text in entry["title"].items() if key == "de-CH"]
        texts += [text for key, text in entry["summary"].items() if key == "de-CH"]
        assert "ß" not in "".join(texts), entry["external_id"]


def test_an_address_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError, match="swissmem-photonics"):
        load_entries("optence", today=DAYS[0], base_urls={"optence": "http://x"})


@pytest.mark.parametrize("slug", ["elsewhere", "../optence"])
def test_an_unknown_cluster_is_an_error(slug: str) -> None:
    with pytest.raises(KeyError):
        load_cluster(slug)
    with pytest.raises(KeyError):
        entries_of(slug)
