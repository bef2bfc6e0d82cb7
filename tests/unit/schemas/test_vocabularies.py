"""Vocabularies: labels in both languages, known codes, nothing invented."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from babel import Locale
from babel.numbers import get_currency_name

from schemas import KINDS, load_schema, vocabulary, vocabulary_names


@pytest.mark.parametrize("name", vocabulary_names())
def test_terms_are_unique_and_labelled_in_both_languages(name: str) -> None:
    terms = vocabulary(name)
    assert max(Counter(term.code for term in terms).values()) == 1
    for term in terms:
        assert term.label.keys() == {"de", "en"}, term.code
        assert all(text.strip() == text != "" for text in term.label.values())


def test_an_unknown_vocabulary_is_an_error() -> None:
    with pytest.raises(KeyError):
        vocabulary("colours")


def test_schema_of_a_vocabulary_lists_its_codes() -> None:
    codes = [term.code for term in vocabulary("units")]
    assert load_schema("vocabularies/units")["enum"] == codes


@pytest.mark.parametrize(
    ("code", "symbol"),
    # UN/CEFACT Recommendation 20, as printed there.
    [
        ("MMT", "mm"),
        ("4H", "µm"),
        ("C45", "nm"),
        ("KMT", "km"),
        ("HUR", "h"),
        ("CEL", "°C"),
        ("P1", "%"),
        ("KWT", "kW"),
        ("H70", "ps"),
        ("C56", "N/mm²"),
        ("C22", "mN/m"),
        ("2X", "m/min"),
        ("MBR", "mbar"),
    ],
)
def test_unit_has_its_symbol(code: str, symbol: str) -> None:
    assert {t.code: t.symbol for t in vocabulary("units")}[code] == symbol


def test_countries_are_those_of_cldr_with_two_letters() -> None:
    english = Locale("en").territories
    for term in vocabulary("countries"):
        assert re.fullmatch(r"[A-Z]{2}", term.code)
        assert english[term.code] == term.label["en"]
    assert len(vocabulary("countries")) == 249


def test_currencies_are_known_and_include_the_franc() -> None:
    codes = {term.code for term in vocabulary("currencies")}
    assert {"EUR", "CHF"} <= codes
    for term in vocabulary("currencies"):
        assert get_currency_name(term.code, locale="en") == term.label["en"]


def test_regions_of_the_three_countries_are_complete() -> None:
    counted = Counter(term.code.partition("-")[0] for term in vocabulary("regions"))
    assert counted == {"DE": 16, "AT": 9, "CH": 26}


def test_nace_has_all_sections_and_divisions_and_a_sound_tree() -> None:
    terms = {term.code: term for term in vocabulary("nace")}
    assert sum(len(code) == 1 for code in terms) == 21
    assert sum(len(code) == 2 for code in terms) == 88
    for code, term in terms.items():
        if len(code) == 1:
            assert not term.broader
        else:
            assert term.broader in terms
            assert len(code) == 2 or code.startswith(term.broader + ".")


def test_kinds_name_themselves_and_offers_pair_with_requests() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    purposes = Counter(kind.purpose for kind in KINDS.values())
    assert purposes == {"offer": 2, "request": 2, None: 3}
    assert [kind.name for kind in KINDS.values() if kind.personal] == ["expert_profile"]
    for kind in KINDS.values():
        assert (kind.wire_type == "Proposal") == (kind.purpose is not None)
