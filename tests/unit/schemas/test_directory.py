"""The cluster directory: printed facts, known codes, a source for each."""

from __future__ import annotations

import json

from node.directory import DirectoryCluster, load_directory
from schemas import vocabulary

FACTS = {cluster.slug: cluster for cluster in load_directory()}


def test_printed_facts_of_optence_and_swissmem() -> None:
    optence, swissmem = FACTS["optence"], FACTS["swissmem"]
    assert (optence.founded, optence.members, optence.members_sme) == (2001, 71, 49)
    assert optence.regions == ("DE-HE", "DE-RP")
    assert (swissmem.members, swissmem.members_sme) == (1050, 840)
    assert swissmem.note is not None
    assert "42 Mitgliedsfirmen, davon 34 KMU" in swissmem.note["de"]
    assert "Broschüre" in optence.source["de"]


def test_every_cluster_has_both_languages_and_a_source() -> None:
    assert len(FACTS) == len(load_directory()) == 48
    for cluster in FACTS.values():
        texts = [cluster.fields, cluster.description, cluster.source]
        texts += [text for text in (cluster.note, cluster.members_note) if text]
        assert all(text.keys() == {"de", "en"} for text in texts), cluster.slug
        assert len(cluster.fields["de"]) == len(cluster.fields["en"])


def test_no_file_names_or_line_numbers_are_left() -> None:
    for cluster in FACTS.values():
        text = json.dumps([dict(cluster.source), dict(cluster.note or {})])
        assert ".txt" not in text
        assert " line" not in text


def test_codes_are_known_and_numbers_fit() -> None:
    countries = {term.code for term in vocabulary("countries")}
    regions = {term.code for term in vocabulary("regions")}
    for cluster in FACTS.values():
        assert {cluster.country, *cluster.countries} <= countries
        local = {r for r in cluster.regions if r[:2] in {"DE", "AT", "CH"}}
        assert local <= regions, cluster.slug
        assert small_ones_fit(cluster), cluster.slug


def small_ones_fit(cluster: DirectoryCluster) -> bool:
    if cluster.members is None or cluster.members_sme is None:
        return True
    return cluster.members_sme <= cluster.members
